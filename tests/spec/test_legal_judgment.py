"""What plan and request earn together: combinations, cohort, period, schedule and window."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from legal_plans import (
    ASKED,
    EXPERT,
    LIMITED,
    PATIENTS,
    SAFE_HARBOR,
    VISITS,
    B,
    C,
    R,
    broken,
    plan,
    rows,
    ruled,
)

from deid.documents.policy import Basis, Policy
from deid.documents.request import Schedule, Series
from deid.errors import PlanError
from deid.kinds import KINDS
from deid.legal import Finding, Judgment, judge, require, together, verdict
from deid.schema import Column, Link
from deid.transforms import build

NOTED = {name: kind for name, kind in VISITS.items() if name != "dx"} | {"note": "clinical_note"}


@pytest.mark.parametrize(
    ("policy", "changes", "earned"),
    [
        (SAFE_HARBOR, {}, Basis.SAFE_HARBOR),
        (LIMITED, {"agreement": "DUA-7"}, Basis.LIMITED_DATA_SET),
        (EXPERT, {"visits": NOTED}, Basis.EXPERT_DETERMINATION),
    ],
)
def test_each_policy_earns_what_it_claims(policy: Policy, changes: dict[str, Any], earned: Basis) -> None:
    """The policies that come with the toolkit earn their claims on an ordinary request."""
    judgment = require(plan(policy, **changes))
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
    """Whatever kind is requested, the three policies stay within what they claim, or refuse it by its column."""
    undated = {name: k for name, k in VISITS.items() if name != "start"} if kind == "readmission" else VISITS
    assert broken(judge(plan(SAFE_HARBOR, visits=undated | {"asked": kind}))) == []
    limited = judge(plan(LIMITED, visits=VISITS | {"asked": kind}, agreement="DUA-7"))
    assert broken(limited, Basis.LIMITED_DATA_SET) == []
    # k counts the demographics of the population table, so that is where an expert's policy may be asked for them.
    counted = kind in EXPERT.limits.quasi_identifiers
    others = {name: k for name, k in VISITS.items() if k != kind}  # two columns of codes in a row tell their rank
    where = {"patients": PATIENTS | {"asked": kind}} if counted else {"visits": others | {"asked": kind}}
    # Notes say in words what mapped codes hide; the policy would have to name the column and answer for it.
    refused = [("(b)(1)", "visits.asked")] if kind == "clinical_note" else []
    assert broken(judge(plan(EXPERT, **where)), Basis.EXPERT_DETERMINATION) == refused


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
    judgment = judge(plan(EXPERT, visits=NOTED))
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
        {"period": "2025"},
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
        ([{"age": {"from": 90}}], "all", False),  # 90 in some year long ago is more than the category of 90 or older
        ([{"age": {"from": 90}}, {"service_date": {"from": "2027-01-01"}}], "all", True),
    ],
)
def test_rows_chosen_by_age_stand_beside_their_year(predicates: list[Any], combine: str, is_closed: bool) -> None:
    """Rows from an age on, in years long ago, tell of people who are over 90 by now."""
    cohort = rows(*predicates, unit="rows", combine=combine)
    assert broken(judge(plan(cohort=cohort))) == ([] if is_closed else [(C, "request.cohort")])


@pytest.mark.parametrize("combine", ["any", "all"])
def test_a_date_bounds_no_age_where_whole_patients_are_chosen(combine: str) -> None:
    """Of whole patients one row may be old enough and another late enough, so no date closes an age."""
    old, late = {"age": {"from": 85}}, {"service_date": {"from": "2026-01-01"}}
    assert broken(judge(plan(cohort=rows(old, combine=combine)))) == [(C, "request.cohort")]
    assert broken(judge(plan(cohort=rows({"age": {"from": 30}}, late)))) == [(C, "request.cohort")]
    assert broken(judge(plan(cohort=rows({"age": {"from": 30}}, late, unit="rows")))) == []
    undated = {"visits": {"pid": "patient_id", "dx": "icd10cm"}, "patients": {"pid": "patient_id", "sex": "sex"}}
    assert broken(judge(plan(cohort=rows(old, combine=combine), **undated))) == []


STAY = {"pid": "patient_id", "vid": "encounter_id", "stay": "length_of_stay"}
BOTH = {"in": "admit_date", "out": "discharge_date"}


def undone(judgment: Judgment) -> list[str]:
    """Return the columns of stays and readmissions that break Safe Harbor."""
    return [subject for paragraph, subject in broken(judgment) if paragraph == C]


@pytest.mark.parametrize(
    ("dates", "is_told"),
    [
        (BOTH, True),
        ({"from": "service_date", "thru": "service_date"}, True),
        ({"in": "admit_date", "operated": "service_date"}, True),
        ({"in": "admit_date"}, False),
        ({"out": "discharge_date"}, False),
        ({"in": "admit_date", "billed": "record_date"}, False),
        ({}, False),
    ],
)
def test_a_length_of_stay_beside_two_dates_tells_days(dates: dict[str, str], is_told: bool) -> None:
    """Two nights from one year into the next are 30 and 31 December, or 31 December and 1 January."""
    assert undone(judge(plan(visits=STAY | dates))) == (["visits.stay"] if is_told else [])
    expert = judge(plan(EXPERT, visits=STAY | dates))
    assert broken(expert, Basis.EXPERT_DETERMINATION) == ([(C, "visits.stay")] if is_told else [])
    assert judge(plan(LIMITED, visits=STAY | dates, agreement="DUA-7")).is_earned


def test_a_length_of_stay_beside_a_dropped_or_a_whole_date_undoes_nothing() -> None:
    """What is not written tells nothing, and whole or shifted dates tell the length anyway."""
    dropped = ruled(SAFE_HARBOR, discharge_date=build("drop", {}))
    assert broken(judge(plan(dropped, visits=STAY | BOTH))) == []
    moved = dict.fromkeys(("admit_date", "discharge_date"), build("shift_date", {"": 30}))
    window = (date(2020, 1, 1), date(2025, 12, 31))
    shifted = judge(plan(ruled(EXPERT, **moved), visits=STAY | BOTH, window=window))
    assert broken(shifted, Basis.EXPERT_DETERMINATION) == []
    half = judge(plan(ruled(EXPERT, admit_date=build("keep", {})), visits=STAY | BOTH))
    assert broken(half, Basis.EXPERT_DETERMINATION) == [(C, "visits.stay")]


def test_dates_of_another_table_stand_beside_a_stay_if_their_rows_can_be_joined() -> None:
    """The number of the encounter lays the second date beside the stay; without it the rows do not meet."""
    first = STAY | {"in": "admit_date"}
    joined = {"pid": "patient_id", "vid": "encounter_id", "done": "service_date"}
    apart = {"pid": "patient_id", "claim": "claim_id", "done": "service_date"}
    assert undone(judge(plan(visits=first, lines=joined))) == ["visits.stay"]
    assert undone(judge(plan(visits=first, lines=apart))) == []


@pytest.mark.parametrize("stays_in", ["visits", "lines"])
def test_dates_of_a_linked_table_stand_beside_a_stay(stays_in: str) -> None:
    """Lines that reach their claim by its number, both delivered, lie beside the claim, whichever has the stay."""
    stay = {"stay": "length_of_stay"}
    claims = {"pid": "patient_id", "claim": "claim_id", "in": "admit_date"} | (stay if stays_in == "visits" else {})
    lines = {"pid": "patient_id", "claim": "claim_id", "done": "service_date"} | (stay if stays_in == "lines" else {})
    apart = plan(visits=claims, lines=lines)
    linked = replace(apart.tables[2].table, patient=None, link=Link(to="visits", on="claim", key="claim"))
    joined = replace(apart, tables=(*apart.tables[:2], replace(apart.tables[2], table=linked)))
    assert undone(judge(apart)) == []
    assert undone(judge(joined)) == [f"{stays_in}.stay"]


def test_a_readmission_beside_years_tells_january() -> None:
    """Thirty days around New Year are a month; around a quarter the expert weighs them."""
    flagged = {"pid": "patient_id", "again": "readmission"}
    assert undone(judge(plan(visits=flagged | {"in": "admit_date"}))) == ["visits.again"]
    assert undone(judge(plan(visits=flagged))) == []
    expert = judge(plan(EXPERT, visits=flagged | {"in": "admit_date"}))
    assert broken(expert, Basis.EXPERT_DETERMINATION) == []


@pytest.mark.parametrize(("kind", "why"), [("lab_value", "an age or a date"), ("part_of_year", "a part of a year")])
def test_kinds_that_may_hold_dates_say_so(kind: str, why: str) -> None:
    """The refusal of a result or a monthly status says what it may tell, not that a date stands there."""
    (finding,) = verdict(KINDS[kind], build("keep", {}))
    assert why in finding.text


def test_what_breaks_every_basis_earns_none() -> None:
    """A judgment that no claim passes says so, and recommends no other claim."""
    notes = plan(EXPERT, visits=NOTED | {"again": "sex"})
    judgment = judge(notes)
    assert judgment.earns_nothing
    assert not judgment.is_earned
    assert "no basis" in judgment.headline
    with pytest.raises(PlanError) as refused:
        require(
            plan(replace(EXPERT, basis=Basis.LIMITED_DATA_SET), visits=VISITS | {"again": "sex"}, agreement="DUA-7")
        )
    assert "claim" not in refused.value.hint
    assert not judge(plan(EXPERT, visits=NOTED)).earns_nothing


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


@pytest.mark.parametrize(("period", "breaks"), [("2025", False), ("2026-Q3", True), ("2026-10", True)])
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
        ({"age": {"from": 18}}, [C]),  # at some visit, which may be one of 1955
        ({"age": {"from": 90}}, [C]),
        ({"age": {"from": 91}}, [C, C]),  # and the bound divides the category
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
        ({"part_of_year": ["3"]}, [C]),
        ({"lab_value": ["93"]}, [C]),  # may be an age
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


def test_what_is_found_alike_of_numbered_columns_is_told_once() -> None:
    """A file of claims has hundreds of columns; those of a series with one reason are one line, and no other is."""
    names = [
        "claims.DAY1",
        "claims.DAY2",
        "claims.DAY10",
        "claims.V1",
        "claims.V3",
        "lines.DAY1",
        "claims.x",
        "claims.x",
    ]
    texts = ["a", "a", "a", "a", "b", "b", "b", "b"]
    findings = [Finding("p", name, text, frozenset()) for name, text in zip(names, texts, strict=True)]
    assert [finding.subject for finding in together(findings)] == [
        "claims.DAY1 to DAY10", "claims.V1", "claims.V3", "lines.DAY1", "claims.x", "claims.x",
    ]  # fmt: skip
    assert [finding.text for finding in together(findings)] == ["a", "a", "b", "b", "b", "b"]
