"""FHIR R4 transaction bundles: one JSON file for each patient, whose resources refer to each other by UUID."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from deid.synthetic.population import Population
from deid.synthetic.writers.fhir import resources_of
from deid.synthetic.writers.fhir_terms import Resource

_DESCRIPTION = "dataset: fhir-json-sample\nformat: us_core_json\nconfirmed: true\n"
_REFERENCE = re.compile(r'"reference":"([A-Z][A-Za-z]+/[^"]+)"')
_NAMELESS = ("Condition", "Procedure")  # their ids are for the server to give


def write_fhir_json(population: Population, folder: Path) -> None:
    """Write one Bundle a patient, with a `dataset.yaml`, into `folder`; patients keep ids of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    bundles: dict[str, list[Resource]] = {}
    for found in resources_of(population).values():
        for resource in found:
            bundles.setdefault(_patient_of(resource), []).append(resource)
    for number, (_, resources) in enumerate(sorted(bundles.items()), start=1):
        names = {f"{one['resourceType']}/{one['id']}": _urn(one) for one in resources}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [_entry(one) for one in resources]}
        text = _renamed(msgspec.json.encode(bundle).decode(), names)
        (folder / f"patient-{number:02}.json").write_bytes(msgspec.json.format(text.encode(), indent=1) + b"\n")
    (folder / "dataset.yaml").write_text(_DESCRIPTION, encoding="utf-8")


def _renamed(text: str, names: Mapping[str, str]) -> str:
    """Return JSON text in which references to the resources that `names` knows are their names."""
    return _REFERENCE.sub(lambda match: f'"reference":"{names.get(match[1], match[1])}"', text)


def _patient_of(resource: Mapping[str, Any]) -> str:
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    about = resource.get("subject") or resource["patient"]
    return str(about["reference"]).removeprefix("Patient/")


def _urn(resource: Mapping[str, Any]) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{resource['resourceType']}/{resource['id']}").urn


def _entry(resource: Resource) -> Resource:
    kind = resource["resourceType"]
    kept = {name: value for name, value in resource.items() if name != "id" or kind not in _NAMELESS}
    return {"fullUrl": _urn(resource), "resource": kept, "request": {"method": "POST", "url": kind}}
