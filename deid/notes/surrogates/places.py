"""Surrogates of streets, cities and facilities: words that name a place change, words that say what it is stay."""

from __future__ import annotations

import re

from deid.notes.surrogates.draws import Draws, plain_words
from deid.notes.surrogates.generic import FACILITY_WORDS, STATES, STREET_WORDS
from deid.notes.surrogates.numbers import zip_code


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_STEMS = _words(
    """
    Alder Apple Aspen Birch Briar Bright Brook Cedar Clear Clover Cotton Crane Elder Fern Field Glen Hazel Heather
    Heron Holly Ivy Juniper Laurel Linden Maple Marsh Meadow Mill Misty Moss Oak Orchard Otter Pebble Pine Plum
    Poplar Quail Raven Reed River Robin Rose Rowan Sage Sandy Shady Silver Spring Spruce Stone Summer Thistle Timber
    Valley Walnut Water Willow Winter Wren
    """
)
_TOWNS = _words(
    """
    borough bridge brook bury cliff combe crest croft dale field ford gate grove haven hollow mere mont mouth port
    ridge shore side stead ton vale view ville water well wick wood worth
    """
)
PLACE_NAMES = tuple(stem + town for stem in _STEMS for town in _TOWNS if stem[-1].lower() != town[0])
_UNIT = re.compile(
    r"(?P<ordinal>[0-9]+(?:st|nd|rd|th)\b)|(?P<digits>[0-9]+)|(?P<word>[^\W\d_]+(?:['\u2019][^\W\d_]+)*)", re.IGNORECASE
)
_ORDINALS = ("4th", "5th", "6th", "7th", "8th", "9th", "14th", "15th", "16th", "17th", "18th", "19th", "24th", "26th")
_ZIP_DIGITS = 5


def street(draws: Draws, text: str) -> str | None:
    """Return an address with other numbers and names; types of streets, directions, units and states stay."""
    return _written(draws, text, STREET_WORDS, keeps_states=True)


def city(draws: Draws, text: str) -> str | None:
    """Return a place that does not exist; a state behind it stays."""
    return _written(draws, text, frozenset({"county", "parish", "township"}), keeps_states=True)


def facility(draws: Draws, text: str) -> str | None:
    """Return a facility that does not exist, of the same sort; what has no name of its own gets one."""
    written = _written(draws, text, FACILITY_WORDS, keeps_states=False)
    if written is not None:
        return written
    name = draws.choose(PLACE_NAMES, "place", text.lower())
    return None if name is None or not draws.allows(text) else f"{_cased(text, name)} {text}"


def _written(draws: Draws, text: str, kept: frozenset[str], *, keeps_states: bool) -> str | None:
    out, at = [], 0
    for unit in _UNIT.finditer(text):
        found = _piece(draws, unit, kept, keeps_states=keeps_states)
        if found is None:
            return None
        out += [text[at : unit.start()], found]
        at = unit.end()
    written = "".join(out) + text[at:]
    return written if written.lower() != text.lower() and draws.allows(written) else None


def _piece(draws: Draws, unit: re.Match[str], kept: frozenset[str], *, keeps_states: bool) -> str | None:
    text = unit.group()
    if unit["ordinal"]:
        return draws.choose(_ORDINALS, "ordinal", text.lower(), taken={text.lower()})
    if unit["digits"]:
        is_zip = len(text) == _ZIP_DIGITS and unit.start() > 0
        return zip_code(draws, text) if is_zip else _digits(draws, text)
    word = "".join(plain_words(text))
    is_kept = word in kept or (keeps_states and text in STATES)
    if is_kept and word not in draws.words:
        return text
    if len(word) == 1:  # the letter of a flat or a street
        letter = "ABCDEFGHJKLM"[draws.number("letter", word) % 12]
        return _cased(text, letter if letter.lower() != word else "N") if text.isupper() else letter.lower()
    if len(word) <= _ZIP_DIGITS and text.isupper() and len(text) > 1 and not keeps_states:
        return _acronym(draws, text)
    name = draws.choose(PLACE_NAMES, "place", word, taken={word})
    return None if name is None else _cased(text, name)


def _digits(draws: Draws, text: str) -> str:
    number = draws.number("house", text)
    drawn = f"{number % 10 ** len(text):0{len(text)}}"
    drawn = drawn if drawn[0] != "0" else f"{number % 9 + 1}{drawn[1:]}"
    return drawn if drawn != text else f"{(int(text[0]) % 9) + 1}{text[1:]}"


def _acronym(draws: Draws, text: str) -> str:
    number = draws.number("acronym", text)
    letters = "".join("ABCDEFGHJKLMNPRSTVW"[number // 19**at % 19] for at in range(len(text)))
    return letters if letters != text else letters[::-1][:-1] + "X"


def _cased(like: str, name: str) -> str:
    if like.isupper() and len(like) > 1:
        return name.upper()
    return name.lower() if like.islower() else name
