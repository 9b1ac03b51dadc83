"""What the network knows of a token by itself: its spelling, and what the word lists say of it.

A feature is a row of one shared table of vectors. They depend on the token alone, so that the sum of its vectors is
computed once for each distinct token.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from operator import add

from deid.notes.lists import COLUMNS, Lists

SEPARATOR = "\x00"
UNKNOWN_WORDS = 5  # 0 nothing, 1 letters, 2 digits, 3 marks, 4 blanks
_SIZES = {
    "word": 12_000,
    "suffix4": 6_000,
    "suffix3": 4_000,
    "suffix2": 900,
    "prefix3": 4_000,
    "prefix1": 128,
    "shape": 96,
    "number": 64,
    "blank": 4,
    "stem": 16,
    **dict.fromkeys(COLUMNS, 64),
}
NAMES = tuple(_SIZES)
ROWS = sum(_SIZES.values())
FIRST_ROWS = tuple(sum(list(_SIZES.values())[:at]) for at in range(len(_SIZES)))
LIST_FEATURES = tuple(NAMES.index(name) for name in ("stem", *COLUMNS))
_ENGLISH = COLUMNS.index("english")
_UNLISTED = (0,) * len(COLUMNS)
_STEMS = (("ies", "y"), ("ing", ""), ("ing", "e"), ("ed", ""), ("ed", "e"), ("es", ""), ("s", ""), ("ly", ""))


@dataclass(frozen=True, slots=True)
class Features:
    """Turns tokens into rows of the table of vectors; `vocabulary` numbers the words that were trained as such."""

    lists: Lists
    vocabulary: Mapping[str, int]

    def rows(self, token: str) -> list[int]:
        """Return one row for each of `NAMES`."""
        return list(map(add, FIRST_ROWS, self.values(token)))

    def values(self, token: str) -> tuple[int, ...]:
        """Return the value of each feature of `NAMES`, 0 where it says nothing."""
        has_blank = len(token) > 1 and token[0] == " "
        word = token[1:] if has_blank else token
        lower = word.lower()
        known = self.vocabulary.get(lower, 0) or _unknown(word)
        if word[0].isalpha():
            stem, listed = self._listed(lower) if len(word) > 1 else (0, _UNLISTED)
            return (known, *_spelling(word, lower), 0, 1 + has_blank, stem, *listed)
        number = ending = shape = 0
        if word[0].isdecimal():
            number, ending = _number(word), _hashed(word[-2:], _SIZES["suffix2"])
        else:
            shape = 80 + (1 if word == "\n" else 2 if word.isspace() else 3 if word == SEPARATOR else 4)
        return (known, 0, 0, ending, 0, 0, shape, number, 1 + has_blank, 0, *_UNLISTED)

    def _listed(self, lower: str) -> tuple[int, list[int]]:
        index, levels = self.lists.index, self.lists.levels
        found = levels[index.get(lower, 0)].tolist()
        stem = 0
        if not found[_ENGLISH] and len(lower) > 4:
            stems = (lower[: -len(end)] + instead for end, instead in _STEMS if lower.endswith(end))
            stem = max((int(levels[index.get(s, 0), _ENGLISH]) for s in stems), default=0)
        return min(stem, 14) + 1, [min(level, 62) + 1 for level in found]


def _unknown(word: str) -> int:
    return 1 if word[0].isalpha() else 2 if word[0].isdecimal() else 4 if word.isspace() else 3


def _hashed(text: str, size: int) -> int:
    return 1 + zlib.crc32(text.encode("utf-8", "replace")) % (size - 1)


def _spelling(word: str, lower: str) -> tuple[int, ...]:
    """Return what NAMES have from the longest suffix to the shape."""
    is_title = word[0].isupper() and word[1:].islower()
    case = 1 if word.islower() else 2 if len(word) == 1 else 3 if word.isupper() else 4 if is_title else 5
    return (
        _hashed(lower[-4:], _SIZES["suffix4"]),
        _hashed(lower[-3:], _SIZES["suffix3"]),
        _hashed(lower[-2:], _SIZES["suffix2"]),
        _hashed(lower[:3], _SIZES["prefix3"]),
        _hashed(word[0], _SIZES["prefix1"]),
        case * 10 + min(len(word), 9) if word.isascii() else 60 + case,
    )


def _number(word: str) -> int:
    """Return a class for a run of digits: what its value may be while it is short, its length after that."""
    length, zero = len(word), 24 if word[0] == "0" else 0
    value = int(word) if length <= 4 else 0
    if length <= 2:
        return zero + 1 + sum(value > bound for bound in (0, 5, 10, 12, 24, 31, 59, 89))
    if length == 3:
        return zero + 10 + sum(value > bound for bound in (89, 120, 200))
    if length == 4:
        return zero + 14 + (1_900 <= value <= 2_035)
    return zero + min(16 + length - 5, 23)
