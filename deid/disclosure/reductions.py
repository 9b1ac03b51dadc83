"""A column of visits reduced to one value of the patient, by an explicit rule.

An age that turns between two visits narrows a birth date, and a place that changes tells a move: what leaves of such a
column is one value of the patient, which counts in the patient's vector like a demographic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import scattered
from deid.cells.days import NO_DAY
from deid.disclosure.leaves import LeafNote, Leaves
from deid.documents.limits import Sensitive, Take
from deid.observing.decision import Decision, RowSelection
from deid.observing.noting import Noting
from deid.observing.rows import TypedRows
from deid.observing.selection import carriers, days_of
from deid.pipeline import cells_of, coded_measures, columns_read, context_for, kept_rows
from deid.planning.plan import Plan, Step, TablePlan
from deid.planning.sensitive_columns import sensitive_steps
from deid.schema import Table
from deid.sealing.sealed import SealedRows
from deid.transforms.pseudonymize import Pseudonymize
from deid.transforms.shift_date import ShiftDate
from deid.visits.columns import encounter_key, start_of_visit

Numbers = npt.NDArray[np.int32]
Wide = npt.NDArray[np.int64]
FOUND = {"patient": pa.int32(), "leaf": pa.int32(), "when": pa.int32(), "mentions": pa.int32()}
_NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True)
class Reduced:
    """One reduced column: which value each patient has in which rows, sealed where it is long.

    `sensitive`: the limit that it is read for, or None for a column of the vector; several columns of one sensitive
    kind share their leaves and what was found.
    """

    table: TablePlan
    step: Step
    take: Take
    leaves: Leaves
    found: SealedRows
    sensitive: Sensitive | None = None

    def note(self, patient: Numbers, leaf: Numbers, day: Numbers) -> None:
        """Keep of each (patient, leaf) its mentions, and how early it stands in the order that `take` asks for."""
        when = np.where(day == NO_DAY, _NEVER, -day if self.take is Take.LAST else day).astype(np.int32)
        order = np.lexsort((when, leaf, patient))
        patient, leaf, when = patient[order], leaf[order], when[order]
        first = np.flatnonzero(np.append(True, (patient[1:] != patient[:-1]) | (leaf[1:] != leaf[:-1]))[: len(patient)])
        mentions = np.diff(first, append=len(patient)).astype(np.int32)
        arrays = [patient[first], leaf[first], when[first], mentions]
        self.found.add(scattered(patient[first]), pa.record_batch([pa.array(a) for a in arrays], names=list(FOUND)))

    def of_patients(self, patients: int) -> Numbers:
        """Return the one leaf of each patient, int32 (patients,); a patient without a row has that of an empty cell."""
        self.found.freeze()
        chosen = np.full(patients, self.leaves.empty()[0], np.int32)
        by_text, by_value = self.leaves.order(as_text=True), self.leaves.order()
        is_empty = by_text == len(by_text) - 1  # the empty cell's leaf is there, and stands last
        for part in self.found.partitions():
            patient, leaf, when, mentions = (part.column(name).to_numpy().astype(np.int64) for name in FOUND)
            patient, leaf, when, mentions = _united(patient, leaf, when, mentions)
            value = np.where(is_empty[leaf], len(by_value), by_value[leaf] * (-1 if self.take is Take.GREATEST else 1))
            before = {Take.FIRST: when, Take.LAST: when, Take.MOST: -mentions}.get(self.take, value)
            order = np.lexsort((by_text[leaf], before, patient))
            best = order[np.append(True, np.diff(patient[order]) != 0)[: len(order)]]
            chosen[patient[best]] = leaf[best]
        return chosen


def _united(patient: Wide, leaf: Wide, when: Wide, mentions: Wide) -> tuple[Wide, Wide, Wide, Wide]:
    """Return each (patient, leaf) once, with the earliest `when` and all mentions."""
    order = np.lexsort((when, leaf, patient))
    patient, leaf, when, mentions = patient[order], leaf[order], when[order], mentions[order]
    first = np.flatnonzero(np.append(True, (np.diff(patient) != 0) | (np.diff(leaf) != 0))[: len(patient)])
    total = np.add.reduceat(mentions, first) if len(first) else mentions
    return patient[first], leaf[first], when[first], total


@dataclass(frozen=True, slots=True)
class ReducedNote:
    """What rows of a table show in its reduced columns, in their order; patient and day int32 (n,)."""

    table: str
    patient: Numbers = field(repr=False)
    day: Numbers = field(repr=False)
    leaves: tuple[LeafNote, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reductions(Noting):
    """Observes the tables that have reduced columns; `late`, when everything else is known, only released rows."""

    plan: Plan
    decision: Decision
    reduced: Sequence[Reduced]
    late: bool

    def columns(self, table: Table) -> Sequence[str]:
        """Everything that writing the table reads, so that the same rows are good and chosen here and there."""
        if not any(column.table.table.name == table.name for column in self.reduced):
            return []
        planned = self.plan.table(table.name)
        return columns_reduced(self.decision.rows, planned) if planned is not None else []

    def note(self, rows: TypedRows) -> ReducedNote:
        """Return the patients' values of every reduced column of a table."""
        mine = self._of(rows.table.name)
        is_kept = kept_rows(mine[0].table, self.decision, rows) if self.late else rows.patient >= 0
        good = np.flatnonzero(is_kept)
        patient = rows.patient[good]
        values = {name: array.take(pa.array(good)) for name, array in rows.values.items()}
        context = context_for(self.plan, self.decision, patient, lambda notes, _: notes)
        coded = coded_measures(mine[0].table, self.decision, values, patient)
        start = start_of_visit(rows.table)
        day = days_of(values[start.name]) if start else np.full(len(good), NO_DAY, np.int32)
        cells = [cells_of(c.step, c.table, self.decision, values, patient, coded) for c in mine]
        found = [c.leaves.note(own, context, c.step.column) for c, own in zip(mine, cells, strict=True)]
        return ReducedNote(rows.table.name, patient, day, tuple(found))

    def take(self, note: ReducedNote) -> None:
        """Keep the patients' values."""
        for column, found in zip(self._of(note.table), note.leaves, strict=True):
            column.note(note.patient, column.leaves.take(found), note.day)

    def _of(self, table: str) -> list[Reduced]:
        return [column for column in self.reduced if column.table.table.name == table]


def tables_reduced(plan: Plan) -> frozenset[str]:
    """Return the tables of which columns are reduced, for the vector or for what is sensitive."""
    vector = {table.table.name for table, _, _ in reduced_steps(plan)}
    return frozenset(vector | {table.table.name for _, columns in sensitive_steps(plan) for table, _ in columns})


def reduced_steps(plan: Plan) -> Iterator[tuple[TablePlan, Step, Take]]:
    """Yield every written column that is reduced to one value of the patient, with its table."""
    for table in plan.tables:
        for step in table.written:
            if step.take is not None:
                yield table, step, step.take


def columns_reduced(selection: RowSelection | None, planned: TablePlan) -> list[str]:
    """Return what is read of a table to reduce its columns: all that writing it reads, and the day of the visit."""
    columns = columns_read(planned)
    if selection is not None:
        columns += [c.name for p in selection.evaluated(planned.table) for c in carriers(planned.table, p)]
        columns += [column.name for column in encounter_key(planned.table, selection.key_kind)]
    start = start_of_visit(planned.table)
    return [*columns, *([start.name] if start is not None else [])]


def follows(step: Step) -> bool:
    """Whether what a step writes is known only after everything else was observed."""
    if isinstance(step.transform, (Pseudonymize, ShiftDate)):
        return step.transform.method == "random"
    return step.measure is not None and (step.measure.family is not None or step.measure.name == "readmitted_30d")


def is_late(steps: Sequence[Step], selection: RowSelection | None) -> bool:
    """Whether columns are reduced in a reading of their own: where rows are chosen, or a value follows from others."""
    return selection is not None or any(map(follows, steps))
