"""Plans over a population and a visits table, compiled for the judge alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from deid.documents.cohort import Cohort, parse_cohort
from deid.documents.period import parse_period
from deid.documents.policy import Basis, Policy, load_policy
from deid.documents.request import OnBadRow, Profile, Request, Schedule, Series
from deid.kinds import KINDS
from deid.legal import Judgment
from deid.planning.compiler import compile_plan
from deid.planning.plan import Plan
from deid.schema import Column, DatasetDescription, Table

POLICIES = Path(__file__).resolve().parents[1] / "policies"
TODAY = date(2026, 11, 22)
SAFE_HARBOR = load_policy(POLICIES / "safe-harbor.yaml")
LIMITED = load_policy(POLICIES / "limited-data-set.yaml")
EXPERT = load_policy(POLICIES / "expert-k11.yaml")

ASKED = [kind for kind in KINDS if kind != "patient_id"]  # a table has one patient column
PATIENTS = {"pid": "patient_id", "born": "birth_date", "sex": "sex", "zip": "zip_code"}
VISITS = {"pid": "patient_id", "vid": "encounter_id", "start": "service_date", "years": "age", "dx": "icd10cm"}


def table(name: str, columns: dict[str, str]) -> Table:
    """Return a described table from names and kinds."""
    return Table(name, f"{name}.csv", tuple(Column(c, KINDS[k]) for c, k in columns.items()), patient="pid")


def plan(
    policy: Policy = SAFE_HARBOR,
    *,
    patients: dict[str, str] | None = None,
    visits: dict[str, str] | None = None,
    lines: dict[str, str] | None = None,
    period: str | None = None,
    dataset: str = "claims",
    today: date = TODAY,
    **changes: Any,
) -> Plan:
    """Return a plan over a population and a visits table, with fields of the request changed."""
    asked = {"patients": patients or PATIENTS, "visits": visits or VISITS} | ({"lines": lines} if lines else {})
    description = DatasetDescription(
        name=dataset,
        format="csv",
        root=Path(),
        tables=tuple(table(name, columns) for name, columns in asked.items()),
        population="patients",
        encounters="visits",
        confirmed=True,
        digest="0" * 64,
    )
    request = Request(
        name="diabetes-encounters",
        requester="Outcomes group",
        purpose="Readmission",
        protocol=None,
        policy=policy.path,
        dataset=Path(),
        tables={name: tuple(columns) for name, columns in asked.items()},
        derive=(),
        cohort=None,
        party="outcomes",
        recipients=(),
        profile=Profile.PORTABLE,
        schedule=Schedule.ONCE,
        series=Series.CUMULATIVE,
        expires=date(2027, 11, 30),
        window=None,
        agreement=None,
        on_bad_row=OnBadRow.REFUSE,
        path=Path("request.yaml"),
        digest="0" * 64,
    )
    return compile_plan(
        replace(request, **changes),
        policy,
        description,
        period=parse_period(period) if period else None,
        today=today,
    )


def rows(*predicates: dict[str, Any], unit: str = "patients", combine: str = "all") -> Cohort:
    """Return a cohort of the given predicates."""
    return parse_cohort({unit: {combine: list(predicates)}})


def ruled(policy: Policy, **rules: Any) -> Policy:
    """Return the policy with other rules for some kinds, and no recoding of these."""
    ladders = {kind: rungs for kind, rungs in policy.limits.recoding.items() if kind not in rules}
    return replace(policy, rules=policy.rules | rules, limits=replace(policy.limits, recoding=ladders))


def broken(judgment: Judgment, basis: Basis = Basis.SAFE_HARBOR) -> list[tuple[str, str]]:
    """Return paragraph, without its section, and subject of what breaks a basis."""
    return [(f.paragraph.removeprefix("164.514"), f.subject) for f in judgment.breaking(basis)]


C, B, R = "(b)(2)(i)(C)", "(b)(2)(i)(B)", "(b)(2)(i)(R)"
