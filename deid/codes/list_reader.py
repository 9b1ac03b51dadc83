"""Reads the codes out of a delimited or fixed file and leaves everything else of it behind.

docs/formats/code-list.md, "Adding one". Memory grows with the number of distinct codes, time with the file.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from deid.codes.base import CodeSystem
from deid.errors import DocumentError, SourceError, StorageError

_BATCH = 65_536
_LONGEST = 1 << 20
_WIDEST = 1 << 17
_BILLABLE = {"1": True, "0": False}
_BOM = "\xef\xbb\xbf"  # the UTF-8 byte order mark, read as Latin-1


@dataclass(frozen=True, slots=True)
class Layout:
    """Where codes stand: `code` and `billable` are written as on the command line (a name, `3`, or `7-13`), or None."""

    code: str | None = None
    billable: str | None = None
    delimiter: str = ","
    skip: int = 0

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n\0':
            raise DocumentError("a delimiter is one character, and no quote", hint="write --delimiter tab for a tab")
        if self.billable is not None and (self.code is None or _is_fixed(self.billable) != _is_fixed(self.code)):
            raise DocumentError("--billable needs a --column of the same form", hint="write both as in code-list.md")


@dataclass(frozen=True, slots=True)
class Codes:
    """What was read: sorted codes in normal form with their flags; how many lines held none, or one read before.

    `digest`: the SHA-256 (hex) of the file's bytes.
    """

    codes: pa.Array
    billable: pa.Array
    empty: int
    repeated: int
    digest: str


def read_codes(path: Path, system: CodeSystem, layout: Layout) -> Codes:
    """Return the codes of a file; raise SourceError for one that holds malformed codes or none, DocumentError."""
    found: dict[str, bool | None] = {}
    empty = repeated = malformed = first_line = 0
    file = _Lines(path)
    try:
        for batch in _batches(_cells(iter(file), layout, path)):
            normal = system.normalize(pa.array([code for _, code, _ in batch], pa.string())).to_pylist()
            for (line, text, flag), code in zip(batch, normal, strict=True):
                if not text:
                    empty += 1
                elif code is None:
                    malformed, first_line = malformed + 1, first_line or line
                else:
                    repeated += code in found
                    # One line that says it may be reported is enough: a code is repeated for each long descriptor.
                    found[code] = flag or found.get(code, flag)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}", hint="check the path") from None
    if malformed:
        raise SourceError(
            f"{path.name}: malformed as {system.title}: {malformed:,}, the first in line {first_line:,}",
            hint="check --system and --column, or mend the file; a list with wrong codes is not added",
        )
    if not found:
        raise SourceError(f"{path.name} holds no code", hint="check --column, --delimiter and --skip")
    codes = sorted(found)
    flags = [found[code] for code in codes]
    return Codes(pa.array(codes, pa.string()), pa.array(flags, pa.bool_()), empty, repeated, file.digest())


def _cells(lines: Iterator[str], layout: Layout, path: Path) -> Iterator[tuple[int, str, bool | None]]:
    """Yield the line, the code as written without blanks around it, and the flag of each record."""
    for _ in islice(lines, layout.skip):  # ends with the file, however many were asked for
        pass
    for line, fields in _records(lines, layout, path):
        code, flag = fields
        billable = None
        if layout.billable is not None and code.strip():
            billable = _BILLABLE.get(flag.strip())
            if billable is None:
                raise SourceError(
                    f"{path.name}: line {line:,} holds neither 1 nor 0 in the column of --billable",
                    hint="name the column that says 1 for codes to be reported and 0 for headings",
                )
        yield line, code.strip(), billable


def _records(lines: Iterator[str], layout: Layout, path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    line = layout.skip
    if layout.code is None or _is_fixed(layout.code):
        code, flag = _range(layout.code), _range(layout.billable)
        for text in lines:
            line += 1
            yield line, (text[code], text[flag])
        return
    # A quote that is never closed would swallow every code behind it; `strict` makes an error of it.
    reader = csv.reader(lines, delimiter=layout.delimiter, strict=True)
    places: tuple[int, int] | None = None
    if layout.code.isdigit():
        places = int(layout.code) - 1, int(layout.billable or layout.code) - 1
    try:
        for fields in reader:
            # The module's own limit belongs to the whole process, and another library may have raised it.
            if max(map(len, fields), default=0) > _WIDEST:
                raise csv.Error
            if places is None:
                places = _named(fields, layout, path)
                continue
            if fields:
                at = layout.skip + reader.line_num
                if max(places) >= len(fields):
                    raise SourceError(
                        f"{path.name}: line {at:,} has too few columns", hint="check --delimiter, --column and --skip"
                    )
                yield at, (fields[places[0]], fields[places[1]])
    except csv.Error:
        raise SourceError(
            f"{path.name}: line {layout.skip + reader.line_num:,} cannot be read as delimited text",
            hint="check --delimiter",
        ) from None


def _named(header: list[str], layout: Layout, path: Path) -> tuple[int, int]:
    names = [name.strip() for name in header]
    places = []
    for name in (layout.code, layout.billable or layout.code):
        if name is None or names.count(name) != 1:
            raise SourceError(
                f"{path.name}: the first line that is read does not name the column {name} once",
                hint="check --column, --delimiter and --skip",
            )
        places.append(names.index(name))
    return places[0], places[1]


def _is_fixed(column: str) -> bool:
    """Whether a column is written as characters from-to."""
    return re.fullmatch(r"[1-9][0-9]*-[1-9][0-9]*", column) is not None


def _range(column: str | None) -> slice:
    """Return the characters that `7-13` means, all of the line for None."""
    if column is None:
        return slice(None)
    first, _, last = column.partition("-")
    if int(last) < int(first):
        raise DocumentError("characters run from the first to the last", hint="write for instance --column 7-13")
    return slice(int(first) - 1, int(last))


def _batches(cells: Iterator[tuple[int, str, bool | None]]) -> Iterator[list[tuple[int, str, bool | None]]]:
    batch: list[tuple[int, str, bool | None]] = []
    for cell in cells:
        batch.append(cell)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


class _Lines:
    """A file read line by line, as Latin-1, which every byte is: codes are ASCII, and nothing else is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.sha256()

    def __iter__(self) -> Iterator[str]:
        """Yield the lines with their ends; raise SourceError for what is no text, and OSError."""
        with self._path.open("rb") as file:
            number = 0
            while line := file.readline(_LONGEST + 1):
                number += 1
                if len(line) > _LONGEST or b"\0" in line:
                    what = "has more than 1 MiB" if len(line) > _LONGEST else "holds a NUL byte"
                    raise SourceError(
                        f"{self._path.name}: line {number:,} {what}, so the file is no list in plain text",
                        hint="unpack it, or save it as text in UTF-8",
                    )
                self._hash.update(line)
                text = line.decode("latin-1")
                yield text.removeprefix(_BOM) if number == 1 else text

    def digest(self) -> str:
        """Return the SHA-256 of what was read, hex."""
        return self._hash.hexdigest()
