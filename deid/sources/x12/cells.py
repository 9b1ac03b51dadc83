"""From a stretch of claims to rows, and to the values that paths lead to.

The meaning is that of docs/formats/dataset.md: the first value that is not empty counts, in the loops above the row,
at the row, or below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.sources.x12.loops import Zone, code_of
from deid.sources.x12.paths import Each, Place, Selector, Where
from deid.sources.x12.reader import Window
from deid.sources.x12.segments import NUMBER_OF, Flags, Positions, Segments, Spans, word
from deid.sources.x12.words import NAMED, Level, Loop

SUBSCRIBER, DEPENDENT, PAYER = (
    Where(loop, (role,)) for loop, role in (NAMED[n] for n in ("2010BA", "2010CA", "2010BB"))
)
_RANGE, _STAMP = 17, 12  # CCYYMMDD-CCYYMMDD and CCYYMMDDHHMM


@dataclass(frozen=True)
class Rows:
    """The rows of a stretch: the segment of each, and where a row is a composite of HI, its span."""

    each: Each
    at: Positions = field(repr=False)
    composites: Spans | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True)
class Cells:
    """A column: values, and for each row which of them it has, -1 for none.

    One value above many claims stays one value, so that a long one does not fill memory.
    """

    values: pa.StringArray = field(repr=False)
    at: Positions = field(repr=False)

    @classmethod
    def of(cls, values: pa.StringArray) -> Cells:
        """Return a column of one value for each row, null for none."""
        at = np.arange(len(values))
        return cls(values, at if not values.null_count else np.where(values.is_valid().to_numpy(False), at, -1))

    def where(self, flags: Flags, other: Cells) -> Cells:
        """Return the cells of this column where flagged, and of the other elsewhere."""
        values = pa.concat_arrays([self.values, other.values])
        return Cells(values, np.where(flags, self.at, np.where(other.at < 0, -1, other.at + len(self.values))))

    def otherwise(self, other: Cells) -> Cells:
        """Return this column with the other's cells where it has none."""
        return self.where(self.at >= 0, other)

    def plain(self) -> pa.StringArray:
        """Return the column as strings."""
        if len(self.at) == len(self.values) and np.array_equal(self.at, np.arange(len(self.at))):
            return self.values
        return self.values.take(self._indices(self.at))

    def coded(self) -> pa.DictionaryArray:
        """Return the column as dictionary<int32, string>."""
        encoded = self.values.dictionary_encode()
        if not len(encoded.dictionary):
            return pa.DictionaryArray.from_arrays(pa.nulls(len(self.at), pa.int32()), encoded.dictionary)
        indices = encoded.indices.take(self._indices(self.at))
        return pa.DictionaryArray.from_arrays(indices, encoded.dictionary)

    @staticmethod
    def _indices(at: Positions) -> pa.Array:
        return pa.array(at, mask=at < 0)


def rows_of(window: Window, each: Each) -> Rows:
    """Return the rows of a stretch; what it repeats of earlier ones stands above claims, and gives none."""
    if each.qualifiers:
        found = _composites(window, each.qualifiers)
        return Rows(each, found.at, found)
    at = segments_at(window, each.where, each.segment)
    return Rows(each, selected(window.segments, at, each.selectors))


def cells_of(window: Window, rows: Rows, place: Place) -> Cells:
    """Return what each row has at a place."""
    if place.of_patient:
        own = placed(window, rows, place, DEPENDENT)
        return own.where(is_dependent(window, rows), placed(window, rows, place, SUBSCRIBER))
    if place.where is not None:
        return placed(window, rows, place, place.where)
    if rows.composites is not None:
        spans = rows.composites
    else:
        spans = window.segments.first_repetition(window.segments.elements(rows.at, place.element))
    found = Cells.of(window.segments.texts(_cut(window.segments, spans, place)))
    kept = np.ones(len(rows), bool)
    if place.selectors:
        kept = np.isin(rows.at, selected(window.segments, rows.at, place.selectors))
    if place.qualifiers:
        kept = _qualified(window.segments, spans, place.qualifiers)
    return Cells(found.values, np.where(kept, found.at, -1))


def is_shared(place: Place, each: Each) -> bool:
    """Return whether several rows may have one value: it stands above them."""
    return place.of_patient or (place.where is not None and place.where.level < each.where.level)


def placed(window: Window, rows: Rows, place: Place, where: Where) -> Cells:
    """Return for each row the first value at a place in what it has in common with the row."""
    spans = _spans(window, place, where)
    level = min(where.level, rows.each.where.level)
    groups = window.loops.ordinals(level)[spans.at]
    wanted = window.loops.ordinals(level)[rows.at]
    is_first = np.ones(len(groups), bool)
    is_first[1:] = groups[1:] != groups[:-1]
    firsts = np.flatnonzero(is_first)
    if place.function == "join":
        values = _joined(window.segments, spans, firsts)
    else:
        # A range begins where the first begins, and ends where the last ends.
        lasts = np.append(firsts[1:], len(groups)) - 1 if len(groups) else firsts
        values = window.segments.texts(spans.where(lasts if place.function == "through" else firsts))
    keys = groups[firsts]
    if not len(keys):
        return Cells(values, np.full(len(wanted), -1, np.int64))
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return Cells(values, np.where(keys[at] == wanted, at, -1))


def is_dependent(window: Window, rows: Rows) -> Flags:
    """Return for each row whether it is about a dependent."""
    people = window.loops.openers(Level.PERSON)
    zones = window.loops.zones[np.searchsorted(window.loops.zone_at, people)]
    return np.asarray((zones == Zone.DEPENDENT)[window.loops.ordinals(Level.PERSON)[rows.at]])


def _joined(segments: Segments, spans: Spans, firsts: Positions) -> pa.StringArray:
    texts = segments.texts(spans)
    if segments.repeats:
        texts = pc.replace_substring(texts, chr(segments.delimiters.repetition), " ")
    edges = pa.array(np.append(firsts, len(texts)), pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(edges, texts), " ")


def _spans(window: Window, place: Place, where: Where) -> Spans:
    """Return every value at a place in a stretch, in order, none of them empty."""
    segments = window.segments
    if not place.element:
        return _cut(segments, _composites(window, place.qualifiers), place).filled
    at = selected(segments, segments_at(window, where, place.segment), place.selectors)
    spans = segments.elements(at, place.element)
    return _cut(segments, spans if place.function == "join" else segments.first_repetition(spans), place).filled


def _cut(segments: Segments, spans: Spans, place: Place) -> Spans:
    """Return the component, and the end of a range, that a place means."""
    if place.component:
        spans = segments.components(spans, place.component)
    if place.function not in ("from", "through"):
        return spans
    begins, ends = spans.begins, spans.ends
    length = ends - begins
    is_range = (length == _RANGE) & (segments.data[begins + 8] == ord("-"))
    if place.function == "through":
        begins = np.where(is_range, begins + 9, begins)
    else:
        ends = np.where(is_range, begins + 8, ends)
    return Spans(spans.at, begins, np.where(length == _STAMP, begins + 8, ends))


def segments_at(window: Window, where: Where, segment: str) -> Positions:
    """Return the positions of the segments of this name in a loop, in order."""
    if segment not in NUMBER_OF:
        return np.zeros(0, np.int64)
    return window.loops.at(*(code_of(where.loop, role, segment) for role in where.roles or (None,)))


def selected(segments: Segments, at: Positions, selectors: Sequence[Selector]) -> Positions:
    """Return those segments whose elements are as selectors say."""
    for selector in selectors:
        spans = segments.first_repetition(segments.elements(at, selector.element))
        if selector.component:
            spans = segments.components(spans, selector.component)
        found = segments.words(spans)
        at = at[np.isin(found, np.array([word(value) for value in selector.values], np.uint64))]
    return at


def _composites(window: Window, qualifiers: frozenset[str]) -> Spans:
    """Return the composites of HI in claims that are so qualified, in order."""
    at = segments_at(window, Where(Loop.L2300), "HI")
    spans, _ = window.segments.all_elements(at)
    spans = window.segments.repetitions(spans).filled
    return spans.where(_qualified(window.segments, spans, qualifiers))


def _qualified(segments: Segments, spans: Spans, qualifiers: frozenset[str]) -> Flags:
    found = segments.words(segments.components(spans, 1))
    return np.isin(found, np.array([word(value) for value in qualifiers], np.uint64))
