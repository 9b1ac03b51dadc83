"""FHIR R4 bulk data: NDJSON files, several parts a resource type, plain or compressed.

Only described paths are read. A record's other members are skipped without being decoded; those at its top are counted
by name. `contained` resources are never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from deid.errors import SourceError
from deid.schema import DatasetDescription, Table
from deid.sources.base import FileSource
from deid.sources.flatten import Row, Want, add_to, finisher, visit_of
from deid.sources.modifiers import may_modify, not_understood, understood
from deid.sources.paths import NotScalarError, compile_path
from deid.sources.records import BAD_JSON, Record, RecordReader, WrongTypeError
from deid.sources.shapes import Shape
from deid.sources.streams import CHUNK, TextFile

MAX_LINE_BYTES = 64 << 20
BATCH_ROWS = 16_384
BATCH_BYTES = 16 << 20
CONTAINED = "contained"

_value = msgspec.json.Decoder().decode


class FhirBulkSource(FileSource):
    """A folder of FHIR bulk export files; see deid/sources/base.py for the interface."""

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """See Source; the first record of each file must be JSON of the described resource type."""
        for name, columns in tables.items():
            table = self._table(name, columns)
            flattener = _Flattener(self._dataset, table, [])
            for file in self._files(table):
                with TextFile(file) as stream:
                    for number, line, _ in _lines(table, file, stream):
                        _record(flattener, file, number, line)
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
        self._unread |= flattener.reader.unread
        self._withheld |= {f"{table}: {reason}": count for reason, count in flattener.withheld.items()}


class _Flattener:
    """Turns records into rows: one apiece, or one for each element of the list that `each` names."""

    def __init__(self, dataset: DatasetDescription, table: Table, columns: Sequence[str]) -> None:
        self.table = table
        self.columns = tuple(columns)
        self.withheld: dict[str, int] = {}
        self._full = BATCH_ROWS * max(1, len(columns))
        self._cells: Row = []  # row after row: one list that grows, instead of one for each row
        self._pending_bytes = 0
        paths = {column.name: compile_path(column.path or "") for column in table.columns}
        self._understood = understood(paths.values(), table.each)
        wants = [Want(slot, paths[name]) for slot, name in enumerate(columns)]
        self._whole = [want for want in wants if want.path.absolute or not table.each]
        self._within = [want for want in wants if not want.path.absolute and table.each]
        chain = table.each.split(".") if table.each else []
        if CONTAINED in chain:
            raise SourceError(f"{table.name}: contained resources are never read", hint="give `each` another member")
        top = Shape()
        elements = top.add(chain, ends=False)
        for want in self._whole:
            add_to(top, want.path)
        for want in self._within:
            add_to(elements, want.path)
        top.seal()
        self.reader = RecordReader(table.resource or "", top, _members_described(dataset, table.resource))
        self._chain = _chain(top, chain)
        self._fill_whole, self._fill_within = visit_of(top, self._whole), visit_of(elements, self._within)
        self._finish_whole = finisher(self._whole, self._no_text)
        self._finish_within = finisher(self._within, self._no_text)

    def add(self, line: bytes, record: Record, *, may_be_modified: bool) -> None:
        """Add the rows of one record; `may_be_modified`: the line must be searched for what must be understood."""
        if may_be_modified and may_modify(line):
            reason = not_understood(_value(line), self._understood)
            if reason is not None:
                self._count_withheld(reason)
                return
        self._pending_bytes += len(line)
        shared: Row = [None] * len(self.columns)
        self._fill_whole(record, shared)
        if self._finish_whole is not None:
            self._finish_whole(shared)
        if not self._chain:
            self._cells += shared
            return
        for element in self._elements(record):
            row = shared.copy()
            self._fill_within(element, row)
            if self._finish_within is not None:
                self._finish_within(row)
            self._cells += row

    def _elements(self, record: Record) -> list[Record]:
        level = [record]
        for name, shape in self._chain:
            found: list[Record] = []
            for one in level:
                value = getattr(one, name)
                found += value if type(value) is list else (value,)
            level = [one for one in found if type(one) is shape.type and one is not shape.empty]
        return level

    def _no_text(self, slot: int) -> None:
        self._count_withheld(f"{self.columns[slot]} is not text")

    def _count_withheld(self, reason: str) -> None:
        self.withheld[reason] = self.withheld.get(reason, 0) + 1

    @property
    def is_full(self) -> bool:
        """Whether a batch is worth handing on; by bytes too, for notes are long."""
        return len(self._cells) >= self._full or self._pending_bytes >= BATCH_BYTES

    def take(self) -> pa.RecordBatch:
        """Return the rows so far as a batch, and begin anew."""
        cells, width = self._cells, len(self.columns)
        self._cells, self._pending_bytes = [], 0
        nulls = pa.array(self.table.text.nulls, pa.string())
        arrays = [_array(cells[slot::width], nulls) for slot in range(width)]
        return pa.RecordBatch.from_arrays(arrays, names=list(self.columns))


def _array(values: list[str | None], nulls: pa.Array) -> pa.Array:
    array = pa.array(values, pa.string())
    if array.null_count == len(array):
        return array
    found = pc.is_in(array, value_set=nulls)
    return pc.if_else(found, None, array) if pc.any(found).as_py() else array


def _batches(flattener: _Flattener, file: Path, stream: TextFile) -> Iterator[pa.RecordBatch]:
    for number, line, may_be_modified in _lines(flattener.table, file, stream):
        record = _record(flattener, file, number, line)
        try:
            flattener.add(line, record, may_be_modified=may_be_modified)
        except NotScalarError:
            raise _fault(flattener.table, file, number, "a described path ends at an object, not at a value") from None
        except (ValueError, msgspec.MsgspecError, RecursionError):
            raise _fault(flattener.table, file, number, "a described value cannot be decoded") from None
        if flattener.is_full:
            yield flattener.take()
    yield flattener.take()


def _lines(table: Table, file: Path, stream: TextFile) -> Iterator[tuple[int, bytes, bool]]:
    """Yield line numbers, from 1, lines that are not blank, and whether one near them may hold a modifier."""
    number, rest = 0, b""
    while chunk := stream.read(CHUNK):
        first = not number and not rest
        block = chunk.removeprefix(b"\xef\xbb\xbf") if first else rest + chunk
        *lines, rest = block.split(b"\n")
        # One search of the block instead of one of each line: a line stands whole in the block that ends it.
        may_be_modified = bool(lines) and may_modify(block)
        for line in lines:
            number += 1
            if line.strip():
                yield number, line, may_be_modified
        if len(rest) > MAX_LINE_BYTES:
            raise _fault(table, file, number + 1, f"longer than {MAX_LINE_BYTES >> 20} MiB")
    if rest.strip():
        yield number + 1, rest, True


def _record(flattener: _Flattener, file: Path, number: int, line: bytes) -> Record:
    try:
        return flattener.reader.read(line)
    except WrongTypeError:
        raise _fault(flattener.table, file, number, f"not a {flattener.table.resource} resource") from None
    except BAD_JSON:
        raise _fault(flattener.table, file, number, "not one whole JSON object") from None


def _fault(table: Table, file: Path, number: int, what: str) -> SourceError:
    return SourceError(
        f"{table.name}: {file.name}, line {number}: {what}",
        hint="export the file again, or correct the table's `path`, `resource` or column paths",
    )


def _chain(top: Shape, names: Sequence[str]) -> list[tuple[str, Shape]]:
    """Return the attribute and the shape of each member on the way to the elements that give rows."""
    chain, shape = [], top
    for name in names:
        inner = (shape.members or {})[name]
        chain.append((shape.field(name), inner))
        shape = inner
    return chain


def _members_described(dataset: DatasetDescription, resource: str | None) -> frozenset[str]:
    """Return the top members that any table of this resource type describes."""
    described = set()
    for table in dataset.tables:
        if table.resource == resource:
            paths = [compile_path(column.path or "") for column in table.columns]
            described |= {path.top for path in paths if path.absolute or not table.each}
            described |= {table.each.split(".")[0]} if table.each else set()
    return frozenset(described)
