"""From FHIR records, however they are packed, to batches of rows; what bulk files and JSON documents share.

Only described paths are read. A record's other members are skipped without being decoded; those at its top are counted
by name. `contained` resources are never read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from deid.errors import SourceError
from deid.schema import DatasetDescription, Table
from deid.sources.base import Together, Wanted
from deid.sources.files import DataFile
from deid.sources.flatten import Row, Want, add_to, finisher, visit_of
from deid.sources.json_names import has_doubled_names
from deid.sources.modifiers import is_labelled, may_modify, not_understood, understood
from deid.sources.paths import NotScalarError, compile_path
from deid.sources.records import BAD_JSON, Record, RecordReader, WrongTypeError
from deid.sources.shapes import Shape
from deid.sources.spelled_cells import nulled

MAX_RECORD_BYTES = 64 << 20
MAX_VALUES = 1_000_000  # of one record: the longest claims have a few thousand lines
BATCH_ROWS = 16_384
BATCH_BYTES = 16 << 20
CONTAINED = "contained"
_LARGE = 1 << 20
_NOT_DECODED = "a described value cannot be decoded"

# Where a record stands in its file: its line, or its line and the number of its entry, 0 where there is none.
Place = int | tuple[int, int]

_value = msgspec.json.Decoder().decode


class Flattener:
    """Turns records into the rows of one table: one apiece, or one for each element of the list that `each` names.

    `known` is what references mean that do not say it themselves, as `Patient/12`; whoever reads a Bundle fills it.
    """

    def __init__(self, wanted: Wanted, known: Mapping[str, str]) -> None:
        self.table, self.columns = wanted
        self.withheld: dict[str, int] = {}
        self._full = BATCH_ROWS * max(1, len(self.columns))
        self._cells: Row = []  # row after row: one list that grows, instead of one for each row
        self._pending_bytes = 0
        self._nulls = pa.array(self.table.text.nulls, pa.string())
        paths = {column.name: compile_path(column.path or "") for column in self.table.columns}
        self._understood = understood(paths.values(), self.table.each)
        wants = [Want(slot, paths[name], known) for slot, name in enumerate(self.columns)]
        self._whole = [want for want in wants if want.path.absolute or not self.table.each]
        self._within = [want for want in wants if not want.path.absolute and self.table.each]
        self._names = self.table.each.split(".") if self.table.each else []
        if CONTAINED in self._names:
            raise SourceError(
                f"{self.table.name}: contained resources are never read", hint="give `each` another member"
            )

    def add_to(self, top: Shape) -> None:
        """Add every place that the paths pass to the shape of a record."""
        elements = top.add(self._names, ends=False)
        for want in self._whole:
            add_to(top, want.path)
        for want in self._within:
            add_to(elements, want.path)

    def bind(self, top: Shape) -> None:
        """Take up the sealed shape in which records will come."""
        self._chain = _chain(top, self._names)
        elements = self._chain[-1][1] if self._chain else top
        self._fill_whole, self._fill_within = visit_of(top, self._whole), visit_of(elements, self._within)
        self._finish_whole = finisher(self._whole, self._no_text)
        self._finish_within = finisher(self._within, self._no_text)

    def misses_label(self, whole: dict[str, Any]) -> bool:
        """Whether a whole record is labelled as of a Part 2 program, and no column tells it."""
        return not any(self.table.of_kind("part2")) and is_labelled(whole)

    def is_withheld(self, whole: dict[str, Any]) -> bool:
        """Count a whole record, and return True, where something in it must be understood that is not described."""
        reason = not_understood(whole, self._understood)
        if reason is not None:
            self._count_withheld(reason)
        return reason is not None

    def add(self, size: int, record: Record) -> None:
        """Add the rows of one record, whose text has so many bytes."""
        self._pending_bytes += size
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
        arrays = [nulled(pa.array(cells[slot::width], pa.string()), self._nulls) for slot in range(width)]
        return pa.RecordBatch.from_arrays(arrays, names=list(self.columns))


class TypeReader:
    """Reads the records of one resource type, each decoded once, into the rows of all tables that are asked of it."""

    def __init__(self, dataset: DatasetDescription, wanted: Sequence[Wanted], known: Mapping[str, str]) -> None:
        self.tables = [Flattener(one, known) for one in wanted]
        self._first = wanted[0].table
        top = Shape()
        for table in self.tables:
            table.add_to(top)
        top.seal()
        for table in self.tables:
            table.bind(top)
        self._reader = RecordReader(self._first.resource or "", top, _members_described(dataset, self._first.resource))

    @property
    def unread(self) -> Mapping[str, int]:
        """How often each member was met that no table of this type describes."""
        return self._reader.unread

    @property
    def withheld(self) -> Mapping[str, int]:
        """How many records and values were left out, by table and reason."""
        return {f"{one.table.name}: {why}": count for one in self.tables for why, count in one.withheld.items()}

    def decoded(self, file: DataFile, place: Place, text: bytes) -> Record:
        """Return one record; raise SourceError where the text is none of this type."""
        # Each comma parts two values, so without a million of them no array of the record is larger than this.
        if len(text) > _LARGE and text.count(b",") > MAX_VALUES:
            raise fault(self._first, file, place, f"one record of more than {MAX_VALUES:,} values")
        try:
            return self._reader.read(text)
        except WrongTypeError:
            raise fault(self._first, file, place, f"not a {self._first.resource} resource") from None
        except BAD_JSON:
            raise fault(self._first, file, place, "not one whole JSON object") from None

    def add(self, file: DataFile, place: Place, text: bytes, *, may_be_modified: bool) -> bool:
        """Add a record to every table, and return whether one is `full` now; raise SourceError for one that is bad.

        `may_be_modified`: the text must be searched for what must be understood.
        """
        is_full = False
        record, size = self.decoded(file, place, text), len(text)
        whole = self._whole(file, place, text) if may_be_modified and may_modify(text) else None
        for one in self.tables:
            if whole is not None and one.misses_label(whole):
                raise SourceError(
                    f"{one.table.name}: {file.name} holds records that are labelled as of a program under 42 CFR Part "
                    "2, and no column reads the label",
                    hint='describe `part2: {kind: part2, path: "meta.security[code=42CFRPart2].code"}` in the table, '
                    "and `part2_marks: positive`",
                )
            if whole is not None and one.is_withheld(whole):
                continue
            try:
                one.add(size, record)
            except NotScalarError:
                raise fault(one.table, file, place, "a described path ends at an object, not at a value") from None
            except (ValueError, RecursionError):
                raise fault(one.table, file, place, _NOT_DECODED) from None
            is_full = is_full or one.is_full
        return is_full

    def full(self) -> Together:
        """Yield the batches that are worth handing on."""
        return ((one.table.name, one.take()) for one in self.tables if one.is_full)

    def rest(self) -> Together:
        """Yield the last batch of every table, empty where there is nothing."""
        return ((one.table.name, one.take()) for one in self.tables)

    def _whole(self, file: DataFile, place: Place, text: bytes) -> dict[str, Any]:
        try:
            # Of a name that stands twice decoders see one: the other could be the modifier that turns the meaning.
            if has_doubled_names(text):
                raise ValueError
            return dict(_value(text))
        except (ValueError, msgspec.MsgspecError, RecursionError):
            raise fault(self._first, file, place, _NOT_DECODED) from None


def readers_of(
    dataset: DatasetDescription, wanted: Sequence[Wanted], known: Mapping[str, str]
) -> dict[str, TypeReader]:
    """Return what reads each resource type of these tables; see Flattener for `known`."""
    types: dict[str, list[Wanted]] = {}
    for one in wanted:
        types.setdefault(one.table.resource or "", []).append(one)
    return {kind: TypeReader(dataset, tables, known) for kind, tables in types.items()}


def refuse_doubled_names(table: Table, file: DataFile, place: Place, text: bytes) -> None:
    """Raise SourceError where a name stands twice in one object; whoever decodes the text finds its other faults."""
    try:
        doubled = has_doubled_names(text)
    except (ValueError, RecursionError):
        return
    if doubled:
        raise fault(table, file, place, "a name stands twice in one object")


def lines_of(table: Table, file: DataFile, chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    """Yield line numbers, from 1, lines that are not blank, and whether one near them may hold a modifier."""
    number, size = 0, 0
    held: list[bytes] = []  # joined when a line ends, so that a long line takes time by its length
    for chunk in chunks:
        held.append(chunk if number or held else chunk.removeprefix(b"\xef\xbb\xbf"))
        size += len(chunk)
        block = b"".join(held) if b"\n" in chunk else b""
        if block.isspace():  # a file that unpacks to a billion line ends is not looked at line by line
            number, held, size = number + block.count(b"\n"), [], 0
        elif block:
            *lines, rest = block.split(b"\n")
            # One search of the block instead of one of each line: a line stands whole in the block that ends it.
            may_be_modified = may_modify(block)
            for line in lines:
                number += 1
                if line.strip():
                    yield number, line, may_be_modified
            held, size = [rest], len(rest)
        if size > MAX_RECORD_BYTES:
            raise fault(table, file, number + 1, f"longer than {MAX_RECORD_BYTES >> 20} MiB")
    if (rest := b"".join(held)).strip():
        yield number + 1, rest, True


def fault(table: Table, file: DataFile, place: Place, what: str) -> SourceError:
    """Return the error for a record: it names file, line and entry, and nothing that stands there."""
    line, entry = place if isinstance(place, tuple) else (place, 0)
    where = [file.name, *([f"line {line}"] if line else []), *([f"entry {entry}"] if entry else [])]
    return SourceError(
        f"{table.name}: {', '.join(where)}: {what}",
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
