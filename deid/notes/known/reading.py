"""A folded text in runs of letters and runs of digits, with where they stand and what stands between them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deid.notes.folding import fold, fold_lower
from deid.notes.words import STREET_WORDS

_RUN = re.compile(r"[^\W\d_]+|\d+")

runs_of = _RUN.findall


@dataclass(frozen=True, slots=True, repr=False)
class Reading:
    """`words` are the runs in lower case, `spelled` the same with street words in one spelling; [start, end) of each.

    `plain` is the folded text as it was written, `lower` the same in lower case, of the same length.
    """

    plain: str
    lower: str
    words: list[str]
    spelled: list[str]
    starts: list[int]
    ends: list[int]

    def gap(self, at: int) -> str:
        """Return what stands between run `at` and the one before it; at the first run, what stands before it."""
        return self.plain[self.ends[at - 1] if at else 0 : self.starts[at]]

    def word(self, at: int) -> str:
        """Return run `at` as it was written, nothing where there is none."""
        return self.plain[self.starts[at] : self.ends[at]] if 0 <= at < len(self.words) else ""


def read(plain: str, lower: str) -> Reading:
    """Return the runs of a folded text and of the same in lower case."""
    matches = list(_RUN.finditer(lower))
    words = [match.group() for match in matches]
    spelled = [STREET_WORDS.get(word, word) for word in words]
    return Reading(plain, lower, words, spelled, [m.start() for m in matches], [m.end() for m in matches])


def split(value: str) -> list[str]:
    """Return the runs of a value, folded and in lower case."""
    if value.isascii():
        return runs_of(value.lower())
    return runs_of(fold_lower(fold(value).text))


def spelled(value: str) -> list[str]:
    """Return the runs of a value with street words in one spelling."""
    return [STREET_WORDS.get(token, token) for token in split(value)]
