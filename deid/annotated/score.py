"""How well identifiers were found: what was masked, what was missed, and what was removed beside them.

Spans are compared by where they are, not by what they are called. An answer that is not counted (an age under 90, a
bare year, a state) is neither a hit nor a miss. Intervals are percentiles of a bootstrap that draws whole documents:
the spans of one document are found, or missed, together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deid.annotated.document import Document
from deid.errors import DocumentError

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Place = tuple[int, int]

# What is counted of each document: a share is one of these over another.
_COLUMNS = (
    "answers", "touched", "covered", "answer_characters", "masked_characters", "found", "right", "other_characters",
    "removed_characters", "with_answers", "fully_masked", "without_spans", "disturbed",
)  # fmt: skip
_AT = {name: at for at, name in enumerate(_COLUMNS)}
_OF_LABELS = _COLUMNS[:5]
ROUNDS = 1_000  # samples of documents
_DRAWN_AT_ONCE = 4_000_000  # weights that are held at a time, which bounds memory


@dataclass(frozen=True, slots=True)
class Answer:
    """Characters [start, end) that are an identifier; one that is not `counted` may stay or go."""

    start: int
    end: int
    label: str
    counted: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Example:
    """A text with its answers, in any order; they may overlap."""

    id: str
    text: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """`part` of `whole` with the 95 % interval of the share, each in [0, 1]; all None where there is no whole."""

    part: int
    whole: int
    low: float | None
    high: float | None

    @property
    def value(self) -> float | None:
        """The share itself."""
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True, slots=True)
class Recall:
    """Of the counted answers: those touched, those whose letters and digits are all masked, and their characters."""

    touched: Share
    covered: Share
    characters: Share


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one set of documents.

    `precision`: spans found that touch an answer. `removed`: characters outside all answers that were removed.
    `masked`: documents with counted answers whose answers are all covered. `disturbed`: documents without answers of
    any sort in which something was found. `labels`: recall of each label.
    """

    recall: Recall
    precision: Share
    removed: Share
    masked: Share
    disturbed: Share
    labels: tuple[tuple[str, Recall], ...]


def score(examples: Sequence[Example], found: Sequence[Sequence[Place]], *, seed: int = 0) -> Scores:
    """Return the scores of spans found, which have one sequence of (start, end) for each example.

    Offsets count code points. ValueError: a span that does not lie within its text, or not one sequence each.
    """
    labels = sorted({a.label for e in examples for a in e.answers if a.counted})
    places = {label: len(_COLUMNS) + at * len(_OF_LABELS) for at, label in enumerate(labels)}
    counts = np.zeros((len(examples), len(_COLUMNS) + len(labels) * len(_OF_LABELS)), np.int64)
    for row, example, spans in zip(counts, examples, found, strict=True):
        _count(row, example, spans, places)
    shares = _Shares(counts, seed)
    return Scores(
        shares.recall(0),
        shares.share("right", "found"),
        shares.share("removed_characters", "other_characters"),
        shares.share("fully_masked", "with_answers"),
        shares.share("disturbed", "without_spans"),
        tuple((label, shares.recall(at)) for label, at in places.items()),
    )


def mask_of(length: int, spans: Iterable[Place]) -> Flags:
    """Return which characters of a text of this length lie in a span; bool of shape (length,)."""
    mask = np.zeros(length, np.bool_)
    for start, end in spans:
        if not 0 <= start <= end <= length:
            raise ValueError("a span does not lie within its text")
        mask[start:end] = True
    return mask


def uncovered(example: Example, mask: Flags) -> list[Answer]:
    """Return the counted answers of which a letter or digit is not masked."""
    text = example.text
    return [
        a
        for a in example.answers
        if a.counted and not all(mask[at] for at in range(a.start, a.end) if text[at].isalnum())
    ]


def _count(row: Ints, example: Example, spans: Sequence[Place], places: dict[str, int]) -> None:
    """Add one document to its row of counts; `places` is where the columns of each label begin."""
    mask = mask_of(len(example.text), spans)
    answered = mask_of(len(example.text), ((a.start, a.end) for a in example.answers))
    counted = [a for a in example.answers if a.counted]
    missed = uncovered(example, mask)
    for answer in counted:
        hidden = int(mask[answer.start : answer.end].sum())
        own = (1, hidden > 0, answer not in missed, answer.end - answer.start, hidden)
        for begin in (0, places[answer.label]):
            row[begin : begin + len(own)] += np.array(own, np.int64)
    row[_AT["found"]] = len(spans)
    row[_AT["right"]] = sum(any(a.start < end and a.end > start for a in example.answers) for start, end in spans)
    row[_AT["other_characters"]] = (~answered).sum()
    row[_AT["removed_characters"]] = (mask & ~answered).sum()
    row[_AT["with_answers"]] = bool(counted)
    row[_AT["fully_masked"]] = bool(counted) and not missed
    row[_AT["without_spans"]] = not example.answers
    row[_AT["disturbed"]] = not example.answers and bool(spans)


class _Shares:
    """Shares of sums over documents, and over samples of documents drawn with replacement."""

    def __init__(self, counts: Ints, seed: int) -> None:
        self._sums = counts.sum(axis=0)
        count = len(counts)
        drawn, rng = [], np.random.default_rng(seed)
        step = max(1, _DRAWN_AT_ONCE // max(count, 1))
        for at in range(0, ROUNDS if count else 0, step):
            weights = rng.multinomial(count, np.full(count, 1 / count), size=min(step, ROUNDS - at))
            drawn.append(weights @ counts)
        self._drawn = np.concatenate(drawn) if drawn else np.zeros((0, len(self._sums)), np.int64)

    def share(self, part: str, whole: str, at: int = 0) -> Share:
        """Return one share; `at` is where the columns it is of begin."""
        above, below = at + _AT[part], at + _AT[whole]
        parts, wholes = self._drawn[:, above], self._drawn[:, below]
        told = wholes > 0
        low, high = np.quantile(parts[told] / wholes[told], (0.025, 0.975)) if told.any() else (None, None)
        return Share(
            int(self._sums[above]),
            int(self._sums[below]),
            None if low is None else float(low),
            None if high is None else float(high),
        )

    def recall(self, at: int) -> Recall:
        """Return the recall that the columns from `at` hold."""
        return Recall(
            self.share("touched", "answers", at),
            self.share("covered", "answers", at),
            self.share("masked_characters", "answer_characters", at),
        )


def example_of(document: Document) -> Example:
    """Return a generated document as an example; what may stay or go is not counted."""
    return Example(
        document.id,
        document.text,
        tuple(Answer(span.start, span.end, span.label, span.label != "ANY") for span in document.spans),
    )


def read_examples(path: Path) -> list[Example]:
    """Read annotated documents, one JSON object a line: `id`, `text`, and `spans` of `start`, `end` and `norm`.

    A span whose `safe_harbor` is false is not counted. DocumentError names the line of what cannot be read.
    """
    examples = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                examples.append(_example(json.loads(line)))
            except (ValueError, KeyError, TypeError):
                raise DocumentError(
                    f"{path.name}, line {number}: not an annotated document",
                    hint="write one JSON object a line, with `id`, `text` and `spans` that lie within the text",
                ) from None
    return examples


def _example(content: dict[str, Any]) -> Example:
    text = content["text"]
    answers = tuple(
        Answer(span["start"], span["end"], span.get("norm") or span["label"], bool(span["safe_harbor"]))
        for span in content["spans"]
    )
    mask_of(len(text), ((a.start, a.end) for a in answers))
    return Example(str(content["id"]), text, answers)
