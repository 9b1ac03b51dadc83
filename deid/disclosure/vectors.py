"""Patients counted by their vectors of quasi-identifiers, and the rungs that each of these may be recoded to.

A *leaf* is a value at the finest rung, numbered from 0. Everything here is numbers that mean nothing outside the run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Leaves = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of one quasi-identifier from the finest to the coarsest, each coarser than the one before.

    `lookups`: per rung an int32 array of shape (leaves,), from leaf to value at the rung, values numbered from 0;
    that of the finest rung is the identity.
    """

    name: str
    rungs: tuple[str, ...]
    lookups: tuple[Leaves, ...]

    @property
    def leaves(self) -> int:
        """How many values there are at the finest rung."""
        return len(self.lookups[0])


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

    @property
    def total(self) -> int:
        """How many patients there are."""
        return int(self.patients.sum())
