"""Redaction: every identifier that was found is replaced; a note that cannot be searched is withheld.

Fail closed: a note is passed on only when every step of the search has run over all of it, every find was replaced,
and another check than the search finds nothing of the patient's in what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import pyarrow as pa

from deid.notes.known import KnownIdentifiers
from deid.notes.replacer import Replacer, leaks_left
from deid.notes.span import Span
from deid.notes.surrogates.draws import check_keys
from deid.notes.writing import TAGS, Owner, Replacement, Writing, tag
from deid.sealing.closing import Closing

if TYPE_CHECKING:
    from deid.notes.detector import Detector

__all__ = ["Detects", "RedactionResult", "Redactor", "tag"]

BATCH_CHARACTERS = 1_000_000
# What a decoder puts in the place of bytes it could not read: what stood there is unknown, and so may be its neighbors.
_UNREADABLE = ("\x00", "\ufffd")
_NOBODY = Owner()


class Detects(Protocol):
    """What finds identifiers; see deid.notes.detector.Detector."""

    def detect(self, texts: Sequence[str], known: Sequence[KnownIdentifiers | None]) -> Sequence[Sequence[Span]]:
        """Return the spans of each text, in order and without overlaps; raise where a text could not be searched."""
        ...


@runtime_checkable
class _TellsEach(Protocol):
    """What tells for each note by itself whether it could be searched: a batch need not be searched again."""

    def each(self, notes: Iterable[tuple[str, KnownIdentifiers | None]]) -> Iterator[Sequence[Span] | None]: ...


@dataclass(frozen=True, slots=True)
class RedactionResult:
    """Redacted notes, as many as came in.

    `withheld`: how many notes became null; `reasons` says why (too_long, unreadable, failed, leak).
    `spans_by_kind`: how many identifiers were replaced, by kind.
    """

    texts: pa.Array = field(repr=False)
    withheld: int
    spans_by_kind: dict[str, int]
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True, repr=False)
class _Note:
    at: int
    text: str
    known: KnownIdentifiers
    owner: Owner


class Redactor(Closing):
    """Redacts notes of up to `max_chars` characters; the detector is made with the first note, unless one is given.

    `processes`: how many a detector that is made here uses; `close` ends them, and leaves a given detector alone.
    """

    def __init__(self, max_chars: int = 200_000, *, detector: Detects | None = None, processes: int = 1) -> None:
        self.max_chars = max_chars
        self._detector = detector
        self._made: Detector | None = None
        self._processes = processes

    def close(self) -> None:
        """End the detector that was made here; a later note is searched by a new one."""
        if self._made is not None:
            self._made.close()

    def redact(
        self, texts: pa.Array, known: Sequence[KnownIdentifiers], replacement: Replacement | None = None
    ) -> RedactionResult:
        """Redact a string array (dictionary-encoded or not); `known` has one entry for each row.

        Without a replacement all that is found becomes a tag. Raises ValueError when the lengths differ, and
        KeyFaultError for surrogates without a key of 16 bytes for every row. Never raises because of what a note
        holds: such a note becomes null.
        """
        if len(texts) != len(known) or (replacement is not None and len(replacement.keys) != len(texts)):
            raise ValueError("each note needs the identifiers of its patient: found lists of different lengths")
        writing = TAGS if replacement is None else replacement.writing
        if replacement is not None and writing.surrogates:
            check_keys(replacement.keys)  # a key that is too short is no fault of a note
        out: list[str | None] = [None] * len(texts)
        reasons: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        for batch in _batches(self._readable(texts, known, replacement, reasons)):
            for note, spans in zip(batch, self._detect(batch), strict=True):
                redacted = None if spans is None else _replaced(writing, note, spans)
                if spans is None or redacted is None:
                    reasons["failed"] += 1
                elif leaks_left(writing, note.known, note.text, spans, redacted):
                    reasons["leak"] += 1  # what the search missed, the independent check has seen
                else:
                    out[note.at] = redacted
                    kinds.update(span.kind for span in spans)
        return RedactionResult(pa.array(out, pa.string()), sum(reasons.values()), dict(kinds), dict(reasons))

    def _readable(
        self,
        texts: pa.Array,
        known: Sequence[KnownIdentifiers],
        replacement: Replacement | None,
        reasons: Counter[str],
    ) -> Iterator[_Note]:
        for at, (text, own) in enumerate(zip(_cells(texts), known, strict=True)):
            if text is None:
                continue
            if any(mark in text for mark in _UNREADABLE):
                reasons["unreadable"] += 1
            elif len(text) > self.max_chars:
                reasons["too_long"] += 1
            else:
                yield _Note(at, text, own, _NOBODY if replacement is None else replacement.owner(at))

    def _detect(self, batch: Sequence[_Note]) -> list[Sequence[Span] | None]:
        """Return the spans of each note; None for a note whose search failed, alone, after its batch was halved."""
        detector = self._loaded()
        try:
            if isinstance(detector, _TellsEach):
                told = list(detector.each((note.text, note.known) for note in batch))
                return [_judged(spans, note.text) for spans, note in zip(told, batch, strict=True)]
            found = detector.detect([n.text for n in batch], [n.known for n in batch])
            return [_sound(spans, note.text) for spans, note in zip(found, batch, strict=True)]
        # Any fault at all withholds the note. The exception is dropped: its text, and its locals, quote the note.
        except Exception:  # noqa: BLE001
            if len(batch) == 1:
                return [None]
        middle = len(batch) // 2
        return [*self._detect(batch[:middle]), *self._detect(batch[middle:])]

    def _loaded(self) -> Detects:
        if self._detector is None:
            from deid.notes.detector import Detector  # noqa: PLC0415 - heavy, and only where notes are read

            self._detector = self._made = Detector(processes=self._processes)
        return self._detector


def _cells(texts: pa.Array) -> Iterator[str | None]:
    """Yield the texts; bytes that are no UTF-8 come as a text that is unreadable."""
    for start in range(0, len(texts), 1024):
        part = texts[start : start + 1024]
        try:
            yield from part.to_pylist()
        except UnicodeDecodeError:
            yield from map(_cell, part)


def _cell(cell: pa.Scalar) -> str | None:
    try:
        text: str | None = cell.as_py()
    except UnicodeDecodeError:
        return _UNREADABLE[0]
    return text


def _sound(spans: Sequence[Span], text: str) -> Sequence[Span]:
    """Return `spans`; raise ValueError unless they are in order, without overlaps, not empty and inside the text."""
    end = 0
    for span in spans:
        if not end <= span.start < span.end <= len(text):
            raise ValueError("spans overlap, or lie outside of the text")
        end = span.end
    return spans


def _judged(spans: Sequence[Span] | None, text: str) -> Sequence[Span] | None:
    """Return `spans` where they are sound, None where they are not."""
    try:
        return None if spans is None else _sound(spans, text)
    except ValueError:
        return None


def _replaced(writing: Writing, note: _Note, spans: Sequence[Span]) -> str | None:
    """Return the note with every span replaced, None where that failed for whatever reason."""
    if not spans:
        return note.text
    try:
        return Replacer(writing, note.owner, note.known).write(note.text, spans)
    except Exception:  # noqa: BLE001 - as above
        return None


def _batches(notes: Iterator[_Note]) -> Iterator[list[_Note]]:
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
