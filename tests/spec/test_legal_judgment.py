"""What plan and request earn together: combinations, cohort, period, schedule, window and names."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.cohort import Cohort, parse_cohort
from deid.errors import PlanError
from deid.kinds import KINDS
from deid.legal import Finding, Judgment, judge, require
from deid.period import parse_period
from deid.plan import Plan, compile_plan
from deid.policy import Basis, Policy, load_policy
from deid.request import OnBadRow, Profile, Request, Schedule, Series
from deid.schema import Column, DatasetDescription, Table
from deid.transforms import build

POLICIES = Path(__file__).resolve().parents[2] / "policies"
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
    period: str | None = None,
    dataset: str = "claims",
    **changes: Any,
) -> Plan:
    """Return a plan over a population and a visits table, with fields of the request changed."""
    patients, visits = patients or PATIENTS, visits or VISITS
    description = DatasetDescription(
        name=dataset,
        format="csv",
        root=Path(),
        tables=(table("patients", patients), table("visits", visits)),
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
        tables={"patients": tuple(patients), "visits": tuple(visits)},
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
        today=TODAY,
    )


def rows(*predicates: dict[str, Any], unit: str = "patients", combine: str = "all") -> Cohort:
    """Return a cohort of the given predicates."""
    return parse_cohort({unit: {combine: list(predicates)}})


def ruled(policy: Policy, **rules: Any) -> Policy:
    """Return the policy with other rules for some kinds."""
    return replace(policy, rules=policy.rules | rules)


def broken(judgment: Judgment, basis: Basis = Basis.SAFE_HARBOR) -> list[tuple[str, str]]:
    """Return paragraph, without its section, and subject of what breaks a basis."""
    return [(f.paragraph.removeprefix("164.514"), f.subject) for f in judgment.breaking(basis)]


C, B, R = "(b)(2)(i)(C)", "(b)(2)(i)(B)", "(b)(2)(i)(R)"


@pytest.mark.parametrize(
    ("policy", "changes", "earned"),
    [
        (SAFE_HARBOR, {}, Basis.SAFE_HARBOR),
        (LIMITED, {"agreement": "DUA-7"}, Basis.LIMITED_DATA_SET),
        (EXPERT, {}, Basis.EXPERT_DETERMINATION),
    ],
)
def test_each_policy_earns_what_it_claims(policy: Policy, changes: dict[str, Any], earned: Basis) -> None:
    """The policies that come with the toolkit earn their claims on an ordinary request."""
    notes = {"clinical": "clinical_note"} if earned is Basis.EXPERT_DETERMINATION else {}
    judgment = require(plan(policy, visits=VISITS | notes, **changes))
    assert judgment.earned is earned
    assert judgment.is_earned
    assert judgment.needs_statement == (earned is Basis.SAFE_HARBOR)
    assert judgment.needs_agreement == (earned is Basis.LIMITED_DATA_SET)


@pytest.mark.parametrize("policy", [SAFE_HARBOR, LIMITED, EXPERT])
def test_each_policy_rules_every_kind(policy: Policy) -> None:
    """Any described column can be requested, and every rule serves its kind."""
    assert set(policy.rules) == set(KINDS)
    for kind, rule in policy.rules.items():
        rule.output(Column("column", KINDS[kind]))


@pytest.mark.parametrize("kind", ASKED)
def test_no_rule_of_a_policy_breaks_its_claim(kind: str) -> None:
    """Whatever kind is requested, the three policies stay within what they claim."""
    for policy in (SAFE_HARBOR, LIMITED, EXPERT):
        judgment = judge(plan(policy, visits=VISITS | {"asked": kind}, agreement="DUA-7"))
        assert broken(judgment, policy.basis) == []


def test_a_claim_beyond_what_is_earned_is_refused_with_its_paragraphs() -> None:
    """Limited Data Set rules under a Safe Harbor label are refused, naming column and paragraph."""
    with pytest.raises(PlanError) as refused:
        require(plan(replace(LIMITED, basis=Basis.SAFE_HARBOR)))
    assert "patients.born" in refused.value.message
    assert "164.514(b)(2)(i)(C)" in refused.value.message
    assert "164.514(c)(1)" in refused.value.message
    assert "Limited Data Set" in refused.value.hint


def test_a_claim_below_what_is_earned_is_fine() -> None:
    """A policy may claim less than it earns."""
    judgment = require(plan(replace(SAFE_HARBOR, basis=Basis.EXPERT_DETERMINATION)))
    assert judgment.earned is Basis.SAFE_HARBOR


@pytest.mark.parametrize("agreement", [None, "", "  "])
def test_a_limited_data_set_needs_an_agreement(agreement: str | None) -> None:
    """Without a data-use agreement a Limited Data Set does not leave, though its columns earn it."""
    judgment = judge(plan(LIMITED, agreement=agreement))
    assert judgment.earned is Basis.LIMITED_DATA_SET
    assert broken(judgment, Basis.LIMITED_DATA_SET) == [("(e)(4)", "request.agreement")]
    with pytest.raises(PlanError, match="agreement"):
        require(plan(LIMITED, agreement=agreement))


def test_no_judgment_says_that_a_dataset_is_de_identified_by_an_expert() -> None:
    """The expert's finding is left to the expert."""
    judgment = judge(plan(EXPERT, visits=VISITS | {"note": "clinical_note"}))
    assert judgment.earned is Basis.EXPERT_DETERMINATION
    assert "never says that a dataset is de-identified" in judgment.headline
    assert any("never says" in note.text for note in judgment.notes)


def test_a_direct_identifier_in_clear_is_refused_on_every_basis() -> None:
    """An encounter number in clear may stay in a Limited Data Set and nowhere else."""
    kept = ruled(LIMITED, encounter_id=build("keep", {}))
    require(plan(kept, agreement="DUA-7"))
    with pytest.raises(PlanError, match="direct identifier"):
        require(plan(replace(kept, basis=Basis.EXPERT_DETERMINATION)))


def test_clear_free_text_is_refused_on_every_basis() -> None:
    """A note as written is refused under every claim, and redacted text under all but an expert's."""
    for basis in Basis:
        clear = replace(ruled(EXPERT, clinical_note=build("keep", {})), basis=basis)
        with pytest.raises(PlanError):
            require(plan(clear, visits=VISITS | {"note": "clinical_note"}, agreement="DUA-7"))
    redacted = judge(
        plan(ruled(SAFE_HARBOR, clinical_note=build("redact_note", {})), visits=VISITS | {"n": "clinical_note"})
    )
    assert redacted.earned is Basis.EXPERT_DETERMINATION


# What columns tell together


def test_an_age_beside_years_needs_a_birth_date_to_close_the_patient() -> None:
    """Without birth dates in the population, an age beside a year breaks (C); without years it does not."""
    unborn = {"pid": "patient_id", "sex": "sex"}
    assert broken(judge(plan(patients=unborn))) == [(C, "visits.years")]
    assert broken(judge(plan())) == []
    no_years = {"pid": "patient_id", "years": "age"}
    assert broken(judge(plan(patients=unborn, visits=no_years))) == []


@pytest.mark.parametrize(
    "told",
    [
        {"period": "2026"},
        {"window": (date(2020, 1, 1), date(2026, 12, 31))},
        {"cohort": rows({"service_date": {"from": "2020-01-01"}})},
        {"visits": {"pid": "patient_id", "years": "age", "filed": "year"}},
    ],
)
def test_years_are_told_by_the_request_as_well(told: dict[str, Any]) -> None:
    """A period, a window, a cohort's date or a year column stand beside an age like a date does."""
    unborn = {"pid": "patient_id", "sex": "sex"}
    changes = {"visits": {"pid": "patient_id", "years": "age"}} | told
    assert broken(judge(plan(patients=unborn, **changes))) == [(C, "visits.years")]


def test_a_birth_date_in_another_table_does_not_close_the_patient() -> None:
    """Only the population's birth date marks who is over 89."""
    unborn = {"pid": "patient_id", "sex": "sex"}
    assert broken(judge(plan(patients=unborn, visits=VISITS | {"born": "birth_date"}))) == [(C, "visits.years")]


@pytest.mark.parametrize(
    ("predicates", "combine", "is_closed"),
    [
        (
            [{"age": {"from": 65}}, {"service_date": {"from": "2016-01-01"}}],
            "all",
            True,
        ),  # 65 + 11 years = 76 at most known
        ([{"age": {"from": 85}}, {"service_date": {"from": "2016-01-01"}}], "all", False),  # 85 in 2016 is 96 in 2027
        ([{"age": {"from": 79}}, {"service_date": {"from": "2016-01-01"}}], "all", True),  # 79 + 11 = 90
        ([{"age": {"from": 80}}, {"service_date": {"from": "2016-01-01"}}], "all", False),  # 80 + 11 = 91
        (
            [{"age": {"from": 80}}, {"service_date": {"from": "2010-01-01"}}, {"admit_date": {"from": "2018-01-01"}}],
            "all",
            True,
        ),  # the later bound holds
        ([{"age": {"from": 18}}], "all", False),  # nothing bounds the year
        ([{"age": {"to": 17}}], "all", True),
        ([{"age": {"from": 18}}, {"icd10cm": ["E11"]}], "any", True),  # a row may be there for its code
        ([{"age": {"from": 18, "to": 20}}, {"age": {"from": 60}}], "any", False),
        ([{"age": {"from": 90}}], "all", True),  # the category that (C) permits
    ],
)
def test_rows_chosen_by_age_stand_beside_their_year(predicates: list[Any], combine: str, is_closed: bool) -> None:
    """Rows from an age on, in years long ago, tell of people who are over 90 by now."""
    cohort = rows(*predicates, unit="rows", combine=combine)
    assert broken(judge(plan(cohort=cohort))) == ([] if is_closed else [(C, "request.cohort")])


def test_what_k_does_not_count_is_not_released_beside_it() -> None:
    """A quasi-identifier of the population beyond the policy's vector is refused: k would guard nobody."""
    judgment = judge(plan(EXPERT, patients=PATIENTS | {"paid": "charge_amount"}))
    refused = [f.subject for f in judgment.breaking(Basis.EXPERT_DETERMINATION) if "does not count" in f.text]
    assert refused == ["patients.paid"]
    assert not judgment.is_earned


# What the request tells


@pytest.mark.parametrize("series", Series)
@pytest.mark.parametrize(
    ("schedule", "breaks"),
    [(Schedule.ONCE, False), (Schedule.YEARLY, False), (Schedule.QUARTERLY, True), (Schedule.MONTHLY, True)],
)
def test_safe_harbor_runs_yearly_at_most(schedule: Schedule, series: Series, breaks: bool) -> None:
    """Two releases less than a year apart differ by a part of a year, cumulative or not."""
    judgment = judge(plan(schedule=schedule, series=series))
    assert broken(judgment) == ([(C, "request.schedule")] if breaks else [])
    assert judgment.breaking(Basis.LIMITED_DATA_SET) == ()


@pytest.mark.parametrize(("period", "breaks"), [("2026", False), ("2026-Q3", True), ("2026-10", True)])
def test_safe_harbor_releases_whole_calendar_years(period: str, breaks: bool) -> None:
    """A release about a month tells the month."""
    assert broken(judge(plan(period=period))) == ([(C, "period")] if breaks else [])


@pytest.mark.parametrize(
    ("first", "last", "breaks"),
    [
        (date(2020, 1, 1), date(2026, 12, 31), False),
        (date(2020, 1, 2), date(2026, 12, 31), True),
        (date(2020, 1, 1), date(2026, 11, 30), True),
    ],
)
def test_the_window_is_of_whole_years(first: date, last: date, breaks: bool) -> None:
    """The manifest shows the window."""
    assert broken(judge(plan(window=(first, last)))) == ([(C, "request.window")] if breaks else [])


@pytest.mark.parametrize(
    ("predicate", "paragraphs"),
    [
        ({"icd10cm": ["E11"]}, []),
        ({"state": ["MA"]}, []),
        ({"sex": ["F"]}, []),
        ({"encounter_class": ["emergency"]}, []),
        ({"service_date": {"from": "2020-01-01", "to": "2022-12-31"}}, []),
        ({"service_date": {"from": "2020-01-01"}}, []),
        ({"service_date": {"to": "2022-12-31"}}, []),
        ({"service_date": {"from": "2020-03-01"}}, [C]),
        ({"service_date": {"to": "2022-06-30"}}, [C]),
        ({"service_date": {"to": "1935-12-31"}}, [C]),  # whoever was seen then is over 89
        ({"year": {"from": 2020, "to": 2022}}, []),
        ({"year": {"to": 1935}}, [C]),
        ({"birth_date": {"from": "1938-01-01"}}, []),  # nobody of 90 on 2027-11-30 was born then
        ({"birth_date": {"from": "1937-01-01"}}, [C]),  # tells some of 90 apart from others
        ({"birth_date": {"to": "1937-12-31"}}, []),
        ({"birth_date": {"to": "1936-12-31"}}, [C]),
        ({"death_date": {"to": "1935-12-31"}}, []),  # the dead grow no older
        ({"age": {"from": 90}}, []),
        ({"age": {"from": 91}}, [C]),
        ({"age": {"from": 18}}, []),
        ({"age": {"to": 89}}, []),
        ({"age": {"to": 90}}, [C]),
        ({"zip_code": ["021*"]}, []),
        ({"zip_code": ["021*", "100*"]}, []),
        ({"zip_code": ["036*"]}, [B]),  # 20,000 people or fewer
        ({"zip_code": ["969*"]}, [B]),  # no census population shown
        ({"zip_code": ["021*", "02139"]}, [B]),
        ({"zip_code": ["02*"]}, [B]),
        ({"city": ["Boston"]}, [B]),
        ({"county": ["Suffolk"]}, [B]),
        ({"facility_place": ["02139"]}, [B]),
        ({"facility_name": ["General"]}, [B]),
        ({"npi": ["1234567893"]}, [R]),
        ({"provider_name": ["Doe"]}, [R]),
        ({"local_code": ["X1"]}, [R]),
    ],
)
def test_a_cohort_tells_what_its_predicates_say(predicate: dict[str, Any], paragraphs: list[str]) -> None:
    """Every patient of a cohort meets its predicates, so a predicate is read like a column."""
    judgment = judge(plan(cohort=rows(predicate)))
    assert broken(judgment) == [(paragraph, "request.cohort") for paragraph in paragraphs]
    assert judgment.breaking(Basis.LIMITED_DATA_SET) == ()


def test_the_ninetieth_birthday_on_the_reference_date_counts() -> None:
    """Who turns 90 on the day of expiry is closed, so a cohort may not begin with that birthday."""
    turning = rows({"birth_date": {"from": "1937-01-01"}})
    assert broken(judge(plan(cohort=turning, expires=date(2027, 1, 1)))) == [(C, "request.cohort")]


@pytest.mark.parametrize("kind", ["precinct", "birth_place"])
def test_a_cohort_by_one_of_the_sixteen_breaks_a_limited_data_set(kind: str) -> None:
    """A cohort by what (e)(2) removes tells it of everybody."""
    judgment = judge(plan(LIMITED, agreement="DUA-7", cohort=rows({kind: ["x"]})))
    assert broken(judgment, Basis.LIMITED_DATA_SET) == [("(e)(2)(ii)", "request.cohort")]


DATED = ["visits-2026-03", "v202603", "visits-20260315", "mar2026", "visits-march-2026", "q1-2026", "2026-q1", "1q26",
         "visits-q3", "june-visits", "2026-w12", "v-03-2026", "visits-dec26", "15032026", "2026-mar"]  # fmt: skip
UNDATED = ["diabetes-encounters", "visits-2026", "2016-2026", "icd10-2026", "marker-01", "decile-10", "phq-9", "octane",
           "top-100", "k11", "cohort-12", "summary2026", "mayo-10", "a1c-over-9", "2026", "quartz-1"]  # fmt: skip


@pytest.mark.parametrize("field", ["name", "party"])
@pytest.mark.parametrize("name", DATED)
def test_a_name_that_tells_a_part_of_a_year_breaks_c(name: str, field: str) -> None:
    """Names stand on folders and in the manifest."""
    assert broken(judge(plan(**{field: name}))) == [(C, f"request.{field}")]


@pytest.mark.parametrize("name", UNDATED)
def test_a_name_with_a_year_or_another_number_is_fine(name: str) -> None:
    """Years, and numbers that are no dates, may stand in names."""
    assert broken(judge(plan(name=name))) == []


@pytest.mark.parametrize("name", ["visits-02139", "zip02139", "area-02139-1234", "021391234"])
def test_a_name_with_what_may_be_a_zip_code_breaks_b(name: str) -> None:
    """A five-digit number in a name may be a ZIP code."""
    assert broken(judge(plan(name=name))) == [(B, "request.name")]


def test_names_of_columns_and_of_the_dataset_are_read_too() -> None:
    """The source's names stand in the output; a question called Q1 is no quarter, 2026Q1 is."""
    judgment = judge(
        plan(visits={"pid": "patient_id", "paid_2026_03": "charge_amount", "q1": "indicator"}, dataset="feb2026")
    )
    assert broken(judgment) == [(C, "dataset.name"), (C, "visits.paid_2026_03")]
    dropped = judge(plan(visits={"pid": "patient_id", "note_2026_03": "clinical_note"}))
    assert broken(dropped) == []


@given(st.dates(date(1990, 1, 1), date(2030, 12, 31)))
def test_no_usual_spelling_of_a_day_passes_in_a_name(day: date) -> None:
    """ISO, compact, American, German and month-name spellings of any day are all found."""
    for form in (
        "%Y-%m-%d",
        "%Y%m%d",
        "%Y-%m",
        "%Y%m",
        "%m-%d-%Y",
        "%m%d%Y",
        "%d-%m-%Y",
        "%d%b%Y",
        "%b-%d-%Y",
        "%b%y",
        "%Y-%b",
    ):
        assert (C, "request.name") in broken(judge(plan(name=f"x-{day.strftime(form).lower()}"))), form


@given(st.sampled_from(ASKED), st.sampled_from(ASKED))
def test_more_columns_never_earn_more(one: str, other: str) -> None:
    """Adding a column never turns a weaker basis into a stronger one."""
    strength = [Basis.EXPERT_DETERMINATION, Basis.LIMITED_DATA_SET, Basis.SAFE_HARBOR]
    unlisted = {kind: build("keep", {}) for kind in KINDS if KINDS[kind].limited is None}
    policy = replace(SAFE_HARBOR, rules=SAFE_HARBOR.rules | unlisted)
    small = judge(plan(policy, visits={"pid": "patient_id", "a": one}))
    large = judge(plan(policy, visits={"pid": "patient_id", "a": one, "b": other}))
    assert strength.index(large.earned) <= strength.index(small.earned)


def test_findings_carry_no_more_than_names_and_paragraphs() -> None:
    """A cohort's values are the requester's own words, and still stand in no finding."""
    judgment = judge(plan(cohort=rows({"city": ["Zzyzx"]})))
    assert all("Zzyzx" not in finding.text for finding in judgment.findings)
    assert all(isinstance(finding, Finding) and finding.text for finding in judgment.findings)
