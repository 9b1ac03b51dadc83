"""Annotated documents as arrays: tokens, what the patterns say of them, and what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from deid.annotated.document import Document
from deid.notes.features import NAMES, UNKNOWN_WORDS, Features
from deid.notes.folding import fold
from deid.notes.network import CLASSES
from deid.notes.patterns import find
from deid.notes.tokens import bounds, split

IGNORED = -1
VOCABULARY_WORDS = 10_000
_LEAST_WORDS = 4  # times a word stands outside of identifiers before it is one of the vocabulary
# What may stay or go under Safe Harbor, and by how much a reader of the note would rather keep it. Slots that are not
# here (titles, credentials, employers) count for neither.
_KEPT = {
    **dict.fromkeys(("AGE", "AGEWORDS", "YEAR", "DURATION", "CITATION"), 1.0),
    **dict.fromkeys(("STATE", "COUNTRY", "NATIONALITY", "SEASON", "WARD", "WEEKDAY", "ORG", "TIME"), 0.4),
}

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Example:
    """One document: distinct-token numbers, marks, classes (IGNORED where neither counts) and weights, shape (n,)."""

    tokens: Ints
    marks: npt.NDArray[np.int8]
    classes: npt.NDArray[np.int8]
    weights: npt.NDArray[np.float32]


class TokenNumbers(dict[str, int]):
    """Numbers distinct tokens as they come; `table` holds the features of each."""

    def __init__(self, features: Features) -> None:
        super().__init__()
        self._features = features
        self._rows = np.zeros((1 << 16, len(NAMES)), np.int32)

    def __missing__(self, token: str) -> int:
        number = len(self)
        if number == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[number] = self._features.rows([token])[0]
        self[token] = number
        return number

    @property
    def table(self) -> Ints:
        """The rows of each number so far and beyond, int32 of shape (at least as many as tokens, len(NAMES))."""
        return self._rows


def vocabulary(documents: Iterable[Document]) -> tuple[str, ...]:
    """Return the commonest words that stand outside of identifiers, first those of most use."""
    seen: Counter[str] = Counter()
    for document in documents:
        covered = bytearray(len(document.text))
        for span in document.spans:
            if span.label != "ANY":
                covered[span.start : span.end] = b"\1" * (span.end - span.start)
        tokens = split(document.text)
        starts, _ = bounds(tokens)
        for token, start in zip(tokens, starts.tolist(), strict=True):
            word = token.strip().lower()
            if word and not word[0].isdecimal() and word.isprintable() and not covered[start]:
                seen[word] += 1
    chosen = [word for word, count in seen.most_common(VOCABULARY_WORDS) if count >= _LEAST_WORDS]
    numbers = [str(number) for number in range(32)]
    return tuple(dict.fromkeys([*chosen, *numbers]))


def numbered(words: Iterable[str]) -> Mapping[str, int]:
    """Return the row of each word of a vocabulary."""
    return {word: UNKNOWN_WORDS + at for at, word in enumerate(words)}


def example(document: Document, numbers: TokenNumbers) -> Example:
    """Return a document as arrays, as the tagger would read it."""
    folded = fold(document.text)
    tokens = split(folded.text)
    last = bounds(tokens)[1] - 1
    marks = np.zeros(len(folded.text), np.int8)
    for found in find(folded.text):
        marks[found.start : found.end] = found.mark
    classes = np.zeros(len(document.text), np.int8)
    weights = np.ones(len(document.text), np.float32)
    for span in document.spans:
        classes[span.start : span.end], weights[span.start : span.end] = _aim(span.label, span.slot)
    # Folding may drop characters or write one as two: what a token is, its last character in the original tells.
    at = last if folded.origin is None else np.array(folded.origin, np.int64)[last]
    return Example(
        np.fromiter(map(numbers.__getitem__, tokens), np.int32, len(tokens)), marks[last], classes[at], weights[at]
    )


def _aim(label: str, slot: str) -> tuple[int, float]:
    if label != "ANY":
        return CLASSES.index(label), 1.0
    return (0, _KEPT[slot]) if slot in _KEPT else (IGNORED, 0.0)


def packed(examples: Iterable[Example], pad: int, apart: int, length: int) -> Iterator[Example]:
    """Yield rows of `length` tokens, documents one after the other with `apart` separators between them."""
    between = Example(
        np.full(apart, pad, np.int32), np.zeros(apart, np.int8), np.zeros(apart, np.int8), np.zeros(apart, np.float32)
    )
    waiting: list[Example] = []
    held = 0
    for one in examples:
        waiting += [one, between]
        held += len(one.tokens) + apart
        if held >= 8 * length:
            whole = _joined(waiting)
            rows = held // length
            for at in range(rows):
                yield _cut(whole, at * length, (at + 1) * length)
            waiting, held = [_cut(whole, rows * length, held)], held - rows * length


def _joined(parts: list[Example]) -> Example:
    return Example(
        np.concatenate([p.tokens for p in parts]),
        np.concatenate([p.marks for p in parts]),
        np.concatenate([p.classes for p in parts]),
        np.concatenate([p.weights for p in parts]),
    )


def _cut(one: Example, start: int, end: int) -> Example:
    return Example(one.tokens[start:end], one.marks[start:end], one.classes[start:end], one.weights[start:end])


def batches(rows: Iterator[Example], size: int) -> Iterator[Example]:
    """Yield `size` rows at a time as arrays of shape (size, length)."""
    while len(some := list(islice(rows, size))) == size:
        yield Example(
            np.stack([r.tokens for r in some]),
            np.stack([r.marks for r in some]),
            np.stack([r.classes for r in some]),
            np.stack([r.weights for r in some]),
        )
