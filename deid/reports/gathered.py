"""What the decision and the ledger know of a release, put into the terms of the report."""

from __future__ import annotations

from deid.disclosure.code_risk import CodeRisk
from deid.disclosure.further import FurtherRisk
from deid.known_codes.code_decision import Mapped
from deid.ledger import Draft
from deid.observing.decision import Decision
from deid.planning.plan import Plan
from deid.release.small_counts import ENOUGH, shown
from deid.reports.evidence import Evidence, Joinable
from deid.reports.risk_model import Ledger
from deid.reports.small import is_small, rounded
from deid.reports.source_side import may_be_named

_NEWCOMERS = (
    "Newcomers are held until they are as many as k in their class, so that no difference of two releases isolates "
    "anybody. Figures of withheld patients are not shown in a series: month by month they would tell who is new."
)


def gathered(
    plan: Plan, decision: Decision, draft: Draft | None, *, further: FurtherRisk | None, text_withheld: int
) -> Evidence:
    """Return what was measured elsewhere; `draft`: the ledger's book with this release, None where there is none."""
    mapped = decision.mapped
    return Evidence(
        maps=decision.controls.codes,
        attacks=_attacks(mapped),
        groups=_class_names(plan, decision),
        ledger=_ledger(draft) if draft is not None else None,
        joinable=_joinable(draft),
        further=further,
        text_withheld=text_withheld,
    )


def _attacks(mapped: Mapped | None) -> tuple[CodeRisk, ...]:
    """Return the attacks by codes, and by codes and dates, as they were made on what was written."""
    return tuple(risk for risk in (mapped.risk, mapped.dated) if risk is not None) if mapped is not None else ()


def _class_names(plan: Plan, decision: Decision) -> dict[int, str]:
    """Return a name for each class: what its patients show, apart from exact values."""
    vectors = decision.controls.vectors
    if vectors is None or not vectors.columns:
        return {}
    named = {(t.table.name, s.column.name) for t in plan.tables for s in t.written if may_be_named(s)}
    count = len(next(iter(vectors.columns.values())))
    columns = [(place[1], values.to_pylist()) for place, values in vectors.columns.items() if place in named]
    return {
        number: ", ".join(f"{name} {_value(values[number])}" for name, values in columns) for number in range(count)
    }


def _ledger(draft: Draft) -> Ledger:
    book = draft.book
    entry = book.releases[-1]
    movement = entry.movement
    late = movement.arrived - movement.at_once
    tells = movement.arrived >= ENOUGH and not is_small(late) and not is_small(movement.at_once)
    return Ledger(
        number=entry.number,
        frozen=entry.number > 1,
        joint_k=book.frozen.k,
        joint_smallest=shown(draft.joint.smallest),
        same_period=rounded(movement.at_once / movement.arrived) if tells else None,
        note=_NEWCOMERS,
        codes=rounded(entry.codes_union) if isinstance(entry.codes_union, float) else None,
    )


def _joinable(draft: Draft | None) -> Joinable:
    joins = draft.book.releases[-1].joins if draft is not None else ()
    others = [join.at_most for join in joins if not join.is_own]
    own = [join.among_few for join in joins if join.is_own and isinstance(join.among_few, float)]
    return Joinable(rounded(max(others)) if others else None, rounded(min(1.0, sum(own))) if own else None)


def _value(shown: object) -> object:
    return "(empty)" if shown is None else shown
