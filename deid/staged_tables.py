"""The tables of a release on their way from the source to staged, encrypted files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from deid.checks.verification import ReadBack, verify_staged
from deid.choices.checking import LeftOutCheck, seen_by
from deid.codes.base import CodeSystem
from deid.engine.ahead import Behind
from deid.keys.prf import BatchCmac
from deid.ledger.joins import Prints
from deid.notes.redactor import Redactor
from deid.observing.decision import Decision
from deid.observing.foreseen import foreseen
from deid.observing.observe import observe
from deid.observing.reading import Progress, Reading
from deid.observing.rows import Rows, Screen
from deid.observing.watchers import registrars
from deid.observing.workshop import Workshop
from deid.patients.positions import SELECTED, Patients
from deid.pipeline import output_schema, transform
from deid.planning.needs import columns_written
from deid.planning.plan import Plan, TablePlan
from deid.planning.prerequisites import observed_first, patient_arrays
from deid.quality.judge import Judge
from deid.release import writing as release
from deid.release.empties import EmptyCells
from deid.release.partitions import partitioned, refuse_growth
from deid.release.quarantine import Quarantine
from deid.release.writing import TableFacts
from deid.reports.release_side import ReleaseSide
from deid.reports.source_side import SourceSide
from deid.row_tallies import Redaction, RowTallies
from deid.sinks.encrypted_parquet import TableWriter, WrittenFile
from deid.sinks.release_keys import ReleaseKeys
from deid.sources import Source
from deid.visits.columns import start_of_visit


class Run:
    """One run's way from source to staged files; counts what the manifest will tell.

    `plan`: as it was compiled until everything was decided, then with the rules that were chosen.
    """

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
    ) -> None:
        self.plan, self._workshop, self._progress = plan, workshop, progress
        self._quarantine = quarantine
        self._patients = Patients(keeps=patient_arrays(plan))
        self._rows = Rows(source, plan.dataset, self._patients, screen, is_ahead=workers > 1)
        self._workers = workers
        self._empties: dict[str, EmptyCells] = {}
        self._redactor = redactor
        self.withheld_notes = 0
        self.judge: Judge | None = None
        self.source_side = SourceSide(plan, self._patients)
        self._systems = systems

    def write(self, folder: Path, keys: ReleaseKeys) -> tuple[dict[str, tuple[WrittenFile, ...]], Decision]:
        """Observe, decide, and write every table; the population first, so that the others know their patients."""
        refuse_growth(self.plan, folder)
        decision = observe(self.plan, self._reading(folder), self._patients, self._workshop)
        self.plan = self.plan.resolved(decision.controls)
        self.source_side = SourceSide(self.plan, self._patients)
        self.source_side.is_continued = decision.is_continued
        prints = self._workshop.series.prints(self._patients) if self._workshop.series is not None else None
        population = self.plan.dataset.population
        self.judge = Judge(self.plan.dataset, self._judged(decision), release.quality_unit(self.plan), self._systems)
        ordered = sorted(self.plan.tables, key=lambda planned: planned.table.name != population)
        written = self._tables(ordered, decision, folder, keys, self.judge, prints)
        return partitioned(self.plan, decision, folder, written, keys, self._progress), decision

    def _reading(self, _folder: Path) -> Reading:
        """Return how tables are read to be observed; an engine that has other processes puts its own way here."""
        return Reading(self._rows, self._quarantine, self._progress)

    def _tables(
        self,
        ordered: Sequence[TablePlan],
        decision: Decision,
        folder: Path,
        keys: ReleaseKeys,
        judge: Judge,
        prints: Prints | None,
    ) -> dict[str, tuple[WrittenFile, ...]]:
        """Write tables, the population first; an engine that has other processes puts its own way in this place."""
        return {p.table.name: self._table(p, decision, folder, keys, judge, prints) for p in ordered}

    def verified(
        self,
        decision: Decision,
        folder: Path,
        written: Mapping[str, Sequence[WrittenFile]],
        keys: ReleaseKeys,
        back: ReleaseSide,
        check: LeftOutCheck | None,
    ) -> ReadBack:
        """Read every staged file back; see deid.checks.verification.verify_staged. `back`, `check`: see them too."""
        see, is_ahead = seen_by(back.see, check), self._workers > 1
        return verify_staged(
            self.plan, decision, folder, written, keys, self._progress, self._workshop.series, see, is_ahead=is_ahead
        )

    def facts(self, written: Mapping[str, Sequence[WrittenFile]]) -> dict[str, TableFacts]:
        """Return what was counted for each table."""
        return {
            table: TableFacts(
                rows=sum(file.rows for file in files),
                files=tuple(file.entry() for file in files),
                nulls=self._empties[table].nulls(),
                malformed=self._empties[table].malformed(),
            )
            for table, files in written.items()
        }

    def _table(
        self,
        planned: TablePlan,
        decision: Decision,
        folder: Path,
        keys: ReleaseKeys,
        judge: Judge,
        prints: Prints | None,
    ) -> tuple[WrittenFile, ...]:
        table = planned.table
        # Where nothing had to be observed, the population is met here for the first time.
        is_first = table.name == self.plan.dataset.population and not observed_first(self.plan)
        first_sight = registrars(self.plan, decision, self._workshop) if is_first else []
        redact = self._redaction(decision, keys)
        tallies = RowTallies(judge, self.source_side, prints)
        self._empties[table.name] = tallies.empties
        columns = [*columns_written(planned, decision.rows), *(n for r in first_sight for n in r.columns(table))]
        self._progress(f"writing {table.name}", 0)
        is_apart = self._workers > 1
        # Of the population nothing is counted behind: its patients' arrays still grow.
        counting = Behind(is_apart=is_apart and table.name != self.plan.dataset.population)
        with counting, TableWriter(folder, table.name, output_schema(planned), keys, is_apart=is_apart) as writer:
            for rows in foreseen(self._rows.read(table, columns), planned, decision.pseudonyms):
                for registrar in first_sight:
                    registrar.see(rows)
                if is_first:
                    self._patients.flags[rows.patient[rows.patient >= 0]] |= SELECTED
                self._quarantine.take(rows)
                done = transform(self.plan, planned, decision, rows, redact)
                counting.start(partial(tallies.see, planned, decision, rows, done))
                writer.write(done.batch)
                self._progress(f"writing {table.name}", len(rows))
            counting.settle()
            self._quarantine.finish_table(table.name, self._rows.reasons[table.name])
            self.withheld_notes += redact.withheld
            return writer.close()

    def _judged(self, decision: Decision) -> dict[str, list[str]]:
        """Return whose codes the report on quality judges: what is released, by the day of its row if that is read."""
        read: dict[str, list[str]] = {}
        for planned in self.plan.tables:
            day = start_of_visit(planned.table)
            is_read = day is not None and day.name in columns_written(planned, decision.rows)
            released = [step.column.name for step in planned.written if step.measure is None]
            read[planned.table.name] = [*released, *([day.name] if day is not None and is_read else [])]
        return read

    def _redaction(self, decision: Decision, keys: ReleaseKeys) -> Redaction:
        """Return what takes identifiers out of the notes of one table."""
        surrogates = BatchCmac(self._workshop.subkey(*self._surrogates(keys)))
        return Redaction(self.plan, decision, self._redactor, surrogates)

    def _surrogates(self, keys: ReleaseKeys) -> tuple[str, ...]:
        """Return the context of the key of surrogates: another one for each release, so that no two can be joined."""
        return "note-surrogate", self.plan.request.party, keys.release
