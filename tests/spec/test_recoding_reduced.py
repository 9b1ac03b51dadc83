"""A column of visits that counts as one value of the patient: which one, in every row, and what stands in its way."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from recodings import AGES, people, recoding_policy
from tiny_sources import World

from deid import legal
from deid.errors import DisclosureError, PlanError

ASKED = {"patients": ["ID", "SEX"], "encounters": ["ENC", "PATIENT", "CLASS", "COST"]}
TIMELESS = {"patients": ["ID", "SEX"], "encounters": ["ENC", "PATIENT", "COST"]}
SEXES: dict[str, Any] = {"quasi_identifiers": ["sex"], "recoding": None}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for the module."""
    return World(tmp_path_factory.mktemp("reduced") / "site")


def three(*visits: str) -> str:
    """Return the visits, `day class cost`, of each of three patients."""
    return "\n".join(
        f"e{p}{n} p{p} {day} - {' '.join(rest)}"
        for p in range(3)
        for n, (day, *rest) in enumerate(map(str.split, visits))
    )


def shown(rows: list[dict[str, Any]], column: str) -> set[Any]:
    """Return the one value that all rows of each patient show; they must not differ within a patient."""
    by_patient: dict[str, set[Any]] = {}
    for row in rows:
        by_patient.setdefault(row["PATIENT"], set()).add(row[column])
    assert all(len(values) == 1 for values in by_patient.values())
    return {value for values in by_patient.values() for value in values}


@pytest.mark.parametrize(
    ("take", "visits", "expected"),
    [
        ("first", ["2025-03-01 emergency 1", "2025-01-01 inpatient 1", "2025-02-01 ambulatory 1"], "inpatient"),
        ("last", ["2025-02-01 emergency 1", "2025-03-01 inpatient 1", "2025-01-01 ambulatory 1"], "inpatient"),
        ("most", ["2025-02-01 emergency 1", "2025-03-01 inpatient 1", "2025-01-01 inpatient 1"], "inpatient"),
        ("least", ["2025-02-01 emergency 1", "2025-03-01 inpatient 1", "2025-01-01 ambulatory 1"], "ambulatory"),
        ("greatest", ["2025-02-01 emergency 1", "2025-03-01 inpatient 1", "2025-01-01 ambulatory 1"], "inpatient"),
        ("first", ["2025-01-01 emergency 1", "2025-01-01 ambulatory 1", "2025-01-01 inpatient 1"], "ambulatory"),
        ("last", ["2025-01-01 emergency 1", "2025-01-01 ambulatory 1", "2025-01-01 inpatient 1"], "ambulatory"),
        ("most", ["2025-01-01 emergency 1", "2025-01-02 ambulatory 1", "2025-01-01 inpatient 1"], "ambulatory"),
        ("first", ["- ambulatory 1", "2025-01-01 emergency 1"], "emergency"),
        ("last", ["- ambulatory 1", "2025-01-01 emergency 1"], "emergency"),
        ("first", ["2025-01-02 ambulatory 1", "2025-01-01 - 1"], None),
        ("first", ["2025-01-01 ambulatory 1", "2025-01-01 - 1"], "ambulatory"),
        ("most", ["2025-01-01 - 1", "2025-01-02 - 1", "2025-01-03 ambulatory 1"], None),
        ("most", ["2025-01-01 - 1", "2025-01-03 ambulatory 1"], "ambulatory"),
        ("least", ["2025-01-01 - 1", "2025-01-03 ambulatory 1"], "ambulatory"),
        ("greatest", ["2025-01-01 - 1", "2025-01-03 ambulatory 1"], "ambulatory"),
        ("least", ["2025-01-01 - 1"], None),
    ],
)
def test_every_row_shows_the_value_that_the_rule_takes(
    world: World, take: str, visits: list[str], expected: str | None
) -> None:
    """By the day of the visit, or in most rows, or by size; ties go to the smaller text, a text before a null."""
    source = people(world, [("1981-05-05", "F")] * 3, three(*visits))
    policy = recoding_policy(world, **SEXES, reduced={"encounters.CLASS": take})
    found = world.released(source, ASKED, policy=policy)
    assert len(found["encounters"]) == 3 * len(visits)
    assert shown(found["encounters"], "CLASS") == {expected}


def test_amounts_are_taken_by_size_and_not_by_text(world: World) -> None:
    """Nine hundred is less than twelve hundred."""
    source = people(world, [("1981-05-05", "F")] * 3, three("2025-01-01 a 1200", "2025-01-02 a 900"))
    for take, expected in (("least", 900.0), ("greatest", 1200.0), ("most", 1200.0)):
        policy = recoding_policy(world, **SEXES, reduced={"encounters.COST": take})
        found = world.released(source, ASKED, policy=policy)
        assert shown(found["encounters"], "COST") == {expected}, take


def test_a_reduced_column_counts_in_the_vector(world: World) -> None:
    """Of six of one sex, three inpatients are enough and three of other kinds are withheld or refused."""
    visits = "\n".join(f"e{i} p{i} 2025-01-01 - {kind} 1" for i, kind in enumerate(["imp"] * 3 + ["amb", "amb", "er"]))
    source = people(world, [("1981-05-05", "F")] * 6, visits)
    policy = recoding_policy(world, **(SEXES | {"suppression": 0.5}), reduced={"encounters.CLASS": "first"})
    found = world.released(source, ASKED, policy=policy)
    assert Counter(row["CLASS"] for row in found["encounters"]) == {"imp": 3}
    assert len(found["patients"]) == 3
    strict = recoding_policy(world, **SEXES, reduced={"encounters.CLASS": "first"})
    with pytest.raises(DisclosureError):
        world.released(source, ASKED, policy=strict)
    # Without the promise to count it, the class of the visit is not counted: the expert weighs it.
    assert len(world.released(source, ASKED, policy=recoding_policy(world, **SEXES))["patients"]) == 6


def test_a_patient_without_a_row_counts_like_one_with_an_empty_cell(world: World) -> None:
    """Nobody can tell the value of either."""
    visits = "e0 p0 2025-01-01 - - 1\ne1 p1 2025-01-01 - - 1\n"
    source = people(world, [("1981-05-05", "F")] * 3, visits)
    policy = recoding_policy(world, **SEXES, reduced={"encounters.CLASS": "most"})
    found = world.released(source, ASKED, policy=policy)
    assert (len(found["patients"]), shown(found["encounters"], "CLASS")) == (3, {None})


def test_a_reduced_column_has_a_ladder_of_its_own(world: World) -> None:
    """Ages at the first visit of 41, 44 and 48 leave as one band of ten years."""
    births = [("1983-05-05", "F"), ("1980-05-05", "F"), ("1976-05-05", "F")]
    limits = {"quasi_identifiers": ["sex", "age"], "recoding": {"age": AGES}, "reduced": {"age_at_visit": "first"}}
    found = world.released(
        people(world, births), TIMELESS, policy=recoding_policy(world, **limits), derive=["age_at_visit"]
    )
    assert shown(found["encounters"], "age_at_visit") == {40}


def test_only_rows_that_leave_are_reduced(world: World) -> None:
    """What a cohort of rows leaves out must not tell by the value of what it lets through."""
    source = people(
        world,
        [("1981-05-05", "F")] * 3,
        three("2025-01-01 ambulatory 1", "2025-01-02 emergency 500", "2025-01-03 inpatient 500"),
    )
    policy = recoding_policy(world, **SEXES, reduced={"encounters.CLASS": "first"})
    costly = {"rows": {"any": [{"charge_amount": {"from": 100}}]}}
    found = world.released(source, ASKED, policy=policy, cohort=costly)
    assert (len(found["encounters"]), shown(found["encounters"], "CLASS")) == (6, {"emergency"})


def test_a_measure_of_what_is_observed_is_reduced_when_it_is_known(world: World) -> None:
    """A readmission is told by stays of other rows, and a flag by codes of other tables."""
    visits = three("2025-01-01 inpatient 1", "2025-01-20 inpatient 1").replace(" - ", " 2025-01-20 ")
    source = people(world, [("1981-05-05", "F")] * 3, visits)
    limits = SEXES | {"reduced": {"encounters.readmitted_30d": "greatest"}}
    policy = recoding_policy(world, rules={"readmission": "keep"}, **limits)
    found = world.released(source, TIMELESS, policy=policy, derive=["readmitted_30d"])
    assert shown(found["encounters"], "readmitted_30d") <= {"yes", "no"}


def test_several_columns_are_reduced_apart(world: World) -> None:
    """Each by its own rule, and both count."""
    source = people(world, [("1981-05-05", "F")] * 3, three("2025-01-01 emergency 100", "2025-01-02 ambulatory 900"))
    policy = recoding_policy(world, **SEXES, reduced={"encounters.CLASS": "first", "encounters.COST": "greatest"})
    found = world.released(source, ASKED, policy=policy)
    assert shown(found["encounters"], "CLASS") == {"emergency"}
    assert shown(found["encounters"], "COST") == {900.0}


def test_a_reduced_column_that_is_not_requested_counts_nothing(world: World) -> None:
    """A policy serves many requests; what does not leave needs no counting."""
    source = people(world, [("1981-05-05", "F")] * 3)
    policy = recoding_policy(world, **SEXES, reduced={"encounters.CLASS": "first", "age_at_visit": "first"})
    found = world.released(source, TIMELESS, policy=policy)
    assert (len(found["patients"]), len(found["encounters"])) == (3, 3)


@pytest.mark.parametrize(
    ("reduced", "words"),
    [
        ({"encounters.CLAS": "first"}, "encounters.CLAS: dataset tiny describes no such column"),
        ({"visits.CLASS": "first"}, "visits.CLASS: dataset tiny describes no such column"),
        ({"CLASS": "first"}, "neither table and column, nor a derived measure"),
        ({"patients.SEX": "first"}, "a patient has one row in patients"),
        ({"encounters.PATIENT": "first"}, "patient_id has no value that could stand for a patient"),
        ({"diagnoses.DX": "last"}, "last needs a day of a visit in diagnoses"),
    ],
)
def test_a_reduction_that_cannot_be_is_refused_before_a_row_is_read(
    world: World, reduced: dict[str, str], words: str
) -> None:
    """A name that is mistyped would leave its column uncounted."""
    request = world.request(people(world, [("-", "F")]), ASKED, policy=recoding_policy(world, **SEXES, reduced=reduced))
    with pytest.raises(PlanError, match=re.escape(words)):
        world.site.plan(request)


def test_what_was_released_must_be_checkable(world: World) -> None:
    """Rows that nobody can lay beside their patients are not reduced: their pseudonyms are asked for."""
    policy = recoding_policy(world, **SEXES, reduced={"encounters.CLASS": "first"})
    source = people(world, [("-", "F")])
    for lacking in ({"patients": ["SEX"]}, {"encounters": ["ENC", "CLASS"]}):
        with pytest.raises(PlanError, match="ask for the patient's pseudonym"):
            world.site.plan(world.request(source, ASKED | lacking, policy=policy))


def test_an_age_stands_beside_no_date_of_a_visit(world: World) -> None:
    """An age and its date tell a birth date that nobody counted, coarse as both may be; each alone may leave."""
    limits = {"quasi_identifiers": ["sex", "age"], "recoding": {"age": AGES}, "reduced": {"age_at_visit": "first"}}
    policy, source = recoding_policy(world, **limits), people(world, [("-", "F")])

    def judged(**encounters: Any) -> list[str]:
        tables = {"patients": ["ID", "SEX"], "encounters": ["ENC", "PATIENT", *encounters.pop("columns", ())]}
        judgment = legal.judge(world.site.plan(world.request(source, tables, policy=policy, **encounters)))
        return [finding.subject for finding in judgment.breaking(judgment.claimed)]

    assert judged(derive=["age_at_visit"]) == []
    assert judged(columns=["START"]) == []
    assert judged(columns=["START"], derive=["age_at_visit"]) == ["encounters.age_at_visit"]


def test_what_belongs_to_the_patient_leaves_other_tables_only_reduced(world: World) -> None:
    """An age of each visit is refused under k as ever."""
    policy = recoding_policy(world, rules={"age": AGES[2]}, **SEXES)
    tables = {"patients": ["ID", "SEX"], "encounters": ["ENC", "PATIENT"]}
    request = world.request(people(world, [("-", "F")]), tables, policy=policy, derive=["age_at_visit"])
    with pytest.raises(PlanError, match=r"limits\.reduced"):
        legal.require(world.site.plan(request))


def test_the_codebook_tells_that_rows_show_one_value(world: World) -> None:
    """Else a researcher would take it for the value of the visit."""
    source = people(world, [("1981-05-05", "F")] * 3)
    policy = recoding_policy(world, **SEXES, reduced={"encounters.CLASS": "first"})
    done = world.site.run(world.request(source, ASKED, policy=policy))
    codebook = Path(done.folder / "codebook.md").read_text()
    assert "one value of the patient, that of the first visit, as the patient's class shows it" in codebook
