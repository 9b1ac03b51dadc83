"""What the tests of replacement share: a detector that finds what is marked, and one patient's notes written anew."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from deid.cells.days import number_of
from deid.notes.known import KnownIdentifiers
from deid.notes.redactor import RedactionResult, Redactor
from deid.notes.span import Span
from deid.notes.writing import Replacement, Writing

KEY = bytes(range(16))
SHOWN = (number_of(date(2020, 1, 1)), number_of(date(2024, 12, 31)))
SHIFTED = dict.fromkeys(("service_date", "birth_date", "death_date"), "shift")
_MARKED = re.compile(r"\{(\w+):(.*?)\}")


class Marked:
    """A detector for texts whose identifiers are known: every place where one of `pairs` (kind and text) stands."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs = sorted(set(pairs), key=lambda pair: -len(pair[1]))

    def detect(self, texts: Sequence[str], known: Sequence[Any]) -> list[list[Span]]:
        """Return a span for each occurrence, longest first."""
        return [self._spans(text) for text in texts]

    def _spans(self, text: str) -> list[Span]:
        found: list[Span] = []
        for kind, value in self.pairs:
            for match in re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text):
                if all(match.end() <= span.start or span.end <= match.start() for span in found):
                    found.append(Span(match.start(), match.end(), kind, "pattern:marked"))
        return sorted(found, key=lambda span: span.start)


def written(
    notes: Sequence[str],
    *,
    record: Sequence[tuple[str, str]] = (),
    key: bytes = KEY,
    days: int = 0,
    aged: bool = False,
    **writing: Any,
) -> RedactionResult:
    """Redact notes of one patient in which identifiers are marked as {kind:text}."""
    pairs = [(kind, text) for note in notes for kind, text in _MARKED.findall(note)]
    texts = pa.array([_MARKED.sub(r"\2", note) for note in notes], pa.string())
    settings: Mapping[str, Any] = {"reference_year": 2027, "shown": SHOWN} | writing
    replacement = Replacement(
        Writing(**settings),
        [key] * len(notes),
        np.full(len(notes), days, np.int32),
        np.full(len(notes), aged),
    )
    known = KnownIdentifiers(record)
    return Redactor(detector=Marked(pairs)).redact(texts, [known] * len(notes), replacement)


def one(note: str, **options: Any) -> str | None:
    """Return one note, written anew; None where it was withheld."""
    result: str | None = written([note], **options).texts.to_pylist()[0]
    return result
