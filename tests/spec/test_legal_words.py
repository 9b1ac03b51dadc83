"""What names and the requester's own words may not tell under Safe Harbor."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from legal_plans import B, C, broken, plan

from deid.legal import judge

DATED = ["visits-2026-03", "v202603", "visits-20260315", "mar2026", "visits-march-2026", "q1-2026", "2026-q1", "1q26",
         "visits-q3", "june-visits", "2026-w12", "v-03-2026", "visits-dec26", "15032026", "2026-mar"]  # fmt: skip
UNDATED = ["diabetes-encounters", "visits-2026", "2016-2026", "icd10-2026", "marker-01", "decile-10", "phq-9", "octane",
           "top-100", "k11", "cohort-12", "summary2026", "mayo-10", "a1c-over-9", "2026", "quartz-1"]  # fmt: skip


@pytest.mark.parametrize("field", ["name", "party"])
@pytest.mark.parametrize("name", DATED)
def test_a_name_that_tells_a_part_of_a_year_breaks_c(name: str, field: str) -> None:
    """Names stand on folders and in the manifest."""
    assert broken(judge(plan(**{field: name}))) == [(C, f"request.{field}")]


@pytest.mark.parametrize("name", UNDATED)
def test_a_name_with_a_year_or_another_number_is_fine(name: str) -> None:
    """Years, and numbers that are no dates, may stand in names."""
    assert broken(judge(plan(name=name))) == []


@pytest.mark.parametrize("name", ["visits-02139", "zip02139", "area-02139-1234", "021391234"])
def test_a_name_with_what_may_be_a_zip_code_breaks_b(name: str) -> None:
    """A five-digit number in a name may be a ZIP code."""
    assert broken(judge(plan(name=name))) == [(B, "request.name")]


def test_names_of_columns_and_of_the_dataset_are_read_too() -> None:
    """The source's names stand in the output; a question called Q1 is no quarter, 2026Q1 is."""
    judgment = judge(
        plan(visits={"pid": "patient_id", "paid_2026_03": "charge_amount", "q1": "indicator"}, dataset="feb2026")
    )
    assert broken(judgment) == [(C, "dataset.name"), (C, "visits.paid_2026_03")]
    dropped = judge(plan(visits={"pid": "patient_id", "note_2026_03": "clinical_note"}))
    assert broken(dropped) == []


@given(st.dates(date(1990, 1, 1), date(2030, 12, 31)))
def test_no_usual_spelling_of_a_day_passes_in_a_name(day: date) -> None:
    """ISO, compact, American, German and month-name spellings of any day are all found."""
    for form in (
        "%Y-%m-%d",
        "%Y%m%d",
        "%Y-%m",
        "%Y%m",
        "%m-%d-%Y",
        "%m%d%Y",
        "%d-%m-%Y",
        "%d%b%Y",
        "%b-%d-%Y",
        "%b%y",
        "%Y-%b",
    ):
        assert (C, "request.name") in broken(judge(plan(name=f"x-{day.strftime(form).lower()}"))), form


@given(st.dates(date(1990, 1, 1), date(2030, 12, 31)), st.sampled_from(["requester", "purpose", "protocol"]))
def test_no_usual_spelling_of_a_day_passes_in_a_sentence(day: date, field: str) -> None:
    """As people write days and months in prose, with slashes, commas and ordinals."""
    spelled = [
        f"{day:%B} {day.day}, {day.year}",
        f"{day.day} {day:%B} {day.year}",
        f"the {day.day}th of {day:%B}, {day.year}",
        f"{day:%B} of {day.year}",
        f"{day:%b}. {day.year}",
        f"{day.month}/{day.day}/{day.year}",
        f"{day.month}/{day.day}/{day:%y}",
        f"{day.day}.{day.month}.{day.year}",
        f"{day.month}/{day.year}",
        f"{day:%Y/%m}",
        f"{day}",
        f"Q{(day.month + 2) // 3} {day.year}",
    ]
    for text in spelled:
        assert (C, f"request.{field}") in broken(judge(plan(**{field: f"Visits of {text}"}))), text


TOLD = ["Visits in May", "Flu since October", "the third quarter of 2025", "Winter of 2025", "week 7 of 2025",
        "falls between Q1 and Q3", "second half of 2025", "from March until the end"]  # fmt: skip
UNTOLD = ["Readmissions that may be avoided", "A march of comorbidities, 2016 to 2025", "Ages 18-64 in 2020-2024",
          "30-day and 90-day readmission", "More than 10,000 patients with HbA1c over 9", "ICD-10 codes E11.9, I10",
          "COVID-19 in 2020", "Trial NCT01234567, phase 3", "2019/20 compared with 2023"]  # fmt: skip


@pytest.mark.parametrize("purpose", TOLD)
def test_a_purpose_that_names_a_part_of_a_year_breaks_c(purpose: str) -> None:
    """The purpose is the title of the codebook."""
    assert broken(judge(plan(purpose=purpose))) == [(C, "request.purpose")]


@pytest.mark.parametrize("purpose", UNTOLD)
def test_a_purpose_in_plain_words_is_fine(purpose: str) -> None:
    """Ages, years, thousands, durations and the verb "may" tell no part of a year and no ZIP code."""
    assert broken(judge(plan(purpose=purpose))) == []


@pytest.mark.parametrize("requester", ["June Smith", "Mayo Clinic, April Jones", "March of Dimes", "County health"])
def test_a_requester_may_be_called_like_a_month(requester: str) -> None:
    """Names of people and societies tell no month without a year."""
    assert broken(judge(plan(requester=requester))) == []


@pytest.mark.parametrize("field", ["requester", "purpose"])
def test_a_zip_code_in_a_sentence_breaks_b(field: str) -> None:
    """A five-digit number in the requester's words may be a ZIP code."""
    assert broken(judge(plan(**{field: "Clinics in 02139"}))) == [(B, f"request.{field}")]


@pytest.mark.parametrize(
    ("protocol", "breaks"),
    [
        ("IRB-2026-114", []),
        ("IRB 2026-0114", []),
        ("IRB-12345", []),
        ("IRB #2026.1234", []),
        ("STUDY00012345", []),
        ("HS-26-00123", []),
        ("PH-114", []),
        (None, []),
        ("PH-2026-07", [C]),
        ("IRB-2026-07", [C]),
        ("02139", [B]),
        ("IRB-114 in 02139", [B]),
        ("IRB-114, March 2026", [C]),
    ],
)
def test_numbers_of_protocols_are_read_with_care(protocol: str | None, breaks: list[str]) -> None:
    """Behind the board's name five digits, or three and more after a year, are its number; a month is a month."""
    assert broken(judge(plan(protocol=protocol))) == [(paragraph, "request.protocol") for paragraph in breaks]


def test_other_bases_read_no_words() -> None:
    """A Limited Data Set may tell days and ZIP codes in its words as in its columns."""
    told = judge(plan(purpose="Visits of March 2026 in 02139"))
    assert {basis for finding in told.findings for basis in finding.breaks} == {"safe_harbor"}
