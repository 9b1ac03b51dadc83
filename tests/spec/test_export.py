"""What an export means, on tiny hand-drawn tables: who is in it, what is computed, what is the same and what is not."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tiny_sources import COLUMNS, DIAGNOSES, EXPERT, LIMITED, REQUESTED, SAFE, SOUND, World

from deid.errors import DisclosureError, PlanError
from deid.opening import open_release

COHORT = {
    "patients": """
        ID BIRTH      LAST SSN SEX ZIP
        p1 1980-05-05 A    1   F   02139
        p2 1950-01-02 B    2   M   94110
        p3 2000-02-29 C    3   F   10001
        p4 -          D    4   M   60601
    """,
    "encounters": """
        ENC PATIENT START      STOP       CLASS      COST
        e1  p1      2023-03-01 2023-03-04 inpatient  100
        e2  p1      2024-06-01 2024-06-01 emergency  200
        e3  p2      2024-12-31 2025-01-02 inpatient  300
        e4  p3      2025-01-01 2025-01-01 ambulatory 400
        e5  p4      -          -          emergency  500
    """,
    "diagnoses": """
        PATIENT ENC DX
        p1      e1  E11.65
        p1      e2  S72.001A
        p2      e3  e119
        p3      e4  I10
        p4      e5  -
        p2      -   E11
    """,
}
IDS = {
    "patients": ["ID", "SEX"],
    "encounters": ["ENC", "PATIENT", "CLASS", "COST"],
    "diagnoses": ["PATIENT", "ENC", "DX"],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all tests of this file."""
    return World(tmp_path_factory.mktemp("export") / "site")


@pytest.fixture(scope="module")
def cohort_source(world: World) -> Path:
    """Return the source of the cohort tests."""
    return world.source(**COHORT)


def costs(tables: dict[str, list[dict[str, Any]]]) -> list[int]:
    """Return which encounters were released, each told by its cost in hundreds."""
    return sorted(int(row["COST"]) // 100 for row in tables["encounters"])


@pytest.mark.parametrize(
    ("cohort", "encounters", "patients", "diagnoses"),
    [
        ({"patients": {"any": [{"icd10cm": ["E11"]}]}}, [1, 2, 3], 2, 4),
        ({"patients": {"any": [{"icd10cm": ["E11.6"]}]}}, [1, 2], 1, 2),
        ({"patients": {"any": [{"icd10cm": ["I1*"]}, {"icd10cm": ["S72"]}]}}, [1, 2, 4], 2, 3),
        ({"patients": {"all": [{"icd10cm": ["E11"]}, {"encounter_class": ["emergency"]}]}}, [1, 2], 1, 2),
        ({"patients": {"any": [{"encounter_class": ["emerg"]}]}}, [], 0, 0),
        ({"patients": {"any": [{"encounter_class": ["EMERG*"]}]}}, [1, 2, 5], 2, 3),
        ({"patients": {"any": [{"sex": ["F"]}]}}, [1, 2, 4], 2, 3),
        ({"patients": {"any": [{"service_date": {"from": "2024-12-31", "to": "2024-12-31"}}]}}, [3], 1, 2),
        ({"patients": {"any": [{"birth_date": {"to": "1950-01-02"}}]}}, [3], 1, 2),
        ({"patients": {"any": [{"charge_amount": {"from": 400}}]}}, [4, 5], 2, 2),
        ({"rows": {"any": [{"encounter_class": ["inpatient"]}]}}, [1, 3], 2, 2),
        ({"rows": {"all": [{"encounter_class": ["emergency"]}, {"age": {"from": 44}}]}}, [2], 1, 1),
        ({"rows": {"any": [{"age": {"from": 43, "to": 44}}]}}, [2], 1, 1),
        ({"rows": {"any": [{"service_date": {"from": "2025-01-01"}}]}}, [4], 1, 1),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_cohort_selects_whole_patients_or_matching_rows(
    world: World, cohort_source: Path, cohort: dict[str, Any], encounters: list[int], patients: int, diagnoses: int
) -> None:
    """Codes match below themselves, ranges at both ends, ages on the day of the visit, and a null matches nothing."""
    found = world.released(cohort_source, IDS, cohort=cohort)
    assert costs(found) == encounters
    assert len(found["patients"]) == patients
    assert len(found["diagnoses"]) == diagnoses


def test_rows_without_an_encounter_key_join_no_encounter(world: World) -> None:
    """A diagnosis whose encounter is not told is not delivered with the rows of some encounter that has no key."""
    more = COHORT["encounters"].rstrip() + "\n- p2 2025-03-03 2025-03-03 inpatient 600"
    source = world.source(**(COHORT | {"encounters": more}))
    found = world.released(source, IDS, cohort={"rows": {"any": [{"encounter_class": ["inpatient"]}]}})
    assert costs(found) == [1, 3, 6]
    assert sorted(row["DX"] for row in found["diagnoses"]) == ["E11.65", "e119"]


def test_a_period_selects_encounters_by_their_first_day(world: World, cohort_source: Path) -> None:
    """A stay from December into January belongs to the year in which it began, and to no other increment."""
    last, this = (world.released(cohort_source, IDS, period=year, series="increment") for year in ("2024", "2025"))
    assert (costs(last), costs(this)) == ([2, 3], [4])
    assert [row["DX"] for row in this["diagnoses"]] == ["I10"]
    assert len(this["patients"]) == 1


def test_a_period_looks_at_the_first_day_where_both_days_are_of_one_kind(world: World) -> None:
    """Where first and last day are both service dates, a stay is still delivered in one period only."""
    kinds = COLUMNS | {"encounters": COLUMNS["encounters"] | {"START": "service_date", "STOP": "service_date"}}
    source = world.source_of(COHORT, kinds)
    found = world.released(source, IDS, period="2025-01", series="increment")
    assert costs(found) == [4]


def test_a_claim_number_is_not_looked_for_among_encounters(world: World) -> None:
    """A table that has claims but no encounters follows its patient, as docs/formats/request.md says."""
    kinds = COLUMNS | {"claims": {"CLM": "claim_id", "PATIENT": "patient_id", "AMOUNT": "charge_amount"}}
    source = world.source_of(COHORT | {"claims": "CLM PATIENT AMOUNT\n c1 p1 7\n c2 p3 9"}, kinds)
    cohort = {"rows": {"any": [{"encounter_class": ["inpatient"]}]}}
    found = world.released(source, IDS | {"claims": ["CLM", "PATIENT", "AMOUNT"]}, cohort=cohort)
    assert [row["AMOUNT"] for row in found["claims"]] == [7.0]


def test_encounters_alone_need_no_column_of_the_population(world: World, cohort_source: Path) -> None:
    """A request for encounters only still knows the patients, though no column of theirs is asked for."""
    found = world.released(cohort_source, {"encounters": ["ENC", "PATIENT", "COST"]})
    assert costs(found) == [1, 2, 3, 4, 5]


def test_ages_in_the_population_need_no_birth_date(world: World) -> None:
    """A population that tells ages and no birth dates can be released where the law allows ages."""
    source = world.source_of({"patients": "ID AGE\n p1 30\n p2 95"}, {"patients": {"ID": "patient_id", "AGE": "age"}})
    assert sorted(row["AGE"] for row in world.released(source, {"patients": ["ID", "AGE"]})["patients"]) == [30, 95]


STAYS = """
    ENC PATIENT START      STOP       CLASS      COST
    e1  p1      2024-01-01 2024-01-05 inpatient  100
    e2  p1      2024-02-04 2024-02-04 INPATIENT  200
    e3  p1      2024-02-04 2024-02-10 acute      300
    e4  p1      2024-03-12 2024-03-12 emergency  400
    e5  p1      2024-03-13 2024-03-20 imp        500
    e6  p2      2024-01-06 2024-01-07 inpatient  600
    e7  p2      2024-03-20 -          inpatient  700
    e8  p2      2024-01-20 2024-01-10 inpatient  800
    e9  p3      1969-12-20 1969-12-25 inpatient  900
    e10 p3      1970-01-10 1970-01-11 inpatient  1000
    e11 p3      1955-03-01 1955-03-02 inpatient  1100
    e12 p3      1955-03-20 1955-03-21 inpatient  1200
"""


def test_readmission_counts_days_after_the_stay(world: World) -> None:
    """Thirty days after counts and thirty-one does not; the same day is a transfer; others' stays are others'."""
    source = world.source(patients=COHORT["patients"], encounters=STAYS, diagnoses="PATIENT ENC DX\np1 e1 I10")
    found = world.released(source, {"encounters": ["ENC", "PATIENT", "COST"]}, derive=["readmitted_30d"])
    told = {int(row["COST"]) // 100: row["readmitted_30d"] for row in found["encounters"]}
    assert told == {
        1: "yes",  # 30 days to e2 and e3
        2: "no",  # e3 begins on the day on which e2 ends: a transfer; e5 begins 38 days later
        3: "no",  # 31 days to the 12th would be an emergency visit, and 32 to e5
        4: None,  # no inpatient stay
        5: "no",  # p2's stay of the same week is not p1's
        6: "yes",  # 13 days to e8
        7: None,  # no last day
        8: None,  # ends before it begins
        9: "yes",  # over the turn of 1970
        10: "no",
        11: "yes",  # both before 1970
        12: "no",
    }


def test_readmission_at_exactly_thirty_and_thirty_one_days(world: World) -> None:
    """The thirtieth day after the last day of a stay is within 30 days; the thirty-first is not."""
    ends = date(2024, 1, 5)
    rows = [
        f"a{n} p{n} 2024-01-01 {ends} inpatient 100\nb{n} p{n} {ends + timedelta(days=days)} 2024-06-01 inpatient 900"
        for n, days in ((1, 30), (2, 31), (3, 0), (4, 1))
    ]
    source = world.source(patients=COHORT["patients"], encounters="\n".join([STAYS.strip().splitlines()[0], *rows]))
    tables = {"patients": ["ID", "ZIP"], "encounters": ["ENC", "PATIENT", "COST"]}
    found = world.released(source, tables, derive=["readmitted_30d"])
    zips = {row["ID"]: row["ZIP"] for row in found["patients"]}
    first = {zips[row["PATIENT"]]: row["readmitted_30d"] for row in found["encounters"] if row["COST"] == 100}
    assert first == {"02139": "yes", "94110": "no", "10001": "no", "60601": "yes"}


def test_ages_and_stays_are_exact(world: World) -> None:
    """Whole years are completed on the birthday, leap-day people's on 1 March; stays count nights; nulls stay null."""
    source = world.source(
        patients="""
            ID BIRTH      LAST SSN SEX ZIP
            p1 2000-02-29 A    1   F   02139
            p2 1990-07-15 B    2   F   02139
            p3 -          C    3   F   02139
        """,
        encounters="""
            ENC PATIENT START      STOP       CLASS     COST
            e1  p1      2018-02-28 2018-03-01 inpatient 100
            e2  p1      2018-03-01 2018-03-01 inpatient 200
            e3  p1      2020-02-28 2020-03-01 inpatient 300
            e4  p1      2020-02-29 2020-03-01 inpatient 400
            e5  p2      2020-07-14 2021-07-14 inpatient 500
            e6  p2      2020-07-15 2020-07-14 inpatient 600
            e7  p2      1990-07-15 -          inpatient 700
            e8  p2      1990-07-14 1990-07-20 inpatient 800
            e9  p2      -          2020-01-01 inpatient 900
            e10 p3      2020-01-01 2020-01-02 inpatient 1000
        """,
    )
    found = world.released(
        source, {"encounters": ["ENC", "PATIENT", "COST"]}, derive=["age_at_visit", "length_of_stay"]
    )
    told = {int(row["COST"]) // 100: (row["age_at_visit"], row["length_of_stay"]) for row in found["encounters"]}
    assert told == {
        1: (17, 1),
        2: (18, 0),
        3: (19, 2),
        4: (20, 1),
        5: (29, 365),
        6: (30, None),
        7: (0, None),
        8: (None, 6),
        9: (None, None),
        10: (None, 1),
    }


def test_a_measure_that_the_source_cannot_give_is_refused(world: World) -> None:
    """Without a second date there is no last day, and without a birth date no age: said before a row is read."""
    encounters = {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "service_date", "CLASS": "encounter_class"}
    tables = {"patients": "ID SEX\n p1 F", "encounters": "ENC PATIENT START CLASS\n e1 p1 2025-01-01 inpatient"}
    source = world.source_of(tables, {"patients": {"ID": "patient_id", "SEX": "sex"}, "encounters": encounters})
    for measure, kind in (
        ("length_of_stay", "discharge_date"),
        ("readmitted_30d", "discharge_date"),
        ("age_at_visit", "birth_date"),
    ):
        with pytest.raises(PlanError, match=kind):
            world.released(source, {"encounters": ["ENC", "PATIENT"]}, derive=[measure])


def test_a_linked_table_reaches_its_patient_through_claims(world: World) -> None:
    """Lines follow their claim's patient through cohorts; a claim without a number links nothing and hinders nobody."""
    kinds = {
        "patients": COLUMNS["patients"],
        "claims": {"CLM": "claim_id", "PATIENT": "patient_id", "DX": "icd10cm"},
        "lines": {"CLM": "claim_id", "HCPCS": "hcpcs"},
    }
    source = world.source_of(
        {
            "patients": COHORT["patients"],
            "claims": "CLM PATIENT DX\n c1 p1 E11.9\n c2 p2 I10\n - p1 E11\n - p3 I10",
            "lines": "CLM HCPCS\n c1 A0428\n c1 J1885\n c2 G0008",
        },
        kinds,
        links={"lines": {"to": "claims", "on": "CLM"}},
    )
    requested = {"patients": ["ID"], "lines": ["CLM", "HCPCS"], "claims": ["CLM", "PATIENT"]}
    everybody = world.released(source, requested)
    assert sorted(row["HCPCS"] for row in everybody["lines"]) == ["A0428", "G0008", "J1885"]
    assert {row["CLM"] for row in everybody["lines"]} <= {row["CLM"] for row in everybody["claims"]}
    diabetics = world.released(source, requested, cohort={"patients": {"any": [{"icd10cm": ["E11"]}]}})
    assert sorted(row["HCPCS"] for row in diabetics["lines"]) == ["A0428", "J1885"]
    by_code = world.released(source, requested, cohort={"patients": {"any": [{"hcpcs": ["G0008"]}]}})
    assert (len(by_code["patients"]), [row["HCPCS"] for row in by_code["lines"]]) == (1, ["G0008"])


def patients_by_zip(tables: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Return pseudonyms by what else tells the patients of the sound source apart."""
    return {row["ZIP"]: row["ID"] for row in tables["patients"]}


def test_keyed_pseudonyms_hold_across_runs_and_tables_and_differ_between_parties_and_requests(world: World) -> None:
    """One patient has one pseudonym in a series, and unrelated ones elsewhere."""
    source = world.source()
    request = world.request(source, REQUESTED, request="series-one")
    first, second = (
        {name: table.to_pylist() for name, table in world.site.tables(request, name=run).items()}
        for run in ("first", "second")
    )
    assert patients_by_zip(first) == patients_by_zip(second)
    key = patients_by_zip(first)["02139"]
    assert [row["DX"] for row in first["diagnoses"] if row["PATIENT"] == key] == ["E11.9"]
    assert [row["CLASS"] for row in first["encounters"] if row["PATIENT"] == key] == ["inpatient"]
    others = [
        world.released(source, REQUESTED, request="series-one", party="others", name="third"),
        world.released(source, REQUESTED, request="series-two"),
    ]
    seen = [set(patients_by_zip(tables).values()) for tables in (first, *others)]
    assert len(set.union(*seen)) == 6
    encounters = [{row["ENC"] for row in tables["encounters"]} for tables in (first, *others)]
    assert len(set.union(*encounters)) == 6


def test_random_pseudonyms_hold_in_a_series_and_nowhere_else(world: World) -> None:
    """The crosswalk gives a patient one pseudonym in all releases of a request, and another to each party and request."""
    source = world.source()
    study = {"policy": SAFE, "request": "one-study"}
    runs = [
        world.released(source, REQUESTED, party="one", name="first", **study),
        world.released(source, REQUESTED, party="one", name="second", **study),
        world.released(source, REQUESTED, party="two", name="third", **study),
        world.released(source, REQUESTED, party="one", policy=SAFE, request="another-study"),
    ]
    first, second, *others = [{row["SEX"]: row["ID"] for row in tables["patients"]} for tables in runs]
    assert first == second
    for other in others:
        assert not set(first.values()) & set(other.values())
    keyed = world.released(source, REQUESTED, party="one")
    assert not set(first.values()) & {row["ID"] for row in keyed["patients"]}


def k_policy(world: World, **limits: Any) -> Path:
    """Return a signed expert policy over sex and 20-year bands of birth."""
    limits = {"k": 3, "quasi_identifiers": ["birth_date", "sex"], "suppression": 0.4} | limits
    rules = {
        "patient_id": {"pseudonymize": "keyed"},
        "encounter_id": {"pseudonymize": "keyed"},
        "birth_date": {"generalize_date": {"to": "year", "width": 20, "floor_age": 90}},
        "sex": "keep",
        "icd10cm": {"generalize_code": {"prefix": 3}},
        "charge_amount": {"round": 100},
    }
    content = {"policy": "own", "version": 1, "basis": "expert_determination", "rules": rules, "limits": limits}
    return world.policy(content)


def crowd(world: World, classes: dict[tuple[str, str], int], visits: int = 1) -> Path:
    """Return a source with so many patients of each (year of birth, sex), each with so many visits and diagnoses."""
    people = [(year, sex) for (year, sex), count in classes.items() for _ in range(count)]
    patients = [f"p{i} {year}-05-05 A 1 {sex} 02139" for i, (year, sex) in enumerate(people)]
    lone = next(i for i, person in enumerate(people) if classes[person] == min(classes.values()))
    rows = [
        f"e{i}-{n} p{i} 2025-01-01 2025-01-02 inpatient {100 if i == lone else 900}"
        for i in range(len(people))
        for n in range(visits)
    ]
    diagnoses = [f"p{i} e{i}-0 {'Z99' if i == lone else 'I10'}" for i in range(len(people))]
    return world.source(
        patients="\n".join(["ID BIRTH LAST SSN SEX ZIP", *patients]),
        encounters="\n".join(["ENC PATIENT START STOP CLASS COST", *rows]),
        diagnoses="\n".join(["PATIENT ENC DX", *diagnoses]),
    )


COUNTED = {"patients": ["ID", "BIRTH", "SEX"], "encounters": ["ENC", "PATIENT", "COST"], "diagnoses": ["PATIENT", "DX"]}


def test_every_released_class_holds_k_patients_and_the_rest_leave_with_all_their_rows(world: World) -> None:
    """A patient with twelve visits counts once, and of a withheld patient no row of any table is released."""
    source = crowd(world, {("1985", "F"): 4, ("1985", "M"): 3, ("1950", "F"): 1}, visits=12)
    found = world.released(source, COUNTED, policy=k_policy(world))
    classes = Counter((row["BIRTH"], row["SEX"]) for row in found["patients"])
    assert classes == {(1980, "F"): 4, (1980, "M"): 3}
    released = {row["ID"] for row in found["patients"]}
    assert len(found["encounters"]) == 7 * 12
    assert {row["PATIENT"] for row in found["encounters"]} == released
    assert {row["COST"] for row in found["encounters"]} == {900.0}
    assert {row["PATIENT"] for row in found["diagnoses"]} == released
    assert {row["DX"] for row in found["diagnoses"]} == {"I10"}


def test_suppression_beyond_its_share_and_hopeless_recodings_are_refused(world: World) -> None:
    """Half of the patients is more than the policy's 40 %; where no class reaches k nothing can be released."""
    half = crowd(world, {("1985", "F"): 4, ("1985", "M"): 2, ("1950", "F"): 2})
    with pytest.raises(DisclosureError, match=r"50\.0 %"):
        world.released(half, COUNTED, policy=k_policy(world))
    with pytest.raises(DisclosureError, match="no class"):
        world.released(half, COUNTED, policy=k_policy(world, k=5))
    assert not [name for name in world.site.leftovers() if ".staging" in name]


def test_k_is_counted_in_the_cohort_and_not_in_the_source(world: World) -> None:
    """Four women in the source do not hide the two of them who were chosen."""
    source = crowd(world, {("1985", "F"): 4, ("1985", "M"): 5})
    chosen = {"patients": {"any": [{"charge_amount": {"to": 100}}, {"sex": ["M"]}]}}
    found = world.released(source, COUNTED, policy=k_policy(world), cohort=chosen)
    assert Counter(row["SEX"] for row in found["patients"]) == {"M": 5}


def test_a_class_that_only_others_have_does_not_matter(world: World) -> None:
    """The last class of the source may be one that nobody of the cohort is in."""
    source = crowd(world, {("1985", "M"): 5, ("1985", "F"): 2})
    found = world.released(source, COUNTED, policy=k_policy(world), cohort={"patients": {"any": [{"sex": ["M"]}]}})
    assert Counter(row["SEX"] for row in found["patients"]) == {"M": 5}


@pytest.mark.parametrize(("birth", "age"), [("1937-12-31", 90), ("1938-01-01", 80)])
def test_the_ninetieth_birthday_on_the_last_day_closes_a_patient(world: World, birth: str, age: int) -> None:
    """Who turns 90 on the day the release expires is closed at every visit; who turns 90 a day later is not."""
    source = world.source(
        patients=f"ID BIRTH LAST SSN SEX ZIP\n p1 {birth} A 1 F 02139",
        encounters="ENC PATIENT START STOP CLASS COST\n e1 p1 2018-06-01 2018-06-02 inpatient 100",
    )
    found = world.released(
        source,
        {"patients": ["ID", "BIRTH"], "encounters": ["ENC", "PATIENT"]},
        policy=SAFE,
        derive=["age_at_visit"],
        expires="2027-12-31",
    )
    assert found["encounters"][0]["age_at_visit"] == age
    assert found["patients"][0]["BIRTH"] == int(birth[:4])


def test_birth_years_from_90_on_are_one_class(world: World) -> None:
    """Years of birth that tell an age over 89 before the release expires are written as the floor year."""
    births = ("1912-01-01", "1936-12-31", "1937-06-01", "1937-12-31", "1938-01-01")
    rows = [f"p{i} {birth} A 1 F 02139" for i, birth in enumerate(births)]
    source = world.source(patients="\n".join(["ID BIRTH LAST SSN SEX ZIP", *rows]))
    found = world.released(source, {"patients": ["ID", "BIRTH"]}, policy=SAFE, expires="2027-06-15")
    assert Counter(row["BIRTH"] for row in found["patients"]) == {1937: 4, 1938: 1}


def shift_policy(world: World, max_days: int = 30, **options: Any) -> Path:
    """Return a signed expert policy that shifts every date."""
    shift = {"max_days": max_days} | options
    rules: dict[str, Any] = {
        "patient_id": {"pseudonymize": "keyed"},
        "encounter_id": {"pseudonymize": "keyed"},
        **{kind: {"shift_date": dict(shift)} for kind in ("birth_date", "admit_date", "discharge_date")},
        "zip_code": "keep",
        "charge_amount": "keep",
    }
    return world.policy({"policy": "own", "version": 1, "basis": "expert_determination", "rules": rules})


@pytest.mark.parametrize("method", ["keyed", "random"])
def test_dates_of_a_patient_move_together_and_the_ends_of_the_window_are_cut(world: World, method: str) -> None:
    """One offset serves all tables of a patient, so intervals stay; no date shows within the cut at either end."""
    births = {f"p{i}": date(1980, 1, 1) + timedelta(days=37 * i) for i in range(40)}
    visits = [date(2024, 1, 1) + timedelta(days=5 * n) for n in range(73)]
    source = world.source(
        patients="\n".join(
            ["ID BIRTH LAST SSN SEX ZIP", *(f"{p} {birth} A 1 F {10000 + int(p[1:])}" for p, birth in births.items())]
        ),
        encounters="\n".join(
            [
                "ENC PATIENT START STOP CLASS COST",
                *(f"{p}-{n} {p} {day} {day + timedelta(days=n % 9)} inpatient {n}" for p in births for n, day in enumerate(visits)),
            ]
        ),
    )  # fmt: skip
    tables = {"patients": ["ID", "BIRTH", "ZIP"], "encounters": ["ENC", "PATIENT", "START", "STOP", "COST"]}
    window = {"from": "2024-01-01", "to": "2024-12-31"}
    found = world.released(source, tables, policy=shift_policy(world, method=method), window=window)
    true = {str(10000 + int(p[1:])): birth for p, birth in births.items()}
    offsets = {row["ID"]: row["BIRTH"] - true[row["ZIP"]] for row in found["patients"]}
    assert len(set(offsets.values())) > 10
    assert all(abs(offset.days) <= 30 for offset in offsets.values())
    first, last = date(2024, 1, 31), date(2024, 12, 1)
    shown = 0
    for row in found["encounters"]:
        start = visits[int(row["COST"])]
        for column, day in (("START", start), ("STOP", start + timedelta(days=int(row["COST"]) % 9))):
            moved = day + offsets[row["PATIENT"]]
            assert row[column] == (moved if first <= moved <= last else None)
            shown += row[column] is not None
    assert shown > 40 * 73


@pytest.mark.parametrize("method", ["keyed", "random"])
def test_offsets_differ_between_parties(tmp_path: Path, method: str) -> None:
    """Two parties find different offsets for one patient; random ones are drawn, and gone with the crosswalk."""
    world = World(tmp_path / "site")
    rows = [f"p{i} 1980-01-01 A 1 F {10000 + i}" for i in range(20)]
    source = world.source(patients="\n".join(["ID BIRTH LAST SSN SEX ZIP", *rows]))
    policy, window = shift_policy(world, 300, method=method), {"from": "2020-01-01", "to": "2024-12-31"}
    tables = {"patients": ["ID", "BIRTH", "ZIP"]}

    def run(party: str, name: str) -> dict[str, date]:
        fields = {"policy": policy, "window": window, "request": "shifted", "party": party, "name": name}
        return {row["ZIP"]: row["BIRTH"] for row in world.released(source, tables, **fields)["patients"]}

    one, again, two = run("one", "a"), run("one", "b"), run("two", "c")
    assert one == again
    assert sum(one[zip_code] != two[zip_code] for zip_code in one) > 15
    if method == "random":
        shutil.rmtree(world.site.site.state)  # with the log, which would know that a crosswalk is missing
        drawn = run("one", "d")
        assert sum(one[zip_code] != drawn[zip_code] for zip_code in one) > 15


def test_the_columns_profile_opens_with_the_sites_provider(world: World) -> None:
    """The same rows come out of either profile; without the provider the data of `columns` stay closed."""
    source = world.source()
    portable = world.released(source, REQUESTED, request="profiles")
    request = world.request(source, REQUESTED, request="profiles", profile="columns")
    done = world.site.run(request, name="columns")
    opened = open_release(done.folder, [], provider=world.site.provider)
    found = {name: opened.read(name).to_pylist() for name in opened.tables}
    assert {name: sorted(map(str, rows)) for name, rows in found.items()} == {
        name: sorted(map(str, rows)) for name, rows in portable.items()
    }


def test_the_three_policies_release_what_they_say(tmp_path: Path) -> None:
    """On the sound source: whole dates under the Limited Data Set, years under Safe Harbor and for an expert."""
    world = World(tmp_path / "site")
    source = world.source()
    limited = world.released(source, REQUESTED, policy=LIMITED)
    safe = world.released(source, REQUESTED, policy=SAFE)
    rows = [f"p{i} 1985-01-01 A 1 F 02139" for i in range(11)]
    visits = [f"e{i} p{i} 2025-07-23 2025-07-25 inpatient 100" for i in range(11)]
    crowded = world.source(
        patients="\n".join(["ID BIRTH LAST SSN SEX ZIP", *rows]),
        encounters="\n".join(["ENC PATIENT START STOP CLASS COST", *visits]),
        diagnoses="PATIENT ENC DX\n p1 e1 E11.65",
    )
    tables = REQUESTED | {"patients": ["ID", "BIRTH", "SEX"]}
    expert = world.released(crowded, tables, policy=EXPERT)
    inpatient = [row for row in limited["encounters"] if row["CLASS"] == "inpatient"]
    assert [(row["START"], row["STOP"]) for row in inpatient] == [(date(2025, 7, 23), date(2025, 7, 25))]
    assert Counter((row["BIRTH"], row["ZIP"]) for row in safe["patients"]) == {(1987, "021"): 1, (1950, "941"): 1}
    assert {(row["START"], row["STOP"]) for row in safe["encounters"]} == {(2025, 2025)}
    assert {(row["START"], row["STOP"]) for row in expert["encounters"]} == {(2025, 2025)}
    assert [row["DX"] for row in expert["diagnoses"]] == ["IV"]  # a code of one patient, at its chapter


def test_an_empty_cohort_is_released_as_empty_tables(world: World) -> None:
    """That nobody matched is an answer: the release has every table and column, and no row."""
    found = world.released(world.source(), REQUESTED, cohort={"patients": {"any": [{"icd10cm": ["Z99"]}]}})
    assert found == {name: [] for name in SOUND}
    assert set(DIAGNOSES) == set(REQUESTED["diagnoses"])
