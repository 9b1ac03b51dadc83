"""An independent leak test of whole releases, and proof that it can fail."""

from __future__ import annotations

import random
import re
import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from attack.inputs import (
    SAMPLE_INPUTS,
    SAMPLES,
    Input,
    Release,
    converted,
    lenient,
    made_once,
    run,
    smallest_class,
    spans_of,
    texts_of,
)
from attack.leaks import EXPERT, LIMITED, SAFE_HARBOR, Basis, Known, known_of, note_words, scan, scan_bytes
from attack.page import line_of, lines_in
from attack.raw_sources import Raw, rows_of
from sites import TestSite, expert_without_ceiling, make_site

from deid.synthetic import generate, samples

NAMED = {source.name.removeprefix("sample-"): source for source in SAMPLE_INPUTS}
CLAIMS_SAMPLE, SYNTHEA_SAMPLE, RIF_SAMPLE = NAMED["claims"], NAMED["synthea"], NAMED["rif"]
FHIR_SAMPLE, BUNDLES_SAMPLE, OMOP_SAMPLE = NAMED["fhir"], NAMED["bundles"], NAMED["omop"]
HL7V2_SAMPLE, X12_SAMPLE, CCDA_SAMPLE = NAMED["hl7v2"], NAMED["x12"], NAMED["ccda"]
# What each sample must hold, so that finding nothing of it says something.
HELD = {
    CLAIMS_SAMPLE.name: "name relative address house_street city county zip5 ssn mrn member account encounter patient "
    "other_id phone email birth_date death_date service_date provider",
    SYNTHEA_SAMPLE.name: "name address house_street birth_place city county zip5 geocode ssn license encounter claim "
    "patient birth_date death_date service_date timestamp provider",
    RIF_SAMPLE.name: "name address house_street city county zip5 member claim patient birth_date death_date "
    "service_date provider",
    FHIR_SAMPLE.name: "name relative address house_street city county zip5 ssn mrn member phone email encounter claim "
    "patient other_id birth_date service_date timestamp provider provider_name",
    BUNDLES_SAMPLE.name: "name relative address house_street city county zip5 ssn mrn member phone encounter claim "
    "patient other_id birth_date service_date timestamp provider provider_name",
    HL7V2_SAMPLE.name: "name relative address house_street city county zip5 ssn mrn member account encounter claim "
    "patient other_id phone email birth_date service_date timestamp provider",
    X12_SAMPLE.name: "name relative address house_street city zip5 ssn mrn member account claim birth_date service_date "
    "provider provider_name",
    CCDA_SAMPLE.name: "name relative address house_street city county zip5 ssn mrn member encounter other_id phone email "
    "birth_date service_date timestamp provider provider_name",
    OMOP_SAMPLE.name: "address house_street city county zip5 mrn account encounter patient other_id birth_date "
    "death_date service_date timestamp provider",
}
CASES = [(source, basis) for source in SAMPLE_INPUTS for basis in (SAFE_HARBOR, LIMITED)]
# A text column of each population table, for canaries.
HARMLESS = {
    CLAIMS_SAMPLE.name: ("patients", "language"),
    SYNTHEA_SAMPLE.name: ("patients", "MARITAL"),
    RIF_SAMPLE.name: ("beneficiaries", "BENE_ESRD_IND"),
    FHIR_SAMPLE.name: ("patients", "language"),
    BUNDLES_SAMPLE.name: ("patients", "language"),
    HL7V2_SAMPLE.name: ("patients", "language"),
    X12_SAMPLE.name: ("patients", "relationship"),
    CCDA_SAMPLE.name: ("patients", "language"),
    OMOP_SAMPLE.name: ("person", "ethnicity_source_value"),
}
# Classes of which one value may be both: it is reported as the first.
ALIKE = ({"name", "relative"}, {"birth_date", "death_date", "service_date"}, {"city", "county", "birth_place"})
PROVIDERS = frozenset({"provider_name", "facility_name", "facility_phone", "employer_name"})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """One site for all releases of this module."""
    return make_site(tmp_path_factory.mktemp("leaks") / "site")


@pytest.fixture(scope="module")
def released(site: TestSite) -> Release:
    """Releases of the samples, each made once."""
    return made_once(site)


@pytest.mark.parametrize(("source", "basis"), CASES, ids=[f"{s.name}-{b.name}" for s, b in CASES])
def test_a_release_of_a_sample_holds_no_identifier(
    released: Release, site: TestSite, source: Input, basis: Basis, tmp_path: Path
) -> None:
    """Every sample, every described column: nothing in any cell of any form it opens to, nor in any byte."""
    done = released(source, basis)
    known = known_of(done.raw)
    found = scan(done.tables, known, basis)
    assert not found
    forms = converted(done.opened, tmp_path)
    for table, content in done.tables.items():
        texts = texts_of(content)
        for form, tables in forms.items():
            assert texts_of(tables[table]) == texts, f"{form} differs in {table}"
    assert not scan_bytes(done.exported.folder, known)
    assert not scan_bytes(site.site.state, known)
    for part in done.exported.folder.rglob("*.parquet"):
        data = part.read_bytes()
        assert data[:4] == data[-4:] == b"PARE", "a file stands in clear"
    assert line_of(source, basis.name, done, found) in lines_in("samples")


def test_the_page_tells_of_every_sample() -> None:
    """docs/reference/real-inputs.md has a line for each release of a sample, and no other."""
    named = [f"| {source.title} | {basis.name} |" for source, basis in CASES]
    assert [line[: len(name)] for line, name in zip(lines_in("samples"), named, strict=True)] == named


@pytest.mark.parametrize("source", SAMPLE_INPUTS, ids=lambda source: source.name)
def test_the_scanner_has_something_to_look_for(released: Release, source: Input) -> None:
    """Each sample holds identifiers of every class that its format can hold."""
    counts = known_of(released(source, SAFE_HARBOR).raw).counts()
    assert {kind: counts[kind] for kind in HELD[source.name].split() if counts[kind] < 3} == {}


EXPERT_TABLES = {
    "patients": ["patient_id", "mrn", "member_id", "birth_date", "sex", "race", "first_name", "phone", "zip_code"],
    "encounters": ["patient_id", "encounter_id", "account_number", "encounter_class", "admit_date", "discharge_date"],
    "diagnoses": ["patient_id", "encounter_id", "icd10cm", "sequence"],
    "drugs": ["patient_id", "encounter_id", "ndc", "fill_date", "days_supply"],
    "notes": ["patient_id", "encounter_id", "note_id", "note_date", "note_type", "note_text"],
}


def test_redacted_notes_hold_no_identifier_of_a_patient(site: TestSite) -> None:
    """Notes under expert determination: no number, address, date or e-mail of anybody, and no more names than words."""
    # Under a ceiling on known codes demographics leave so coarse here that nobody is withheld.
    by = Basis(expert_without_ceiling(site).stem)
    done = run(site, CLAIMS_SAMPLE, by, tables=EXPERT_TABLES)
    known = known_of(done.raw)
    assert not scan(done.tables, known, EXPERT, notes=["notes.note_text"])
    made = generate(samples.SEED, samples.PATIENTS, notes=samples._NOTES)
    key = spans_of(made, without=PROVIDERS)
    assert {text for text, _ in key} == {row["note_text"] for row in rows_of(SAMPLES / "claims" / "notes.csv.gz")}
    notes = [text for text in done.tables["notes"]["note_text"].to_pylist() if text]
    assert len(notes) > 100
    assert note_words(notes, key, known) == 0
    assert done.exported.suppressed_patients > 0  # so that notes and patients are not numbered alike
    assert smallest_class(done.tables["patients"], ["birth_date", "sex", "race"]) >= 11
    assert not scan_bytes(done.exported.folder, known)


def test_a_note_is_checked_against_its_own_patient_when_others_are_withheld(site: TestSite) -> None:
    """One patient is withheld, and the note of the third says "Murphy sign" while the second is called Murphy."""
    folder = site.folder / "murphy"
    folder.mkdir()
    people = ["p0,U,Adams", "p1,F,Murphy", *(f"p{n},F,Quigley" for n in range(2, 24))]
    (folder / "patients.csv").write_text("\n".join(["id,sex,last", *people]) + "\n")
    (folder / "notes.csv").write_text("id,text\np2,Murphy sign absent. Start metformin.\n")
    tables = {
        "patients": {
            "path": "patients.csv",
            "patient": "id",
            "columns": {"id": "patient_id", "sex": "sex", "last": "person_name"},
        },
        "notes": {"path": "notes.csv", "patient": "id", "columns": {"id": "patient_id", "text": "clinical_note"}},
    }
    path = site.write("murphy/dataset.yaml", {"dataset": "murphy", "format": "csv", "tables": tables})
    source = Input("murphy", lambda _: path, lambda _: Raw())
    done = run(site, source, EXPERT, tables={"patients": ["id", "sex"], "notes": ["id", "text"]})
    assert done.exported.suppressed_patients == 1
    assert done.tables["notes"]["text"].to_pylist() == ["Murphy sign absent. Start metformin."]


# Proof that the scanner can fail.


@pytest.mark.parametrize(("source", "basis"), CASES, ids=[f"{s.name}-{b.name}" for s, b in CASES])
def test_one_planted_cell_is_found(released: Release, source: Input, basis: Basis) -> None:
    """Any identifier of any class, put into one cell of a real release, bare or in a sentence, is found there."""
    done = released(source, basis)
    known = known_of(done.raw)
    table, column = HARMLESS[source.name]
    rng = random.Random(5)
    classes = [kind for kind in HELD[source.name].split() if basis is not LIMITED or kind != "provider"]
    for kind in classes:
        seen = set()
        examples = _examples(kind, done.raw, known, rng)
        if not examples:  # codes too short to be told from others are looked for in the columns they come from
            (own, name), (_, values) = next(item for item in known.columns.items() if item[1][0] == kind)
            found = scan({own: pa.table({name: sorted(values)})}, known, SAFE_HARBOR)
            assert found[kind, f"{own}.{name}"] == len(values)
            continue
        for value in examples:
            for cell in (value, f"seen: {value}, again", f"({value})"):
                found = scan({table: _with_cell(done.tables[table].select([column]), column, cell)}, known, basis)
                assert found, f"a planted {kind} was not found"
                assert {where for _, where in found} == {f"{table}.{column}"}
                seen |= {each for each, _ in found}
        assert seen & {kind, *next((group for group in ALIKE if kind in group), ())}, kind


def _with_cell(table: pa.Table, column: str, cell: str) -> pa.Table:
    texts = table.slice(0, 20)[column].to_pylist()
    texts[len(texts) // 2] = cell
    return table.slice(0, 20).set_column(table.column_names.index(column), column, pa.array(texts, pa.string()))


def _examples(kind: str, raw: Raw, known: Known, rng: random.Random) -> list[str]:
    """Return identifiers of a class as the source writes them, of those long enough to be told from a code."""
    if kind == "house_street":
        values = [" ".join(words) for words, named in known.phrases.items() if named == kind]
    elif kind == "timestamp":
        values = sorted(known.stamps)
    elif kind in ("name", "relative"):
        values = [word for value in raw.values[kind] for word in re.findall(r"\w{3,}", value)]
    elif kind == "zip5":
        values = sorted(known.zips)
    elif kind == "geocode":
        values = sorted(raw.values[kind])
    else:
        values = [value for value in sorted(raw.values[kind]) if len(value) >= 6]
    return rng.sample(sorted(values), min(12, len(values)))


DAY = """
1952-10-22 | 10/22/1952 | 10/22/52 | 10-22-1952 | 10.22.1952 | 1952/10/22 | 19521022 | 1952-10-22T00:00:00Z
22-OCT-1952 | 22-Oct-1952 | 22 Oct 1952 | October 22, 1952 | Oct. 22 1952 | 22nd October 1952
"""


@pytest.mark.parametrize("spelled", [text.strip() for line in DAY.split("\n") for text in line.split("|") if text])
def test_a_full_date_is_found_however_it_is_written(spelled: str) -> None:
    """One day in every spelling that formats and clinicians use; its year alone is no full date."""
    known = Known(days={date(1952, 10, 22): "birth_date"})
    table = pa.table({"status": [f"born {spelled} in spring", "born 1952", "October 1952", "1952-10"]})
    assert scan({"t": table}, known, SAFE_HARBOR)["birth_date", "t.status"] == 1


def test_lookalikes_of_other_kinds_are_no_leaks() -> None:
    """Codes, charges, closed lists and counts that equal a ZIP, a day, a name or a number by chance are passed over."""
    raw = Raw()
    for kind, value in (("zip5", "99213"), ("name", "White"), ("name", "Virginia"), ("mrn", "00123456")):
        raw.add(kind, value)
    raw.add("birth_date", "1973-06-05")
    raw.add("city", "Washington")
    clean = {
        "CODE": ["99213", "19730605"],
        "cpt": ["99213", "99214"],
        "charge": [99213.0, 123456.0],
        "race": ["white", "black"],
        "state": ["Virginia", "Washington"],
        "year": [1973, 2020],
        "zip_code": ["992", "000"],
        "id": ["abcdefghijklmnopqrstuvwx", "a" * 24],
        "text": ["992130 units", "A99213B"],
    }
    assert not scan({"t": pa.table(clean)}, known_of(raw), SAFE_HARBOR)
    dirty = {
        "plan": ["99213", "x"],
        "zip_code": ["99213", "992"],
        "status": ["Mr. WHITE", "ok"],
        "race": ["Virginia", "white"],
        "label": ["MRN 00123456", "x"],
        "state": ["Washington", "99213"],
        "day": [date(1973, 6, 5), date(1973, 6, 6)],
        "number": [19730605, 7],
    }
    found = scan({"t": pa.table(dirty)}, known_of(raw), SAFE_HARBOR)
    assert set(found) == {
        ("zip5", "t.plan"), ("zip5", "t.zip_code"), ("name", "t.status"), ("name", "t.race"), ("mrn", "t.label"),
        ("zip5", "t.state"), ("birth_date", "t.day"), ("any_day", "t.day"), ("birth_date", "t.number"),
    }  # fmt: skip
    assert found["any_day", "t.day"] == 2


def test_a_limited_data_set_may_hold_its_own_in_their_columns_only() -> None:
    """Dates, ZIP codes and cities pass in columns of their kind, and nowhere else."""
    raw = Raw()
    for kind, value in (("zip5", "02135"), ("city", "Boston"), ("service_date", "2020-03-04")):
        raw.add(kind, value)
    good = pa.table({"zip_code": ["02135"], "city": ["Boston"], "visit": [date(2020, 3, 4)]})
    assert not scan({"t": good}, known_of(raw), LIMITED)
    assert len(scan({"t": good}, known_of(raw), SAFE_HARBOR)) == 4
    bad = pa.table({"plan": ["02135"], "status": ["in Boston"], "label": ["on 3/4/2020"]})
    assert {kind for kind, _ in scan({"t": bad}, known_of(raw), LIMITED)} == {
        "zip5", "city", "service_date", "any_day",
    }  # fmt: skip


LEAKY = {
    "mrn": "mrn", "member_id": "member", "ssn": "ssn", "first_name": "name", "last_name": "name", "maiden_name": "name",
    "birth_date": "birth_date", "death_date": "death_date", "phone": "phone", "email": "email",
    "street_address": "address", "contact_name": "relative",
}  # fmt: skip


def test_a_wrong_description_is_found_out(site: TestSite) -> None:
    """Identifiers that a description passes off as codes of a local system are released, and every one is reported."""
    content = yaml.safe_load((SAMPLES / "claims" / "dataset.yaml").read_text())
    content["root"] = str(SAMPLES / "claims")
    content["tables"] = {name: content["tables"][name] for name in ("patients", "encounters")}
    content["tables"]["patients"]["columns"] |= dict.fromkeys(LEAKY, "local_code")
    content["tables"]["encounters"]["columns"] |= dict.fromkeys(("account_number", "admit_date"), "local_code")
    path = site.write("datasets/leaky.yaml", content)
    done = run(site, Input("leaky", lambda _: path, CLAIMS_SAMPLE.collect), Basis(lenient(site), LIMITED.may))
    found = scan(done.tables, known_of(done.raw), LIMITED)
    expected = {("account", "encounters.account_number"), ("service_date", "encounters.admit_date")}
    expected |= {(kind, f"patients.{column}") for column, kind in LEAKY.items()}
    missing = expected - set(found)
    assert not {(kind, where) for kind, where in missing if kind not in ALIKE[1] | ALIKE[0]}
    assert {where for _, where in found} == {where for _, where in expected}
    rows = done.tables["patients"].num_rows
    assert found["ssn", "patients.ssn"] == found["address", "patients.street_address"] == rows


def test_a_zip_code_described_as_a_procedure_is_found_out(site: TestSite) -> None:
    """Five digits have the shape of a CPT code; in the column they come from they are still ZIP codes."""
    content = yaml.safe_load((SAMPLES / "claims" / "dataset.yaml").read_text())
    content["root"] = str(SAMPLES / "claims")
    content["tables"] = {"patients": content["tables"]["patients"]}
    content["tables"]["patients"]["columns"]["zip_code"] = "cpt"
    del content["encounters"]
    path = site.write("datasets/zip.yaml", content)
    done = run(site, Input("zip", lambda _: path, CLAIMS_SAMPLE.collect), SAFE_HARBOR)
    found = scan(done.tables, known_of(done.raw), SAFE_HARBOR)
    assert set(found) == {("zip5", "patients.zip_code")}
    assert found["zip5", "patients.zip_code"] > 0.5 * done.tables["patients"].num_rows


@pytest.mark.parametrize("place", ["manifest.json", "codebook.md", "envelope.age", ".parquet", "file name", "spill"])
def test_identifiers_in_the_bytes_of_a_folder_are_found(
    released: Release, site: TestSite, place: str, tmp_path: Path
) -> None:
    """A name, a number and a date, written into any file of a release or of the state folder, are found there."""
    done = released(SYNTHEA_SAMPLE, SAFE_HARBOR)
    folder = tmp_path / "copy"
    shutil.copytree(site.site.state if place == "spill" else done.exported.folder, folder)
    known = known_of(done.raw)
    assert not scan_bytes(folder, known)
    first = next(iter(rows_of(SAMPLES / "synthea" / "patients.csv")))
    if place == "file name":
        (folder / f"part-{first['SSN']}.parquet").write_bytes(b"")
        assert scan_bytes(folder, known)
        return
    files = [path for path in folder.rglob("*") if path.is_file()]
    target = max(files, key=_size) if place == "spill" else next(path for path in files if place in str(path))
    data = target.read_bytes()
    for column in ("Id", "SSN", "BIRTHDATE", "ADDRESS"):
        middle = len(data) // 2
        target.write_bytes(data[:middle] + b" " + first[column].encode() + b" " + data[middle:])
        assert scan_bytes(folder, known), f"{column} in {place} was not found"
    target.write_bytes(data)
    assert not scan_bytes(folder, known)


def _size(path: Path) -> int:
    return path.stat().st_size


def test_the_days_of_code_lists_are_public_and_others_are_not(tmp_path: Path) -> None:
    """A report may say since when a list knows its codes, though a patient was seen on that day; it may not say the day."""
    known = Known(days={date(2015, 10, 1): "service_date"})
    report = tmp_path / "quality.md"
    report.write_text("- ICD-10-CM: all codes billable from 2015-10-01 to 2027-03-31; headings of release 2026-04\n")
    assert not scan_bytes(tmp_path, known)
    report.write_text(report.read_text() + "seen on 2015-10-01\n")
    assert set(scan_bytes(tmp_path, known)) == {("service_date", "quality.md")}


def test_a_name_left_in_a_note_is_found() -> None:
    """A name that stands in released notes more often than as a plain word is counted, however it is capitalized."""
    raw = Raw()
    raw.add("name", "Brown")
    raw.add("city", "Reading")
    text = "Brown sputum. Seen by Mrs. Brown, at home in Reading, reading well."
    spans = [(27, 32), (45, 52)]
    assert [text[a:b] for a, b in spans] == ["Brown", "Reading"]
    clean = "Brown sputum. Seen by Mrs. [PERSON_NAME], at home in [CITY], reading well."
    assert note_words([clean], [(text, spans)], known_of(raw)) == 0
    assert note_words([text], [(text, spans)], known_of(raw)) == 2
    assert note_words([clean.replace("[CITY]", "READING")], [(text, spans)], known_of(raw)) == 1
