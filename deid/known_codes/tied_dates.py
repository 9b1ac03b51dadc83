"""The dates of each visit as a print: equal for equal sets of dates."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.cells.buffers import scattered
from deid.cells.days import NO_DAY

Integers = npt.NDArray[np.int32]
Prints = npt.NDArray[np.uint64]
_PENDING = 1 << 20


@dataclass(slots=True)
class VisitDates:
    """Distinct (visit, date), and which visits are one: a claim and the encounter that it names tell of one another."""

    _visits: Integers = field(default_factory=lambda: np.zeros(0, np.int32), repr=False)
    _units: Prints = field(default_factory=lambda: np.zeros(0, np.uint64), repr=False)
    _parts: list[tuple[Integers, Prints]] = field(default_factory=list, repr=False)
    _pending: int = 0
    _links: list[tuple[Integers, Integers]] = field(default_factory=list, repr=False)

    def add(self, visit: Integers, unit: Prints) -> None:
        """Take the dates of visits, both (n,)."""
        self._parts.append((visit, unit))
        self._pending += len(visit)
        if self._pending > max(_PENDING, len(self._visits) // 2):
            self._settle()

    def join(self, visit: Integers, other: Integers) -> None:
        """Take numbers that stand in one row, both (n,)."""
        if len(visit):
            pairs = np.unique(np.stack([visit, other], axis=1), axis=0)
            self._links.append((pairs[:, 0], pairs[:, 1]))

    def prints(self, visit: Integers, *, moved: bool) -> tuple[Prints, Integers]:
        """Return the print of all dates of each visit, 0 where it has none, and its first day, NO_DAY for none.

        `visit`: int32 (n,), -1 for none. `moved`: units are shifted days, and count from the first.
        """
        self._settle()
        size = max(int(visit.max(initial=-1)), int(self._visits.max(initial=-1)), *self._ends()) + 1
        group = self._groups(size)
        prints, begins = set_prints(group[self._visits], self._units, size, moved=moved)
        at = np.append(group, -1)[visit]
        return np.where(at < 0, np.uint64(0), np.append(prints, np.uint64(0))[at]), np.append(begins, NO_DAY)[
            at
        ].astype(np.int32)

    def _ends(self) -> list[int]:
        return [int(side.max(initial=-1)) for link in self._links for side in link] or [-1]

    def _groups(self, size: int) -> Integers:
        """Return the group of each visit, int32 (visits,)."""
        if not self._links:
            return np.arange(size, dtype=np.int32)
        from scipy.sparse import coo_array  # noqa: PLC0415 - heavy
        from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

        one, other = (np.concatenate(side) for side in zip(*self._links, strict=True))
        graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(size, size))
        return np.asarray(connected_components(graph, directed=False)[1], np.int32)

    def _settle(self) -> None:
        parts, self._parts, self._pending = [(self._visits, self._units), *self._parts], [], 0
        visits, units = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((units, visits))
        visits, units = visits[order], units[order]
        new = np.append(True, (visits[1:] != visits[:-1]) | (units[1:] != units[:-1]))[: len(visits)]
        self._visits, self._units = visits[new], units[new]


def set_prints(group: npt.NDArray[np.integer], unit: Prints, groups: int, *, moved: bool) -> tuple[Prints, Integers]:
    """Return the print of the set of units of each group, uint64 (groups,), and its first day, int32, NO_DAY for none.

    A sum of scattered units, each once: equal for equal sets, and for others only by a chance of 2^-64. `moved`: units
    are days as int64, and only how far they lie behind the first of their group counts.
    """
    begins = np.full(groups, NO_DAY, np.int32)
    order = np.lexsort((unit.view(np.int64), group))
    group, unit = group[order], unit[order]
    new = np.append(True, (group[1:] != group[:-1]) | (unit[1:] != unit[:-1]))[: len(group)]
    group, unit = group[new], unit[new]
    if moved and len(group):
        first = np.append(True, group[1:] != group[:-1])
        begins[group[first]] = unit[first].view(np.int64)
        unit = (unit.view(np.int64) - begins[group]).view(np.uint64)
    prints = np.zeros(groups, np.uint64)
    np.add.at(prints, group, scattered(unit))
    return prints, begins
