"""Every source of the shelf keeps the promises of deid/sources/base.py; the real inputs are read where they are."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stores import Store, store  # noqa: F401  # a fixture

from deid.errors import DocumentError, SourceError
from deid.schema import DatasetDescription
from deid.sources import SOURCES, load_dataset, open_source
from deid.sources.spelling import BUILT_IN, built_in

INPUTS = Path(__file__).resolve().parents[2] / ".." / "shared" / "inputs"
PEOPLE = [
    {"id": "p1", "sex": "F", "zip": "02138", "born": "1950-01-31"},
    {"id": "p2", "sex": "M", "zip": None, "born": "1961-12-01"},
    {"id": "p3", "sex": None, "zip": "02139", "born": "1999-02-28"},
]
KINDS_OF = {"id": "patient_id", "sex": "sex", "zip": "zip_code", "born": "birth_date"}
PATHS_OF = {"id": "id", "sex": "gender", "zip": "address.postalCode", "born": "birthDate"}
X12_PATHS = {"id": "%patient", "sex": "%patient/DMG03", "zip": "%patient/N403", "born": "%patient/DMG02"}
HL7_PATHS = {"id": "PID-3.1|patient", "sex": "PID-8", "zip": "PID-11.5", "born": "PID-7"}
CCDA_PATHS = {
    "id": "id@extension",
    "sex": "code[codeSystem=sex]@code",
    "zip": "addr/postalCode",
    "born": "assignedPerson/sdtc:birthTime@value",
}
# How a format's tables are described beside their columns.
TREES = {
    "fhir_bulk": (PATHS_OF, {"resource": "Patient"}),
    "fhir_json": (PATHS_OF, {"resource": "Patient"}),
    "hl7v2": (HL7_PATHS, {"resource": "ADT", "each": "PID", "date_format": "hl7"}),
    "x12": (X12_PATHS, {"resource": "837", "each": "claim"}),
    "ccda": (CCDA_PATHS, {"resource": "ClinicalDocument", "each": "author/assignedAuthor", "date_format": "hl7"}),
}


def _csv(folder: Path) -> None:
    rows = [",".join(KINDS_OF), *(",".join(person[name] or "" for name in KINDS_OF) for person in PEOPLE)]
    (folder / "people.csv").write_text("\n".join(rows) + "\n")


def _parquet(folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist(PEOPLE), folder / "people.parquet")


def _fhir(folder: Path) -> None:
    lines = []
    for person in PEOPLE:
        record = {"resourceType": "Patient", "id": person["id"], "birthDate": person["born"], "photo": [{"url": "x"}]}
        record |= {"gender": person["sex"]} if person["sex"] else {}
        record |= {"address": [{"city": "Here", "postalCode": person["zip"]}]} if person["zip"] else {}
        lines.append(json.dumps(record))
    (folder / "Patient.000.ndjson").write_text("\n".join(lines) + "\n")


def _fhir_json(folder: Path) -> None:
    _fhir(folder)
    lines = (folder / "Patient.000.ndjson").read_text().splitlines()
    (folder / "Patient.000.ndjson").unlink()
    entries = [{"fullUrl": f"urn:uuid:{at}", "resource": json.loads(line)} for at, line in enumerate(lines)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    (folder / "people.json").write_text(json.dumps(bundle, indent=2))


def _x12(folder: Path) -> None:
    body = ["BHT*0019*00*1*20250102*1200*CH", "HL*1**20*1", "NM1*85*2*A CLINIC*****XX*1234567893"]
    for at, person in enumerate(PEOPLE, start=2):
        born = (person["born"] or "").replace("-", "")
        body += [f"HL*{at}*1*22*0", "SBR*P*18", f"NM1*IL*1*ROE*****MI*{person['id']}"]
        body += [f"N4*HERE*MA*{person['zip']}"] if person["zip"] else []
        body += [
            f"DMG*D8*{born}*{person['sex'] or ''}",
            f"CLM*A{at}*10***11:B:1",
            "HI*ABK:I10",
            "LX*1",
            "SV1*HC:99213*10*UN*1",
        ]
    head = [f"ISA*00*{'':10}*00*{'':10}*ZZ*{'S':15}*ZZ*{'R':15}*250102*1200*^*00501*000000001*0*T*:"]
    head += ["GS*HC*S*R*20250102*1200*1*X*005010X222A1", "ST*837*0001*005010X222A1"]
    tail = [f"SE*{len(body) + 2}*0001", "GE*1*1", "IEA*1*000000001"]
    (folder / "claims.837").write_text("".join(f"{segment}~\n" for segment in (*head, *body, *tail)))


def _hl7v2(folder: Path) -> None:
    segments = ["FHS|^~\\&", "BHS|^~\\&"]
    for at, person in enumerate(PEOPLE):
        born = (person["born"] or "").replace("-", "")
        segments += [f"MSH|^~\\&|A|B|||20250102||ADT^A08|{at}|P|2.5", f"ZID|{person['id']}"]
        segments += [f"PID|1||{person['id']}||Roe^Jo||{born}|{person['sex'] or ''}|||^^Here^MA^{person['zip'] or ''}"]
    (folder / "people.hl7").write_text(
        "".join(f"{segment}\r" for segment in [*segments, f"BTS|{len(PEOPLE)}", "FTS|1"])
    )


def _ccda(folder: Path) -> None:
    people = []
    for person in PEOPLE:
        sex = f'<code code="{person["sex"]}" codeSystem="2.16.840.1.113883.5.1"/>' if person["sex"] else ""
        where = f"<addr><city>Here</city><postalCode>{person['zip']}</postalCode></addr>" if person["zip"] else ""
        parts = f'<id root="1.2" extension="{person["id"]}"/>{sex}{where}<telecom value="x"/>'
        people.append(f"<author><assignedAuthor>{parts}</assignedAuthor></author>")
    text = f'<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget/>{"".join(people)}</ClinicalDocument>'
    (folder / "people.xml").write_text(text)


WRITERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "csv": (_csv, "people.csv"),
    "parquet": (_parquet, "people.parquet"),
    "fhir_bulk": (_fhir, "Patient.000.ndjson"),
    "fhir_json": (_fhir_json, "people.json"),
    "hl7v2": (_hl7v2, "people.hl7"),
    "x12": (_x12, "claims.837"),
    "ccda": (_ccda, "people.xml"),
}
BASES = sorted({BUILT_IN.get(name, name) for name in SOURCES})


def _dataset(folder: Path, base: str) -> DatasetDescription:
    write, file = WRITERS[base]
    write(folder)
    paths, said = TREES.get(base, ({}, {}))
    columns = {n: {"kind": k, "path": paths[n]} if paths else k for n, k in KINDS_OF.items()}
    table = {"path": file, "patient": "id", "columns": columns} | said
    (folder / "dataset.yaml").write_text(json.dumps({"dataset": "d", "format": base, "tables": {"patients": table}}))
    return load_dataset(folder / "dataset.yaml")


def _twice_described(folder: Path, base: str) -> DatasetDescription:
    """Return a dataset with a second table in the same file."""
    _dataset(folder, base)
    text = json.loads((folder / "dataset.yaml").read_text())
    text["tables"]["others"] = text["tables"]["patients"]
    (folder / "dataset.yaml").write_text(json.dumps(text | {"population": "patients"}))
    return load_dataset(folder / "dataset.yaml")


@pytest.mark.parametrize("base", BASES)
def test_the_asked_columns_come_in_the_asked_order_and_nulls_come_as_null(tmp_path: Path, base: str) -> None:
    """A read yields exactly the asked columns, in the asked order, with every cell and every null."""
    source = open_source(_dataset(tmp_path, base))
    source.check({"patients": ["zip", "id", "sex"]})
    batches = list(source.read("patients", ["zip", "id", "sex"]))
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert rows == [{"zip": p["zip"], "id": p["id"], "sex": p["sex"]} for p in PEOPLE]
    assert all(batch.schema.names == ["zip", "id", "sex"] for batch in batches)


@pytest.mark.parametrize("base", BASES)
def test_the_digest_appears_after_a_whole_read_and_a_change_refuses_the_second(tmp_path: Path, base: str) -> None:
    """Digests are of the bytes read; a file that changed between two reads is refused at the second."""
    source = open_source(_dataset(tmp_path, base))
    assert dict(source.digests) == {}
    list(source.read("patients", ["id"]))
    first = source.digests["patients"]
    assert len(first) == 64
    list(source.read("patients", ["sex"]))
    assert source.digests["patients"] == first
    PEOPLE[0]["zip"] = "99999"
    try:
        WRITERS[base][0](tmp_path)
    finally:
        PEOPLE[0]["zip"] = "02138"
    with pytest.raises(SourceError, match="changed"):
        list(source.read("patients", ["id"]))


@pytest.mark.live
@pytest.mark.parametrize("base", BASES)
def test_a_source_in_a_store_reads_as_in_a_folder(store: Store, tmp_path: Path, base: str) -> None:  # noqa: F811
    """Rows, digests and counts are the same, and an object that changed between two reads is refused at the second."""
    local = open_source(_dataset(tmp_path, base))
    bucket = store.bucket()
    store.upload(tmp_path, bucket, "in")
    description = tmp_path / "dataset.yaml"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"root": f"s3://{bucket}/in"}))
    source = open_source(load_dataset(description))
    for one in (local, source):
        one.check({"patients": list(KINDS_OF)})
    rows, there = (list(one.read("patients", list(KINDS_OF))) for one in (local, source))
    assert pa.Table.from_batches(there).equals(pa.Table.from_batches(rows))
    assert (source.digests, source.unread, source.withheld) == (local.digests, local.unread, local.withheld)
    changed = (tmp_path / WRITERS[base][1]).read_bytes()
    if base == "parquet":
        pq.write_table(pa.Table.from_pylist(PEOPLE[::-1]), tmp_path / "people.parquet")
        changed = (tmp_path / "people.parquet").read_bytes()
    store.put(bucket, f"in/{WRITERS[base][1]}", changed.replace(b"02138", b"99999"))
    with pytest.raises(SourceError, match="changed"):
        list(source.read("patients", ["id"]))


@pytest.mark.parametrize("base", BASES)
def test_tables_read_together_give_what_each_gives_alone(tmp_path: Path, base: str) -> None:
    """One pass gives each of two tables its own columns and rows, and the same digests and counts as two readings."""
    dataset = _twice_described(tmp_path, base)
    asked = {"others": ["zip", "born"], "patients": ["id", "sex"]}
    alone, together = open_source(dataset), open_source(dataset)
    expected = {name: pa.Table.from_batches(alone.read(name, columns)) for name, columns in asked.items()}
    batches: dict[str, list[pa.RecordBatch]] = {}
    for name, batch in together.read_together(asked):
        batches.setdefault(name, []).append(batch)
    assert {name: pa.Table.from_batches(parts).to_pydict() for name, parts in batches.items()} == {
        name: table.to_pydict() for name, table in expected.items()
    }
    assert (together.digests, together.unread, together.withheld) == (alone.digests, alone.unread, alone.withheld)
    with pytest.raises(SourceError):
        list(together.read_together({"patients": ["id"], "others": ["name"]}))


@pytest.mark.parametrize("base", BASES)
def test_a_table_without_rows_gives_one_empty_batch(tmp_path: Path, base: str) -> None:
    """Whoever reads a table learns its columns, also where no row stands in the files."""
    if base in ("csv", "parquet"):
        pytest.skip("a file with a header alone is another matter")
    _twice_described(tmp_path, base)
    nothing = {
        "fhir_bulk": {"each": "contact"}, "fhir_json": {"resource": "Claim"}, "hl7v2": {"each": "AL1"},
        "x12": {"each": "2300/NTE"}, "ccda": {"each": "legalAuthenticator/assignedEntity"},
    }[base]  # fmt: skip
    text = json.loads((tmp_path / "dataset.yaml").read_text())
    text["tables"]["others"] |= nothing
    (tmp_path / "dataset.yaml").write_text(json.dumps(text))
    source = open_source(load_dataset(tmp_path / "dataset.yaml"))
    found = [batch for name, batch in source.read_together({"patients": ["id"], "others": ["id"]}) if name == "others"]
    assert [(batch.num_rows, batch.schema.names) for batch in found] == [(0, ["id"])]


@pytest.mark.parametrize("base", BASES)
def test_undescribed_tables_and_columns_are_refused(tmp_path: Path, base: str) -> None:
    """What nobody described is never read."""
    source = open_source(_dataset(tmp_path, base))
    with pytest.raises(SourceError):
        list(source.read("elsewhere", ["id"]))
    with pytest.raises(SourceError):
        source.check({"patients": ["name"]})


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("state", ["missing", "empty", "cut"])
def test_missing_empty_and_cut_files_are_one_source_error(tmp_path: Path, base: str, state: str) -> None:
    """A file that is not there, holds nothing, or stops in the middle gives a SourceError with a hint."""
    dataset = _dataset(tmp_path, base)
    file = tmp_path / WRITERS[base][1]
    data = file.read_bytes()
    if state == "missing":
        file.unlink()
    elif state == "empty":
        file.write_bytes(b"")
    elif base == "csv":
        file.write_bytes(gzip.compress(data * 50)[:-9])
    else:
        file.write_bytes(data[:-9])
    source = open_source(dataset)
    with pytest.raises(SourceError) as caught:
        list(source.read("patients", ["id"]))
    assert caught.value.hint
    assert "p1" not in str(caught.value)


@pytest.mark.parametrize("base", BASES)
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, base: str) -> None:
    """A symbolic link that leads out of the dataset's folder is refused when the description is loaded."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "inside").mkdir()
    _dataset(tmp_path / "outside", base)
    _dataset(tmp_path / "inside", base)
    file = WRITERS[base][1]
    (tmp_path / "inside" / file).unlink()
    (tmp_path / "inside" / file).symlink_to(tmp_path / "outside" / file)
    with pytest.raises(DocumentError):
        load_dataset(tmp_path / "inside" / "dataset.yaml")


@pytest.mark.parametrize("base", BASES)
def test_several_files_are_one_table(tmp_path: Path, base: str) -> None:
    """A pattern in the file name reads all parts, in the order of their names."""
    dataset = _dataset(tmp_path, base)
    file = tmp_path / WRITERS[base][1]
    (tmp_path / f"{file.stem}.2{file.suffix}").write_bytes(
        file.read_bytes().replace(b"000000001", b"000000002")  # an interchange is numbered, and counts once
    )
    text = (tmp_path / "dataset.yaml").read_text().replace(file.name, f"{file.stem}*{file.suffix}")
    (tmp_path / "dataset.yaml").write_text(text)
    source = open_source(load_dataset(tmp_path / "dataset.yaml"))
    assert sum(len(batch) for batch in source.read("patients", ["id"])) == 2 * len(PEOPLE)
    assert dataset.digest != load_dataset(tmp_path / "dataset.yaml").digest


def _real(tmp_path: Path, text: str) -> DatasetDescription:
    if not INPUTS.is_dir():
        pytest.skip("the real inputs are not here")
    (tmp_path / "d.yaml").write_text(text)
    return load_dataset(tmp_path / "d.yaml")


SYNTHEA_ROWS = {
    "patients": 11, "encounters": 388, "conditions": 273, "procedures": 889, "medications": 173, "observations": 1500,
    "allergies": 14, "careplans": 37, "immunizations": 129, "devices": 11, "supplies": 47, "imaging_studies": 11,
    "claims": 561, "claims_transactions": 1500, "payer_transitions": 128,
}  # fmt: skip
RIF_ROWS = {
    "beneficiaries": 3, "inpatient_claims": 16, "outpatient_claims": 19, "carrier_claims": 221, "snf_claims": 67,
    "hha_claims": 15, "hospice_claims": 8, "dme_claims": 1, "part_d_events": 18, "beneficiary_history": 3,
}  # fmt: skip
IDR_ROWS = {"beneficiaries": 29, "claims": 150, "claim_lines": 1039, "prescription_lines": 19, "claim_codes": 1340}
IDR_FILES = {name: {"path": f"synthetic_{file}.csv"} for name, file in zip(
    IDR_ROWS, ("bene_hstry", "clm", "clm_line", "clm_line_rx", "clm_prod"), strict=True,
)}  # fmt: skip
PUF_ROWS = {"beneficiaries": 500, "inpatient": 500}
PUF_FILES = {"beneficiaries": {"path": "beneficiary_2008.csv"}, "inpatient": {"path": "inpatient.csv"}}
FHIR_ROWS = {"patients": 13, "encounters": 300, "conditions": 555, "procedures": 300, "documents": 150, "medications": 200, "immunizations": 161, "allergies": 11}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"dataset: s\nformat: synthea_csv\nroot: {INPUTS}/synthea_csv\n", SYNTHEA_ROWS),
        (
            f"dataset: r\nformat: cms_rif\nroot: {INPUTS}/cms_rif\ntables: {{beneficiaries: {{path: beneficiary_2015.csv}}}}\n",
            RIF_ROWS,
        ),
        (f"dataset: i\nformat: cms_idr\nroot: {INPUTS}/cms_idr\ntables: {json.dumps(IDR_FILES)}\n", IDR_ROWS),
        (f"dataset: p\nformat: desynpuf\nroot: {INPUTS}/desynpuf\ntables: {json.dumps(PUF_FILES)}\n", PUF_ROWS),
        (f"dataset: f\nformat: us_core_bulk\nroot: {INPUTS}/fhir_bulk\n", FHIR_ROWS),
    ],
)
def test_built_in_descriptions_describe_every_column_of_the_real_files(
    tmp_path: Path, text: str, expected: dict[str, int]
) -> None:
    """The built-in descriptions fit the real files: no column is undescribed and every row is read."""
    dataset = _real(tmp_path, text)
    found = {}
    for table in dataset.tables:
        key = [column.name for column in table.columns if column.kind.is_identifier_code][:1]
        source = open_source(dataset)
        source.check({table.name: key})
        found[table.name] = sum(len(batch) for batch in source.read(table.name, key))
    assert found == expected


def test_every_column_of_every_synthea_file_is_described() -> None:
    """The built-in description names every column of all files, those about no patient among them."""
    if not INPUTS.is_dir():
        pytest.skip("the real inputs are not here")
    described = built_in("synthea_csv")
    files = {table.path: described.columns[name] for name, table in described.raw.tables.items()}
    for file in (INPUTS / "synthea_csv").glob("*.csv"):
        header = file.read_text(encoding="utf-8-sig").partition("\n")[0].strip().split(",")
        assert set(header) <= set(files[file.name]), file.name


def test_tables_about_no_patient_are_not_in_the_dataset(tmp_path: Path) -> None:
    """A reference table is described and can be neither read nor requested."""
    _csv(tmp_path)
    (tmp_path / "d.yaml").write_text(
        "dataset: d\nformat: csv\ntables:\n"
        "  patients: {path: people.csv, patient: id, columns: {id: patient_id}}\n"
        "  hospitals: {path: people.csv, reference: true, columns: {id: facility_id}}\n"
    )
    assert [table.name for table in load_dataset(tmp_path / "d.yaml").tables] == ["patients"]


def test_notes_and_names_of_the_real_fhir_files_are_read_as_text(tmp_path: Path) -> None:
    """Attached text is decoded, references are bare ids, and undescribed members are counted."""
    dataset = _real(tmp_path, f"dataset: f\nformat: us_core_bulk\nroot: {INPUTS}/fhir_bulk\n")
    source = open_source(dataset)
    notes = pa.Table.from_batches(source.read("documents", ["patient_id", "text"]))
    people = pa.Table.from_batches(source.read("patients", ["patient_id", "given_name", "race", "zip_code"]))
    assert notes.column("text").null_count == 0
    assert "# Chief Complaint" in notes.column("text")[0].as_py()
    assert set(notes.column("patient_id").to_pylist()) <= set(people.column("patient_id").to_pylist())
    assert people.column("race").null_count == 0
    assert source.unread["Patient.text"] == 13


@pytest.mark.parametrize("base", BASES)
def test_the_splits_of_a_table_give_its_rows_and_its_digest(tmp_path: Path, base: str) -> None:
    """Reading all splits gives what reading the table gives, and the digest is the same."""
    whole, cut = open_source(_dataset(tmp_path, base)), open_source(_dataset(tmp_path, base))
    rows = [row for batch in whole.read("patients", ["id", "zip"]) for row in batch.to_pylist()]
    parts = cut.splits("patients")
    found = [row for part in parts for batch in cut.read("patients", ["id", "zip"], part) for row in batch.to_pylist()]
    assert found == rows
    assert [part.number for part in parts] == list(range(len(parts)))
    assert dict(cut.digests) == dict(whole.digests)


def _with_a_partition(folder: Path) -> DatasetDescription:
    """Write a table's folder with a file in it, and another in a folder that a lake would name by a value."""
    inner = folder / "people" / "mrn=SENTINEL"
    inner.mkdir(parents=True)
    for place in (inner.parent, inner):
        pq.write_table(
            pa.table({name: [str(person[name]) for person in PEOPLE] for name in KINDS_OF}), place / "p.parquet"
        )
    table = {"path": "people", "patient": "id", "columns": KINDS_OF}
    (folder / "dataset.yaml").write_text(
        json.dumps({"dataset": "d", "format": "parquet", "tables": {"patients": table}})
    )
    return load_dataset(folder / "dataset.yaml")


def test_a_table_whose_folder_holds_folders_is_refused(tmp_path: Path) -> None:
    """What would be passed over is refused, and its name, which may hold a value, is not told."""
    with pytest.raises(DocumentError, match="holds 1 folders") as refused:
        open_source(_with_a_partition(tmp_path)).check({"patients": ["id"]})
    assert "SENTINEL" not in str(refused.value)


@pytest.mark.live
def test_a_table_whose_folder_in_a_store_holds_folders_is_refused(store: Store, tmp_path: Path) -> None:  # noqa: F811
    """So it is in a store."""
    with pytest.raises(DocumentError):
        open_source(_with_a_partition(tmp_path)).check({"patients": ["id"]})
    bucket = store.bucket()
    for file in sorted((tmp_path / "people").rglob("*.parquet")):
        store.put(bucket, f"in/{file.relative_to(tmp_path).as_posix()}", file.read_bytes())
    description = tmp_path / "dataset.yaml"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"root": f"s3://{bucket}/in"}))
    with pytest.raises(DocumentError, match="holds 1 folders") as refused:
        open_source(load_dataset(description)).check({"patients": ["id"]})
    assert "SENTINEL" not in str(refused.value)
