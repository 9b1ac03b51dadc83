"""The real FHIR files beside the project, where they are: bulk export of Synthea, and Blue Button explanations."""

from __future__ import annotations

import json
from collections.abc import Iterator
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


def _tables(folder: Path, root: Path) -> dict[str, tuple[list[dict[str, Any]], dict[str, int], dict[str, int]]]:
    """Return the rows of every table with all its columns, what was counted unread, and what was withheld."""
    (folder / "d.yaml").write_text(f"dataset: d\nformat: us_core_bulk\nroot: {json.dumps(str(root))}\n")
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
