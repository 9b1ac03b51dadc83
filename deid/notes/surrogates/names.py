"""Surrogates of names: word by word, so that a name keeps its order, marks and case in every form it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from deid.notes.surrogates.draws import Draws, plain_words
from deid.notes.surrogates.generic import TITLES
from deid.notes.surrogates.people import LONG_SURNAMES, MEN, SHORT_SURNAMES, WOMEN

_PARTICLES = "de|la|las|los|del|della|di|da|dos|du|van|vande|von|der|den|ter|bin|ibn"
_UNIT = re.compile(
    rf"(?:(?:{_PARTICLES})[ \t]+){{0,3}}(?P<name>[^\W\d_]+(?:['\u2019][^\W\d_]+)*)|(?P<digits>[0-9]+)", re.IGNORECASE
)
_POSSESSIVE = re.compile(r"['\u2019]s$", re.IGNORECASE)
_MONOGRAM = re.compile(r"[A-Z]{2}")
_SHORT, _LONG = 4, 8
_LETTERS = "ABCDEFGHJKLMNPRSTW"


class Names:
    """The names of one patient's people: each word of a name has one surrogate, wherever it stands.

    `record`: names out of the patient's record; no two of their words share a surrogate. Words that no record holds
    are drawn without memory, so that all notes agree: two of them share one with a chance of one in the names of that
    sex and length, hundreds of given names and thousands of surnames.
    """

    def __init__(self, draws: Draws, record: Iterable[str]) -> None:
        self._draws = draws
        self._known: dict[str, str] = {}
        self._initials: dict[str, str] = {}
        taken: set[str] = set()
        for word in sorted({word for name in record for word in _parts(name)}):
            found = self._drawn(word, taken)
            if found is not None:
                self._known[word] = found
                taken.add(found.lower())
                self._initials.setdefault(word[0], found[0])
        self._taken = frozenset(taken)

    def meet(self, names: Iterable[str]) -> Names:
        """Take note of names that a note holds, so that an initial in it is that of the surrogate; returns itself."""
        for name in names:
            for word in _parts(name):
                if len(word) > 1 and word not in TITLES and word[0] not in self._initials:
                    surrogate = self._of(word)
                    if surrogate is not None:
                        self._initials[word[0]] = surrogate[0]
        return self

    def write(self, text: str) -> str | None:
        """Return the surrogate of a name as it is written, None where no name is free."""
        letters = text.lower() if _MONOGRAM.fullmatch(text) else ""
        if letters and letters not in self._known and letters not in _classes() and letters not in TITLES:
            return "".join(self._initial(letter) for letter in text)
        out, at = [], 0
        for unit in _UNIT.finditer(text):
            surrogate = self._unit(unit)
            if surrogate is None:
                return None
            out += [text[at : unit.start()], surrogate]
            at = unit.end()
        written = "".join(out) + text[at:]
        return written if written.lower() != text.lower() else None

    def _unit(self, unit: re.Match[str]) -> str | None:
        if unit["digits"]:
            digits = unit["digits"]
            number = self._draws.number("digits", digits) % 10 ** len(digits)
            return f"{number if number != int(digits) else (number + 1) % 10 ** len(digits):0{len(digits)}}"
        name = unit["name"]
        possessive = _POSSESSIVE.search(name)
        stem = name[: possessive.start()] if possessive else name
        ending = name[len(stem) :]
        word = "".join(plain_words(stem))
        if not word or word in TITLES:
            return unit.group()
        if len(word) == 1:
            letter = self._initial(word)
            return (letter.lower() if stem.islower() else letter) + ending
        surrogate = self._of(word)
        return None if surrogate is None else _cased(stem, surrogate) + ending

    def _of(self, word: str) -> str | None:
        return self._known.get(word) or self._drawn(word, self._taken)

    def _initial(self, letter: str) -> str:
        letter = letter.lower()
        if letter in self._initials:
            return self._initials[letter]
        start = self._draws.number("initial", letter)
        drawn = _LETTERS[start % len(_LETTERS)]
        return drawn if drawn.lower() != letter else _LETTERS[(start + 1) % len(_LETTERS)]

    def _drawn(self, word: str, taken: frozenset[str] | set[str]) -> str | None:
        role = _classes().get(word, "surname")
        words = _buckets()[role, _length(word)]
        return self._draws.choose(words, role, word, taken={*taken, word})


def _parts(name: str) -> list[str]:
    """Return the words of a name in plain small letters: O'Brien is one, Smith-Jones two, particles none."""
    parts = []
    for unit in _UNIT.finditer(name):
        if unit["name"]:
            word = "".join(plain_words(_POSSESSIVE.sub("", unit["name"])))
            parts += [word] if len(word) > 1 and word not in TITLES else []
    return parts


def _cased(like: str, name: str) -> str:
    if like.isupper():
        return name.upper()
    return name.lower() if like.islower() else name


def _length(word: str) -> int:
    """Return 0 for a short word, 1 for one of middling length, 2 for a long one."""
    return (len(word) > _SHORT) + (len(word) >= _LONG)


@cache
def _classes() -> dict[str, str]:
    """Return the role of each listed given name."""
    return {name.lower(): role for role, names in (("man", MEN), ("woman", WOMEN)) for name in names}


@cache
def _buckets() -> dict[tuple[str, int], tuple[str, ...]]:
    """Return the surrogates of each role and length."""
    lists = {"man": MEN, "woman": WOMEN, "surname": SHORT_SURNAMES + LONG_SURNAMES}
    return {
        (role, length): tuple(name for name in names if _length(name) == length)
        for role, names in lists.items()
        for length in range(3)
    }
