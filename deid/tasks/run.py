"""A run whose tables are written by tasks: the driver observes and decides, ships, and commits what tasks answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pyarrow as pa

from deid.checks.verification import ReadBack
from deid.choices.checking import LeftOutCheck
from deid.choices.screen import Screen
from deid.codes.base import CodeSystem
from deid.ledger.joins import Prints
from deid.notes.redactor import Redactor
from deid.observing.decision import Decision
from deid.observing.reading import Progress, Reading
from deid.observing.watchers import registrars
from deid.observing.workshop import Workshop
from deid.patients.positions import SELECTED
from deid.planning.needs import columns_written
from deid.planning.plan import Plan, TablePlan
from deid.planning.prerequisites import observed_first, pseudonymized
from deid.quality.judge import Judge
from deid.release import writing as release
from deid.release.empties import EmptyCells
from deid.release.quarantine import Quarantine
from deid.reports.release_side import ReleaseSide
from deid.sinks.encrypted_parquet import WrittenFile
from deid.sinks.release_keys import ReleaseKeys
from deid.sources import Source
from deid.sources.base import SourceAround, Together
from deid.sources.splits import Split
from deid.staged_tables import Run
from deid.tasks.attempts import take
from deid.tasks.dispatch import Performs, dispatching
from deid.tasks.job import Answer, Job, Known, Part
from deid.tasks.parts import grouped
from deid.tasks.reading import TaskReading
from deid.tasks.task_keys import TaskKeys
from deid.tasks.verifying import verify_by_tasks


class TaskRun(Run):
    """A run on a cluster; what cannot be cut into splits is written by the driver, as the local engine does it."""

    def __init__(
        self,
        plan: Plan,
        source: Source,
        workshop: Workshop,
        quarantine: Quarantine,
        progress: Progress,
        systems: Mapping[str, CodeSystem],
        redactor: Redactor,
        screen: Screen | None = None,
        *,
        workers: int = 1,
        cluster: Performs,
    ) -> None:
        patients_of = _PatientsOfSplits(source, plan.dataset.population, lambda: len(self._patients))
        # In order, and not ahead: the numbers of patients are taken between two splits.
        super().__init__(plan, patients_of, workshop, quarantine, progress, systems, redactor, screen, workers=1)
        self._source, self._screen, self._cluster = patients_of, screen, cluster

    def _reading(self, folder: Path) -> Reading:
        return TaskReading(
            self.plan,
            self._rows,
            self._quarantine,
            self._progress,
            screen=self._screen,
            parts=self._parts,
            dispatching=lambda: dispatching(self._cluster, folder),
            copied=self._copied,
        )

    def _tables(
        self,
        ordered: Sequence[TablePlan],
        decision: Decision,
        folder: Path,
        keys: ReleaseKeys,
        judge: Judge,
        prints: Prints | None,
    ) -> dict[str, tuple[WrittenFile, ...]]:
        population = self.plan.dataset.population
        self._meet_population(decision)
        parts = [part for planned in ordered for part in self._parts(planned.table.name)]
        written: dict[str, tuple[WrittenFile, ...]] = {}
        if not parts:
            return super()._tables(ordered, decision, folder, keys, judge, prints)
        with dispatching(self._cluster, folder) as dispatch:
            job = self._job(decision, keys, dispatch.tasks, tuple(parts), prints)
            shipped = dispatch.ship(job, "job", self._copied(decision, dispatch.tasks))
            known = None
            for is_first in (True, False):
                turn = [planned for planned in ordered if (planned.table.name == population) is is_first]
                numbers = [n for n, part in enumerate(parts) if part.table in {p.table.name for p in turn}]
                self._progress("writing by tasks", 0)
                answers = dispatch.answers(shipped, numbers, known)
                for planned in turn:
                    own = sum(part.table == planned.table.name for part in parts)
                    if own:
                        taken = islice(answers, own)
                        written[planned.table.name] = self._taken(planned, taken, judge, prints, dispatch.tasks, folder)
                    else:
                        written[planned.table.name] = self._table(planned, decision, folder, keys, judge, prints)
                if is_first:
                    known = dispatch.ship(self._known(judge), "known")
        return written

    def verified(
        self,
        decision: Decision,
        folder: Path,
        written: Mapping[str, Sequence[WrittenFile]],
        keys: ReleaseKeys,
        back: ReleaseSide,
        check: LeftOutCheck | None,
    ) -> ReadBack:
        """See Run; what tasks wrote is read back by other tasks."""
        return verify_by_tasks(
            self.plan, decision, folder, written, keys, self._progress, self._workshop.series, back, check,
            dispatching(self._cluster, folder), self.source_side,
        )  # fmt: skip

    def _meet_population(self, decision: Decision) -> None:
        """Give every patient a position where nothing had to be observed, as tasks read with all of them known."""
        table = self.plan.dataset.table(self.plan.dataset.population)
        planned = self.plan.table(self.plan.dataset.population)
        if observed_first(self.plan) or table is None or planned is None:
            return
        first_sight = registrars(self.plan, decision, self._workshop)
        columns = [*columns_written(planned, decision.rows), *(n for r in first_sight for n in r.columns(table))]
        self._progress(f"observing {table.name}", 0)
        for rows in self._rows.read(table, columns):
            for registrar in first_sight:
                registrar.see(rows)
            self._patients.flags[rows.patient[rows.patient >= 0]] |= SELECTED
            self._progress(f"observing {table.name}", len(rows))

    def _parts(self, name: str) -> Iterator[Part]:
        """Yield the tasks of a table; none where it cannot be cut."""
        met = self._source.met if name == self.plan.dataset.population else ()
        for number, splits in enumerate(grouped(self._source.splits(name))):
            yield Part(name, number, splits, met[splits[0].number] if met else 0)

    def _job(
        self, decision: Decision, keys: ReleaseKeys, tasks: Path, parts: tuple[Part, ...], prints: Prints | None
    ) -> Job:
        return Job(
            plan=self.plan,
            # What was found of codes and sensitive kinds is told and verified by the driver; no row is written by it.
            decision=replace(decision, mapped=None, held=()),
            links=dict(self._rows.links),
            also=dict(self._rows.also),
            screen=self._screen,
            systems=self._systems,
            judged=self._judged(decision),
            unit=release.quality_unit(self.plan),
            tagger=self.source_side.tagger,
            keys=TaskKeys.of(keys),
            surrogates=self._workshop.subkey(*self._surrogates(keys)),
            prints=prints.key if prints is not None else None,
            tasks=str(tasks),
            parts=parts,
        )

    def _copied(self, decision: Decision, tasks: Path) -> dict[int, object]:
        """Return what tasks look pseudonyms up in, instead of the crosswalk: a copy of what they need of it."""
        pseudonyms = decision.pseudonyms
        if pseudonyms.codes is None:
            return {}
        kinds = {kind for kind, method in pseudonymized(self.plan) if method == "random"}
        copy = pseudonyms.codes.copied(tasks / "crosswalk", {pseudonyms.domain_of(kind) for kind in kinds})
        self._workshop.open.callback(copy.close)
        return {id(pseudonyms.codes): copy}

    def _taken(
        self,
        planned: TablePlan,
        answers: Iterator[Answer],
        judge: Judge,
        prints: Prints | None,
        tasks: Path,
        folder: Path,
    ) -> tuple[WrittenFile, ...]:
        """Take one attempt of each part of a table, and what was counted of its rows, in the order of parts."""
        name = planned.table.name
        reasons: Counter[str] = Counter()
        empties = self._empties[name] = EmptyCells()
        if self._screen is not None:
            self._screen.begin(planned.table)
        taken: list[Answer] = []
        for answer in answers:
            reasons += answer.reasons
            if self._screen is not None:
                self._screen.rows[name] += answer.left_out
            self._quarantine.merge(planned.table, answer.bad_rows)
            judge.merge(answer.judge)
            self.source_side.merge(answer.source_side)
            empties.merge(answer.empties)
            if prints is not None:
                prints.merge(answer.prints)
            self.withheld_notes += answer.withheld_notes
            if answer.given is not None:
                self._patients.give(*answer.given)
            self._progress(f"writing {name}", answer.rows)
            # Only what must wait for the last part is kept: states may be large, and there are many parts.
            taken.append(Answer(answer.number, answer.attempt, files=answer.files))
        self._quarantine.finish_table(name, reasons)
        for answer in taken:
            take(tasks, answer.attempt, answer.files, folder)
        return tuple(file for answer in taken for file in answer.files)

    def _known(self, judge: Judge) -> Known:
        sex, birth = judge.people()
        given = self._patients.given()
        return Known(sex, birth, given, self.source_side.lost, self.source_side.is_continued)


class _PatientsOfSplits(SourceAround):
    """A source that reads the population split by split, and notes how many patients there were before each.

    Positions are given in the order of the source, so a patient whose position is below that number was met before.
    """

    def __init__(self, source: Source, population: str, patients: Callable[[], int]) -> None:
        super().__init__(source)
        self._population, self._patients = population, patients
        self.met: tuple[int, ...] = ()
        self._splits: dict[str, tuple[Split, ...]] = {}

    def splits(self, table: str) -> tuple[Split, ...]:
        """See Source; to cut a table may take a pass over it, so it is done once."""
        if table not in self._splits:
            self._splits[table] = self._source.splits(table)
        return self._splits[table]

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """See Source."""
        self._source.check(tables)

    def read(self, table: str, columns: Sequence[str], split: Split | None = None) -> Iterator[pa.RecordBatch]:
        """See Source."""
        splits = self.splits(table) if table == self._population and split is None and not self.met else ()
        if not splits or splits[0].file is None:
            yield from self._source.read(table, columns, split)
            return
        met = []
        for each in splits:
            met.append(self._patients())
            yield from self._source.read(table, columns, each)
        self.met = tuple(met)

    def read_together(self, tables: Mapping[str, Sequence[str]]) -> Together:
        """See Source."""
        return self._source.read_together(tables)
