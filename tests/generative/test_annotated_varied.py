from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from deid.annotated.dice import Dice
from deid.annotated.natural_towns import natural_town
from deid.annotated.odd_addresses import foreign_address, odd_address, road, rural_address
from deid.annotated.people import of
from deid.annotated.scene import Scene
from deid.annotated.speech import spelled, spoken_digits, spoken_phone
from deid.annotated.varied_names import composed_name, last_first, short_name
from deid.annotated.vocabulary import vocabulary
from deid.annotated.word_names import lower_name, upper_name, word_first, word_full, word_last, word_name

SEEDS = st.integers(min_value=0, max_value=2**31)
SPOKEN = re.compile(
    r"\b(zero|oh|o|one|two|three|four|five|six|seven|eight|nine|double|hundred|\w+teen|\w+ty)\b", re.IGNORECASE
)


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_a_spelled_name_begins_and_goes_on_with_letters_of_that_person(seed: int) -> None:
    """What is spelled starts with the first letter of the surname or the given name of the same letter."""
    scene = Scene(Dice(seed))
    said, who = spelled(scene, "a"), of(scene, "a")
    heads = {next(mark for mark in name if mark.isalpha()).upper() for name in (who.given, who.last)}
    first = said.removeprefix("double ")[0].upper()
    assert first in heads
    assert re.search(r"[^\W\d_][\s,.-]|[^\W\d_]$", said)


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_numbers_read_aloud_are_words_and_the_same_twice(seed: int) -> None:
    """Numbers that identify are spoken in words without a digit; phones hold at least one spoken word."""
    scene = Scene(Dice(seed))
    number, phone = spoken_digits(scene, "a"), spoken_phone(scene, "a")
    assert not re.search(r"\d", number)
    assert len(SPOKEN.findall(number)) >= 2
    assert SPOKEN.search(phone)
    assert (number, phone) == (spoken_digits(scene, "a"), spoken_phone(scene, "a"))


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_names_in_every_form_are_of_one_person(seed: int) -> None:
    """The initial, the surname before the comma and the full form agree within one document."""
    scene = Scene(Dice(seed))
    short, turned, whole = (_plain(make(scene, "a")) for make in (short_name, last_first, composed_name))
    who = of(scene, "a")
    last = _plain(who.last)
    assert last in short
    assert turned.startswith(last)
    assert whole.endswith(last)
    assert short.startswith(_plain(who.given[0]))


def _plain(name: str) -> str:
    # both ways, as the capitals of some letters have other small ones
    return name.replace(" ", "").upper().lower()


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_addresses_and_towns_are_written_out_without_holes(seed: int) -> None:
    """No mark of a pattern stays in an address, roads have no house number in front, towns begin with a capital."""
    dice = Dice(seed)
    for text in (foreign_address(dice), odd_address(dice), road(dice), natural_town(dice), rural_address(dice)):
        assert text == text.strip()
        assert not set(text) & set("<>@{}")
    assert natural_town(dice)[0].isupper()


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_names_that_are_words_come_from_the_list_and_agree_by_letter(seed: int) -> None:
    """A given name and a surname are words of the list; the bare name and the whole one are of the same person."""
    scene = Scene(Dice(seed))
    lists = {part: {_plain(word) for word in words} for part, words in vocabulary("word_names").items()}
    first, last, bare, whole = (_plain(make(scene, "a")) for make in (word_first, word_last, word_name, word_full))
    assert first in lists["given"]
    assert last in lists["surname"]
    assert bare in (first, last)
    assert first in whole
    assert last in whole


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_names_in_small_letters_and_in_capitals_have_no_others(seed: int) -> None:
    """Names typed in haste have no capital, and names of texts in capitals no small letter."""
    scene = Scene(Dice(seed))
    small, large = lower_name(scene, ""), upper_name(scene, "")
    assert small == small.lower()
    assert large == large.upper()
    assert small.strip()
    assert large.strip()
