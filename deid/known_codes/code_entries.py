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
from deid.known_codes.date_entries import DateEntries
from deid.known_codes.dated_steps import TiedSteps, columns_dated, tied_steps
from deid.known_codes.entries import NO_VISIT, Entries
from deid.known_codes.tied_entries import TiedEntries, TiedRows
from deid.observing.decision import Decision, RowSelection
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


@dataclass(slots=True)
class CodeEntries:
    """Notes the codes of the rows that will be released: an Observer (deid.observing.observers) of its own reading.

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

    def see(self, rows: TypedRows) -> None:
        """Count the codes of a batch."""
        planned = self.plan.table(rows.table.name)
        if planned is None:
            return
        kept = np.flatnonzero(kept_rows(planned, self.decision, rows))
        self.days.see(planned, rows, kept)
        tied = self._tied(rows, kept)
        index, patient = pa.array(kept), rows.patient[kept]
        steps = mapped_steps(planned)
        visit = self._visit(rows, kept) if steps else np.zeros(0, np.int32)
        if len(steps) > 1:
            visit = self._rows_alone(visit)
        for step in steps:
            levels = levels_under(self.plan, step.column)
            # Shaped first and in the way of MapCodes: what is counted is what will be mapped.
            cells = wellformed(step.column.kind, rows.values[step.column.name].take(index))
            entries, places = entries_of(levels.values(cells, FULL))
            numbers = np.append(self.numbers.of(levels, entries), np.int32(-1))[places]
            has = numbers >= 0
            self.entries.add(patient[has], numbers[has], visit[has])
            if tied is not None:
                self.ties.add(tied, np.flatnonzero(has), patient[has], numbers[has], visit[has])

    def _tied(self, rows: TypedRows, kept: npt.NDArray[np.int64]) -> TiedRows | None:
        """Return what ties the codes of kept rows to dates as they will be released."""
        steps = self.ties.steps.get(rows.table.name)
        if steps is None:
            return None
        patient = rows.patient[kept]
        context = context_for(self.plan, self.decision, patient, lambda notes, _: notes)
        cells = {name: rows.values[name].take(pa.array(kept)) for name in steps.columns}
        dates = {s.column.name: s.transform.apply(s.column, cells[s.column.name], context) for s in steps.dates}
        return self.ties.see(rows.table.name, cells | dates, patient)

    def _rows_alone(self, visit: Integers) -> Integers:
        """Return visits with a number for each row of several codes that names none: the row tells them together."""
        alone = np.flatnonzero(visit == NO_VISIT)
        visit[alone] = self._visits.add(np.frombuffer(os.urandom(8 * len(alone)), np.uint64))[0]
        return visit

    def _visit(self, rows: TypedRows, kept: npt.NDArray[np.int64]) -> Integers:
        """Return the number of each kept row's visit, NO_VISIT where nothing tells it."""
        column = visit_column(self.plan, rows.table)
        if column is None:
            return np.full(len(kept), NO_VISIT, np.int32)
        cells, patient = rows.values[column.name].take(pa.array(kept)), rows.patient[kept]
        known = pc.is_valid(cells).to_numpy(zero_copy_only=False)
        if pa.types.is_temporal(cells.type):
            day = days_of(cells).astype(np.int64).astype(np.uint64) & np.uint64(0xFFFFFFFF)
            tags = scattered((patient.astype(np.uint64) << np.uint64(32)) | day)
        else:
            tags = self._tagger.visit_tags(cells, patient)
        visit = np.full(len(kept), NO_VISIT, np.int32)
        visit[known] = self._visits.add(tags[known])[0]
        return visit

    def coded(self) -> Coded:
        """Return what was counted."""
        return self.entries.coded(len(self.decision.patients))

    def tied(self) -> Tied | None:
        """Return the codes with the dates that the release ties them to, None where it ties none."""
        return self.ties.found(len(self.decision.patients))

    def dates(self) -> Dates | None:
        """Return the dates that each patient shows, None where the policy counts none."""
        return self.days.dates()
