"""What a value of each kind looks like, and that nothing else leaves where a column is kept."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.cells import shape_words
from deid.cells.buffers import plain
from deid.cells.shapes import SHAPES, NumberShape, TextShape, malformed, shapes_page, wellformed
from deid.cells.values import parse
from deid.kinds import KINDS, Value
from deid.schema import Column, Table
from deid.sources import load_dataset, open_source
from deid.transforms import Context, build

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / ".." / "shared"
TEXT_SHAPES = {name: shape for name, shape in SHAPES.items() if isinstance(shape, TextShape)}
NOTHING = Context(
    np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.bool_), lambda _, ids: ids, lambda n: n, None, 2026
)

# What people type into columns of codes; none of it has the shape of any kind.
IDENTIFYING = """
Pt John Smith DOB 3/4/1931 MRN 445566
john.smith@example.org
John Smith
SMITH, JOHN
Smith
John
O'Brien
123-45-6789
(617) 555-1234
617-555-1234
3/4/1931
03/04/1931
1931-03-04
19310304
MRN 445566
MRN445566
12 Main Street
http://example.org/john
192.168.10.12
AB12CD34EF56
3O70AK7EV90
Müller
张伟
"""

# Names of places are words like names of people, and a telephone number is as long as an NPI.
PLACES = ("city", "county")

# kind | well formed | malformed; parted by semicolons.
DRAWN = """
city                 | Ames; ST. LOUIS; Winston-Salem; O'Fallon; Coeur d'Alene; San José; Oswego (Rural) | 12 Elm Road; Ames, IA; 50010; Ames 50010; PO Box 7; -; c/o Smith; a@b.org
county               | Story; 169; 19169; St. Clair | Story 169; 191690; Story/Boone; #4
npi                  | 1234567893; 9999930000 | 123456789; 12345678931; 555-123-4567; Smith; 1EG4TE5MK73
icd10cm              | E11.65; e1165; I10; Z3A.01; S52.501A; U07.1; QA0.0101; O9A.119; C4A.9 | E1; 250.00; E11.65 John; EE1.65; E11..65; M12.34567
icd10pcs             | 0DTJ4ZZ; 30233n1; 5A1945Z; GZB1ZZZ; XW033E5 | 0DTJ4Z; 0DTJ4ZZZ; 5551234; 0OTJ4ZZ
icd10                | A00; A00.1; Z92.22; B18.- | A0; 250.00; JOHN
icd9cm               | 250.00; 25000; V45.81; E885.9; 38.93; 3893; 401 | 4; 250.000; E11.65; 1931-03
icd_any              | E11.65; 25000; 0DTJ4ZZ; V4581 | 5551234; JOHN
icd_version          | 9; 0; 10; ICD-10-CM; icd9 | 445566; ICD-1931
cpt                  | 99213; 0001A; 0042T; 3074F; G0439; j1885 | 9921; 992133; SMITH; 99213-25
hcpcs                | G0439; A0425; a0425 | 99213; G04391; GG439
modifier             | 25; LT; xu | 255; J; 1.
ndc                  | 00378043201; 0037804320; 0378-0432-01; 50090-4432-1; 50090-443-12; 50090-4432-01 | 378043201; 617-555-1234; 50090-4432
rxnorm               | 856987; 2553501 | 19310304; 0123; 85698A
cvx                  | 03; 140; 8 | 1400; 3A
loinc                | 2345-7; 34117-2; LA6576-8; LP6576-8 | 123-45-6789; 2345; 555-1234; QALY
snomed               | 44054006; 73211009; 442571000124108; 138875005 | 123456789; 445566; 5551234567; 44054
drg                  | 470; 065; 1; 470V38; 720-3; OTH | 4700; SMI
revenue_code         | 0450; 450; 0001; 1 | 04500; A450
place_of_service     | 11; 2; 0131; 13X; office; Outpatient Hospital | 11111; John Smith
discharge_status     | 01; A; home; Expired; Left against medical advice | 1931; expired John
admission_type       | 1; EL; Emergency; hosp-trans; newborn | 111; Smith
encounter_class      | 9201; 262; 1041; 2800; AMB; IMP; inpatient; urgentcare; urgent care; 40; E; Skilled Nursing Facility | 445; 1931; visit of John
present_on_admission | Y; n; 1; W | YY; 2; Yes John
betos                | P1A; Y1; D1E; M5D | P1AA; 111
sex                  | 8507; 8532; 8521; F; male; 2; Unknown; non-binary; UNK | 22; 8527; 8508; Smith; F 1931
race                 | 8527; 8657; 38003572; 38003616; 44814653; white; 2106-3; 1; Black/African American; American Indian or Alaska Native; R1.01 | 21063; 8507; 38003571; 38003617; Whitey
ethnicity            | 38003563; 38003564; nonhispanic; 2186-5; Not Hispanic or Latino | Smith; 445566
marital_status       | M; Never Married; divorced | married to John; MM
language             | en; en-US; zh_Hant_TW; ENG; Spanish; American Sign Language; Haitian Creole | Ann; en-John; Klingon
payer                | medicare; Blue Cross Blue Shield; self-pay; MB; 801; Dual Eligible; NO_INSURANCE; Medicaid (HMO) | John Smith Trust; Smith Family Trust; 80112; 1EG4-TE5-MK73
deceased             | true; N; 0; Deceased; 2; V | 22; 3/4/1931
provider_specialty   | 01; C8; 207RC0000X; Internal Medicine; Obstetrics & Gynecology | 207; 207RC0000; Dr Smith
lab_value            | 5.4; -1; <0.01; > 60; 1,234.5; 120/80; 3-5; 1:160; 2+; 5.4 mg/dL; 98.6 F; Negative; Not detected; trace; O+; No growth; 5.300000000000001; 1.2e5; .5; 10 10*3/uL | 646 Baumbach Pathway Unit 74; 555-1234; 19310311; 123456789; 5.4 Smith; 3/4/31; 12345678; 5.4 for John
unit                 | mg/dL; mm[Hg]; {score}; 10*3/uL; mL/min/{1.73_m2}; /[HPF]; %; Cel; m[IU]/L; K/uL; mcg; pH; g/dL; kg/m2; beats/min; x10E3/uL | {john}; Smith/L; 445566; mg John
state                | MA; 22; Massachusetts; US-MA; new york; District of Columbia | Smith; MAS; 445
facility_state       | MA; 05 | John; 445
country              | US; USA; 840; United States; Guatemala | Smith; Usa John; 8400
part_of_year         | 0; 12; C; NA; H1234; 801 | 12345; John; 3/4
zip_code             | 02139; 02139-1234; 021391234; 1730 | 902; 902-1234; 5551234; 12 Main
readmission          | yes; no | maybe; 1
omop_concept         | 0; 201826; 46236952 | 2000000001; 0123; -1; 4623695x
comorbidity          | yes; no | maybe; 1
visit_flag           | yes; no | maybe; 1
part2                | yes; No; n; TRUE; 0; 1 | 2; maybe; 445
em_level             | 1; 5 | 0; 6; 99213
indicator            | 1; NA; R1; INSERT; active; in-progress; vital-signs; discharge summary; text/plain; SNOMED-CT; http://snomed.info/sct; 1.2.840.10008.5.1.4.1.1.3.1; mother; -1; 50 | 12345; Ann; 3/4/31; call John; http://snomed.info/John; Smith's wife
"""


def drawn() -> dict[str, tuple[list[str], list[str]]]:
    """Return the well-formed and the malformed values of each kind in the table."""
    lines = [line.split("|") for line in DRAWN.strip().splitlines()]
    return {kind.strip(): (_listed(good), _listed(bad)) for kind, good, bad in lines}


def _listed(cells: str) -> list[str]:
    return [cell.strip() for cell in cells.split("; ")]


def kept(kind: str, values: pa.Array) -> list[object]:
    """Return what `keep` writes."""
    return build("keep", {}).apply(Column("c", KINDS[kind]), values, NOTHING).to_pylist()


@pytest.mark.parametrize("kind", sorted(TEXT_SHAPES))
def test_values_are_kept_as_drawn(kind: str) -> None:
    """What the table calls well formed is kept letter for letter, and what it calls malformed becomes null."""
    good, bad = drawn()[kind]
    assert kept(kind, pa.array([*good, *bad, None])) == [*good, *[None] * (len(bad) + 1)]
    assert malformed(Column("c", KINDS[kind]), pa.array([*good, *bad, None])) == len(bad)


@pytest.mark.parametrize("kind", sorted(set(TEXT_SHAPES) - set(PLACES)))
def test_what_tells_a_person_is_kept_in_no_column(kind: str) -> None:
    """Names, numbers, dates, addresses and mail addresses leave in no kept column, and in no cut code."""
    words = IDENTIFYING.strip().splitlines()
    if kind == "omop_concept":  # drugs are numbered from 19,000,000 to 21,000,000, and no hand types these numbers
        words.remove("19310304")
    values = pa.array(words)
    assert set(kept(kind, values)) == {None}
    assert set(kept(kind, values.dictionary_encode())) == {None}
    if KINDS[kind].is_medical_code:
        cut = build("generalize_code", {"prefix": 3}).apply(Column("c", KINDS[kind]), values, NOTHING)
        assert set(cut.to_pylist()) == {None}


@pytest.mark.parametrize("kind", sorted(TEXT_SHAPES))
def test_a_pattern_ends_where_the_value_ends(kind: str) -> None:
    """A line break, a NUL byte or a second line makes a well-formed value malformed."""
    good = drawn()[kind][0][0]
    spoiled = [good + "\n", good + "\r", "\n" + good, good + "\nJohn", "John\n" + good, good + "\x00", good + "\u2028"]
    assert set(kept(kind, pa.array(spoiled))) == {None}


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("year", 1800, 2200), ("age", 0, 150), ("sequence_number", 0, 99_999)]
)
def test_whole_numbers_have_limits(kind: str, low: int, high: int) -> None:
    """A number of a person does not fit into a year, an age or a line number."""
    values = pa.array([low, high, None, low - 1, high + 1, 123_456_789, -(2**63), 2**63 - 1])
    assert kept(kind, values) == [low, high, *[None] * 6]
    assert malformed(Column("c", KINDS[kind]), values) == 5


@pytest.mark.parametrize("kind", PLACES)
def test_a_place_is_no_address_and_no_number_of_a_person(kind: str) -> None:
    """In a column of towns a street, a day, a number, a list and a mail address are lost; a name is a word like a town."""
    words = [word for word in IDENTIFYING.strip().splitlines() if re.search(r"[0-9@,/]", word)]
    assert len(words) > 12
    assert set(kept(kind, pa.array(words))) == {None}


@pytest.mark.parametrize(
    ("kind", "largest"), [("count", 9_999_999), ("charge_amount", 99_999_999), ("income", 99_999_999)]
)
def test_no_number_of_a_person_is_an_amount(kind: str, largest: float) -> None:
    """Social Security, telephone and record numbers are larger than any amount, before the comma and below zero."""
    values = pa.array(
        [0.0, 125.5, largest, -largest, None, largest + 1, 917_664_242.0, -917_664_242.0, 6_175_550_123.0]
    )
    assert kept(kind, values) == [0.0, 125.5, largest, -largest, *[None] * 5]
    assert malformed(Column("c", KINDS[kind]), values) == 4


def test_every_code_has_a_shape() -> None:
    """Every kind of code has one, but for codes of a local system, which break Safe Harbor however they look."""
    codes = {name for name, kind in KINDS.items() if kind.value is Value.CODE}
    assert codes - set(SHAPES) == {"local_code"}
    assert set(SHAPES) - codes == {
        *("state", "country", "facility_state", "zip_code", "lab_value", "city", "county", "npi"),
        *(name for name, shape in SHAPES.items() if isinstance(shape, NumberShape)),
    }


def test_kinds_without_a_shape_are_kept_as_they_are() -> None:
    """A shape is never invented: text kinds come back as the very array that went in."""
    values = pa.array(["John Smith", None])
    assert wellformed(KINDS["provider_name"], values) is values
    assert malformed(Column("c", KINDS["provider_name"]), values) == 0
    assert "any value" in build("keep", {}).output(Column("c", KINDS["provider_name"])).domain.describe()


def test_what_is_well_formed_costs_no_copy() -> None:
    """Where nothing is malformed, the array that went in comes out, dictionary or not."""
    values = pa.array(["E11.65", "I10", None] * 5)
    assert wellformed(KINDS["icd10cm"], values) is values
    coded = values.dictionary_encode()
    assert wellformed(KINDS["icd10cm"], coded) is coded


def test_a_dictionary_loses_the_malformed_entry() -> None:
    """The malformed text is gone from the dictionary too, which a writer would publish."""
    values = pa.array(["E11.65", "John Smith", "I10", None, "John Smith"]).dictionary_encode()
    out = wellformed(KINDS["icd10cm"], values)
    assert out.to_pylist() == ["E11.65", None, "I10", None, None]
    assert out.dictionary.to_pylist() == ["E11.65", "I10"]
    assert malformed(Column("c", KINDS["icd10cm"]), values) == 2
    assert malformed(Column("c", KINDS["icd10cm"]), values[2:]) == 1
    assert malformed(Column("c", KINDS["icd10cm"]), values[2:4]) == 0


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_patterns_mean_what_python_says(data: st.DataObject) -> None:
    """RE2 over dictionaries and plain strings finds what Python's own matcher finds, one value at a time."""
    kind = data.draw(st.sampled_from(sorted(TEXT_SHAPES)))
    shape = TEXT_SHAPES[kind]
    texts = st.text(max_size=12) | st.text("0123456789AEVabkK\u017f\u212a.- /+", max_size=10)
    cells = data.draw(st.lists(st.none() | texts | st.from_regex(shape.pattern, fullmatch=True), max_size=10))
    fits = [cell is not None and _fits(shape, cell) for cell in cells]
    expected = [cell if fit else None for cell, fit in zip(cells, fits, strict=True)]
    values = pa.array(cells, pa.string())
    for given_ in (values, values.dictionary_encode()):
        assert plain(wellformed(KINDS[kind], given_)).to_pylist() == expected
        assert malformed(Column("c", KINDS[kind]), given_) == len(cells) - fits.count(True) - cells.count(None)


def _fits(shape: TextShape, cell: str) -> bool:
    codes = re.fullmatch(shape.pattern, cell)
    return codes is not None or (bool(shape.phrase) and re.fullmatch(shape.phrase, cell) is not None)


@given(st.lists(st.sampled_from(sorted(shape_words.UNKNOWN | {"x", "m", "a"})), min_size=2, max_size=6))
def test_words_do_not_run_together(chosen: list[str]) -> None:
    """Words of the list count apart only: run together, short ones would spell a name."""
    fused = "".join(chosen)
    apart = re.split(r"[ ,/&()_+:;=.-]", fused)
    assert kept("sex", pa.array([" ".join(chosen)])) == [" ".join(chosen)]
    if not all(word in shape_words.SEX for word in apart):
        assert kept("sex", pa.array([fused])) == [None]


def test_no_given_name_is_a_word() -> None:
    """The vocabularies hold no common given name but a language and a country, and few surnames."""
    names = ROOT / "deid" / "synthetic" / "data"
    with (names / "first_names.csv").open(encoding="utf-8") as file:
        given_names = {row["name"].lower() for row in csv.DictReader(file)}
    with (names / "surnames.csv").open(encoding="utf-8") as file:
        surnames = {row["surname"].lower() for row in csv.DictReader(file)}
    lists = [value for value in vars(shape_words).values() if isinstance(value, frozenset)]
    assert frozenset().union(*lists) & given_names == {"karen", "jordan"}
    assert len(shape_words.FLAGS & surnames) < 20


@pytest.mark.parametrize("sample", ["claims", "cms_rif", "fhir_bulk", "synthea"])
def test_the_samples_are_well_formed(sample: str) -> None:
    """No value of the synthetic samples is lost, but nine-digit ZIP codes without their zero: dates look the same."""
    lost = shares(ROOT / "samples" / sample / "dataset.yaml")
    assert lost.pop("zip_code", 0) < (0.1 if sample == "cms_rif" else 1e-9)
    assert lost == {}


SYNTHEA = {"lab_value": 0.09, "loinc": 0.11, "snomed": 0.06}


@pytest.mark.skipif(not SHARED.exists(), reason="the shared inputs are not here")
@pytest.mark.parametrize(
    ("document", "lost"),
    [
        ("format: synthea_csv\nroot: {inputs}/synthea_csv\n", SYNTHEA),
        ("format: cms_rif\nroot: {inputs}/cms_rif\ntables:\n  beneficiaries: {{path: beneficiary_2015.csv}}\n", {}),
        ("format: us_core_bulk\nroot: {inputs}/fhir_bulk\n", {}),
    ],
    ids=["synthea", "cms_rif", "fhir_bulk"],
)
def test_real_inputs_are_well_formed(document: str, lost: dict[str, float], tmp_path: Path) -> None:
    """Of formats that are really sent nothing is lost, but what Synthea writes under wrong names.

    Home addresses and answers of questionnaires as results; QALY as LOINC; drugs and vaccines as SNOMED CT.
    """
    described = tmp_path / "dataset.yaml"
    described.write_text("dataset: real\n" + document.format(inputs=(SHARED / "inputs").resolve()), encoding="utf-8")
    found = shares(described)
    assert set(found) == set(lost)
    assert all(0 < found[kind] < lost[kind] for kind in lost)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared reference is not here")
def test_desynpuf_is_well_formed() -> None:
    """Every ICD-9 code, DRG, sex and race of CMS's public use files is kept."""
    folder = SHARED / "reference" / "desynpuf_sample1"
    cells: dict[str, set[str]] = {"icd9cm": set(), "icd_any": set(), "drg": set(), "sex": set(), "race": set()}
    with (folder / "DE1_0_2008_to_2010_Inpatient_Claims_Sample_1.csv").open() as file:
        for row in csv.DictReader(file):
            cells["icd9cm"] |= {cell for name, cell in row.items() if "ICD9" in name and cell}
            cells["drg"] |= {row["CLM_DRG_CD"]} - {""}
    with (folder / "DE1_0_2008_Beneficiary_Summary_File_Sample_1.csv").open() as file:
        for row in csv.DictReader(file):
            cells["sex"].add(row["BENE_SEX_IDENT_CD"])
            cells["race"].add(row["BENE_RACE_CD"])
    cells["icd_any"] = cells["icd9cm"]
    assert len(cells["icd9cm"]) > 1000
    assert {kind: malformed(Column("c", KINDS[kind]), pa.array(sorted(seen))) for kind, seen in cells.items()} == (
        dict.fromkeys(cells, 0)
    )


def present(root: Path, table: Table) -> set[str]:
    """Return the names of the described columns that a delimited file holds; all of another source."""
    names = {column.name for column in table.columns}
    if table.resource is not None or not table.optional_columns:
        return names
    with (root / table.path).open(encoding="utf-8-sig") as file:
        return names & {name.strip(' "') for name in file.readline().rstrip("\r\n").split(table.text.delimiter)}


def shares(document: Path) -> dict[str, float]:
    """Return for each kind with a shape the share of its non-null values that are malformed, where there are any."""
    dataset = load_dataset(document)
    source = open_source(dataset)
    lost: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for table in dataset.tables:
        names = present(dataset.root, table)
        shaped = [column for column in table.columns if column.kind.name in SHAPES and column.name in names]
        for batch in source.read(table.name, [column.name for column in shaped]) if shaped else ():
            for column, cells in zip(shaped, batch.columns, strict=True):
                values, _ = parse(column, cells)
                lost[column.kind.name] += malformed(column, values)
                found[column.kind.name] += len(values) - values.null_count
    return {kind: count / found[kind] for kind, count in lost.items() if count}


def test_the_page_is_current() -> None:
    """docs/reference/shapes.md is what the registry says."""
    assert (ROOT / "docs" / "reference" / "shapes.md").read_text(encoding="utf-8") == shapes_page()
