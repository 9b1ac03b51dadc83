"""Redaction: every identifier that was found gives way to a tag; a note that cannot be searched is withheld.

Fail closed: a note is passed on only when every step of the search has run over all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from deid.notes.known import KnownIdentifiers, Span
from deid.notes.leak_check import leaks

if TYPE_CHECKING:
    from presidio_anonymizer import AnonymizerEngine

    from deid.notes.detector import Detector

BATCH_CHARACTERS = 200_000
# What a decoder puts in the place of bytes it could not read: what stood there is unknown, and so may be its neighbors.
_UNREADABLE = ("\x00", "\ufffd")


@dataclass(frozen=True, slots=True)
class RedactionResult:
    """Redacted notes, as many as came in.

    `withheld`: how many notes became null; `reasons` says why (too_long, unreadable, failed, leak).
    `spans_by_kind`: how many tags were put in, by kind.
    """

    texts: pa.Array
    withheld: int
    spans_by_kind: dict[str, int]
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Note:
    at: int
    text: str
    known: KnownIdentifiers


class Redactor:
    """Redacts notes of up to `max_chars` characters; the language model is loaded with the first note."""

    def __init__(self, max_chars: int = 200_000) -> None:
        self.max_chars = max_chars
        self._detector: Detector | None = None
        self._anonymizer: AnonymizerEngine | None = None

    def redact(self, texts: pa.Array, known: Sequence[KnownIdentifiers]) -> RedactionResult:
        """Redact a string array (dictionary-encoded or not); `known` has one entry for each row.

        Raises ValueError when the lengths differ. Never raises because of what a note holds: such a note becomes null.
        """
        if len(texts) != len(known):
            raise ValueError("each note needs the identifiers of its patient: found lists of different lengths")
        out: list[str | None] = [None] * len(texts)
        reasons: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        for batch in _batches(list(self._readable(texts, known, reasons))):
            for note, spans in zip(batch, self._detect(batch), strict=True):
                redacted = None if spans is None else self._replace(note.text, spans)
                if spans is None or redacted is None:
                    reasons["failed"] += 1
                elif leaks(redacted, note.known):
                    reasons["leak"] += 1  # what the search missed, the independent check has seen
                else:
                    out[note.at] = redacted
                    kinds.update(span.kind for span in spans)
        return RedactionResult(pa.array(out, pa.string()), sum(reasons.values()), dict(kinds), dict(reasons))

    def _readable(self, texts: pa.Array, known: Sequence[KnownIdentifiers], reasons: Counter[str]) -> Iterator[_Note]:
        for at, (cell, own) in enumerate(zip(texts, known, strict=True)):
            if not cell.is_valid:
                continue
            try:
                text = cell.as_py()
            except UnicodeDecodeError:
                text = _UNREADABLE[0]
            if text is None:
                continue
            if any(mark in text for mark in _UNREADABLE):
                reasons["unreadable"] += 1
            elif len(text) > self.max_chars:
                reasons["too_long"] += 1
            else:
                yield _Note(at, text, own)

    def _detect(self, batch: list[_Note]) -> list[list[Span] | None]:
        """Return the spans of each note; None for a note whose search failed, alone, after the batch failed."""
        if self._detector is None:
            from deid.notes.detector import Detector  # noqa: PLC0415 - spaCy and its model take a second

            self._detector = Detector()
        try:
            return list(self._detector.detect([n.text for n in batch], [n.known for n in batch]))
        # Any fault at all withholds the note. The exception is dropped: its text, and its locals, quote the note.
        except Exception:  # noqa: BLE001
            if len(batch) == 1:
                return [None]
        return [self._detect([note])[0] for note in batch]

    def _replace(self, text: str, spans: list[Span]) -> str | None:
        from presidio_anonymizer import AnonymizerEngine  # noqa: PLC0415 - only where notes are redacted
        from presidio_anonymizer.entities import OperatorConfig, RecognizerResult  # noqa: PLC0415

        if self._anonymizer is None:
            self._anonymizer = AnonymizerEngine()  # type: ignore[no-untyped-call]
        operators = {span.kind: OperatorConfig("replace", {"new_value": tag(span.kind)}) for span in spans}
        results = [RecognizerResult(span.kind, span.start, span.end, 1.0) for span in spans]
        try:
            return str(self._anonymizer.anonymize(text, results, operators).text) if spans else text
        except Exception:  # noqa: BLE001 - as above
            return None


def tag(kind: str) -> str:
    """Return what stands in the place of an identifier of `kind`."""
    return f"[{kind.upper()}]"


def _batches(notes: list[_Note]) -> Iterator[list[_Note]]:
    """Yield notes in batches of a bounded number of characters."""
    batch: list[_Note] = []
    size = 0
    for note in notes:
        if batch and size + len(note.text) > BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
        batch.append(note)
        size += len(note.text)
    if batch:
        yield batch
