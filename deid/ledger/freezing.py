"""What a series fixes by its first release, taken from the plan before a row is read."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace

import msgspec
from msgspec import UNSET
from msgspec.structs import replace as replaced

from deid.codes import CODE_SYSTEMS
from deid.documents.limits import CodeLimits, Limits, SeriesLimits
from deid.errors import DisclosureError
from deid.ledger.records import Frozen, Rule
from deid.planning.plan import Plan, Step
from deid.segments.words import excluded_entry
from deid.transforms.words import rule_text

KEEP = (
    "a series keeps to its first release: write request and policy as they were then. A request of another name is "
    "held against these releases by limits.risk.rejoin, as they stay with the party"
)
_HELD = ("ceiling", "over_time")  # of the limits of codes: what decides only whether a release is published
_LISTED = frozenset({"roll_up", "map_codes"})  # transforms whose output depends on a list of codes


def frozen_of(plan: Plan) -> Frozen:
    """Return what the first release of a series fixes, but for what it finds in the data."""
    limits = plan.policy.limits
    if limits.k is None:
        raise AssertionError("a ledger was asked for, but no k")
    steps = [(planned.table.name, step) for planned in plan.tables for step in planned.written]
    return Frozen(
        mode=plan.request.series.value,
        k=limits.k,
        columns=tuple(
            sorted(
                (Rule(table, step.column.name, step.column.kind.name, _words(step)) for table, step in steps),
                key=lambda rule: (rule.table, rule.column),
            )
        ),
        limits_sha256=limits_digest(limits),
        code_lists=_code_lists([step for _, step in steps]),
        asked=_asked(plan),
    )


def _asked(plan: Plan) -> dict[str, str]:
    """Return digests of what a request asks for beside columns; the difference of two cohorts tells who has a code."""
    request, period = plan.request, plan.period
    cohort: list[object] = []
    if request.cohort is not None:
        predicates = [msgspec.to_builtins(replace(p, codes=tuple(sorted(p.codes)))) for p in request.cohort.predicates]
        cohort = [request.cohort.unit, request.cohort.combine, sorted(msgspec.json.encode(p) for p in predicates)]
    told: dict[str, object] = {
        "cohort": cohort,
        # By the year, the quarter, the month or the week; which one it is changes from release to release.
        "period": [request.schedule, sum(mark in period.label for mark in "-QWW") if period is not None else None],
        "derived columns": sorted(request.derive),
        "study codes": {kind: sorted(codes) for kind, codes in request.study_codes.items()},
        "dataset": plan.dataset.name,
    }
    if (excluded := excluded_entry(plan)) is not None:  # rows that are left out from now on would tell what they were
        told["exclusion of segments"] = msgspec.to_builtins(excluded)
    return {name: _digest(value) for name, value in told.items()}


def limits_digest(limits: Limits, *, is_first_version: bool = False) -> str:
    """Return a digest of the limits that decide what is shown of whom; fields at their defaults do not count.

    The ceilings of codes decide whether a release is published, and are not among them, but in books of version 1.
    """
    told: dict[str, object] = {
        "quasi_identifiers": limits.quasi_identifiers,
        "recoding": {kind: [rule_text(rung) for rung in ladder] for kind, ladder in limits.recoding.items()},
        "reduced": dict(limits.reduced),
        "codes": _set(limits.codes) if limits.codes else None,
        "series": _set(limits.series),
    }
    if limits.codes and not is_first_version:
        told["codes"] = {name: value for name, value in _set(limits.codes).items() if name not in _HELD}
    if limits.sensitive:
        told["sensitive"] = [{f.name: getattr(rule, f.name) for f in fields(rule)} for rule in limits.sensitive]
    return _digest(told)


def _digest(told: object) -> str:
    return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()


def require_same(frozen: Frozen, now: Frozen, limits: Limits, request: str) -> Frozen:
    """Return what a series keeps to; raise DisclosureError, naming what differs, where a run would not keep to it.

    A book of version 1 does not say what was asked for: deid.ledger.site lets the very same request alone go on.
    """
    is_old = frozen.asked is UNSET
    found = [f"the series was {frozen.mode}, not {now.mode}"] if frozen.mode != now.mode else []
    digest = limits_digest(limits, is_first_version=True) if is_old else now.limits_sha256
    if frozen.k != now.k or frozen.limits_sha256 not in (digest, now.limits_sha256):
        found.append("the limits of the policy were others")
    for rule in sorted(set(frozen.columns) ^ set(now.columns), key=lambda rule: (rule.table, rule.column)):
        tense = "was" if rule in frozen.columns else "would be"
        found.append(f"{rule.table}.{rule.column} {tense} released by {rule.rule}")
    found += [
        f"codes of {name} were read by {frozen.code_lists.get(name) or 'no list'}"
        for name in sorted({*frozen.code_lists, *now.code_lists})
        if frozen.code_lists.get(name) != now.code_lists.get(name)
    ]
    if frozen.asked is not UNSET and now.asked is not UNSET:
        both = sorted({*frozen.asked, *now.asked})
        found += [f"another {name} was asked for" for name in both if frozen.asked.get(name) != now.asked.get(name)]
    if found:
        listed = "".join(f"\n  - {text}" for text in found)
        raise DisclosureError(
            f"request {request} has releases, and this one would be made otherwise:{listed}", hint=KEEP
        )
    return replaced(frozen, asked=now.asked, limits_sha256=now.limits_sha256) if is_old else frozen


def _words(step: Step) -> str:
    rule = " or ".join(rule_text(rung) for rung, _ in step.rungs) or rule_text(step.transform)
    return f"{rule}, {step.take.value} of the patient" if step.take is not None else rule


def _set(limits: CodeLimits | SeriesLimits) -> dict[str, object]:
    return {f.name: getattr(limits, f.name) for f in fields(limits) if getattr(limits, f.name) != f.default}


def _code_lists(steps: list[Step]) -> dict[str, str]:
    """Return the lists of codes by which released columns are read, by system."""
    kinds = {s.column.kind.name for s in steps for rule, _ in [(s.transform, None), *s.rungs] if rule.name in _LISTED}
    return {
        name: "; ".join(f"{held.source} {held.release}" for held in system.lists)
        for name, system in sorted(CODE_SYSTEMS.items())
        if kinds.intersection(system.kinds) and system.lists
    }
