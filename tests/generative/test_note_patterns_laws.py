"""Laws of the patterns: notes joined are searched as notes alone, finds stay inside, and work grows with the text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.notes.check_digits import is_dea, is_iban, is_luhn, is_npi, is_vin
from deid.notes.patterns import find

BETWEEN = "\n\x00\n"
PIECES = (
    "MRN", "SSN", "Dr.", "Patient:", "Name:", "age", "born in", "call", "fax", "on", "the", "of", "March", "May", "3rd", "twenty-first",
    "3/14", "3/14/21", "2021", "-", ":", "#", "(", ")", ".", ",", "\n", "93", "year-old", "555-0142", "617", "617-555-0142", "MD",
    "Maria", "Lopez", "LOPEZ", "Lane", "St.", "Apt 4", "MA", "02446", "Hospital", "PO Box", "jo@example.org", "https://example.org/a",
    "00123456", "A1B2-C3D4", "1/2", "mg", "is", "a", "last four", "Room", "x12", "PMID", "'", "www.", "=", "|", "ending in", "emergency contact",
)  # fmt: skip
notes = st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join)
digits = st.text("0123456789", min_size=9, max_size=9)


@settings(max_examples=250, deadline=None)
@given(notes, notes)
def test_joined_notes_are_searched_as_each_alone(first: str, second: str) -> None:
    """What stands in a note decides what is found in it, and nothing of its neighbors does."""
    shift = len(first) + len(BETWEEN)
    alone = [(f.start, f.end, f.kind, f.sure) for f in find(first)]
    alone += [(f.start + shift, f.end + shift, f.kind, f.sure) for f in find(second)]
    assert [(f.start, f.end, f.kind, f.sure) for f in find(first + BETWEEN + second)] == alone


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120))
def test_no_text_breaks_the_search(text: str) -> None:
    """Finds are in order, not empty, and inside the text, whatever it holds."""
    finds = find(text)
    assert all(0 <= f.start < f.end <= len(text) for f in finds)
    assert [f.start for f in finds] == sorted(f.start for f in finds)


@pytest.mark.parametrize(
    "piece",
    [
        "1-",
        "A ",
        " ",
        "Dr. Dr.",
        "a.",
        "1/",
        "(1",
        "12 Ab ",
        "a@",
        "mrn # ",
        "https://",
        "MD, ",
        "Mar 1-",
        "Aa, MA ",
        ":a",
        "x-",
        "is a ",
    ],
)
def test_work_grows_no_faster_than_the_text(piece: str) -> None:
    """Eight times as much of what expressions stumble over takes about eight times as long, not 64 times."""
    short, long = (piece * (length // len(piece)) for length in (12_500, 100_000))

    def taken(text: str) -> float:
        start = time.process_time()
        find(text)
        return time.process_time() - start

    find("compiled before")
    assert min(taken(long) for _ in range(2)) < 20 * max(min(taken(short) for _ in range(3)), 0.002)


@given(digits)
def test_one_check_digit_of_ten_is_right(number: str) -> None:
    """Of the ten numbers that differ in their last digit, one passes; so a random number passes one time in ten."""
    assert sum(is_luhn(f"{number}{last}") for last in range(10)) == 1
    assert sum(is_npi(f"1{number[1:]}{last}") for last in range(10)) == 1
    assert sum(is_dea(f"AB{number[:6]}{last}") for last in range(10)) == 1


@given(st.integers(0, 10**18 - 1))
def test_two_check_digits_of_an_account_are_right_once_in_97(number: int) -> None:
    """Of the check digits 02 to 98 exactly one pair fits an account number of a bank."""
    assert sum(is_iban(f"DE{check:02}{number:018}") for check in range(2, 99)) == 1


def test_a_vehicle_number_with_one_digit_changed_fails() -> None:
    """The check digit sees every single change, and the letters that stand for none of its values."""
    good = "1HGCM82633A004352"
    assert is_vin(good)
    assert not any(is_vin(good[:at] + "7" + good[at + 1 :]) for at in range(17) if good[at] not in "7GPXA")
    assert not is_vin("IOQ" + good[3:])
    assert not is_vin(good[:-1])
