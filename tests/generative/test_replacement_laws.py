"""Laws of replacement, over generated people, numbers, dates and keys."""

from __future__ import annotations

import re
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from note_spans import SHIFTED, SHOWN, one, written

from deid.cells.days import number_of
from deid.keys.prf import BatchCmac
from deid.kinds import KINDS
from deid.notes.date_forms import read
from deid.notes.known import KnownIdentifiers
from deid.notes.leak_check import leaks
from deid.notes.surrogates import Surrogates, keys_of
from deid.notes.surrogates.writer import SURROGATE_KINDS
from deid.schema import Column
from deid.transforms import Context, ShiftDate

KEYS = st.binary(min_size=16, max_size=32)
WORDS = st.from_regex(r"[A-Z][a-z]{2,9}", fullmatch=True)
LISTED = st.sampled_from(["Maria", "John", "Anna", "Mary", "James", "Ashford", "Hale", "Marlow", "Winwood", "Walter"])
NAMES = st.lists(WORDS | LISTED, min_size=1, max_size=4).map(" ".join)
CODES = st.from_regex(r"[A-Z]{0,3}-?[0-9]{5,11}", fullmatch=True)
RECORDS = st.lists(
    st.tuples(st.sampled_from(["person_name", "relative_name", "provider_name"]), NAMES)
    | st.tuples(st.sampled_from(["mrn", "ssn", "phone", "account_number"]), CODES)
    | st.tuples(st.just("street_address"), st.builds("{} {} Lane".format, st.integers(1, 9999), WORDS | LISTED))
    | st.tuples(st.just("email"), st.builds("{}@example.org".format, WORDS))
    | st.tuples(st.sampled_from(["city", "facility_name"]), WORDS | LISTED),
    max_size=6,
)
DAYS = st.dates(date(2021, 1, 1), date(2023, 12, 31))
OFFSETS = st.integers(-365, 365)
FORMS = st.sampled_from(
    ["%m/%d/%Y", "%Y-%m-%d", "%B %d, %Y", "%d-%b-%Y", "%b %d %Y", "%Y%m%d", "%A, %B %d, %Y", "%m/%d/%y"]
)
KINDS_FOUND = st.sampled_from(sorted(SURROGATE_KINDS))
# What detectors find: text of one line, anything at all among it.
TEXTS = NAMES | CODES | st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=24)


@given(KEYS, RECORDS, NAMES)
def test_a_name_has_one_surrogate_in_every_case_and_order(key: bytes, record: list[tuple[str, str]], name: str) -> None:
    """Word by word the same, whatever stands beside it, in any letter case, and in an object made anew."""
    first, again = Surrogates(key, record), Surrogates(key, record)
    whole = first.write("person_name", name)
    assert whole is not None
    apart = [again.write("relative_name", word) for word in name.split()]
    assert whole.split() == apart
    assert again.write("person_name", name.upper()) == whole.upper()
    backwards = again.write("provider_name", " ".join(reversed(name.split())))
    assert backwards is not None
    assert backwards.split() == list(reversed(apart))


@given(KEYS, RECORDS)
def test_the_people_of_a_record_stay_apart(key: bytes, record: list[tuple[str, str]]) -> None:
    """No two words of the record's names share a surrogate."""
    words = sorted({word.lower() for kind, value in record if kind.endswith("name") for word in value.split()})
    own = Surrogates(key, record)
    found = [own.write("person_name", word) for word in words]
    assert None not in found
    assert len(set(found)) == len(words)


@given(KEYS, NAMES)
def test_a_surrogate_keeps_the_length_class(key: bytes, name: str) -> None:
    """Short words stay short, long ones long: up to 4, 5 to 7, 8 letters and more."""
    found = Surrogates(key).write("person_name", name)
    assert found is not None
    sizes = [[(len(word) > 4) + (len(word) >= 8) for word in text.split()] for text in (name, found)]
    assert sizes[0] == sizes[1]


@given(KEYS, RECORDS, KINDS_FOUND, TEXTS)
def test_no_surrogate_holds_what_it_replaces_or_anything_of_the_record(
    key: bytes, record: list[tuple[str, str]], kind: str, text: str
) -> None:
    """Whatever was found: another text stands there, or a tag, and the independent check finds nothing in it."""
    known = KnownIdentifiers(record)
    found = Surrogates(key, known.values).write(kind, text)
    if found is not None:
        assert found.lower() != text.lower()
        assert leaks(f"Seen {found}.", known) == 0


@given(KEYS, KEYS, CODES)
def test_a_code_keeps_its_shape_and_is_another_under_another_key(key: bytes, other: bytes, code: str) -> None:
    """Digits stay digits, letters letters; patients and releases share no surrogate but by chance."""
    shapes = [Surrogates(k).write("mrn", code) for k in (key, other)]
    for found in shapes:
        assert found is not None
        assert re.sub(r"\d", "0", re.sub(r"[A-Z]", "A", found)) == re.sub(r"\d", "0", re.sub(r"[A-Z]", "A", code))
    again = Surrogates(key).write("unique_id", code)
    assert again == shapes[0]


@settings(max_examples=20)
@given(st.binary(min_size=32, max_size=32), st.lists(st.integers(0, 99), min_size=1, max_size=30))
def test_keys_of_patients_are_their_own(master: bytes, patients: list[int]) -> None:
    """Rows of one patient have one key of 16 bytes, rows of two have two."""
    keys = keys_of(BatchCmac(master), np.array(patients, np.int32))
    assert [len(key) for key in keys] == [16] * len(patients)
    assert all((a == b) == (keys[i] == keys[j]) for i, a in enumerate(patients) for j, b in enumerate(patients))


def _shown_in_table(days: list[date], offset: int) -> list[date | None]:
    """Return what ShiftDate shows of these days in a column of the same window."""
    window = (date(2019, 1, 2), date(2025, 12, 31))  # 365 days cut from both ends leave SHOWN
    context = Context(
        patient=np.zeros(len(days), np.int32),
        offset_days=np.full(len(days), offset, np.int32),
        aged=np.zeros(len(days), bool),
        pseudonym=lambda _, ids: ids,
        redact=lambda notes: notes,
        window=window,
        reference_year=2027,
    )
    shown: list[date | None] = (
        ShiftDate(365).apply(Column("c", KINDS["service_date"]), pa.array(days, pa.date32()), context).to_pylist()
    )
    return shown


@given(st.lists(st.tuples(DAYS, FORMS), min_size=1, max_size=5), OFFSETS)
def test_text_and_tables_move_alike(dates: list[tuple[date, str]], offset: int) -> None:
    """A date in a note is the date of the table in the form of the note, or a tag where the table shows none."""
    assert (number_of(date(2020, 1, 2)) - 1, number_of(date(2024, 12, 31))) == SHOWN
    note = " | ".join(f"{{service_date:{day.strftime(form)}}}" for day, form in dates)
    text = one(note, days=offset, dates=SHIFTED)
    assert text is not None
    for piece, (_, form), shown in zip(
        text.split(" | "), dates, _shown_in_table([d for d, _ in dates], offset), strict=True
    ):
        if shown is None:
            assert piece == "[SERVICE_DATE]"
        elif form != "%A, %B %d, %Y":
            found = read(piece, latest_year=2027)
            assert found is not None
            assert found.on() == shown
        else:
            assert piece.startswith(shown.strftime("%A, %B "))


@given(DAYS, FORMS, OFFSETS, OFFSETS)
def test_moving_there_and_back_gives_the_text_again(day: date, form: str, there: int, back: int) -> None:
    """Shifts add up, and a shift of nothing changes nothing; the marks stay where they were."""
    text = day.strftime(form)
    first = read(text, latest_year=2030)
    assert first is not None
    assert first.on() == day
    assert first.rewritten(day) == text
    middle = read(first.rewritten(day + timedelta(days=there)), latest_year=2030)
    assert middle is not None
    assert middle.on() == day + timedelta(days=there)
    last = read(middle.rewritten(day + timedelta(days=back)), latest_year=2030)
    assert last is not None
    assert last.on() == day + timedelta(days=back)
    assert re.sub(r"\w+", "", last.match.string) == re.sub(r"\w+", "", text)


@settings(max_examples=50, deadline=None)
@given(KEYS, RECORDS, st.lists(st.tuples(KINDS_FOUND, NAMES | CODES), max_size=4))
def test_no_note_leaves_with_an_identifier_of_its_patient(
    key: bytes, record: list[tuple[str, str]], others: list[tuple[str, str]]
) -> None:
    """The record's own values and others, all found: the note leaves, and nothing of the record is in it."""
    note = ". ".join(f"Then {{{kind}:{value}}}" for kind, value in [*record, *others])
    result = written([note, note.upper().replace("{", "").replace("}", "")], record=record, key=key, surrogates=True)
    known = KnownIdentifiers(record)
    assert all(text is None or leaks(text, known) == 0 for text in result.texts.to_pylist())
    assert result.withheld == sum(result.reasons.values()) == result.texts.null_count
