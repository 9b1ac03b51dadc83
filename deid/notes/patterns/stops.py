"""Where a name ends: words of medicine that stand beside one are no part of it."""

from __future__ import annotations

import re

from deid.notes.clinical_words import STOP_WORDS

_WORD = re.compile(r"[^\W_]+(?:['.\-/][^\W_]+)*")


def trimmed(text: str, start: int, end: int, stop: frozenset[str] = STOP_WORDS) -> tuple[int, int]:
    """Return [start, end) without stop words and numbers at either end; start == end when nothing is left."""
    words = [(m.start(), m.end(), m.group()) for m in _WORD.finditer(text, start, end)]
    while words and is_stop(words[0][2], stop):
        words.pop(0)
    while words and is_stop(words[-1][2], stop):
        words.pop()
    return (words[0][0], words[-1][1]) if words else (start, start)


def is_stop(word: str, stop: frozenset[str] = STOP_WORDS) -> bool:
    """Whether a word belongs to medicine or is a number."""
    plain = word.lower().removesuffix("'s").rstrip("'")
    numeric = any(c.isdigit() for c in plain) and (len(plain) <= 3 or not any(c.isalpha() for c in plain))
    return plain in stop or numeric or all(part in stop for part in re.split(r"[-/]", plain))
