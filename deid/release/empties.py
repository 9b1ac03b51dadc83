"""How many cells of a release are empty, and how many of them were malformed: as it may be shown, by patients.

A cell of the source is filled, malformed or empty. Each of the three belongs to nobody or to eleven patients at least,
or the count of nulls is not shown: the report on coding quality tells how many cells held codes, and what is left by
subtraction would tell the small one (CMS cell suppression policy).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.patients.positions import Positions
from deid.release.small_counts import ENOUGH, SMALL, Count

_FIRST = 4_096  # rows that mostly know enough patients

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CellsState:
    """What was counted of cells of one sort: how many, and the positions of the first patients of them."""

    rows: int
    patients: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class EmptyCellsState:
    """What was counted of each column: its filled, its malformed and its empty cells."""

    columns: Mapping[str, tuple[CellsState, CellsState, CellsState]]


class _Cells:
    """Cells of one sort: how many, and the first patients of them, all of them if they are fewer than eleven."""

    def __init__(self) -> None:
        self.rows = 0
        self._known: set[int] = set()

    @property
    def knows_enough(self) -> bool:
        return len(self._known) >= ENOUGH

    @property
    def is_small(self) -> bool:
        return 0 < len(self._known) < ENOUGH

    def add(self, patient: Positions) -> None:
        self.rows += len(patient)
        for part in (patient[:_FIRST], patient[_FIRST:]):
            if len(part) and not self.knows_enough:
                self._known.update(np.unique(part)[:ENOUGH].tolist())

    def state(self) -> CellsState:
        return CellsState(self.rows, tuple(sorted(self._known)))

    def merge(self, state: CellsState) -> None:
        self.rows += state.rows
        if not self.knows_enough:
            self._known.update(state.patients)


class EmptyCells:
    """Counts the cells of one table, column by column, as they are written."""

    def __init__(self) -> None:
        self._sorts: dict[str, tuple[_Cells, _Cells, _Cells]] = {}  # filled, malformed, empty

    def see(self, batch: pa.RecordBatch, patient: Positions, malformed: Mapping[str, Flags]) -> None:
        """Count a batch: `patient` is the position of each row's, int32 (n,); `malformed` flags cells, bool (n,)."""
        for name, cells in zip(batch.schema.names, batch.columns, strict=True):
            filled, wrong, empty = self._sorts_of(name)
            if not cells.null_count:
                filled.add(patient)
                continue
            null = cells.is_null().to_numpy(zero_copy_only=False)
            flags = malformed.get(name, np.zeros(len(patient), bool))
            filled.add(patient[~null])
            wrong.add(patient[flags])
            empty.add(patient[null & ~flags])

    def state(self) -> EmptyCellsState:
        """Return what was counted so far."""
        return EmptyCellsState({name: (a.state(), b.state(), c.state()) for name, (a, b, c) in self._sorts.items()})

    def merge(self, state: EmptyCellsState) -> None:
        """Take what was counted of other batches of the same table."""
        for name, states in state.columns.items():
            for cells, counted in zip(self._sorts_of(name), states, strict=True):
                cells.merge(counted)

    def _sorts_of(self, name: str) -> tuple[_Cells, _Cells, _Cells]:
        return self._sorts.setdefault(name, (_Cells(), _Cells(), _Cells()))

    def nulls(self) -> dict[str, Count | None]:
        """Return for each column how many of its cells are null, None where that would tell a small count."""
        return {
            name: None if any(each.is_small for each in sorts) else sorts[1].rows + sorts[2].rows
            for name, sorts in self._sorts.items()
        }

    def malformed(self) -> dict[str, Count | None]:
        """Return for each column that has malformed cells how many, "1-10" for those of so many patients, or None."""
        counts = {}
        for name, (filled, wrong, empty) in sorted(self._sorts.items()):
            if wrong.rows:
                told = None if filled.is_small or empty.is_small else wrong.rows
                counts[name] = SMALL if wrong.is_small else told
        return counts
