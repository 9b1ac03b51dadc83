"""FHIR R4 bulk data: NDJSON files, several parts a resource type, plain or compressed.

Only described paths are read. A record's undescribed members are skipped without being decoded, and counted by name.
`contained` resources are never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from deid.errors import SourceError
from deid.schema import DatasetDescription, Table
from deid.sources.base import FileSource
from deid.sources.modifiers import MODIFIER, RULES, not_understood, understood
from deid.sources.paths import Getter, NotScalarError, NotTextError, compile_path
from deid.sources.streams import CHUNK, TextFile

MAX_LINE_BYTES = 64 << 20
BATCH_ROWS = 16_384
BATCH_BYTES = 16 << 20
_PLAIN_MEMBER = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,60}")
_ALWAYS = frozenset({"resourceType"})

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_value = msgspec.json.Decoder().decode


class FhirBulkSource(FileSource):
    """A folder of FHIR bulk export files; see deid/sources/base.py for the interface."""

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """See Source; the first record of each file must be JSON of the described resource type."""
        for name, columns in tables.items():
            table = self._table(name, columns)
            for file in self._files(table):
                with TextFile(file) as stream:
                    for number, line in _lines(table, file, stream):
                        _record(table, file, number, line)
                        break

    def read(self, table: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See Source."""
        described = self._table(table, columns)
        flattener = _Flattener(self._dataset, described, columns)
        digests: list[str] = []
        for file in self._files(described):
            with TextFile(file) as stream:
                yield from _batches(flattener, file, stream)
                digests.append(stream.finish())
        self._record(table, digests)
        # Counts are set, not added: a table that is read twice is counted once.
        self._unread |= _by_spoken_name(described, flattener.unread)
        self._withheld |= {f"{table}: {reason}": count for reason, count in flattener.withheld.items()}


class _Flattener:
    """Turns records into rows: one apiece, or one for each element of the list that `each` names."""

    def __init__(self, dataset: DatasetDescription, table: Table, columns: Sequence[str]) -> None:
        self.table = table
        self.columns = tuple(columns)
        self.unread: dict[str, int] = {}
        self.withheld: dict[str, int] = {}
        self._rows: list[list[str | None]] = []
        self._pending_bytes = 0
        paths = {column.name: compile_path(column.path or "") for column in table.columns}
        self._understood = understood(paths.values(), table.each)
        self._each = table.each.split(".") if table.each else []
        self._described = _ALWAYS | _members_described(dataset, table.resource)
        # Columns that begin at one member share its decoding.
        self._whole: dict[str, list[tuple[int, Getter]]] = {}
        self._within: dict[str, list[tuple[int, Getter]]] = {}
        for index, name in enumerate(columns):
            path = paths[name]
            side = self._within if self._each and not path.absolute else self._whole
            side.setdefault(path.top, []).append((index, path.get))

    def add(self, line: bytes, members: dict[str, msgspec.Raw]) -> None:
        """Add the rows of one record."""
        for member in members.keys() - self._described:
            self.unread[member] = self.unread.get(member, 0) + 1
        if MODIFIER.encode() in line or RULES.encode() in line or b"\\u" in line:
            # An escaped name would slip past a search of the bytes, so such a record is decoded in whole.
            reason = not_understood(_value(line), self._understood)
            if reason is not None:
                self._count_withheld(reason)
                return
        self._pending_bytes += len(line)
        shared: list[str | None] = [None] * len(self.columns)
        for member, getters in self._whole.items():
            if (raw := members.get(member)) is not None:
                self._fill(shared, getters, _value(raw))
        if not self._each:
            self._rows.append(shared)
            return
        for element in self._elements(members):
            row = shared.copy()
            for member, getters in self._within.items():
                if (value := element.get(member)) is not None:
                    self._fill(row, getters, value)
            self._rows.append(row)

    def _elements(self, members: dict[str, msgspec.Raw]) -> list[dict[str, Any]]:
        raw = members.get(self._each[0])
        level = _flat(_value(raw)) if raw is not None else []
        for member in self._each[1:]:
            level = [found for one in level if isinstance(one, dict) for found in _flat(one.get(member))]
        return [one for one in level if isinstance(one, dict)]

    def _fill(self, row: list[str | None], getters: list[tuple[int, Getter]], value: Any) -> None:
        for index, get in getters:
            try:
                row[index] = get(value)
            except NotTextError:
                self._count_withheld(f"{self.columns[index]} is not text")

    def _count_withheld(self, reason: str) -> None:
        self.withheld[reason] = self.withheld.get(reason, 0) + 1

    @property
    def is_full(self) -> bool:
        """Whether a batch is worth handing on; by bytes too, for notes are long."""
        return len(self._rows) >= BATCH_ROWS or self._pending_bytes >= BATCH_BYTES

    def take(self) -> pa.RecordBatch:
        """Return the rows so far as a batch, and begin anew."""
        cells = zip(*self._rows, strict=True) if self._rows else ([] for _ in self.columns)
        nulls = pa.array(self.table.text.nulls, pa.string())
        arrays = []
        for values in cells:
            array = pa.array(values, pa.string())
            arrays.append(pc.if_else(pc.is_in(array, value_set=nulls), None, array))
        self._rows = []
        self._pending_bytes = 0
        return pa.RecordBatch.from_arrays(arrays, names=list(self.columns))


def _batches(flattener: _Flattener, file: Path, stream: TextFile) -> Iterator[pa.RecordBatch]:
    for number, line in _lines(flattener.table, file, stream):
        members = _record(flattener.table, file, number, line)
        try:
            flattener.add(line, members)
        except NotScalarError:
            raise _fault(flattener.table, file, number, "a described path ends at an object, not at a value") from None
        except (ValueError, msgspec.MsgspecError, RecursionError):
            raise _fault(flattener.table, file, number, "a described value cannot be decoded") from None
        if flattener.is_full:
            yield flattener.take()
    yield flattener.take()


def _lines(table: Table, file: Path, stream: TextFile) -> Iterator[tuple[int, bytes]]:
    """Yield line numbers, from 1, and lines that are not blank."""
    number, rest = 0, b""
    while chunk := stream.read(CHUNK):
        first = not number and not rest
        *lines, rest = (chunk.removeprefix(b"\xef\xbb\xbf") if first else rest + chunk).split(b"\n")
        for line in lines:
            number += 1
            if line.strip():
                yield number, line
        if len(rest) > MAX_LINE_BYTES:
            raise _fault(table, file, number + 1, f"longer than {MAX_LINE_BYTES >> 20} MiB")
    if rest.strip():
        yield number + 1, rest


def _record(table: Table, file: Path, number: int, line: bytes) -> dict[str, msgspec.Raw]:
    try:
        members = _members(line)
        resource = _value(members["resourceType"]) if "resourceType" in members else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _fault(table, file, number, "not one whole JSON object") from None
    if resource != table.resource:
        raise _fault(table, file, number, f"not a {table.resource} resource")
    return members


def _fault(table: Table, file: Path, number: int, what: str) -> SourceError:
    return SourceError(
        f"{table.name}: {file.name}, line {number}: {what}",
        hint="export the file again, or correct the table's `path`, `resource` or column paths",
    )


def _flat(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _members_described(dataset: DatasetDescription, resource: str | None) -> frozenset[str]:
    """Return the top members that any table of this resource type describes."""
    described = set()
    for table in dataset.tables:
        if table.resource == resource:
            paths = [compile_path(column.path or "") for column in table.columns]
            described |= {path.top for path in paths if path.absolute or not table.each}
            described |= {table.each.split(".")[0]} if table.each else set()
    return frozenset(described)


def _by_spoken_name(table: Table, counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts by `Resource.member`; a name that no FHIR member could have may be data, and is not spoken."""
    spoken: dict[str, int] = {}
    for member, count in counts.items():
        name = f"{table.resource}.{member if _PLAIN_MEMBER.fullmatch(member) else '(other)'}"
        spoken[name] = spoken.get(name, 0) + count
    return spoken
