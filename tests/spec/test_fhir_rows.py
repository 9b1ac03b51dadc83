"""What the built-in FHIR description makes of billing resources, drawn as small JSON; and what the reader never loses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deid.errors import SourceError
from deid.schema import DatasetDescription
from deid.sources import load_dataset, open_source
from deid.sources.fhir_rows import BATCH_ROWS
from deid.sources.records import LEARNED

ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
NUBC = "https://www.nubc.org/CodeSystem"
DRG = "https://www.cms.gov/Medicare/Payment/Medicare-Fee-for-Service-Payment/AcuteInpatientPPS/MS-DRG-Classifications-and-Software"


def _coded(system: str, code: str) -> dict[str, Any]:
    local = {"system": "urn:oid:1.2.3", "code": "LOCAL-7731"}
    return {"coding": [local, {"system": system, "code": code, "display": "never read"}], "text": "never read"}


CLAIM: dict[str, Any] = {
    "resourceType": "Claim",
    "id": "c1",
    "meta": {"profile": ["x"]},
    "identifier": [{"value": "A1"}, {"value": "A2"}, {"value": "A1"}],
    "status": "active",
    "patient": {"reference": "Patient/p1", "display": "Never Read"},
    "billablePeriod": {"start": "2025-01-02", "end": "2025-01-03"},
    "provider": {"reference": "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|1234567893"},
    "diagnosis": [
        {"sequence": 1, "diagnosisCodeableConcept": _coded(ICD10, "E11.9")},
        {"sequence": 2, "diagnosisCodeableConcept": _coded("urn:oid:1.2.3", "LOCAL-7731")},
        {"sequence": 3, "diagnosisReference": {"reference": "Condition/d3"}},
    ],
    "item": [
        {
            "sequence": 1,
            "productOrService": _coded(CPT, "99213"),
            "modifier": [_coded("urn:oid:1.2.3", "LOCAL-7731"), _coded(CPT, "25")],
            "servicedDate": "2025-01-02",
            "quantity": {"value": 2},
            "net": {"value": 120.5, "currency": "USD"},
            "encounter": [{"reference": "Encounter/e1"}],
        },
        {"sequence": 2, "productOrService": _coded(HCPCS, "J1100"), "servicedPeriod": {"start": "2025-01-03"}},
    ],
    "total": {"value": 240, "currency": "USD"},
}
EXPLANATION: dict[str, Any] = {
    "resourceType": "ExplanationOfBenefit",
    "id": "e1",
    "identifier": [{"value": "B1"}],
    "status": "active",
    "outcome": "complete",
    "patient": {"reference": "https://payer.example.org/fhir/Patient/p1/_history/2"},
    "claim": {"reference": "Claim/c1"},
    "provider": {"identifier": {"value": "1234567893"}},
    "supportingInfo": [
        {"category": _coded("urn:x", "admissionperiod"), "timingPeriod": {"start": "2025-01-02", "end": "2025-01-05"}},
        {"category": _coded("urn:x", "drg"), "code": _coded(DRG, "637")},
        {"category": _coded("urn:x", "discharge-status"), "code": _coded(f"{NUBC}/PatDischargeStatus", "01")},
    ],
    "diagnosis": [
        {
            "sequence": 1,
            "diagnosisCodeableConcept": _coded(ICD10, "E11.10"),
            "type": [_coded("http://terminology.hl7.org/CodeSystem/ex-diagnosistype", "principal")],
            "onAdmission": _coded(f"{NUBC}/PresentOnAdmissionIndicator", "Y"),
        }
    ],
    "procedure": [
        {
            "sequence": 1,
            "date": "2025-01-03",
            "procedureCodeableConcept": _coded("http://www.cms.gov/Medicare/Coding/ICD10", "3E033VJ"),
        }
    ],
    "item": [
        {
            "sequence": 1,
            "revenue": _coded(f"{NUBC}/RevenueCodes", "0450"),
            "productOrService": _coded(CPT, "99285"),
            "adjudication": [
                {"category": _coded("urn:x", "submitted"), "amount": {"value": 900}},
                {"category": _coded("urn:x", "benefit"), "amount": {"value": 700.25}},
            ],
        }
    ],
    "total": [
        {"category": _coded("urn:x", "benefit"), "amount": {"value": 700.25}},
        {"category": _coded("urn:x", "submitted"), "amount": {"value": 900}},
    ],
    "payment": {"amount": {"value": 700.25}},
}


def _described(folder: Path, *resources: dict[str, Any] | str) -> DatasetDescription:
    (folder / "Patient.ndjson").write_text('{"resourceType":"Patient","id":"p1"}\n')
    files: dict[str, list[str]] = {}
    for resource in resources:
        line = resource if isinstance(resource, str) else json.dumps(resource)
        kind = "ExplanationOfBenefit" if "ExplanationOfBenefit" in line[:40] else "Claim"
        files.setdefault(kind, []).append(line)
    for kind, lines in files.items():
        (folder / f"{kind}.ndjson").write_text("\n".join(lines) + "\n")
    (folder / "d.yaml").write_text("dataset: d\nformat: us_core_bulk\n")
    return load_dataset(folder / "d.yaml")


def _rows(dataset: DatasetDescription, table: str) -> list[dict[str, str]]:
    """Return the rows of a table with every column asked for, without the empty cells."""
    described = dataset.table(table)
    assert described is not None
    batches = open_source(dataset).read(table, [column.name for column in described.columns])
    rows = [row for batch in batches for row in batch.to_pylist()]
    return [{name: cell for name, cell in row.items() if cell is not None} for row in rows]


LABELLED = CLAIM | {"meta": {"security": [{"code": "R"}, {"code": "42CFRPart2"}]}}
LABEL = {"part2": {"kind": "part2", "path": "meta.security[code=42CFRPart2].code"}}


@pytest.mark.parametrize("text", [json.dumps(LABELLED), json.dumps(LABELLED).replace("42CFR", "\\u00342C\\u0046R")])
def test_a_record_labelled_as_of_a_part_2_program_is_read_where_its_label_is_alone(tmp_path: Path, text: str) -> None:
    """Who describes no label would release it; described, the label is a mark, and its absence an empty one."""
    dataset = _described(tmp_path, text, CLAIM)
    with pytest.raises(SourceError, match="labelled as of a program under 42 CFR Part 2"):
        _rows(dataset, "claims")
    document = {"dataset": "d", "format": "us_core_bulk", "part2_marks": "positive",
                "tables": {"claims": {"columns": LABEL}}}  # fmt: skip
    (tmp_path / "d.yaml").write_text(json.dumps(document))
    marks = [row.get("part2") for row in _rows(load_dataset(tmp_path / "d.yaml"), "claims")]
    assert marks == ["42CFRPart2", None]


EXPECTED: dict[str, list[dict[str, str]]] = {
    "claims": [
        {
            "claim_id": "c1",
            "patient_id": "p1",
            "status": "active",
            "start": "2025-01-02",
            "end": "2025-01-03",
            "provider": "1234567893",
            "other_identifiers": "A1 A2",
            "total": "240",
        }
    ],
    "claim_diagnoses": [
        {"claim_id": "c1", "patient_id": "p1", "sequence": "1", "billed_start": "2025-01-02", "icd10cm": "E11.9"},
        {"claim_id": "c1", "patient_id": "p1", "sequence": "2", "billed_start": "2025-01-02"},
        {"claim_id": "c1", "patient_id": "p1", "sequence": "3", "billed_start": "2025-01-02", "condition": "d3"},
    ],
    "claim_items": [
        {
            "claim_id": "c1",
            "patient_id": "p1",
            "encounter_id": "e1",
            "sequence": "1",
            "date": "2025-01-02",
            "billed_start": "2025-01-02",
            "cpt": "99213",
            "modifier": "25",
            "quantity": "2",
            "net": "120.5",
        },
        {
            "claim_id": "c1",
            "patient_id": "p1",
            "sequence": "2",
            "start": "2025-01-03",
            "billed_start": "2025-01-02",
            "hcpcs": "J1100",
        },
    ],
    "explanations": [
        {
            "explanation_id": "e1",
            "patient_id": "p1",
            "claim_id": "c1",
            "other_identifiers": "B1",
            "status": "active",
            "outcome": "complete",
            "admit_date": "2025-01-02",
            "discharge_date": "2025-01-05",
            "drg": "637",
            "discharge_status": "01",
            "provider_number": "1234567893",
            "total": "900",
            "payment": "700.25",
        }
    ],
    "explanation_diagnoses": [
        {
            "explanation_id": "e1",
            "patient_id": "p1",
            "sequence": "1",
            "icd10cm": "E11.10",
            "type": "principal",
            "present_on_admission": "Y",
        }
    ],
    "explanation_procedures": [
        {"explanation_id": "e1", "patient_id": "p1", "sequence": "1", "date": "2025-01-03", "icd10pcs": "3E033VJ"}
    ],
    "explanation_items": [
        {
            "explanation_id": "e1",
            "patient_id": "p1",
            "sequence": "1",
            "cpt": "99285",
            "revenue_code": "0450",
            "submitted": "900",
            "paid": "700.25",
        }
    ],
}


@pytest.mark.parametrize("table", sorted(EXPECTED))
def test_billing_resources_become_these_rows(tmp_path: Path, table: str) -> None:
    """Claims, their diagnoses and items, and explanations of benefit: every cell, and no local code, is read."""
    assert _rows(_described(tmp_path, CLAIM, EXPLANATION), table) == EXPECTED[table]


@pytest.mark.parametrize("table", sorted(EXPECTED))
def test_another_build_of_the_same_resource_gives_the_same_rows(tmp_path: Path, table: str) -> None:
    """A lone object where FHIR has a list, and a list where it has an object, are read all the same."""
    turned = [json.loads(json.dumps(resource), object_hook=_turned) for resource in (CLAIM, EXPLANATION)]
    assert turned[0]["patient"] == [CLAIM["patient"]]
    assert isinstance(turned[1]["payment"], list)
    assert _rows(_described(tmp_path, *turned), table) == EXPECTED[table]


def _turned(part: dict[str, Any]) -> dict[str, Any]:
    turned: dict[str, Any] = {}
    for name, value in part.items():
        lone = isinstance(value, list) and len(value) == 1
        turned[name] = value[0] if lone else [value] if isinstance(value, dict) else value
    return turned


def test_undescribed_members_are_counted_once_for_each_record_that_has_them(tmp_path: Path) -> None:
    """Counts are right from the first record on, after a member appears late, and when a table is read twice."""
    records = []
    for n in range(9):
        extra: dict[str, Any] = {"meta": {}} if n != 4 else {}
        extra |= {"text": None} if n > 4 else {}
        extra |= {"Jane Doe": 1, "Jack Doe": 1} if n == 7 else {}
        records.append({"resourceType": "Claim", "id": str(n)} | extra)
    source = open_source(_described(tmp_path, *records))
    for _ in range(2):
        assert sum(len(batch) for batch in source.read("claims", ["claim_id"])) == 9
        assert dict(source.unread) == {"Claim.meta": 8, "Claim.text": 4, "Claim.(other)": 2}


def test_names_without_number_do_not_grow_the_counts(tmp_path: Path) -> None:
    """More undescribed names than a FHIR resource could have are counted together, and none is lost."""
    records = [{"resourceType": "Claim", "id": "c", f"made{n}": n, f"up{n}": n} for n in range(3 * LEARNED)]
    source = open_source(_described(tmp_path, *records))
    assert sum(len(batch) for batch in source.read("claims", ["claim_id"])) == 3 * LEARNED
    assert len(source.unread) == LEARNED + 1
    assert sum(source.unread.values()) == 6 * LEARNED


def test_what_is_not_asked_for_is_not_decoded(tmp_path: Path) -> None:
    """A described member that no asked column reads is passed over as bytes, and does not count as undescribed."""
    dataset = _described(tmp_path, CLAIM)
    file = tmp_path / "Claim.ndjson"
    # Bytes that are no text: whatever decoded them would stumble.
    file.write_bytes(file.read_bytes().replace(b"never read", b"\xff\xfe").replace(b"Never Read", b"\xff"))
    with pytest.raises(SourceError, match="line 1"):
        list(open_source(_with_display(dataset)).read("claims", ["seen"]))
    source = open_source(dataset)
    rows = [row for batch in source.read("claims", ["claim_id", "total"]) for row in batch.to_pylist()]
    assert rows == [{"claim_id": "c1", "total": "240"}]
    assert dict(source.unread) == {"Claim.meta": 1}


def _with_display(dataset: DatasetDescription) -> DatasetDescription:
    (dataset.root / "display.yaml").write_text(
        "dataset: d\nformat: us_core_bulk\n"
        "tables: {claims: {columns: {seen: {kind: person_name, path: patient.display}}}}\n"
    )
    return load_dataset(dataset.root / "display.yaml")


@pytest.mark.parametrize("name", ["modifierExtension", "implicitRules"])
def test_a_modifier_is_found_however_it_is_spelled_and_wherever_it_stands(tmp_path: Path, name: str) -> None:
    """Any letter of the name may be escaped; the records around it, in the same file, are read."""
    spelled = [name, *(f"{name[:at]}\\u{ord(name[at]):04x}{name[at + 1 :]}" for at in range(len(name)))]
    lines = [json.dumps(CLAIM)]
    for word in spelled:
        lines += [json.dumps(CLAIM)[:-1] + f', "{word}": [{{"url": "http://x"}}]}}', json.dumps(CLAIM)]
    source = open_source(_described(tmp_path, *lines))
    assert sum(len(batch) for batch in source.read("claims", ["claim_id"])) == len(spelled) + 1
    assert dict(source.withheld) == {f"claims: {name}": len(spelled)}


def test_a_broken_line_far_down_is_named_by_its_number(tmp_path: Path) -> None:
    """Blank lines count, and a fault after thousands of good lines and a new member has its own line number."""
    lines = [json.dumps(CLAIM | {"id": str(n)}) for n in range(3000)]
    lines[1700] = json.dumps(CLAIM | {"late": 1})
    lines[2500] = json.dumps(CLAIM)[:-40] + "Zzyzx-Sentinel-7731"
    dataset = _described(tmp_path, *lines)
    file = tmp_path / "Claim.ndjson"
    file.write_text("\n\n" + file.read_text())
    with pytest.raises(SourceError, match=r"line 2503\b") as error:
        list(open_source(dataset).read("claims", ["claim_id"]))
    assert "Sentinel" not in f"{error.value!s}{error.value!r}"
    assert error.value.__cause__ is None


@pytest.mark.parametrize("table", ["claims", "claim_items"])
def test_rows_come_in_batches_that_do_not_grow(tmp_path: Path, table: str) -> None:
    """However many rows there are, a batch holds no more than its limit and one record's rows, and none is lost."""
    claim = {"resourceType": "Claim", "id": "c", "item": [{"sequence": n} for n in range(3)]}
    source = open_source(_described(tmp_path, *[json.dumps(claim)] * (BATCH_ROWS + 10)))
    lengths = [len(batch) for batch in source.read(table, ["claim_id"])]
    assert max(lengths) <= BATCH_ROWS + 2
    assert sum(lengths) == (BATCH_ROWS + 10) * (3 if table == "claim_items" else 1)


def test_contained_resources_give_no_rows(tmp_path: Path) -> None:
    """`each: contained` is refused before a row is read."""
    _described(tmp_path, CLAIM)
    (tmp_path / "d.yaml").write_text(
        "dataset: d\nformat: fhir_bulk\npopulation: inner\ntables:\n  inner:\n    resource: Claim\n"
        "    each: contained\n    patient: id\n    columns: {id: {kind: patient_id, path: id}}\n"
    )
    source = open_source(load_dataset(tmp_path / "d.yaml"))
    with pytest.raises(SourceError, match="contained"):
        source.check({"inner": ["id"]})
