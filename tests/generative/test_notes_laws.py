# ruff: noqa: RUF001 - a dash that is no hyphen is among the marks
"""Laws of known identifiers: what is planted never survives, what is not there is never touched."""

from __future__ import annotations

import re
import string
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from note_engine import known, without_known

from deid.notes import leaks
from deid.notes.folding import fold
from deid.notes.known.ordinary import Sense, sense_of

# Names and filler share no letter, so that no filler word can be a name.
NAME_LETTERS, FILLER_LETTERS = "bcdfghjkqvwxyz", "aeioulmnprst"
# Without what clinicians abbreviate so ("BBB"), which is a name only where it looks like one.
names = st.text(NAME_LETTERS, min_size=3, max_size=10).filter(lambda name: sense_of(name) is Sense.NONE)
numbers = st.text(string.digits, min_size=7, max_size=12)
filler = st.text(FILLER_LETTERS, min_size=2, max_size=8)
marks = st.sampled_from([" ", "\n", ", ", ". ", " (", ") ", ": ", " - ", "; ", "'s ", '"'])
cases = st.sampled_from([str.lower, str.upper, str.title, lambda s: s])
days = st.dates()
dates = st.builds(
    lambda day, form: day.strftime(form) if day.year > 999 else day.isoformat(),
    days,
    st.sampled_from(["%Y-%m-%d", "%m/%d/%Y", "%m-%d-%y", "%B %d, %Y", "%d %b %Y", "%Y%m%d"]),
)


@st.composite
def planted(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Draw a text of filler words and marks with names planted in it, in any case, and the names."""
    own = draw(st.lists(names, min_size=1, max_size=3))
    pieces = draw(st.lists(st.one_of(filler, st.sampled_from(own)), min_size=1, max_size=25))
    return "".join(draw(cases)(piece) + draw(marks) for piece in pieces), own


@given(planted())
def test_planted_names_never_survive(case: tuple[str, list[str]]) -> None:
    """Whatever case and punctuation it is written in, a name of the record is gone, and the filler stays."""
    text, own = case
    out = without_known(text, known(*(("person_name", name) for name in own)))
    words = re.findall(r"[a-z]+", out.replace("[PERSON_NAME]", " ").lower())
    assert not set(words) & set(own)
    kept = [word for word in re.findall(r"[a-z]+", text.lower()) if word not in own]
    assert [word for word in words if word not in own] == kept


@given(numbers, st.lists(st.sampled_from(["", "-", " ", ".", "/", ") ", "–"]), min_size=12, max_size=12), filler)
def test_planted_numbers_never_survive(number: str, gaps: list[str], around: str) -> None:
    """A number is gone however its digits are set apart."""
    written = "".join(digit + gap for digit, gap in zip(number, gaps, strict=False)).rstrip("-. /)–")
    out = without_known(f"{around} {written}, {around}", known(("member_id", number)))
    assert out == f"{around} [MEMBER_ID], {around}"


@given(days.filter(lambda day: day.year > 999), dates, filler)
def test_a_date_is_removed_exactly_when_it_is_the_patients(day: object, other: str, around: str) -> None:
    """The patient's day goes in every form, whatever else stands beside it."""
    out = without_known(f"{around} {day} {around} {other} {around}", known(("birth_date", str(day))))
    assert str(day) not in out
    assert leaks(out, known(("birth_date", str(day)))) == 0


@given(st.lists(st.one_of(filler, st.text(string.digits, max_size=3)), max_size=30))
def test_text_without_identifiers_is_unchanged(words: list[str]) -> None:
    """Known identifiers touch nothing that is not one of them."""
    text = " ".join(words)
    own = known(
        ("person_name", "Zbyq Xwvk"), ("ssn", "912-33-1234"), ("email", "zbq@xwv.org"), ("phone", "617-555-0142")
    )
    assert without_known(text, own) == text


pairs = st.one_of(
    st.tuples(st.sampled_from(["person_name", "relative_name", "provider_name"]), st.text(min_size=1, max_size=20)),
    st.tuples(st.sampled_from(["ssn", "mrn", "phone", "patient_id"]), st.text(string.digits + "-AB. ", max_size=15)),
    st.tuples(st.sampled_from(["birth_date", "admit_date"]), dates),
    st.tuples(st.just("email"), st.emails()),
    st.tuples(st.just("city"), filler),
    st.tuples(
        st.just("street_address"),
        st.builds(
            "{} {} {}{}".format,
            st.integers(1, 99_999),
            filler,
            st.sampled_from(["Street", "ave", "Ln.", "ct", "Walk", ""]),
            st.sampled_from(["", " apt 4", ", Unit 7", " #12", " Floor 2", "\nBoston"]),
        ),
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(pairs, min_size=1, max_size=5), st.data())
def test_what_was_searched_passes_the_independent_check(own: list[tuple[str, str]], data: st.DataObject) -> None:
    """Search and check share no code and must agree: after the search the check counts nothing."""
    value = st.sampled_from([value for _, value in own])
    pieces = st.one_of(
        value,
        st.builds(lambda v, c: c(v), value, cases),
        st.builds(lambda v: v.replace("-", ""), value),
        st.builds(lambda v: v[: len(v) // 2], value),
        filler,
        marks,
        st.text(string.digits, max_size=3),
    )
    text = "".join(data.draw(st.lists(pieces, max_size=12)))
    identifiers = known(*own)
    assert leaks(without_known(text, identifiers), identifiers) == 0


@given(st.text(max_size=60))
def test_folded_text_leads_back_to_the_original(text: str) -> None:
    """Every stretch of folded text comes from a stretch of the original, and the whole from the whole."""
    folded = fold(text)
    last = 0
    for at in range(len(folded.text)):
        start, end = folded.back(at, at + 1)
        assert 0 <= start < end <= len(text)
        assert start >= last
        last = start
    if folded.text:
        assert folded.back(0, len(folded.text))[1] == len(text)


@given(st.text(max_size=80), st.lists(st.tuples(st.just("person_name"), st.text(max_size=15)), max_size=4))
def test_no_text_breaks_the_search(text: str, own: list[tuple[str, str]]) -> None:
    """Spans are in order, apart, and inside the text, whatever it holds."""
    spans = known(*own).find(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(first.end <= second.start for first, second in pairwise(spans))
