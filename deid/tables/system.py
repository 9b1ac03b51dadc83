"""The cells of linked tables as one system: their counts, what must hold between them, and what is already known.

A *relation* is a row of a matrix M: for the counts x of all cells, M x = 0 (parts that add up to a total) or M x <= 0
(a part that cannot exceed its whole). A cell that stands in several tables is one variable, which links the tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Reals = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

PUBLIC, INFORMED = "public", "informed"


@dataclass(frozen=True, slots=True)
class Attacker:
    """Somebody who knows all that is published and how cells are chosen, and what each hidden count can be at all.

    `down`, `up`: how far each cell's count could lie below and above the true one, were it hidden, (n,).
    `need`: the least width, in whole counts, of what this attacker may be able to prove of a small cell.
    """

    name: str
    down: Reals = field(repr=False)
    up: Reals = field(repr=False)
    need: int

    def needs(self, cells: Index) -> Counts:
        """Return the width that each of these cells must keep, (n,): no more than it had before anything was shown."""
        return np.minimum(self.need, self.down[cells] + self.up[cells]).astype(np.int64)


@dataclass(frozen=True, slots=True)
class System:
    """Cells and relations; the repr holds no count.

    `counts`: true counts, (n,). `primary`: the small cells. `known`: published before, so they cannot be hidden any
    more. `hidden`: marked before, so they stay marked. `matrix`: CSR (relations, n). `is_sum`: which relations are
    equalities. `weight`: what hiding a cell costs. `people`: whether a cell counts patients, which bounds a primary
    cell by `smallest` - 1; a count of visits has no such bound. `most`: what a count cannot exceed by what is known
    elsewhere, such as the people who live there, inf where nothing is. `unseen`: counts that no table shows, not even
    as a mark, and that still tie others or can be worked out: totals that were left out, differences of two cells.
    `single`: which cells have one patient, where that is not what they count.
    """

    counts: Counts = field(repr=False)
    primary: Flags = field(repr=False)
    known: Flags = field(repr=False)
    hidden: Flags = field(repr=False)
    matrix: Any = field(repr=False)
    is_sum: Flags = field(repr=False)
    weight: Reals = field(repr=False)
    people: Flags = field(repr=False)
    most: Reals = field(repr=False)
    unseen: Flags = field(repr=False)
    smallest: int = 11
    single: Flags | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def forced(self) -> Flags:
        """The cells that are hidden whatever is chosen: small ones, those marked before, and those of no table."""
        return self.primary | self.hidden | self.unseen

    @property
    def alone(self) -> Flags:
        """The small cells of one patient, who may know to be alone there; nobody knows it of what no table shows."""
        return self.primary & ~self.unseen & (self.counts == 1 if self.single is None else self.single)

    @property
    def eligible(self) -> Flags:
        """The cells that may be hidden for the sake of others. Zeros are always shown (CMS), so they hide nothing."""
        return ~self.forced & ~self.known & (self.counts > 0)

    def slack(self) -> Reals:
        """How far each relation is from being tight, (relations,): 0 for sums."""
        return np.asarray(-(self.matrix @ self.counts), np.float64)

    def attackers(self, protection: int) -> tuple[Attacker, Attacker]:
        """Return the two attackers of docs/adr/0019.

        The public one reads a mark as any count from 1 up. The informed one has found out which marks are primary: a
        count of patients there is 1 to `smallest` - 1, and a secondary one is at least `smallest`; no width can be
        promised against this one, but never a single value. What no table shows may be 0 for either.
        """
        count = self.counts.astype(np.float64)
        far = np.maximum(self.most - count, 0)
        at_least = np.where(self.unseen, 0, 1)
        public = Attacker(PUBLIC, np.maximum(count - at_least, 0), far, protection)
        small = self.primary & self.people & ~self.unseen
        down = np.where(self.primary | self.unseen, count - at_least, count - self.smallest)
        up = np.minimum(np.where(small, np.maximum(self.smallest - 1 - count, 0), np.inf), far)
        return public, Attacker(INFORMED, np.maximum(down, 0), up, 1)


def relations(plus: Sequence[Sequence[int]], minus: Sequence[Sequence[int]], cells: int) -> Any:
    """Return the CSR matrix of relations, the cells in `plus[i]` less those in `minus[i]`, (len(plus), cells)."""
    from scipy.sparse import csr_array  # noqa: PLC0415 - only where tables are made

    rows = [np.repeat(np.arange(len(side)), [len(some) for some in side]) for side in (plus, minus)]
    columns = [np.fromiter((cell for some in side for cell in some), np.int64) for side in (plus, minus)]
    values = np.concatenate([np.ones(len(columns[0])), -np.ones(len(columns[1]))])
    at = (np.concatenate(rows).astype(np.int64), np.concatenate(columns))
    return csr_array((values, at), shape=(len(plus), cells))
