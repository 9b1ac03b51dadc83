"""What files tell beside their cells: statistics, metadata, entries of dictionaries that no row uses, names, times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pyarrow as pa

from deid.attacks.base import Belief, Trace
from deid.attacks.knowledge import Knowledge
from deid.attacks.layout import parquet_files
from deid.attacks.released import Released
from deid.release.manifest import FILE_NAME, REST, UNLISTED, Manifest

_FEWEST = 11  # patients, where the release promises no larger k
_TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_PLAIN_DOCUMENT = re.compile(r"[A-Za-z0-9_-]+\.[a-z]{2,5}")
_PATH = re.compile(rb"/(?:home|Users|mnt|srv|data|var|tmp)/[^\s\"]+")


class SideChannels:
    """Looks at everything in the release folder but the cells."""

    name: ClassVar[str] = "side_channels"
    asks: ClassVar[str] = "reads Parquet statistics, metadata, left-over dictionary entries, names and times of files"

    def attack(self, release: Released, known: Knowledge) -> Iterator[Belief]:
        """Yield what was found, counted."""
        yield from _parquet(release)
        yield from _folder(release)
        yield from _folders(release)


def _parquet(release: Released) -> Iterator[Trace]:
    chunks = with_bounds = notes = files = entries = unused = 0
    for table in release.manifest.tables:
        for file in parquet_files(release.opened, table):
            meta = file.metadata
            files += 1
            notes += len(meta.metadata or {})
            for group in range(meta.num_row_groups):
                for column in range(meta.num_columns):
                    chunk = meta.row_group(group).column(column)
                    chunks += 1
                    with_bounds += bool(chunk.is_stats_set and chunk.statistics.has_min_max)
        left, all_entries = _unused_entries(release, table)
        unused += left
        entries += all_entries
    yield Trace("statistics", with_bounds, chunks, "column chunks whose least and greatest value stand in the file")
    yield Trace("metadata", notes, files, "key-value entries in the metadata of files")
    yield Trace("dictionaries", unused, entries, "entries of dictionaries that no row uses: values that were withheld")


def _unused_entries(release: Released, table: str) -> tuple[int, int]:
    """Return how many entries of a table's dictionaries no row of their row group uses, and how many there are."""
    unused = entries = 0
    for file in parquet_files(release.opened, table, dictionaries=True):
        for group in range(file.metadata.num_row_groups):
            read = file.read_row_group(group)
            for column in read.columns:
                if not pa.types.is_dictionary(column.type):
                    continue
                for chunk in column.chunks:
                    used = np.zeros(len(chunk.dictionary), bool)
                    used[chunk.indices.drop_null().to_numpy()] = True
                    if column.num_chunks == 1:
                        unused += int((~used).sum())
                        entries += len(used)
    return unused, entries


def _folder(release: Released) -> Iterator[Trace]:
    manifest: Manifest = release.manifest
    listed = [file.name for file in manifest.files()]
    there = [p for p in release.opened.folder.rglob("*") if p.is_file()]
    names = [str(path.relative_to(release.opened.folder)) for path in there]
    odd = [n for n in names if not (FILE_NAME.fullmatch(n) or n in UNLISTED or _PLAIN_DOCUMENT.fullmatch(n))]
    told = "files whose names are more than their table and number"
    yield Trace("file names", len(odd) + len(set(listed) - set(names)), len(names), told)
    clear = [path for path in there if not FILE_NAME.fullmatch(str(path.relative_to(release.opened.folder)))]
    texts = [path.read_bytes() for path in clear]
    timed = sum(bool(_TIME.search(text)) for text in texts)
    yield Trace("times", timed, len(texts), "documents beside the data that tell a time of day")
    paths = sum(bool(_PATH.search(text)) for text in texts)
    yield Trace("paths", paths, len(texts), "documents beside the data that tell a path of the site")
    small = [file for file in manifest.files() if not isinstance(file.rows, int)]
    told = "files of 1-10 rows, whose size tells somebody without a key how many they are"
    yield Trace("file sizes", len(small), len(listed), told, allowed=True)


def _folders(release: Released) -> Iterator[Trace]:
    """Yield how many folders of tables that stand in folders tell of few patients, or another value than their rows."""
    tables = [name for name, entry in release.manifest.tables.items() if entry.partitioned_by is not None]
    if not tables:
        return
    found = [is_telling for table in tables for is_telling in _telling(release, table)]
    told = "folders by a value that hold fewer patients than the release allows, or rows of another value"
    yield Trace("folders", sum(found), len(found), told)


def _telling(release: Released, table: str) -> list[bool]:
    """Return for each folder of a table whether it tells more than it may."""
    entry, who = release.manifest.tables[table], release.who(table)
    cells = release.cells(table, entry.partitioned_by or "").cast(pa.string()).to_numpy(zero_copy_only=False)
    values: dict[str, set[str | None]] = {}
    people: dict[str, set[int]] = {}
    start = 0
    for file, read in zip(entry.files, parquet_files(release.opened, table), strict=True):
        rows = slice(start, start + read.metadata.num_rows)
        match = FILE_NAME.fullmatch(file.name)
        folder = match["value"] if match is not None else ""
        values.setdefault(folder, set()).update(cells[rows])
        people.setdefault(folder, set()).update(who[rows].tolist() if who is not None else ())
        start = rows.stop
    least = max(_FEWEST, release.manifest.disclosure.k or 0)
    return [
        len(people[folder]) < least or (len(held) < 2 if folder == REST else held != {folder})
        for folder, held in values.items()
    ]
