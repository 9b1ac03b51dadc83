"""ICD and MS-DRG: normal forms, verdicts on a day, hierarchies, and what the tables say of themselves."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from deid.cells.days import NO_DAY, number_of
from deid.codes import CODE_SYSTEMS, system_of
from deid.codes.base import UNMAPPED, Status
from deid.codes.building.writing import code_lists_page
from deid.codes.icd10cm import attributes

DATA = Path("deid/codes/data")
V, HEADING, NOT_YET, RETIRED, UNKNOWN, BAD = (
    Status.VALID,
    Status.NOT_BILLABLE,
    Status.NOT_YET,
    Status.RETIRED,
    Status.UNKNOWN,
    Status.MALFORMED,
)


def strings(*values: str | None) -> pa.Array:
    """Return a plain column."""
    return pa.array(values, pa.string())


def days(*texts: str | None) -> npt.NDArray[np.int32]:
    """Return days since 1970."""
    return np.array([NO_DAY if text is None else number_of(dt.date.fromisoformat(text)) for text in texts], np.int32)


def rolled(system: str, level: str, *codes: str | None) -> list[str | None]:
    """Roll codes up, and hold the level's domain to what came out."""
    values = CODE_SYSTEMS[system].roll_up(strings(*codes), level)
    domain = next(each.domain for each in CODE_SYSTEMS[system].levels if each.name == level)
    assert domain.violations(values) == 0
    found: list[str | None] = values.to_pylist()
    return found


@pytest.mark.parametrize(
    ("system", "cell", "normal"),
    [
        ("icd10cm", "e1165", "E11.65"),
        ("icd10cm", " E11.65\t", "E11.65"),
        ("icd10cm", "I10.", "I10"),
        ("icd10cm", "c7a00", "C7A.00"),
        ("icd10cm", "M8000X", "M80.00X"),
        ("icd10cm", "s02.0xxa", "S02.0XXA"),
        ("icd10cm", "E1.165", None),
        ("icd10cm", "E11.65.", None),
        ("icd10cm", "E11 65", None),
        ("icd10cm", "E11.65, I10", None),
        ("icd10cm", "SMITH", None),
        ("icd10cm", "", None),
        ("icd10cm", None, None),
        ("icd10pcs", "0dtj4zz", "0DTJ4ZZ"),
        ("icd10pcs", "0DTJ4Z", None),
        ("icd10pcs", "0DT.J4ZZ", None),
        ("icd10pcs", "0DTO4ZZ", None),
        ("icd9cm", "25000", "250.00"),
        ("icd9cm", "250.", "250"),
        ("icd9cm", "v1011", "V10.11"),
        ("icd9cm", "e8121", "E812.1"),
        ("icd9cm", "4019", "401.9"),
        ("icd9cm", "40.19", "40.19"),
        ("icd9cm", "3893", "38.93"),
        ("icd9cm", "45", "45"),
        ("icd9cm", "2500.0", None),
        ("icd9cm_procedure", "4019", "40.19"),
        ("icd9cm_procedure", "25000", None),
        ("icd9cm_procedure", "V10", None),
        ("icd10", "e11.-", "E11"),
        ("icd10", "G20*", "G20"),
        ("icd10", "a170†", "A17.0"),
        ("icd10", "C7A", None),
        ("drg", "5", "005"),
        ("drg", "470v38", "470V38"),
        ("drg", "194-2", "194-2"),
        ("drg", "oth", "OTH"),
        ("drg", "4700", None),
        ("icd_any", "E8840", "E8840"),
        ("icd_any", "E884.0", "E884.0"),
        ("icd_any", "e88.40", "E88.40"),
        ("icd_any", "V101", "V10.1"),
        ("icd_any", "xw03331", "XW03331"),
        ("icd_any", "JOHN DOE", None),
    ],
)
def test_a_code_has_one_normal_form_and_what_is_no_code_has_none(
    system: str, cell: str | None, normal: str | None
) -> None:
    """Blanks, case and the dot do not make two codes of one, and a malformed cell becomes null."""
    assert CODE_SYSTEMS[system].normalize(strings(cell)).to_pylist() == [normal]


@pytest.mark.parametrize(
    ("system", "code", "day", "status"),
    [
        ("icd10cm", "E11.65", "2015-09-30", NOT_YET),
        ("icd10cm", "E11.65", "2015-10-01", V),
        ("icd10cm", "E11.65", "2090-01-01", V),
        ("icd10cm", "E11.6", "2020-01-01", HEADING),
        ("icd10cm", "V19", "2020-01-01", HEADING),
        ("icd10cm", "U07.1", "2020-03-31", NOT_YET),
        ("icd10cm", "U07.1", "2020-04-01", V),
        ("icd10cm", "T40.4X1A", "2020-09-30", V),
        ("icd10cm", "T40.4X1A", "2020-10-01", RETIRED),
        ("icd10cm", "H81.4", "2020-01-01", V),
        ("icd10cm", "M80.00X", "2020-01-01", UNKNOWN),
        ("icd10cm", "S02.0XX", "2020-01-01", UNKNOWN),
        ("icd10cm", "E11.65", None, V),
        ("icd10cm", "T40.4X1A", None, V),
        ("icd10cm", "E11.6", None, HEADING),
        ("icd10cm", "E1.1", "2020-01-01", BAD),
        ("icd10cm", None, "2020-01-01", Status.ABSENT),
        ("icd10pcs", "0DTJ4ZZ", "2015-09-30", NOT_YET),
        ("icd10pcs", "0DTJ4ZZ", "2015-10-01", V),
        ("icd10pcs", "0DTZZZZ", "2015-10-01", UNKNOWN),
        ("icd9cm", "250.00", "2015-09-30", V),
        ("icd9cm", "250.00", "2015-10-01", RETIRED),
        ("icd9cm", "250.00", "1960-01-01", V),
        ("icd9cm", "250.0", "2010-01-01", HEADING),
        ("icd9cm", "V91.99", "2010-09-30", NOT_YET),
        ("icd9cm", "V91.99", "2010-10-01", V),
        ("icd9cm", "51.21", "1991-09-30", V),
        ("icd9cm", "51.21", "1995-01-01", RETIRED),
        ("icd9cm", "51.21", "1996-10-01", V),
        ("icd9cm", "250.09", "2010-01-01", UNKNOWN),
        ("icd10", "E11.9", "2020-01-01", UNKNOWN),
        ("drg", "470", "2020-01-01", V),
        ("drg", "470V38", "2020-01-01", V),
        ("drg", "470V24", "2020-01-01", UNKNOWN),
        ("drg", "194-2", "2020-01-01", UNKNOWN),
        ("drg", "692", "2019-09-30", V),
        ("drg", "692", "2019-10-01", RETIRED),
        ("drg", "850", "2024-09-30", NOT_YET),
        ("icd_any", "4019", "2014-01-01", V),
        ("icd_any", "4019", "2016-01-01", RETIRED),
        ("icd_any", "E8840", "2010-01-01", V),
        ("icd_any", "E8840", "2018-01-01", V),
        ("icd_any", "E88.40", "2010-01-01", NOT_YET),
    ],
)
def test_a_code_is_judged_on_its_day(system: str, code: str | None, day: str | None, status: Status) -> None:
    """The verdict is the list's on the day of service; without a day, whether the code was ever valid."""
    assert CODE_SYSTEMS[system].validate(strings(code), days(day)).tolist() == [status]
    if day is None:
        assert CODE_SYSTEMS[system].validate(strings(code)).tolist() == [status]


def test_icd10cm_rolls_up_as_far_as_is_true() -> None:
    """A code that no list has keeps its category, block and chapter; without a known category it is unmapped."""
    codes = ("E11.65", "M8000X", "E11", "A01.Z", "A14.1", "E1.1", None)
    assert rolled("icd10cm", "code", *codes) == ["E11.65", "M80.00X", "E11", "A01.Z", "A14.1", None, None]
    assert rolled("icd10cm", "category", *codes) == ["E11", "M80", "E11", "A01", UNMAPPED, None, None]
    assert rolled("icd10cm", "block", *codes) == ["E08-E13", "M80-M85", "E08-E13", "A00-A09", UNMAPPED, None, None]
    assert rolled("icd10cm", "chapter", *codes) == ["IV", "XIII", "IV", "I", UNMAPPED, None, None]
    assert rolled("icd10cm", "ccsr", *codes) == ["END003", UNMAPPED, UNMAPPED, UNMAPPED, UNMAPPED, None, None]
    assert CODE_SYSTEMS["icd10cm"].parents("s020xxa") == ("S02.0", "S02", "S00-S09", "XIX")
    assert CODE_SYSTEMS["icd10cm"].parents("SMITH") == ()


def test_icd10pcs_rolls_up_by_its_axes() -> None:
    """Prefixes that some code has are kept, also of an unknown code."""
    codes = ("0DTJ4ZZ", "0DTZZZZ", "0ZZ0000", "x")
    assert rolled("icd10pcs", "operation", *codes) == ["0DT", "0DT", UNMAPPED, None]
    assert rolled("icd10pcs", "body_system", *codes) == ["0D", "0D", UNMAPPED, None]
    assert rolled("icd10pcs", "section", *codes) == ["0", "0", "0", None]
    assert CODE_SYSTEMS["icd10pcs"].parents("0DTJ4ZZ") == ("0DT", "0D", "0")


def test_icd9cm_rolls_diagnoses_and_procedures_up_apart() -> None:
    """Categories have three characters, external causes four, procedures two; chapters are ranges of them."""
    codes = ("250.00", "V10.1", "E8121", "45.13", "250.09", "045.13", "x")
    assert rolled("icd9cm", "category", *codes) == ["250", "V10", "E812", "45", "250", "045", None]
    assert rolled("icd9cm", "chapter", *codes)[:5] == ["240-279", "V01-V91", "E000-E999", "42-54", "240-279"]
    assert CODE_SYSTEMS["icd9cm"].parents("25000") == ("250.0", "250", "240-279")
    assert rolled("icd9cm_procedure", "category", "4019", "4513") == ["40", "45"]


def test_mixed_revisions_never_guess_between_two_meanings() -> None:
    """A code that two revisions read differently has the category or chapter that both share, else none."""
    codes = ("V10.1", "E8840", "E88.40", "E884.0", "4019", "0DTJ4ZZ", "E11.65", "x")
    nine, ten = "ICD-9", "ICD-10"
    assert rolled("icd_any", "revision", *codes) == [UNMAPPED, UNMAPPED, ten, nine, nine, ten, ten, None]
    categories = ["V10", UNMAPPED, "E88", "E884", "401", "PCS-0DT", "E11", None]
    assert rolled("icd_any", "category", *codes) == categories
    chapters = [UNMAPPED, UNMAPPED, "IV", "E000-E999", "390-459", "PCS-0", "IV", None]
    assert rolled("icd_any", "chapter", *codes) == chapters
    assert rolled("icd_any_procedure", "chapter", "3961", "0DTJ4ZZ", "x") == ["35-39", "PCS-0", None]
    assert rolled("icd_any", "code", *codes)[:3] == ["V10.1", "E8840", "E88.40"]
    assert CODE_SYSTEMS["icd_any"].parents("E8840") == ()
    assert CODE_SYSTEMS["icd_any"].parents("4019") == ("401", "390-459")


def test_drg_rolls_up_to_its_major_diagnostic_category() -> None:
    """Groups before all categories are PRE, groups of all are ALL, groups of other systems are unmapped."""
    codes = ("470", "5", "981", "470V38", "470V24", "194-2", "OTH", "0000")
    assert rolled("drg", "mdc", *codes) == ["08", "PRE", "ALL", "08", UNMAPPED, UNMAPPED, UNMAPPED, None]
    assert rolled("drg", "type", *codes)[:3] == ["surgical", "surgical", "surgical"]
    assert rolled("drg", "type", "194", "999") == ["medical", UNMAPPED]
    assert CODE_SYSTEMS["drg"].parents("470") == ("08",)


def test_who_icd10_knows_chapters_without_a_list() -> None:
    """Chapters are ranges of categories; a category between two chapters has none."""
    assert rolled("icd10", "chapter", "A00.0", "D48", "D49", "E90", "T98.3", "V01", "x") == [
        "I", "II", UNMAPPED, "IV", "XIX", "XX", None,
    ]  # fmt: skip
    assert CODE_SYSTEMS["icd10"].lists == ()


def test_attributes_are_those_of_the_lists() -> None:
    """Sides left open, sex, age, manifestations and unacceptable principal diagnoses are told apart."""
    said = attributes(strings("H66.90", "H66.91", "E11.9", "O80", "N40.0", "F02.80", "Z38.00", "V00.01XA", "x", None))
    assert said.unspecified.tolist() == [True, True, *[False] * 3, True, *[False] * 4]
    assert said.laterality_missing.tolist() == [True, *[False] * 9]
    assert said.manifestation.tolist() == [*[False] * 5, True, *[False] * 4]
    assert said.not_principal.tolist() == [*[False] * 5, True, False, True, False, False]
    assert said.sex.tolist() == ["", "", "", "F", "M", "", "", "", "", ""]
    assert said.age_low.tolist()[3:7] == [9, 15, 0, 0]
    assert said.age_high.tolist()[3] == 64
    assert said.age_high.tolist()[6] == 0
    assert (said.age_low <= said.age_high).all()


@pytest.mark.parametrize("code", ["O36.0110", "I12.9", "25000", "E11.9"])
def test_what_is_told_apart_from_unspecified_is_not_unspecified(code: str) -> None:
    """`Not applicable or unspecified` is the code of a single fetus, `type II or unspecified` that of type II."""
    said = CODE_SYSTEMS["icd_any"].attributes(strings(code, "J18.9"))  # type: ignore[attr-defined]
    assert said.unspecified.tolist() == [False, True]


def test_attributes_of_mixed_revisions_are_those_of_the_one_that_is_sure() -> None:
    """A code that either revision may have has no attribute, any other those of its list; plain or encoded."""
    codes = strings("E11.9", "N40.0", "V10.1", "E8840", "W19.XXXA", "E812.1", None, "x")
    for values in (codes, codes.dictionary_encode()):
        said = CODE_SYSTEMS["icd_any"].attributes(values)  # type: ignore[attr-defined]
        assert said.sex.tolist() == ["", "M", *[""] * 6]
        assert said.external.tolist() == [False, False, False, False, True, True, False, False]
        assert len(said.age_high) == len(values)


def test_an_unknown_level_is_a_key_error() -> None:
    """No level is invented."""
    for name in ("icd10cm", "icd10pcs", "icd9cm", "icd10", "icd_any", "drg"):
        with pytest.raises(KeyError):
            CODE_SYSTEMS[name].roll_up(strings("1"), "nothing")


def test_kinds_lead_to_their_systems() -> None:
    """Each kind of this family has one system; a kind without codes has none."""
    for kind in ("icd10cm", "icd10pcs", "icd9cm", "icd10", "icd_any", "drg"):
        system = system_of(kind)
        assert system is not None
        assert system.name == kind
    assert system_of("person_name") is None


def test_the_shelf_is_imported_without_its_tables() -> None:
    """Importing the shelf reads no table."""
    program = "import deid.codes; from deid.codes.tables import load_table; print(load_table.cache_info().currsize)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"0\n"


def test_the_tables_are_small_and_their_page_is_theirs() -> None:
    """All tables together stay below 4 MB, and the page in the reference was made from them."""
    assert sum(file.stat().st_size for file in DATA.iterdir() if file.is_file()) < 4_000_000
    assert Path("docs/reference/code-lists.md").read_text(encoding="utf-8") == code_lists_page(DATA)
