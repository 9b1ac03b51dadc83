"""What a plan is refused for before it is judged, and that the requests shipped with the toolkit run."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from legal_plans import EXPERT, LIMITED, SAFE_HARBOR, TODAY, VISITS, plan, rows, ruled

from deid.documents.policy import Policy, load_policy
from deid.documents.request import Schedule, load_request
from deid.errors import PlanError
from deid.kinds import KINDS
from deid.legal import require
from deid.planning.compiler import compile_plan
from deid.sources.description import load_dataset
from deid.transforms import build

ROOT = Path(__file__).resolve().parents[2]
WINDOW = (date(2020, 1, 1), date(2025, 12, 31))
SHIFTING = ruled(EXPERT, **dict.fromkeys(("service_date", "admit_date"), build("shift_date", {"": 30})))


@pytest.mark.parametrize("policy", [SAFE_HARBOR, LIMITED, EXPERT])
@pytest.mark.parametrize(
    ("period", "is_over"),
    [("2025", True), ("2026-Q3", True), ("2026-10", True), ("2026-11", False), ("2026", False), ("2027", False)],
)
def test_a_period_is_over_before_it_is_released(policy: Policy, period: str, is_over: bool) -> None:
    """A release in November of a year that is not over dates its visits before that day, on whatever basis."""
    if is_over:
        assert plan(policy, period=period).period is not None
        return
    with pytest.raises(PlanError, match="is not over"):
        plan(policy, period=period)


def test_the_last_day_of_a_period_belongs_to_it() -> None:
    """The period ends with its last day, not on the morning of it."""
    with pytest.raises(PlanError, match="is not over"):
        plan(period="2025", today=date(2025, 12, 31))
    assert plan(period="2025", today=date(2026, 1, 1)).period is not None


def test_an_expiry_too_far_ahead_is_refused() -> None:
    """Ages are judged at the expiry: in a hundred years everybody would be 90, and every year of birth closed."""
    assert plan(expires=date(2036, 11, 22)).reference_date == date(2036, 11, 22)
    for day in (date(2036, 11, 23), date(2099, 1, 1)):
        with pytest.raises(PlanError, match="more than 10 years"):
            plan(expires=day)
    assert plan(expires=date(2038, 2, 28), today=date(2028, 2, 29)).reference_date.year == 2038


def test_shifted_dates_that_nothing_bounds_are_planned() -> None:
    """The window alone bounds shifted dates, on the shifted day."""
    assert plan(SHIFTING, window=WINDOW, cohort=rows({"icd10cm": ["E11"]}, {"age": {"from": 18}}))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"period": "2025"}, "a period"),
        ({"cohort": rows({"service_date": {"from": "2024-01-01"}})}, "a cohort by service_date"),
        ({"cohort": rows({"birth_date": {"to": "2000-12-31"}}, combine="any", unit="rows")}, "a cohort by birth_date"),
        ({"cohort": rows({"year": {"from": 2024}})}, "a cohort by year"),
        ({"schedule": Schedule.MONTHLY}, "a monthly schedule"),
    ],
)
def test_what_bounds_true_dates_publishes_their_offset(changes: dict[str, Any], named: str) -> None:
    """A visit shown three days before the first day of the cohort has moved by three days or more."""
    with pytest.raises(PlanError, match=f"shift_date: {named} would publish the offset"):
        plan(SHIFTING, window=WINDOW, **changes)
    assert plan(EXPERT, window=WINDOW, **changes)


@pytest.mark.parametrize("kind", ["discharge_date", "record_date", "year"])
def test_a_true_year_beside_shifted_dates_bounds_their_offset(kind: str) -> None:
    """A stay that ended in 2024 and seems to begin in January 2025 has moved; every date moves, or none."""
    visits = VISITS | {"told": kind}
    with pytest.raises(PlanError, match=r"visits\.told: beside shifted dates"):
        plan(SHIFTING, window=WINDOW, visits=visits)
    assert plan(ruled(SHIFTING, **{kind: build("drop", {})}), window=WINDOW, visits=visits)
    assert plan(EXPERT, window=WINDOW, visits=visits)


@pytest.mark.parametrize("name", ["diabetes-encounters", "emergency-visits"])
def test_the_standing_requests_run_under_their_policies(name: str) -> None:
    """Both requests in exports/ are planned over the samples and earn what their policies claim."""
    request = load_request(ROOT / "exports" / f"{name}.yaml")
    compiled = compile_plan(request, load_policy(request.policy), load_dataset(request.dataset), today=TODAY)
    assert require(compiled).is_earned
    assert {step.column.name for _, step in [(t, s) for t in compiled.tables for s in t.written]} >= {"length_of_stay"}


def test_the_example_of_the_page_runs_under_its_policy(tmp_path: Path) -> None:
    """The request that docs/formats/request.md shows is one that would run on the samples."""
    page = (ROOT / "docs" / "formats" / "request.md").read_text(encoding="utf-8")
    text = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0].replace("../", f"{ROOT}/")
    (tmp_path / "request.yaml").write_text(text, encoding="utf-8")
    request = load_request(tmp_path / "request.yaml")
    compiled = compile_plan(request, load_policy(request.policy), load_dataset(request.dataset), today=TODAY)
    assert require(compiled).is_earned


MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEPT", "OCT", "NOV", "DEC")


def test_monthly_columns_of_the_beneficiary_file_tell_parts_of_a_year() -> None:
    """Every column of one month, and every count of months, has the kind that Safe Harbor drops."""
    rif = load_dataset(ROOT / "samples" / "cms_rif" / "dataset.yaml")
    table = rif.table("beneficiaries")
    assert table is not None
    monthly = {c.name: c.kind.name for c in table.columns if set(MONTHS) & set(c.name.split("_"))}
    monthly |= {c.name: c.kind.name for c in table.columns if c.name.endswith("_MO_CNT")}
    monthly |= {c.name: c.kind.name for c in table.columns if re.fullmatch(r"(HMO|MDCR_ENTLMT_BUYIN)_\d+_IND", c.name)}
    assert len(monthly) == 12 * 13 + 7
    assert {name for name, kind in monthly.items() if kind != "part_of_year"} == {
        f"FIPS_STATE_CNTY_{month}_CD" for month in MONTHS
    }
    kinds = {c.name: c.kind.name for t in rif.tables for c in t.columns}
    assert {kinds[name] for name in ("V_DOD_SW", "BENE_PTA_TRMNTN_CD", "BENE_PTB_TRMNTN_CD")} == {"deceased"}
    stays = ("CLM_UTLZTN_DAY_CNT", "BENE_TOT_COINSRNC_DAYS_CNT", "BENE_LRD_USED_CNT", "CLM_NON_UTLZTN_DAYS_CNT")
    assert {kinds[name] for name in stays} == {"length_of_stay"}
    assert KINDS["part_of_year"].safe_harbor == "C"
