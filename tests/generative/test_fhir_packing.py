"""However FHIR resources are packed, the same resources give the same rows."""

from __future__ import annotations

import json
import shutil
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deid.sources import load_dataset, open_source

Resource = dict[str, Any]
CODES = ("E11.9", "I10", "Z00.00")
SUBJECT, PATIENT = "subject.reference|reference:Patient", "%resource.patient.reference|reference:Patient"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
TABLES: dict[str, dict[str, Any]] = {
    "patients": {"resource": "Patient", "who": "id", "sex": "gender", "person_name": "name.given|join"},
    "conditions": {"resource": "Condition", "who": SUBJECT, "icd10cm": f"code.coding[system={ICD10}].code", "unique_id": "id"},
    "claims": {"resource": "Claim", "who": PATIENT, "claim_id": "id"},
    "claim_items": {"resource": "Claim", "each": "item", "who": PATIENT, "claim_id": "%resource.id", "charge_amount": "net.value"},
}  # fmt: skip


def _description(format_: str) -> str:
    """Return a description of these tables in which each column is called by its kind."""
    tables = {}
    for name, said in TABLES.items():
        columns = {
            kind: {"kind": kind, "path": path} for kind, path in said.items() if kind not in ("resource", "each", "who")
        }
        about = {field: said[field] for field in ("resource", "each") if field in said}
        who = {"patient_id": {"kind": "patient_id", "path": said["who"]}}
        tables[name] = about | {"patient": "patient_id", "optional": True, "columns": who | columns}
    return json.dumps({"dataset": "d", "format": format_, "tables": tables})  # fmt: skip


@st.composite
def populations(draw: st.DrawFn) -> list[Resource]:
    """Return patients, with conditions and claims that refer to them."""
    made: list[Resource] = []
    for who in range(draw(st.integers(1, 4))):
        patient: Resource = {
            "resourceType": "Patient",
            "id": f"p{who}",
            "gender": draw(st.sampled_from(["male", "female"])),
        }
        about = {"reference": f"Patient/p{who}"}
        made.append(patient | draw(st.sampled_from([{}, {"name": [{"given": ["Ñandú", "B"]}]}])))
        for number, code in enumerate(draw(st.lists(st.sampled_from(CODES), max_size=3))):
            coding = {"system": ICD10, "code": code}
            made.append(
                {"resourceType": "Condition", "id": f"d{who}-{number}", "subject": about, "code": {"coding": [coding]}}
            )
        for number, lines in enumerate(draw(st.lists(st.integers(0, 3), max_size=2))):
            items = [{"sequence": n, "net": {"value": n / 4}} for n in range(lines)]
            made.append({"resourceType": "Claim", "id": f"c{who}-{number}", "patient": about, "item": items})
    return draw(st.permutations(made))  # fmt: skip


def _rows(folder: Path, format_: str) -> dict[str, Counter[str]]:
    (folder / "d.yaml").write_text(_description(format_))
    dataset = load_dataset(folder / "d.yaml")
    found = {}
    for name in TABLES:
        table = dataset.table(name)
        if table is not None:
            batches = open_source(dataset).read(name, [column.name for column in table.columns])
            found[name] = Counter(json.dumps(row) for batch in batches for row in batch.to_pylist())
    return {name: rows for name, rows in found.items() if rows}


def _bulk(folder: Path, resources: list[Resource]) -> None:
    for resource in resources:
        with (folder / f"{resource['resourceType']}.ndjson").open("a") as file:
            file.write(json.dumps(resource) + "\n")


def _lines(folder: Path, resources: list[Resource]) -> None:
    (folder / "all.json").write_text("".join(json.dumps(resource, ensure_ascii=False) + "\n" for resource in resources))


def _single(folder: Path, resources: list[Resource]) -> None:
    for resource in resources:
        (folder / f"{resource['id']}.json").write_text(json.dumps(resource, indent=2))


def _bundle(folder: Path, resources: list[Resource]) -> None:
    names = {f"{one['resourceType']}/{one['id']}": uuid.uuid5(uuid.NAMESPACE_URL, one["id"]).urn for one in resources}
    entries = [{"resource": one, "fullUrl": names[f"{one['resourceType']}/{one['id']}"]} for one in resources]
    text = json.dumps({"type": "transaction", "entry": entries, "resourceType": "Bundle"}, indent=1)
    for reference, name in names.items():
        text = text.replace(f'"reference": "{reference}"', f'"reference": "{name}"')
    (folder / "bundle.json").write_text(text)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(resources=populations())
def test_packing_does_not_change_the_rows(tmp_path: Path, resources: list[Resource]) -> None:
    """Bulk files, lines, single files and one Bundle with references by UUID: row for row the same."""
    found = []
    for pack in (_bulk, _lines, _single, _bundle):
        folder = tmp_path / pack.__name__
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        pack(folder, resources)
        found.append(_rows(folder, "fhir_bulk" if pack is _bulk else "fhir_json"))
    assert found[0]["patients"].total() == sum(one["resourceType"] == "Patient" for one in resources)
    assert found[1:] == found[:1] * 3  # fmt: skip
