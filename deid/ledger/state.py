"""What a series knows of its patients: class, arrival, leaving; and the joint k that follows from them.

Pure arrays, sorted by tag; docs/formats/ledger.md tells what each of them means.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.patients.tags import U64, Bools
from deid.sealing.runs import order_of, search

HELD, RELEASED, LEFT, EXCLUDED = (np.uint8(number) for number in range(4))
NAMES = ("held", "released", "left", "excluded")
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class State:
    """All patients of a series, ascending by tag, each once.

    `tags`: uint64 (n, 2), a PRF of the source identifier. `klass`: int32 (n,), number of the class, -1 for none.
    `state`: uint8 (n,), one of HELD, RELEASED, LEFT, EXCLUDED. `since`, `arrival`, `left`: int16 (n,), numbers of
    releases from 1 on, 0 for none. `prints`: uint64 (n, kinds), fingerprints of what was released last.
    """

    tags: U64 = field(repr=False)
    klass: I32 = field(repr=False)
    state: npt.NDArray[np.uint8] = field(repr=False)
    since: I16 = field(repr=False)
    arrival: I16 = field(repr=False)
    left: I16 = field(repr=False)
    prints: U64 = field(repr=False)

    def __len__(self) -> int:
        """How many patients are known."""
        return len(self.klass)

    @classmethod
    def empty(cls, kinds: int = 0) -> State:
        """Return the state before the first release."""
        numbers = np.zeros(0, np.int16)
        return cls(
            np.zeros((0, 2), np.uint64),
            np.zeros(0, np.int32),
            np.zeros(0, np.uint8),
            numbers,
            numbers,
            numbers,
            np.zeros((0, kinds), np.uint64),
        )

    def find(self, tags: U64) -> I64:
        """Return the place of each tag, int64 (m,), -1 where it is unknown."""
        return search(*_words(self.tags), *_words(tags))

    def grown(self, tags: U64) -> State:
        """Return the state with these unknown patients added, held, of no class yet; places change."""
        count = len(tags)
        both = np.concatenate([self.tags, tags])
        order = order_of(*_words(both))

        def added(array: npt.NDArray[np.generic], value: int) -> npt.NDArray[np.generic]:
            tail = np.full((count, *array.shape[1:]), value, array.dtype)
            return np.concatenate([array, tail]).take(order, axis=0)

        return State(
            both.take(order, axis=0),
            added(self.klass, -1),  # type: ignore[arg-type]
            added(self.state, int(HELD)),  # type: ignore[arg-type]
            added(self.since, 0),  # type: ignore[arg-type]
            added(self.arrival, 0),  # type: ignore[arg-type]
            added(self.left, 0),  # type: ignore[arg-type]
            added(self.prints, 0),  # type: ignore[arg-type]
        )

    def only(self, kept: Bools) -> State:
        """Return the state of some patients."""
        return State(
            self.tags[kept],
            self.klass[kept],
            self.state[kept],
            self.since[kept],
            self.arrival[kept],
            self.left[kept],
            self.prints[kept],
        )

    @property
    def shown(self) -> Bools:
        """Which patients some release holds, bool (n,)."""
        return np.asarray(self.arrival > 0, bool)


@dataclass(frozen=True, slots=True)
class Joint:
    """How small the joint classes are.

    `smallest`: patients in the smallest one, 0 where there is none. `below`: how many hold fewer than k patients;
    `patients_below`, `unique`: patients in those, and in classes of one. `patients`: all that were ever released.
    """

    smallest: int
    below: int
    patients_below: int
    unique: int
    patients: int


def joint(state: State, *, k: int, is_increment: bool) -> Joint:
    """Count the joint classes of all releases: class and set of releases, or class and arrival for increments.

    What an attacker isolates by differencing any releases is a union of these cells, since a patient of a cumulative
    series is in every release from the arrival on until leaving, and in none before or after.
    """
    shown = state.shown
    # A column of one value parts nobody.
    left = np.zeros_like(state.left) if is_increment else state.left
    counts = sizes(state.klass[shown], state.arrival[shown], left[shown])
    small = counts[counts < k]
    return Joint(
        smallest=int(counts.min()) if len(counts) else 0,
        below=len(small),
        patients_below=int(small.sum()),
        unique=int((counts == 1).sum()),
        patients=int(counts.sum()),
    )


def groups(*keys: npt.NDArray[np.integer]) -> tuple[I64, I64]:
    """Number the distinct combinations of keys; return the number of each row and the size of each, both int64."""
    number = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        _, own = np.unique(key, return_inverse=True)
        width = int(own.max()) + 1 if len(own) else 1
        # Numbered anew after each key, so that the product never overflows.
        _, number = np.unique(number * width + own, return_inverse=True)
    return np.asarray(number, np.int64), np.bincount(number).astype(np.int64)


def sizes(*keys: npt.NDArray[np.integer]) -> I64:
    """Return how many rows each combination of keys has, int64, in no particular order."""
    return groups(*keys)[1]


def _words(tags: U64) -> tuple[U64, U64]:
    return np.ascontiguousarray(tags[:, 0]), np.ascontiguousarray(tags[:, 1])
