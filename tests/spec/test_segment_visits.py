"""What goes with a row that a segment tells: docs/formats/choices.md, "What is told" and "Visits"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from choices import ASKED, KINDS, SOURCE, dates, policy
from tiny_sources import World

from deid.errors import DocumentError, PlanError

PATIENTS = {"patients": SOURCE["patients"]}
ENCOUNTERS = {"encounters": SOURCE["encounters"]}
UNMARKED = KINDS | {"encounters": KINDS["encounters"] | {"PROGRAM": "indicator"}}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One site for all tests."""
    return World(tmp_path_factory.mktemp("visits"))


def drugs_of(world: World, more: str, segments: dict[str, Any] | None = None) -> set[str]:
    """Return the drugs that are released where the source has some more."""
    dataset = world.source_of(SOURCE | {"drugs": f"{SOURCE['drugs']}\n{more}"}, KINDS)
    return {row["DRUG"] for row in world.released(dataset, ASKED, policy=policy(world, segments))["drugs"]}


LINES = {
    "claims": {"PATIENT": "patient_id", "ENC": "encounter_id", "CLAIM": "claim_id", "START": "service_date"},
    "lines": {"PATIENT": "patient_id", "CLAIM": "claim_id", "HCPCS": "hcpcs"},
}
LINE_ROWS = {
    "claims": "PATIENT ENC CLAIM START\np1 e1 c1 2025-01-10\np1 e2 c2 2025-02-10",
    "lines": "PATIENT CLAIM HCPCS\np1 c1 A0001\np1 c2 A0002",
}


def test_a_table_that_nobody_asks_for_joins_visits_all_the_same(world: World) -> None:
    """The claims tell which line is of which visit, though claims are not released."""
    kinds = {t: KINDS[t] for t in ("patients", "encounters")} | LINES
    dataset = world.source_of(PATIENTS | ENCOUNTERS | LINE_ROWS, kinds)
    rows = world.released(dataset, {"patients": ["ID"], "lines": ["PATIENT", "HCPCS"]})
    assert [row["HCPCS"] for row in rows["lines"]] == ["A0001"]


def test_numbers_that_nothing_joins_to_a_told_visit_are_refused(world: World) -> None:
    """Without the claims nobody knows which line is of a program."""
    kinds = {t: KINDS[t] for t in ("patients", "encounters")} | {"lines": LINES["lines"]}
    dataset = world.source_of(PATIENTS | ENCOUNTERS | {"lines": LINE_ROWS["lines"]}, kinds)
    with pytest.raises(PlanError, match="lines: neither a cell nor the number of a visit"):
        world.released(dataset, {"patients": ["ID"], "lines": ["PATIENT", "HCPCS"]})


def test_a_link_joins_rows_whose_keys_are_described_as_different_things(world: World) -> None:
    """The stay goes with its code, though one end of the link is a number of a visit and the other any number."""
    kinds = {
        "patients": KINDS["patients"],
        "stays": {"SK": "unique_id", "PATIENT": "patient_id", "START": "admit_date"},
        "codes": {"STAY": "encounter_id", "DX": "icd10cm"},
    }
    tables = PATIENTS | {
        "stays": "SK PATIENT START\ns1 p1 2025-01-10\ns2 p1 2025-02-10",
        "codes": "STAY DX\ns1 E11.9\ns2 F11.20",
    }
    dataset = world.source_of(tables, kinds, links={"codes": {"to": "stays", "on": "STAY", "key": "SK"}})
    asked = {"patients": ["ID"], "stays": ["PATIENT", "START"], "codes": ["DX"]}
    rows = world.released(dataset, asked, policy=policy(world, {"substance_use": "exclude"}))
    assert dates(rows["stays"]) == ["2025-01-10"]
    assert [row["DX"] for row in rows["codes"]] == ["E11.9"]


def test_a_corrected_claim_goes_with_the_claim_that_it_corrects(world: World) -> None:
    """It names that claim in a second number; the code was taken out of it, and the visit is the same."""
    columns = {
        "PATIENT": "patient_id",
        "CLAIM": "claim_id",
        "WAS": "claim_id",
        "START": "service_date",
        "DX": "icd10cm",
    }
    rows = "p1 c1 - 2025-01-10 F11.20\np1 c2 c1 2025-01-10 I10\np1 c3 - 2025-01-11 E11.9"
    dataset = world.source_of(
        PATIENTS | {"claims": f"PATIENT CLAIM WAS START DX\n{rows}"}, {"patients": KINDS["patients"], "claims": columns}
    )
    chosen = policy(world, {"substance_use": "exclude"})
    released = world.released(dataset, {"patients": ["ID"], "claims": ["PATIENT", "DX"]}, policy=chosen)
    assert [row["DX"] for row in released["claims"]] == ["E11.9"]


def test_a_row_of_no_known_visit_goes_with_any_told_visit_of_its_patient(world: World) -> None:
    """It may be of that visit; of a patient of whom nothing is told it stays."""
    assert {"A0008", "A0009"} & drugs_of(world, "p1 - A0009\np2 - A0008") == {"A0008"}


def test_who_has_nothing_left_among_what_is_released_leaves(world: World) -> None:
    """A row of a table that nobody asked for keeps no patient in whose every visit was left out."""
    dataset = world.source_of(SOURCE | {"drugs": f"{SOURCE['drugs']}\np3 e99 A0009"}, KINDS)
    asked = {table: ASKED[table] for table in ("patients", "encounters")}
    rows = world.released(dataset, asked, policy=policy(world, {"substance_use": "exclude"}))
    assert "1975-05-05" not in {str(row["BIRTH"]) for row in rows["patients"]}
    coded = {t: KINDS[t] for t in ("patients", "diagnoses")}
    only = world.source_of({t: SOURCE[t] for t in coded}, coded)
    rows = world.released(only, {"patients": ["ID", "BIRTH"]}, policy=policy(world, {"substance_use": "exclude"}))
    assert "1975-05-05" not in {str(row["BIRTH"]) for row in rows["patients"]}


def test_a_patient_of_whom_two_rows_say_different_things_may_be_either(world: World) -> None:
    """Whichever row counts for the release: who may be a minor is left out, and who may be in the state."""
    changed = {"patients": f"{SOURCE['patients']}\np4 1960-06-06 M CA\np5 1990-09-09 F NY"}
    changed["patients"] = changed["patients"].replace("1990-09-09 F   -", "1990-09-09 F   CA")
    chosen = policy(world, {"minors": "exclude", "hiv": {"exclude": "visits", "states": ["CA"]}})
    rows = world.released(world.source_of(SOURCE | changed, KINDS), ASKED, policy=chosen, on_bad_row="quarantine")
    assert not {"2025-04-01", "2025-05-01"} & set(dates(rows["encounters"]))


def test_ages_tell_minors_where_nobody_has_a_birth_date(world: World) -> None:
    """Days alone then tell nothing, and leave nobody out; who has no age may be a minor."""
    kinds = {
        "patients": {"ID": "patient_id", "SEX": "sex"},
        "encounters": {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date", "AGE": "age"},
        "codes": {"PATIENT": "patient_id", "ENC": "encounter_id", "ON": "service_date", "DX": "icd10cm"},
    }
    tables = {
        "patients": "ID SEX\np1 F\np2 M",
        "encounters": "ENC PATIENT START AGE\ne1 p1 2025-01-10 40\ne2 p2 2025-02-10 12\ne3 p1 2025-02-11 -",
        "codes": "PATIENT ENC ON DX\np1 e1 2025-01-10 I10\np2 e2 2025-02-10 E11.9",
    }
    asked = {"patients": ["ID"], "encounters": ["PATIENT", "START"], "codes": ["PATIENT", "DX"]}
    rows = world.released(world.source_of(tables, kinds), asked, policy=policy(world, {"minors": "exclude"}))
    assert dates(rows["encounters"]) == ["2025-01-10"]
    assert [row["DX"] for row in rows["codes"]] == ["I10"]


def test_a_code_belongs_by_the_rules_of_any_day_of_its_stay(world: World) -> None:
    """A stay over the first of October 2007 is grouped by the rules of its last day."""
    columns = {
        "ENC": "encounter_id",
        "PATIENT": "patient_id",
        "START": "admit_date",
        "END": "discharge_date",
        "DRG": "drg",
    }
    stays = "e1 p1 2007-09-20 2007-10-05 897\ne2 p2 2007-09-20 2007-10-05 203"
    dataset = world.source_of(
        PATIENTS | {"encounters": f"ENC PATIENT START END DRG\n{stays}"},
        {"patients": KINDS["patients"], "encounters": columns},
    )
    chosen = policy(world, {"substance_use": "exclude"})
    rows = world.released(dataset, {"patients": ["ID"], "encounters": ["PATIENT", "DRG"]}, policy=chosen)
    assert [row["DRG"] for row in rows["encounters"]] == ["203"]


def test_where_facilities_have_states_every_telling_row_must_say_its_own(world: World) -> None:
    """The patient's state says nothing of the law that holds where the code was written."""
    kinds = KINDS | {"encounters": KINDS["encounters"] | {"PROGRAM": "facility_state"}}
    dataset = world.source_of(SOURCE, kinds)
    with pytest.raises(PlanError, match="diagnoses: tells of segment hiv, and not in which state"):
        world.released(dataset, ASKED, policy=policy(world, {"hiv": {"exclude": "visits", "states": ["CA"]}}))
    world.released(dataset, ASKED, policy=policy(world, {"hiv": "exclude"}))


def test_a_row_is_in_the_state_of_any_of_its_facilities(world: World) -> None:
    """Of two that are named either may be where the law holds; where one alone is, it decides."""
    columns = {"PATIENT": "patient_id", "ENC": "encounter_id", "DX": "icd10cm", "BY": "facility_state",
               "AT": "facility_state"}  # fmt: skip
    rows = "p1 e1 B20 NY CA\np2 e2 B20 NY -\np3 e3 B20 - CA\np1 e4 B20 - -\np2 e5 B20 NY 05\np2 e6 B20 - -"
    tables = PATIENTS | {"codes": f"PATIENT ENC DX BY AT\n{rows}"}
    dataset = world.source_of(tables, {"patients": KINDS["patients"], "codes": columns})
    chosen = policy(world, {"hiv": {"exclude": "visits", "states": ["CA"]}})
    released = world.released(dataset, {"patients": ["ID"], "codes": ["PATIENT", "BY", "DX"]}, policy=chosen)
    assert sorted(row["BY"] or "" for row in released["codes"]) == ["", "NY"]


def test_part_2_is_the_law_of_every_state(world: World) -> None:
    """Narrowed to some, rows of the others would leave without a basis."""
    with pytest.raises(DocumentError, match="an option that part2 does not have"):
        policy(world, {"part2": {"exclude": "visits", "states": ["CA"]}})


def test_a_mark_in_a_table_that_is_never_read_is_refused(world: World) -> None:
    """Programs that stand in a reference table would be released as if nobody had marked them."""
    kinds = UNMARKED | {"providers": {"PROVIDER": "provider_id", "PROGRAM": "part2"}}
    with pytest.raises(DocumentError, match="providers: says who is a program under 42 CFR Part 2"):
        world.released(world.source_of(SOURCE | {"providers": "PROVIDER PROGRAM\n1 yes"}, kinds), ASKED)


def test_the_number_of_a_program_may_have_become_a_fraction(world: World) -> None:
    """Data frames write 1111111112.0 for it."""
    kinds = KINDS | {"encounters": KINDS["encounters"] | {"PROGRAM": "npi"}}
    text = SOURCE["encounters"].replace(" yes\n", " 1111111112.0\n").replace(" no\n", " 1111111113.0\n")
    dataset: Path = world.source_of(SOURCE | {"encounters": text}, kinds, part2_programs=["1111111112"])
    assert "2025-02-10" not in dates(world.released(dataset, ASKED)["encounters"])
