"""Why identifiers were missed, by how they look; counts alone, never a text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from deid.annotated.score import Answer, Example, mask_of, uncovered
from deid.notes.lists import Lists, load

_WORD = re.compile(r"[^\W\d_]+")
_SPACED = re.compile(r"(?:\b\w\b[ .\-]+){3,}\w\b")
_DISGUISE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\uff01-\uff5e\u0370-\u04ff]")


def causes(examples: Sequence[Example], found: Sequence[Sequence[tuple[int, int]]]) -> Counter[tuple[str, str]]:
    """Return how many answers were not covered, by label and cause."""
    lists = load()
    counted: Counter[tuple[str, str]] = Counter()
    for example, spans in zip(examples, found, strict=True):
        mask = mask_of(len(example.text), spans)
        for answer in uncovered(example, mask):
            cause = "a part of it stayed" if mask[answer.start : answer.end].any() else looks(example, answer, lists)
            counted[answer.label, cause] += 1
    return counted


def looks(example: Example, answer: Answer, lists: Lists) -> str:
    """Return the first rule of thumb that fits an answer of which nothing was found."""
    text = example.text[answer.start : answer.end]
    words = _WORD.findall(text)
    line = example.text[: answer.start].rpartition("\n")[2]
    told = {
        "disguised": bool(_DISGUISE.search(text) or _SPACED.search(text)),
        "broken by a line": "\n" in text,
        "digits alone": any(c.isdigit() for c in text) and not words,
        "digits and letters": any(c.isdigit() for c in text),
        "first on its line": not line.strip(" \t-*>|"),
        "all capitals": text.isupper() and len(text) > 2,
        "lower case": text.islower(),
        "one word, listed": len(words) == 1 and words[0].lower() in lists.index,
        "one word, in no list": len(words) == 1,
    }
    return next((cause for cause, fits in told.items() if fits), "several words")
