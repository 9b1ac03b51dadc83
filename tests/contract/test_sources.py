"""Every source of the shelf keeps the promises of deid/sources/base.py; the real inputs are read where they are."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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


WRITERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "csv": (_csv, "people.csv"),
    "parquet": (_parquet, "people.parquet"),
    "fhir_bulk": (_fhir, "Patient.000.ndjson"),
}
BASES = sorted({BUILT_IN.get(name, name) for name in SOURCES})


def _dataset(folder: Path, base: str) -> DatasetDescription:
    write, file = WRITERS[base]
    write(folder)
    tree = base == "fhir_bulk"
    columns = {n: {"kind": k, "path": PATHS_OF[n]} if tree else k for n, k in KINDS_OF.items()}
    table = {"path": file, "patient": "id", "columns": columns} | ({"resource": "Patient"} if tree else {})
    (folder / "dataset.yaml").write_text(json.dumps({"dataset": "d", "format": base, "tables": {"patients": table}}))
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
    (tmp_path / f"{file.stem}.2{file.suffix}").write_bytes(file.read_bytes())
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
RIF_ROWS = {"beneficiaries": 3, "inpatient_claims": 16, "outpatient_claims": 19, "carrier_claims": 221}
FHIR_ROWS = {"patients": 13, "encounters": 300, "conditions": 555, "procedures": 300, "documents": 150}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"dataset: s\nformat: synthea_csv\nroot: {INPUTS}/synthea_csv\n", SYNTHEA_ROWS),
        (
            f"dataset: r\nformat: cms_rif\nroot: {INPUTS}/cms_rif\ntables: {{beneficiaries: {{path: beneficiary_2015.csv}}}}\n",
            RIF_ROWS,
        ),
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
