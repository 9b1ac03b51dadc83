"""Writes a table of codes with the facts of its list in the Parquet metadata, and the page that lists all tables."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from deid.codes.tables import MARK, WIDTH

PUBLISHED = "lists published by agencies of the United States for public use"
_HEAD = """\
# Code lists

Generated from the tables in `deid/codes/data` by `python -m deid.codes.build`; do not edit.

What a code system says of a code rests on its table; a system that is not listed judges the form of its codes alone.
`first` and `last` are the days between which validity is known; a day outside is judged as the nearest one, and a side
without a day is open.
Each table carries these facts in its Parquet metadata, with the SHA-256 of every file that it was made from.
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the metadata of a table says: of its list, and of the files that it was made from (name to SHA-256)."""

    title: str
    release: str
    source: str
    license: str
    codes: int
    first: date | None
    last: date | None
    complete: bool = True
    note: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def metadata(self) -> dict[bytes, bytes]:
        """Return the facts as Parquet metadata."""
        said = {
            "title": self.title,
            "release": self.release,
            "source": self.source,
            "license": self.license,
            "codes": str(self.codes),
            "first": self.first.isoformat() if self.first else "",
            "last": self.last.isoformat() if self.last else "",
            "complete": "yes" if self.complete else "no",
            "note": self.note,
            "files": "\n".join(f"{digest}  {name}" for name, digest in sorted(self.files.items())),
        }
        return {MARK + key.encode(): value.encode() for key, value in said.items()}


def with_facts(columns: Mapping[str, pa.Array], facts: Facts) -> pa.Table:
    """Return a table sorted by `code`, with its facts; raise ValueError for codes that are double or too long."""
    rows = pa.table(dict(columns)).sort_by("code").combine_chunks()
    codes = rows.column("code").to_pylist()
    if len(set(codes)) != len(codes) or max(map(len, codes)) > WIDTH:
        raise ValueError("codes must be distinct and have at most eight characters")
    return rows.replace_schema_metadata(facts.metadata())


def write_table(rows: pa.Table, file: Path) -> None:
    """Write a table with its metadata."""
    pq.write_table(rows, file, compression="zstd", compression_level=19, store_schema=True)


def code_lists_page(folder: Path) -> str:
    """Return docs/reference/code-lists.md for the tables of a folder."""
    return _HEAD + "".join(_section(file) for file in sorted(folder.glob("*.parquet")))


def _section(file: Path) -> str:
    metadata = pq.read_schema(file).metadata or {}
    said = {key.removeprefix(MARK).decode(): value.decode() for key, value in metadata.items() if key.startswith(MARK)}
    lines = [
        f"\n## {said['title']}\n",
        f"`{file.name}`, {file.stat().st_size:,} bytes, SHA-256 `{hashlib.sha256(file.read_bytes()).hexdigest()}`\n",
        "| | |\n|---|---|",
        f"| release | {said['release']} |",
        f"| source | {said['source']} |",
        f"| license | {said['license']} |",
        f"| codes | {int(said['codes']):,} |",
        f"| first | {said['first'] or 'open'} |",
        f"| last | {said['last'] or 'open'} |",
        f"| complete | {said['complete']} |\n",
    ]
    note = [said["note"] + "\n"] if said["note"] else []
    files = ["Made from:\n", *(f"- `{line}`" for line in said["files"].splitlines())]
    return "\n".join([*lines, *note, *files]) + "\n"
