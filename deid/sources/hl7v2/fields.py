"""One field of many segments: its repetitions, what selectors keep of them, and what stands in them."""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import validity
from deid.errors import SourceError
from deid.sources.hl7v2.block import COMPONENT, REPETITION, SUBCOMPONENT, Block, Numbers, Spans
from deid.sources.hl7v2.paths import Selector, Way
from deid.sources.hl7v2.texts import texts
from deid.sources.hl7v2.vocabulary import CODED_RESULTS, RESULT, SYSTEM_BESIDE

MAX_REPETITIONS = 10_000
_TRIPLETS = ((1, 2, 3), (4, 5, 6), (10, 11, 12))  # code, text, system: CWE.1-3, its alternate, its second alternate
_JOINED = {COMPONENT: " ", SUBCOMPONENT: " ", REPETITION: " "}
_STRUCTURED = {COMPONENT: "", SUBCOMPONENT: "", REPETITION: " "}
Flags = npt.NDArray[np.bool_]


class Field:
    """One field of some segments: its repetitions, and what stands in them. A segment of -1 has nothing.

    `owner` is the segment of each repetition, by its place in `segments`.
    """

    def __init__(self, block: Block, segments: Numbers, way: Way) -> None:
        self._block = block
        self._name, self._number = way.segment, way.field
        self.segments = segments
        self._lines = block.segments.take(segments)
        self.spans = block.field(self._lines, way.segment, way.field)
        self._message = block.message[np.maximum(segments, 0)]
        self.is_empty = not self.spans.lengths.any()
        self.parts: dict[tuple[int, int], pa.Array] = {}
        self.reps, self.owner = (self.spans, np.arange(len(segments))) if self.is_empty else self._repetitions(way)

    def _repetitions(self, way: Way) -> tuple[Spans, Numbers]:
        counts = self._block.count(self.spans, REPETITION)
        if len(counts) and int(counts.max()) >= MAX_REPETITIONS:
            what = f"{way.name} repeats more than {MAX_REPETITIONS:,} times"
            raise fault_at(self._block, int(self.segments[int(counts.argmax())]), what)
        return self._block.split(self.spans, REPETITION)

    def selected(self, way: Way, encoding: str) -> Field:
        """Return the field with the repetitions only that a way's selectors keep."""
        if not way.selectors:
            return self
        kept = np.ones(len(self.reps), np.bool_)
        for selector in way.selectors:
            kept &= self._selected(selector, encoding)
        part = copy.copy(self)
        chosen = np.flatnonzero(kept)
        part.reps, part.owner, part.parts = self.reps.take(chosen), self.owner[chosen], {}
        return part

    def values(self, way: Way, function: str, encoding: str) -> pa.Array:
        """Return the text that each repetition leads to."""
        if way.systems is not None:
            return self._coded(way.systems, way.component, encoding)
        if function in ("patient", "identifier"):
            return self._identifier(way, encoding)
        if function in ("text", "structured"):
            return self._texts(self.reps, encoding, None if function == "text" else _STRUCTURED)
        if function == "join" and not way.subcomponent:
            part = self._block.nth(self.reps, COMPONENT, way.component - 1) if way.component else self.reps
            return self._texts(part, encoding)
        return self._part(way.component or 1, way.subcomponent or 1, encoding)

    def first(self, values: pa.Array, index: int) -> pa.Array:
        """Return for each segment its first value, or with an index what that repetition leads to."""
        count = len(self.segments)
        if not index and len(values) == count and bool((self.owner == np.arange(count)).all()):
            return values
        chosen = np.flatnonzero(validity(values))
        if index:
            begins = np.searchsorted(self.owner, self.owner)
            chosen = chosen[chosen - begins[chosen] == index - 1]
        found = np.full(count, -1)
        found[self.owner[chosen[::-1]]] = chosen[::-1]  # the first of each segment is written last
        return (
            values.take(pa.array(np.maximum(found, 0), mask=found < 0)) if len(values) else pa.nulls(count, pa.string())
        )

    def undescribed(self, systems: frozenset[str], encoding: str) -> int:
        """Return how many codes are of systems that are not among these."""
        present = validity(self._part(1, 1, encoding)) | validity(self._part(4, 1, encoding))
        present &= self._is_coded(encoding)
        read = validity(self._coded(systems, 1, encoding))
        return int((present & ~read).sum())

    def _part(self, component: int, subcomponent: int, encoding: str) -> pa.Array:
        key = (component, subcomponent)  # several paths select by one component
        if key not in self.parts:
            span = self._block.nth(self.reps, COMPONENT, component - 1)
            self.parts[key] = self._texts(self._block.nth(span, SUBCOMPONENT, subcomponent - 1), encoding)
        return self.parts[key]

    def _texts(self, spans: Spans, encoding: str, marks: dict[int, str] | None = _JOINED) -> pa.Array:
        return texts(self._block, spans, self._message[self.owner], marks=marks, encoding=encoding)

    def _selected(self, selector: Selector, encoding: str) -> Flags:
        if selector.field:
            return self._beside(selector.field, selector.values, encoding)[self.owner]
        return _among(self._part(selector.component, selector.subcomponent, encoding), selector.values)

    def _beside(self, number: int, values: frozenset[str], encoding: str) -> Flags:
        """Return for each segment whether the first component of another field of it is one of some values."""
        return _among(self._texts_of(self._block.field(self._lines, self._name, number), encoding), values)

    def _texts_of(self, fields: Spans, encoding: str) -> pa.Array:
        for mark in (REPETITION, COMPONENT, SUBCOMPONENT):
            fields = self._block.nth(fields, mark, 0)
        return texts(self._block, fields, self._message, marks=_JOINED, encoding=encoding)

    def _coded(self, systems: frozenset[str], component: int, encoding: str) -> pa.Array:
        """Return the code (or with component 2 its text) of the first triplet whose system is one of these."""
        found = pa.nulls(len(self.reps), pa.string())
        coded = self._is_coded(encoding)
        for code, text, system in _TRIPLETS:
            codes = self._part(code, 1, encoding)
            if codes.null_count == len(codes):
                continue
            told = self._part(system, 1, encoding)
            fits = _among(told, systems - {""})
            if code == 1:
                fits |= ~validity(_trimmed(told)) & self._without_system(systems, encoding)
            values = self._part(text, 1, encoding) if component == 2 else codes
            fits &= validity(codes) & coded
            found = pc.coalesce(found, pc.if_else(pa.array(fits), values, pa.scalar(None, pa.string())))
        return found

    def _is_coded(self, encoding: str) -> Flags:
        """Return for each repetition whether it is of a coded type, which OBX-2 tells of results."""
        if f"{self._name}-{self._number}" != RESULT:
            return np.ones(len(self.reps), np.bool_)
        return self._beside(2, CODED_RESULTS, encoding)[self.owner]

    def _without_system(self, systems: frozenset[str], encoding: str) -> Flags:
        """Return for each repetition whether, if it says no system itself, its code is of one of these."""
        beside = SYSTEM_BESIDE.get(f"{self._name}-{self._number}")
        silent = np.full(len(self.segments), "" in systems)
        if beside is not None:
            told = _trimmed(self._texts_of(self._block.field(self._lines, self._name, beside), encoding))
            silent = np.where(validity(told), _among(told, systems - {""}), silent)
        return silent[self.owner]

    def _identifier(self, way: Way, encoding: str) -> pa.Array:
        """Return numbers with their assigning authorities; a number is nobody's outside of its authority."""
        number = _trimmed(self._part(way.component or 1, way.subcomponent or 1, encoding))
        if way.component:
            return number
        authority = _trimmed(self._part(4, 1, encoding))
        if authority.null_count:
            authority = pc.coalesce(authority, _trimmed(self._part(4, 2, encoding)))
        whole = pc.binary_join_element_wise(number, pc.fill_null(authority, ""), "^")
        return pc.if_else(authority.is_valid(), whole, number)


def fault_at(block: Block, segment: int, what: str) -> SourceError:
    """Return the error for one segment of a block."""
    message = int(block.message[segment])
    return block.place.fault(what, message=block.first + message, segment=segment - int(block.heads[message]) + 1)


def _trimmed(values: pa.Array) -> pa.Array:
    plain = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(pc.binary_length(plain), 0), pa.scalar(None, pa.string()), plain)


def _among(values: pa.Array, wanted: frozenset[str]) -> Flags:
    known = pa.array(sorted(wanted), pa.string())
    found = pc.is_in(pc.utf8_upper(pc.utf8_trim_whitespace(values)), value_set=known)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)
