"""Runs that have to follow one another: names of several words, streets, cities."""

from __future__ import annotations

from typing import NamedTuple

from deid.notes.known.reading import Reading


class Phrase(NamedTuple):
    """Runs in lower case, at least one; `capitalized`: found only where its first letter is a capital."""

    tokens: tuple[str, ...]
    kind: str
    rule: str
    capitalized: bool

    def __repr__(self) -> str:
        """Return nothing of the record: reprs end up in logs and tracebacks."""
        return "Phrase()"


class Phrases(dict[str, list[Phrase]]):
    """Phrases by their first run."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return how many there are, nothing of the record."""
        return f"Phrases(<{len(self)} first runs>)"

    def add(self, tokens: list[str], kind: str, rule: str, *, capitalized: bool = False) -> None:
        """Take up one phrase; one of fewer than two characters is passed over, it would hit ordinary text."""
        if sum(map(len, tokens)) >= 2:
            self.setdefault(tokens[0], []).append(Phrase(tuple(tokens), kind, rule, capitalized))

    def longest(self, reading: Reading, words: list[str], at: int) -> tuple[Phrase, int] | None:
        """Return the longest phrase that stands at run `at` of `words`, and how many runs it takes."""
        best: Phrase | None = None
        for phrase in self.get(words[at], ()):
            if (best is None or len(phrase.tokens) > len(best.tokens)) and _stands(reading, words, at, phrase):
                best = phrase
        return None if best is None else (best, len(best.tokens))


def _stands(reading: Reading, words: list[str], at: int, phrase: Phrase) -> bool:
    length = len(phrase.tokens)
    if phrase.capitalized and not reading.plain[reading.starts[at]].isupper():
        return False
    if length == 1:
        return True
    if tuple(words[at : at + length]) != phrase.tokens:
        return False
    return all(len(reading.gap(k).strip()) <= 2 for k in range(at + 1, at + length))
