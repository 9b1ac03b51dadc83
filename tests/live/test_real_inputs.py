"""Whole runs on real formats and real sizes: released, opened again in every form, and searched for identifiers.

The inputs lie beside the repository and are not part of it; where they are absent these tests are skipped.
docs/reference/real-inputs.md tells what was read and released.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from attack.inputs import (
    DESYNPUF_INPUT,
    INPUTS,
    REAL_INPUTS,
    REFERENCE,
    Input,
    Run,
    converted,
    generated,
    run,
    smallest_class,
    spans_of,
    texts_of,
    wide,
)
from attack.leaks import EXPERT, LIMITED, SAFE_HARBOR, Basis, known_of, note_words, scan, scan_bytes
from attack.raw_sources import rows_of
from sites import TestSite, make_site

from deid.synthetic import generate, write_claims_csv

needs_inputs = pytest.mark.skipif(not INPUTS.is_dir(), reason="the real inputs are not beside the repository")
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference data are not beside the repository")
CASES = [(source, basis) for source in REAL_INPUTS for basis in (SAFE_HARBOR, LIMITED)]
PROVIDERS = frozenset({"provider_name", "facility_name", "facility_phone", "employer_name"})
EXPIRES = 2027
NAMES = {
    "Patient": "patients",
    "Encounter": "encounters",
    "Condition": "conditions",
    "Procedure": "procedures",
    "DocumentReference": "documents",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """One site for all releases of this module."""
    return make_site(tmp_path_factory.mktemp("real") / "site")


def check(done: Run, basis: Basis, site: TestSite, folder: Path, *, notes: Iterable[str] = ()) -> None:
    """Open a release in every form, and find no identifier in its cells, its bytes and the site's state."""
    known = known_of(done.raw)
    assert known.counts().total() > 200
    assert not scan(done.tables, known, basis, notes=notes)
    forms = converted(done.opened, folder)
    for table, content in done.tables.items():
        texts = texts_of(content)
        for form, tables in forms.items():
            assert tables[table].num_rows == content.num_rows == done.exported.rows[table]
            assert texts_of(tables[table]) == texts, f"{form} differs in {table}"
    assert not scan_bytes(done.exported.folder, known)
    assert not scan_bytes(site.site.state, known)


@needs_inputs
@pytest.mark.parametrize(("source", "basis"), CASES, ids=[f"{s.name}-{b.name}" for s, b in CASES])
def test_real_inputs_are_released_and_hold_no_identifier(
    site: TestSite, source: Input, basis: Basis, tmp_path: Path
) -> None:
    """Synthea, CMS and FHIR files as they come: every row is good, and nothing identifying is in what is opened."""
    done = run(site, source, basis)
    check(done, basis, site, tmp_path / "open")
    assert not done.exported.quarantined
    # Nothing in these files began in the running year, so Safe Harbor too has every row.
    counts = {NAMES.get(name, name): rows for name, rows in done.raw.rows.items()}
    assert done.exported.rows == {table: counts[table] for table in done.exported.rows}
    assert all(rows > 0 for rows in done.exported.rows.values())


@needs_inputs
def test_answers_of_a_social_survey_hold_no_address(site: TestSite) -> None:
    """Synthea's results hold the answer to "Address", LOINC 56799-0, which must not leave; the numbers may."""
    synthea = REAL_INPUTS[0]
    path = INPUTS / "synthea_csv" / "observations.csv"
    source = [row["VALUE"] for row in rows_of(path) if row["CODE"] != "56799-0"]
    assert len([row for row in rows_of(path) if row["CODE"] == "56799-0"]) > 20
    tables = {"patients": ["Id"], "observations": ["PATIENT", "CODE", "VALUE", "UNITS"]}
    done = run(site, synthea, LIMITED, tables=tables, request="survey")
    assert not scan(done.tables, known_of(done.raw), LIMITED)
    kept = Counter(done.tables["observations"]["VALUE"].to_pylist())
    numbers = Counter(value for value in source if value.replace(".", "").isdigit())
    assert not numbers - kept
    assert numbers.total() > 900


def expected_withheld(vectors: Iterable[tuple[str, ...]]) -> int:
    """Return how many patients share their vector with fewer than ten others."""
    return sum(times for times in Counter(vectors).values() if times < 11)


def band(day: str) -> str:
    """Return the twenty-year band of a birth day (year first), those who reach 90 before the request expires as one."""
    year = max(int(day[:4]), EXPIRES - 90)
    return str(year - year % 20)


@needs_reference
def test_desynpuf_reaches_k_11(site: TestSite, tmp_path: Path) -> None:
    """Ten thousand Medicare beneficiaries with their inpatient claims, in classes of eleven or more."""
    tables = wide(DESYNPUF_INPUT.describe(site))
    vector = ["BENE_BIRTH_DT", "BENE_DEATH_DT", "BENE_SEX_IDENT_CD", "BENE_RACE_CD"]
    tables["beneficiaries"] = ["DESYNPUF_ID", *vector]  # the policy's k counts nothing else of a patient
    tables["inpatient"].remove("CLM_UTLZTN_DAY_CNT")  # a length beside two dates tells days
    done = run(site, DESYNPUF_INPUT, EXPERT, tables=tables)
    check(done, EXPERT, site, tmp_path / "open")
    patients = done.tables["beneficiaries"]
    assert smallest_class(patients, vector) >= 11
    path = REFERENCE / "desynpuf_sample1" / "DE1_0_2008_Beneficiary_Summary_File_Sample_1.csv"
    withheld = expected_withheld(
        (band(r["BENE_BIRTH_DT"]), r["BENE_DEATH_DT"][:4], r["BENE_SEX_IDENT_CD"], r["BENE_RACE_CD"])
        for r in rows_of(path)
    )
    assert done.exported.suppressed_patients == withheld == done.raw.rows["beneficiaries"] - patients.num_rows
    assert 0 < withheld <= 0.05 * done.raw.rows["beneficiaries"]
    assert not set(done.tables["inpatient"]["DESYNPUF_ID"].to_pylist()) - set(patients["DESYNPUF_ID"].to_pylist())


@pytest.mark.long
def test_fifty_thousand_patients_reach_k_11(site: TestSite, tmp_path: Path) -> None:
    """A generated population with coded visits and some notes, in classes of eleven or more."""
    made = generate(11, 50_000, notes=0.01)
    write_claims_csv(made, tmp_path / "source")
    source = generated(tmp_path / "source")
    tables = wide(source.describe(site))
    left_out = {"language", "marital_status", "contact_relation"}  # the policy keeps no count of them
    tables["patients"] = [name for name in tables["patients"] if name not in left_out]
    tables["encounters"].remove("payer")  # the patient's, and not among what k counts
    done = run(site, source, EXPERT, tables=tables, derive=["readmitted_30d"])
    check(done, EXPERT, site, tmp_path / "open", notes=["notes.note_text"])
    notes = [text for text in done.tables["notes"]["note_text"].to_pylist() if text]
    assert len(notes) > 2_000
    assert note_words(notes, spans_of(made, without=PROVIDERS), known_of(done.raw)) == 0
    patients = done.tables["patients"]
    assert smallest_class(patients, ["birth_date", "death_date", "sex", "race", "ethnicity"]) >= 11
    withheld = expected_withheld(
        (band(r["birth_date"]), r["death_date"][:4], r["sex"], r["race"], r["ethnicity"])
        for r in rows_of(tmp_path / "source" / "patients.csv")
    )
    assert done.exported.suppressed_patients == withheld == 50_000 - patients.num_rows
    assert 0 < withheld <= 2_500
