"""The report put together: what was done, whether it holds, and what can still be done with the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

import deid
from deid.documents.policy import Basis
from deid.legal import Judgment
from deid.observing.decision import Decision
from deid.planning.plan import Plan, Step, TablePlan
from deid.quality.report import Report as Quality
from deid.release.small_counts import ENOUGH, Count, shown
from deid.release.writing import TableFacts, cohort_text
from deid.reports import utility
from deid.reports.bias import biases
from deid.reports.code_use import code_uses
from deid.reports.column_model import Text
from deid.reports.evidence import Evidence, codes_section
from deid.reports.further import further_section
from deid.reports.listing import columns, quasi_identifiers, versions
from deid.reports.model import FORMAT, About, Determination, People, RiskReport
from deid.reports.release_side import ReleaseSide
from deid.reports.risk_model import Bin, Classes, Risk
from deid.reports.small import coarse, is_small, pooled, rounded
from deid.reports.source_side import SourceSide
from deid.reports.tallies import Counts
from deid.reports.utility_model import QualityLine, Utility
from deid.reports.verdicts import Held, verdicts
from deid.reports.words import CONDITIONS, STATEMENT, limitations
from deid.transforms.redact_note import RedactNote
from deid.transforms.words import rule_text

_BINS = (1, 2, 5, 11, 20, 50, 100, 500, 1_000, 5_000)  # the least class of each bin


def report(
    plan: Plan,
    judgment: Judgment,
    decision: Decision,
    facts: Mapping[str, TableFacts],
    *,
    release: str,
    created: date,
    source: SourceSide,
    back: ReleaseSide,
    quality: Quality | None,
    evidence: Evidence,
) -> RiskReport:
    """Return the report of a release that was read back; `plan` is the resolved one."""
    limits = plan.policy.limits
    sizes = back.sizes()
    people = _people(source, back)
    classes = _classes(plan, source, sizes)
    risk = _risk(sizes, classes, evidence) if classes is not None else None
    codes = codes_section(limits.codes, evidence)
    tells_number = classes is None or classes.number is not None
    further = further_section(evidence.further, limits.risk.further, tells_number=tells_number)
    asked = source.lost + back.released
    held = Held(
        smallest=int(sizes.min()) if len(sizes) else None,
        withheld=None if source.is_continued else source.lost / asked if asked else 0.0,
        share=people.share_withheld,
        mean=len(sizes) / int(sizes.sum()) if len(sizes) else None,
    )
    return RiskReport(
        format=FORMAT,
        about=_about(plan, judgment, release, created),
        verdicts=verdicts(
            limits,
            held,
            classes,
            risk,
            codes,
            evidence.joinable,
            further,
            evidence.sensitive,
            evidence.ledger.codes if evidence.ledger is not None else None,
        ),
        columns=tuple(columns(plan, decision, facts)),
        left_out=tuple(f"{t.table.name}.{s.column.name}" for t in plan.tables for s in t.steps if s.output is None),
        versions=tuple(dict.fromkeys(versions(plan))),
        quasi_identifiers=tuple(quasi_identifiers(plan, decision, source, back)),
        people=people,
        classes=classes,
        risk=risk,
        codes=codes,
        ledger=evidence.ledger,
        bias=biases(source),
        utility=_utility(plan, source, back, sizes),
        quality=_quality(quality),
        text=_text(plan, evidence),
        conditions=CONDITIONS,
        limitations=limitations(plan, classes, codes, further),
        determination=Determination(STATEMENT if plan.policy.basis is Basis.EXPERT_DETERMINATION else ""),
        further=further,
    )


def _about(plan: Plan, judgment: Judgment, release: str, created: date) -> About:
    request, policy = plan.request, plan.policy
    return About(
        release=release,
        request=request.name,
        requester=request.requester,
        purpose=request.purpose,
        protocol=request.protocol,
        party=request.party,
        recipients=len(request.recipients),
        schedule=request.schedule.value,
        series=request.series.value,
        period=plan.period.label if plan.period else None,
        cohort=cohort_text(plan),
        created=created,
        expires=request.expires,
        policy=policy.name,
        policy_version=policy.version,
        policy_sha256=policy.digest,
        request_sha256=request.digest,
        dataset_sha256=plan.dataset.digest,
        basis_claimed=policy.basis.value,
        basis_earned=judgment.earned.value,
        paragraphs=tuple(dict.fromkeys(finding.paragraph for finding in judgment.findings)),
        deid=deid.__version__,
    )


def _people(source: SourceSide, back: ReleaseSide) -> People:
    lost, released = source.lost, back.released
    # Beside a small part, the sum of all would tell it.
    tells = source.tells_lost and not (is_small(released) and lost)
    asked = lost + released
    hidden = None if source.is_continued or (source.is_series and lost) else shown(lost)
    return People(
        asked=shown(asked) if tells else None,
        released=shown(released),
        withheld=hidden,
        share_withheld=rounded(lost / asked) if tells and asked >= ENOUGH else None,
    )


def _classes(plan: Plan, source: SourceSide, sizes: Counts) -> Classes | None:
    names = [f"{plan.dataset.population}.{step.column.name}" for step in source.steps]
    names += [f"{t.table.name}.{s.column.name}" for t in plan.tables for s in t.written if s.take is not None]
    if not names or not len(sizes):
        return None
    below = plan.policy.limits.k or ENOUGH
    few = int(sizes[sizes < below].sum())
    rest = int(sizes.sum()) - few
    bins = _bins(sizes)
    # Beside what is shown, the number of all classes would tell that of the hidden ones, and so how many patients.
    tells_number = not is_small(few) and all(each.patients is not None for each in bins)
    return Classes(
        columns=tuple(names),
        k=plan.policy.limits.k,
        number=len(sizes) if tells_number else None,
        smallest=shown(int(sizes.min())),
        mean_size=rounded(float(sizes.mean()), 1) if tells_number else None,
        bins=bins,
        patients_below=shown(few) if not is_small(rest) else None,
        below=below,
    )


def _bins(sizes: Counts) -> tuple[Bin, ...]:
    """Return the classes by size; small cells are pooled with the next, and the pool is not shown."""
    edges = np.array(_BINS)
    place = np.searchsorted(edges, sizes, side="right") - 1
    patients = np.bincount(place, weights=sizes, minlength=len(edges)).astype(np.int64)
    classes = np.bincount(place, minlength=len(edges))
    table = pooled(patients[:, None])
    kept = set(table.kept) if table is not None else set()
    bins = []
    for number, low in enumerate(_BINS):
        high = _BINS[number + 1] - 1 if number + 1 < len(_BINS) else None
        if not patients[number]:
            bins.append(Bin(low, high, 0, 0))
        elif number in kept:
            bins.append(Bin(low, high, int(classes[number]), int(patients[number])))
        else:
            bins.append(Bin(low, high, None, None))
    return tuple(bins)


def _risk(sizes: Counts, classes: Classes, evidence: Evidence) -> Risk:
    """Return the chances by class sizes (El Emam 2013): 1/f for a patient of a class of f, its maximum and mean."""
    smallest, patients = int(sizes.min()), int(sizes.sum())
    mean = rounded(len(sizes) / patients) if classes.number is not None else coarse(len(sizes), patients)
    population = evidence.population
    return Risk(
        prosecutor_max=rounded(1 / smallest) if smallest >= ENOUGH else None,
        prosecutor_mean=mean,
        marketer=population.journalist_mean if population is not None and population.table else mean,
        journalist_max=population.journalist_max if population is not None else None,
        journalist_mean=population.journalist_mean if population is not None else None,
        population=population.table if population is not None else None,
        uniques=population.uniques if population is not None else None,
    )


def _utility(plan: Plan, source: SourceSide, back: ReleaseSide, sizes: Counts) -> Utility:
    # Where each class has eleven patients, each sum of classes has; only then are values listed with their counts.
    listed = bool(len(sizes)) and int(sizes.min()) >= ENOUGH
    told = Utility(
        None,
        (*utility.marginals(source, back, listed=listed), *utility.reduced_marginals(back, listed=listed)),
        utility.distances(source, back),
        code_uses(plan, source, back),
        None,
    )
    return utility.overall(source, back, told)


def _quality(quality: Quality | None) -> tuple[QualityLine, ...]:
    return tuple(
        QualityLine(
            f"{table}.{name}",
            entry.system,
            entry.codes.total,
            {finding: line.total for finding, line in entry.findings.items() if line.total != 0},
        )
        for table, columns in (quality.tables if quality is not None else {}).items()
        for name, entry in columns.items()
    )


def _text(plan: Plan, evidence: Evidence) -> Text | None:
    steps: Sequence[tuple[TablePlan, Step]] = plan.steps_of(RedactNote)
    if not steps:
        return None
    withheld: Count = shown(evidence.text_withheld)
    return Text(
        columns=tuple(f"{planned.table.name}.{step.column.name}" for planned, step in steps),
        rule="; ".join(dict.fromkeys(rule_text(step.transform) for _, step in steps)),
        withheld=withheld,
        identifiers_left=0,  # a text that holds one of its own patient's identifiers stops the release
        note="Every released text was searched once more, by other code, for the identifiers of its own patient.",
    )
