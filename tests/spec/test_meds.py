"""A release opened as MEDS: valid by the standard's own schemas, one event for each cell, honest about time."""

from __future__ import annotations

import hashlib
import json
import resource
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from full_releases import CASES, Converted
from hypothesis import given
from hypothesis import strategies as st
from made_releases import Made, make
from meds import CodeMetadataSchema, DataSchema, DatasetMetadataSchema, SubjectSplitSchema

from deid.errors import ReleaseError, StorageError
from deid.kinds import KINDS as VOCABULARY
from deid.opening import CONVERTERS, open_with, to_meds, workbench
from deid.opening.instants import instant
from deid.opening.names import Col, nearest
from deid.release.manifest import RECALL
from deid.schema import Column
from deid.sinks.release_keys import ReleaseKeys
from deid.transforms.base import Context
from deid.transforms.generalize_date import GeneralizeDate

IDENTIFIERS = {"patient_id", "encounter_id", "claim_id", "mrn", "member_id", "account_number", "unique_id", "npi",
               "provider_id", "facility_id"}  # fmt: skip


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """Return the cases' releases, opened."""
    return Converted(tmp_path_factory.mktemp("meds"), "meds")


def events(folder: Path) -> pa.Table:
    """Return all events, file after file."""
    return pa.concat_tables([pq.read_table(path) for path in sorted((folder / "data").iterdir())])


def opened_as_meds(folder: Path, content: dict[str, pa.Table], kinds: dict[str, Any]) -> pa.Table:
    """Return the events of a made release with columns of these kinds."""
    made = make(folder / "r", ReleaseKeys.portable("r1"), content, kinds=kinds)
    CONVERTERS["meds"](open_with(made.folder, [made.identity]), folder / "meds")
    return events(folder / "meds")


def codes(table: pa.Table) -> list[str]:
    """Return the codes of events, sorted."""
    return sorted(table.column("code").to_pylist())


@pytest.mark.parametrize("case", CASES)
def test_every_file_follows_the_standard(opened: Converted, case: str) -> None:
    """The package of the standard accepts events, codes, splits and the description of the dataset."""
    _, folder = opened.get(case)
    for path in (folder / "data").iterdir():
        DataSchema.validate(pq.read_table(path))
    metadata = folder / "metadata"
    CodeMetadataSchema.validate(pq.read_table(metadata / "codes.parquet"))
    SubjectSplitSchema.validate(pq.read_table(metadata / "subject_splits.parquet"))
    told = json.loads((metadata / "dataset.json").read_text())
    DatasetMetadataSchema.validate(told)
    datetime.fromisoformat(told["created_at"])
    extra = {name for key, names in told.items() if key.endswith("_columns") for name in names}
    assert extra == set(events(folder).schema.names) - set(DataSchema.schema().names)


@pytest.mark.parametrize("case", CASES)
def test_patients_are_numbered_by_pseudonym_and_sorted(opened: Converted, case: str) -> None:
    """Numbers follow the sorted pseudonyms; events are sorted by patient and time; codes are all described."""
    release, folder = opened.get(case)
    subjects = pq.read_table(folder / "metadata" / "subjects.parquet").to_pydict()
    key = next(t for t in release.tables if any(c.kind == "patient_id" for c in release.manifest.tables[t].columns))
    column = next(c.name for c in release.manifest.tables[key].columns if c.kind == "patient_id")
    assert set(release.read(key).column(column).to_pylist()) <= set(subjects["pseudonym"])
    assert subjects["pseudonym"] == sorted(set(subjects["pseudonym"]))
    assert subjects["subject_id"] == list(range(1, len(subjects["pseudonym"]) + 1))
    splits = pq.read_table(folder / "metadata" / "subject_splits.parquet").to_pydict()
    assert splits["subject_id"] == subjects["subject_id"]
    found = events(folder)
    days = found.column("time").cast(pa.int64()).fill_null(-(2**62)).to_numpy()
    persons = found.column("subject_id").to_numpy()
    order = np.lexsort((days, persons))
    assert (persons[order] == persons).all()
    assert (days[order] == days).all()
    assert set(persons) <= set(subjects["subject_id"])
    told = pq.read_table(folder / "metadata" / "codes.parquet").column("code").to_pylist()
    assert told == sorted(set(found.column("code").to_pylist()))


@pytest.mark.parametrize("case", ["claims", "synthea", "safe-harbor", "expert"])
def test_every_cell_becomes_one_event(opened: Converted, case: str) -> None:
    """Columns that are told have as many events as cells; what is left out is named; visits and days aside."""
    release, folder = opened.get(case)
    found = events(folder)
    counted = Counter(
        zip(found.column("source_table").to_pylist(), found.column("source_column").to_pylist(), strict=True)
    )
    left_out = json.loads((folder / "metadata" / "dataset.json").read_text())["left_out"]
    compared = 0
    for table, entry in release.manifest.tables.items():
        cells = release.read(table)
        for column in entry.columns:
            if VOCABULARY[column.kind].value.value == "date" or column.kind in ("encounter_class", "year"):
                continue
            filled = len(cells) - cells.column(column.name).null_count
            is_left = f"{table}.{column.name}" in left_out
            assert counted[table, column.name] == (0 if is_left else filled), (table, column.name)
            compared += 1
            if is_left:
                assert column.kind in IDENTIFIERS | {"sequence_number", "modifier", "present_on_admission", "unit"}
    assert compared >= 8


def test_a_visit_begins_and_ends(opened: Converted) -> None:
    """Each encounter has its begin, with its class, and its end; the patient's birth and death stand once."""
    release, folder = opened.get("claims")
    found = Counter(code.partition("//")[0] for code in events(folder).column("code").to_pylist())
    visits, people = release.read("encounters"), release.read("patients")
    assert found["VISIT"] == len(visits)
    assert found["VISIT_END"] == len(visits) - visits.column("discharge_date").null_count
    assert found["MEDS_BIRTH"] == len(people)
    assert found["MEDS_DEATH"] == len(people) - people.column("death_date").null_count
    classes = Counter(f"VISIT//{name}" for name in visits.column("encounter_class").to_pylist())
    assert classes == Counter(code for code in events(folder).column("code").to_pylist() if code.startswith("VISIT//"))


def test_a_row_without_a_day_has_that_of_its_visit(opened: Converted) -> None:
    """Diagnoses carry no day in this source: each has the day on which its encounter began, and its pseudonym."""
    release, folder = opened.get("claims")
    visits = release.read("encounters", ["encounter_id", "admit_date"]).to_pydict()
    began = dict(zip(visits["encounter_id"], visits["admit_date"], strict=True))
    found = events(folder).filter(pa.compute.equal(events(folder).column("source_table"), "diagnoses")).to_pydict()
    assert len(found["visit"]) == len(release.read("diagnoses"))
    assert [moment.date() for moment in found["time"]] == [began[visit] for visit in found["visit"]]
    assert set(found["time_precision"]) == {"day"}


def test_a_year_is_not_taken_for_a_day(opened: Converted) -> None:
    """Under Safe Harbor every time is a first of January that says it is a year, the earliest one "or earlier"."""
    release, folder = opened.get("safe-harbor")
    found = events(folder).to_pydict()
    timed = [(m, p) for m, p in zip(found["time"], found["time_precision"], strict=True) if m is not None]
    assert {(moment.month, moment.day) for moment, _ in timed} == {(1, 1)}
    floor = release.manifest.reference_date.year - 90
    assert {p for m, p in timed if m.year > floor} == {"year"}
    assert {p for m, p in timed if m.year == floor} == {"year or earlier"}
    assert {p for m, p in zip(found["time"], found["time_precision"], strict=True) if m is None} <= {None}


def test_quarters_bands_and_categories_say_what_they_are(opened: Converted) -> None:
    """Under expert-k11 days are quarters, births bands of twenty years, and diagnoses what their map makes of them."""
    release, folder = opened.get("expert")
    found = events(folder).to_pydict()
    rows = list(zip(found["code"], found["time"], found["time_precision"], strict=True))
    births = {(moment.year, precision) for code, moment, precision in rows if code == "MEDS_BIRTH"}
    years = set(release.read("patients").column("birth_date").to_pylist())
    assert {year for year, _ in births} == years
    assert {precision.removesuffix(" or earlier") for _, precision in births} == {"10 years"}
    visits = [(m, p) for code, m, p in rows if code.startswith("VISIT//")]
    assert {p for _, p in visits} == {"quarter"}
    assert {(m.month - 1) % 3 for m, _ in visits} == {0}
    diagnoses = {code for code in found["code"] if code.startswith("ICD10CM")}
    assert all(code.split("//")[1] == "MAP_CODES" and len(code.split("//")) == 3 for code in diagnoses)


def test_lines_of_a_claim_tell_its_diagnoses_once(opened: Converted) -> None:
    """In a file of claim lines, what all lines of each claim repeat is told once for the claim, and lines line by line."""
    release, folder = opened.get("cms_rif")
    found = events(folder).to_pydict()
    counted = Counter(
        column
        for table, column in zip(found["source_table"], found["source_column"], strict=True)
        if table == "inpatient_claims"
    )
    claims = release.read("inpatient_claims", ["CLM_ID", "PRNCPAL_DGNS_CD", "REV_CNTR", "CLM_TOT_CHRG_AMT"])
    assert len(claims) > len(set(claims.column("CLM_ID").to_pylist()))
    assert counted["PRNCPAL_DGNS_CD"] == len(set(claims.column("CLM_ID").to_pylist()))
    assert counted["CLM_TOT_CHRG_AMT"] == counted["PRNCPAL_DGNS_CD"]
    assert counted["REV_CNTR"] == len(claims) - claims.column("REV_CNTR").null_count


def test_the_same_release_gives_the_same_bytes(opened: Converted, tmp_path: Path) -> None:
    """Threads of the database do not show: a second conversion is equal, byte for byte."""
    release, folder = opened.get("fhir_bulk")
    CONVERTERS["meds"](release, tmp_path / "again")
    assert digests(tmp_path / "again") == digests(folder)


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_patient_is_in_one_file(opened: Converted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small files are, they part patients from patients, and together hold the same events."""
    release, folder = opened.get("synthea")
    monkeypatch.setattr(to_meds, "SHARD_ROWS", 100)
    monkeypatch.setattr(workbench, "BATCH_ROWS", 50)
    CONVERTERS["meds"](release, tmp_path / "small")
    shards = [
        set(pq.read_table(p).column("subject_id").to_pylist()) for p in sorted((tmp_path / "small" / "data").iterdir())
    ]
    assert len(shards) > 10
    assert sum(map(len, shards)) == len(set.union(*shards))
    assert events(tmp_path / "small").equals(events(folder))


# What stands beside a code

CODED = {
    "patient_id": "patient_id",
    "day": "service_date",
    "DX1": "icd_any",
    "DX_VRSN1": "icd_version",
    "PRCDR1": "icd_any",
    "PRCDR_VRSN1": "icd_version",
    "PRCDR_DT1": "service_date",
    "HCPCS": "cpt",
    "MOD_A": "modifier",
    "MOD_B": "modifier",
    "NDC": "ndc",
    "REV": "revenue_code",
}


def test_codes_have_the_names_and_forms_of_their_vocabularies(tmp_path: Path) -> None:
    """Revisions, CPT and HCPCS, dots, hyphens, leading zeros and modifiers are read as meds.md says."""
    content = pa.table(
        {
            "patient_id": ["a", "a", "b", "b"],
            "day": [date(2024, 5, 1)] * 4,
            "DX1": ["25000", "e119", "I10", "E8881"],
            "DX_VRSN1": ["9", "0", None, "9"],
            "PRCDR1": ["3950", "5a1d70z", None, None],
            "PRCDR_VRSN1": ["9", "10", None, None],
            "PRCDR_DT1": [date(2024, 5, 3), None, None, None],
            "HCPCS": ["99213", "j1885", "0001F", None],
            "MOD_A": ["25", None, None, None],
            "MOD_B": ["59", "LT", None, None],
            "NDC": ["0093-5171-44", "00093517144", "093517144", None],
            "REV": ["450", "0300", None, None],
        }
    )
    found = opened_as_meds(tmp_path, {"lines": content}, CODED)
    assert codes(found) == sorted(
        [
            "ICD9CM//250.00", "ICD10CM//E11.9", "ICD//I10", "ICD9CM//E888.1", "ICD9PROC//39.50", "ICD10PCS//5A1D70Z",
            "CPT4//99213", "HCPCS//J1885", "CPT4//0001F", "NDC//00093517144", "NDC//00093517144", "NDC//093517144",
            "REVENUE_CODE//0450", "REVENUE_CODE//0300",
        ]
    )  # fmt: skip
    told = {row["code"]: row for row in found.to_pylist()}
    assert (told["CPT4//99213"]["modifier"], told["HCPCS//J1885"]["modifier"]) == ("25,59", "LT")
    assert told["ICD9PROC//39.50"]["time"].date() == date(2024, 5, 3)
    assert told["ICD10PCS//5A1D70Z"]["time"].date() == date(2024, 5, 1)
    lookup = pq.read_table(tmp_path / "meds" / "metadata" / "codes.parquet").to_pylist()
    assert {row["code"]: row["parent_codes"] for row in lookup}["ICD10CM//E11.9"] == ["ICD10CM/E11.9"]


def test_what_says_nothing_becomes_no_event(tmp_path: Path) -> None:
    """Empty text, blanks and OMOP's concept 0 are no codes and no words, and nothing null is written for them."""
    content = pa.table(
        {"patient_id": ["a"] * 3, "dx": ["", "  ", "I10"], "sex": [" ", "F", None], "concept": ["0", "0", "9201"]}
    )
    kinds = {"patient_id": "patient_id", "dx": "icd10cm", "sex": "sex", "concept": "omop_concept"}
    assert codes(opened_as_meds(tmp_path, {"t": content}, kinds)) == ["GENDER//F", "ICD10CM//I10", "OMOP//9201"]


def test_a_prefix_is_no_code_of_its_system(tmp_path: Path) -> None:
    """A code that the policy cut says so, and nobody is told to look it up."""
    content = pa.table({"patient_id": ["a", "a"], "dx": ["E11", "UNMAPPED"], "cpt": ["992", None]})
    kinds = {"patient_id": "patient_id", "dx": ("icd10cm", "roll_up: category"), "cpt": ("cpt", "generalize_code: 3")}
    assert codes(opened_as_meds(tmp_path, {"t": content}, kinds)) == [
        "CPT4//PREFIX3//992", "ICD10CM//CATEGORY//E11", "ICD10CM//CATEGORY//UNMAPPED",
    ]  # fmt: skip
    assert pq.read_table(tmp_path / "meds" / "metadata" / "codes.parquet").column("parent_codes").null_count == 3


def test_nothing_belongs_to_a_code_of_a_set_by_its_number(tmp_path: Path) -> None:
    """Mapped codes side by side are sets: neither day, version nor presence of the same number is laid to one."""
    content = pa.table(
        {
            "patient_id": ["a"],
            "PRCDR_CD1": ["0210093"],
            "PRCDR_CD2": ["5A1221Z"],
            "DX1": ["E119"],
            "DX2": ["I10"],
            "PRCDR_DT1": [date(2024, 1, 9)],
            "DX_VRSN1": ["0"],
            "POA1": ["Y"],
            "FROM_DT": [date(2024, 1, 7)],
        }
    )
    beside = {"DX_VRSN1": "icd_version", "POA1": "present_on_admission", "PRCDR_DT1": "service_date"}
    kinds = {"patient_id": "patient_id", "FROM_DT": "service_date", **beside}
    wide = dict.fromkeys(("PRCDR_CD1", "PRCDR_CD2", "DX1", "DX2"), ("icd_any", "map_codes"))
    told = opened_as_meds(tmp_path / "sets", {"t": content}, {**kinds, **wide}).to_pylist()
    assert {row["time"].date() for row in told if row["source_column"] in wide} == {date(2024, 1, 7)}
    assert {row["code"].partition("//")[0] for row in told if row["source_column"] in wide} == {"ICD"}
    assert {row["present_on_admission"] for row in told} == {None}
    by_number = dict.fromkeys(wide, "icd_any")  # as they are, the day is the procedure's
    kept = opened_as_meds(tmp_path / "kept", {"t": content}, {**kinds, **by_number}).to_pylist()
    days = {row["source_column"]: row["time"].date() for row in kept}
    assert days["PRCDR_CD1"] == date(2024, 1, 9) != days["PRCDR_CD2"]
    assert "DX1" in {row["source_column"] for row in kept if row["present_on_admission"] == "Y"}


def test_results_are_numbers_where_they_are_numbers(tmp_path: Path) -> None:
    """A test's code carries its result and unit; what is no number stays text; a result without code is not lost."""
    kinds = {"patient_id": "patient_id", "code": "loinc", "value": "lab_value", "units": "unit", "on": "service_date"}
    content = pa.table(
        {
            "patient_id": ["a"] * 5,
            "code": ["718-7", "718-7", "5778-6", None, "718-7"],
            "value": ["13.5", "<2", "yellow", "7", "1e300"],
            "units": ["g/dL", "g/dL", None, None, None],
            "on": [date(2024, 1, day) for day in range(1, 6)],
        }
    )
    rows = opened_as_meds(tmp_path, {"labs": content}, kinds).to_pylist()
    assert [(r["code"], r["numeric_value"], r["text_value"], r["unit"]) for r in rows] == [
        ("LOINC//718-7", 13.5, None, "g/dL"),
        ("LOINC//718-7", None, "<2", "g/dL"),
        ("LOINC//5778-6", None, "yellow", None),
        ("LAB//labs.value", 7.0, None, None),
        ("LOINC//718-7", None, "1e300", None),
    ]


def test_a_table_without_patients_reaches_them_through_the_claim(tmp_path: Path) -> None:
    """Lines that name only their claim get its patient and day; a table that reaches nobody is named."""
    kinds = {
        "patient_id": "patient_id",
        "claim": "claim_id",
        "start": "service_date",
        "cpt": "cpt",
        "text": "free_text",
    }
    content = {
        "claims": pa.table(
            {"patient_id": ["a", "b"], "claim": ["c1", "c2"], "start": [date(2024, 1, 1), date(2024, 2, 2)]}
        ),
        "lines": pa.table({"claim": ["c2", "c1", "c9"], "cpt": ["99213", "99214", "99215"]}),
        "stray": pa.table({"text": ["x"]}),
    }
    found = opened_as_meds(tmp_path, content, kinds).filter(pa.compute.field("source_table") == "lines").to_pylist()
    assert [(r["subject_id"], r["code"], r["time"].date()) for r in found] == [
        (1, "CPT4//99214", date(2024, 1, 1)),
        (2, "CPT4//99213", date(2024, 2, 2)),
    ]
    told = json.loads((tmp_path / "meds" / "metadata" / "dataset.json").read_text())
    assert (told["rows_without_patient"], told["tables_without_patient"]) == (1, ["stray"])


def test_an_event_without_a_day_is_not_a_fact_about_the_person(tmp_path: Path) -> None:
    """Both have no time; only the event says that its time is unknown."""
    kinds = {"patient_id": "patient_id", "sex": "sex", "dx": "icd10cm", "on": "service_date"}
    content = {
        "people": pa.table({"patient_id": ["a"], "sex": ["F"]}),
        "found": pa.table({"patient_id": ["a"], "dx": ["I10"], "on": pa.array([None], pa.date32())}),
    }
    rows = opened_as_meds(tmp_path, content, kinds).to_pylist()
    assert [(r["code"], r["time"], r["time_precision"]) for r in rows] == [
        ("GENDER//F", None, None),
        ("ICD10CM//I10", None, "unknown"),
    ]


def test_what_is_known_at_the_end_of_a_visit_is_told_at_its_end(tmp_path: Path) -> None:
    """A model that reads events in time order must not see the DRG, the stay or a readmission at admission."""
    kinds = {"patient_id": "patient_id", "id": "encounter_id", "class": "encounter_class", "in": "admit_date",
             "out": "discharge_date", "drg": "drg", "again": "readmission", "type": "admission_type"}  # fmt: skip
    content = pa.table(
        {"patient_id": ["a"], "id": ["e"], "class": ["inpatient"], "in": [date(2024, 1, 1)], "out": [date(2024, 1, 9)],
         "drg": ["65"], "again": ["yes"], "type": ["1"]}
    )  # fmt: skip
    rows = opened_as_meds(tmp_path, {"stays": content}, kinds).to_pylist()
    assert [(r["code"], r["time"].day) for r in rows] == [
        ("VISIT//inpatient", 1), ("ADMISSION//1", 1), ("DRG//065", 9), ("READMISSION//yes", 9), ("VISIT_END//inpatient", 9),
    ]  # fmt: skip


def test_names_may_be_anything(tmp_path: Path) -> None:
    """Quotes, blanks, capitals alone and words of SQL in names of columns are names, nothing else."""
    names = ["patient_id", "PATIENT_ID", "it's", 'say "x"', "select", "a; DROP TABLE events --", "row", "time"]
    content = pa.table({name: ["a"] if name == "patient_id" else ["final"] for name in names})
    found = opened_as_meds(tmp_path, {"t.1-x": content}, {"patient_id": "patient_id"})
    assert codes(found) == sorted(f"INDICATOR//t.1-x.{name}//final" for name in names[1:])


@pytest.mark.parametrize(
    ("column", "there", "expected"),
    [
        ("ICD_DGNS_CD1", ["ICD_DGNS_E_VRSN_CD1", "ICD_DGNS_VRSN_CD1", "ICD_DGNS_VRSN_CD11"], "ICD_DGNS_VRSN_CD1"),
        ("ICD_DGNS_E_CD1", ["ICD_DGNS_VRSN_CD1", "ICD_DGNS_E_VRSN_CD1"], "ICD_DGNS_E_VRSN_CD1"),
        ("icd10cm", ["present_on_admission"], "present_on_admission"),
        ("icd10cm_2", ["poa_1", "poa_2"], "poa_2"),
        ("dx03", ["version3", "version30"], "version3"),
        ("DX4", ["VERSION5"], None),
        ("code", [], None),
    ],
)
def test_columns_that_belong_together(column: str, there: list[str], expected: str | None) -> None:
    """The number decides, then the words of the name."""
    made = [Col(index, name, "icd_any", "string", "keep", "") for index, name in enumerate([column, *there])]
    found = nearest(made[0], made[1:])
    assert (found.name if found else None) == expected


# Time

UNITS = {
    "year": lambda day: day.replace(month=1, day=1),
    "quarter": lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
    "month": lambda day: day.replace(day=1),
    "week": lambda day: day - timedelta(days=day.weekday()),
}


@given(
    st.sampled_from(sorted(UNITS)),
    st.lists(st.dates(date(1900, 1, 8), date(2099, 12, 31)), min_size=1, max_size=20),
    st.sampled_from([None, 90]),
)
def test_an_instant_is_the_first_of_what_generalize_date_wrote(unit: str, days: list[date], floor: int | None) -> None:
    """For every date, unit and floor: the first day of the unit; the floor's unit, and no other, is "or earlier"."""
    transform = GeneralizeDate(to=unit, floor_age=floor)
    column = Column("on", VOCABULARY["service_date"])
    written = transform.apply(column, pa.array(days), context(len(days)))
    option = f", floor_age: {floor}" if floor else ""
    told = instant(
        Col(0, "on", "service_date", str(written.type), f"generalize_date: {unit}{option}", ""), date(2026, 6, 1)
    )
    incoming = pa.table({"c0": written})
    found = duckdb.sql(f"SELECT {told.time}, {told.precision} FROM incoming").fetchall()  # noqa: S608 - made above
    last = date(2026 - floor, 12, 28) if floor else date.min
    for day, (time, precision) in zip(days, found, strict=True):
        is_floor = floor is not None and day <= date(2026 - floor, 12, 31)
        assert time.date() == UNITS[unit](last if is_floor else day)
        assert precision == (f"{unit} or earlier" if floor is not None and time.date() <= UNITS[unit](last) else unit)
    assert incoming.num_rows == len(days)


def context(rows: int) -> Context:
    """Return what a batch of rows brings beside its cells: nothing that matters here."""
    return Context(
        patient=np.zeros(rows, np.int32),
        offset_days=np.zeros(rows, np.int32),
        aged=np.zeros(rows, np.bool_),
        pseudonym=lambda _kind, values: values,
        redact=lambda values: values,
        window=None,
        reference_year=2026,
    )


# Refusals

SIMPLE = {"patient_id": ["a", "b"], "drg": ["65", "66"]}


@pytest.mark.parametrize("form", ["meds", "omop"])
def test_a_release_without_patients_is_refused(tmp_path: Path, form: str) -> None:
    """The error says what is missing and what else can be done, and nothing is left."""
    made = make(tmp_path / "r", ReleaseKeys.portable("r1"), {"t": pa.table({"drg": ["65"]})})
    refuse(made, tmp_path, form, ReleaseError, "no patient pseudonyms")


@pytest.mark.parametrize("form", ["meds", "omop"])
def test_lists_are_refused(tmp_path: Path, form: str) -> None:
    """A column of lists has no place in these formats; the error names it."""
    made = make(tmp_path / "r", ReleaseKeys.portable("r1"), {"t": pa.table({"patient_id": ["a"], "codes": [["E11"]]})})
    refuse(made, tmp_path, form, ReleaseError, r"t\.codes holds lists")


@pytest.mark.parametrize("form", ["meds", "omop"])
def test_a_recalled_release_is_not_converted(tmp_path: Path, form: str) -> None:
    """The notice stops it where every conversion begins."""
    made = make(tmp_path / "r", ReleaseKeys.portable("r1"), {"t": pa.table(SIMPLE)})
    (made.folder / RECALL).write_text("{}")
    with pytest.raises(ReleaseError, match="recalled"):
        CONVERTERS[form](open_with(made.folder, [made.identity]), tmp_path / "out")


@pytest.mark.parametrize("form", ["meds", "omop"])
@pytest.mark.parametrize("limit", [1_000, 300_000])
def test_a_full_disk_leaves_nothing(tmp_path: Path, form: str, limit: int) -> None:
    """Wherever writing fails first, in the database or in the output: one error about the disk, and nothing is left."""
    rows = {"patient_id": [f"p{i:05d}" for i in range(20_000)], "drg": [f"{i % 900:03d}" for i in range(20_000)],
            "admit_date": [date(2024, 1, 1) + timedelta(days=i % 300) for i in range(20_000)],
            "age": [i % 80 for i in range(20_000)]}  # fmt: skip
    made = make(tmp_path / "r", ReleaseKeys.portable("r1"), {"t": pa.table(rows)})
    opened = open_with(made.folder, [made.identity])
    before = sorted(path.name for path in tmp_path.iterdir())
    with disk_of(limit), pytest.raises(StorageError, match="cannot write out") as caught:
        CONVERTERS[form](opened, tmp_path / "out")
    assert caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@contextmanager
def disk_of(limit: int) -> Iterator[None]:
    """Let no file grow beyond `limit` bytes: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def refuse(made: Made, folder: Path, form: str, expected: type[Exception], words: str) -> None:
    """Expect one error with a hint, and nothing left."""
    opened = open_with(made.folder, [made.identity])
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(expected, match=words) as caught:
        CONVERTERS[form](opened, folder / "out")
    assert caught.value.hint
    assert sorted(path.name for path in folder.iterdir()) == before
