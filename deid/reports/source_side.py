"""What the report must know of the source: seen while rows are written, held in memory, never a cell in the report.

The patients asked for are those who are released and those who were withheld; the figures of utility and bias compare
the two. Values of the quasi-identifiers are numbered, source values by tags under a key of this run; codes are kept as
texts, by distinct code. Memory: 4 bytes a patient, 12 where withheld patients are weighed against released
ones, and what distinct values, vectors and codes take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import validity
from deid.codes import system_of
from deid.disclosure.k_anonymity import quasi_identifier_steps
from deid.documents.request import Schedule
from deid.kinds import Role
from deid.legal import safe_harbor
from deid.observing.decision import Decision
from deid.observing.rows import TypedRows
from deid.patients.positions import ASKED, SELECTED, Patients, Tagger
from deid.pipeline import Transformed, cells_of, context_for, kept_rows
from deid.planning.plan import Plan, Step, TablePlan
from deid.reports.by_patient import Few, FewState, OfPatients, counted, grown
from deid.reports.column_tally import ColumnState, ColumnTally
from deid.reports.small import is_small
from deid.reports.tallies import Numbers, Tallied, TalliedState, Values, ValuesState, VectorState, VectorTally

RELEASED, LOST = 0, 1  # the parts of the patients asked for
CODES = frozenset(
    {"icd10cm", "icd10pcs", "icd10", "icd9cm", "icd_any", "cpt", "hcpcs", "ndc", "rxnorm", "cvx", "loinc", "snomed",
     "drg", "omop_concept"}
)  # fmt: skip
Parts = npt.NDArray[np.int64] | int
Place = tuple[str, str]  # table, and column or code system


def vector_steps(plan: Plan) -> tuple[Step, ...]:
    """Return the columns of the population table that are measured as quasi-identifiers.

    Those that the policy counts; where it has no k, all whose kind is a quasi-identifier.
    """
    if plan.policy.limits.k is not None:
        return quasi_identifier_steps(plan)
    planned = plan.table(plan.dataset.population)
    return tuple(s for s in planned.written if s.column.kind.role is Role.QUASI) if planned else ()


def may_be_named(step: Step) -> bool:
    """Whether values of a column may stand in the report, which is not encrypted: those that Safe Harbor lets out."""
    return safe_harbor.breach(step.column.kind, step.transform) is None


def code_places(planned: TablePlan) -> dict[Place, list[Step]]:
    """Return the columns of codes of a table, those of one code system together: procedures are one of their own."""
    found: dict[Place, list[Step]] = {}
    for step in planned.written:
        kind = step.column.kind.name
        if step.measure is None and kind in CODES:
            system = system_of(kind, step.column.use)
            found.setdefault((planned.table.name, system.name if system is not None else kind), []).append(step)
    return found


@dataclass(frozen=True, slots=True)
class SourceState:
    """What was noted of some batches; of patients by position."""

    lost: int
    values: tuple[ValuesState, ...]
    vectors: VectorState
    columns: tuple[ColumnState | None, ...]
    codes: Mapping[Place, TalliedState]
    emptied: Mapping[Place, FewState]
    vector: OfPatients
    visits: OfPatients
    mentions: OfPatients


class SourceSide:
    """Takes note of the patients asked for, batch by batch, as their rows are written.

    `plan`: as disclosure control resolved it, so that every step has the rule that was chosen. `tagger`: another one
    for each run, and the same for all objects whose states are merged.
    """

    def __init__(self, plan: Plan, patients: Patients, *, tagger: Tagger | None = None) -> None:
        self._plan, self._patients = plan, patients
        self.is_series = plan.request.schedule is not Schedule.ONCE
        self.is_continued = False  # whether this is a later release of one request, on a schedule or run again
        self.population = plan.dataset.population
        self.lost = 0  # how many patients were asked for and not released
        self._lost_here = 0  # those of them whom this object met, and was not told of
        self.steps = vector_steps(plan)
        self.values = tuple(Values() for _ in self.steps)  # shared with the other side, so that numbers agree
        self.vectors = VectorTally(len(self.steps), 2)
        self.tagger = tagger if tagger is not None else Tagger.fresh()
        self._columns = tuple(ColumnTally(self.tagger, values) for values in self.values)
        self.codes: dict[Place, Tallied] = {}
        self.emptied: dict[Place, Few] = {}
        self._vector: Numbers = np.zeros(0, np.int32)
        self._visits: Numbers = np.zeros(0, np.int32)
        self._mentions: Numbers = np.zeros(0, np.int32)

    def see(self, planned: TablePlan, decision: Decision, rows: TypedRows, done: Transformed) -> None:
        """Take note of a batch, the population's first; `done`: its rows as they were written."""
        asked, part = self._asked(planned, decision, rows, done)
        if not len(asked):
            return
        taken = None if len(asked) == len(rows) else pa.array(asked)
        patient = rows.patient if taken is None else rows.patient[asked]
        is_population = planned.table.name == self.population
        codes = [step.column.name for steps in code_places(planned).values() for step in steps]
        names = rows.values if is_population else codes
        values = {name: rows.values[name] if taken is None else rows.values[name].take(taken) for name in names}
        if is_population:
            self._meet(planned, decision, values, patient, part, done.batch)
        if planned.table.name == self._plan.dataset.encounters and self.weighs_lost:
            self._visits = counted(self._visits, patient, len(self._patients))
        for place, steps in code_places(planned).items():
            for step in steps:
                cells = values[step.column.name]
                self.codes.setdefault(place, Tallied(2)).add(cells, part)
                if self.weighs_lost:
                    self._mentions = counted(self._mentions, patient[validity(cells)], len(self._patients))
            self._left_empty(place, steps, values, patient, part, done.batch)

    def state(self) -> SourceState:
        """Return what was noted so far, of withheld patients only those who were met here."""
        return SourceState(
            lost=self._lost_here,
            values=tuple(values.state() for values in self.values),
            vectors=self.vectors.state(),
            columns=tuple(column.state() for column in self._columns),
            codes={place: tallied.state() for place, tallied in self.codes.items()},
            emptied={place: few.state() for place, few in self.emptied.items()},
            vector=OfPatients.where(self._vector, -1),
            visits=OfPatients.where(self._visits, 0),
            mentions=OfPatients.where(self._mentions, 0),
        )

    def codes_state(self) -> SourceState:
        """Return what was noted of codes and nothing else: all that matters beside rows of no patient's vector."""
        nothing = SourceSide(self._plan, self._patients, tagger=self.tagger).state()
        return replace(nothing, codes={place: tallied.state() for place, tallied in self.codes.items()})

    def merge(self, state: SourceState) -> None:
        """Take what an object of the same plan and patients noted of other batches.

        One that sees other tables than the population is given `lost` and `is_continued` of the whole before: by them
        it knows what is counted of each patient.
        """
        self.lost += state.lost
        self._lost_here += state.lost
        numbers = [values.merge(there) for values, there in zip(self.values, state.values, strict=True)]
        there = VectorTally(len(self.steps), 2)
        there.merge(state.vectors, numbers)
        for place, column in enumerate(self._columns):
            before, table = partial(self.vectors.table, place), partial(there.table, place)
            column.merge(state.columns[place], numbers[place], before, table)
        vectors = self.vectors.merge(state.vectors, numbers)
        for where, tallied in state.codes.items():
            self.codes.setdefault(where, Tallied(2)).merge(tallied)
        for where, few in state.emptied.items():
            self.emptied.setdefault(where, Few()).merge(few)
        size = len(self._patients)
        if len(state.vector.positions):
            self._vector = grown(self._vector, size, -1)
            self._vector[state.vector.positions] = vectors[state.vector.numbers]
        self._visits = state.visits.added_to(self._visits, size)
        self._mentions = state.mentions.added_to(self._mentions, size)

    def _asked(
        self, planned: TablePlan, decision: Decision, rows: TypedRows, done: Transformed
    ) -> tuple[npt.NDArray[np.int64], Parts]:
        """Return the rows of the patients asked for, ascending, and of each, or of all, the part of its patient."""
        flags = self._patients.flags
        position = np.maximum(rows.patient, 0)
        is_lost = (flags[position] & (SELECTED | ASKED)) == ASKED if len(flags) else np.zeros(len(rows), bool)
        if not is_lost.any():  # then they are the rows that were written
            return done.kept, RELEASED
        asked = np.flatnonzero(kept_rows(planned, decision, rows, SELECTED | ASKED))
        return asked, np.where(is_lost[asked], LOST, RELEASED)

    @property
    def tells_lost(self) -> bool:
        """Whether anything that counts withheld patients may be told.

        Not where they are one to ten, and not in a series: what differs from month to month would tell who is new. In
        a later release even that there are none is told by nothing.
        """
        return not (self.is_continued or is_small(self.lost) or (self.lost and self.is_series))

    @property
    def weighs_lost(self) -> bool:
        """Whether withheld and released patients are compared by what is known of each; once all have been seen."""
        return self.lost > 0 and self.tells_lost

    def pairs(self, place: int) -> VectorTally:
        """Return patients of each (source value, released value) of a column of the vector, in two parts."""
        return self._columns[place].pairs(partial(self.vectors.table, place))

    def patients(self) -> tuple[Numbers, Numbers, Numbers]:
        """Return vector, visits and mentions of everybody asked for, int32 (n,) each."""
        size = len(self._patients)
        vector = grown(self._vector, size, -1)[:size]
        asked = np.flatnonzero(vector >= 0)
        visits, mentions = (grown(each, size, 0)[:size] for each in (self._visits, self._mentions))
        return vector[asked], visits[asked], mentions[asked]

    def _meet(
        self,
        planned: TablePlan,
        decision: Decision,
        values: dict[str, pa.Array],
        patient: Numbers,
        part: Parts,
        released: pa.RecordBatch,
    ) -> None:
        lost = int(np.count_nonzero(part == LOST))
        self.lost += lost
        self._lost_here += lost
        # What is shown by class is that of the patient's own row only where the run chose nothing.
        is_written = not lost and decision.controls.vectors is None
        context = context_for(self._plan, decision, patient, lambda notes, _: notes)
        numbers: list[Numbers] = []
        for place, step in enumerate(self.steps):
            source = cells_of(step, planned, decision, values, patient, {})
            rule = step.transform
            done = released.column(step.column.name) if is_written else rule.apply(step.column, source, context)
            numbers.append(self.values[place].of(done))
            self._columns[place].add(source, done, numbers[-1], part, partial(self.vectors.table, place))
        vector = self.vectors.add(numbers, part if numbers else np.broadcast_to(part, len(patient)))
        self._vector = grown(self._vector, len(self._patients), -1)
        self._vector[patient] = vector

    def _left_empty(
        self,
        place: Place,
        steps: list[Step],
        values: dict[str, pa.Array],
        patient: Numbers,
        part: Parts,
        released: pa.RecordBatch,
    ) -> None:
        """Take note of the released patients who have a code that is not told."""
        few = self.emptied.setdefault(place, Few())
        shown = [released.column(step.column.name) for step in steps]
        if not few.is_open or not any(cells.null_count for cells in shown):
            return
        own = np.broadcast_to(part, len(patient)) == RELEASED
        lost = np.zeros(released.num_rows, np.int32)  # cells by row: in a set codes stand in other columns
        for step, cells in zip(steps, shown, strict=True):
            lost += validity(values[step.column.name])[own].astype(np.int32) - validity(cells)
        few.add(patient[own][lost > 0])
