"""Which dates of visits each patient shows, for an attacker who knows dates beside codes (`limits.codes.known_dates`).

Noted with the codes (deid.known_codes.code_entries) as the plan will release them, and once more from what was written
(deid.checks.code_check): 16 bytes for each distinct (patient, date). Three ways to release a date are told apart:

- years, quarters, months, weeks, days that stay, days or buckets since the first visit: a unit that somebody knows;
- days shifted by an offset of the patient: intervals alone, so that one date tells nothing;
- both in one release: shifted days count as if the day were known, which is more than anybody knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain
from deid.disclosure.sampling import Dates
from deid.known_codes.dated_steps import dated_steps
from deid.known_codes.entries import NO_VISIT, Entries
from deid.observing.decision import Decision
from deid.observing.rows import TypedRows
from deid.observing.selection import days_of
from deid.patients.positions import Positions
from deid.pipeline import context_for
from deid.planning.plan import Plan, Step, TablePlan
from deid.transforms.shift_date import ShiftDate

_BEFORE_ALL = 1_000_000  # days; makes those before 1970 positive


@dataclass(frozen=True, slots=True)
class DatesNoted:
    """Dates of one column in some rows: patient and units, int32 (n,); where `texts` is not None, places in it."""

    patient: Positions = field(repr=False)
    units: npt.NDArray[np.int32] = field(repr=False)
    texts: pa.Array | None = field(repr=False)


@dataclass(slots=True)
class DateEntries:
    """Notes the dates of rows as they are released."""

    plan: Plan
    decision: Decision
    entries: Entries = field(default_factory=Entries)
    _texts: pa.Array = field(default_factory=lambda: pa.array([], pa.string()), repr=False)
    _steps: dict[str, list[Step]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Find the columns."""
        self._steps = {planned.table.name: dated_steps(self.plan, planned) for planned in self.plan.tables}

    def note(self, planned: TablePlan, rows: TypedRows, kept: npt.NDArray[np.int64]) -> tuple[DatesNoted, ...]:
        """Return the dates of the rows of a batch that are `kept`, as the plan's rules will release them."""
        steps = self._steps[planned.table.name]
        if not steps:
            return ()
        patient = rows.patient[kept]
        context = context_for(self.plan, self.decision, patient, lambda notes, _: notes)
        cells = {step.column.name: rows.values[step.column.name].take(pa.array(kept)) for step in steps}
        released = {s.column.name: s.transform.apply(s.column, cells[s.column.name], context) for s in steps}
        return tuple(_noted(step, released[step.column.name], patient) for step in steps)

    def note_released(self, planned: TablePlan, batch: pa.RecordBatch, patient: Positions) -> tuple[DatesNoted, ...]:
        """Return the dates of a batch as it was read back; `patient`: the run's positions of its rows' patients."""
        steps = self._steps[planned.table.name]
        return tuple(_noted(step, batch.column(step.column.name), patient) for step in steps)

    def take(self, notes: tuple[DatesNoted, ...]) -> None:
        """Keep the dates of a batch."""
        for note in notes:
            units = note.units if note.texts is None else self._number(note.texts)[note.units]
            self.entries.add(note.patient, units, np.full(len(units), NO_VISIT))

    def _number(self, texts: pa.Array) -> npt.NDArray[np.int32]:
        distinct = pc.unique(texts)
        fresh = distinct.filter(pc.invert(pc.is_in(distinct, value_set=self._texts)))
        self._texts = pa.concat_arrays([self._texts, fresh])
        return np.asarray(pc.index_in(texts, value_set=self._texts).to_numpy(zero_copy_only=False), np.int32)

    def dates(self) -> Dates | None:
        """Return what was noted, in units that hang on the dates alone, None where nothing was noted."""
        coded = self.entries.coded(len(self.decision.patients))
        if not len(coded.patient):
            return None
        patient, unit = coded.patient, coded.code
        if self._moved():
            return Dates(patient, (unit - _first(patient, unit)).astype(np.int32), moved=True)
        rank = np.empty(len(self._texts), np.int32)
        rank[pc.sort_indices(self._texts).to_numpy()] = np.arange(len(rank))
        unit = np.where(unit < len(rank), np.append(rank, 0)[np.minimum(unit, len(rank))], unit).astype(np.int32)
        order = np.lexsort((unit, patient))
        return Dates(patient[order], unit[order])

    def _moved(self) -> bool:
        steps = [step for found in self._steps.values() for step in found]
        return all(isinstance(step.transform, ShiftDate) for step in steps)


def _noted(step: Step, released: pa.Array, patient: Positions) -> DatesNoted:
    cells = plain(released)
    has = pc.is_valid(cells).to_numpy(zero_copy_only=False)
    shown = cells.filter(pa.array(has))
    if isinstance(step.transform, ShiftDate):
        return DatesNoted(patient[has], days_of(shown) + np.int32(_BEFORE_ALL), None)
    encoded = shown.dictionary_encode()
    # A quarter and a year are two things to know, so each rule has units of its own.
    texts = pc.binary_join_element_wise(repr(step.transform), encoded.dictionary.cast(pa.string()), " ")
    return DatesNoted(patient[has], encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32), texts)


def _first(patient: Positions, unit: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the first unit of each entry's patient; both are sorted by patient and unit."""
    begins = np.append(True, patient[1:] != patient[:-1])
    return np.asarray(unit[begins][np.cumsum(begins) - 1], np.int32)
