"""An export: the only place that wires a run together.

Authorize, observe and decide, transform into staged encrypted files, read back and verify, publish by one rename.
Whatever fails on the way, nothing is left behind.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from deid import legal, release, reports, signing
from deid.codes.added import systems_with
from deid.codes.base import CodeSystem
from deid.crosswalk import Crosswalk
from deid.decision import Decision
from deid.empties import EmptyCells
from deid.errors import DocumentError, PlanError
from deid.keys.base import KeyProvider
from deid.keys.recipients import Recipient, count_stanzas, load_recipient, seal_envelope
from deid.ledger.joins import Prints
from deid.ledger.run import SeriesRun
from deid.ledger.site import series_run
from deid.ledger.store import Publication
from deid.legal import Judgment
from deid.manifest import ENVELOPE, KEYS, MAC, MANIFEST, RELEASE_ID, Count, LedgerEntry, to_bytes
from deid.needs import columns_needed, columns_written
from deid.note_owners import replacement_of
from deid.notes.redactor import Redactor
from deid.observe import (
    Progress,
    Workshop,
    observe,
    observed_first,
    patient_arrays,
    registrars,
)
from deid.observers import identifiers_of
from deid.patients import SELECTED, Patients, Positions
from deid.pipeline import Redact, output_schema, transform
from deid.plan import Plan, TablePlan
from deid.population_risk import population_risk
from deid.prf import BatchCmac
from deid.private import make_folder, sync_folder, write_new
from deid.quality.judge import Judge
from deid.quality.report import JSON, MARKDOWN, Report, to_json, to_markdown
from deid.quarantine import Quarantine, quarantine_id
from deid.release import TableFacts
from deid.reports.build import report
from deid.reports.gathered import gathered
from deid.reports.model import RiskReport
from deid.reports.release_side import ReleaseSide
from deid.reports.source_side import SourceSide
from deid.request import Profile
from deid.rows import Rows
from deid.selection import start_of_visit
from deid.sinks.encrypted_parquet import TableWriter, WrittenFile
from deid.sinks.release_keys import ReleaseKeys
from deid.site import Site
from deid.sources import Source, open_source
from deid.sources.once import ReadOnce
from deid.staging import staged
from deid.transforms.redact_note import RedactNote
from deid.trust import TrustRoot, load_trust
from deid.verification import check_envelope, verify_staged

SPILL = "spill"  # the folder of sealed temporary files, below the site's state
_SHARED = 24 * 2**20  # bytes of batches of shared files that stay in memory; docs/reference/memory.md
_CROSSWALK = 32 * 2**20  # bytes of opened crosswalk that are kept; docs/reference/memory.md


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of a run: the release's folder, its judgment, and the rows of each table."""

    folder: Path
    judgment: Judgment
    rows: Mapping[str, int]
    quarantined: Mapping[str, int]
    suppressed_patients: int
    withheld_notes: int
    withheld_records: int
    malformed: Mapping[str, Count | None]


def authorize(plan: Plan, trust: TrustRoot, recipients: Sequence[Recipient], *, at: datetime) -> Judgment:
    """Return the judgment of a plan that may run; raise PlanError or TrustError for one that may not.

    The policy's signature is verified over the bytes that were compiled. A Safe Harbor release needs the officer's
    signed statement of no actual knowledge, 45 CFR 164.514(b)(2)(ii), over this request, policy and description, and
    over the keys of these recipients, who know what they know.
    """
    if not plan.dataset.confirmed:
        raise PlanError(
            f"the description of dataset {plan.dataset.name} is a draft that nobody has confirmed",
            hint="read it, correct the kinds, and remove the line `confirmed: false`",
        )
    judgment = legal.require(plan)
    signing.verify_document(
        plan.policy.path,
        plan.policy.digest,
        trust,
        "policy",
        name=plan.policy.name,
        version=str(plan.policy.version),
        at=at,
    )
    if judgment.needs_statement:
        signing.verify_knowledge(
            plan.request.path,
            trust,
            name=plan.request.name,
            request_sha256=plan.request.digest,
            policy_sha256=plan.policy.digest,
            dataset_sha256=plan.dataset.digest,
            recipients=recipients,
            at=at,
        )
    return judgment


def export(
    plan: Plan,
    site: Site,
    provider: KeyProvider,
    *,
    progress: Progress,
    now: datetime | None = None,
    processes: int = 1,
) -> Exported:
    """Run a plan and publish its release below the site's releases; raise DeidError and leave nothing otherwise.

    `processes`: how many search notes at once.
    """
    now = now or datetime.now(UTC)
    name = plan.release
    if not RELEASE_ID.fullmatch(name) or not RELEASE_ID.fullmatch(quarantine_id(plan.request.name, name)):
        raise DocumentError(
            "the release's name is too long, or holds other than letters, digits, dots, underscores and hyphens",
            hint="names become folder names, at most 116 characters together with the request's",
        )
    # Read once: the keys that the statement was verified over are the keys that the release is sealed to.
    recipients = load_recipients(plan)
    judgment = authorize(plan, load_trust(site.trust), recipients, at=now)
    source = ReadOnce(plan.dataset, open_source(plan.dataset), folder=site.state / SPILL, budget=_SHARED)
    source.check(columns_needed(plan))
    target = site.releases / plan.request.name / name
    series = series_run(plan, site, provider)
    with ExitStack() as stack:
        stack.enter_context(source)
        quarantine = stack.enter_context(Quarantine(plan.request, name, site.state, provider))
        # Entered before the release is staged, so that it ends after the rename.
        publication = stack.enter_context(Publication(series.ledger.series)) if series is not None else None
        folder = stack.enter_context(staged(target))
        workshop = _workshop(site, provider, stack, series)
        redactor = stack.enter_context(Redactor(processes=processes))
        run = _Run(plan, source, workshop, quarantine, progress, systems_with(site.codes), redactor)
        keys = _fresh_keys(plan, f"{plan.request.name}.{name}", provider)
        written, decision = run.write(folder, keys)
        plan = run.plan
        judgment = legal.require(plan)  # each rung was allowed alone; the ones that were chosen are judged together
        back = ReleaseSide(plan, run.source_side, decision.controls.codes)
        measured = verify_staged(plan, decision, folder, written, keys, progress, series, back.see)
        decision = replace(decision, mapped=measured.mapped)  # with the figures of the attack on what was written
        facts = run.facts(written)
        quality = run.judge.report() if run.judge is not None else None
        draft = series.finish(decision, release=name, created=now.date()) if series is not None else None
        entry = draft.entry if draft is not None else None
        evidence = gathered(plan, decision, draft, further=measured.further, text_withheld=run.withheld_notes)
        evidence = replace(evidence, population=population_risk(plan, decision, site.population))
        told = report(
            plan, judgment, decision, facts, release=keys.release, created=now.date(), source=run.source_side,
            back=back, quality=quality, evidence=evidence,
        )  # fmt: skip
        manifest = _documents(
            plan, judgment, decision, facts, told, quality, quarantine.rows, source, keys, recipients, folder, now,
            provider, entry,
        )  # fmt: skip
        quarantine.keep()
        if draft is not None and publication is not None:
            draft.prepare(publication, manifest)
    return Exported(
        folder=target,
        judgment=judgment,
        rows={table: fact.rows for table, fact in facts.items()},
        quarantined=dict(quarantine.rows),
        suppressed_patients=decision.suppressed_patients,
        withheld_notes=run.withheld_notes,
        withheld_records=sum(source.withheld.values()),
        malformed={f"{t}.{c}": n for t, fact in facts.items() for c, n in sorted(fact.malformed.items())},
    )


def load_recipients(plan: Plan) -> list[Recipient]:
    """Return the recipients' public keys; raise KeyFaultError for one that is missing, malformed or named twice."""
    return [load_recipient(path) for path in plan.request.recipients]


def _fresh_keys(plan: Plan, release_id: str, provider: KeyProvider) -> ReleaseKeys:
    """Return the keys of a new release; in the columns profile, one group for each family of kinds."""
    if plan.request.profile is Profile.PORTABLE:
        return ReleaseKeys.portable(release_id)
    groups = {
        f"{planned.table.name}.{step.column.name}": step.column.kind.group.name.lower()
        for planned in plan.tables
        for step in planned.written
    }
    return ReleaseKeys.columns(provider, release_id, groups)


def _workshop(site: Site, provider: KeyProvider, stack: ExitStack, series: SeriesRun | None) -> Workshop:
    spill = make_folder(site.state / SPILL)
    key = provider.subkey("crosswalk")
    crosswalk = stack.enter_context(Crosswalk.open(site.state / "crosswalk", key, spill=spill, budget=_CROSSWALK))
    return Workshop(subkey=provider.subkey, crosswalk=crosswalk, spill=spill, open=stack, series=series)


class _Run:
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
    ) -> None:
        self.plan, self._workshop, self._progress = plan, workshop, progress
        self._quarantine = quarantine
        self._patients = Patients(keeps=patient_arrays(plan))
        self._rows = Rows(source, plan.dataset, self._patients)
        self._empties: dict[str, EmptyCells] = {}
        self._redactor = redactor
        self.withheld_notes = 0
        self.judge: Judge | None = None
        self.source_side = SourceSide(plan, self._patients)
        self._systems = systems

    def write(self, folder: Path, keys: ReleaseKeys) -> tuple[dict[str, tuple[WrittenFile, ...]], Decision]:
        """Observe, decide, and write every table; the population first, so that the others know their patients."""
        decision = observe(
            self.plan, self._rows, self._patients, self._workshop, self._progress, bad_rows=self._quarantine
        )
        self.plan = self.plan.resolved(decision.controls)
        self.source_side = SourceSide(self.plan, self._patients)
        self.source_side.is_continued = decision.is_continued
        written: dict[str, tuple[WrittenFile, ...]] = {}
        prints = self._workshop.series.prints(self._patients) if self._workshop.series is not None else None
        population = self.plan.dataset.population
        self.judge = Judge(self.plan.dataset, self._judged(decision), release.quality_unit(self.plan), self._systems)
        for planned in sorted(self.plan.tables, key=lambda t: t.table.name != population):
            written[planned.table.name] = self._table(planned, decision, folder, keys, self.judge, prints)
        return written, decision

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
        redact = self._redact(decision, keys)
        empties = self._empties[table.name] = EmptyCells()
        columns = [*columns_written(planned, decision.rows), *(n for r in first_sight for n in r.columns(table))]
        self._progress(f"writing {table.name}", 0)
        with TableWriter(folder, table.name, output_schema(planned), keys) as writer:
            for rows in self._rows.read(table, columns):
                for registrar in first_sight:
                    registrar.see(rows)
                if is_first:
                    self._patients.flags[rows.patient[rows.patient >= 0]] |= SELECTED
                self._quarantine.take(rows)
                done = transform(self.plan, planned, decision, rows, redact)
                if prints is not None:
                    prints.see(planned, done.batch, rows.patient[done.kept])
                judge.see(rows, done.kept)
                self.source_side.see(planned, decision, rows, done.batch)
                batch = done.batch
                empties.see(batch, rows.patient[done.kept], done.malformed)
                writer.write(batch)
                self._progress(f"writing {table.name}", len(rows))
            self._quarantine.finish_table(table.name, self._rows.reasons[table.name])
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

    def _redact(self, decision: Decision, keys: ReleaseKeys) -> Redact:
        """Return what takes identifiers out of notes."""
        # Another one for each release, so that no two can be joined by their surrogates.
        surrogates = BatchCmac(self._workshop.subkey("note-surrogate", self.plan.request.party, keys.release))

        def redact(notes: pa.Array, patient: Positions, rule: RedactNote) -> pa.Array:
            known = identifiers_of(decision, patient)
            replacement = replacement_of(self.plan, decision, patient, rule, surrogates)
            result = self._redactor.redact(notes, known, replacement)
            self.withheld_notes += result.withheld
            return result.texts

        return redact


def _documents(
    plan: Plan,
    judgment: Judgment,
    decision: Decision,
    facts: Mapping[str, TableFacts],
    told: RiskReport,
    quality: Report | None,
    quarantined: Mapping[str, int],
    source: Source,
    keys: ReleaseKeys,
    recipients: Sequence[Recipient],
    folder: Path,
    now: datetime,
    provider: KeyProvider,
    ledger: LedgerEntry | None,
) -> bytes:
    """Write codebook, data package, manifest, its authentication and the envelope; return the manifest."""
    # A plain digest of identified bytes would let anyone who knows most of a file test guesses at the rest.
    digest_key = provider.subkey("source-digest", keys.release)
    texts = {
        release.CODEBOOK: release.codebook(plan, decision, facts, keys.release).encode(),
        **release.packages(plan, judgment, facts, release=keys.release, created=now.date()),
    }
    texts |= {reports.JSON: reports.to_json(told), reports.HTML: reports.to_html(told)}
    if quality is not None and quality.tables:
        texts |= {JSON: to_json(quality), MARKDOWN: to_markdown(quality).encode()}
    manifest = to_bytes(
        release.build_manifest(
            plan,
            judgment,
            decision,
            facts,
            release=keys.release,
            aad=keys.aad,
            created=now.date(),
            source=source,
            seal=lambda digest: hmac.digest(digest_key, digest.encode(), "sha256").hex(),
            quarantined=quarantined,
            recipients=[hashlib.sha256(recipient.key.encode()).hexdigest() for recipient in recipients],
            documents=[release.document_entry(file, data) for file, data in texts.items()],
            ledger=ledger,
        )
    )
    texts[MANIFEST] = manifest
    texts[MAC] = keys.manifest_mac(manifest).encode() + b"\n"
    texts[ENVELOPE] = seal_envelope(keys.payload(), recipients)
    if plan.request.profile is Profile.COLUMNS:
        texts[KEYS] = keys.keys_file()
    check_envelope(count_stanzas(texts[ENVELOPE]), len(recipients))
    for file, data in texts.items():
        write_new(folder / file, data)
    sync_folder(folder)
    return manifest
