"""What is counted or known of single patients: numbers by position, and the first eleven who have something."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.release.small_counts import ENOUGH

Numbers = npt.NDArray[np.int32]


def counted(counts: Numbers, patient: Numbers, size: int) -> Numbers:
    """Return `counts` with one more for each row's patient, and room for `size` of them."""
    counts = grown(counts, size, 0)
    np.add.at(counts, patient.astype(np.intp), np.int32(1))
    return counts


@dataclass(frozen=True, slots=True)
class FewState:
    """The first patients who have something, by position or by tag."""

    known: tuple[int, ...] = field(repr=False)


class Few:
    """The first patients who have something: all of them while they are fewer than eleven."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    @property
    def is_open(self) -> bool:
        """Whether they are fewer than eleven so far."""
        return len(self._known) < ENOUGH

    @property
    def is_small(self) -> bool:
        """Whether it is one to ten patients."""
        return 0 < len(self._known) < ENOUGH

    def add(self, patient: npt.NDArray[np.generic]) -> None:
        """Take note of patients, by position or by tag."""
        if len(patient) and self.is_open:
            self._known.update(np.unique(patient)[:ENOUGH].tolist())

    def state(self) -> FewState:
        """Return who is known so far."""
        return FewState(tuple(sorted(self._known)))

    def merge(self, state: FewState) -> None:
        """Take note of the patients that another object knows."""
        if self.is_open:
            self._known.update(state.known)


@dataclass(frozen=True, slots=True)
class OfPatients:
    """A number of each of some patients: their positions, int32 (n,), and the numbers, int32 (n,)."""

    positions: Numbers = field(repr=False)
    numbers: Numbers = field(repr=False)

    @classmethod
    def where(cls, array: Numbers, above: int) -> OfPatients:
        """Return the numbers of an array by position that are above one that stands for none."""
        positions = np.flatnonzero(array > above).astype(np.int32)
        return cls(positions, array[positions])

    def at(self, here: Numbers) -> OfPatients:
        """Return the same with the position here of each position there, int32 (positions,)."""
        return OfPatients(here[self.positions], self.numbers)

    def added_to(self, array: Numbers, size: int) -> Numbers:
        """Return an array by position, with room for `size` of them, with the numbers added."""
        if len(self.positions):
            array = grown(array, size, 0)
            array[self.positions] += self.numbers
        return array


def grown(array: npt.NDArray[np.int32], size: int, fill: int) -> npt.NDArray[np.int32]:
    """Return the array with room for `size` entries, an eighth to spare."""
    if size <= len(array):
        return array
    room = max(1_024, size + size // 8)
    return np.append(array, np.full(room - len(array), fill, np.int32)).astype(np.int32)
