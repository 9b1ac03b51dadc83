"""What a diagnosis shows, and what a visit with several shows: rules of Quan 2005 and of AHRQ's program, row by row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from sites import REPOSITORY

from deid.codes import comorbidity
from deid.codes.comorbidity import System
from deid.codes.conditions import AHRQ_CONDITIONS
from deid.visits.derived_page import page

# By hand from the papers: condition | codes that show it | neighbors that do not, each in both revisions.
CHARLSON = """
    myocardial_infarction            | I21.4 I25.2 410.71 412        | I20.0 I25.1 413.9
    congestive_heart_failure         | I50.9 I42.5 428.0 404.03      | I42.1 I51.9 425.3 404.02
    peripheral_vascular_disease      | I70.0 Z95.8 441.4 V43.4       | I72.0 Z95.5 442.0 V43.3
    cerebrovascular_disease          | G45.9 I69.3 434.91 362.34     | G44.1 439.0 362.35
    dementia                         | F03.90 G30.9 290.0 331.2      | F05.0 G31.0 331.0
    chronic_pulmonary_disease        | J44.9 I27.8 493.90 506.4      | J68.3 I27.0 506.9
    rheumatic_disease                | M05.79 M31.5 714.0 725        | M35.0 M08.0 714.3
    peptic_ulcer_disease             | K25.9 K28.4 531.90            | K29.0 535.00
    mild_liver_disease               | B18.2 K76.0 571.5 070.32      | B17.1 K76.1 070.30
    diabetes_without_complications   | E11.9 E10.10 E11.65 250.00    | E11.22 E16.2 250.40
    diabetes_with_complications      | E11.22 E11.40 250.40          | E11.9 E11.65 250.00
    hemiplegia_or_paraplegia         | G81.90 G83.4 342.90 344.1     | G83.5 344.8
    renal_disease                    | N18.6 Z99.2 585.9 404.03      | N17.9 I13.0 584.9
    malignancy                       | C50.911 C20 C90.00 174.9 238.6 | C44.90 C77.0 173.9 195.9
    moderate_or_severe_liver_disease | I85.01 K72.90 456.1 572.2     | I86.8 572.1
    metastatic_solid_tumor           | C78.7 C80.1 197.7             | C76.0 195.0
    hiv_aids                         | B20 042                       | Z21 B25.9 V08 045.9
"""


def bits(codes: Sequence[str | None]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Return the Charlson bits of codes of either revision."""
    values = pa.array(codes, pa.string())
    of_nine, of_ten = comorbidity.revisions(values)
    nine, ten = comorbidity.charlson(values, "icd9cm"), comorbidity.charlson(values, "icd10cm")
    return np.where(of_nine, nine, 0).astype(np.uint64) | np.where(of_ten, ten, 0).astype(np.uint64)


def shown(codes: Sequence[str]) -> set[str]:
    """Return the Charlson conditions of one visit with these codes."""
    visit = np.bitwise_or.reduce(bits(codes)).reshape(1)
    return {name for name, yes in comorbidity.charlson_shown(visit).items() if yes[0]}


@pytest.mark.parametrize("line", CHARLSON.strip().splitlines(), ids=lambda line: line.split()[0])
def test_a_charlson_condition_is_shown_by_its_codes_and_not_by_their_neighbors(line: str) -> None:
    """Each condition has codes of both revisions that show it, and others close by that do not."""
    name, positive, negative = (part.strip() for part in line.split("|"))
    for code in positive.split():
        assert name in shown([code]), code
    for code in negative.split():
        assert name not in shown([code]), code


def test_every_charlson_condition_stands_above() -> None:
    """No condition of the table is without an example."""
    assert {line.split()[0] for line in CHARLSON.strip().splitlines()} == set(comorbidity.charlson_table().conditions)


def test_the_severer_of_two_forms_is_counted_alone() -> None:
    """Diabetes, liver disease and cancer each count once, in the severer form that the visit shows."""
    assert shown(["E11.9", "E11.22"]) == {"diabetes_with_complications"}
    assert shown(["K70.3", "I85.01"]) == {"moderate_or_severe_liver_disease"}
    assert shown(["C50.911", "C78.7"]) == {"metastatic_solid_tumor"}
    assert shown(["404.03"]) == {"congestive_heart_failure", "renal_disease"}


@pytest.mark.parametrize(
    ("codes", "original", "updated"),
    [
        (["I21.4"], 1, 0),
        (["E11.9", "E11.22", "I50.9"], 3, 3),
        (["C78.7", "C50.911", "B20"], 12, 10),
        (["Z00.00"], 0, 0),
    ],
)
def test_the_score_is_the_sum_of_the_weights_of_what_is_shown(codes: list[str], original: int, updated: int) -> None:
    """By the weights of 1987, or by those of 2011; what the hierarchy leaves out has none."""
    visit = np.bitwise_or.reduce(bits(codes)).reshape(1)
    assert comorbidity.charlson_score(visit, "1987").tolist() == [original]
    assert comorbidity.charlson_score(visit, "2011").tolist() == [updated]


@pytest.mark.parametrize("code", ["B2111ZZ", "02100Z9", "39.95", "Pt Smith", "I21 Smith", "", "I", None])
def test_what_is_no_diagnosis_shows_nothing(code: str | None) -> None:
    """A procedure that begins like HIV (B21) and a sentence that begins like an infarction are no diagnoses."""
    assert bits([code]).tolist() == [0]


def test_a_supplementary_code_and_an_external_cause_are_told_apart_by_their_length() -> None:
    """V43.4 is a blood vessel in ICD-9-CM, and V43.41XA an accident in ICD-10-CM."""
    assert shown(["V43.4"]) == {"peripheral_vascular_disease"}
    assert shown(["V43.41XA"]) == set()


def elixhauser(*diagnoses: str, system: System = "icd10cm") -> dict[str, str | None]:
    """Return AHRQ's answers for one visit of secondary diagnoses, each a code, or a code and its indicator."""
    codes, marks = zip(*((d.partition("/")[0], d.partition("/")[2] or None) for d in diagnoses), strict=True)
    measured, exempt = comorbidity.elixhauser(pa.array(codes, pa.string()), system)
    visit = np.bitwise_or.reduce(comorbidity.on_admission(measured, exempt, pa.array(marks, pa.string()))).reshape(1)
    answers: dict[str, str | None] = {}
    for name, yes in comorbidity.elixhauser_shown(visit).items():
        known = comorbidity.known(visit, needs_present=AHRQ_CONDITIONS[name].needs_present)
        answers[name] = "yes" if yes[0] else "no" if known[0] else None
    return answers


def test_what_needs_the_indicator_counts_only_where_it_was_present() -> None:
    """Y and W say present; N, U, 1 and nothing do not; conditions that need no indicator count always."""
    for mark, answer in (("Y", "yes"), ("w", "yes"), ("N", "no"), ("U", "no")):
        assert elixhauser(f"I50.9/{mark}")["heart_failure"] == answer
    assert elixhauser("I50.9", "E11.9/Y")["heart_failure"] == "no"
    assert elixhauser("E11.9/N")["diabetes_without_complications"] == "yes"


def test_without_any_indicator_what_needs_one_is_unknown() -> None:
    """AHRQ leaves these measures missing where indicators are not available."""
    found = elixhauser("I50.9", "E11.9")
    assert (found["heart_failure"], found["diabetes_without_complications"], found["obesity"]) == (None, "yes", "no")


def test_what_is_exempt_from_the_indicator_counts_without() -> None:
    """A transplanted kidney, a sequela of a stroke, a congenital valve: nobody reports whether they were present."""
    assert elixhauser("Z94.0")["severe_renal_failure"] == "yes"
    assert elixhauser("Q23.1/N")["valvular_disease"] == "yes"
    assert elixhauser("T82.01XS")["valvular_disease"] == "yes"
    assert elixhauser("T82.01XA/N")["valvular_disease"] == "no"
    assert elixhauser("I69.351")["paralysis"] == "yes"


def test_a_stroke_of_this_stay_silences_the_sequelae_of_an_older_one() -> None:
    """AHRQ: cerebrovascular disease where one was present, or where there are sequelae and no stroke since admission."""
    assert elixhauser("I63.9/Y", "I69.30")["cerebrovascular_disease"] == "yes"
    assert elixhauser("I69.30")["cerebrovascular_disease"] == "yes"
    assert elixhauser("I63.9/N", "I69.30")["cerebrovascular_disease"] == "no"
    assert elixhauser("I63.9/N", "I60.9/Y", "I69.30")["cerebrovascular_disease"] == "yes"


@pytest.mark.parametrize(
    ("severer", "milder", "names"),
    [
        ("E11.22", "E11.9", ("diabetes_with_complications", "diabetes_without_complications")),
        ("I11.9", "I10", ("complicated_hypertension", "uncomplicated_hypertension")),
        ("C78.7", "C50.911", ("metastatic_cancer", "solid_tumor")),
        ("C78.7", "D05.11", ("metastatic_cancer", "solid_tumor_in_situ")),
        ("C50.911", "D05.11", ("solid_tumor", "solid_tumor_in_situ")),
        ("K76.6/Y", "K70.30/Y", ("severe_liver_disease", "mild_liver_disease")),
        ("N18.6/Y", "N18.31/Y", ("severe_renal_failure", "moderate_renal_failure")),
    ],
)
def test_ahrqs_exclusions_hold_on_the_visit(severer: str, milder: str, names: tuple[str, str]) -> None:
    """Of two forms in one visit the severer counts; alone, the milder does."""
    both = elixhauser(severer, milder)
    assert (both[names[0]], both[names[1]]) == ("yes", "no")
    assert elixhauser(milder)[names[1]] == "yes"


def test_leukemia_and_lymphoma_stand_beside_a_metastasis() -> None:
    """AHRQ's program lets a metastasis exclude solid tumors alone."""
    found = elixhauser("C78.7", "C91.00", "C81.00")
    assert [found[name] for name in ("metastatic_cancer", "leukemia", "lymphoma")] == ["yes"] * 3


@pytest.mark.parametrize("system", ["icd9cm", "icd10"])
def test_a_revision_without_a_list_denies_nothing(system: System) -> None:
    """A diagnosis in ICD-9-CM or WHO ICD-10 makes Elixhauser's conditions unknown, not absent."""
    code = "428.0" if system == "icd9cm" else "I50.9"
    assert set(elixhauser(f"{code}/Y", system=system).values()) == {None}


def test_the_table_of_elixhauser_is_ahrqs() -> None:
    """Release, number of codes, and a code with three measures."""
    table = comorbidity.elixhauser_table()
    assert comorbidity.release_of("elixhauser_icd10cm.csv") == "v2026.1"
    assert len(table.codes) == 4567
    assert np.all(table.codes[1:] > table.codes[:-1])
    assert {name for name, yes in elixhauser("I13.2/Y").items() if yes == "yes"} == {
        "heart_failure", "complicated_hypertension", "severe_renal_failure",
    }  # fmt: skip


def test_the_page_of_measures_is_current() -> None:
    """docs/reference/derived.md is what the code generates."""
    assert (REPOSITORY / "docs" / "reference" / "derived.md").read_text(encoding="utf-8") == page()
