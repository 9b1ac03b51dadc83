"""What the network knows of a token by itself: its spelling, and what the word lists say of it.

A feature is a row of one shared table of vectors. They depend on the token alone, so that the sum of its vectors is
computed once for each distinct token.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.notes.lists import COLUMNS, Lists

Rows = npt.NDArray[np.int64]

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
_UNLISTED = -1
_OWN = len(NAMES) - len(COLUMNS)  # features that are not of the lists
_STEMS = (("ies", "y"), ("ing", ""), ("ing", "e"), ("ed", ""), ("ed", "e"), ("es", ""), ("s", ""), ("ly", ""))
_LAST = frozenset(end[-1] for end, _ in _STEMS)


@dataclass(frozen=True, slots=True)
class Features:
    """Turns tokens into rows of the table of vectors; `vocabulary` numbers the words that were trained as such."""

    lists: Lists
    vocabulary: Mapping[str, int]
    _english: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_english", self.lists.levels[:, _ENGLISH].tobytes())

    def rows(self, tokens: Sequence[str]) -> Rows:
        """Return one row for each of `NAMES` for each token, int64 of shape (n, len(NAMES))."""
        own = np.array([self._values(token) for token in tokens], np.int64).reshape(-1, _OWN + 1)
        places = own[:, _OWN]
        listed = np.minimum(self.lists.levels[places], 62).astype(np.int64) + 1
        listed[places == _UNLISTED] = 0
        return np.asarray(np.concatenate([own[:, :_OWN], listed], axis=1) + np.array(FIRST_ROWS), np.int64)

    def _values(self, token: str) -> tuple[int, ...]:
        """Return the value of each feature but those of the lists, and the word's place in them."""
        has_blank = len(token) > 1 and token[0] == " "
        word = token[1:] if has_blank else token
        lower = word.lower()
        known = self.vocabulary.get(lower, 0) or _unknown(word)
        if word[0].isalpha():
            place, stem = self._place(lower) if len(word) > 1 else (_UNLISTED, 0)
            return (known, *_spelling(word, lower), 0, 1 + has_blank, stem, place)
        number = ending = shape = 0
        if word[0].isdecimal():
            number, ending = _number(word), _hashed(word[-2:].encode("utf-8", "replace"), _SIZES["suffix2"])
        else:
            shape = 80 + (1 if word == "\n" else 2 if word.isspace() else 3 if word == SEPARATOR else 4)
        return (known, 0, 0, ending, 0, 0, shape, number, 1 + has_blank, 0, _UNLISTED)

    def _place(self, lower: str) -> tuple[int, int]:
        """Return the row of a word in the lists, and what they say of the word that it is a form of."""
        index, english = self.lists.index, self._english
        place, stem = index.get(lower, 0), 0
        if lower[-1] in _LAST and len(lower) > 4 and not english[place]:
            stems = [lower[: -len(end)] + instead for end, instead in _STEMS if lower.endswith(end)]
            stem = max((english[index.get(s, 0)] for s in stems), default=0)
        return place, min(stem, 14) + 1


def _unknown(word: str) -> int:
    return 1 if word[0].isalpha() else 2 if word[0].isdecimal() else 4 if word.isspace() else 3


def _hashed(raw: bytes, size: int) -> int:
    return 1 + zlib.crc32(raw) % (size - 1)


def _spelling(word: str, lower: str) -> tuple[int, ...]:
    """Return what NAMES have from the longest suffix to the shape."""
    is_title = word[0].isupper() and word[1:].islower()
    case = 1 if word.islower() else 2 if len(word) == 1 else 3 if word.isupper() else 4 if is_title else 5
    if word.isascii():
        raw, first = lower.encode(), word[0].encode()
        ends: tuple[bytes, ...] = (raw[-4:], raw[-3:], raw[-2:])
        start = raw[:3]
    else:
        ends = tuple(lower[at:].encode("utf-8", "replace") for at in (-4, -3, -2))
        start, first = lower[:3].encode("utf-8", "replace"), word[0].encode("utf-8", "replace")
    return (
        _hashed(ends[0], _SIZES["suffix4"]),
        _hashed(ends[1], _SIZES["suffix3"]),
        _hashed(ends[2], _SIZES["suffix2"]),
        _hashed(start, _SIZES["prefix3"]),
        _hashed(first, _SIZES["prefix1"]),
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
