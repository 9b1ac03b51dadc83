"""Which rows of a source a release is about, told as the export tells it, and one value of a patient among many.

Who is known by a visit is known by one that was released: another visit fits nobody, and would make an attack look
weaker than it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.days import NO_DAY
from deid.disclosure.reductions import reduced_steps
from deid.documents.limits import Take
from deid.observing.decision import RowSelection
from deid.observing.observers import CohortRows
from deid.observing.rows import Rows
from deid.observing.selection import carriers, days_of, whole_years
from deid.patients.positions import Patients
from deid.planning.chosen_rows import row_selection
from deid.planning.plan import Plan, Step, TablePlan
from deid.schema import Table
from deid.sealing.sealed import SealedMap
from deid.visits.columns import encounter_key, end_of_visit, start_of_visit

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_IN_MEMORY = 1 << 40  # bytes before which a sealed map writes nothing: the whole source is in memory here
_KNOWN = frozenset({"age_at_visit", "length_of_stay"})  # measures that dates alone tell


def rows_of(plan: Plan) -> RowSelection | None:
    """Return which rows a release of `plan` is about, None where it is about all of the patients it holds."""
    selection = row_selection(plan)
    if selection is None or selection.key_kind is None:
        return selection
    kept = SealedMap(pa.schema([("kept", pa.bool_())]), folder=Path(tempfile.gettempdir()), budget=_IN_MEMORY)
    return replace(selection, encounters=kept)


def note(selection: RowSelection, carrier: Table, rows: Rows, patients: Patients) -> None:
    """Read the table that chooses rows, and keep which visits it chose; `patients` hold births and who met what."""
    observer = CohortRows(selection, patients)
    for batch in rows.read(carrier, list(dict.fromkeys(observer.columns(carrier)))):
        observer.see(batch)
    if selection.encounters is not None:
        selection.encounters.freeze()


def choosing(selection: RowSelection | None, table: Table) -> list[str]:
    """Return the columns that tell which rows of a table were chosen."""
    if selection is None:
        return []
    carried = [column.name for predicate in selection.evaluated(table) for column in carriers(table, predicate)]
    return carried + [column.name for column in encounter_key(table, selection.key_kind)]


def kept(
    selection: RowSelection | None, table: Table, cells: Mapping[str, pa.Array], patient: Int32, births: Int32
) -> Flags:
    """Return which rows of a table were chosen, bool (rows,); `births` by position of patient."""
    if selection is None:
        return np.ones(len(patient), bool)
    birth = births[patient] if len(births) else np.full(len(patient), NO_DAY, np.int32)
    own = selection.keeps(table, cells, birth)
    key = encounter_key(table, selection.key_kind)
    if table.name == selection.carrier or selection.stands_alone(table) or not key:
        return own
    return selection.belongs(table, cells, key[0], patient, own)


@dataclass(frozen=True, slots=True)
class ReducedColumn:
    """A column of visits of which a release shows one value for the patient."""

    table: TablePlan
    step: Step
    take: Take

    @property
    def is_told(self) -> bool:
        """Whether somebody who knows the visits knows the value: a cell, or what their dates tell."""
        return self.step.measure is None or self.step.column.name in _KNOWN

    def columns(self) -> list[str]:
        """Return the columns of the source that the value is taken from."""
        source = self.table.table
        days = [column.name for column in (start_of_visit(source), end_of_visit(source)) if column is not None]
        return days if self.step.measure is not None else [self.step.column.name, *days[:1]]

    def of_patients(self, cells: Mapping[str, pa.Array], patient: Int32, births: Int32) -> pa.Array:
        """Return the one value of each of the patients of `births`, null for who has no row or an empty one."""
        source = self.table.table
        none = np.full(len(patient), NO_DAY, np.int32)
        start_column, end_column = start_of_visit(source), end_of_visit(source)
        start = days_of(cells[start_column.name]) if start_column else none
        if self.step.measure is None:
            values = cells[self.step.column.name]
        elif self.step.column.name == "age_at_visit":
            ages = whole_years(births[patient], start)
            values = pa.array(ages.astype(np.int64), mask=ages < 0)
        else:
            end = days_of(cells[end_column.name]) if end_column else none
            unknown = (start == NO_DAY) | (end == NO_DAY) | (end < start)
            values = pa.array(np.where(unknown, 0, end.astype(np.int64) - start), mask=unknown)
        return values.take(self._row(values, patient, start, len(births)))

    def _row(self, values: pa.Array, patient: Int32, start: Int32, patients: int) -> pa.Array:
        """Return the row whose value stands for each patient, ties to the smaller text, null without a row."""
        coded = values.dictionary_encode()
        leaf = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False).astype(np.int64)
        by_text, by_value = _ranks(coded.dictionary.cast(pa.string())), _ranks(coded.dictionary)
        never = np.iinfo(np.int64).max
        if self.take in (Take.FIRST, Take.LAST):
            day = start.astype(np.int64) * (-1 if self.take is Take.LAST else 1)
            before = np.where(start == NO_DAY, never, day)
        elif self.take is Take.MOST:
            pairs = patient.astype(np.int64) * (len(coded.dictionary) + 1) + leaf
            _, which, times = np.unique(pairs, return_inverse=True, return_counts=True)
            before = -times[which.reshape(-1)]
        else:
            sign = -1 if self.take is Take.GREATEST else 1
            before = np.where(leaf == len(coded.dictionary), never, by_value[leaf] * sign)
        order = np.lexsort((by_text[leaf], before, patient))
        best = order[np.append(True, np.diff(patient[order]) != 0)[: len(order)]]
        row = np.full(patients, -1, np.int64)
        row[patient[best]] = best
        return pa.array(np.maximum(row, 0), mask=row < 0)


def _ranks(distinct: pa.Array) -> Int64:
    """Return the rank of each value, and behind them all that of an empty cell."""
    order = np.argsort(distinct.to_numpy(zero_copy_only=False), kind="stable")
    rank = np.empty(len(order) + 1, np.int64)
    rank[order], rank[-1] = np.arange(len(order)), len(order)
    return rank


def reduced_columns(plan: Plan) -> list[ReducedColumn]:
    """Return the columns of visits of which a release of `plan` shows one value for the patient."""
    return [ReducedColumn(*found) for found in reduced_steps(plan) if found[0].table.name != plan.dataset.population]
