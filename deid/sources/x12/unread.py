"""What nobody described is counted: segments and elements, by loop, name and number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from deid.schema import Table
from deid.sources.x12.cells import segments_at, selected
from deid.sources.x12.loops import name_of
from deid.sources.x12.paths import Each, Key, Place, Where, compile_each, compile_path
from deid.sources.x12.reader import Window
from deid.sources.x12.segments import NUMBER_OF, Positions, Words, word
from deid.sources.x12.words import NAMED, Loop

_OTHER = "(other)"
_MOST_ELEMENTS = 63
# What says how the other elements of a segment are to be read: no data of its own.
_QUALIFIERS = {
    "AMT": (1,), "DMG": (1,), "DTP": (1, 2), "LIN": (2,), "NM1": (1, 2, 8), "NTE": (1,), "PAT": (5, 7),
    "PER": (1, 3, 5, 7), "PRV": (1, 2), "REF": (1,),
}  # fmt: skip
_OF_KEYS = (("2010BA", "NM1", 9), ("2010CA", "NM1", 3), ("2010CA", "NM1", 4), ("2010CA", "NM1", 9),
            ("2010CA", "DMG", 2), ("2010CA", "DMG", 3))  # fmt: skip
_ORDER = np.array([NUMBER_OF[name] for name in ("ST", "HL", "LX")], np.uint8)  # read to tell claims and lines apart


class Unread:
    """Counts what no path of these tables reads."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self.counts: Counter[str] = Counter()
        self._places: set[tuple[Where, Place]] = set()
        self._qualifiers: set[str] = set()
        for table in tables:
            each = compile_each(table.each or "")
            self._qualifiers |= each.qualifiers
            for described in table.columns:
                for place in compile_path(described.path or "").places:
                    self._add(place, each)

    def count(self, window: Window) -> None:
        """Count what comes new with a stretch."""
        segments, loops = window.segments, window.loops
        covered = self._covered(window)
        fresh = np.arange(window.fresh, len(segments))
        fresh = fresh[(loops.loops[fresh] != Loop.ENVELOPE) & ~np.isin(segments.names[fresh], _ORDER)]
        whole = fresh[covered[fresh] == 0]
        self._tell(window, whole, None)
        spans, numbers = segments.all_elements(fresh[covered[fresh] > 0])
        bit = np.uint64(1) << np.minimum(numbers, _MOST_ELEMENTS).astype(np.uint64)
        left = ((covered[spans.at] & bit) == 0) & (spans.ends > spans.begins)
        is_composite = segments.names[spans.at] == NUMBER_OF["HI"]
        self._tell(window, spans.at[left & ~is_composite], numbers[left & ~is_composite])
        self._composites(window)
        if segments.repeats:
            again = ~left & ~is_composite & (segments.first_repetition(spans).ends < spans.ends)
            self._tell(window, spans.at[again], numbers[again], " repeated")

    def _add(self, place: Place | Key, each: Each) -> None:
        if isinstance(place, Key):
            if place.name.startswith("%patient"):
                keys = [*_OF_KEYS, *([("2010BB", "NM1", 9)] if place.name.endswith("[payer]") else [])]
                self._places |= {(_loop(loop), Place(segment, element)) for loop, segment, element in keys}
        elif place.qualifiers or (place.where is None and each.qualifiers and not place.of_patient):
            self._qualifiers |= place.qualifiers
        elif place.of_patient:
            self._places |= {(_loop("2010BA"), place), (_loop("2010CA"), place)}
        else:
            self._places.add((place.where or each.where, place))

    def _covered(self, window: Window) -> Words:
        """Return for each segment a number whose bits are the elements that some path reads."""
        covered = np.zeros(len(window.segments), np.uint64)
        for where, place in self._places:
            at = selected(window.segments, segments_at(window, where, place.segment), place.selectors)
            read = (place.element, *(selector.element for selector in place.selectors))
            for element in (*read, *_QUALIFIERS.get(place.segment, ())):
                covered[at] |= np.uint64(1 << min(element, _MOST_ELEMENTS))
        if self._qualifiers:
            covered[segments_at(window, Where(Loop.L2300), "HI")] |= np.uint64(1)
        return covered

    def _composites(self, window: Window) -> None:
        if not self._qualifiers:
            return
        segments = window.segments
        spans = segments.repetitions(segments.all_elements(segments_at(window, Where(Loop.L2300), "HI"))[0]).filled
        known = np.array([word(qualifier) for qualifier in self._qualifiers], np.uint64)
        left = ~np.isin(segments.words(segments.components(spans, 1)), known)
        if left.any():
            self.counts["2300/HI of other qualifiers"] += int(left.sum())

    def _tell(self, window: Window, at: Positions, numbers: Positions | None, mark: str = "") -> None:
        """Count segments, or where numbers are given their elements."""
        place = window.loops.codes[at].astype(np.int64) << 6
        place |= 0 if numbers is None else np.minimum(numbers, _MOST_ELEMENTS)
        for found, times in zip(*np.unique(place, return_counts=True), strict=True):
            loop, name = name_of(int(found) >> 6)
            if name:
                element = f"{int(found) & 63:02}" if numbers is not None else ""
                self.counts[f"{loop}/{name}{element}{mark}"] += int(times)
        # A name that is none of an 837 may be data: the rest of a note that held a terminator.
        if unknown := int((window.segments.names[at] == 0).sum()):
            self.counts[_OTHER] += unknown


def _loop(name: str) -> Where:
    family, role = NAMED[name]
    return Where(family, (role,))
