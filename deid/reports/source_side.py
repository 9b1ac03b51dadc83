"""What the report must know of the source: seen while rows are written, held in memory, never a cell in the report.

The patients asked for are those who are released and those who were withheld; the figures of utility and bias compare
the two. Values of the quasi-identifiers are numbered, source values by tags under a key of this run; codes are kept as
texts, by distinct code. Memory: 12 bytes a patient, and what distinct values and codes take.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.buffers import plain
from deid.decision import Decision
from deid.disclosure.k_anonymity import quasi_identifier_steps
from deid.kinds import Role
from deid.legal import safe_harbor
from deid.patients import ASKED, SELECTED, Patients, Tagger
from deid.pipeline import cells_of, context_for, kept_rows
from deid.plan import Plan, Step, TablePlan
from deid.reports.small import is_small
from deid.reports.tallies import Few, Numbers, Tallied, Values, VectorTally, grown
from deid.request import Schedule
from deid.rows import TypedRows
from deid.tags import TagIndex

RELEASED, LOST = 0, 1  # the parts of the patients asked for
CODES = frozenset(
    {"icd10cm", "icd10pcs", "icd10", "icd9cm", "icd_any", "cpt", "hcpcs", "ndc", "rxnorm", "cvx", "loinc", "snomed",
     "drg", "omop_concept"}
)  # fmt: skip
Place = tuple[str, str]  # table, and column or kind


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
    """Return the columns of codes of a table, those of one kind together."""
    found: dict[Place, list[Step]] = {}
    for step in planned.written:
        if step.measure is None and step.column.kind.name in CODES:
            found.setdefault((planned.table.name, step.column.kind.name), []).append(step)
    return found


@dataclass(slots=True)
class ColumnTally:
    """A column of the vector: its source values by tag, and patients of each (source value, released value)."""

    leaves: TagIndex
    pairs: VectorTally


class SourceSide:
    """Takes note of the patients asked for, batch by batch, as their rows are written.

    `plan`: as disclosure control resolved it, so that every step has the rule that was chosen.
    """

    def __init__(self, plan: Plan, patients: Patients) -> None:
        self._plan, self._patients = plan, patients
        self._tagger = Tagger.fresh()
        self.is_series = plan.request.schedule is not Schedule.ONCE
        self.is_continued = False  # whether this is a later release of one request, on a schedule or run again
        self.population = plan.dataset.population
        self.steps = vector_steps(plan)
        self.values = tuple(Values() for _ in self.steps)  # shared with the other side, so that numbers agree
        self.vectors = VectorTally(len(self.steps), 2)
        self.columns = tuple(ColumnTally(TagIndex(), VectorTally(2, 2)) for _ in self.steps)
        self.codes: dict[Place, Tallied] = {}
        self.emptied: dict[Place, Few] = {}
        self._vector: Numbers = np.zeros(0, np.int32)
        self._visits: Numbers = np.zeros(0, np.int32)
        self._mentions: Numbers = np.zeros(0, np.int32)

    def see(self, planned: TablePlan, decision: Decision, rows: TypedRows, released: pa.RecordBatch) -> None:
        """Take note of a batch; `released` are its rows as written, those of selected patients in their order."""
        asked = np.flatnonzero(kept_rows(planned, decision, rows, SELECTED | ASKED))
        patient = rows.patient[asked]
        if not len(asked):
            return
        taken = pa.array(asked)
        is_population = planned.table.name == self.population
        codes = [step.column.name for steps in code_places(planned).values() for step in steps]
        values = {name: rows.values[name].take(taken) for name in (rows.values if is_population else codes)}
        part = np.where((self._patients.flags[patient] & SELECTED) != 0, RELEASED, LOST)
        if is_population:
            self._meet(planned, decision, values, patient, part)
        if planned.table.name == self._plan.dataset.encounters:
            self._visits = _counted(self._visits, patient, len(self._patients))
        for place, steps in code_places(planned).items():
            for step in steps:
                cells = values[step.column.name]
                filled = cells.is_valid().to_numpy(zero_copy_only=False)
                self.codes.setdefault(place, Tallied(2)).add(cells, part)
                self._mentions = _counted(self._mentions, patient[filled], len(self._patients))
                kept = filled[part == RELEASED]
                shown = released.column(step.column.name).is_valid().to_numpy(zero_copy_only=False)
                self.emptied.setdefault(place, Few()).add(patient[part == RELEASED][kept & ~shown])

    @property
    def lost(self) -> int:
        """How many patients were asked for and not released."""
        return int(self.vectors.counts[:, LOST].sum())

    @property
    def tells_lost(self) -> bool:
        """Whether anything that counts withheld patients may be told.

        Not where they are one to ten, and not in a series: what differs from month to month would tell who is new. In
        a later release even that there are none is told by nothing.
        """
        return not (self.is_continued or is_small(self.lost) or (self.lost and self.is_series))

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
        part: npt.NDArray[np.generic],
    ) -> None:
        context = context_for(self._plan, decision, patient, lambda notes, _: notes)
        numbers: list[Numbers] = []
        for step, known, column in zip(self.steps, self.values, self.columns, strict=True):
            source = cells_of(step, planned, decision, values, patient, {})
            numbers.append(known.of(step.transform.apply(step.column, source, context)))
            leaves, _ = column.leaves.add(self._tagger.tags(plain(source).cast(pa.string())))
            column.pairs.add([leaves, numbers[-1]], part)
        vector = self.vectors.add(numbers, part)
        self._vector = grown(self._vector, len(self._patients), -1)
        self._vector[patient] = vector


def _counted(counts: Numbers, patient: Numbers, size: int) -> Numbers:
    counts = grown(counts, size, 0)
    distinct, rows = np.unique(patient, return_counts=True)
    counts[distinct] += rows.astype(np.int32)
    return counts
