"""One piece of a file as arrays: where its segments lie, to which message each belongs, where its delimiters stand.

All five delimiters, whatever each message says they are, become the same five control characters, which HL7 data must
not hold; so every later step knows one set of delimiters and works on many messages at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from deid.sources.hl7v2.framing import Place
from deid.sources.hl7v2.vocabulary import number_of

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

ESCAPE, SUBCOMPONENT, REPETITION, COMPONENT, FIELD = 0x1B, 0x1C, 0x1D, 0x1E, 0x1F
DELIMITERS = (FIELD, COMPONENT, REPETITION, ESCAPE, SUBCOMPONENT)  # in the order of MSH-1 and MSH-2
MSH, PID = number_of("MSH"), number_of("PID")


@dataclass(frozen=True, slots=True)
class Spans:
    """Pieces of a block's bytes: [starts, ends) of each, int64; an empty one is no value.

    [low, high) are the block's marks that stand within each, so that cutting needs no search.
    """

    starts: Numbers
    ends: Numbers
    low: Numbers
    high: Numbers

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, rows: Numbers) -> Spans:
        """Return some of them; those at negative rows are empty."""
        kept = Spans(self.starts[rows], self.ends[rows], self.low[rows], self.high[rows])
        return kept.where(rows >= 0) if len(rows) and int(rows.min()) < 0 else kept

    def where(self, flags: npt.NDArray[np.bool_]) -> Spans:
        """Return them with those empty that are not flagged."""
        return Spans(*(np.where(flags, part, 0) for part in self.parts()))

    def parts(self) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Return starts, ends, low and high."""
        return self.starts, self.ends, self.low, self.high

    @property
    def lengths(self) -> Numbers:
        """How many bytes each has."""
        return self.ends - self.starts


class _Marks:
    """The marks of one delimiter: where each stands, which of all marks it is, and how many stand before each mark."""

    def __init__(self, marks: Numbers, is_one: npt.NDArray[np.bool_]) -> None:
        self.numbers = np.flatnonzero(is_one)
        self.places = marks[self.numbers]
        self.before: Numbers = np.zeros(len(marks) + 1, np.int64)
        np.cumsum(is_one, out=self.before[1:])

    def between(self, spans: Spans, at: Numbers, number: int | Numbers, count: Numbers) -> tuple[Numbers, ...]:
        """Return starts, ends, low and high of one of `count` + 1 parts of each span; `at` is the mark after it.

        Each span has such a part.
        """
        if not len(self.places):
            return spans.parts()
        is_first, is_last = np.asarray(number) == 0, number == count
        begin, end = np.maximum(at - 1, 0), np.minimum(at, len(self.places) - 1)
        return (
            np.where(is_first, spans.starts, self.places[begin] + 1),
            np.where(is_last, spans.ends, self.places[end]),
            np.where(is_first, spans.low, self.numbers[begin] + 1),
            np.where(is_last, spans.high, self.numbers[end]),
        )


@dataclass(frozen=True)
class Block:
    """Whole messages.

    `data` is UTF-8 with the control characters above for delimiters. Of each segment: `segments` its span without the
    CR, `names` its three letters as a number, `message` the message it belongs to, counted from 0 in this block.
    `heads` are the MSH segments, by message; `delimiters` the five characters of each message (n, 5), 0 where MSH-2
    leaves one out. `marks` are the places of all control characters. The repr holds no byte of data.
    """

    place: Place
    first: int
    data: Bytes = field(repr=False)
    marks: Numbers = field(repr=False)
    segments: Spans = field(repr=False)
    names: npt.NDArray[np.int64] = field(repr=False)
    message: Numbers = field(repr=False)
    heads: Numbers = field(repr=False)
    delimiters: Bytes = field(repr=False)

    @cached_property
    def _by_kind(self) -> dict[int, _Marks]:
        return {}

    def _marks_of(self, mark: int) -> _Marks:
        known = self._by_kind
        if mark not in known:
            known[mark] = _Marks(self.marks, self.data[self.marks] == mark)
        return known[mark]

    def nth(self, spans: Spans, mark: int, number: int) -> Spans:
        """Return the part with a number, from 0, of each span cut at `mark`; an empty span where there is none."""
        marks = self._marks_of(mark)
        base = marks.before[spans.low]
        count = marks.before[spans.high] - base
        # Only where there is such a part: most fields of most segments are empty, and most have one component.
        rows = np.flatnonzero(count >= max(number, 1))
        if number == 0 and not len(rows):
            return spans
        parts = [part.copy() if number == 0 else np.zeros(len(spans), np.int64) for part in spans.parts()]
        at = base[rows] + number
        for part, values in zip(parts, marks.between(spans.take(rows), at, number, count[rows]), strict=True):
            part[rows] = values
        return Spans(*parts)

    def split(self, spans: Spans, mark: int) -> tuple[Spans, Numbers]:
        """Return all parts of each span cut at `mark`, in order, and for each part the span it is of."""
        marks = self._marks_of(mark)
        base = marks.before[spans.low]
        count = marks.before[spans.high] - base
        if not count.any():
            return spans, np.arange(len(spans))
        owner = np.repeat(np.arange(len(spans)), count + 1)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(count + 1) - count - 1, count + 1)
        return Spans(*marks.between(spans.take(owner), base[owner] + number, number, count[owner])), owner

    def count(self, spans: Spans, mark: int) -> Numbers:
        """Return how often a delimiter stands in each span."""
        before = self._marks_of(mark).before
        return before[spans.high] - before[spans.low]

    def field(self, segments: Spans, name: str, number: int) -> Spans:
        """Return a field of each of these segments, counted from 1 as HL7 counts it."""
        return self.nth(segments, FIELD, number - 1 if name == "MSH" else number)
