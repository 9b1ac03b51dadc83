"""Words that every FHIR resource of the samples shares: code systems, times, references."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from deid.synthetic.note_fields import facility_name
from deid.synthetic.population import Population

Row = dict[str, Any]
Resource = dict[str, Any]
HL7 = "http://terminology.hl7.org/CodeSystem"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
NUBC = "https://www.nubc.org/CodeSystem"
NPI = "http://hl7.org/fhir/sid/us-npi"


@dataclass(frozen=True, slots=True)
class Case:
    """One encounter with the person it is about, its diagnoses and its procedure lines."""

    stay: Row
    person: Row
    diagnoses: list[Row]
    lines: list[Row]


def cases_of(population: Population) -> Iterator[Case]:
    """Yield every encounter of a population with what belongs to it."""
    people = {row["patient_id"]: row for row in population.patients.to_pylist()}
    diagnoses, lines = _grouped(population.diagnoses.to_pylist()), _grouped(population.procedures.to_pylist())
    for stay in population.encounters.to_pylist():
        key = stay["encounter_id"]
        yield Case(stay, people[stay["patient_id"]], diagnoses.get(key, []), lines.get(key, []))


def _grouped(rows: list[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["encounter_id"], []).append(row)
    return groups


def coded(system: str, code: str, display: str | None = None) -> Resource:
    """Return a CodeableConcept of one coding."""
    coding = {"system": system, "code": code}
    return {"coding": [coding | ({"display": display} if display else {})]}


def moment(day: date, *, hour: int = 9) -> str:
    """Return a time of day in the zone of the samples, five hours behind UTC."""
    return f"{day.isoformat()}T{hour:02}:30:00-05:00"


def money(value: Any) -> Resource:
    """Return an amount in USD."""
    return {"value": float(value), "currency": "USD"}


def profile(name: str) -> Resource:
    """Return the meta element that names a US Core profile."""
    return {"profile": [f"{US_CORE}/{name}"]}


def doctor(npi: str) -> Resource:
    """Return a conditional reference to a clinician by NPI."""
    return {"reference": f"Practitioner?identifier={NPI}|{npi}"}


def facility(stay: Row) -> Resource:
    """Return a reference to the facility of an encounter, with its name as display."""
    return {"reference": f"Organization/{stay['facility_id']}", "display": facility_name(stay["facility_id"])}


def act_code(row: Row) -> Resource:
    """Return the code of a procedure line: CPT begins with a digit, HCPCS Level II with a letter."""
    return coded(CPT if row["cpt"][0].isdigit() else HCPCS, row["cpt"])
