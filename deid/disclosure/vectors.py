"""Patients counted by their vectors of quasi-identifiers, and the rungs that each of these may be recoded to.

A *leaf* is a value at the finest rung, numbered from 0. Everything here is numbers that mean nothing outside the run.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deid.errors import DisclosureError

Leaves = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of one quasi-identifier from the finest to the coarsest, each coarser than the one before.

    `lookups`: per rung an int32 array of shape (leaves,), from leaf to value at the rung, values numbered from 0.
    """

    name: str
    rungs: tuple[str, ...]
    lookups: tuple[Leaves, ...]

    @property
    def leaves(self) -> int:
        """How many values there are at the finest rung."""
        return len(self.lookups[0])

    def losses(self, level: int) -> npt.NDArray[np.float64]:
        """Return what each value at a rung loses, float64 (values,): 0 for a single leaf, 1 for all of them."""
        return np.asarray((np.bincount(self.lookups[level]) - 1) / max(1, self.leaves - 1), np.float64)

    def check_nested(self) -> None:
        """Raise DisclosureError unless whatever one rung joins, the next one joins too: the search rests on that."""
        for level, (finer, coarser) in enumerate(itertools.pairwise(self.lookups)):
            one = np.zeros(int(finer.max(initial=-1)) + 1, np.int32)
            one[finer] = coarser
            if (one[finer] != coarser).any():
                raise DisclosureError(
                    f"limits.recoding of {self.name}: {self.rungs[level + 1]} is not coarser than {self.rungs[level]}; "
                    "it tells apart what the rung before joins",
                    hint="order rungs from fine to coarse, each a union of values of the one before: widths 5, 10, 20",
                )


@dataclass(frozen=True, slots=True)
class Tally:
    """Distinct vectors and how many patients have each.

    `leaves`: one int32 array of shape (vectors,) for each quasi-identifier, in the order of the ladders.
    `patients`: int64 of shape (vectors,), all positive.
    """

    leaves: tuple[Leaves, ...]
    patients: Counts

    def __post_init__(self) -> None:
        if any(len(column) != len(self.patients) for column in self.leaves):
            raise ValueError("every quasi-identifier needs one leaf for each vector")
        if (self.patients <= 0).any():
            raise ValueError("a vector is one that patients have")

    @property
    def total(self) -> int:
        """How many patients there are."""
        return int(self.patients.sum())
