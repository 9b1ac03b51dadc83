"""Read a source into people and visits: everything that tables are counted from, in one pass over each table.

A visit is a row of the encounters table, or, where the source has none, a row with a code; it begins on its first day,
which decides its period. A code belongs to the visit that its row names, else to its row's own day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from deid.cells.days import NO_DAY, number_of
from deid.documents.cohort import Combine
from deid.errors import PlanError
from deid.observing.observers import CohortPatients, Links
from deid.observing.rows import LinkMap, Rows, Screen, TypedRows
from deid.observing.selection import days_of
from deid.patients.positions import Patients, Tagger
from deid.release.quarantine import refuse_bad_rows
from deid.schema import DatasetDescription, Table
from deid.sealing.sealed import SealedMap
from deid.sources import Source
from deid.tables.code_groups import CodeGroups
from deid.tables.columns import columns_read
from deid.tables.coverage import Coverage
from deid.tables.pairs import Pairs
from deid.tables.people import Attribute, Numbers, People, Visits, columns_of
from deid.tables.tabulation import CODES, PEOPLE, PLACES, Tabulation
from deid.visits.columns import encounter_key, start_of_visit

Progress = Callable[[str, int], None]
_SEALED = 24 * 2**20


@dataclass(slots=True)
class Reader:
    """Reads one source for one tabulation; `spill` is a private folder for what outgrows memory, sealed.

    `told_before`: levels of places of earlier tables; they are read as well, to know which place lies in which.
    `screen`: what is left out before anything is counted.
    """

    asked: Tabulation
    dataset: DatasetDescription
    source: Source
    spill: Path
    open: ExitStack
    progress: Progress
    told_before: frozenset[str] = frozenset()
    screen: Screen | None = None
    left_out: int = 0
    _patients: Patients = field(init=False, repr=False)
    _rows: Rows = field(init=False, repr=False)
    _attributes: dict[str, Attribute] = field(init=False, repr=False)
    _pairs: Pairs = field(default_factory=Pairs, repr=False)
    _days: SealedMap = field(init=False, repr=False)
    _tagger: Tagger = field(default_factory=Tagger.fresh, repr=False)
    _groups: CodeGroups = field(init=False, repr=False)
    _coverage: Coverage = field(default_factory=Coverage, repr=False)
    _cohort: CohortPatients | None = field(init=False, repr=False)
    _alone: int = 0
    _days_known: bool = False

    def __post_init__(self) -> None:
        keeps = {"birth_day"} | ({"met"} if self.asked.cohort else set())
        self._patients = Patients(keeps=frozenset(keeps))
        population = self.dataset.table(self.dataset.population)
        beside = {d for d in self.told_before if population is not None and columns_of(population, d)}
        dimensions = self.asked.dimensions | (beside if self.asked.dimensions & set(PLACES) else set())
        self._attributes = {d: Attribute(d) for d in (*PLACES, *PEOPLE) if d in dimensions and d != "age"}
        self._days = self.open.enter_context(
            SealedMap(pa.schema([("day", pa.int32())]), folder=self.spill, budget=_SEALED)
        )
        self._groups = CodeGroups(self.asked, self.dataset)
        cohort = self.asked.cohort
        self._cohort = CohortPatients(cohort.predicates, self._patients, None) if cohort else None

    def read(self) -> tuple[People, Visits]:
        """Return everybody and every visit of the asked groups; raise PlanError or SourceError."""
        self._check()
        self._rows = Rows(self.source, self.dataset, self._patients, self.screen)
        needed = self.columns()
        self.source.check(needed)
        links: list[Links] = []
        for table in self.dataset.tables:
            target = self.dataset.table(table.link.to) if table.link and table.name in needed else None
            if target is not None:
                numbers = self.open.enter_context(
                    SealedMap(pa.schema([("patient", pa.int32())]), folder=self.spill, budget=_SEALED)
                )
                self._rows.links[table.name] = LinkMap(Tagger.fresh(), numbers)
                links.append(Links(target, table, self._rows.links[table.name], None))
        for table in self._order(needed):
            for rows in self._batches(table, needed[table.name]):
                for link in links:
                    if link.target.name == table.name:
                        link.see(rows)
                self._see(table, rows)
            for link in links:
                if link.target.name == table.name:
                    link.map.positions.freeze()
            if table.name == self.dataset.encounters:
                self._days.freeze()
                self._days_known = True
        return self._people(), self._visits()

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Return the columns that are read of each table."""
        return columns_read(
            self.dataset, self._attributes, self._groups, self._cohort.columns if self._cohort is not None else None
        )

    def _check(self) -> None:
        population = self.dataset.table(self.dataset.population)
        for dimension in self._attributes:
            if population is None or not columns_of(population, dimension):
                raise PlanError(
                    f"the population table of {self.dataset.name} does not tell {dimension}",
                    hint="leave the dimension out, or describe the column that tells it",
                )
        if "age" in self.asked.dimensions and (population is None or not list(population.of_kind("birth_date"))):
            raise PlanError("no column tells birth dates, so no table is by age", hint="leave age out")
        if CODES in self.asked.dimensions and not any(self._groups.columns(table) for table in self.dataset.tables):
            raise PlanError(
                f"no table of {self.dataset.name} holds the kinds of codes that the tables count",
                hint="name kinds of codes that the dataset description has",
            )
        encounters = self.dataset.table(self.dataset.encounters) if self.dataset.encounters else None
        if encounters is not None and start_of_visit(encounters) is None:
            raise PlanError("the encounters table has no date, so visits have no period", hint="describe its date")
        everything = any(CODES not in table.by for table in self.asked.tables)
        if encounters is None and everything:
            raise PlanError("the source has no encounters table, whose visits could be counted", hint="count codes")

    def _order(self, needed: dict[str, tuple[str, ...]]) -> list[Table]:
        targets = {t.link.to for t in self.dataset.tables if t.link is not None and t.name in needed}
        visits = self.dataset.table(self.dataset.encounters) if self.dataset.encounters else None
        before_visits = visits.link.to if visits is not None and visits.link is not None else ""

        def rank(table: Table) -> tuple[bool, bool, bool, bool]:
            is_first, is_visits = table.name == self.dataset.population, table.name == self.dataset.encounters
            return (not is_first, table.name != before_visits, not is_visits, table.name not in targets)

        return sorted((t for t in self.dataset.tables if t.name in needed), key=rank)

    def _batches(self, table: Table, columns: Sequence[str]) -> Iterator[TypedRows]:
        self.progress(f"reading {table.name}", 0)
        for rows in self._rows.read(table, columns):
            self.left_out += int(rows.bad.sum())
            yield rows
            self.progress(f"reading {table.name}", len(rows))
        if not self.asked.leave_out_bad_rows:
            refuse_bad_rows(table.name, self._rows.reasons[table.name])

    def _see(self, table: Table, rows: TypedRows) -> None:
        good = np.flatnonzero(rows.patient >= 0)
        patient, take = rows.patient[good], pa.array(good)
        if table.name == self.dataset.population:
            for attribute in self._attributes.values():
                names = columns_of(table, attribute.dimension)
                attribute.see(patient, [rows.values[name].take(take) for name in names])
            for birth in list(table.of_kind("birth_date"))[:1]:
                self._patients.birth_day[patient] = days_of(rows.values[birth.name])[good]
        if self._cohort is not None and self._cohort.columns(table):
            self._cohort.see(rows)
        if table.name == self.dataset.encounters or self._groups.columns(table):
            self._events(table, rows, good)

    def _events(self, table: Table, rows: TypedRows, good: Numbers) -> None:
        patient, take = rows.patient[good], pa.array(good)
        start = start_of_visit(table)
        day = np.full(len(good), NO_DAY, np.int32) if start is None else days_of(rows.values[start.name])[good]
        tags = self._tags(table, rows, good)
        if self.dataset.encounters in (None, table.name):
            self._coverage.see(day)
        if table.name == self.dataset.encounters:
            self._days.add(tags, pa.record_batch([pa.array(day)], names=["day"]))
            if any(CODES not in t.by for t in self.asked.tables):
                self._keep(patient, day, np.zeros(len(good), np.int32), tags)
        elif self._days_known and encounter_key(table, self._visit_kind()):
            found, payload = self._days.find(tags)
            told = payload.column(0).fill_null(NO_DAY).to_numpy(zero_copy_only=False)
            day = np.where(found, told, day).astype(np.int32)
        for name in self._groups.columns(table):
            column = table.column(name)
            if column is None:
                continue
            values = rows.values[name].take(take)
            for at, group in self._groups.of(column, values):
                self._keep(patient[at], day[at], group, tags[at])

    def _tags(self, table: Table, rows: TypedRows, good: Numbers) -> Numbers:
        """Return a tag of each row's visit; a row that names none is a visit of its own."""
        own = np.arange(self._alone, self._alone + len(good), dtype=np.uint64)
        self._alone += len(good)
        key = encounter_key(table, self._visit_kind() if self.dataset.encounters else None)
        if not key:
            return own
        ids = rows.values[key[0].name].take(pa.array(good))
        tags = self._tagger.visit_tags(ids, rows.patient[good])
        return np.where(ids.is_valid().to_numpy(zero_copy_only=False), tags, own)

    def _visit_kind(self) -> str | None:
        """Return the kind of number by which the encounters table names visits."""
        visits = self.dataset.table(self.dataset.encounters) if self.dataset.encounters else None
        key = encounter_key(visits) if visits is not None else []
        return key[0].kind.name if key else "encounter_id"

    def _keep(self, patient: Numbers, day: Numbers, group: Numbers, tags: Numbers) -> None:
        dated = day != NO_DAY
        self._pairs.add(patient[dated], day[dated], group[dated], tags[dated])

    def _people(self) -> People:
        size = len(self._patients)
        chosen = np.ones(size, bool)
        if self._cohort is not None and self.asked.cohort is not None:
            full = np.uint32((1 << len(self.asked.cohort.predicates)) - 1)
            met = self._patients.met[:size] & full
            chosen = met == full if self.asked.cohort.combine is Combine.ALL else met > 0
        return People(dict(self._attributes), self._patients.birth_day[:size].copy(), chosen)

    def _visits(self) -> Visits:
        empty = tuple(np.zeros(0, kind) for kind in (np.int32, np.int32, np.int32, np.uint64))
        self._pairs.parts.append(empty)
        patient, day, group, _ = self._pairs.folded()
        return Visits(patient, day, group, tuple(self._groups.labels), self._begin())

    def _begin(self) -> int | None:
        """Return the day from which on the source tells visits: what the request says, else by its months."""
        told = self.asked.since or self._coverage.begin(self.asked.first, self.asked.last)
        return None if told is None else number_of(told)
