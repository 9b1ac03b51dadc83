"""An export: the only place that wires a run together.

Authorize, observe and decide, transform into staged encrypted files, read back and verify, publish by one rename.
Whatever fails on the way, nothing is left behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from deid import legal
from deid.authorization import authorize, load_recipients
from deid.codes.added import systems_with
from deid.crosswalk import Crosswalk
from deid.errors import DocumentError
from deid.keys.base import KeyProvider
from deid.keys.key_checks import steady_cmac
from deid.ledger.run import SeriesRun
from deid.ledger.site import series_run
from deid.ledger.store import Publication
from deid.legal import Judgment
from deid.manifest import RELEASE_ID
from deid.needs import columns_needed
from deid.notes.redactor import Redactor
from deid.observe import Progress
from deid.plan import Plan
from deid.population_risk import population_risk
from deid.private import make_folder
from deid.quarantine import Quarantine, quarantine_id
from deid.release_documents import write_documents
from deid.reports.build import report
from deid.reports.gathered import gathered
from deid.reports.release_side import ReleaseSide
from deid.request import Profile
from deid.sinks.release_keys import ReleaseKeys
from deid.site import Site
from deid.small_counts import Count
from deid.sources import open_source
from deid.sources.once import ReadOnce
from deid.staged_tables import Run
from deid.staging import staged
from deid.trust import load_trust
from deid.verification import verify_staged
from deid.workshop import Workshop

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
    series = series_run(plan, site, provider, recipients)
    with ExitStack() as stack:
        stack.enter_context(source)
        quarantine = stack.enter_context(Quarantine(plan.request, name, site.state, provider))
        # Entered before the release is staged, so that it ends after the rename.
        publication = stack.enter_context(Publication(series.ledger.series)) if series is not None else None
        keys = stack.enter_context(_fresh_keys(plan, f"{plan.request.name}.{name}", provider))
        folder = stack.enter_context(staged(target))
        workshop = _workshop(site, provider, stack, series)
        redactor = stack.enter_context(Redactor(processes=processes))
        run = Run(plan, source, workshop, quarantine, progress, systems_with(site.codes), redactor)
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
        evidence = replace(
            evidence, population=population_risk(plan, decision, site.population), sensitive=measured.sensitive
        )
        told = report(
            plan, judgment, decision, facts, release=keys.release, created=now.date(), source=run.source_side,
            back=back, quality=quality, evidence=evidence,
        )  # fmt: skip
        manifest = write_documents(
            plan, judgment, decision, facts, told, quality, quarantine.rows, source, keys, recipients, folder, now,
            provider, entry,
        )  # fmt: skip
        quarantine.keep()
        if series is not None and publication is not None:
            series.prepare(publication, manifest)
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


def _workshop(site: Site, provider: KeyProvider, stack: ExitStack, series: SeriesRun | None) -> Workshop:
    spill = make_folder(site.state / SPILL)
    key = provider.subkey("crosswalk")
    crosswalk = stack.enter_context(Crosswalk.open(site.state / "crosswalk", key, spill=spill, budget=_CROSSWALK))
    cmac = steady_cmac(provider, site.state / "keys")
    return Workshop(provider.subkey, cmac, crosswalk=crosswalk, spill=spill, open=stack, series=series)
