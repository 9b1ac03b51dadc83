"""An export: the only place that wires a run together.

Authorize, observe and decide, transform into staged encrypted files, read back and verify, publish by one rename.
Whatever fails on the way, nothing is left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from deid import legal
from deid.audit.run import RunEntries
from deid.audit.site import site_log
from deid.choices.bias import BiasFile, bias_report
from deid.choices.checking import LeftOutCheck
from deid.choices.logged import known_lists, require_same
from deid.choices.screening import screened
from deid.choices.subject import Subject
from deid.codes.added import systems_with
from deid.crosswalks.crosswalk import Crosswalk
from deid.crosswalks.site import crosswalk_folder, newest_logged
from deid.documents.request import Profile
from deid.documents.site import Site
from deid.engine.memory import give_back_large_arrays, within
from deid.errors import DocumentError
from deid.keys.base import KeyProvider
from deid.keys.key_checks import steady_cmac
from deid.keys.officers import SigningKey
from deid.ledger.run import SeriesRun
from deid.ledger.site import series_run
from deid.ledger.store import Publication
from deid.legal import Judgment
from deid.notes.redactor import Redactor
from deid.observing.reading import Progress
from deid.observing.workshop import Workshop
from deid.papers.authorization import authorize, load_recipients
from deid.papers.paper import require_not_withdrawn
from deid.papers.trust import load_trust
from deid.planning.needs import columns_needed
from deid.planning.plan import Plan
from deid.population.risk import population_risk
from deid.recall.gate import SeriesGate
from deid.release.documents import write_documents
from deid.release.manifest import RELEASE_ID
from deid.release.quarantine import Quarantine, quarantine_id
from deid.release.small_counts import Count, shown
from deid.release.staging import staged
from deid.reports.build import report
from deid.reports.gathered import gathered
from deid.reports.release_side import ReleaseSide
from deid.sealing.private import make_folder
from deid.sinks.release_keys import ReleaseKeys
from deid.sources import open_source
from deid.sources.once import ReadOnce
from deid.staged_tables import Run

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


def export(
    plan: Plan,
    site: Site,
    provider: KeyProvider,
    *,
    progress: Progress,
    now: datetime | None = None,
    workers: int = 1,
    signing: SigningKey | None = None,
    engine: Callable[..., Run] = Run,
) -> Exported:
    """Run a plan and publish its release below the site's releases; raise DeidError and leave nothing otherwise.

    `workers`: 1 does one thing after another; with more, batches are read ahead and written behind, and so many
    processes search notes. The release is the same. `signing`: the site's key, which signs the manifest, and the head
    of the audit log beside the release; without it, neither is signed. `engine`: what makes the run, `Run` for one in
    this process; see deid.tasks.
    """
    give_back_large_arrays()
    progress = within(site.memory_mib, progress)
    name = plan.release
    if not RELEASE_ID.fullmatch(name) or not RELEASE_ID.fullmatch(quarantine_id(plan.request.name, name)):
        raise DocumentError(
            "the release's name is too long, or holds other than letters, digits, dots, underscores and hyphens",
            hint="names become folder names, at most 116 characters together with the request's",
        )
    documents = {
        "party": plan.request.party,
        "request_sha256": plan.request.digest,
        "policy_sha256": plan.policy.digest,
        "dataset_sha256": plan.dataset.digest,
    }
    log = site_log(site, provider)
    with RunEntries(log, site, plan.request.name, name, documents=documents, signing=signing) as entries:
        done = _run(
            plan, site, provider, entries, progress=progress, now=now or datetime.now(UTC), workers=workers,
            signing=signing, engine=engine,
        )  # fmt: skip
        entries.published(
            quarantined=shown(sum(done.quarantined.values())), withheld_records=shown(done.withheld_records)
        )
    return done


def _run(
    plan: Plan,
    site: Site,
    provider: KeyProvider,
    entries: RunEntries,
    *,
    progress: Progress,
    now: datetime,
    workers: int,
    signing: SigningKey | None,
    engine: Callable[..., Run],
) -> Exported:
    name = plan.release
    # Read once: the keys that the statement was verified over are the keys that the release is sealed to.
    recipients = load_recipients(plan)
    trust = load_trust(site.trust)
    authorized = authorize(plan, site, trust, recipients, at=now, log=entries.log)
    gate = SeriesGate(plan.request.name, plan.request.party, plan.policy.digest, site, trust, entries.log, now)
    source = ReadOnce(plan.dataset, open_source(plan.dataset), folder=site.state / SPILL, budget=_SHARED)
    source.check(columns_needed(plan))
    target = site.releases / plan.request.name / name
    series = series_run(plan, site, provider, recipients)
    with ExitStack() as stack:
        stack.enter_context(gate)
        stack.enter_context(source)
        quarantine = stack.enter_context(Quarantine(plan.request, name, site.state, provider))
        # Entered before the release is staged, so that they end after the rename.
        bias = stack.enter_context(BiasFile(site))
        publication = stack.enter_context(Publication(series.ledger.series)) if series is not None else None
        keys = stack.enter_context(_fresh_keys(plan, f"{plan.request.name}.{name}", provider))
        folder = stack.enter_context(staged(target))
        workshop = _workshop(site, provider, stack, series, at_least=newest_logged(site, entries.log))
        known = known_lists(site, provider, entries.log)
        screen = screened(
            Subject.of_plan(plan), known.lists, source, workshop.sealed_map, progress, on=known.days(now.date())
        )
        redactor = stack.enter_context(Redactor(processes=workers))
        run = engine(
            plan, source, workshop, quarantine, progress, systems_with(site.codes), redactor, screen, workers=workers
        )
        written, decision = run.write(folder, keys)
        plan = run.plan
        judgment = legal.require(plan)  # each rung was allowed alone; the ones that were chosen are judged together
        back = ReleaseSide(plan, run.source_side, decision.controls.codes)
        check = LeftOutCheck(plan, decision, screen) if screen is not None else None
        measured = run.verified(decision, folder, written, keys, back, check)
        if check is not None and screen is not None:
            check.finish(source)
            bias.write(bias_report(screen, created=now.date()))
        decision = replace(decision, mapped=measured.mapped)  # with the figures of the attack on what was written
        facts = run.facts(written)
        quality = run.judge.report() if run.judge is not None else None
        draft = series.finish(decision, release=name, created=now.date()) if series is not None else None
        entry = draft.entry if draft is not None else None
        evidence = gathered(plan, decision, draft, further=measured.further, text_withheld=run.withheld_notes)
        evidence = replace(
            evidence, population=population_risk(plan, decision, site.population), sensitive=measured.sensitive
        )
        told = report(
            plan, judgment, decision, facts, release=keys.release, created=now.date(), source=run.source_side,
            back=back, quality=quality, evidence=evidence,
        )  # fmt: skip
        manifest = write_documents(
            plan, judgment, decision, facts, told, quality, quarantine.rows, source, keys, recipients, folder, now,
            provider, entry, authorized.statements, signing,
        )  # fmt: skip
        require_not_withdrawn(authorized.held, site, trust, at=datetime.now(UTC), log=entries.log)
        quarantine.keep()
        require_same(known, plan.dataset.name, site, provider, entries.log)
        gate.close()  # from here to the rename no recall begins; before the ledger's lock, as a recall takes them
        if series is not None and publication is not None:
            series.prepare(publication, manifest)
        rows = shown(sum(fact.rows for fact in facts.values()))
        codes = decision.pseudonyms.codes
        used = {"crosswalk": codes.generation} if codes is not None else {}
        entries.prepared(
            manifest, authorized.statements, rows=rows, suppressed_patients=shown(decision.suppressed_patients), **used
        )
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


def _fresh_keys(plan: Plan, release_id: str, provider: KeyProvider) -> ReleaseKeys:
    """Return the keys of a new release; in the columns profile, one group for each family of kinds."""
    if plan.request.profile is Profile.PORTABLE:
        return ReleaseKeys.portable(release_id)
    groups = {
        f"{planned.table.name}.{step.column.name}": step.column.kind.group.name.lower()
        for planned in plan.tables
        for step in planned.written
    }
    series = f"{plan.request.name}/{plan.request.party}"
    return ReleaseKeys.columns(provider, release_id, groups, series=series)


def _workshop(
    site: Site, provider: KeyProvider, stack: ExitStack, series: SeriesRun | None, *, at_least: int
) -> Workshop:
    spill = make_folder(site.state / SPILL)
    key = provider.subkey("crosswalk")
    crosswalk = Crosswalk.open(crosswalk_folder(site), key, spill=spill, budget=_CROSSWALK, at_least=at_least)
    stack.enter_context(crosswalk)
    cmac = steady_cmac(provider, site.state / "keys")
    return Workshop(provider.subkey, cmac, crosswalk=crosswalk, spill=spill, open=stack, series=series)
