"""Code systems known by form and rules: CPT, HCPCS, modifiers, NDC, LOINC, SNOMED CT and those of claims."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deid.cells.buffers import plain
from deid.cells.days import NO_DAY, number_of
from deid.cells.shapes import SHAPES, TextShape
from deid.codes import CODE_SYSTEMS, system_of
from deid.codes.base import UNMAPPED, CodeSystem, Status
from deid.codes.formed import FormedSystem
from deid.codes.page import page
from deid.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = [system for system in CODE_SYSTEMS.values() if isinstance(system, FormedSystem)]

# system | value | normal form, - for none | values of the levels above `code`, from fine to coarse
ROLLED = """
cpt | 99213 | 99213 | Evaluation and management | Evaluation and management
cpt | 00100 | 00100 | Anesthesia | Anesthesia
cpt | 01999 | 01999 | Anesthesia | Anesthesia
cpt | 02000 | 02000 | UNMAPPED | UNMAPPED
cpt | 00099 | 00099 | UNMAPPED | UNMAPPED
cpt | 10004 | 10004 | Surgery: general and integumentary | Surgery
cpt | 33533 | 33533 | Surgery: cardiovascular | Surgery
cpt | 59400 | 59400 | Surgery: maternity care | Surgery
cpt | 69990 | 69990 | Surgery: operating microscope | Surgery
cpt | 71046 | 71046 | Radiology | Radiology
cpt | 80053 | 80053 | Pathology and laboratory | Pathology and laboratory
cpt | 90471 | 90471 | Medicine | Medicine
cpt | 98000 | 98000 | Evaluation and management | Evaluation and management
cpt | 98016 | 98016 | Evaluation and management | Evaluation and management
cpt | 98966 | 98966 | Medicine | Medicine
cpt | 99100 | 99100 | Anesthesia | Anesthesia
cpt | 99199 | 99199 | Medicine | Medicine
cpt | 99499 | 99499 | Evaluation and management | Evaluation and management
cpt | 99500 | 99500 | Medicine | Medicine
cpt | 3044f | 3044F | Category II: performance measures | Category II: performance measures
cpt | 0075T | 0075T | Category III: emerging technology | Category III: emerging technology
cpt | 0001U | 0001U | Proprietary laboratory analyses | Proprietary laboratory analyses
cpt | 0011A | 0011A | Medicine | Medicine
cpt | j1885 | J1885 | HCPCS J | HCPCS J
cpt | W0001 | W0001 | UNMAPPED | UNMAPPED
cpt | 9921 | - | - | -
cpt | 99213-25 | - | - | -
cpt | 0001X | - | - | -
hcpcs |  g0439 | G0439 | G
hcpcs | I0001 | I0001 | UNMAPPED
hcpcs | 99213 | - | -
modifier | gt | GT
modifier | 2 | -
ndc | 0002-8215-01 | 00002821501 | 00002-8215 | 00002
ndc | 50242-040-62 | 50242004062 | 50242-0040 | 50242
ndc | 60575-4112-1 | 60575411201 | 60575-4112 | 60575
ndc | 00002-8215-01 | 00002821501 | 00002-8215 | 00002
ndc | 00002821501 | 00002821501 | 00002-8215 | 00002
ndc | *0002-8215-01 | 00002821501 | 00002-8215 | 00002
ndc | 50242*04062 | 50242004062 | 50242-0040 | 50242
ndc | 60575-4112-*1 | 60575411201 | 60575-4112 | 60575
ndc | 60575-*11*-*1 | - | - | -
ndc | 0002-821-01 | - | - | -
ndc | 000028215013 | - | - | -
loinc | 8480-6 | 8480-6
loinc | 8480-7 | -
loinc | 08480-6 | -
loinc | LA33-6 | LA33-6
loinc | 8480 | -
snomed | 22298006 | 22298006 | core
snomed | 22298005 | - | -
snomed | 449681000124101 | 449681000124101 | 1000124
snomed | 900000000000207008 | 900000000000207008 | core
snomed | 680946014 | - | -
rxnorm | 197361 | 197361
rxnorm | 0197361 | -
cvx | 8 | 08
cvx | 008 | 08
cvx | 208 | 208
cvx | 2080 | -
revenue_code | 450 | 0450 | 045X
revenue_code | 0456 | 0456 | 045X
revenue_code | 1001 | 1001 | 100X
revenue_code | 45X | - | -
place_of_service | 02 | 02 | telehealth
place_of_service | 23 | 23 | emergency department
place_of_service | 28 | 28 | UNMAPPED
place_of_service | 0131 | - | -
place_of_service | home | - | -
discharge_status | 1 | 01 | home
discharge_status | 86 | 86 | home health
discharge_status | 20 | 20 | died
discharge_status | 07 | 07 | left against advice
discharge_status | 99 | 99 | UNMAPPED
discharge_status | A | - | -
taxonomy | 207RC0000X | 207RC0000X | 207R | allopathic and osteopathic physician
taxonomy | 282N00000X | 282N00000X | 282N | hospital
taxonomy | 992N00000X | 992N00000X | 992N | UNMAPPED
taxonomy | 207R00000Y | - | - | -
taxonomy | 08 | - | - | -
npi | 1234567893 | 1234567893
npi | 1234567890 | -
npi | 3234567893 | -
"""
# system | code | day of service, - for none | verdict
ON_A_DAY = """
place_of_service | 10 | 2021-12-31 | NOT_YET
place_of_service | 10 | 2022-01-01 | VALID
place_of_service | 10 | - | VALID
place_of_service | 27 | 2023-09-30 | NOT_YET
place_of_service | 27 | 2023-10-01 | VALID
place_of_service | 18 | 2012-12-31 | NOT_YET
place_of_service | 66 | 2024-07-31 | NOT_YET
place_of_service | 66 | 2024-08-01 | VALID
discharge_status | 21 | 2009-09-30 | NOT_YET
discharge_status | 21 | 2009-10-01 | VALID
place_of_service | 11 | 1990-01-01 | VALID
place_of_service | 30 | 2024-01-01 | UNKNOWN
discharge_status | 81 | 2013-09-30 | NOT_YET
discharge_status | 81 | 2013-10-01 | VALID
discharge_status | 08 | 2005-09-30 | VALID
discharge_status | 08 | 2005-10-01 | RETIRED
discharge_status | 08 | - | VALID
discharge_status | 1 | 2020-01-01 | VALID
modifier | RH | 2020-01-01 | VALID
modifier | 25 | 2020-01-01 | UNKNOWN
cpt | 99213 | 2020-01-01 | UNKNOWN
ndc | 0002821501 | 2020-01-01 | UNKNOWN
npi | 1234567890 | 2020-01-01 | MALFORMED
"""


def rows(table: str) -> list[list[str]]:
    """Return the cells of a drawn table."""
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


@pytest.mark.parametrize("row", rows(ROLLED), ids=" ".join)
def test_codes_are_normalized_and_rolled_up_as_drawn(row: list[str]) -> None:
    """Each spelling has the drawn normal form and values at each level; what is malformed is null at all of them."""
    system = CODE_SYSTEMS[row[0]]
    expected = [None if cell == "-" else cell for cell in row[2:]]
    values = pa.array([row[1], None])
    found = [system.roll_up(values, level.name).to_pylist() for level in system.levels]
    assert found == [[value, None] for value in expected]
    assert system.normalize(values).to_pylist() == [expected[0], None]
    assert (system.validate(values)[0] == Status.MALFORMED) == (expected[0] is None)


@pytest.mark.parametrize("row", rows(ON_A_DAY), ids=" ".join)
def test_codes_are_valid_on_the_day_as_drawn(row: list[str]) -> None:
    """Each code has the drawn verdict on its day; a row without a day is judged on any day."""
    system, code, day, verdict = row
    on = np.array([NO_DAY if day == "-" else number_of(date.fromisoformat(day))], np.int32)
    assert Status(CODE_SYSTEMS[system].validate(pa.array([code]), on)[0]).name == verdict


def test_ten_digits_of_an_ndc_are_never_padded() -> None:
    """Ten digits without hyphens are well formed, have no normal form, and are UNMAPPED at every level."""
    ndc = CODE_SYSTEMS["ndc"]
    values = pa.array(["0002821501"])
    assert ndc.normalize(values).to_pylist() == [None]
    assert ndc.validate(values).tolist() == [Status.UNKNOWN]
    assert {ndc.roll_up(values, level.name)[0].as_py() for level in ndc.levels} == {UNMAPPED}
    assert ndc.parents("0002821501") == ()


def test_parents_lead_from_the_nearest_to_the_top() -> None:
    """The codes above a code come in the order of the levels, each once."""
    assert CODE_SYSTEMS["ndc"].parents("0002-8215-01") == ("00002-8215", "00002")
    assert CODE_SYSTEMS["cpt"].parents("33533") == ("Surgery: cardiovascular", "Surgery")
    assert CODE_SYSTEMS["cpt"].parents("99213") == ("Evaluation and management",)
    assert CODE_SYSTEMS["rxnorm"].parents("197361") == ()
    assert CODE_SYSTEMS["cpt"].parents("John") == ()


def test_a_level_that_a_system_lacks_is_refused() -> None:
    """A level of another system raises KeyError, as the interface says."""
    with pytest.raises(KeyError):
        CODE_SYSTEMS["cpt"].roll_up(pa.array(["99213"]), "labeler")


def test_kinds_have_one_system() -> None:
    """Every kind that a system names exists and leads back to it."""
    for system in CODE_SYSTEMS.values():
        for kind in system.kinds:
            assert kind in KINDS
            assert system_of(kind) is system


def test_no_descriptor_or_code_of_cpt_is_shipped() -> None:
    """CPT is known by form and by ranges of numbers: it has no list, so none of its codes is called valid."""
    cpt = CODE_SYSTEMS["cpt"]
    assert cpt.lists == ()
    assert set(cpt.validate(pa.array([f"{number:05d}" for number in range(100_000)])).tolist()) == {Status.UNKNOWN}


def test_the_page_of_code_systems_is_current() -> None:
    """docs/reference/code-systems.md is what `python -m deid.codes.page` writes."""
    assert (ROOT / "docs" / "reference" / "code-systems.md").read_text() == page()


def values_of(system: CodeSystem) -> st.SearchStrategy[str | None]:
    """Return well-formed values of a system's kinds, and others."""
    shapes = [SHAPES[kind] for kind in system.kinds if kind in SHAPES]
    drawn = [st.from_regex(shape.pattern, fullmatch=True) for shape in shapes if isinstance(shape, TextShape)]
    digits = st.text("0123456789", min_size=1, max_size=18)
    return st.none() | st.one_of(
        *drawn, digits, st.text(max_size=8), st.sampled_from([" 99213", "gt ", "0\n", "\u017f2"])
    )


@given(data=st.data())
def test_laws_of_every_system(data: st.DataObject) -> None:
    """Normal forms are their own; verdicts and levels agree with them, dictionary or plain, and lie in their domains."""
    system = data.draw(st.sampled_from(SYSTEMS))
    values = pa.array(data.draw(st.lists(values_of(system), max_size=8)), pa.string())
    coded = values.dictionary_encode()
    days = np.array(
        data.draw(st.lists(st.sampled_from([NO_DAY, 0, 12_000, 19_000]), min_size=len(values), max_size=len(values))),
        np.int32,
    )
    normal = system.normalize(values)
    assert system.normalize(normal).equals(normal)
    assert plain(system.normalize(coded)).equals(normal)
    verdicts = system.validate(values, days)
    assert verdicts.dtype == np.uint8
    assert (system.validate(coded, days) == verdicts).all()
    absent = verdicts == Status.ABSENT
    assert (absent == values.is_null().to_numpy(zero_copy_only=False)).all()
    formed = ~absent & (verdicts != Status.MALFORMED)
    for level in system.levels:
        rolled = system.roll_up(values, level.name)
        assert plain(system.roll_up(coded, level.name)).equals(rolled)
        assert level.domain.violations(rolled) == 0
        assert (rolled.is_valid().to_numpy(zero_copy_only=False) == formed).all()


@given(data=st.data())
def test_dictionaries_of_slices_hold_what_rows_use(data: st.DataObject) -> None:
    """A slice of a dictionary column gives the rows of the slice, and no entry of rows that were cut off."""
    system = data.draw(st.sampled_from(SYSTEMS))
    values = pa.array(data.draw(st.lists(values_of(system), min_size=3, max_size=8)), pa.string())
    cut = values.dictionary_encode()[2:]
    assert plain(system.normalize(cut)).equals(system.normalize(values[2:]))
    assert system.validate(cut).tolist() == system.validate(values[2:]).tolist()
    assert len(system.normalize(cut).dictionary) <= len(cut)


def luhn_digit(body: str) -> str:
    """Return Luhn's check digit of a string of digits, as ISO/IEC 7812-1 annex B computes it by hand."""
    total = 0
    for position, digit in enumerate(reversed(body)):
        number = int(digit) * (2 if position % 2 == 0 else 1)
        total += number // 10 + number % 10
    return str(-total % 10)


@given(st.integers(1, 9_999_999), st.data())
def test_a_single_wrong_digit_of_a_loinc_code_is_found(number: int, data: st.DataObject) -> None:
    """A LOINC code with Luhn's digit is well formed; with any one digit changed it is malformed."""
    code = f"{number}{luhn_digit(str(number))}"
    assert_single_errors_are_found("loinc", code, data, spell=lambda digits: f"{digits[:-1]}-{digits[-1]}")


@given(st.integers(100_000_000, 299_999_999), st.data())
def test_a_single_wrong_digit_of_an_npi_is_found(number: int, data: st.DataObject) -> None:
    """An NPI with Luhn's digit over 80840 and the number is well formed; with any one digit changed it is malformed."""
    code = f"{number}{luhn_digit(f'80840{number}')}"
    assert_single_errors_are_found("npi", code, data, spell=str)


@given(st.integers(100, 10**14), st.integers(0, 1), st.data())
def test_a_single_wrong_digit_of_a_snomed_concept_is_found(item: int, long: int, data: st.DataObject) -> None:
    """Of the ten check digits of a concept exactly one is right; with any one digit changed it is malformed."""
    assume(not long or item >= 10**7)
    snomed = CODE_SYSTEMS["snomed"]
    candidates = [f"{item}{long}0{digit}" for digit in range(10)]
    good = [code for code in snomed.normalize(pa.array(candidates)).to_pylist() if code is not None]
    assert len(good) == 1
    assert_single_errors_are_found("snomed", good[0], data, spell=str)


def assert_single_errors_are_found(system: str, code: str, data: st.DataObject, *, spell: Callable[[str], str]) -> None:
    """Check that `code` is well formed and that it is malformed once one drawn digit is another."""
    place = data.draw(st.integers(0, len(code) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != code[place]]))
    typo = code[:place] + wrong + code[place + 1 :]
    verdicts = CODE_SYSTEMS[system].validate(pa.array([spell(code), spell(typo)]))
    assert verdicts[0] == Status.UNKNOWN
    assert verdicts[1] == Status.MALFORMED


@given(st.integers(0, 99_999), st.integers(0, 9_999), st.integers(0, 99))
def test_the_three_forms_of_an_ndc_become_one(labeler: int, product: int, package: int) -> None:
    """Whatever of 4-4-2, 5-3-2, 5-4-1 and 5-4-2 a code can be written in, its eleven digits are the same."""
    whole = f"{labeler:05d}-{product:04d}-{package:02d}"
    forms = [whole, whole.replace("-", "")]
    forms += [whole[1:]] if labeler < 10_000 else []
    forms += [f"{labeler:05d}-{product:03d}-{package:02d}"] if product < 1_000 else []
    forms += [f"{labeler:05d}-{product:04d}-{package}"] if package < 10 else []
    found = CODE_SYSTEMS["ndc"].normalize(pa.array(forms))
    assert set(found.to_pylist()) == {whole.replace("-", "")}
