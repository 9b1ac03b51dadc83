"""Which words a note may hold without meaning a person: what of a name has to be asked for more than the letters."""

from __future__ import annotations

from enum import IntEnum
from functools import cache, lru_cache

import numpy as np

from deid.notes.clinical_words import EPONYMS, STOP_WORDS
from deid.notes.known.beside import ABBREVIATIONS
from deid.notes.lists import CLINICAL_BODY, CLINICAL_DRUG, CLINICAL_EPONYM, COLUMNS, PLACE_COUNTRY, PLACE_STATE, load
from deid.notes.words import COMMON_NAMES, COMMON_PLACES, PARTICLES, TITLES

_GIVEN, _ENGLISH, _RATIO, _CLINICAL, _PLACE = (
    COLUMNS.index(name) for name in ("given", "english", "ratio", "clinical", "place")
)
_RATHER_A_NAME = 16  # classes of `ratio` from which on a word is a name even in ordinary text
_RATHER_ENGLISH = 11
_USUAL = 3  # classes of `english` from which on a word is met with


class Sense(IntEnum):
    """What a name means apart from a person."""

    NONE = 0
    SOME = 1  # a name that is also a word, or that an illness or device bears: a capital, or a person's surroundings
    USUAL = 2  # a word first of all: at the head of a sentence and among capitals only in a person's surroundings


@lru_cache(maxsize=65_536)
def sense_of(word: str) -> Sense:
    """Return what a word in lower case without accents means apart from a person."""
    levels = _levels(word)
    english, ratio, clinical = levels[_ENGLISH], levels[_RATIO], levels[_CLINICAL]
    is_english = english >= _USUAL and ratio < _RATHER_A_NAME
    if word in _SAID or (english > _USUAL and ratio <= _RATHER_ENGLISH) or clinical & (CLINICAL_DRUG | CLINICAL_BODY):
        return Sense.USUAL
    if len(word) <= 2 or is_english or clinical or word in _CAREFUL:
        return Sense.SOME
    return Sense.NONE


@lru_cache(maxsize=65_536)
def is_given_name(word: str) -> bool:
    """Return whether many people bear `word` as a given name."""
    return _levels(word)[_GIVEN] > 4


@lru_cache(maxsize=65_536)
def is_clinical(word: str) -> bool:
    """Return whether `word` is one of medicine, or what clinicians abbreviate so."""
    return bool(_levels(word)[_CLINICAL])


@lru_cache(maxsize=65_536)
def is_eponym(word: str) -> bool:
    """Return whether diseases, signs, devices or procedures bear the name."""
    return word in EPONYMS or bool(_levels(word)[_CLINICAL] & CLINICAL_EPONYM)


@cache
def ordinary_words() -> frozenset[str]:
    """Return the words never taken for a misspelled name: of English and of medicine, titles and abbreviations."""
    lists = load()
    levels = lists.levels[1:]
    is_english = (levels[:, _ENGLISH] >= _USUAL) & (levels[:, _RATIO] < _RATHER_A_NAME)
    chosen = np.flatnonzero(is_english | (levels[:, _CLINICAL] > 0)).tolist()
    words = list(lists.index)
    return frozenset(words[at] for at in chosen) | _NEVER_MISSPELT


@lru_cache(maxsize=65_536)
def is_rare_word(word: str) -> bool:
    """Return whether `word` is English that one hardly meets with: a misspelled name only where it has a capital."""
    return bool(_levels(word)[_ENGLISH])


@lru_cache(maxsize=65_536)
def is_rather_a_name(word: str) -> bool:
    """Return whether more people bear `word` than texts use it for anything else."""
    return _levels(word)[_RATIO] >= 14


@lru_cache(maxsize=65_536)
def is_state_or_country(word: str) -> bool:
    """Return whether `word` is one of the words of a state's or country's name, which may stay."""
    return bool(_levels(word)[_PLACE] & (PLACE_STATE | PLACE_COUNTRY))


@lru_cache(maxsize=65_536)
def is_mostly_a_name(word: str) -> bool:
    """Return whether `word` is a usual given name, though a disease may bear it, and no word of English."""
    levels = _levels(word)
    is_english = levels[_ENGLISH] >= _USUAL and levels[_RATIO] <= _RATHER_A_NAME
    return levels[_GIVEN] >= 6 and levels[_RATIO] >= _RATHER_A_NAME and not is_english and word not in _CAREFUL


def _levels(word: str) -> list[int]:
    lists = load()
    row: list[int] = lists.levels[lists.index.get(word, 0)].tolist()
    return row


_SAID = frozenset({"white", "young", "green", "red", "gray", "grey", "small"})
_CAREFUL = COMMON_NAMES | PARTICLES | TITLES | ABBREVIATIONS | EPONYMS
_NEVER_MISSPELT = STOP_WORDS | _CAREFUL | COMMON_PLACES
