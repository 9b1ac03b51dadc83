"""FHIR R4 bulk export (NDJSON) with US Core and CARIN Blue Button profiles: seven resource types."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from deid.synthetic.population import Population
from deid.synthetic.writers.fhir_billing import claims, explanations
from deid.synthetic.writers.fhir_people import patients
from deid.synthetic.writers.fhir_terms import (
    HL7,
    ICD10,
    NUBC,
    Case,
    Resource,
    act_code,
    cases_of,
    coded,
    doctor,
    facility,
    moment,
    profile,
)

_CLASSES = {"ambulatory": "AMB", "emergency": "EMER", "inpatient": "IMP", "outpatient": "AMB", "virtual": "VR",
            "home": "HH"}  # fmt: skip
_NOTE_TYPES = {"visit note": "11506-3", "discharge summary": "18842-5", "telephone encounter": "34748-4",
               "emergency note": "34111-5"}  # fmt: skip
_DESCRIPTION = "dataset: fhir-bulk-sample\nformat: us_core_bulk\nconfirmed: true\n"


def write_fhir_bulk(population: Population, folder: Path) -> None:
    """Write a population as one NDJSON file for each resource type, with its `dataset.yaml`, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = msgspec.json.Encoder()
    for name, found in resources_of(population).items():
        with (folder / f"{name}.000.ndjson").open("wb") as file:
            for resource in found:
                file.write(encoder.encode(resource) + b"\n")
    (folder / "dataset.yaml").write_text(_DESCRIPTION, encoding="utf-8")


def resources_of(population: Population) -> dict[str, Iterable[Resource]]:
    """Return the resources of a population by their type."""
    cases = list(cases_of(population))
    return {
        "Patient": patients(population),
        "Encounter": _encounters(cases),
        "Condition": _conditions(cases),
        "Procedure": _procedures(cases),
        "Claim": claims(cases),
        "ExplanationOfBenefit": explanations(cases),
        "DocumentReference": _documents(population, cases),
    }


def _encounters(cases: list[Case]) -> Iterator[Resource]:
    for case in cases:
        stay = case.stay
        name = f"{case.person['first_name']} {case.person['last_name']}"
        period = {"start": moment(stay["admit_date"]), "end": moment(stay["discharge_date"], hour=11)}
        resource: Resource = {
            "resourceType": "Encounter",
            "id": stay["encounter_id"],
            "meta": profile("us-core-encounter"),
            "status": "finished",
            "class": {"system": f"{HL7}/v3-ActCode", "code": _CLASSES[stay["encounter_class"]]},
            "subject": {"reference": f"Patient/{stay['patient_id']}", "display": name},
            "participant": [{"individual": doctor(stay["npi"])}],
            "period": period,
            "serviceProvider": facility(stay),
        }
        if case.diagnoses:
            resource["reasonCode"] = [coded(ICD10, case.diagnoses[0]["icd10cm"])]
        if stay["discharge_status"] is not None:
            disposition = coded(f"{NUBC}/PatDischargeStatus", stay["discharge_status"])
            resource["hospitalization"] = {"dischargeDisposition": disposition}
        yield resource


def _conditions(cases: list[Case]) -> Iterator[Resource]:
    for case in cases:
        for row in case.diagnoses:
            category = coded(f"{HL7}/condition-category", "encounter-diagnosis", "Encounter Diagnosis")
            yield {
                "resourceType": "Condition",
                "id": f"{row['encounter_id']}-d{row['sequence']}",
                "meta": profile("us-core-condition-encounter-diagnosis"),
                "clinicalStatus": coded(f"{HL7}/condition-clinical", "active"),
                "verificationStatus": coded(f"{HL7}/condition-ver-status", "confirmed"),
                "category": [category],
                "code": coded(ICD10, row["icd10cm"]),
                "subject": {"reference": f"Patient/{row['patient_id']}"},
                "encounter": {"reference": f"Encounter/{row['encounter_id']}"},
                "recordedDate": moment(case.stay["admit_date"]),
            }


def _procedures(cases: list[Case]) -> Iterator[Resource]:
    for case in cases:
        for row in case.lines:
            start = moment(row["procedure_date"], hour=10)
            yield {
                "resourceType": "Procedure",
                "id": f"{row['encounter_id']}-p{row['line']}",
                "meta": profile("us-core-procedure"),
                "status": "completed",
                "code": act_code(row),
                "subject": {"reference": f"Patient/{row['patient_id']}"},
                "encounter": {"reference": f"Encounter/{row['encounter_id']}"},
                "performedPeriod": {"start": start, "end": moment(row["procedure_date"], hour=11)},
            }


def _documents(population: Population, cases: list[Case]) -> Iterator[Resource]:
    stays = {case.stay["encounter_id"]: case.stay for case in cases}
    for row in population.notes.to_pylist():
        stay = stays[row["encounter_id"]]
        data = base64.b64encode(row["note_text"].encode()).decode()
        category = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"
        yield {
            "resourceType": "DocumentReference",
            "id": row["note_id"],
            "meta": profile("us-core-documentreference"),
            "status": "current",
            "type": coded("http://loinc.org", _NOTE_TYPES[row["note_type"]]),
            "category": [coded(category, "clinical-note", "Clinical Note")],
            "subject": {"reference": f"Patient/{row['patient_id']}"},
            "date": moment(row["note_date"], hour=18),
            "author": [doctor(stay["npi"])],
            "custodian": facility(stay),
            "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}}],
            "context": {
                "encounter": [{"reference": f"Encounter/{row['encounter_id']}"}],
                "period": {"start": moment(stay["admit_date"]), "end": moment(stay["discharge_date"], hour=11)},
            },
        }
