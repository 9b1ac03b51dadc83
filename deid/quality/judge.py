"""The judge of codes: sees typed rows as a run reads them, and reports on what it saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.days import NO_DAY, months
from deid.codes import CODE_SYSTEMS
from deid.codes.attributes import Attributed
from deid.codes.base import CodeSystem, Days
from deid.observing.rows import TypedRows
from deid.observing.selection import days_of
from deid.patients.positions import Positions
from deid.quality.attributes import entry_attributes, row_attributes
from deid.quality.checks import Cells, Flags, Sexes, cells_of, entry_findings, revisions, row_findings, sexes
from deid.quality.columns import Judged, Scope, scope_of
from deid.quality.duplicates import repeated
from deid.quality.findings import BITS, EMPTY, FINDINGS
from deid.quality.report import ColumnEntry, Report, line
from deid.quality.states import EntryState, JudgeState
from deid.quality.suppress import CODES, shown_lines
from deid.quality.tally import Marks, Periods, Tally, numbered
from deid.release.small_counts import shown
from deid.schema import DatasetDescription
from deid.visits.diagnoses import is_principal

Unit = Literal["month", "year"]
Rows = npt.NDArray[np.int64]
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What stands beside the codes of a batch: day, sex, birth day, and whether the row is of a hospital stay."""

    day: Days | None
    sex: Sexes | None
    birth: Days | None
    stay: Flags | None


@dataclass(slots=True)
class _Entry:
    """One entry of the report while it is counted: what is judged in its columns, and the findings that could be."""

    judged: Judged
    tally: Tally = field(default_factory=Tally)
    findings: set[str] = field(default_factory=set)


class Judge:
    """Judges the codes of the columns that a run reads.

    `read`: the columns read of each table. `systems` may hold lists that the site has added. `duplicates`: whether
    lines are looked for that repeat an earlier one of the same visit.
    """

    def __init__(
        self,
        dataset: DatasetDescription,
        read: Mapping[str, Sequence[str]],
        unit: Unit,
        systems: Mapping[str, CodeSystem] = CODE_SYSTEMS,
        *,
        duplicates: bool = False,
    ) -> None:
        self._dataset, self._unit, self._systems = dataset, unit, systems
        self._scopes = {t.name: scope_of(t, frozenset(read[t.name])) for t in dataset.tables if t.name in read}
        self._duplicates = duplicates
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._sex = np.zeros(0, np.uint8)
        self._birth = np.zeros(0, np.int32)
        self._has_met = False  # whether the patients were met here, and not elsewhere

    def see(self, rows: TypedRows, kept: Rows | None = None, *, day: Days | None = None) -> None:
        """Judge the codes of a batch; of the rows `kept` (positions in the batch), or of all that are not bad.

        `day`: the day of service of each row of the batch, for a table that has none of its own.
        """
        kept = np.flatnonzero(~rows.bad & (rows.patient >= 0)) if kept is None else kept
        scope = self._scopes.get(rows.table.name)
        if scope is None or not len(kept):
            return
        values = {name: rows.values[name] for name in self._read(scope, rows)}
        if len(kept) < len(rows):
            values = {name: cells.take(pa.array(kept)) for name, cells in values.items()}
        patient = rows.patient[kept]
        if rows.table.name == self._dataset.population:
            self._meet(scope, values, patient)
        if not scope.judged:
            return
        if scope.day is not None:
            day = days_of(values[scope.day.name])
        elif day is not None:
            day = day[kept]
        last = int(patient.max())
        sex = self._sex[patient] if len(self._sex) > last else None
        birth = self._birth[patient] if len(self._birth) > last else None
        stay = values[scope.stay.name].is_valid().to_numpy(zero_copy_only=False) if scope.stay is not None else None
        beside = _Beside(day, sex, birth, stay)
        period = numbered(_periods(day, len(kept), self._unit))
        again = self._repeated(scope, values)
        for place, judged in enumerate(scope.judged):
            entry = self._entry(scope.table.name, judged.entry)
            found = {"duplicate_line": again} if again is not None and not place else {}
            entry.tally.add(self._marks(judged, values, beside, entry.findings, found), period, patient)

    def people(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
        """Return what is remembered of the patients by position: sex (uint8) and birth day (int32 days)."""
        return self._sex, self._birth

    def know(self, sex: npt.NDArray[np.uint8], birth: npt.NDArray[np.int32]) -> None:
        """Take what another judge remembers of the patients, where the population was read elsewhere."""
        self._sex, self._birth = sex, birth

    def state(self) -> JudgeState:
        """Return what was seen so far; of the patients nothing that was taken by `know`."""
        sex, birth = (self._sex, self._birth) if self._has_met else (self._sex[:0], self._birth[:0])
        positions = np.union1d(np.flatnonzero(sex), np.flatnonzero(birth != NO_DAY))
        return JudgeState(
            {place: EntryState(e.tally.state(), tuple(sorted(e.findings))) for place, e in self._entries.items()},
            positions.astype(np.int32),
            sex[positions] if len(sex) else sex,
            birth[positions] if len(birth) else birth,
            (len(sex), len(birth)),
        )

    def merge(self, state: JudgeState) -> None:
        """Take what a judge of the same columns saw of other batches.

        A judge of parts of other tables is told before, by `know`, what the parts of the population told of patients.
        """
        for place, told in state.entries.items():
            entry = self._entry(*place)
            entry.tally.merge(told.tally)
            entry.findings.update(told.findings)
        self._has_met |= max(state.sizes) > 0
        if state.sizes[0]:
            self._sex = _grown(self._sex, state.sizes[0], 0)
            self._sex[state.positions] = state.sex
        if state.sizes[1]:
            self._birth = _grown(self._birth, state.sizes[1], NO_DAY)
            self._birth[state.positions] = state.birth

    def _entry(self, table: str, name: str) -> _Entry:
        """Return an entry; of the columns that share it, the first tells what it is about."""
        if (table, name) not in self._entries:
            judged = next(each for each in self._scopes[table].judged if each.entry == name)
            self._entries[table, name] = _Entry(judged)
        return self._entries[table, name]

    @property
    def has_codes(self) -> bool:
        """Whether any column is judged at all."""
        return any(scope.judged for scope in self._scopes.values())

    def report(self, skipped: Mapping[str, int] | None = None) -> Report:
        """Return what may be shown of everything that was counted; `skipped` counts bad rows by table."""
        tables: dict[str, dict[str, ColumnEntry]] = {}
        for (table, name), entry in self._entries.items():
            tables.setdefault(table, {})[name] = _told(entry, self._of(entry.judged))
        bad = {name: shown(rows) for name, rows in (skipped or {}).items() if rows}
        return Report("deid-quality/1", self._dataset.name, self._unit, tables, bad)

    def _of(self, judged: Judged) -> CodeSystem:
        return self._systems.get(judged.system.name, judged.system)

    def _read(self, scope: Scope, rows: TypedRows) -> tuple[str, ...]:
        people = scope.table.of_kind("sex", "birth_date") if rows.table.name == self._dataset.population else ()
        return tuple(name for name in (*scope.columns, *(c.name for c in people)) if name in rows.values)

    def _marks(
        self,
        judged: Judged,
        values: Mapping[str, pa.Array],
        beside: _Beside,
        judgeable: set[str],
        found: Mapping[str, Rows],
    ) -> Marks:
        """Return the marks of each row, uint32 of shape (n,), and note which findings could be judged."""
        system = self._of(judged)
        entries, places = cells_of(system, values[judged.column.name])
        told = revisions(values[judged.version.name]) if judged.version is not None else None
        cells = Cells(entries, places, beside.day, told, beside.sex, beside.birth)
        principal = is_principal(judged.diagnosis, values, len(places)) if judged.diagnosis is not None else None
        ever = entry_findings(system, entries, self._systems)
        by_row = {**found, **row_findings(system, cells, ever, self._systems)}
        if isinstance(judged.system, Attributed):  # lists that a site adds tell validity alone
            said = judged.system.attributes(entries)
            ever |= entry_attributes(said)
            by_row |= row_attributes(said, cells, principal, beside.stay)
        if principal is not None:
            by_row["principal_missing"] = np.flatnonzero(principal & (places == len(entries)))
        judgeable.update(ever, by_row)
        return _joined({name: flags for name, flags in ever.items() if name not in by_row}, by_row, places)

    def _repeated(self, scope: Scope, values: Mapping[str, pa.Array]) -> Rows | None:
        if not self._duplicates or scope.visit is None:
            return None
        return np.flatnonzero(repeated(values, scope.visit.name, scope.columns))

    def _meet(self, scope: Scope, values: Mapping[str, pa.Array], patient: Positions) -> None:
        """Remember sex and birth day of the patients, where the run reads them."""
        sex = next((c.name for c in scope.table.of_kind("sex") if c.name in values), None)
        birth = next((c.name for c in scope.table.of_kind("birth_date") if c.name in values), None)
        size = int(patient.max()) + 1
        self._has_met = True
        if sex is not None:
            self._sex = _grown(self._sex, size, 0)
            self._sex[patient] = sexes(values[sex])
        if birth is not None:
            self._birth = _grown(self._birth, size, NO_DAY)
            self._birth[patient] = days_of(values[birth])


def _joined(ever: Mapping[str, Flags], by_row: Mapping[str, Rows], places: Rows) -> Marks:
    """Return the marks of rows from findings on their distinct codes and findings on rows."""
    of_entries = np.zeros(len(next(iter(ever.values()), ())) + 1, np.uint32)
    of_entries[-1] = EMPTY
    for name, flags in ever.items():
        of_entries[:-1] |= np.where(flags, np.uint32(BITS[name]), np.uint32(0))
    marks: Marks = of_entries[places]
    for name, rows in by_row.items():
        marks[rows] |= np.uint32(BITS[name])
    return marks


def _told(entry: _Entry, system: CodeSystem) -> ColumnEntry:
    lines = shown_lines(entry.tally.counts(), entry.findings)
    return ColumnEntry(
        kind=entry.judged.column.kind.name,
        system=system.name,
        lists=tuple(_named(system, codes.release) for codes in system.lists),
        codes=line(lines[CODES]),
        findings={name: line(lines[name]) for name in FINDINGS if name in lines},
    )


def _named(system: CodeSystem, release: str) -> str:
    return release if release.startswith(system.title) else f"{system.title}: {release}"


def _periods(day: Days | None, count: int, unit: Unit) -> Periods:
    """Return the period of each row: 0 for unknown, the year, or twelve times the year and the month from 1 on."""
    if day is None:
        return np.zeros(count, np.int32)
    known = day != NO_DAY
    days, places = numbered(np.where(known, day, 0))  # far fewer than rows
    years, months_of_year = months(days)
    numbers = years if unit == "year" else years * 12 + months_of_year
    return np.where(known, numbers[places], 0).astype(np.int32)


def _grown(array: npt.NDArray[_Number], size: int, fill: int) -> npt.NDArray[_Number]:
    if len(array) >= size:
        return array
    return np.append(array, np.full(max(size, 2 * len(array)) - len(array), fill, array.dtype))
