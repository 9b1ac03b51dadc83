"""What an approval of tables is over: their request, policy, description and plan, for everybody to read.

docs/formats/approval.md, "Tables", is the specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from deid.documents.cohort import Cohort, Predicate
from deid.documents.policy import Policy
from deid.errors import PlanError
from deid.papers.bound import PUBLIC, Proposal
from deid.schema import DatasetDescription
from deid.tables import basis
from deid.tables.columns import columns_asked
from deid.tables.denominators import Denominators, load_denominators
from deid.tables.tabulation import Measure, TableRequest, Tabulation
from deid.transforms.words import rule_text

# Fields of the plan that an officer reads beside its tables.
_TOLD = ("cohort", "bad_rows", "code_level", "ages", "least_place", "washout", "since", "denominators", "standard")


def own_denominators(asked: Tabulation) -> Denominators | None:
    """Return the request's own population table, None where it names none; raise DocumentError."""
    return load_denominators(asked.denominators, asked) if isinstance(asked.denominators, Path) else None


def propose(asked: Tabulation, policy: Policy, dataset: DatasetDescription, own: Denominators | None) -> Proposal:
    """Return what an approval of these tables is over; `own`: the population table that their rates rest on."""
    return Proposal(asked, policy, asked.dataset, dataset.digest, plan_entry(asked, policy, dataset, own), None)


def require(asked: Tabulation, policy: Policy, dataset: DatasetDescription, *, on: date) -> None:
    """Raise PlanError for tables that no signature could let through on this day."""
    if asked.expires < on:
        raise PlanError("the request has expired", hint="renew it, and have it read again")
    if not dataset.confirmed:
        raise PlanError(
            f"the description of dataset {dataset.name} is a draft that nobody has confirmed",
            hint="read it, correct the kinds, and remove the line `confirmed: false`",
        )
    basis.require(asked, policy)


def plan_entry(
    asked: Tabulation, policy: Policy, dataset: DatasetDescription, own: Denominators | None
) -> dict[str, Any]:
    """Return what tables will be counted from, by which rules, and how they are protected, as plain JSON.

    Nothing of a release or a day is in it, so one approval serves every period of a request.
    """
    entry: dict[str, Any] = {
        "audience": PUBLIC,
        "claims": policy.basis.value,
        "protection": _protection(asked, policy),
        "reads": {table: sorted(names) for table, names in columns_asked(asked, dataset).items()},
        "cohort": _cohort(asked.cohort),
        "bad_rows": "left out and counted" if asked.leave_out_bad_rows else "refused",
        "from": asked.first.isoformat(),
        "to": asked.last.isoformat(),
        "ages": [band.label for band in asked.bands],
        "codes": {name: {kind: list(codes) for kind, codes in kinds.items()} for name, kinds in asked.groups.items()},
        "code_level": list(asked.level) if asked.level is not None else None,
        "least_place": asked.least_place,
        "denominators": f"sha256:{own.digest}" if own is not None else asked.denominators,
        "standard": asked.standard,
        "per": asked.per,
        "tables": {table.name: _table(table, asked, policy) for table in asked.tables},
    }
    if asked.tells_incidence:
        entry["washout"], entry["since"] = asked.washout, asked.since.isoformat() if asked.since else None
    return entry


def lines(proposal: Proposal) -> list[str]:
    """Return the plan of tables as an officer reads it before approving them."""
    plan = proposal.plan
    told = [
        f"request  {proposal.asked.name}, {plan['from']} to {plan['to']}",
        f"policy   {proposal.policy.name} version {proposal.policy.version}, claims {plan['claims'].replace('_', ' ')}",
        f"audience {plan['audience']}: everybody may read these tables, and nobody can take them back",
        f"hidden   {', '.join(f'{name} {_said(value)}' for name, value in plan['protection'].items() if value)}",
        *(f"reads    {table}: {', '.join(names)}" for table, names in plan["reads"].items()),
        *(f"codes    {name}: {_codes(kinds)}" for name, kinds in plan["codes"].items()),
        *(f"{field.ljust(8)} {_said(plan[field])}" for field in _TOLD if plan.get(field)),
    ]
    for name, table in plan["tables"].items():
        totals, rates = ", ".join(table["totals"]) or "nothing", ", with rates" if table["rates"] else ""
        told += ["", f"{name}  {table['measure']}, totals over {totals}{rates}"]
        told += [
            f"  by {dimension}: {', '.join(f'{kind} under {rule}' for kind, rule in kinds.items())}"
            for dimension, kinds in table["by"].items()
        ]
    return told


def _cohort(cohort: Cohort | None) -> list[str] | None:
    """Return who is counted: how conditions are joined, then each of them; None where everybody is."""
    if cohort is None:
        return None
    return [f"{cohort.combine.value} of", *(_condition(each) for each in cohort.predicates)]


def _condition(each: Predicate) -> str:
    if each.codes:
        return f"{each.kind} {' '.join(each.codes)}"
    low, high = ("any" if end is None else str(end) for end in (each.low, each.high))
    return f"{each.kind} from {low} to {high}"


def _codes(kinds: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{kind} {', '.join(codes)}" for kind, codes in kinds.items())


def _protection(asked: Tabulation, policy: Policy) -> dict[str, Any]:
    limits = policy.limits.tables
    return {
        "method": limits.method,
        "smallest": limits.smallest,
        "protection": limits.protection,
        "base": limits.base if limits.method == "round" else None,
        "not_audited_with": sorted(limits.weighed_beside.get(asked.name, ())),
    }


def _table(table: TableRequest, asked: Tabulation, policy: Policy) -> dict[str, Any]:
    return {
        "measure": Measure(table.measure).value,
        "by": {
            dimension: {kind: _rule(policy, kind) for kind in basis.kinds_of(asked, dimension)}
            for dimension in table.by
        },
        "totals": list(table.margins),
        "rates": table.rates,
    }


def _rule(policy: Policy, kind: str) -> str:
    return rule_text(policy.rules[kind]) if kind in policy.rules else "no rule"


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
