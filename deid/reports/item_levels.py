"""At which level the released codes of a column stand, and who is behind each level."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from deid.patients.released import pseudonym_tags
from deid.reports.by_patient import Few, FewState
from deid.reports.code_levels import NOT_KNOWN
from deid.reports.tallies import Coded, Numbers, Tallied

Levels = Mapping[str, tuple[int, Few]]  # of each level its mentions, and who is behind them


class ItemLevels:
    """At which level released items stand, and who is behind each level.

    `level_of`: the level of each item; `items`: the mentions of each, which count for the levels as well.
    """

    def __init__(self, level_of: Mapping[str | None, str], items: Tallied) -> None:
        self._level_of, self._items = level_of, items
        self._names: dict[str, int] = {}
        self._few: list[Few] = []
        self._of_value: Numbers = np.zeros(1, np.int32)  # the empty cell, item 0, stands at none

    def add(self, coded: Coded, pseudonyms: pa.Array) -> None:
        """Take note of whose rows a batch holds."""
        self._place()
        # Of a level that eleven patients are known to be behind, nobody else has to be known.
        wanted = np.array([few.is_open for few in self._few], bool)
        level = self._of_value[coded.values]
        is_wanted = wanted[level] & (coded.values > 0) if len(wanted) else np.zeros(len(level), bool)
        if not is_wanted.any():
            return
        rows = np.flatnonzero(is_wanted[coded.places])
        tags = pseudonym_tags(pseudonyms.take(pa.array(rows)))
        behind = level[coded.places[rows]]
        for number in np.unique(behind).tolist():
            self._few[number].add(tags[behind == number])

    def state(self) -> dict[str, FewState]:
        """Return of each level who is known to be behind it."""
        self._place()
        return {name: self._few[place].state() for name, place in self._names.items()}

    def merge(self, state: Mapping[str, FewState]) -> None:
        """Take who is behind each level of other rows; the items' mentions are merged before."""
        self._place()
        for name, few in state.items():
            self._few[self._names[name]].merge(few)

    def found(self) -> Levels:
        """Return of each level its mentions, and who is behind them."""
        self._place()
        mentions = np.bincount(self._of_value[1:], weights=self._items.counts[1:, 0], minlength=len(self._names))
        places = [(name, self._names[name]) for name in sorted(self._names)]
        return {name: (int(mentions[place]), self._few[place]) for name, place in places if mentions[place]}

    def _place(self) -> None:
        """Find the level of items that are new."""
        if len(self._items.values) == len(self._of_value):
            return
        texts = self._items.values.texts[len(self._of_value) :]
        names = [self._level_of.get(text, NOT_KNOWN) for text in texts]
        for name in dict.fromkeys(names):
            if name not in self._names:
                self._names[name] = len(self._few)
                self._few.append(Few())
        fresh = np.array([self._names[name] for name in names], np.int32)
        self._of_value = np.concatenate([self._of_value, fresh])
