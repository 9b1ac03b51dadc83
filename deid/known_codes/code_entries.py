"""Who has which codes, of all that a plan releases by a map: read when it is known whose rows leave, before any does.

In memory while the run lasts: 16 bytes for each distinct (patient, code, visit), 16 to 20 for each visit, and what
sorting them takes for a moment; the numbers mean nothing outside the run. docs/reference/memory.md states it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import scattered
from deid.cells.shapes import wellformed
from deid.codes.formed import entries_of
from deid.codes.mapped_levels import FULL, MappedLevels, mapped_levels
from deid.disclosure.coded import Coded
from deid.disclosure.dated import Tied
from deid.disclosure.sampling import Dates
from deid.known_codes.code_numbers import CodeNumbers
from deid.known_codes.date_entries import DateEntries, DatesNoted
from deid.known_codes.dated_steps import TiedSteps, columns_dated, tied_steps
from deid.known_codes.entries import NO_VISIT, Entries
from deid.known_codes.tied_entries import TiedEntries, TiedNote
from deid.observing.decision import Decision, RowSelection
from deid.observing.noting import Noting
from deid.observing.rows import TypedRows
from deid.observing.selection import carriers, days_of
from deid.patients.positions import Tagger
from deid.patients.tags import TagIndex
from deid.pipeline import context_for, kept_rows
from deid.planning.plan import Plan, Step, TablePlan
from deid.schema import Column, Table
from deid.transforms.map_codes import MapCodes, levels_of
from deid.visits import evidence
from deid.visits.columns import encounter_key, start_of_visit

Integers = npt.NDArray[np.int32]


def mapped_steps(planned: TablePlan) -> list[Step]:
    """Return the steps of a table whose codes are mapped."""
    return [step for step in planned.written if isinstance(step.transform, MapCodes)]


def maps_codes(plan: Plan) -> bool:
    """Whether any column of the release goes through a map."""
    return any(mapped_steps(planned) for planned in plan.tables)


def levels_under(plan: Plan, column: Column) -> MappedLevels:
    """Return the levels between which a column's codes are mapped under the plan's limits."""
    levels = levels_of(column)
    if levels is None or plan.policy.limits.codes is None:
        raise AssertionError(f"kind {column.kind.name} has no map")
    return mapped_levels(levels.system, plan.policy.limits.codes.rare) or levels


def visit_column(plan: Plan, table: Table) -> Column | None:
    """Return the column that tells which rows are of one visit: the visit's number, else the day of the row."""
    return evidence.visit_key(plan.dataset, table) or next(iter(encounter_key(table)), None) or start_of_visit(table)


def columns_counted(plan: Plan, table: Table, selection: RowSelection | None) -> list[str]:
    """Return the columns by which codes of a table are counted: the codes, their visit, and what selects rows."""
    planned = plan.table(table.name)
    steps = mapped_steps(planned) if planned is not None else []
    dated = columns_dated(plan, table) if maps_codes(plan) else []
    if planned is not None and maps_codes(plan):
        dated += tied_steps(plan).get(table.name, TiedSteps()).columns
    if not steps and not dated:
        return []
    visit = visit_column(plan, table) if steps else None
    names = [*(step.column.name for step in steps), *dated, *([visit.name] if visit is not None else [])]
    if selection is not None:
        names += [c.name for predicate in selection.evaluated(table) for c in carriers(table, predicate)]
        names += [column.name for column in encounter_key(table, selection.key_kind)]
    return list(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class CodeNote:
    """The codes of the rows of a table that will be released, of shape (n,) but for `codes`.

    `codes`: for each mapped column its distinct values and the place of each row's, past the end for none. `known`,
    `visits`: which rows tell their visit, and the tags of those; None where the table tells none.
    """

    table: str
    patient: Integers = field(repr=False)
    codes: tuple[tuple[pa.Array, Integers], ...] = field(repr=False)
    known: npt.NDArray[np.bool_] | None = field(repr=False)
    visits: npt.NDArray[np.uint64] = field(repr=False)
    dates: tuple[DatesNoted, ...] = field(repr=False)
    tied: TiedNote | None = field(repr=False)


@dataclass(slots=True)
class CodeEntries(Noting):
    """Notes the codes of the rows that will be released: an observer of its own reading.

    It sees rows when patients and encounters have been selected, so that it counts a row exactly if the row will be
    transformed (`pipeline.kept_rows`), whoever is withheld for k later.
    """

    plan: Plan
    decision: Decision
    numbers: CodeNumbers = field(default_factory=CodeNumbers)
    entries: Entries = field(default_factory=Entries)
    days: DateEntries = field(init=False)
    ties: TiedEntries = field(init=False)
    _tagger: Tagger = field(default_factory=Tagger.fresh)
    _visits: TagIndex = field(default_factory=TagIndex)

    def __post_init__(self) -> None:
        """Note dates beside codes, where somebody may know them."""
        self.days = DateEntries(self.plan, self.decision)
        self.ties = TiedEntries(self.plan)

    def columns(self, table: Table) -> Sequence[str]:
        """The mapped codes, the number of the visit, dates if they may be known, and what selects rows."""
        return columns_counted(self.plan, table, self.decision.rows)

    def note(self, rows: TypedRows) -> CodeNote | None:
        """Return the codes of a batch, None of a table that is not released."""
        planned = self.plan.table(rows.table.name)
        if planned is None:
            return None
        kept = np.flatnonzero(kept_rows(planned, self.decision, rows))
        index, codes = pa.array(kept), []
        steps = mapped_steps(planned)
        for step in steps:
            # Shaped first and in the way of MapCodes: what is counted is what will be mapped.
            cells = wellformed(step.column.kind, rows.values[step.column.name].take(index))
            entries, places = entries_of(levels_under(self.plan, step.column).values(cells, FULL))
            codes.append((entries, places.astype(np.int32)))
        known, visits = self._visits_of(rows, kept) if steps else (None, np.zeros(0, np.uint64))
        return CodeNote(
            table=rows.table.name,
            patient=rows.patient[kept],
            codes=tuple(codes),
            known=known,
            visits=visits,
            dates=self.days.note(planned, rows, kept),
            tied=self._tied(rows, kept),
        )

    def take(self, note: CodeNote) -> None:
        """Count the codes of a batch."""
        planned = self.plan.table(note.table)
        if planned is None:
            raise AssertionError("codes were noted of a table that is not in the plan")
        self.days.take(note.dates)
        tied = self.ties.take(note.tied) if note.tied is not None else None
        steps, patient = mapped_steps(planned), note.patient
        visit = np.full(len(patient), NO_VISIT, np.int32)
        if note.known is not None:
            visit[note.known] = self._visits.add(note.visits)[0]
        if len(steps) > 1:
            visit = self._rows_alone(visit)
        for step, (entries, places) in zip(steps, note.codes, strict=True):
            levels = levels_under(self.plan, step.column)
            numbers = np.append(self.numbers.of(levels, entries), np.int32(-1))[places]
            has = numbers >= 0
            self.entries.add(patient[has], numbers[has], visit[has])
            if tied is not None:
                self.ties.add(tied, np.flatnonzero(has), patient[has], numbers[has], visit[has])

    def _tied(self, rows: TypedRows, kept: npt.NDArray[np.int64]) -> TiedNote | None:
        """Return what ties the codes of kept rows to dates as they will be released."""
        steps = self.ties.steps.get(rows.table.name)
        if steps is None:
            return None
        patient = rows.patient[kept]
        context = context_for(self.plan, self.decision, patient, lambda notes, _: notes)
        cells = {name: rows.values[name].take(pa.array(kept)) for name in steps.columns}
        dates = {s.column.name: s.transform.apply(s.column, cells[s.column.name], context) for s in steps.dates}
        return self.ties.note(rows.table.name, cells | dates, patient)

    def _rows_alone(self, visit: Integers) -> Integers:
        """Return visits with a number for each row of several codes that names none: the row tells them together."""
        alone = np.flatnonzero(visit == NO_VISIT)
        visit[alone] = self._visits.add(np.frombuffer(os.urandom(8 * len(alone)), np.uint64))[0]
        return visit

    def _visits_of(
        self, rows: TypedRows, kept: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.bool_] | None, npt.NDArray[np.uint64]]:
        """Return which kept rows tell their visit, and the tags of those; None where nothing tells any."""
        column = visit_column(self.plan, rows.table)
        if column is None:
            return None, np.zeros(0, np.uint64)
        cells, patient = rows.values[column.name].take(pa.array(kept)), rows.patient[kept]
        known = pc.is_valid(cells).to_numpy(zero_copy_only=False)
        if pa.types.is_temporal(cells.type):
            day = days_of(cells).astype(np.int64).astype(np.uint64) & np.uint64(0xFFFFFFFF)
            tags = scattered((patient.astype(np.uint64) << np.uint64(32)) | day)
        else:
            tags = self._tagger.visit_tags(cells, patient)
        return known, tags[known]

    def coded(self) -> Coded:
        """Return what was counted."""
        return self.entries.coded(len(self.decision.patients))

    def tied(self) -> Tied | None:
        """Return the codes with the dates that the release ties them to, None where it ties none."""
        return self.ties.found(len(self.decision.patients))

    def dates(self) -> Dates | None:
        """Return the dates that each patient shows, None where the policy counts none."""
        return self.days.dates()
