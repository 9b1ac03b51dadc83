"""Judges plan and request together: which legal basis they earn, paragraph by paragraph of 45 CFR 164.514.

Pure: no row, no file, no clock. Nothing is declared: a claim is compared with what was computed.
The rules, in the order in which they are asked:

- of each written column, what each basis demands (`safe_harbor`, `limited_data_set`, `expert`);
- of the columns together, that no age and year reveal an age over 89, and no length of stay its days (`combinations`);
- of a policy that promises k, that k counts whatever tells patients apart (`limits`);
- of one that promises a ceiling on known codes, that it covers every code that is released (`mapped_codes`);
- of the request, that cohort, period, schedule, window and names tell no more than the columns may (`request_rules`).

Where a policy lets disclosure control choose among rules, each of them is judged.
The whole table of kinds and transforms is docs/reference/legal-table.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deid.documents.policy import Basis
from deid.errors import PlanError
from deid.kinds import Kind
from deid.legal import combinations, expert, limited_data_set, limits, mapped_codes, request_rules, safe_harbor
from deid.legal.judgment import Finding, Judgment, strongest, together
from deid.planning.plan import Plan
from deid.transforms import Transform
from deid.transforms.words import rule_text

__all__ = ["Finding", "Judgment", "judge", "require", "together", "verdict"]

_NONE: frozenset[Basis] = frozenset()


def verdict(kind: Kind, transform: Transform, *, subject: str = "") -> tuple[Finding, ...]:
    """Return what each basis finds against a column of `kind` after `transform`; empty if every basis allows it.

    `subject` is the `table.column` that the findings name; the kind's name when it is empty.
    """
    found = (
        (safe_harbor.breach(kind, transform), frozenset({Basis.SAFE_HARBOR})),
        (limited_data_set.breach(kind, transform), frozenset({Basis.LIMITED_DATA_SET})),
        (expert.breach(kind, transform), frozenset({Basis.EXPERT_DETERMINATION})),
        (limited_data_set.note(kind, transform), _NONE),
    )
    return tuple(Finding(hit[0], subject or kind.name, hit[1], breaks) for hit, breaks in found if hit is not None)


def judge(plan: Plan) -> Judgment:
    """Return what `plan` and its request earn, with every finding and its paragraph."""
    findings = (*_of_plan(plan), *_of_rungs(plan))
    claimed = plan.policy.basis
    return Judgment(
        earned=strongest(findings),
        claimed=claimed,
        findings=(*findings, *_of_claim(plan)),
        needs_statement=claimed is Basis.SAFE_HARBOR,
        needs_agreement=claimed is Basis.LIMITED_DATA_SET,
    )


def _of_plan(plan: Plan) -> tuple[Finding, ...]:
    return (
        *_columns(plan),
        *combinations.findings(plan),
        *limits.findings(plan),
        *mapped_codes.findings(plan),
        *request_rules.findings(plan),
    )


def _of_rungs(plan: Plan) -> Iterator[Finding]:
    """Yield what is found against the other rungs of a recoding, each put in the place of the finest.

    Which of them will be chosen is not known yet, and the finest is not always the worst: a coarser one may lack what
    a combination needs. The rules that were chosen are judged once more, together, when the plan is resolved.
    """
    if plan.is_resolved:
        return
    known = set(_of_plan(plan))
    for place, rungs in plan.ladders.items():
        for rule in rungs[1:]:
            fresh = [finding for finding in _of_plan(plan.with_rules({place: rule})) if finding not in known]
            known.update(fresh)
            words = f"; so with the rung `{rule_text(rule[0])}` of {'.'.join(place)}"
            yield from (replace(finding, text=finding.text + words) for finding in fresh)


def require(plan: Plan) -> Judgment:
    """Return the judgment; raise PlanError naming every finding if the policy claims more than is earned."""
    judgment = judge(plan)
    broken = judgment.breaking(judgment.claimed)
    if not broken:
        return judgment
    listed = "".join(f"\n  - {finding.subject}: {finding.text} ({finding.paragraph})" for finding in together(broken))
    earned = judgment.earned is not judgment.claimed and not judgment.earns_nothing
    other = f", or claim what it earns as it is: {judgment.headline}" if earned else ""
    raise PlanError(
        f"policy {plan.policy.name} claims {judgment.claimed.replace('_', ' ')}, "
        f"and request {plan.request.name} under it does not earn that:{listed}",
        hint=f"mend what is listed{other}",
    )


def _columns(plan: Plan) -> Iterator[Finding]:
    for table in plan.tables:
        for step in table.steps:
            yield from verdict(step.column.kind, step.transform, subject=f"{table.table.name}.{step.column.name}")


def _of_claim(plan: Plan) -> Iterator[Finding]:
    """Yield what the claimed basis asks for beside the list; what is earned does not depend on it."""
    if plan.policy.basis is Basis.SAFE_HARBOR:
        yield Finding(
            "164.514(b)(2)(ii)",
            "release",
            "the officer signs at release that there is no actual knowledge by which the rest could identify a person",
            _NONE,
        )
    elif plan.policy.basis is Basis.LIMITED_DATA_SET:
        if not (plan.request.agreement or "").strip():
            yield Finding(
                "164.514(e)(4)",
                "request.agreement",
                "a Limited Data Set leaves only under a data-use agreement; the request names none",
                frozenset({Basis.LIMITED_DATA_SET}),
            )
        yield Finding(
            "164.514(e)(3)",
            "request.purpose",
            "the purpose must be research, public health or health care operations; the officer who approves reads it",
            _NONE,
        )
    else:
        yield Finding(
            "164.514(b)(1)",
            "release",
            "the toolkit prepares evidence and never says that a dataset is de-identified; an expert signs that the "
            "risk is very small",
            _NONE,
        )
