"""Sensitive segments: what docs/formats/choices.md says of rows that a policy leaves out, and of 42 CFR Part 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from choices import ASKED, KINDS, SOURCE, choose, dates, policy
from sites import SHARED
from tiny_sources import SAFE, World

from deid.errors import DocumentError, PlanError, SourceError
from deid.release.manifest import MANIFEST, from_bytes
from deid.segments.telling import is_marked
from deid.segments.words import NOTICE

INCLUDED = {"part2": {"include": "research"}}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One site for all tests that choose nobody."""
    return World(tmp_path_factory.mktemp("segments"))


def released(world: World, segments: dict[str, Any] | None, **fields: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that a request under segments releases."""
    dataset = world.source_of(SOURCE | fields.pop("changed", {}), fields.pop("kinds", KINDS))
    return world.released(dataset, fields.pop("asked", ASKED), policy=policy(world, segments), **fields)


def test_rows_of_a_program_leave_with_their_visits_though_no_policy_names_them(world: World) -> None:
    """The visit, its diagnosis, DRG and drug; and a patient who was seen by the program alone."""
    rows = released(world, None)
    assert dates(rows["encounters"]) == ["2025-01-10", "2025-01-11", "2025-04-01", "2025-05-01", "2025-06-01"]
    assert {"897"} & {row["DRG"] for row in rows["diagnoses"]} == set()
    assert "J2315" not in {row["DRUG"] for row in rows["drugs"]}
    assert "1975-05-05" not in {str(row["BIRTH"]) for row in rows["patients"]}


def test_only_a_plain_no_lets_a_row_out(world: World) -> None:
    """An empty or unknown mark may be a yes."""
    marks = ["no", "No", "N", "false", "F", "0", "yes", "maybe", "1", "TRUE", "nope", "", None]
    assert is_marked(pa.array(marks), empty_is_no=False).tolist() == [False] * 6 + [True] * 7
    assert is_marked(pa.array(marks).dictionary_encode(), empty_is_no=False).tolist() == [False] * 6 + [True] * 7
    assert is_marked(pa.array(marks), empty_is_no=True).tolist() == [False] * 6 + [True] * 5 + [False] * 2
    changed = {"encounters": SOURCE["encounters"].replace("2025-04-01 no", "2025-04-01 - ")}
    assert "2025-04-01" not in dates(released(world, None, changed=changed)["encounters"])


def test_rows_of_listed_programs_leave_with_their_visits(world: World) -> None:
    """A description that lists programs by number needs no marks; other numbers and none say nothing."""
    kinds = KINDS | {"encounters": KINDS["encounters"] | {"PROGRAM": "npi"}}
    marks = {"yes": "1111111112", "no": "-"}
    text = SOURCE["encounters"]
    for word, number in marks.items():
        text = text.replace(f" {word}\n", f" {number}\n")
    dataset = world.source_of(SOURCE | {"encounters": text}, kinds, part2_programs=["1111111112", "2222222223"])
    rows = world.released(dataset, ASKED, policy=policy(world))
    assert dates(rows["encounters"]) == ["2025-01-10", "2025-01-11", "2025-04-01", "2025-05-01", "2025-06-01"]
    assert "F11.20" not in {row["DX"] for row in rows["diagnoses"]}


def test_where_only_programs_are_marked_an_empty_mark_is_a_no(world: World) -> None:
    """The description says so; a mark that is there and unknown stays a yes."""
    changed = {"encounters": SOURCE["encounters"].replace(" no\n", " -\n").replace("2025-06-01 -", "2025-06-01 R")}
    dataset = world.source_of(SOURCE | changed, KINDS, part2_marks="positive")
    days = dates(world.released(dataset, ASKED, policy=policy(world))["encounters"])
    assert days == ["2025-01-10", "2025-01-11", "2025-04-01", "2025-05-01"]


def test_a_marked_patient_is_left_out_whole(world: World) -> None:
    """Where the population carries the mark, everything of the patient is of the program."""
    kinds = KINDS | {"patients": KINDS["patients"] | {"STATE": "part2"}}
    changed = {"patients": SOURCE["patients"].replace("M   CA", "M   no").replace("F   CA", "F   no")}
    rows = released(world, None, kinds=kinds, changed=changed)
    assert sorted(str(row["BIRTH"]) for row in rows["patients"]) == ["1980-03-01", "2015-06-06"]


@pytest.fixture(scope="module")
def everything(world: World) -> list[str]:
    """The days of all visits."""
    return dates(released(world, INCLUDED)["encounters"])


@pytest.mark.parametrize(
    ("segment", "gone"),
    [("hiv", {"2025-05-01"}), ("substance_use", {"2025-02-10", "2025-03-01"}), ("minors", {"2025-04-01"})],
)
def test_a_segment_takes_the_visits_that_it_tells(
    world: World, everything: list[str], segment: str, gone: set[str]
) -> None:
    """All rows of the visit, whatever they hold; other visits of the patient stay."""
    rows = released(world, INCLUDED | {segment: "exclude"})
    assert set(everything) - set(dates(rows["encounters"])) == gone
    visits = {row["ENC"] for row in rows["encounters"]}
    for table in ("diagnoses", "drugs"):
        assert {row["ENC"] for row in rows[table]} <= visits


def test_patients_can_be_left_out_whole(world: World) -> None:
    """Who has one row that is told has none left."""
    rows = released(world, INCLUDED | {"hiv": {"exclude": "patients"}})
    assert not {"2025-05-01", "2025-06-01"} & set(dates(rows["encounters"]))
    assert "1990-09-09" not in {str(row["BIRTH"]) for row in rows["patients"]}


def test_states_narrow_a_segment_and_an_unknown_state_does_not(world: World) -> None:
    """A patient in another state stays; one whose state nobody knows leaves."""
    only = {"substance_use": {"exclude": "visits", "states": ["CA"]}, "hiv": {"exclude": "visits", "states": ["CA"]}}
    days = dates(released(world, INCLUDED | only)["encounters"])
    assert "2025-02-10" not in days
    assert "2025-03-01" in days
    assert "2025-05-01" not in days


def test_under_says_who_is_a_minor_and_unknown_ages_are(world: World) -> None:
    """On the day of the row, in completed years; without birth date a patient may be one."""
    changed = {"patients": SOURCE["patients"].replace("1950-01-02", "-         ")}
    older = released(world, INCLUDED | {"minors": {"exclude": "visits", "under": 9}}, changed=changed)
    assert {"2025-01-11"} == {"2025-01-11", "2025-04-01"} - set(dates(older["encounters"]))


def test_a_visit_is_followed_over_both_numbers_that_join_its_rows(world: World) -> None:
    """A claim names the visit, a line names the claim alone: the line goes with the visit."""
    kinds = {
        "patients": KINDS["patients"],
        "encounters": {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date", "PROGRAM": "part2"},
        "claims": {"PATIENT": "patient_id", "ENC": "encounter_id", "CLAIM": "claim_id", "START": "service_date"},
        "lines": {"PATIENT": "patient_id", "CLAIM": "claim_id", "HCPCS": "hcpcs"},
    }
    tables = {
        "patients": SOURCE["patients"],
        "encounters": SOURCE["encounters"],
        "claims": """
            PATIENT ENC CLAIM START
            p1      e1  c1    2025-01-10
            p1      e2  c2    2025-02-10
            p1      e9  c2    2025-02-10
            p1      e9  c3    2025-02-11
        """,
        "lines": """
            PATIENT CLAIM HCPCS
            p1      c1    A0001
            p1      c2    A0002
            p1      c3    A0003
            p1      c4    A0004
        """,
    }
    asked = {"patients": ["ID"], "claims": ["PATIENT", "START"], "lines": ["PATIENT", "HCPCS"]}
    rows = world.released(world.source_of(tables, kinds), asked)
    assert dates(rows["claims"]) == ["2025-01-10"]
    assert sorted(row["HCPCS"] for row in rows["lines"]) == ["A0001", "A0004"]


def test_a_linked_table_goes_with_the_rows_that_are_left_out(world: World) -> None:
    """A table that reaches the patient by a link is no orphan where its target was left out."""
    kinds = KINDS | {"stays": {"ENC": "encounter_id", "BED": "indicator"}}
    tables = SOURCE | {"stays": "ENC BED\ne1 a\ne2 b\ne4 c\ne5 d"}
    links = {"stays": {"to": "encounters", "on": "ENC", "key": "ENC"}}
    dataset = world.source_of(tables, kinds, links=links)
    rows = world.released(dataset, ASKED | {"stays": ["ENC", "BED"]}, policy=policy(world))
    assert sorted(row["BED"] for row in rows["stays"]) == ["a", "d"]


def test_a_link_joins_rows_of_a_visit_as_its_numbers_do(world: World) -> None:
    """A code that is linked to a stay by a key of its own takes the stay along, and what else is linked to it."""
    kinds = {
        "patients": KINDS["patients"],
        "stays": {"SK": "unique_id", "PATIENT": "patient_id", "START": "admit_date"},
        "codes": {"STAY": "unique_id", "DX": "icd10cm"},
        "beds": {"STAY": "unique_id", "BED": "indicator"},
    }
    tables = {
        "patients": SOURCE["patients"],
        "stays": "SK PATIENT START\ns1 p1 2025-01-10\ns2 p1 2025-02-10\ns3 p2 2025-03-10",
        "codes": "STAY DX\ns1 E11.9\ns2 F11.20\ns2 I10\ns3 F32.9",
        "beds": "STAY BED\ns1 a\ns2 b\ns3 c",
    }
    link = {"to": "stays", "on": "STAY", "key": "SK"}
    dataset = world.source_of(tables, kinds, links={"codes": dict(link), "beds": dict(link)})
    asked = {"patients": ["ID", "BIRTH"], "stays": ["PATIENT", "START"], "codes": ["DX"], "beds": ["BED"]}
    chosen = policy(world, {"substance_use": "exclude", "mental_health": "exclude"})
    rows = world.released(dataset, asked, policy=chosen)
    assert dates(rows["stays"]) == ["2025-01-10"]
    assert [row["DX"] for row in rows["codes"]] == ["E11.9"]
    assert [row["BED"] for row in rows["beds"]] == ["a"]
    assert "1950-01-02" not in {str(row["BIRTH"]) for row in rows["patients"]}


@pytest.mark.skipif(not (SHARED / "inputs" / "cms_rif_samhsa").is_dir(), reason="the public claims are not here")
def test_no_claim_that_cms_made_for_substance_use_is_released(world: World) -> None:
    """Of CMS' test claims for substance use nothing is left, nor of the people who have no other."""
    claims = (SHARED / "inputs" / "cms_rif_samhsa" / "inpatient.txt").read_text(encoding="utf-8-sig")
    folder = world.folder / "samhsa"
    folder.mkdir()
    (folder / "inpatient.txt").write_text(claims)
    people = sorted({line.split("|")[1] for line in claims.splitlines()[1:]})
    (folder / "people.txt").write_text("BENE_ID|SEX\n" + "".join(f"{who}|1\n" for who in [*people, "other"]))
    known = {"BENE_ID": "patient_id", "CLM_ID": "claim_id", "CLM_DRG_CD": "drg"}
    known |= {"CLM_FROM_DT": {"kind": "service_date", "date_format": "%d-%b-%Y"}}
    columns = {c: known.get(c, "icd_any" if c.startswith("ICD_DGNS_CD") else "unneeded")
               for c in claims.splitlines()[0].split("|")}  # fmt: skip
    tables = {"people": {"path": "people.txt", "patient": "BENE_ID", "columns": {"BENE_ID": "patient_id", "SEX": "sex"}},
              "inpatient": {"path": "inpatient.txt", "patient": "BENE_ID", "columns": columns}}  # fmt: skip
    dataset = world.site.write("samhsa/dataset.yaml", {"dataset": "samhsa", "format": "csv", "delimiter": "|",
                               "population": "people", "encounters": "inpatient", "tables": tables})  # fmt: skip
    asked = {"people": ["BENE_ID", "SEX"], "inpatient": ["BENE_ID", "CLM_FROM_DT", "ICD_DGNS_CD1", "CLM_DRG_CD"]}
    rows = world.released(dataset, asked, policy=policy(world, {"substance_use": "exclude"}))
    assert rows["inpatient"] == []
    assert len(rows["people"]) == 1
    assert len(world.released(dataset, asked, policy=policy(world))["inpatient"]) == 120


def test_a_told_row_of_nobody_is_refused(world: World) -> None:
    """Its visit could not be left out."""
    changed = {"encounters": SOURCE["encounters"] + "\n        e8  p9      2025-07-01 yes"}
    with pytest.raises(SourceError, match="1-10 rows belong to a segment"):
        released(world, None, changed=changed, on_bad_row="quarantine")


@pytest.mark.parametrize(("segments", "kinds", "asked", "told"), [
    ({"part2": "exclude"}, {"encounters": {"PROGRAM": "indicator"}}, {}, "part2: no column of dataset tiny tells it"),
    ({"hiv": "exclude"}, {"diagnoses": {"DX": "local_code", "DRG": "indicator"}, "drugs": {"DRUG": "ndc"}}, {},
     "hiv: no column of dataset tiny tells it"),
    ({"minors": "exclude"}, {"patients": {"BIRTH": "record_date"}}, {}, "minors: no column"),
    ({}, {"drugs": {"ENC": "unique_id", "DRUG": "ndc"}}, {}, "drugs: neither a cell nor the number of a visit"),
    ({"part2": {"include": "deidentified"}}, {}, {}, "a Limited Data Set is not de-identified"),
    ({"hiv": "exclude"}, {"drugs": {"DRUG": "clinical_note"}}, {}, "a text tells of segment hiv"),
])  # fmt: skip
def test_what_the_description_cannot_tell_is_refused(
    world: World, segments: dict[str, Any], kinds: dict[str, Any], asked: dict[str, Any], told: str
) -> None:
    """With the table or segment, and what to do."""
    changed = {table: columns | kinds.get(table, {}) for table, columns in KINDS.items()}
    rules = {"rules": {"clinical_note": "redact_note"}} if "clinical_note" in str(kinds) else {}
    dataset = world.source_of(SOURCE, changed)
    asked = {table: [c for c in columns if changed[table][c] not in ("indicator", "local_code", "record_date")]
             for table, columns in ASKED.items()}  # fmt: skip
    with pytest.raises(PlanError, match=told):
        world.released(dataset, asked, policy=noted(world, segments) if rules else policy(world, segments))


def noted(world: World, segments: dict[str, Any]) -> Path:
    """Sign a policy that releases redacted notes."""
    return policy(world, segments, rules=rules_with_notes(world))


def rules_with_notes(world: World) -> dict[str, Any]:
    """Return the rules of the Limited Data Set policy, and one for notes."""
    content: dict[str, Any] = yaml.safe_load(world.named_policy("limited-data-set").read_text())
    return content["rules"] | {"clinical_note": "redact_note"}


@pytest.mark.parametrize("segments", [
    {"hvi": "exclude"}, {"hiv": "yes"}, {"hiv": {"exclude": "rows"}}, {"hiv": {"exclude": "visits", "under": 3}},
    {"hiv": {"exclude": "visits", "states": ["Narnia"]}}, {"part2": "include"}, {"part2": {"include": "because"}},
    {"minors": {"exclude": "visits", "under": 0}}, {"notes": "maybe"}, {"hiv": {"states": ["CA"]}},
])  # fmt: skip
def test_a_policy_that_says_no_known_thing_of_a_segment_is_refused(world: World, segments: dict[str, Any]) -> None:
    """At its place, with the words that are known."""
    with pytest.raises(DocumentError, match="own"):
        policy(world, segments)


def test_part_2_rows_in_a_limited_data_set_carry_the_notice_and_their_basis(world: World) -> None:
    """The statement of 42 CFR 2.32(a)(2) and the paragraph they leave by; without them there is no notice."""
    dataset = world.source_of(SOURCE, KINDS)
    done = world.site.run(world.request(dataset, ASKED, policy=policy(world, INCLUDED)))
    notice = (done.folder / NOTICE).read_text()
    assert notice.startswith("42 CFR part 2 prohibits unauthorized use or disclosure of these records.")
    assert "42 CFR 2.52" in notice
    excluded = from_bytes((done.folder / MANIFEST).read_bytes()).excluded
    assert excluded is not None
    assert excluded.part2_basis == "research"
    without = world.site.run(world.request(dataset, ASKED, policy=policy(world, {"hiv": "exclude"})))
    assert not (without.folder / NOTICE).exists()
    told = from_bytes((without.folder / MANIFEST).read_bytes()).excluded
    assert told is not None
    assert told.segments == {"hiv": "visits with a row", "part2": "visits with a row"}
    assert told.ranges is not None


def test_de_identified_part_2_rows_need_no_notice(world: World) -> None:
    """Under Safe Harbor they identify no patient of a program."""
    dataset = world.source_of(SOURCE, KINDS)
    asked = {"patients": ["ID", "SEX"], "diagnoses": ["PATIENT", "DX"]}
    chosen = policy(world, {"part2": {"include": "deidentified"}}, base=SAFE)
    done = world.site.run(world.request(dataset, asked, policy=chosen, agreement=None))
    assert not (done.folder / NOTICE).exists()
    assert "F1120" in {code.replace(".", "") for code in world.site.open(done).read("diagnoses")["DX"].to_pylist()}


def test_by_consent_only_the_rows_of_patients_who_consented_to_it_are_in(tmp_path: Path) -> None:
    """A general consent is none under 2.31; of others the program's rows are left out."""
    world = World(tmp_path)
    chosen = {"part2": {"include": "consent"}}
    with pytest.raises(PlanError, match="no list of such consent holds"):
        released(world, chosen)
    choose(world.site, "general", ["p1", "p3"], consent=True)
    choose(world.site, "signed", ["p3"], consent=True, part2=True, uses=("research",))
    days = dates(released(world, chosen, use="research")["encounters"])
    assert "2025-03-01" in days
    assert "2025-02-10" not in days
