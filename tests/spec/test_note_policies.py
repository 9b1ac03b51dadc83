"""What a policy says of notes: how its rules for dates, ages and ZIP codes are said in text, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from legal_plans import EXPERT, plan, ruled

from deid.documents.policy import Basis, Policy, load_policy
from deid.documents.text_rules import dates_in_text, writing_of
from deid.errors import DocumentError, PlanError
from deid.legal import judge
from deid.planning.plan import Plan
from deid.planning.prerequisites import patient_arrays, uses_birth_days
from deid.transforms import RedactNote, build

WINDOW = (date(2015, 1, 1), date(2025, 12, 31))
NOTES = {"pid": "patient_id", "vid": "encounter_id", "n": "clinical_note"}
SHIFT = build("shift_date", {"": 364, "multiple_of": 7})

# the rule for a kind of date | what notes ask for | what stands in text
WAYS = """
{shift_date: 365}                          | shift   | shift
{shift_date: 365}                          | month   | -
{shift_date: 365}                          | tag     | -
{generalize_date: quarter}                 | shift   | -
{generalize_date: quarter}                 | month   | quarter
{generalize_date: quarter}                 | quarter | quarter
{generalize_date: quarter}                 | year    | year
{generalize_date: month}                   | year    | year
{generalize_date: year, floor_age: 90}     | month   | year
{generalize_date: year, width: 5}          | year    | -
{generalize_date: week}                    | week    | week
{generalize_date: week}                    | month   | -
{generalize_date: week}                    | year    | year
{generalize_date: year}                    | week    | year
keep                                       | month   | month
keep                                       | shift   | -
drop                                       | year    | -
"""


def rule(text: str) -> Any:
    """Build the transform that a policy writes so."""
    raw = yaml.safe_load(text)
    if isinstance(raw, str):
        return build(raw, {})
    (name, first), *rest = raw.items()
    return build(name, {"": first, **dict(rest)})


def notes_plan(policy: Policy, **fields: Any) -> Plan:
    """Compile a plan that releases redacted notes, visits without dates, and a sex."""
    fields = {"patients": {"pid": "patient_id", "sex": "sex"}, "visits": NOTES} | fields
    return plan(policy, **fields)


def noted(policy: Policy = EXPERT, **options: str) -> Policy:
    """Return the policy without k, and with options for notes."""
    free = replace(policy, limits=replace(policy.limits, k=None))
    return ruled(free, clinical_note=RedactNote(**options))


@pytest.mark.parametrize("row", [line.split("|") for line in WAYS.strip().splitlines()], ids="|".join)
def test_a_date_is_said_no_finer_than_its_column(row: list[str]) -> None:
    """The coarser of the policy's rule and what notes ask for; a tag where no text can say it."""
    written, asked, way = (cell.strip() for cell in row)
    found = dates_in_text(ruled(EXPERT, service_date=rule(written)), RedactNote(dates=asked))
    assert found.get("service_date", "-") == way


def test_kinds_without_a_rule_are_tags() -> None:
    """What a policy says nothing of is not written."""
    own = replace(EXPERT, rules={"death_date": rule("{generalize_date: month}")})
    assert dates_in_text(own, RedactNote(dates="month")) == {"death_date": "month"}


def test_ages_zips_and_floors_come_from_their_rules() -> None:
    """90+, three digits and the floor year stand where the policy's own rules let them."""
    rules = {
        "age": rule("{generalize_age: 90}"),
        "zip_code": rule("{generalize_zip: zip3}"),
        "service_date": rule("{generalize_date: year, floor_age: 90}"),
        "admit_date": rule("{generalize_date: year, floor_age: 80}"),
    }
    own = writing_of(ruled(EXPERT, **rules), RedactNote(dates="year"), window=None, reference_year=2027)
    assert (own.caps_ages, own.zip3, own.floor_year, own.surrogates) == (True, True, 1947, False)
    bare = writing_of(EXPERT, RedactNote(replace="surrogates"), window=None, reference_year=2027)
    assert (bare.caps_ages, bare.zip3, bare.floor_year, bare.surrogates, dict(bare.dates)) == (
        False,
        False,
        None,
        True,
        {},
    )
    low = writing_of(ruled(EXPERT, age=rule("{generalize_age: 80}")), RedactNote(), window=None, reference_year=2027)
    assert not low.caps_ages


def test_the_days_that_text_shows_are_those_of_the_tables() -> None:
    """Both ends of the window are cut by the most that a date may move."""
    own = ruled(EXPERT, service_date=SHIFT)
    shown = writing_of(own, RedactNote(dates="shift"), window=WINDOW, reference_year=2027).shown
    assert shown is not None
    epoch = date(1970, 1, 1).toordinal()
    assert [date.fromordinal(epoch + day) for day in shown] == [date(2015, 12, 31), date(2025, 1, 1)]


def test_shifting_notes_alone_makes_the_offsets() -> None:
    """Where no column of dates is asked for, the policy's rule gives the patients their offsets."""
    shifting = notes_plan(noted(ruled(EXPERT, service_date=SHIFT), dates="shift"), window=WINDOW)
    assert shifting.shift == SHIFT
    assert "offset" in patient_arrays(shifting)
    tagged = notes_plan(noted(ruled(EXPERT, service_date=SHIFT)))
    assert tagged.shift is None
    assert "offset" not in patient_arrays(tagged)


def test_units_in_notes_need_to_know_who_is_old() -> None:
    """Birth days are observed where notes tell units of time, for the years of whoever is over 89."""
    assert uses_birth_days(notes_plan(noted(dates="quarter")))
    assert not uses_birth_days(notes_plan(noted()))


@pytest.mark.parametrize(
    ("policy", "fields", "words"),
    [
        (noted(dates="shift"), {"window": WINDOW}, "no date of the policy may be written so"),
        (noted(ruled(EXPERT, service_date=SHIFT), dates="shift"), {}, "must name the window"),
        (noted(ruled(EXPERT, service_date=SHIFT), dates="shift"), {"window": WINDOW, "period": "2024"}, "a period would publish"),
        (
            noted(ruled(EXPERT, service_date=SHIFT), dates="quarter"),
            {"window": WINDOW, "visits": NOTES | {"start": "service_date"}},
            "visits.n: beside shifted dates",
        ),
        (
            noted(ruled(EXPERT, service_date=SHIFT, admit_date=rule("{shift_date: 30}")), dates="shift"),
            {"window": WINDOW},
            "its options must be the same everywhere",
        ),
    ],
    ids=["no rule", "no window", "period", "unit beside shift", "two shifts"],
)  # fmt: skip
def test_notes_that_would_tell_more_than_the_tables_are_refused(
    policy: Policy, fields: dict[str, Any], words: str
) -> None:
    """What stands in the way of shifted dates in columns stands in the way of shifted dates in notes."""
    with pytest.raises(PlanError) as caught:
        notes_plan(policy, **fields)
    assert words in caught.value.message


@pytest.mark.parametrize("options", [{}, {"replace": "surrogates"}, {"replace": "surrogates", "dates": "year"}])
def test_redacted_text_always_needs_an_expert(options: dict[str, str]) -> None:
    """Surrogates and coarse dates earn nothing more than tags: (b)(1), and neither list."""
    judgment = judge(notes_plan(noted(**options)))
    assert judgment.earned is Basis.EXPERT_DETERMINATION
    for basis in (Basis.SAFE_HARBOR, Basis.LIMITED_DATA_SET):
        assert "visits.n" in {finding.subject for finding in judgment.breaking(basis)}
    assert not [f for f in judgment.breaking(Basis.EXPERT_DETERMINATION) if f.subject == "visits.n"]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{redact_note: {replace: hashes}}", "replace is tags or surrogates"),
        ("{redact_note: {dates: day}}", "dates is tag or shift or year or quarter or month or week"),
        ("{redact_note: {places: keep}}", "redact_note has no option 'places'"),
        ("{redact_note: surrogates}", "redact_note takes no value"),
    ],
)
def test_options_that_do_not_exist_are_refused_with_their_place(tmp_path: Path, written: str, words: str) -> None:
    """A policy that asks for anything else is refused, with file, line and column."""
    path = tmp_path / "own.yaml"
    path.write_text(f"policy: own\nversion: 1\nbasis: expert_determination\nrules:\n  clinical_note: {written}\n")
    with pytest.raises(DocumentError) as caught:
        load_policy(path)
    assert words in caught.value.message
    assert "own.yaml:5" in str(caught.value)


def test_a_policy_writes_the_options_in_either_spelling(tmp_path: Path) -> None:
    """Options of redact_note have no first one; they are named."""
    path = tmp_path / "own.yaml"
    head = "policy: own\nversion: 1\nbasis: expert_determination\nrules:\n"
    path.write_text(
        head + "  clinical_note: {redact_note: {replace: surrogates, dates: shift}}\n  free_text: redact_note\n"
    )
    rules = load_policy(path).rules
    assert rules == {"clinical_note": RedactNote("surrogates", "shift"), "free_text": RedactNote("tags", "tag")}
    assert [rules[kind].derived for kind in rules] == [True, False]  # type: ignore[attr-defined]
