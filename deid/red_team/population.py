"""The identified population behind a release, read in memory only: who may be looked for, and what is known of them.

Nothing is written, and nothing of it reaches an attacker but what `deid.red_team.draws` takes out for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.days import NO_DAY, number_of
from deid.documents.request import Series
from deid.kinds import Group, Role
from deid.observing.rows import Rows, Screen
from deid.observing.selection import days_of
from deid.patients.positions import Patients
from deid.planning.plan import Plan
from deid.red_team import chosen
from deid.red_team.identified import Coded, Persons, Population, Visits
from deid.schema import Column, Table
from deid.sources import open_source
from deid.visits.columns import encounter_key, start_of_visit

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Progress = Callable[[str, int], None]

DIAGNOSES = ("icd10cm", "icd10", "icd9cm", "icd_any")
IDENTIFIERS = ("patient_id", "mrn", "ssn", "member_id", "account_number", "phone", "email")
_DEMOGRAPHIC = frozenset({Group.PLACE, Group.PERSON})
_BIRTHS = frozenset({"birth_date", "death_date", "age"})


def read_population(plan: Plan, progress: Progress, screen: Screen | None = None) -> Population:
    """Read what the attacks need of a plan's source; raise SourceError for what cannot be read."""
    reader = _Reader(plan, progress, screen)
    people = reader.people()
    visits = reader.visits()
    return Population(reader.reduced(people), visits, reader.codes())


def code_kinds(plan: Plan) -> tuple[str, ...]:
    """Return the kinds of codes that somebody may know: those the policy limits, else diagnoses, as far as released."""
    limits = plan.policy.limits.codes
    wanted = limits.kinds if limits is not None else DIAGNOSES
    released = {step.column.kind.name for planned in plan.tables for step in planned.written}
    return tuple(kind for kind in wanted if kind in released)


def bounds(plan: Plan) -> tuple[int, int]:
    """Return the first and the last day of visits that a release is about."""
    low, high = np.iinfo(np.int32).min + 1, np.iinfo(np.int32).max
    if plan.period is not None:
        high = number_of(plan.period.last)
        low = number_of(plan.period.first) if plan.request.series is Series.INCREMENT else low
    if plan.through is not None:
        high = min(high, number_of(plan.through))
    return low, high


@dataclass(frozen=True, slots=True)
class _Keys:
    """From the keys of a linking table to patients, in memory."""

    keys: pa.Array
    patients: Int32

    def find(self, keys: pa.Array) -> Int32:
        """Return positions, -1 where the key is unknown."""
        at = pc.fill_null(pc.index_in(keys, value_set=self.keys), -1).to_numpy(zero_copy_only=False)
        return np.where(at >= 0, self.patients[np.maximum(at, 0)], -1).astype(np.int32)


class _Reader:
    """Reads tables of a plan's source, each once for each purpose."""

    def __init__(self, plan: Plan, progress: Progress, screen: Screen | None) -> None:
        self._plan, self._progress = plan, progress
        self._dataset = plan.dataset
        self._selection = chosen.rows_of(plan)
        self._births = np.zeros(0, np.int32)
        self._patients = Patients(keeps=frozenset({"birth_day", "met"}))
        self._rows = Rows(open_source(plan.dataset), plan.dataset, self._patients, screen)
        self._low, self._high = bounds(plan)
        self._visit_ids: tuple[pa.Array, Int32] | None = None

    def people(self) -> Persons:
        """Return the columns of the population table that an outsider may know, by position of patient."""
        table = self._dataset.table(self._dataset.population)
        assert table is not None  # a description without one is refused
        asked = {step.column.name for t in self._plan.tables if t.table is table for step in t.written}
        known = [
            column
            for column in table.columns
            if column.kind.role is Role.QUASI
            and (column.name in asked or column.kind.group in _DEMOGRAPHIC or column.kind.name in _BIRTHS)
        ]
        numbers = [column for column in table.columns if column.kind.name in IDENTIFIERS]
        names = [column for column in table.columns if column.kind.name == "person_name"]
        key = table.patient
        assert key is not None
        wanted = [key, *(c.name for c in (*known, *numbers, *names))]
        patient, cells = self._all(table, list(dict.fromkeys(wanted)))
        order = np.full(len(self._patients), -1, np.int64)
        order[patient] = np.arange(len(patient))
        rows = pa.array(order)
        cells = {name: values.take(rows) for name, values in cells.items()}
        births = [c for c in known if c.kind.name == "birth_date"]
        self._births = days_of(cells[births[0].name]) if births else np.full(len(order), NO_DAY, np.int32)
        self._patients.birth_day[: len(order)] = self._births
        self._choose()
        return Persons(
            ids=cells[key],
            columns={(table.name, c.name): cells[c.name] for c in known},
            kinds={(table.name, c.name): c.kind.name for c in known},
            birth_day=self._births,
            identifiers={c.kind.name: cells[c.name] for c in reversed(numbers)},
            names=_full_names(names, cells),
        )

    def reduced(self, people: Persons) -> Persons:
        """Return everybody with the one value of each column of visits of which the release shows one."""
        columns, kinds = dict(people.columns), dict(people.kinds)
        untold = []
        for column in chosen.reduced_columns(self._plan):
            table, name = column.table.table, column.step.column.name
            if not column.is_told:
                untold.append(f"{table.name}.{name}")
                continue
            patient, cells = self._released(table, column.columns())
            columns[table.name, name] = column.of_patients(cells, patient, self._births)
            kinds[table.name, name] = column.step.column.kind.name
        reduced = frozenset(columns) - frozenset(people.columns)
        return replace(people, columns=columns, kinds=kinds, reduced=reduced, untold=tuple(untold))

    def visits(self) -> Visits:
        """Return the visits of the released column of first days of visits."""
        table, column = self._dated()
        if table is None or column is None:
            return Visits(None, np.zeros(0, np.int64), np.zeros(0, np.int32))
        klass = next(iter(table.of_kind("encounter_class")), None)
        key = encounter_key(table)
        wanted = [column.name, *([klass.name] if klass else []), *(c.name for c in key)]
        patient, cells = self._released(table, wanted)
        day = days_of(cells[column.name])
        if key:
            self._visit_ids = (cells[key[0].name], day)
        kept = (day != NO_DAY) & (day >= self._low) & (day <= self._high)
        chosen = cells[klass.name].filter(pa.array(kept)) if klass is not None else None
        return Visits((table.name, column.name), patient[kept].astype(np.int64), day[kept], chosen)

    def codes(self) -> tuple[Coded, ...]:
        """Return the codes of released columns, with the day of each where one is told."""
        kinds = code_kinds(self._plan)
        found = []
        for planned in self._plan.tables:
            steps = [s for s in planned.written if s.measure is None and s.column.kind.name in kinds]
            if not steps:
                continue
            table = planned.table
            key, day_column = encounter_key(table), start_of_visit(table)
            wanted = [s.column.name for s in steps] + [c.name for c in key]
            wanted += [day_column.name] if day_column is not None else []
            patient, cells = self._released(table, wanted)
            visit, day = self._visits_of(len(patient), cells, key, day_column)
            kept = (day == NO_DAY) | ((day >= self._low) & (day <= self._high))
            for step in steps:
                code = cells[step.column.name]
                some = kept & code.is_valid().to_numpy(zero_copy_only=False)
                mine = code.filter(pa.array(some)).cast(pa.string())
                found.append(
                    Coded(
                        step.column.kind.name, table.name, patient[some].astype(np.int64), day[some], visit[some], mine
                    )
                )
        return tuple(found)

    def _visits_of(
        self, rows: int, cells: dict[str, pa.Array], key: list[Column], day_column: Column | None
    ) -> tuple[Int64, Int32]:
        """Return the number of each row's visit (-1 where none is named) and its day."""
        day = days_of(cells[day_column.name]) if day_column is not None else np.full(rows, NO_DAY, np.int32)
        if not key:
            return np.full(rows, -1, np.int64), day
        coded = cells[key[0].name].dictionary_encode()
        visit = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        if self._visit_ids is not None:
            ids, days = self._visit_ids
            at = pc.index_in(coded.dictionary, value_set=ids)
            place = pc.fill_null(at, -1).to_numpy(zero_copy_only=False)
            known = np.append(np.where(place >= 0, days[np.maximum(place, 0)], NO_DAY), NO_DAY).astype(np.int32)
            day = np.where(day == NO_DAY, known[visit], day).astype(np.int32)
        return visit, day

    def _dated(self) -> tuple[Table | None, Column | None]:
        """Return the released table and column that tell first days of visits: of the encounters, if they do."""
        first = sorted(self._plan.tables, key=lambda t: t.table.name != self._dataset.encounters)
        for planned in first:
            column = start_of_visit(planned.table)
            shown = {step.column.name for step in planned.written}
            if planned.table.name != self._dataset.population and column is not None and column.name in shown:
                return planned.table, column
        return None, None

    def _choose(self) -> None:
        """Read what tells which rows are released, where not all of a patient are."""
        if self._selection is not None and (carrier := self._dataset.table(self._selection.carrier)) is not None:
            self._link_to(carrier)
            chosen.note(self._selection, carrier, self._rows, self._patients)

    def _released(self, table: Table, columns: list[str]) -> tuple[Int32, dict[str, pa.Array]]:
        """Return patient and cells of the good rows of a table that the release is about."""
        wanted = [*columns, *chosen.choosing(self._selection, table)]
        patient, cells = self._all(table, list(dict.fromkeys(wanted)))
        is_kept = chosen.kept(self._selection, table, cells, patient, self._births)
        if is_kept.all():
            return patient, cells
        rows = pa.array(is_kept)
        return patient[is_kept], {name: values.filter(rows) for name, values in cells.items()}

    def _link_to(self, table: Table) -> None:
        if table.link is not None and table.name not in self._rows.links:
            self._rows.links[table.name] = self._link(table)  # type: ignore[assignment]

    def _all(self, table: Table, columns: list[str]) -> tuple[Int32, dict[str, pa.Array]]:
        """Return patient and cells of all good rows of a table."""
        self._link_to(table)
        patients: list[Int32] = []
        parts: dict[str, list[pa.Array]] = {name: [] for name in columns}
        self._progress(f"reading {table.name}", 0)
        for rows in self._rows.read(table, columns):
            good = pa.array(rows.patient >= 0)
            patients.append(rows.patient[rows.patient >= 0])
            for name in columns:
                cells = rows.values[name]
                plain = cells.dictionary_decode() if isinstance(cells, pa.DictionaryArray) else cells
                parts[name].append(plain.filter(good))
            self._progress(f"reading {table.name}", len(rows))
        whole = {name: pa.concat_arrays(held) if held else pa.array([], pa.string()) for name, held in parts.items()}
        return np.concatenate([*patients, np.zeros(0, np.int32)]).astype(np.int32), whole

    def _link(self, table: Table) -> _Keys:
        assert table.link is not None
        target = self._dataset.table(table.link.to)
        assert target is not None  # the description was checked
        patient, cells = self._all(target, [table.link.key])
        return _Keys(cells[table.link.key], patient)


def _full_names(columns: list[Column], cells: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """Return given and family names in lower case, told by the words of the columns' names; empty where none is."""
    found = {}
    for what, words in (("given", ("first", "given", "gvn")), ("family", ("last", "family", "srnm", "surname"))):
        column = next((c for c in columns if any(word in c.name.lower() for word in words)), None)
        if column is not None:
            found[what] = pc.utf8_lower(pc.fill_null(cells[column.name].cast(pa.string()), ""))
    return found if len(found) == 2 else {}
