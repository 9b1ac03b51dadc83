"""Counts of rows by period and by their marks, with just as much memory of patients as it takes to know of eleven.

A cell of fifty rows may be one patient's, so what may be shown is decided by patients. Of each cell at least eleven are
remembered if there are so many: below eleven the memory is exact, and from eleven on no more need be known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.release.small_counts import ENOUGH

Periods = npt.NDArray[np.int32]
Positions = npt.NDArray[np.int32]
Marks = npt.NDArray[np.uint32]  # of each row, one bit for each thing that is said of it
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
Numbered = tuple[Places, Places]  # see numbered()

_FIRST = 4_096  # rows from which most cells learn enough patients, so that the others need not be looked at


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted: a cell for each combination of marks that some row has, and each period.

    `marks` is uint32 of shape (m,), `periods` ascending int32 of shape (p,); `rows` is int64 of shape (m, p), and
    `patients` says of each cell who stands behind it: all of them if they are fewer than eleven. `many`: whether they
    are not, bool of shape (m, p).
    """

    marks: Marks
    periods: Periods
    rows: Places
    patients: dict[tuple[int, int], frozenset[int]] = field(repr=False)
    many: Flags = field(repr=False)

    def total(self, marks: Flags, periods: Flags) -> int:
        """Return the rows of the chosen marks in the chosen periods, bool of shape (m,) and (p,)."""
        return int(self.rows[marks][:, periods].sum())

    def all_many(self, periods: Flags) -> bool:
        """Whether every cell of the chosen periods has eleven patients or no rows, and so has whatever they add to."""
        return not ((self.rows > 0) & ~self.many)[:, periods].any()

    def is_small(self, marks: Flags, periods: Flags) -> bool:
        """Whether one to ten patients stand behind the rows of the chosen marks and periods."""
        if self.many[marks][:, periods].any():
            return False
        known: set[int] = set()
        for mark, period in np.argwhere((self.rows > 0) & np.outer(marks, periods)).tolist():
            known |= self.patients[mark, period]
            if len(known) >= ENOUGH:
                return False
        return bool(known)


@dataclass(frozen=True, slots=True)
class TallyState:
    """What was counted in each cell: its marks uint32, period int32 and rows int64, of shape (c,).

    `patients` holds the positions of the known patients of all cells, int32, and `ends` where those of each end, (c,).
    """

    marks: Marks = field(repr=False)
    periods: Periods = field(repr=False)
    rows: Places = field(repr=False)
    patients: Positions = field(repr=False)
    ends: Places = field(repr=False)


class Tally:
    """Counts rows as they come, and remembers the first patients of each cell."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, int], int] = {}  # of marks and period
        self._rows: list[int] = []
        self._known: list[set[int]] = []

    def add(self, marks: Marks, period: Numbered, patient: Positions) -> None:
        """Count rows: their marks, the number of their period from 0 on, and the position of their patient; (n,)."""
        if not len(marks):
            return
        all_marks, mark = numbered(marks)
        all_periods, time = period
        cell = time * len(all_marks) + mark
        counts = np.bincount(cell, minlength=len(all_periods) * len(all_marks))
        there = np.flatnonzero(counts)
        places = np.full(len(counts), -1, np.int64)
        places[there] = [
            self._place((int(all_marks[at % len(all_marks)]), int(all_periods[at // len(all_marks)])))
            for at in there.tolist()
        ]
        for place, rows in zip(places[there].tolist(), counts[there].tolist(), strict=True):
            self._rows[place] += rows
        for part in (slice(0, _FIRST), slice(_FIRST, None)):
            self._meet(cell[part], patient[part], there, places)

    def counts(self) -> Counts:
        """Return what was counted."""
        marks = sorted({mark for mark, _ in self._places})
        periods = sorted({period for _, period in self._places})
        rows = np.zeros((len(marks), len(periods)), np.int64)
        many = np.zeros(rows.shape, bool)
        patients = {}
        for (mark, period), place in self._places.items():
            at = marks.index(mark), periods.index(period)
            rows[at] = self._rows[place]
            patients[at] = frozenset(self._known[place])
            many[at] = len(patients[at]) >= ENOUGH
        return Counts(np.array(marks, np.uint32), np.array(periods, np.int32), rows, patients, many)

    def state(self) -> TallyState:
        """Return what was counted so far."""
        cells = np.array(list(self._places), np.int64).reshape(-1, 2)
        known = [sorted(patients) for patients in self._known]
        return TallyState(
            cells[:, 0].astype(np.uint32),
            cells[:, 1].astype(np.int32),
            np.array(self._rows, np.int64),
            np.array([patient for patients in known for patient in patients], np.int32),
            np.cumsum([len(patients) for patients in known], dtype=np.int64),
        )

    def merge(self, state: TallyState) -> None:
        """Take what was counted of other rows."""
        cells = zip(state.marks.tolist(), state.periods.tolist(), strict=True)
        patients, start = state.patients.tolist(), 0
        for cell, rows, end in zip(cells, state.rows.tolist(), state.ends.tolist(), strict=True):
            place = self._place(cell)
            self._rows[place] += rows
            if len(self._known[place]) < ENOUGH:
                self._known[place].update(patients[start:end])
            start = end

    def _place(self, cell: tuple[int, int]) -> int:
        place = self._places.setdefault(cell, len(self._rows))
        if place == len(self._rows):
            self._rows.append(0)
            self._known.append(set())
        return place

    def _meet(self, cell: Places, patient: Positions, there: Places, places: Places) -> None:
        """Remember patients of the cells that do not know enough of them; `places` leads from cells to memories."""
        wants = np.zeros(len(places), bool)
        wants[there] = [len(self._known[place]) < ENOUGH for place in places[there].tolist()]
        rows = np.flatnonzero(wants[cell])
        if not len(rows):
            return
        pairs = np.unique(cell[rows] << 32 | patient[rows].astype(np.int64))
        starts = np.flatnonzero(np.diff(pairs >> 32, prepend=np.int64(-1)))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(pairs)], strict=True):
            # The first eleven of a batch are enough, whoever they are.
            some = pairs[start : min(end, start + ENOUGH)]
            self._known[int(places[some[0] >> 32])].update((some & 0xFFFFFFFF).tolist())


def numbered(values: npt.NDArray[np.generic]) -> Numbered:
    """Return the distinct values, ascending, and of each value its place among them; `values` is not empty.

    Periods and marks lie so close together that counting them all is cheaper than sorting.
    """
    low = int(values.min())
    offsets = values.astype(np.int64) - low
    there = np.flatnonzero(np.bincount(offsets))
    numbers = np.zeros(int(there[-1]) + 1, np.int64)
    numbers[there] = np.arange(len(there))
    return there + low, numbers[offsets]


def marked(marks: Marks, bits: Iterable[int]) -> Flags:
    """Return which marks have any of some bits."""
    return np.asarray((marks & np.uint32(sum(bits))) != 0, bool)
