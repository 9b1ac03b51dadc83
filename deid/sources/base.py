"""What a source is: it checks headers before any row is read, and yields raw cells of the columns asked for.

Promises that every part of this shelf keeps (tests/contract/test_sources.py holds each of them to it):

- Only described files, columns and paths are read; nothing outside the dataset's root folder is opened.
- Memory does not grow with the number of rows.
- Every fault is one SourceError, and no message holds a cell: what lower libraries say is never passed on.
- The digest is of the bytes that were read; a table whose bytes changed is refused at its second read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

import pyarrow as pa
from blake3 import blake3

from deid.errors import DocumentError, SourceError
from deid.schema import DatasetDescription, Table

_DRIVE = re.compile(r"[A-Za-z]:")
_SPOKEN = 20  # names listed in one message; more would bury the remedy


class Source(Protocol):
    """The one interface of this shelf."""

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """Compare files and headers with the description, for these tables and the columns needed of each.

        Raises SourceError for missing, undescribed, renamed or doubly named columns, and missing or empty files.
        No row is read.
        """
        ...

    def read(self, table: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the raw cells of these columns, in this order, in bounded memory.

        Cells that are spelled as nulls come as null; text is neither stripped nor parsed. Types are string or
        dictionary<int32, string>, and in Parquet sources the file's own.
        """
        ...

    @property
    def digests(self) -> Mapping[str, str]:
        """The digest (BLAKE3) of each table that was read to its end; of several files, over their digests in order."""
        ...

    @property
    def unread(self) -> Mapping[str, int]:
        """How often a part that nobody described was met and passed over, for instance `Patient.extension`."""
        ...

    @property
    def withheld(self) -> Mapping[str, int]:
        """How many records were left out because they carry something that must be understood and is not described."""
        ...


class FileSource:
    """What sources made of files share: where the files of a table lie, and the ledger of digests and counts."""

    def __init__(self, dataset: DatasetDescription) -> None:
        self._dataset = dataset
        self._digests: dict[str, str] = {}
        self._unread: dict[str, int] = {}
        self._withheld: dict[str, int] = {}

    @property
    def digests(self) -> Mapping[str, str]:
        """See Source."""
        return self._digests

    @property
    def unread(self) -> Mapping[str, int]:
        """See Source."""
        return self._unread

    @property
    def withheld(self) -> Mapping[str, int]:
        """See Source."""
        return self._withheld

    def _table(self, name: str, columns: Sequence[str]) -> Table:
        """Return the described table; raise SourceError unless it and all these columns are described."""
        table = self._dataset.table(name)
        if table is None:
            raise SourceError(f"there is no table {name} in dataset {self._dataset.name}", hint="describe it first")
        unknown = [column for column in columns if table.column(column) is None]
        if unknown:
            raise SourceError(f"{name}: not described: {listed(unknown)}", hint="describe the columns first")
        return table

    def _files(self, table: Table) -> tuple[Path, ...]:
        """Return the files of a table; raise SourceError if there are none or one is empty."""
        files = locate(self._dataset.root, table.path)
        if not files:
            raise SourceError(
                f"{table.name}: found no file at {table.path} in the dataset's folder",
                hint="check `path` of this table and `root` in the description",
            )
        for file in files:
            size = stated_size(file)
            if size == 0:
                raise SourceError(
                    f"{table.name}: {file.name} is empty", hint="a transfer may have failed: fetch the file again"
                )
        return files

    def _record(self, table: str, digests: Sequence[str]) -> None:
        """Note the digest of a complete read; raise SourceError if an earlier read saw other bytes."""
        digest = combined(digests)
        if self._digests.setdefault(table, digest) != digest:
            raise SourceError(
                f"{table}: the source changed between the first and the second read",
                hint="run again when nothing writes to the source; what was staged is discarded",
            )


def locate(root: Path, path: str) -> tuple[Path, ...]:
    """Return the existing files that a described path means, sorted by name; raise DocumentError if one climbs out.

    `path` is relative to `root`; its last part may hold `*`; a folder means the Parquet files directly in it.
    """
    pure = PurePosixPath(path)
    outside = pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path or _DRIVE.match(path)
    if outside or not path or "*" in "/".join(pure.parts[:-1]) or any(sign in path for sign in "?[]"):
        raise DocumentError(
            "a path is not a plain relative path inside the dataset's folder",
            hint="write it from `root`, without `..` or a leading slash; `*` only in the file name",
        )
    folder = root / pure.parent
    if "*" in pure.name:
        found = sorted(file for file in folder.glob(pure.name) if not file.name.startswith("."))
    elif (root / pure).is_dir():
        found = sorted(file for file in (root / pure).glob("*.parquet") if not file.name.startswith(("_", ".")))
    else:
        found = [root / pure] if (root / pure).exists() else []
    home = root.resolve()
    if not all(file.resolve().is_relative_to(home) for file in found):
        # A link out of the folder would let whoever fills the folder choose any file this user may read.
        raise DocumentError("a path leads out of the dataset's folder by a link", hint="copy the file into the folder")
    return tuple(file for file in found if file.is_file())


def stated_size(file: Path) -> int:
    """Return the size in bytes; raise SourceError if the file cannot be examined."""
    try:
        return file.stat().st_size
    except OSError as error:
        raise unreadable(file, error) from None


def unreadable(file: Path, error: OSError) -> SourceError:
    """Return the error for a file that the system refuses, with the system's reason (which holds no content)."""
    reason = error.strerror or "input/output error"
    return SourceError(f"cannot read {file.name}: {reason}", hint="check that the file is there and readable")


def combined(digests: Sequence[str]) -> str:
    """Return the digest of a table: its file's, or where there are several the digest of theirs in order."""
    if len(digests) == 1:
        return digests[0]
    return blake3("".join(digests).encode()).hexdigest()


def listed(names: Sequence[str]) -> str:
    """Return names for a message, at most twenty and each at most eighty characters."""
    shown = ", ".join(name[:80] for name in names[:_SPOKEN])
    return shown if len(names) <= _SPOKEN else f"{shown} and {len(names) - _SPOKEN} more"


def compare_header(table: Table, header: Sequence[str], needed: Sequence[str]) -> list[str]:
    """Return what is wrong with a header, in words; an empty list if nothing is.

    Names are quoted only where most of the header is as described: the first line of a file without a header, or
    read with the wrong delimiter, is a row of cells, and cells never stand in a message.
    """
    described = {column.name for column in table.columns}
    known = [name for name in header if name in described]
    if len(known) * 2 < len(header):
        if len(header) == 1 and len(described) > 1:
            return [f"{table.name}: the first line is one single column where {len(described)} are described"]
        found = f"{len(known)} of its {len(header)} names are described"
        return [f"{table.name}: the first line is not the described header: {found}"]
    problems = []
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        problems.append(f"{table.name}: named more than once: {listed(doubled)}")
    extra = [name for name in dict.fromkeys(header) if name not in described]
    present = set(header)
    must = needed if table.optional_columns else [column.name for column in table.columns]
    missing = [name for name in must if name not in present]
    for name in missing:
        close = difflib.get_close_matches(name.upper(), [other.upper() for other in extra], n=1, cutoff=0.6)
        renamed = next((other for other in extra if close and other.upper() == close[0]), None)
        problems.append(f"{table.name}: {name[:80]} is missing" + (f" (renamed to {renamed[:80]}?)" if renamed else ""))
    if extra:
        problems.append(f"{table.name}: not described: {listed(extra)}")
    return problems


def refuse_headers(problems: Sequence[str]) -> None:
    """Raise one SourceError for everything that is wrong with the headers; return if nothing is."""
    if problems:
        raise SourceError(
            "the source does not match its description:" + "".join(f"\n  - {problem}" for problem in problems),
            hint="describe every column (a column that nobody may have is `unneeded`), and check delimiter and path",
        )
