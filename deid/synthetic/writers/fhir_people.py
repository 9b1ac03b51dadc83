"""FHIR Patient, with US Core extensions and every identifier that a real one carries."""

from __future__ import annotations

from collections.abc import Iterator

from deid.synthetic.population import Population
from deid.synthetic.writers.fhir_terms import HL7, US_CORE, Resource, Row, coded, moment, profile

_OMB = "urn:oid:2.16.840.1.113883.6.238"
_RACES = {"white": ("2106-3", "White"), "black": ("2054-5", "Black or African American"), "asian": ("2028-9", "Asian"),
          "native": ("1002-5", "American Indian or Alaska Native"),
          "hawaiian": ("2076-8", "Native Hawaiian or Other Pacific Islander")}  # fmt: skip
_ETHNICITIES = {"hispanic": ("2135-2", "Hispanic or Latino"), "nonhispanic": ("2186-5", "Not Hispanic or Latino")}


def patients(population: Population) -> Iterator[Resource]:
    """Yield the Patient resources of a population."""
    for person in population.patients.to_pylist():
        resource: Resource = {
            "resourceType": "Patient",
            "id": person["patient_id"],
            "meta": profile("us-core-patient"),
            "text": {"status": "generated", "div": _narrative(person)},
            "extension": list(_extensions(person)),
            "identifier": list(_identifiers(person)),
            "name": list(_names(person)),
            "telecom": list(_telecoms(person)),
            "gender": {"F": "female", "M": "male"}[person["sex"]],
            "birthDate": person["birth_date"].isoformat(),
            "address": [_address(person)],
            "contact": [{"relationship": [{"text": person["contact_relation"]}],
                         "name": {"text": person["contact_name"]}}],
        }  # fmt: skip
        if person["death_date"] is not None:
            resource["deceasedDateTime"] = moment(person["death_date"], hour=23)
        if person["marital_status"] is not None:
            resource["maritalStatus"] = coded(f"{HL7}/v3-MaritalStatus", person["marital_status"])
        if person["language"] is not None:
            resource["communication"] = [{"language": coded("urn:ietf:bcp:47", person["language"])}]
        yield resource


def _narrative(person: Row) -> str:
    name = f"{person['first_name']} {person['last_name']}"
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{name}, born {person["birth_date"]}, MRN {person["mrn"]}</div>'


def _extensions(person: Row) -> Iterator[Resource]:
    for name, meaning in (("race", _RACES), ("ethnicity", _ETHNICITIES)):
        if person[name] in meaning:
            code, display = meaning[person[name]]
            coding = {"system": _OMB, "code": code, "display": display}
            parts = [{"url": "ombCategory", "valueCoding": coding}, {"url": "text", "valueString": display}]
            yield {"url": f"{US_CORE}/us-core-{name}", "extension": parts}
    yield {"url": f"{US_CORE}/us-core-birthsex", "valueCode": person["sex"]}


def _identifiers(person: Row) -> Iterator[Resource]:
    systems = {
        "MR": ("http://hospital.example.org/mrn", person["mrn"]),
        "SS": ("http://hl7.org/fhir/sid/us-ssn", person["ssn"]),
        "MB": ("http://payer.example.org/member", person["member_id"]),
    }
    for code, (system, value) in systems.items():
        yield {"type": coded(f"{HL7}/v2-0203", code), "system": system, "value": value}


def _names(person: Row) -> Iterator[Resource]:
    given = [name for name in (person["first_name"], person["middle_name"]) if name]
    yield {"use": "official", "family": person["last_name"], "given": given}
    if person["maiden_name"]:
        yield {"use": "maiden", "family": person["maiden_name"], "given": given}


def _telecoms(person: Row) -> Iterator[Resource]:
    for system in ("phone", "email"):
        if person[system]:
            yield {"system": system, "value": person[system], "use": "home"}


def _address(person: Row) -> Resource:
    return {"line": [person["street_address"]], "city": person["city"], "district": person["county"],
            "state": person["state"], "postalCode": person["zip_code"], "country": "US"}  # fmt: skip
