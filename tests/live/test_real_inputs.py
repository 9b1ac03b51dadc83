"""Every real file is read, refused or about nobody; what is read is released, searched, and opened by others' tools.

The inputs lie beside the repository and are not part of it; where they are absent these tests are skipped.
docs/reference/real-inputs.md tells what was read and released, in numbers that these tests measure.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from attack.inputs import (
    INPUTS,
    REFERENCE,
    Input,
    Release,
    Run,
    converted,
    made_once,
    run,
    searched,
    spans_of,
    texts_of,
)
from attack.kept_codes import REAL_CODES, Case, different
from attack.leaks import EXPERT, LIMITED, SAFE_HARBOR, Basis, known_of, note_words, scan
from attack.page import class_line, file_line, line_of, lines_in, nobody_lines, refused_lines
from attack.raw_sources import rows_of
from attack.real_inputs import (
    FILES,
    NAMED,
    NOTES,
    REAL_INPUTS,
    Large,
    described_alone,
    desynpuf_under_k11,
    fifty_thousand_under_k11,
    records_in,
)
from reopened import (
    arrow_rows,
    croissant_issues,
    croissant_rows,
    descriptor_faults,
    meds_events,
    omop_rows,
    package_faults,
)
from sites import TestSite, make_site

from deid.errors import ReleaseError, SourceError
from deid.sources import load_dataset, open_source

needs_inputs = pytest.mark.skipif(not INPUTS.is_dir(), reason="the real inputs are not beside the repository")
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference data are not beside the repository")
BASES = (SAFE_HARBOR, LIMITED)
# The rest takes minutes: two thousand columns, or thousands of rows.
SOON_REOPENED = ("x12", "hl7v2", "ccda", "carin-eob", "fhir-bulk")


def _cases(is_long: Callable[[Input, Basis], bool]) -> list[Any]:
    cases = [(source, basis) for source in REAL_INPUTS for basis in BASES]
    names = [f"{source.name}-{basis.name}" for source, basis in cases]
    marks = [[pytest.mark.long] if is_long(source, basis) else [] for source, basis in cases]
    return [pytest.param(*case, id=name, marks=marked) for case, name, marked in zip(cases, names, marks, strict=True)]


# The claims of the two RIF inputs are the same.
CASES = _cases(lambda source, basis: source.name == "cms-rif-2020" and basis is LIMITED)
REOPENED = _cases(lambda source, basis: source.name not in SOON_REOPENED or basis is LIMITED)
PROVIDERS = frozenset({"provider_name", "facility_name", "facility_phone", "employer_name"})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """One site for all releases of this module."""
    return make_site(tmp_path_factory.mktemp("real") / "site")


@pytest.fixture(scope="module")
def released(site: TestSite) -> Release:
    """Releases of the inputs, each made once."""
    return made_once(site)


@needs_inputs
def test_every_file_is_accounted_for() -> None:
    """Each file of the folder and of its manifest is read, refused or about nobody; none is forgotten, none is gone."""
    there = {path.relative_to(INPUTS).as_posix() for path in INPUTS.rglob("*") if path.is_file()}
    listed = {entry["path"]: entry["sha256"] for entry in json.loads((INPUTS / "MANIFEST.json").read_text())}
    assert there == set(FILES) == {*listed, "MANIFEST.json", "README.md"}
    for path, digest in listed.items():
        assert sha256((INPUTS / path).read_bytes()).hexdigest() == digest, path
    assert {fate.read for fate in FILES.values() if fate.read} == set(NAMED)
    assert all(bool(fate.read) + bool(fate.refused) + bool(fate.nobody) == 1 for fate in FILES.values())


@needs_inputs
@pytest.mark.parametrize("path", [path for path, fate in FILES.items() if fate.read])
def test_a_file_gives_every_row_that_is_in_it(site: TestSite, path: str) -> None:
    """As many rows of each table as an independent reader counts lines, segments, elements or resources."""
    dataset, counted = described_alone(site, path), records_in(path)
    of_many_files = bool(FILES[path].table) or FILES[path].read == "fhir-bulk"
    tables = [table for table in dataset.tables if not of_many_files or counted.get(table.name)]
    source = open_source(dataset)
    found = {
        table.name: sum(len(batch) for batch in source.read(table.name, [table.columns[0].name])) for table in tables
    }
    assert found == {table.name: counted.get(table.name, 0) for table in tables}
    assert sum(found.values()) > 0


@needs_inputs
@pytest.mark.parametrize("path", [path for path, fate in FILES.items() if fate.refused])
def test_a_broken_file_is_refused(site: TestSite, path: str) -> None:
    """Nothing of it is read, of whatever table, and the error says where it is broken."""
    dataset = described_alone(site, path)
    for table in dataset.tables:
        with pytest.raises(SourceError, match=FILES[path].says):
            list(open_source(dataset).read(table.name, [table.columns[0].name]))


@needs_inputs
@pytest.mark.parametrize("path", [path for path, fate in FILES.items() if fate.nobody and "/" in path])
def test_what_is_about_nobody_is_no_patients_table(site: TestSite, path: str) -> None:
    """No table about patients lies in such a file."""
    name = Path(path).name
    dataset = load_dataset(NAMED["synthea-csv" if path.startswith("synthea") else "fhir-bulk"].describe(site))
    about_patients = [table for table in dataset.tables if table.patient is not None or table.link is not None]
    assert len(about_patients) > 5
    if name.endswith(".csv"):
        assert not [table.name for table in about_patients if fnmatchcase(name, table.path)]
    else:
        assert name.partition(".")[0] not in {table.resource for table in about_patients}


def assert_whole(done: Run, folder: Path) -> None:
    """Open a release in every form, and find each whole and alike."""
    forms = converted(done.opened, folder)
    for table, content in done.tables.items():
        texts = texts_of(content)
        for form, tables in forms.items():
            assert tables[table].num_rows == content.num_rows == done.exported.rows[table]
            assert texts_of(tables[table]) == texts, f"{form} differs in {table}"


@needs_inputs
@pytest.mark.long
@pytest.mark.parametrize(("source", "basis"), CASES)
def test_real_inputs_are_released_and_hold_no_identifier(
    released: Release, site: TestSite, source: Input, basis: Basis, tmp_path: Path
) -> None:
    """Files as they come: every row but those known to be bad is there, and nothing identifying is in what is opened."""
    done = released(source, basis)
    found = searched(done, basis, site)
    assert not found
    assert known_of(done.raw).counts().total() > 30
    assert_whole(done, tmp_path / "open")
    assert {table: rows for table, rows in done.exported.quarantined.items() if rows} == source.bad
    counts = dict.fromkeys(done.exported.rows, 0) | done.raw.rows
    unseen = source.unseen if basis is SAFE_HARBOR else {}
    for less in (source.bad, source.again, unseen):
        counts |= {table: counts[table] - rows for table, rows in less.items()}
    if basis is SAFE_HARBOR:  # who has no visit in a year that is over is not in it
        counts[done.population] = min(counts[done.population], done.patients)
    assert done.exported.rows == {table: counts[table] for table in done.exported.rows}
    assert all(rows > 0 for table, rows in done.exported.rows.items() if counts[table])
    assert line_of(source, basis.name, done, found) in lines_in("releases")


@needs_inputs
@pytest.mark.long
@pytest.mark.parametrize("basis", BASES, ids=lambda basis: basis.name)
@pytest.mark.parametrize("case", REAL_CODES, ids=lambda case: case.source.name)
def test_codes_and_amounts_of_real_inputs_survive(released: Release, site: TestSite, case: Case, basis: Basis) -> None:
    """Every code and amount that the raw files hold, patient by patient, is in the release, and no other."""
    assert different(case, released(case.source, basis), site, basis) == []


@needs_inputs
@pytest.mark.long
def test_one_lost_code_of_a_real_input_is_noticed(released: Release, site: TestSite) -> None:
    """Without its first row, a table has not all codes of a patient."""
    case = next(case for case in REAL_CODES if case.source.name == "x12")
    done = released(case.source, LIMITED)
    short = replace(done, tables=done.tables | {"diagnoses": done.tables["diagnoses"].slice(1)})
    assert different(case, short, site, LIMITED) == ["diagnoses.icd"]


@needs_inputs
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("source", "basis"), REOPENED)
def test_others_tools_accept_what_is_opened(released: Release, source: Input, basis: Basis, tmp_path: Path) -> None:
    """Packages of MEDS, OMOP, Croissant and Data Packages find no fault, and load what Arrow reads."""
    done = released(source, basis)
    events = meds_events(done.opened, tmp_path / "meds")
    assert events.num_rows > done.rows
    if source.name == "carin-eob":  # explanations of benefit hold no birth date
        with pytest.raises(ReleaseError, match="no patient of this release has a year of birth"):
            omop_rows(done.opened, tmp_path / "omop")
    else:
        rows = omop_rows(done.opened, tmp_path / "omop")
        assert 0 < rows["person"] <= done.patients
        assert min(rows["visit_occurrence"], rows["condition_occurrence"]) > 0
    forms = tmp_path / "forms"
    converted(done.opened, forms)
    assert croissant_issues(done.exported.folder) == croissant_issues(forms / "parquet") == []
    assert croissant_rows(forms / "parquet", done.tables) == {
        table: arrow_rows(content) for table, content in done.tables.items()
    }
    assert descriptor_faults(done.exported.folder) == package_faults(forms / "csv") == []


@needs_inputs
def test_the_page_tells_of_these_files() -> None:
    """docs/reference/real-inputs.md has a line for each file and each release, and no other."""
    assert lines_in("files") == [file_line(path, records_in(path)) for path, fate in FILES.items() if fate.read]
    assert lines_in("refused") == refused_lines()
    assert lines_in("nobody") == nobody_lines()
    named = [f"| {source.title} | {basis.name} |" for source in REAL_INPUTS for basis in BASES]
    assert [line[: len(name)] for line, name in zip(lines_in("releases"), named, strict=True)] == named


@needs_inputs
def test_answers_of_a_social_survey_hold_no_address(site: TestSite) -> None:
    """Synthea's results hold the answer to "Address", LOINC 56799-0, which must not leave; the numbers may."""
    path = INPUTS / "synthea_csv" / "observations.csv"
    source = [row["VALUE"] for row in rows_of(path) if row["CODE"] != "56799-0"]
    assert len([row for row in rows_of(path) if row["CODE"] == "56799-0"]) > 20
    tables = {"patients": ["Id"], "observations": ["PATIENT", "CODE", "VALUE", "UNITS"]}
    done = run(site, NAMED["synthea-csv"], LIMITED, tables=tables, request="survey")
    assert not scan(done.tables, known_of(done.raw), LIMITED)
    kept = Counter(done.tables["observations"]["VALUE"].to_pylist())
    numbers = Counter(value for value in source if value.replace(".", "").isdigit())
    assert not numbers - kept
    assert numbers.total() > 900


def assert_held(large: Large) -> None:
    """Classes have k patients, those withheld are those whom the source says, and two codes stay under the ceiling.

    All of it is counted anew: classes on what was opened, who is withheld from the source, and two known codes by an
    attack in numpy, which also finds what the manifest says.
    """
    assert large.smallest >= 11
    assert large.withheld == large.done.exported.suppressed_patients == large.patients - large.done.patients
    assert 0 < large.withheld <= 0.05 * large.patients
    codes = json.loads((large.done.exported.folder / "manifest.json").read_text())["codes"]
    assert 0 < large.codes.record <= large.codes.visit <= codes["ceiling"] == 0.09
    assert 0.07 < max(each["mean"] for each in codes["adversaries"].values()) <= 0.09  # what may be told is told
    assert large.codes.record == pytest.approx(codes["adversaries"]["uniform"]["mean"], abs=0.001)
    assert large.codes.visit == pytest.approx(codes["adversaries"]["visit"]["mean"], abs=0.001)
    assert large.codes.full > 0.1


@needs_reference
@pytest.mark.long
def test_desynpuf_reaches_k_11(site: TestSite, tmp_path: Path) -> None:
    """Ten thousand Medicare beneficiaries with ten codes in a row of their claims, k = 11 and two known codes under 9 %."""
    large = desynpuf_under_k11(site, tmp_path)
    done = large.done
    found = searched(done, EXPERT, site)
    assert not found
    assert_whole(done, tmp_path / "open")
    assert_held(large)
    known = set(done.tables["beneficiaries"]["DESYNPUF_ID"].to_pylist())
    claims = done.tables["inpatient"]
    assert not set(claims["DESYNPUF_ID"].to_pylist()) - known
    for row in claims.select([f"ICD9_DGNS_CD_{n}" for n in range(1, 11)]).to_pylist():
        codes = [code for code in row.values() if code is not None]
        assert codes == sorted(set(codes))
        assert None not in list(row.values())[: len(codes)]
    assert line_of(large.source, large.basis.name, done, found) in lines_in("large")
    assert class_line(large) in lines_in("classes")


@pytest.mark.long
def test_fifty_thousand_patients_reach_k_11(site: TestSite, tmp_path: Path) -> None:
    """A generated population with coded visits and some notes, in classes of eleven or more."""
    large = fifty_thousand_under_k11(site, tmp_path)
    done = large.done
    found = searched(done, EXPERT, site, NOTES)
    assert not found
    assert_whole(done, tmp_path / "open")
    notes = [text for text in done.tables["notes"]["note_text"].to_pylist() if text]
    assert len(notes) > 400
    assert large.made is not None
    assert note_words(notes, spans_of(large.made, without=PROVIDERS), known_of(done.raw)) == 0
    assert_held(large)
    assert line_of(large.source, large.basis.name, done, found) in lines_in("large")
    assert class_line(large) in lines_in("classes")
