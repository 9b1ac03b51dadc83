"""What a series fixes by its first release, taken from the plan before a row is read."""

from __future__ import annotations

import hashlib
from dataclasses import fields

import msgspec

from deid.codes import CODE_SYSTEMS
from deid.errors import DisclosureError
from deid.ledger.book import Frozen, Rule
from deid.limits import CodeLimits, Limits, SeriesLimits
from deid.plan import Plan, Step
from deid.transforms.words import rule_text

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
    )


def limits_digest(limits: Limits) -> str:
    """Return a digest of the limits that decide what is shown of whom; fields at their defaults do not count."""
    told: dict[str, object] = {
        "quasi_identifiers": limits.quasi_identifiers,
        "recoding": {kind: [rule_text(rung) for rung in ladder] for kind, ladder in limits.recoding.items()},
        "reduced": dict(limits.reduced),
        "codes": _set(limits.codes) if limits.codes else None,
        "series": _set(limits.series),
    }
    if limits.sensitive:
        told["sensitive"] = [{f.name: getattr(rule, f.name) for f in fields(rule)} for rule in limits.sensitive]
    return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()


def require_same(frozen: Frozen, now: Frozen, request: str) -> None:
    """Raise DisclosureError, naming what differs, where a run would not keep to the first release of its series."""
    found = [f"the series was {frozen.mode}, not {now.mode}"] if frozen.mode != now.mode else []
    if frozen.k != now.k or frozen.limits_sha256 != now.limits_sha256:
        found.append("the limits of the policy were others")
    for rule in sorted(set(frozen.columns) ^ set(now.columns), key=lambda rule: (rule.table, rule.column)):
        tense = "was" if rule in frozen.columns else "would be"
        found.append(f"{rule.table}.{rule.column} {tense} released by {rule.rule}")
    found += [
        f"codes of {name} were read by {frozen.code_lists.get(name) or 'no list'}"
        for name in sorted({*frozen.code_lists, *now.code_lists})
        if frozen.code_lists.get(name) != now.code_lists.get(name)
    ]
    if found:
        listed = "".join(f"\n  - {text}" for text in found)
        raise DisclosureError(
            f"request {request} has releases, and this one would be made otherwise:{listed}",
            hint="a series keeps to its first release; begin a new one: a request of another name",
        )


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
