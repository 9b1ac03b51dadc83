"""Which segments a row's path means: those of its own patient, told by where they stand.

Nothing is taken from beyond the row's own PID. A message may hold several patients, and the nearest segment of another
one would put a stranger's visit into the row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deid.sources.hl7v2.block import MSH, PID, Block, Numbers
from deid.sources.hl7v2.paths import Resource
from deid.sources.hl7v2.vocabulary import BELOW, HEADER, name_of, number_of

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reach:
    """For each row the segments of one name that a path may mean: `found[low:high]`, in order; the first is meant.

    `found` are positions of segments in the block, `low` and `high` int64 of shape (rows,).
    """

    found: Numbers
    low: Numbers
    high: Numbers

    def first(self) -> Numbers:
        """Return the segment that each row means, -1 where it has none."""
        if not len(self.found):
            return np.full(len(self.low), -1)
        return np.where(self.low < self.high, self.found[np.minimum(self.low, len(self.found) - 1)], -1)

    def all(self) -> tuple[Numbers, Numbers]:
        """Return every segment within reach, and for each the row that reaches it, in order of rows."""
        counts = np.maximum(self.high - self.low, 0)
        rows = np.repeat(np.arange(len(counts)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.found[self.low[rows] + within], rows


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that a block gives: the segment at which each stands, and from where to where its patient reaches.

    `starts` is the patient's PID, or the MSH where none stands before the row; `ends` is the next PID or MSH.
    """

    block: Block
    anchor: int
    at: Numbers
    starts: Numbers
    ends: Numbers

    def __len__(self) -> int:
        return len(self.at)

    def reach(self, name: str) -> Reach:
        """Return which segments of a name the rows' paths mean."""
        wanted, anchor = number_of(name), name_of(self.anchor)
        found = np.flatnonzero(self.block.names == wanted)
        if wanted == self.anchor:
            low = np.searchsorted(found, self.at)
            return Reach(found, low, low + 1)
        if name in HEADER:
            heads = self.block.heads[self.block.message[self.at]]
            return _between(found, heads, self._header_ends(heads))
        if wanted == PID:
            return _between(found, self.starts, self.ends)
        if name == "NTE" or anchor in (*HEADER, "PID") or name in BELOW.get(anchor, ()):
            return _between(found, self.at + 1, self._below(name, anchor))
        before = np.searchsorted(found, self.at)
        low = np.where((before > 0) & (_at(found, before - 1) >= self.starts), before - 1, before)
        return Reach(found, low, before)

    def _below(self, name: str, anchor: str) -> Numbers:
        """Return how far what belongs below each row's segment may stand."""
        if name == "NTE":  # notes follow at once; further ones belong to another segment
            stops = np.flatnonzero(self.block.names != number_of("NTE"))
        elif anchor in (*HEADER, "PID"):
            return self.ends
        else:
            stops = np.flatnonzero(self.block.names == self.anchor)
        return np.minimum(self.ends, _at(stops, np.searchsorted(stops, self.at, "right"), beyond=len(self.block.names)))

    def part(self, begin: int, end: int) -> Rows:
        """Return some of the rows."""
        return Rows(self.block, self.anchor, self.at[begin:end], self.starts[begin:end], self.ends[begin:end])

    def _header_ends(self, heads: Numbers) -> Numbers:
        """Return where the header of each row's message ends: at its first PID, or where the next message begins."""
        stops = np.flatnonzero((self.block.names == PID) | (self.block.names == MSH))
        return _at(stops, np.searchsorted(stops, heads, "right"), beyond=len(self.block.names))


def rows_of(block: Block, resources: tuple[Resource, ...], each: str | None, events: Numbers, types: Numbers) -> Rows:
    """Return the rows of a table in a block; `types` and `events` are those of the messages, as numbers."""
    chosen = np.zeros(len(block.heads), np.bool_)
    for resource in resources:
        fits = types == number_of(resource.type)
        chosen |= fits & (events == number_of(resource.event)) if resource.event else fits
    anchor = number_of(each) if each else MSH
    at = np.flatnonzero((block.names == anchor) & chosen[block.message])
    return _rows(block, anchor, at)


def _rows(block: Block, anchor: int, at: Numbers) -> Rows:
    stops = np.flatnonzero((block.names == PID) | (block.names == MSH))
    count = len(block.names)
    before = np.searchsorted(stops, at, "right")
    starts = _at(stops, before - 1)
    ends = _at(stops, before, beyond=count)
    # In the header of a message there is no patient yet: its rows are about the first one.
    ahead = (block.names[starts] == MSH) & (block.names[np.minimum(ends, count - 1)] == PID) & (ends < count)
    after = _at(stops, before + 1, beyond=count)
    return Rows(block, anchor, at, starts, np.where(ahead, after, ends))


def at_segments(block: Block, name: str, messages: Flags) -> Rows:
    """Return rows at the segments of a name in some messages of a block."""
    return _rows(block, number_of(name), np.flatnonzero((block.names == number_of(name)) & messages[block.message]))


def _between(found: Numbers, starts: Numbers, ends: Numbers) -> Reach:
    return Reach(found, np.searchsorted(found, starts), np.searchsorted(found, ends))


def _at(positions: Numbers, places: Numbers, *, beyond: int = -1) -> Numbers:
    """Return positions[places], and `beyond` where there is no such place."""
    if not len(positions):
        return np.full(len(places), beyond)
    inside = (places >= 0) & (places < len(positions))
    return np.where(inside, positions[np.clip(places, 0, len(positions) - 1)], beyond)
