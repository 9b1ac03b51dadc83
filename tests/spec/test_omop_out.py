"""A release opened as OMOP: the tables, fields, numbers and concepts of the CDM 5.4, and what is left out is told."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from full_releases import CASES, Converted
from made_releases import make
from omop_schema.schema.v5_4 import OMOPSchemaV54

from deid.cli import cli
from deid.errors import ReleaseError
from deid.opening import CONVERTERS, open_with, to_omop
from deid.opening.omop_fields import CDM, schema_of
from deid.sinks.release_keys import ReleaseKeys

Tables = dict[str, list[dict[str, Any]]]


class Opened(Converted):
    """Each case's release, opened to the CDM."""

    def tables(self, case: str) -> dict[str, pa.Table]:
        """Return the CDM's tables of a case."""
        return read(self.get(case)[1])


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Return the cases' releases, opened."""
    return Opened(tmp_path_factory.mktemp("omop"), "omop")


def read(folder: Path) -> dict[str, pa.Table]:
    """Return every table of a CDM by name."""
    return {path.stem: pq.read_table(path) for path in sorted((folder / "cdm").iterdir())}


def convert(folder: Path, content: dict[str, pa.Table], kinds: dict[str, Any], **options: Any) -> Tables:
    """Return the rows of each CDM table of a made release with columns of these kinds."""
    made = make(folder / "r", ReleaseKeys.portable("r1"), content, kinds=kinds)
    to_omop.convert(open_with(made.folder, [made.identity]), folder / "omop", **options)
    return {name: table.to_pylist() for name, table in read(folder / "omop").items()}


def test_fields_are_those_of_the_cdm() -> None:
    """Names of fields, their order where the reference has the specification's, and types are those of CDM 5.4."""
    reference = OMOPSchemaV54()
    same_order = 0
    for table, fields in CDM.items():
        theirs = reference.get_schema(table)
        assert {field.name for field in fields} == set(theirs), table
        same_order += [field.name for field in fields] == list(theirs)
        for field in fields:
            kind = theirs[field.name]
            assert (field.type == pa.date32() and kind == pa.date64()) or field.type == kind, field.name
    assert same_order >= len(CDM) - 4  # that package has the fields of four tables in another order


@pytest.mark.parametrize("case", CASES)
def test_tables_hold_what_the_cdm_requires(opened: Opened, case: str) -> None:
    """Schemas fit, required fields are filled, numbers are given once, and every reference leads somewhere."""
    tables = opened.tables(case)
    assert set(tables) == set(CDM)
    persons = set(tables["person"].column("person_id").to_pylist())
    visits = set(tables["visit_occurrence"].column("visit_occurrence_id").to_pylist())
    others = {"provider_id": "provider", "care_site_id": "care_site", "location_id": "location"}
    known = {field: set(tables[table].column(field).to_pylist()) | {None} for field, table in others.items()}
    for name, table in tables.items():
        assert table.schema.equals(schema_of(name))
        for field in CDM[name]:
            if field.is_required:
                assert table.column(field.name).null_count == 0, f"{name}.{field.name}"
            if field.length is not None:
                assert max(map(len, table.column(field.name).drop_null().to_pylist()), default=0) <= field.length
            if field.name in known and name not in others.values():
                assert set(table.column(field.name).to_pylist()) <= known[field.name]
        first = table.column(0).to_pylist()
        assert len(set(first)) == len(first) or name == "cdm_source"
        if "person_id" in table.schema.names:
            assert set(table.column("person_id").to_pylist()) <= persons
        if "visit_occurrence_id" in table.schema.names:
            assert set(table.column("visit_occurrence_id").to_pylist()) <= visits | {None}


@pytest.mark.parametrize("case", CASES)
def test_days_lie_within_the_time_of_observation(opened: Opened, case: str) -> None:
    """Ends are not before begins, and every event lies between its person's first and last day."""
    tables = opened.tables(case)
    periods = {
        row["person_id"]: (row["observation_period_start_date"], row["observation_period_end_date"])
        for row in tables["observation_period"].to_pylist()
    }
    for row in tables["visit_occurrence"].to_pylist():
        assert periods[row["person_id"]][0] <= row["visit_start_date"] <= row["visit_end_date"]
    for row in tables["condition_occurrence"].to_pylist():
        first, last = periods[row["person_id"]]
        assert first <= row["condition_start_date"] <= last
        assert row["condition_end_date"] is None or row["condition_end_date"] >= row["condition_start_date"]


def test_claims_keep_all_that_the_cdm_has_a_place_for(opened: Opened) -> None:
    """Persons, visits, diagnoses, procedures, drugs, costs and deaths are as many as were released."""
    release, _ = opened.get("claims")
    tables = opened.tables("claims")
    source = {name: release.read(name) for name in release.tables}

    def filled(table: str, *columns: str) -> int:
        return sum(len(source[table]) - source[table].column(column).null_count for column in columns)

    assert len(tables["person"]) == len(source["patients"])
    assert len(tables["visit_occurrence"]) == len(source["encounters"])
    assert len(tables["condition_occurrence"]) == filled("diagnoses", "icd10cm")
    assert len(tables["procedure_occurrence"]) == filled("procedures", "cpt", "icd10pcs")
    assert len(tables["drug_exposure"]) == filled("drugs", "ndc")
    assert len(tables["death"]) == filled("patients", "death_date")
    costs = tables["cost"]
    assert len(costs) == filled("encounters", "total_charge") + filled("procedures", "charge") + filled(
        "drugs", "charge"
    )
    assert pa.compute.sum(costs.column("total_charge")).as_py() == pytest.approx(
        sum(pa.compute.sum(source[t].column(c)).as_py() for t, c in (("encounters", "total_charge"), ("procedures", "charge"), ("drugs", "charge")))
    )  # fmt: skip
    drug = source["drugs"].column("days_supply").drop_null().to_pylist()
    assert Counter(tables["drug_exposure"].column("days_supply").drop_null().to_pylist()) == Counter(map(int, drug))


def test_a_diagnosis_has_the_person_visit_and_day_of_its_encounter(opened: Opened) -> None:
    """Joined through the mappings, the CDM says of each diagnosis what the release says."""
    release, folder = opened.get("claims")
    tables = opened.tables("claims")
    visits = pq.read_table(folder / "mapping" / "visits.parquet").to_pydict()
    pseudonym = dict(zip(visits["visit_occurrence_id"], visits["pseudonym"], strict=True))
    person = {row["person_id"]: row["person_source_value"] for row in tables["person"].to_pylist()}
    found = Counter(
        (
            person[row["person_id"]],
            pseudonym[row["visit_occurrence_id"]],
            row["condition_source_value"].replace(".", ""),
        )
        for row in tables["condition_occurrence"].to_pylist()
    )
    rows = release.read("diagnoses").to_pylist()
    assert found == Counter((r["patient_id"], r["encounter_id"], r["icd10cm"].replace(".", "")) for r in rows)
    days = {row["encounter_id"]: row["admit_date"] for row in release.read("encounters").to_pylist()}
    for row in tables["condition_occurrence"].slice(0, 500).to_pylist():
        assert row["condition_start_date"] == days[pseudonym[row["visit_occurrence_id"]]]


def test_demographics_have_standard_concepts(opened: Opened) -> None:
    """Sex, race, ethnicity and class of visit are concepts; what no concept means is 0 and keeps its word."""
    tables = opened.tables("claims")
    persons = tables["person"].to_pylist()
    assert {(r["gender_source_value"], r["gender_concept_id"]) for r in persons} == {("F", 8532), ("M", 8507)}
    races = {(r["race_source_value"], r["race_concept_id"]) for r in persons}
    assert races >= {("white", 8527), ("black", 8516), ("asian", 8515), ("other", 0), (None, 0)}
    assert {(r["ethnicity_source_value"], r["ethnicity_concept_id"]) for r in persons} == {
        ("hispanic", 38003563), ("nonhispanic", 38003564), (None, 0),
    }  # fmt: skip
    classes = {(r["visit_source_value"], r["visit_concept_id"]) for r in tables["visit_occurrence"].to_pylist()}
    assert classes >= {("inpatient", 9201), ("outpatient", 9202), ("emergency", 9203), ("virtual", 5083)}
    assert {c for _, c in {(r["gender_source_value"], r["gender_concept_id"]) for r in opened.tables("fhir_bulk")["person"].to_pylist()}} <= {8507, 8532}  # fmt: skip
    assert {r["race_concept_id"] for r in opened.tables("cms_rif")["person"].to_pylist()} >= {8527, 8516}


def test_a_banded_year_of_birth_is_its_middle_and_said_so(opened: Opened) -> None:
    """Of a band of ten years the middle one stands; month and day stay empty; the source says it."""
    release, _ = opened.get("expert")
    tables = opened.tables("expert")
    years = {row["patient_id"]: row["birth_date"] for row in release.read("patients").to_pylist()}
    for row in tables["person"].to_pylist():
        assert row["year_of_birth"] == years[row["person_source_value"]] + 5
        assert (row["month_of_birth"], row["day_of_birth"], row["birth_datetime"]) == (None, None, None)
    (source,) = tables["cdm_source"].to_pylist()
    assert "the band's middle year" in source["source_description"]
    told = {row["name"]: row["value_as_string"] for row in tables["metadata"].to_pylist()}
    assert told["date precision: encounters"] == "quarter"
    assert {d.month % 3 for d in tables["visit_occurrence"].column("visit_start_date").to_pylist()} == {1}


def test_the_same_release_gives_the_same_bytes(opened: Opened, tmp_path: Path) -> None:
    """Threads of the database do not show: a second conversion is equal, byte for byte."""
    release, folder = opened.get("fhir_bulk")
    CONVERTERS["omop"](release, tmp_path / "again")
    assert digests(tmp_path / "again") == digests(folder)


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# Persons

PERSON = {"patient_id": "patient_id", "birth": "birth_date", "age": "age", "on": "service_date", "dx": "icd10cm"}


def test_persons_without_a_year_of_birth_are_left_out_and_counted(tmp_path: Path) -> None:
    """With all that is theirs, as THEMIS asks; METADATA says how many."""
    people = pa.table({"patient_id": ["a", "b"], "birth": pa.array([date(1980, 2, 3), None])})
    found = pa.table({"patient_id": ["a", "b", "b"], "on": [date(2024, 1, 1)] * 3, "dx": ["I10", "I10", "I11"]})
    tables = convert(tmp_path, {"people": people, "found": found}, PERSON)
    (person,) = tables["person"]
    assert (person["year_of_birth"], person["month_of_birth"], person["day_of_birth"]) == (1980, 2, 3)
    assert [row["person_id"] for row in tables["condition_occurrence"]] == [person["person_id"]]
    told = {row["name"]: row["value_as_number"] for row in tables["metadata"]}
    assert told["count of removed persons"] == 1


def test_an_age_at_a_visit_approximates_the_year_of_birth(tmp_path: Path) -> None:
    """Where no birth date was released, the year is that of the visit less the age."""
    visits = pa.table({"patient_id": ["a", "a"], "on": [date(2024, 1, 1), date(2025, 1, 1)], "age": [40, 41], "dx": ["I10", "I10"]})  # fmt: skip
    (person,) = convert(tmp_path, {"visits": visits}, PERSON)["person"]
    assert (person["year_of_birth"], person["month_of_birth"]) == (1984, None)


def test_a_release_without_any_birth_is_refused(tmp_path: Path) -> None:
    """OMOP cannot hold it: the error says so and names what can, and nothing is left."""
    content = {"found": pa.table({"patient_id": ["a"], "dx": ["I10"]})}
    made = make(tmp_path / "r", ReleaseKeys.portable("r1"), content, kinds=PERSON)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ReleaseError, match="year of birth") as caught:
        CONVERTERS["omop"](open_with(made.folder, [made.identity]), tmp_path / "out")
    assert "meds" in caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_what_has_no_day_or_field_is_left_out_and_named(tmp_path: Path) -> None:
    """Undated events are counted; columns without a place are named with the reason."""
    kinds = PERSON | {"language": "language", "rank": "sequence_number", "created": "record_date"}
    people = pa.table({"patient_id": ["a"], "birth": [date(1980, 2, 3)], "language": ["es"]})
    found = pa.table({"patient_id": ["a"], "on": pa.array([None], pa.date32()), "dx": ["I10"], "rank": [1], "created": pa.array([None], pa.date32())})  # fmt: skip
    tables = convert(tmp_path, {"people": people, "found": found}, kinds)
    assert tables["condition_occurrence"] == []
    assert {row["name"]: row["value_as_number"] for row in tables["metadata"]}["count of removed events"] == 1
    left = json.loads((tmp_path / "omop" / "mapping" / "left_out.json").read_text())
    assert set(left) == {"people.language", "found.rank", "found.created"}


# Codes

CODED = PERSON | {"cpt": "cpt", "snomed": "snomed", "REASONCODE": "snomed", "ndc": "ndc", "qty": "count", "days": "count",
                  "stop": "service_date", "loinc": "loinc", "value": "lab_value", "units": "unit"}  # fmt: skip
BORN = pa.table({"patient_id": ["a"], "birth": [date(1980, 2, 3)]})
DAY = date(2024, 3, 1)


def test_domains_without_a_vocabulary_come_from_kind_and_name(tmp_path: Path) -> None:
    """ICD is a condition, CPT a procedure, NDC a drug; SNOMED goes by the words of column and table; concepts are 0."""
    content = {
        "people": BORN,
        "procedures": pa.table({"patient_id": ["a"], "on": [DAY], "snomed": ["73761001"], "REASONCODE": ["38341003"]}),
        "devices": pa.table({"patient_id": ["a"], "on": [DAY], "snomed": ["14106009"]}),
        "misc": pa.table({"patient_id": ["a"], "on": [DAY], "snomed": ["160903007"], "dx": ["I10"], "cpt": ["99213"]}),
        "drugs": pa.table({"patient_id": ["a"], "on": [DAY], "stop": [None], "ndc": ["00093517144"], "qty": [30.0], "days": [10.0]}, schema=pa.schema({"patient_id": pa.string(), "on": pa.date32(), "stop": pa.date32(), "ndc": pa.string(), "qty": pa.float64(), "days": pa.float64()})),
        "claims": pa.table({"patient_id": ["a", "a"], "on": [DAY, DAY], "cpt": ["J0885", None], "value": ["33.2", "34.1"]}),
        "labs": pa.table({"patient_id": ["a"] * 3, "on": [DAY] * 3, "loinc": ["718-7", "5778-6", None], "value": ["13.5", "yellow", "7"], "units": ["g/dL", None, None]}),
    }  # fmt: skip
    tables = convert(tmp_path, content, CODED)
    assert sorted(r["condition_source_value"] for r in tables["condition_occurrence"]) == ["38341003", "I10"]
    assert sorted(r["procedure_source_value"] for r in tables["procedure_occurrence"]) == ["73761001", "99213", "J0885"]
    assert [r["device_source_value"] for r in tables["device_exposure"]] == ["14106009"]
    assert [r["observation_source_value"] for r in tables["observation"]] == ["160903007"]
    (drug,) = tables["drug_exposure"]
    assert (drug["quantity"], drug["days_supply"], drug["drug_exposure_end_date"]) == (30, 10, date(2024, 3, 10))
    results = {
        (r["measurement_source_value"], r["value_as_number"], r["unit_source_value"], r["value_source_value"])
        for r in tables["measurement"]
    }
    assert results == {
        ("718-7", 13.5, "g/dL", "13.5"), ("5778-6", None, None, "yellow"), ("labs.value", 7, None, "7"),
        ("claims.value", 33.2, None, "33.2"), ("claims.value", 34.1, None, "34.1"),
    }  # fmt: skip
    for table, domain in (("condition_occurrence", "condition"), ("procedure_occurrence", "procedure")):
        assert {(r[f"{domain}_concept_id"], r[f"{domain}_source_concept_id"]) for r in tables[table]} == {(0, 0)}


@pytest.mark.parametrize(("rule", "domain"), [("keep", "Condition"), ("map_codes", "Procedure")])
def test_money_is_not_of_a_code_that_is_first_in_a_set(tmp_path: Path, rule: str, domain: str) -> None:
    """The cost of a row is that of its first event, but no code of a set is before another."""
    content = pa.table(
        {"patient_id": ["a"], "on": [DAY], "dx1": ["E11"], "dx2": ["I10"], "cpt": ["99213"], "paid": [2.0]}
    )
    kinds = PERSON | {"dx1": ("icd10cm", rule), "dx2": ("icd10cm", rule), "cpt": "cpt", "paid": "charge_amount"}
    (cost,) = convert(tmp_path, {"people": BORN, "lines": content}, kinds)["cost"]
    assert (cost["cost_domain_id"], cost["total_paid"]) == (domain, 2)


# Bars stand for tabs, a dash for nothing.
CONCEPTS = """\
concept_id|concept_name|domain_id|vocabulary_id|concept_class_id|standard_concept|concept_code|valid_start_date|valid_end_date|invalid_reason
1001|Type 2 diabetes|Condition|ICD10CM|5-char billing code|-|E11.9|19700101|20991231|-
1002|Diabetes with two parts|Condition|ICD10CM|6-char billing code|-|E11.21|19700101|20991231|-
1003|Body mass index, 30|Observation|ICD10CM|5-char billing code|-|Z68.30|19700101|20991231|-
1004|Injection of a "drug", 30 mg|Drug|HCPCS|HCPCS|S|J1885|19700101|20991231|-
1005|A retired code|Condition|ICD10CM|4-char billing code|-|I10|19700101|20991231|-
2001|Diabetes|Condition|SNOMED|Disorder|S|44054006|19700101|20991231|-
2002|Kidney disease|Condition|SNOMED|Disorder|S|709044004|19700101|20991231|-
2003|Body mass index|Measurement|SNOMED|Observable|S|60621009|19700101|20991231|-
2004|No standard any more|Condition|SNOMED|Disorder|-|999999|19700101|20991231|D
"""
MAPS = """\
concept_id_1|concept_id_2|relationship_id|valid_start_date|valid_end_date|invalid_reason
1001|2001|Maps to|19700101|20991231|-
1002|2001|Maps to|19700101|20991231|-
1002|2002|Maps to|19700101|20991231|-
1003|2003|Maps to|19700101|20991231|-
1005|2001|Maps to|19700101|20991231|D
1005|2004|Maps to|19700101|20991231|-
1001|2002|Subsumes|19700101|20991231|-
"""


def tabbed(text: str) -> str:
    """Return a vocabulary file as Athena writes it."""
    return "\n".join("\t".join("" if cell == "-" else cell for cell in line.split("|")) for line in text.splitlines())


def vocabulary(folder: Path) -> Path:
    """Write a small vocabulary as Athena writes large ones."""
    folder.mkdir()
    (folder / "CONCEPT.csv").write_text(tabbed(CONCEPTS))
    (folder / "CONCEPT_RELATIONSHIP.csv").write_text(tabbed(MAPS))
    (folder / "VOCABULARY.csv").write_text(
        "vocabulary_id\tvocabulary_name\tvocabulary_version\nNone\tOMOP\tv5.0 29-AUG-25\n"
    )
    return folder


def test_a_vocabulary_gives_concepts_and_decides_the_domain(tmp_path: Path) -> None:
    """Source and standard concepts, two rows for two targets, drugs among HCPCS codes, measurements among ICD codes."""
    codes = ["e119", "E11.21", "Z6830", "I10", "X99"]
    content = {
        "people": BORN,
        "found": pa.table({"patient_id": ["a"] * 5, "on": [DAY] * 5, "dx": codes, "cpt": ["J1885", "99213", None, None, None]}),
    }  # fmt: skip
    tables = convert(tmp_path, content, CODED, vocabulary=vocabulary(tmp_path / "athena"))
    conditions = sorted(
        (r["condition_source_value"], r["condition_source_concept_id"], r["condition_concept_id"])
        for r in tables["condition_occurrence"]
    )
    assert conditions == [
        ("E11.21", 1002, 2001), ("E11.21", 1002, 2002), ("E11.9", 1001, 2001), ("I10", 1005, 0), ("X99", 0, 0),
    ]  # fmt: skip
    assert [(r["measurement_source_value"], r["measurement_concept_id"]) for r in tables["measurement"]] == [
        ("Z68.30", 2003)
    ]
    assert [(r["drug_source_value"], r["drug_concept_id"]) for r in tables["drug_exposure"]] == [("J1885", 1004)]
    assert [r["procedure_source_value"] for r in tables["procedure_occurrence"]] == ["99213"]
    assert tables["cdm_source"][0]["vocabulary_version"] == "v5.0 29-AUG-25"


def test_a_prefix_is_not_looked_up_where_it_means_nothing(tmp_path: Path) -> None:
    """A SNOMED number cut short may be another concept's number by chance."""
    content = {
        "people": BORN,
        "found": pa.table({"patient_id": ["a"], "on": [DAY], "snomed": ["999999"], "dx": ["E11.9"]}),
    }
    kinds = CODED | {"snomed": ("snomed", "generalize_code: 6"), "dx": ("icd10cm", "generalize_code: 4")}
    tables = convert(tmp_path, content, kinds, vocabulary=vocabulary(tmp_path / "athena"))
    assert [r["observation_source_concept_id"] for r in tables["observation"]] == [0]
    assert [r["condition_source_concept_id"] for r in tables["condition_occurrence"]] == [1001]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (None, "", "no CONCEPT.csv"),
        ("CONCEPT.csv", "a,b\n1,2\n", "no column concept_code"),
        ("CONCEPT.csv", "", "no column"),
    ],
)
def test_what_is_no_vocabulary_is_refused(tmp_path: Path, name: str | None, text: str, words: str) -> None:
    """The error says which file or column is missing, and nothing is left."""
    (tmp_path / "athena").mkdir()
    if name is not None:
        (tmp_path / "athena" / name).write_text(text)
    content = {"people": BORN, "found": pa.table({"patient_id": ["a"], "on": [DAY], "dx": ["I10"]})}
    with pytest.raises(ReleaseError, match=words) as caught:
        convert(tmp_path, content, CODED, vocabulary=tmp_path / "athena")
    assert caught.value.hint
    assert not (tmp_path / "omop").exists()


def test_tables_of_the_cdm_pass_through(tmp_path: Path) -> None:
    """A release of an OMOP source keeps its concepts, dates and values under new numbers."""
    kinds = {
        "person_id": "patient_id", "gender_concept_id": "sex", "year_of_birth": "year", "visit_occurrence_id": "encounter_id",
        "visit_concept_id": "omop_concept", "visit_start_date": "admit_date", "visit_end_date": "discharge_date",
        "condition_concept_id": "omop_concept", "condition_start_date": "service_date", "condition_source_value": "icd10cm",
        "condition_source_concept_id": "omop_concept", "condition_type_concept_id": "omop_concept",
        "condition_occurrence_id": "unique_id", "preceding_visit_occurrence_id": "encounter_id",
    }  # fmt: skip
    content = {
        "person": pa.table({"person_id": ["p", "q"], "gender_concept_id": ["8532", "8507"], "year_of_birth": pa.array([1980, 1990], pa.int32())}),
        "visit_occurrence": pa.table({"person_id": ["q"], "preceding_visit_occurrence_id": ["v0"], "visit_occurrence_id": ["v1"], "visit_concept_id": ["9203"], "visit_start_date": [DAY], "visit_end_date": [DAY]}),
        "condition_occurrence": pa.table({"condition_occurrence_id": ["c1"], "person_id": ["q"], "condition_concept_id": ["201826"], "condition_start_date": [DAY], "condition_source_value": ["E11.9"], "condition_source_concept_id": ["35206882"], "condition_type_concept_id": [None], "visit_occurrence_id": ["v1"]}, schema=pa.schema({"condition_occurrence_id": pa.string(), "person_id": pa.string(), "condition_concept_id": pa.string(), "condition_start_date": pa.date32(), "condition_source_value": pa.string(), "condition_source_concept_id": pa.string(), "condition_type_concept_id": pa.string(), "visit_occurrence_id": pa.string()})),
    }  # fmt: skip
    tables = convert(tmp_path, content, kinds)
    assert [(r["person_source_value"], r["gender_concept_id"], r["year_of_birth"]) for r in tables["person"]] == [("p", 8532, 1980), ("q", 8507, 1990)]  # fmt: skip
    (visit,) = tables["visit_occurrence"]
    assert (visit["person_id"], visit["visit_concept_id"], visit["visit_start_date"]) == (2, 9203, DAY)
    (condition,) = tables["condition_occurrence"]
    told = {name: condition[name] for name in ("person_id", "condition_concept_id", "condition_source_concept_id", "condition_source_value", "condition_start_date", "visit_occurrence_id")}  # fmt: skip
    assert list(told.values()) == [2, 201826, 35206882, "E11.9", DAY, 1]
    assert tables["observation"] == []


def test_the_command_takes_a_vocabulary(opened: Opened, tmp_path: Path) -> None:
    """`deid open --to omop --vocabulary` does what the function does; with another format it is a mistake of usage."""
    release, _ = opened.get("fhir_bulk")
    key = str(opened.site.researcher)
    command = ["open", str(release.folder), "--key", key, "--vocabulary", str(vocabulary(tmp_path / "athena"))]
    done = CliRunner().invoke(cli, [*command, "--to", "omop", "--out", str(tmp_path / "omop")])
    assert done.exit_code == 0, done.output
    assert read(tmp_path / "omop")["cdm_source"].column("vocabulary_version").to_pylist() == ["v5.0 29-AUG-25"]
    wrong = CliRunner().invoke(cli, [*command, "--to", "meds", "--out", str(tmp_path / "meds")])
    assert wrong.exit_code == 2
    assert "--to omop" in wrong.output
