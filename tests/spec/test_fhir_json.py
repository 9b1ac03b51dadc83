"""FHIR as JSON files: what counts as a document, what references in a Bundle mean, and what is refused."""

from __future__ import annotations

import codecs
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deid.errors import SourceError
from deid.schema import DatasetDescription
from deid.sources import load_dataset, open_source
from deid.sources.fhir_documents import MAX_DOCUMENT_BYTES, MAX_DOCUMENT_VALUES
from deid.sources.fhir_rows import MAX_VALUES
from deid.visits.columns import start_of_visit

UUID = "urn:uuid:6f1c1c4e-0000-4000-8000-00000000000"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
SENTINEL = "Quixwerble-7731"
PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"family": SENTINEL}]}


def _condition(subject: str, **fields: Any) -> dict[str, Any]:
    code = {"coding": [{"system": ICD10, "code": "E11.9"}]}
    return {"resourceType": "Condition", "id": "d1", "code": code, "subject": {"reference": subject}} | fields


def _entry(number: int, resource: dict[str, Any] | None, **fields: Any) -> dict[str, Any]:
    return {"fullUrl": f"{UUID}{number}"} | ({"resource": resource} if resource else {}) | fields


def _bundle(*entries: Any, kind: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def _dataset(folder: Path, *documents: Any, **fields: Any) -> DatasetDescription:
    """Write documents, bytes as they are, and the built-in description of JSON files."""
    for number, document in enumerate(documents):
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        (folder / f"f{number}.json").write_bytes(data)
    (folder / "d.yaml").write_text(json.dumps({"dataset": "d", "format": "us_core_json"} | fields))
    return load_dataset(folder / "d.yaml")


def _rows(dataset: DatasetDescription, table: str, *columns: str) -> list[tuple[str | None, ...]]:
    source = open_source(dataset)
    source.check({table: columns})
    return [tuple(row.values()) for batch in source.read(table, columns) for row in batch.to_pylist()]


@pytest.mark.parametrize("written", ["urn", "relative", "absolute"])
def test_every_way_to_refer_to_an_entry_gives_its_id(tmp_path: Path, written: str) -> None:
    """A patient whose fullUrl is another than its id is one patient, however the other entries name it."""
    subject = {"urn": f"{UUID}1", "relative": "Patient/p1", "absolute": "https://ehr.example.org/fhir/Patient/p1"}
    dataset = _dataset(tmp_path, _bundle(_entry(1, PATIENT), _entry(2, _condition(subject[written]))))
    assert _rows(dataset, "patients", "patient_id") == [("p1",)]
    assert _rows(dataset, "conditions", "patient_id", "icd10cm") == [("p1", "E11.9")]


def test_an_entry_may_refer_to_a_later_one_and_one_file_never_to_another(tmp_path: Path) -> None:
    """What a UUID means is a matter of its Bundle: two files may use one UUID for two patients."""
    bundles = [
        _bundle(_entry(2, _condition(f"{UUID}1", id=f"d{n}")), _entry(1, PATIENT | {"id": f"p{n}"})) for n in (1, 2)
    ]
    dataset = _dataset(tmp_path, *bundles)
    assert _rows(dataset, "conditions", "condition_id", "patient_id") == [("d1", "p1"), ("d2", "p2")]


def test_a_resource_that_a_transaction_creates_has_the_id_of_its_full_url(tmp_path: Path) -> None:
    """Without ids of their own, resources are known by the UUIDs that other entries refer to."""
    nameless = {name: value for name, value in PATIENT.items() if name != "id"}
    dataset = _dataset(tmp_path, _bundle(_entry(1, nameless), _entry(2, _condition(f"{UUID}1"))))
    (found,) = _rows(dataset, "patients", "patient_id")
    assert found == (f"{UUID}1".removeprefix("urn:uuid:"),)
    assert _rows(dataset, "conditions", "patient_id") == [found]
    addressed = _bundle({"fullUrl": "https://ehr.example.org/Patient/p7", "resource": nameless})
    assert _rows(_dataset(tmp_path, addressed), "patients", "patient_id") == [("p7",)]


def test_a_uuid_of_another_type_is_no_patient_and_no_provider(tmp_path: Path) -> None:
    """A group is not a patient, and a patient who performs is not a provider, though a UUID does not say so."""
    group, doctor = {"resourceType": "Group", "id": "g1"}, {"resourceType": "Practitioner", "id": "n1"}
    performed = {"resourceType": "Procedure", "id": "x", "subject": {"reference": f"{UUID}1"}}
    dataset = _dataset(
        tmp_path,
        _bundle(
            _entry(1, PATIENT),
            _entry(2, group),
            _entry(3, doctor),
            _entry(4, _condition(f"{UUID}2")),
            _entry(5, performed | {"performer": [{"actor": {"reference": f"{UUID}1"}}]}),
            _entry(6, performed | {"performer": [{"actor": {"reference": f"{UUID}1"}}, {"actor": {"reference": f"{UUID}3"}}]}),
            _entry(7, performed | {"performer": [{"actor": {"reference": f"{UUID}9"}}]}),
        ),
    )  # fmt: skip
    assert _rows(dataset, "conditions", "patient_id") == [(None,)]
    assert _rows(dataset, "procedures", "patient_id", "performer") == [("p1", None), ("p1", "n1"), ("p1", None)]


def test_types_that_no_table_reads_are_counted_and_made_up_names_are_not_spoken(tmp_path: Path) -> None:
    """Entries of other types are passed over; counts are the same after every reading."""
    others = [{"resourceType": kind} for kind in ("OperationOutcome", "CareTeam", "CareTeam", SENTINEL, "Quixwerble")]
    dataset = _dataset(tmp_path, _bundle(_entry(1, PATIENT), *[{"resource": other} for other in others]), others[1])
    source = open_source(dataset)
    for table in ("patients", "conditions", "patients"):
        rows = sum(len(batch) for batch in source.read(table, ["patient_id"]))
        assert rows == (1 if table == "patients" else 0)
        counted = {name: count for name, count in source.unread.items() if "." not in name}
        assert counted == {"OperationOutcome": 1, "CareTeam": 3, "(other)": 2}


def test_what_a_bundle_says_about_its_entries_is_never_decoded(tmp_path: Path) -> None:
    """Requests, responses, searches and links are bytes that nobody looks into."""
    about = {name: {"url": "@", "outcome": {"resourceType": "Patient", "id": "@"}} for name in
             ("request", "response", "search")}  # fmt: skip
    bundle = _bundle(_entry(1, PATIENT, **about), _entry(2, None, response={"status": "201"})) | {
        "link": [{"url": "@"}]
    }
    assert _rows(_dataset(tmp_path, bundle), "patients", "patient_id") == [("p1",)]


PACKED: dict[str, Callable[[], bytes]] = {
    "one line": lambda: json.dumps(_bundle(_entry(1, PATIENT))).encode(),
    "pretty": lambda: json.dumps(_bundle(_entry(1, PATIENT)), indent=2).encode(),
    "windows lines": lambda: json.dumps(_bundle(_entry(1, PATIENT)), indent=2).replace("\n", "\r\n").encode(),
    "byte order mark": lambda: codecs.BOM_UTF8 + json.dumps(_bundle(_entry(1, PATIENT)), indent=1).encode(),
    "blank lines first": lambda: b"\r\n \n" + json.dumps(PATIENT, indent=1).encode() + b"\n\n",
    "one resource": lambda: json.dumps(PATIENT).encode(),
    "type last": lambda: json.dumps(dict(reversed(PATIENT.items()))).encode(),
    "gzip": lambda: gzip.compress(json.dumps(PATIENT, indent=1).encode()),
    "lines": lambda: b"\xef\xbb\xbf\n" + json.dumps(PATIENT).encode() + b"\n\n" + b'{"resourceType":"Group"}\n',
    "lines of bundles": lambda: json.dumps(_bundle(_entry(1, PATIENT))).encode() + b"\n" + json.dumps(_bundle()).encode(),
}  # fmt: skip


@pytest.mark.parametrize("packed", PACKED)
def test_every_packing_is_read(tmp_path: Path, packed: str) -> None:
    """A Bundle, a resource or lines of either; on one line or pretty; with a mark or compressed."""
    assert _rows(_dataset(tmp_path, PACKED[packed]()), "patients", "patient_id", "family_name") == [("p1", SENTINEL)]


_TEXT = json.dumps(PATIENT)
BAD: dict[str, tuple[bytes, str]] = {
    "UTF-16 with a mark": (_TEXT.encode("utf-16"), r"f0\.json: UTF-16 or UTF-32"),
    "UTF-16 without": (_TEXT.encode("utf-16-le"), r"f0\.json: UTF-16 or UTF-32"),
    "UTF-32": (_TEXT.encode("utf-32"), r"f0\.json: UTF-16 or UTF-32"),
    "latin-1": (json.dumps(PATIENT | {"text": "Quíx"}, ensure_ascii=False).encode("latin-1"), "line 1: not UTF-8 text"),
    "blank": (b"\n \n", r"f0\.json: blank"),
    "a list": (f"[{_TEXT}]".encode(), "one JSON object"),
    "a text": (f'"{SENTINEL}"'.encode(), "one JSON object"),
    "no resource": (json.dumps({"name": SENTINEL}).encode(), "no resourceType"),
    "a type that is no text": (json.dumps({"resourceType": [SENTINEL]}).encode(), "no resourceType"),
    "cut": (json.dumps(PATIENT, indent=1).encode()[:-12], r"f0\.json, line \d+: not one whole"),
    "broken far down": (json.dumps(_bundle(*[_entry(1, PATIENT)] * 9), indent=1).encode().replace(b'"p1"', b"p1", 1), "line 9: not one whole"),
    "something behind": (_TEXT.encode() + SENTINEL.encode(), "not one whole"),
    "a broken line": (_TEXT.encode() + b"\n\n" + _TEXT.encode()[:-3] + b"\n", "line 3: not one whole"),
    "a constant that is no JSON": (_TEXT[:-1].encode() + b', "x": NaN}', "not one whole"),
    "too deep": (b'{"resourceType":"Patient","x":' + b"[" * 200_000, "not one whole"),
    "a name twice": (_TEXT[:-1].encode() + b', "id": "p2"}', "a name stands twice"),
    "a name twice, spelled otherwise": (_TEXT[:-1].encode() + b', "\\u0069d": "p2"}', "a name stands twice"),
    "a name twice, deep in a Bundle": (json.dumps(_bundle(_entry(1, PATIENT))).replace('"family":', '"family": "", "family":').encode(), "a name stands twice"),
    "a Bundle in a Bundle": (json.dumps(_bundle(_entry(1, PATIENT), _entry(2, _bundle()))).encode(), "entry 2: a Bundle within"),
    "an entry that is no object": (json.dumps(_bundle(SENTINEL)).encode(), "not a list of entries"),
    "one entry without a list": (json.dumps(_bundle() | {"entry": _entry(1, PATIENT)}).encode(), "not a list of entries"),
    "an entry that is no resource": (json.dumps(_bundle(_entry(1, PATIENT), {"resource": {"id": SENTINEL}})).encode(), "entry 2: .*no resourceType"),
    "a resource that is null": (json.dumps(_bundle({"resource": None})).encode(), "entry 1: .*one JSON object"),
    "one URL for two": (json.dumps(_bundle(_entry(1, PATIENT), _entry(1, PATIENT | {"id": SENTINEL}))).encode(), "entry 2: two different resources"),
    "an object for a value": (json.dumps(_bundle(_entry(1, PATIENT), _entry(2, PATIENT | {"gender": {"x": SENTINEL}}))).encode(), "entry 2: .*an object"),
    "cut gzip": (gzip.compress(_TEXT.encode() * 99)[:-9], "cut or damaged"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_bad_documents_are_refused_with_their_place_and_without_a_value(tmp_path: Path, bad: str) -> None:
    """File, line or entry, fault and hint; nothing that stands in the file, and no error of a library behind it."""
    data, pattern = BAD[bad]
    dataset = _dataset(tmp_path, data)
    with pytest.raises(SourceError, match=pattern) as caught:
        _rows(dataset, "patients", "patient_id", "sex")
    assert caught.value.hint
    assert "Qu" not in f"{caught.value!s}{caught.value!r}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def _of_values(count: int) -> bytes:
    return b'{"resourceType":"Claim","id":"c","item":[' + b"{}," * count + b"{}]}"


def _of_entries(count: int) -> bytes:
    return b'{"resourceType":"Bundle","entry":[' + b"{}," * count + b"{}]}"


@pytest.mark.parametrize(
    ("data", "pattern"),
    [
        (_of_values(MAX_VALUES + 1), "one record of more than"),
        (_of_entries(MAX_DOCUMENT_VALUES + 1), "one document of more than"),
        (b'{"resourceType":"Patient"' + b" " * MAX_DOCUMENT_BYTES + b"}", "one document longer than 64 MiB"),
        (b'{\n"resourceType":"Patient"' + b" " * MAX_DOCUMENT_BYTES + b"}", "one document longer than 64 MiB"),
    ],
    ids=["values", "entries", "one long line", "long"],
)
def test_documents_that_memory_would_not_hold_are_refused(tmp_path: Path, data: bytes, pattern: str) -> None:
    """What a document may become in memory is bounded before it is decoded."""
    dataset = _dataset(tmp_path, data)
    with pytest.raises(SourceError, match=pattern):
        list(open_source(dataset).read("claim_items", ["claim_id"]))


def test_a_large_claim_is_read(tmp_path: Path) -> None:
    """A hundred thousand lines of one claim are rows, and a Bundle as large is no record as large."""
    dataset = _dataset(tmp_path, _of_values(99_999), _of_entries(200_000))
    assert sum(len(batch) for batch in open_source(dataset).read("claim_items", ["claim_id", "cpt"])) == 100_000


@pytest.mark.parametrize("name", ["modifierExtension", "implicitRules"])
def test_what_must_be_understood_withholds_its_entry_alone(tmp_path: Path, name: str) -> None:
    """The resources around it are read; inside of `contained` nothing is looked at."""
    patients = [PATIENT | {"id": f"p{n}"} for n in range(4)]
    patients[1] |= {name: [{"url": "http://x"}]}
    patients[2] |= {"contained": [{"resourceType": "Patient", "id": "c", name: [{"url": "http://x"}]}]}
    dataset = _dataset(tmp_path, _bundle(*[_entry(n, one) for n, one in enumerate(patients)]))
    source = open_source(dataset)
    rows = [row["patient_id"] for batch in source.read("patients", ["patient_id"]) for row in batch.to_pylist()]
    assert rows == ["p0", "p2", "p3"]
    assert dict(source.withheld) == {f"patients: {name}": 1}


def test_a_population_of_nobody_is_refused_and_the_remedy_works(tmp_path: Path) -> None:
    """Claims without any Patient resource have those people whom they name, once the description says so."""
    bill = {"resourceType": "ExplanationOfBenefit", "patient": {"reference": "Patient/p1"}}
    documents = [bill | {"id": f"e{n}"} for n in range(2)]
    with pytest.raises(SourceError, match="no Patient in any of 2 files") as caught:
        _rows(_dataset(tmp_path, *documents, format="carin_eob"), "patients", "patient_id")
    assert "population: beneficiaries" in caught.value.hint
    dataset = _dataset(tmp_path, *documents, format="carin_eob", population="beneficiaries")
    population = dataset.table(dataset.population)
    assert population is not None
    assert population.repeats == "first"
    assert _rows(dataset, "beneficiaries", "patient_id") == [("p1",), ("p1",)]


def test_lines_in_files_of_another_name_are_read_where_the_description_says_so(tmp_path: Path) -> None:
    """`files` names them once for all tables."""
    (tmp_path / "all.ndjson").write_text(_TEXT + "\n" + json.dumps(_condition("Patient/p1")) + "\n")
    (tmp_path / "notes.json").write_text("not looked at")
    dataset = _dataset(tmp_path, files="*.ndjson")
    assert _rows(dataset, "conditions", "patient_id", "icd10cm") == [("p1", "E11.9")]


def test_both_descriptions_of_us_core_are_one(tmp_path: Path) -> None:
    """Bulk files and JSON files differ in where tables lie and in nothing else."""
    dataset = _dataset(tmp_path, PATIENT)
    (tmp_path / "bulk.yaml").write_text(json.dumps({"dataset": "d", "format": "us_core_bulk", "files": "*.json"}))
    bulk = load_dataset(tmp_path / "bulk.yaml")
    assert [table.columns for table in bulk.tables] == [table.columns for table in dataset.tables]
    assert {table.path for table in dataset.tables} == {"*.json"}


@pytest.mark.parametrize("format_", ["us_core_json", "carin_eob"])
def test_a_claim_without_a_stay_has_a_day(tmp_path: Path, format_: str) -> None:
    """The visit of a claim begins with the time it bills for: else whole calendar years would lose all but stays."""
    dataset = _dataset(tmp_path, PATIENT, format=format_)
    table = dataset.table("explanations")
    assert table is not None
    start = start_of_visit(table)
    assert start is not None
    assert start.path == "billablePeriod.start"
