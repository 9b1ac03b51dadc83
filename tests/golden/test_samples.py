"""The committed samples are what the generator makes, and every one of them has a description that loads."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from deid.sources.description import load_dataset
from deid.synthetic import reference
from deid.synthetic.samples import write_samples

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
FORMATS = ("ccda", "claims", "cms_rif", "fhir_bulk", "fhir_json", "hl7v2", "omop", "synthea", "x12_837")


def test_samples_are_what_the_generator_makes(tmp_path: Path) -> None:
    """`python -m deid.synthetic` gives the committed files, byte for byte, and no other."""
    write_samples(tmp_path)
    made = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if path.is_file()}
    held = {p.relative_to(SAMPLES).as_posix(): p for p in SAMPLES.rglob("*") if p.is_file() and p.suffix != ".md"}
    assert set(made) == set(held)
    assert [name for name, path in made.items() if _content(path) != _content(held[name])] == []


def _content(path: Path) -> bytes:
    """The bytes of a file, decompressed: versions of zlib compress alike text differently."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_samples_are_small() -> None:
    """All samples together stay below 5 MB."""
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 5_000_000


@pytest.mark.parametrize("name", FORMATS)
def test_descriptions_load(name: str) -> None:
    """Each sample's description is confirmed and covers tables that are there."""
    described = load_dataset(SAMPLES / name / "dataset.yaml")
    assert described.confirmed
    assert described.population in {table.name for table in described.tables}


def test_claims_have_enough_for_the_exports() -> None:
    """The diabetes and emergency exports have patients to show."""
    with gzip.open(SAMPLES / "claims" / "diagnoses.csv.gz", "rt", encoding="utf-8", newline="") as file:
        acidosis = {row["patient_id"] for row in csv.DictReader(file) if re.match(r"E1[013]\.1", row["icd10cm"])}
    with gzip.open(SAMPLES / "claims" / "encounters.csv.gz", "rt", encoding="utf-8", newline="") as file:
        classes = Counter(row["encounter_class"] for row in csv.DictReader(file))
    assert len(acidosis) >= 15
    assert classes["emergency"] >= 150


def test_rif_sample_has_the_hazards_of_the_real_files() -> None:
    """A byte order mark, blanks for null, ZIP codes as numbers, dd-Mon-yyyy and codes without dots."""
    for name in ("beneficiary", "inpatient", "outpatient", "carrier"):
        data = (SAMPLES / "cms_rif" / f"{name}.csv").read_bytes()
        assert data.startswith(b"\xef\xbb\xbfDML_IND|BENE_ID|")
        rows = list(csv.DictReader(data.decode("utf-8-sig").splitlines(), delimiter="|"))
        assert list(rows[0]) == list(reference.columns(f"rif/{name}"))
        assert any(" " in row.values() for row in rows)
    with (SAMPLES / "cms_rif" / "beneficiary.csv").open(encoding="utf-8-sig", newline="") as file:
        people = list(csv.DictReader(file, delimiter="|"))
    assert any(len(row["BENE_ZIP_CD"]) == 4 for row in people)
    assert any(len(row["BENE_ZIP_CD"]) >= 8 for row in people)
    assert all(re.fullmatch(r"\d\d-[A-Z][a-z]{2}-\d{4}", row["BENE_BIRTH_DT"]) for row in people)
    with (SAMPLES / "cms_rif" / "carrier.csv").open(encoding="utf-8-sig", newline="") as file:
        assert all(
            re.fullmatch(r"[A-Z0-9]{3,7}", row["PRNCPAL_DGNS_CD"]) for row in csv.DictReader(file, delimiter="|")
        )


def test_synthea_sample_holds_together() -> None:
    """Rows of every Synthea file name a patient and an encounter that are there."""
    files = {}
    for path in (SAMPLES / "synthea").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            files[path.stem] = list(csv.DictReader(file))
    assert set(files) == {"patients", "encounters", "conditions", "procedures", "medications", "claims"}
    people = {row["Id"] for row in files["patients"]}
    stays = {row["Id"] for row in files["encounters"]}
    for name in ("encounters", "conditions", "procedures", "medications"):
        assert {row["PATIENT"] for row in files[name]} <= people
        assert name == "encounters" or {row["ENCOUNTER"] for row in files[name]} <= stays
    assert {row["APPOINTMENTID"] for row in files["claims"]} == stays


def test_omop_sample_holds_together() -> None:
    """Rows of every table name a person and a visit that are there, and people live where a location is."""
    tables = {path.stem: list(_rows(path)) for path in (SAMPLES / "omop").glob("*.csv")}
    people = {row["person_id"] for row in tables["person"]}
    visits = {row["visit_occurrence_id"]: row["person_id"] for row in tables["visit_occurrence"]}
    assert len(people) == len(tables["person"])
    assert len(visits) == len(tables["visit_occurrence"])
    for name in ("condition_occurrence", "procedure_occurrence", "drug_exposure", "note"):
        assert all(visits[row["visit_occurrence_id"]] == row["person_id"] for row in tables[name]), name
    assert {row["person_id"] for row in tables["death"]} < people
    places = {row["location_id"] for row in tables["location"]}
    assert {row["location_id"] for row in (*tables["person"], *tables["care_site"])} <= places
    assert {row["provider_id"] for row in tables["visit_occurrence"]} == {r["provider_id"] for r in tables["provider"]}
    assert {row["care_site_id"] for row in tables["visit_occurrence"]} == {
        r["care_site_id"] for r in tables["care_site"]
    }
    assert {row["birth_datetime"] == "" for row in tables["person"]} == {True, False}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_fhir_sample_holds_together() -> None:
    """References of every resource lead to a resource that is there, and documents carry text."""
    resources: dict[str, list[dict[str, object]]] = {}
    for path in (SAMPLES / "fhir_bulk").glob("*.ndjson"):
        resources[path.name.split(".")[0]] = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert set(resources) == {
        "Patient", "Encounter", "Condition", "Procedure", "Claim", "ExplanationOfBenefit", "DocumentReference",
    }  # fmt: skip
    known = {f"{kind}/{item['id']}" for kind, items in resources.items() for item in items}
    assert len(known) == sum(map(len, resources.values()))
    for items in resources.values():
        for found in re.findall(r'"reference": "((?:Patient|Encounter|Claim)/[^"]+)"', json.dumps(items)):
            assert found in known
    assert all(item["content"][0]["attachment"]["data"] for item in resources["DocumentReference"])  # type: ignore[index]
