"""Names of the record that something runs through: a blank or line's end within them, digits that look like letters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import chain, product

from deid.notes.known.ordinary import Sense, ordinary_words, sense_of
from deid.notes.known.reading import Reading
from deid.notes.span import Span

_DIVISION = re.compile(r"[ \t]{0,2}(?:[\n_|~\x00][ \t]{0,2})?")
_SHORTEST = 4  # letters of a name that is looked for in halves
_LEAST = 2  # letters of the half that is no word
_MIXED = re.compile(r"(?<![^\W_])(?=[a-z]*[013458])(?=[013458]*[a-z])[a-z013458]{3,24}(?![^\W_])")
_DIGITS = re.compile(r"[013458]")
_LETTERS = {"0": "o", "1": "li", "3": "e", "4": "a", "5": "s", "8": "b"}
_MOST_DIGITS = 2


class Divided:
    """Names of four letters and more, by every first half: `Quintan illa`, `Quin` and `tanilla` on the next line."""

    __slots__ = ("_halves",)

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        self._halves: dict[str, list[tuple[str, str]]] = {}
        for name, kind in ((name, kind) for name, kind in names if len(name) >= _SHORTEST):
            for cut in range(1, len(name)):
                self._halves.setdefault(name[:cut], []).append((name[cut:], kind))

    def wanted(self, distinct: AbstractSet[str]) -> set[str]:
        """Return those of the distinct runs of a text that may be a first half, where a second one is there too."""
        found = distinct & self._halves.keys()
        return {word for word in found if any(rest in distinct for rest, _ in self._halves[word])}

    def at(self, reading: Reading, at: int) -> Iterator[Span]:
        """Yield the name whose first half is run `at`.

        A name that is a word has a capital. Two halves that are words are a name where the case is that of a name
        which is no usual word: `Mac one`, `JOHNS ON`, but not `for man`.
        """
        halves = self._halves.get(reading.words[at])
        if halves is None or at + 1 >= len(reading.words):
            return
        gap = reading.gap(at + 1)
        if not gap or not _DIVISION.fullmatch(gap):
            return
        first = reading.words[at]
        for rest, kind in halves:
            if rest == reading.words[at + 1] and (_is_half(first, rest) or _is_titled(reading, at)):
                if reading.word(at)[0].isupper() or sense_of(first + rest) is Sense.NONE:
                    yield Span(reading.starts[at], reading.ends[at + 1], kind, "known:divided")
                return


class MisreadNames:
    """Names in which one or two letters were read as digits: `5mith`, `Quintani11a`."""

    __slots__ = ("_kinds",)

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._kinds = dict(kinds)

    def find(self, lower: str) -> Iterator[Span]:
        """Yield where they stand in a folded text in lower case."""
        if not self._kinds or _DIGITS.search(lower) is None:
            return
        for match in _MIXED.finditer(lower):
            for read_so in _readings(match.group()):
                if read_so in self._kinds:
                    yield Span(match.start(), match.end(), self._kinds[read_so], "known:misread")
                    break


def _readings(word: str) -> Iterator[str]:
    """Yield what a word may be without its digits."""
    digits = _DIGITS.findall(word)
    if len(digits) > _MOST_DIGITS or 2 * len(digits) >= len(word):
        return
    pieces = _DIGITS.split(word)
    for letters in product(*(_LETTERS[digit] for digit in digits)):
        yield "".join(chain.from_iterable(zip(pieces, (*letters, ""), strict=True)))


def _is_half(first: str, rest: str) -> bool:
    """Return whether one of two runs is neither a single letter nor a word."""
    return any(len(word) >= _LEAST and word not in ordinary_words() for word in (first, rest))


def _is_titled(reading: Reading, at: int) -> bool:
    """Return whether two runs are written as one name would be that is no word first of all."""
    written = reading.word(at) + reading.word(at + 1)
    has_case = written.istitle() or (written.isupper() and "\n" not in reading.gap(at + 1))
    return has_case and sense_of(written.lower()) is not Sense.USUAL
