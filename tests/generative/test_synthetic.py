"""Synthetic populations: the same seed gives the same people, nothing dangles, and the notes' answer key is right."""

from __future__ import annotations

import csv
import gzip
import itertools
import re
import time
from collections import Counter
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.cells.places import releasable
from deid.kinds import KINDS
from deid.synthetic import (
    Population,
    generate,
    generate_chunks,
    write_claims_csv,
    write_claims_parquet,
    write_cms_rif,
    write_fhir_bulk,
    write_synthea_csv,
    write_x12_837,
)
from deid.synthetic.faults import Fault, break_folder
from deid.synthetic.hazards import with_hazards
from deid.synthetic.text_arrays import npi, scramble, scramble_decimal

TABLES = [part.name for part in fields(Population)]


@pytest.fixture(scope="module")
def population() -> Population:
    """A population of a thousand, a note for every third encounter."""
    return generate(11, 1_000, notes=0.3)


def test_same_seed_gives_the_same_tables_and_another_seed_does_not() -> None:
    """A population is decided by its arguments alone."""
    one, two, other = generate(5, 50), generate(5, 50), generate(6, 50)
    assert all(getattr(one, name).equals(getattr(two, name)) for name in TABLES)
    assert not any(getattr(one, name).equals(getattr(other, name)) for name in TABLES)


def test_chunks_are_the_whole_in_parts() -> None:
    """Generating in chunks gives the same rows as generating at once."""
    whole = generate(3, 25_000, notes=0.0)
    parts = list(generate_chunks(3, 25_000, chunk=10_000))
    assert [len(part.patients) for part in parts] == [10_000, 10_000, 5_000]
    for name in TABLES:
        assert pa.concat_tables([getattr(part, name) for part in parts]).equals(getattr(whole, name))
    assert pc.count_distinct(whole.patients["patient_id"]).as_py() == 25_000
    assert pc.count_distinct(whole.encounters["encounter_id"]).as_py() == len(whole.encounters)


def test_notes_do_not_change_the_people() -> None:
    """Asking for notes leaves the structured tables as they were."""
    bare, written = generate(4, 60, notes=0.0), generate(4, 60, notes=1.0)
    assert all(getattr(bare, name).equals(getattr(written, name)) for name in TABLES[:5])
    assert len(bare.notes) == 0
    assert len(written.notes) == len(written.encounters)


def test_identifiers_are_unique(population: Population) -> None:
    """No two patients share a key, and no two encounters or notes do."""
    for table, columns in (
        (population.patients, ("patient_id", "mrn", "member_id", "ssn")),
        (population.encounters, ("encounter_id", "account_number")),
        (population.notes, ("note_id",)),
    ):
        for column in columns:
            assert pc.count_distinct(table[column]).as_py() == len(table), column


def test_every_row_belongs_to_an_encounter_of_its_patient(population: Population) -> None:
    """Diagnoses, procedures, drugs and notes name an encounter that exists, and its patient."""
    owner = dict(
        zip(
            population.encounters["encounter_id"].to_pylist(),
            population.encounters["patient_id"].to_pylist(),
            strict=True,
        )
    )
    assert set(owner.values()) == set(population.patients["patient_id"].to_pylist())
    for name in ("diagnoses", "procedures", "drugs", "notes"):
        table = getattr(population, name)
        assert [owner[key] for key in table["encounter_id"].to_pylist()] == table["patient_id"].to_pylist()
    assert set(population.note_spans["note_id"].to_pylist()) == set(population.notes["note_id"].to_pylist())


def test_nothing_happens_before_birth_or_after_death(population: Population) -> None:
    """Dates keep their order in every life."""
    life = {row["patient_id"]: row for row in population.patients.to_pylist()}
    for stay in population.encounters.to_pylist():
        person = life[stay["patient_id"]]
        assert person["birth_date"] <= stay["admit_date"] <= stay["discharge_date"]
        assert person["death_date"] is None or stay["discharge_date"] <= person["death_date"]
        assert 2019 <= stay["admit_date"].year <= 2026
    stays = {row["encounter_id"]: row for row in population.encounters.to_pylist()}
    for line in population.procedures.to_pylist():
        stay = stays[line["encounter_id"]]
        assert stay["admit_date"] <= line["procedure_date"] <= stay["discharge_date"]


def test_each_encounter_has_one_principal_diagnosis_and_no_code_twice(population: Population) -> None:
    """Sequences run from 1 without gaps, and a code stands once in an encounter."""
    rows = population.diagnoses.to_pylist()
    sequences: dict[str, list[int]] = {}
    for row in rows:
        sequences.setdefault(row["encounter_id"], []).append(row["sequence"])
    assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())
    assert len(sequences) == len(population.encounters)
    pairs = [(row["encounter_id"], row["icd10cm"]) for row in rows]
    assert len(set(pairs)) == len(pairs)


def test_codes_are_well_formed(population: Population) -> None:
    """Codes have the shapes of their systems."""
    shapes = {
        ("diagnoses", "icd10cm"): r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?",
        ("procedures", "cpt"): r"\d{5}|[A-V]\d{4}",
        ("procedures", "icd10pcs"): r"[0-9A-HJ-NP-Z]{7}",
        ("procedures", "revenue_code"): r"\d{4}",
        ("drugs", "ndc"): r"\d{11}",
        ("encounters", "drg"): r"\d{3}",
        ("encounters", "place_of_service"): r"\d{2}",
        ("patients", "zip_code"): r"\d{5}(-\d{4})?",
        ("patients", "ssn"): r"9\d\d-\d\d-\d{4}",
        ("patients", "phone"): r"\(\d{3}\) 555-01\d\d",
    }
    for (table, column), shape in shapes.items():
        values = getattr(population, table)[column].drop_null().to_pylist()
        assert values
        assert all(re.fullmatch(shape, value) for value in values), column
    inpatient = pc.equal(population.encounters["encounter_class"], "inpatient")
    assert pc.is_valid(population.encounters["drg"]).equals(inpatient)


def test_npis_pass_the_check_digit(population: Population) -> None:
    """A provider's number is valid under Luhn over 80840 and its ten digits."""
    for number in set(population.encounters["npi"].to_pylist()):
        digits = [int(digit) for digit in reversed(f"80840{number}")]
        doubled = [digit * 2 - 9 * (digit > 4) if at % 2 else digit for at, digit in enumerate(digits)]
        assert sum(doubled) % 10 == 0
    assert npi(np.array([123_456_789])).to_pylist() == ["1234567893"]  # the example of the NPI standard


@given(seed=st.integers(0, 10_000), start=st.integers(0, 10**8 - 2_000))
@settings(max_examples=25, deadline=None)
def test_scrambling_never_joins_two_values(seed: int, start: int) -> None:
    """Both scrambles are one to one, so ids stay unique in populations of any size."""
    values = np.arange(start, start + 2_000, dtype=np.int64)
    for mixed in (scramble(values, seed=seed), scramble_decimal(values, seed=seed, width=8)):
        assert len(np.unique(mixed)) == len(values)
        assert mixed.min() >= 0


def test_the_population_has_what_the_exports_ask_for(population: Population) -> None:
    """There are ketoacidosis patients, emergency visits, readmissions, the very old, newborns and sparse ZIP3 areas."""
    acidosis = pc.match_substring_regex(population.diagnoses["icd10cm"], r"^E1[013]\.1")
    assert len(population.diagnoses.filter(acidosis)["patient_id"].unique()) >= 20
    classes = Counter(population.encounters["encounter_class"].to_pylist())
    assert classes["emergency"] > 300
    assert classes["inpatient"] > 200
    born = population.patients["birth_date"].to_pylist()
    assert sum(day.year <= 1935 for day in born) >= 10
    assert sum(day.year in (1937, 1938) for day in born) >= 1  # they turn 90 soon
    assert sum(day.year >= 2019 for day in born) >= 20
    zips = population.patients["zip_code"].to_pylist()
    assert any(code.startswith("0") for code in zips)
    assert any(code[:3] not in releasable() for code in zips)
    stays = population.encounters.filter(pc.equal(population.encounters["encounter_class"], "inpatient")).to_pylist()
    again = sum(
        two["patient_id"] == one["patient_id"] and (two["admit_date"] - one["discharge_date"]).days <= 30
        for one, two in itertools.pairwise(stays)
    )
    assert again >= 5


def test_conditions_keep_company(population: Population) -> None:
    """People with type 2 diabetes have hypertension more often than others of the same age."""
    adults = {row["patient_id"] for row in population.patients.to_pylist() if 1946 <= row["birth_date"].year <= 1976}
    having: dict[str, set[str]] = {"E11": set(), "I10": set()}
    for row in population.diagnoses.to_pylist():
        if row["icd10cm"][:3] in having and row["patient_id"] in adults:
            having[row["icd10cm"][:3]].add(row["patient_id"])
    with_diabetes = len(having["I10"] & having["E11"]) / len(having["E11"])
    without = len(having["I10"] - having["E11"]) / len(adults - having["E11"])
    assert with_diabetes > 1.3 * without


def test_codes_have_a_long_tail_and_come_back(population: Population) -> None:
    """Most distinct codes are rare, and a person's rare codes recur in that person."""
    codes = Counter(population.diagnoses["icd10cm"].to_pylist())
    assert len(codes) > 1_000
    assert sum(count <= 2 for count in codes.values()) > len(codes) / 2
    people: dict[str, set[str]] = {}
    for row in population.diagnoses.to_pylist():
        people.setdefault(row["icd10cm"], set()).add(row["patient_id"])
    assert sum(codes[code] > 1 and len(who) == 1 for code, who in people.items()) > 50


def test_spans_hold_the_identifiers(population: Population) -> None:
    """Each span's text is the identifier that the record knows, or has the shape of its kind."""
    texts = dict(zip(population.notes["note_id"].to_pylist(), population.notes["note_text"].to_pylist(), strict=True))
    owner = dict(zip(population.notes["note_id"].to_pylist(), population.notes["patient_id"].to_pylist(), strict=True))
    people = {row["patient_id"]: row for row in population.patients.to_pylist()}
    columns = {"mrn": "mrn", "member_id": "member_id", "street_address": "street_address", "city": "city",
               "zip_code": "zip_code", "email": "email"}  # fmt: skip
    seen = Counter()
    for span in population.note_spans.to_pylist():
        text = texts[span["note_id"]][span["start"] : span["end"]]
        person = people[owner[span["note_id"]]]
        kind = span["kind"]
        seen[kind] += 1
        assert kind in KINDS
        assert text.strip() == text != ""
        if kind in columns:
            assert text == person[columns[kind]]
        elif kind == "person_name":
            name = f"{person['first_name']} {person['last_name']}".lower()
            assert all(word.strip(",").lower() in name or len(word) == 2 for word in text.split(" "))
        elif kind == "relative_name":
            assert text in person["contact_name"]
        elif kind == "ssn":
            assert person["ssn"].endswith(text)
        elif kind == "phone":
            assert "555" in text
        elif kind == "age":
            assert int(text) >= 90
    assert set(columns) | {"person_name", "relative_name", "provider_name", "ssn", "phone", "birth_date", "age",
                           "service_date", "admit_date", "account_number", "facility_name"} <= set(seen)  # fmt: skip


def test_spans_miss_no_identifier_of_the_record(population: Population) -> None:
    """Numbers, addresses, e-mails and birth dates of the patient stand in a note only inside of spans."""
    covered: dict[str, set[int]] = {}
    for span in population.note_spans.to_pylist():
        covered.setdefault(span["note_id"], set()).update(range(span["start"], span["end"]))
    people = {row["patient_id"]: row for row in population.patients.to_pylist()}
    for note in population.notes.to_pylist():
        person = people[note["patient_id"]]
        values = [person[name] for name in ("mrn", "ssn", "member_id", "street_address", "email", "contact_name")]
        values += [f"{person['first_name']} {person['last_name']}", person["birth_date"].isoformat()]
        for value in filter(None, values):
            for match in re.finditer(re.escape(value), note["note_text"]):
                letters = {at for at in range(*match.span()) if note["note_text"][at] != " "}
                assert letters <= covered[note["note_id"]]


def test_notes_hold_traps(population: Population) -> None:
    """Notes name diseases after people, scores and drugs that are no identifiers, and none of them is a span."""
    texts = {row["note_id"]: row["note_text"] for row in population.notes.to_pylist()}
    everything = "\n".join(texts.values())
    for trap in ("Graves disease", "Bell's palsy", "Parkinson disease", "Foley catheter", "Ward 4", "2/2", "BP "):
        assert trap in everything
    starts = {(row["note_id"], row["start"]) for row in population.note_spans.to_pylist()}
    for note_id, text in texts.items():
        for match in re.finditer("Graves disease|Parkinson disease|Foley catheter", text):
            assert (note_id, match.start()) not in starts


def test_delimited_text_reads_back(population: Population, tmp_path: Path) -> None:
    """What is written as delimited text is what was generated, with any delimiter and compression."""
    write_claims_csv(population, tmp_path / "plain")
    write_claims_csv(population, tmp_path / "packed", compression="gzip", delimiter="|")
    with (tmp_path / "plain" / "notes.csv").open(encoding="utf-8", newline="") as plain:
        rows = list(csv.DictReader(plain))
    assert [row["note_text"] for row in rows] == population.notes["note_text"].to_pylist()
    with gzip.open(tmp_path / "packed" / "patients.csv.gz", "rt", encoding="utf-8", newline="") as packed:
        people = list(csv.DictReader(packed, delimiter="|"))
    assert [row["last_name"] for row in people] == population.patients["last_name"].to_pylist()
    assert [row["birth_date"] for row in people] == [str(day) for day in population.patients["birth_date"].to_pylist()]


def test_chunks_write_one_file(tmp_path: Path) -> None:
    """Parts written one after the other give the same files as the whole."""
    write_claims_csv(generate_chunks(2, 12_000, chunk=10_000), tmp_path / "parts")
    write_claims_csv(generate(2, 12_000, notes=0.0), tmp_path / "whole")
    for file in sorted((tmp_path / "whole").iterdir()):
        assert (tmp_path / "parts" / file.name).read_bytes() == file.read_bytes()


def test_parquet_reads_back(population: Population, tmp_path: Path) -> None:
    """Parquet keeps the types, and the answer key of the notes is not among the files."""
    write_claims_parquet(population, tmp_path)
    assert pq.read_table(tmp_path / "encounters.parquet").equals(population.encounters)
    assert sorted(path.stem for path in tmp_path.glob("*.parquet")) == sorted(TABLES[:-1])


def test_hazards_change_the_writing_and_not_the_facts(population: Population) -> None:
    """Badly written cells are there, and undoing the bad writing gives the population back."""
    bad = with_hazards(population, seed=1)
    zips = bad.patients["zip_code"].to_pylist()
    assert any(len(code) == 4 for code in zips)
    assert any(len(code) >= 8 and "-" not in code for code in zips)
    true = population.patients["zip_code"].to_pylist()
    assert [_mended(code) for code in zips] == [code.replace("-", "") for code in true]
    codes = bad.diagnoses["icd10cm"].to_pylist()
    assert any(code != code.upper() for code in codes)
    assert any(code.endswith(" ") for code in codes)
    assert any(len(code) > 3 and "." not in code for code in codes)
    plain = [code.strip().upper().replace(".", "") for code in codes]
    assert plain == [code.replace(".", "") for code in population.diagnoses["icd10cm"].to_pylist()]
    assert any(phone and " Or " in phone for phone in bad.patients["phone"].to_pylist())
    assert " " in bad.patients["maiden_name"].to_pylist()


def _mended(code: str) -> str:
    bare = code.replace("-", "")
    return bare.zfill(5) if len(bare) <= 5 else bare.zfill(9)


def test_hazardous_text_has_a_mark_and_foreign_line_ends(population: Population, tmp_path: Path) -> None:
    """The switch also adds a byte order mark and CRLF, and a description that says which cells are null."""
    write_claims_csv(population, tmp_path, hazards=True)
    data = (tmp_path / "patients.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfpatient_id")
    assert data.count(b"\r\n") == len(population.patients) + 1
    assert 'nulls: ["", " "]' in (tmp_path / "dataset.yaml").read_text()


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_breaks_its_file(fault: Fault, tmp_path: Path) -> None:
    """A fault changes exactly one file."""
    write_claims_csv(generate(1, 20, notes=0.2), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    broken = break_folder(tmp_path, fault)
    changed = [name for name, data in before.items() if (tmp_path / name).read_bytes() != data]
    assert changed == [broken.name]


def test_foreign_layouts_repeat_byte_for_byte(tmp_path: Path) -> None:
    """Every writer is deterministic, byte for byte."""
    small = generate(9, 40, notes=0.3)
    for writer in (write_synthea_csv, write_cms_rif, write_fhir_bulk, write_x12_837):
        writer(small, tmp_path / "one")
        writer(generate(9, 40, notes=0.3), tmp_path / "two")
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_nobody_is_asked_for() -> None:
    """A population without people, or with a share of notes beyond one, is refused."""
    with pytest.raises(ValueError, match="at least one patient"):
        generate(1, 0)
    with pytest.raises(ValueError, match="share of notes"):
        generate(1, 10, notes=1.5)


def test_rate_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The rate of the structured layout is reported; it is asserted in the benchmarks, not here."""
    begin = time.process_time()
    made = len(generate(1, 10_000, notes=0.0).encounters)
    rate = made / (time.process_time() - begin)
    with capsys.disabled():
        print(f" {rate:,.0f} encounters/s", end="")  # noqa: T201 - a figure to read, not to assert
    assert made > 30_000
