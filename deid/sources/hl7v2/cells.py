"""The columns of a table's rows in one block: every path read for all rows at once.

The meaning is that of docs/formats/dataset.md: ways in order, repetitions in order, the first that leads to a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import validity
from deid.errors import SourceError
from deid.sources.hl7v2.block import MSH, PID, Numbers
from deid.sources.hl7v2.fields import Field, fault_at
from deid.sources.hl7v2.paths import Path, Way
from deid.sources.hl7v2.scope import Rows
from deid.sources.hl7v2.vocabulary import name_of

MAX_SHARED_BYTES = 4096  # of a value that many rows of other segments repeat


class Reading:
    """Reads columns of rows, each once however many tables have the same rows and the same path."""

    def __init__(self, rows: Rows, encoding: str, systems: Mapping[str, frozenset[str]]) -> None:
        self._rows = rows
        self._block = rows.block
        self._encoding = encoding
        self._systems = systems
        self._fields: dict[tuple[str, int], tuple[Field, Numbers]] = {}
        self._segments: dict[str, tuple[Numbers, Numbers]] = {}
        self._shares = rows.anchor not in (MSH, PID)
        self._columns: dict[Path, pa.StringArray] = {}
        self._foreign: Counter[str] = Counter()  # codes of systems that no table describes, by field
        self._met: dict[Path, set[str]] = {}  # the fields of codes that each path looked at

    def column(self, path: Path) -> pa.StringArray:
        """Return one cell for each row, null where no way leads to a value."""
        if path not in self._columns:
            self._columns[path] = self._column(path)
        return self._columns[path]

    def passed(self, paths: Iterable[Path]) -> Mapping[str, int]:
        """Return how many codes of systems that no table describes these paths passed over, by field."""
        fields = {name for path in paths for name in self._met.get(path, ())}
        return {name: self._foreign[name] for name in sorted(fields)}

    def _column(self, path: Path) -> pa.StringArray:
        if not path.ways:
            return self._message_keys()
        found: pa.Array | None = None
        for way in path.ways:
            values = self._joined(way, path) if path.function in ("join", "text") else self._first(way, path)
            found = values if found is None else pc.coalesce(found, values)
            if not found.null_count:
                break
        return found

    def _message_keys(self) -> pa.Array:
        numbers = pa.array(self._block.message[self._rows.at] + self._block.first).cast(pa.string())
        return pc.binary_join_element_wise(pa.scalar(self._block.place.file.name), numbers, "/")

    def every(self, way: Way, path: Path) -> list[list[str]]:
        """Return for each row every kept value of a way that selects, the first value of one that does not."""
        if not way.selectors or way.index:
            return [[] if value is None else [value] for value in self._first(way, path).to_pylist()]
        field, back = self._field(way)
        part = field.selected(way, self._encoding)
        found: list[list[str]] = [[] for _ in field.segments]
        for at, value in zip(
            part.owner.tolist(), part.values(way, path.function, self._encoding).to_pylist(), strict=True
        ):
            found[at] += [] if value is None else [value]
        return [found[at] for at in back.tolist()]

    def _first(self, way: Way, path: Path) -> pa.Array:
        field, back = self._field(way)
        if field.is_empty:
            return pa.nulls(len(back), pa.string())
        if way.systems is not None:
            self._met.setdefault(path, set()).add(way.name)
            self._count(way, field)
        part = field.selected(way, self._encoding)
        found = part.first(part.values(way, path.function, self._encoding), way.index)
        return found if name_of(self._rows.anchor) == way.segment else found.take(pa.array(back))

    def _field(self, way: Way) -> tuple[Field, Numbers]:
        """Return the field of each segment that some row means, and for each row which of them; read once a block."""
        key = (way.segment, way.field)
        if key not in self._fields:
            segments, back = self._meant(way.segment)
            self._fields[key] = (self._field_of(segments, way), back)
        return self._fields[key]

    def _fields_of_all(self, way: Way) -> tuple[Field, Numbers]:
        """Return the field of every segment that rows reach, and the row of each; read once a block."""
        if name_of(self._rows.anchor) == way.segment:
            return self._field(way)
        key = (f"all {way.segment}", way.field)
        if key not in self._fields:
            segments, owners = self._rows.reach(way.segment).all()
            self._fields[key] = (self._field_of(segments, way), owners)
        return self._fields[key]

    def _meant(self, name: str) -> tuple[Numbers, Numbers]:
        """Return the segments of a name that rows mean, and for each row which of them."""
        if name not in self._segments:
            first = self._rows.reach(name).first()
            segments, back = np.unique(first, return_inverse=True)
            self._segments[name] = (segments, back.reshape(-1))
        return self._segments[name]

    def _field_of(self, segments: Numbers, way: Way) -> Field:
        field = Field(self._block, segments, way)
        repeated = self._shares and name_of(self._rows.anchor) != way.segment
        if repeated and len(segments) and int(field.spans.lengths.max()) > MAX_SHARED_BYTES:
            raise self._fault(field, MAX_SHARED_BYTES, f"{way.name} is longer than {MAX_SHARED_BYTES:,} bytes")
        return field

    def _fault(self, field: Field, limit: int, what: str) -> SourceError:
        row = int(np.flatnonzero(field.spans.lengths > limit)[0])
        return fault_at(self._block, int(field.segments[row]), what)

    def _joined(self, way: Way, path: Path) -> pa.Array:
        field, owners = self._fields_of_all(way)
        if field.is_empty:
            return pa.nulls(len(self._rows), pa.string())
        part = field.selected(way, self._encoding)
        values = part.values(way, path.function, self._encoding)
        chosen = np.flatnonzero(validity(values))
        rows = owners[part.owner[chosen]]
        counts = np.bincount(rows, minlength=len(self._rows))
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]).astype(np.int32)
        lists = pa.ListArray.from_arrays(pa.array(offsets), values.take(pa.array(chosen)))
        joined = pc.binary_join(lists, "\n" if path.function == "text" else " ")
        if path.function == "join":
            joined = pc.replace_substring_regex(joined, " {2,}", " ")
        return pc.if_else(pa.array(counts > 0), joined, pa.scalar(None, pa.string()))

    def _count(self, way: Way, field: Field) -> None:
        if way.name not in self._foreign:
            self._foreign[way.name] = field.undescribed(self._systems[way.name], self._encoding)
