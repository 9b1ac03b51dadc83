"""Identifiers hidden in every corner of FHIR resources where nobody described one: none reaches a release.

Each corner holds a canary of its own, shaped like a code so that no shape stops it. That the test can fail is shown by
a description that names those corners: then every canary is there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from attack.inputs import wide
from sites import TestSite, expert_without_ceiling, make_site

ICD10, CPT = "http://hl7.org/fhir/sid/icd-10-cm", "http://www.ama-assn.org/go/cpt"
LOCAL, EXTENSION = "urn:oid:1.2.3.4.5", "http://clinic.example.org/badge"
# Corner -> the kind of resource, the path that would read it, and the canary.
CORNERS: dict[str, tuple[str, str, str]] = {
    "local_code": ("conditions", f"code.coding[system={LOCAL}].code", "Q81.1"),
    "display": ("conditions", f"code.coding[system={ICD10}].display", "Q82.1"),
    "narrative": ("conditions", "text.div", "Q83.1"),
    "unknown_extension": ("conditions", f"extension[url={EXTENSION}].valueCode", "Q84.1"),
    "code_extension": ("conditions", f"code.extension[url={EXTENSION}].valueString", "Q85.1"),
    "assigner": ("conditions", "identifier.assigner.display", "Q86.1"),
    "reference_display": ("conditions", "subject.display", "Q87.1"),
    "coding_version": ("conditions", f"code.coding[system={ICD10}].version", "Q88.1"),
    "local_line_code": ("procedures", f"code.coding[system={LOCAL}].code", "Q89.1"),
    "performer": ("procedures", "performer.actor.reference|reference:Patient", "Q90.1"),
    "performer_display": ("procedures", "performer.actor.display", "Q91.1"),
    "tag": ("patients", "meta.tag.display", "Q92.1"),
    "primitive_extension": ("patients", f"_birthDate.extension[url={EXTENSION}].valueString", "Q93.1"),
    "contact_organization": ("patients", "contact.organization.display", "Q94.1"),
    "link": ("patients", "link.other.display", "Q95.1"),
}
NEVER = {"contained": "Q70.1", "request": "Q71.1", "search": "Q72.1", "bundle_link": "Q73.1", "other_type": "Q74.1"}
POLICIES = ("limited-data-set", "safe-harbor", "expert-k11")


def _canary(corner: str) -> str:
    return CORNERS[corner][2] if corner in CORNERS else NEVER[corner]


def _badge(corner: str, member: str) -> list[dict[str, Any]]:
    return [{"url": EXTENSION, member: _canary(corner)}]


def _coded(system: str, code: str, local: str) -> dict[str, Any]:
    told = {"system": system, "version": _canary("coding_version"), "code": code, "display": _canary("display")}
    bare = {"code": _canary(local)}
    return {"coding": [bare, {"system": LOCAL, "code": _canary(local)}, told]}


def _resources(who: str) -> list[dict[str, Any]]:
    subject = {"reference": f"Patient/{who}", "display": _canary("reference_display")}
    patient = {
        "id": who,
        "birthDate": "1970-02-03",
        "_birthDate": {"extension": _badge("primitive_extension", "valueString")},
        "gender": "female",
        "meta": {"tag": [{"display": _canary("tag")}]},
        "contact": [{"organization": {"display": _canary("contact_organization")}}],
        "link": [{"other": {"display": _canary("link")}}],
    }
    condition = {
        "id": f"d-{who}",
        "subject": subject,
        "text": {"status": "generated", "div": _canary("narrative")},
        "extension": _badge("unknown_extension", "valueCode"),
        "code": _coded(ICD10, "E11.9", "local_code") | {"extension": _badge("code_extension", "valueString")},
        "onsetDateTime": "2024-03-04",
        "identifier": [{"value": "n1", "assigner": {"display": _canary("assigner")}}],
        "contained": [
            {"resourceType": "Condition", "id": "c", "code": _coded(ICD10, _canary("contained"), "local_code")}
        ],
    }
    actor = {"reference": f"Patient/{_canary('performer')}", "display": _canary("performer_display")}
    procedure = {
        "id": f"x-{who}",
        "subject": subject,
        "performedDateTime": "2024-03-04",
        "code": _coded(CPT, "99213", "local_line_code"),
        "performer": [{"actor": actor}],
    }
    other = {"id": "o", "code": _coded(ICD10, _canary("other_type"), "local_code")}
    visit = {"id": f"e-{who}", "subject": subject, "period": {"start": "2024-03-04", "end": "2024-03-04"}}
    kinds = {"Patient": patient, "Encounter": visit, "Condition": condition, "Procedure": procedure, "Basic": other}
    return [{"resourceType": kind} | resource for kind, resource in kinds.items()]  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """One site, with a Bundle of eleven patients alike: so many that no policy withholds them."""
    made = make_site(tmp_path_factory.mktemp("canaries") / "site")
    about = {"request": {"url": _canary("request")}, "search": {"mode": _canary("search")}}
    entries = [about | {"resource": one} for n in range(11) for one in _resources(f"p{n}")]
    bundle = {"resourceType": "Bundle", "link": [{"url": _canary("bundle_link")}], "entry": entries}
    (made.folder / "source").mkdir()
    (made.folder / "source" / "bundle.json").write_text(json.dumps(bundle))
    return made


def _policy(site: TestSite, name: str) -> Path:
    """Return a policy; of eleven patients alike a ceiling on known codes lets nothing through."""
    return expert_without_ceiling(site) if name == "expert-k11" else site.folder / "policies" / f"{name}.yaml"


def _release(site: TestSite, name: str, policy: str, **description: Any) -> str:
    """Return every cell of a release of every described column, as one text."""
    document = {"dataset": name, "format": "us_core_json", "root": "source"} | description
    dataset = site.write(f"{name}.yaml", document)
    tables = {
        table: columns for table, columns in wide(dataset).items() if table in ("patients", "conditions", "procedures")
    }
    if policy == "expert-k11":  # its k counts these of a patient
        tables["patients"] = ["patient_id", "birth_date", "sex"]
    request = site.request(
        dataset,
        tables,
        request=f"{name}-{policy}",
        policy=str(_policy(site, policy)),
        agreement="DUA-1" if policy == "limited-data-set" else None,
    )  # fmt: skip
    opened = site.open(site.run(request))
    found: list[pa.Table] = [opened.read(table) for table in opened.tables]
    assert {table.num_rows for table in found} == {11}
    return "\n".join(str(cell) for table in found for column in table.columns for cell in column.to_pylist())


@pytest.mark.parametrize("policy", POLICIES)
def test_no_corner_that_nobody_described_reaches_a_release(site: TestSite, policy: str) -> None:
    """Local codes, displays, narratives, extensions, assigners, contained resources: none of the canaries is there."""
    cells = _release(site, "described", policy)
    assert "E11" in cells
    assert [corner for corner in (*CORNERS, *NEVER) if _canary(corner) in cells] == []


def test_the_canaries_would_be_seen(site: TestSite) -> None:
    """A description that calls each corner a diagnosis code lets every canary through: the search finds them all."""
    tables: dict[str, dict[str, Any]] = {}
    for corner, (table, path, _) in CORNERS.items():
        columns = tables.setdefault(table, {"columns": {}})["columns"]
        columns[corner] = {"kind": "icd10cm", "path": path}
    cells = _release(site, "misdescribed", "limited-data-set", tables=tables)
    assert [corner for corner in CORNERS if _canary(corner) not in cells] == []
    assert [corner for corner in NEVER if _canary(corner) in cells] == []


def test_what_is_never_read_cannot_be_described(site: TestSite, tmp_path: Path) -> None:
    """A path into `contained`, and one to a coding without its system, are refused before any file is opened."""
    from deid.errors import DocumentError
    from deid.sources import load_dataset

    for path in ("contained.code.text", "code.coding.code"):
        tables = {"conditions": {"columns": {"x": {"kind": "icd10cm", "path": path}}}}
        (tmp_path / "d.yaml").write_text(
            json.dumps(
                {"dataset": "d", "format": "us_core_json", "root": str(site.folder / "source"), "tables": tables}
            )
        )
        with pytest.raises(DocumentError):
            load_dataset(tmp_path / "d.yaml")
