"""Notes as JSON lines: read, searched, redacted and written in the order they came, a few at a time.

A line that is no note ends the run with its number, and without a word of what it holds. docs/formats/notes-jsonl.md.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO

import msgspec
import numpy as np

from deid.errors import NotesError
from deid.notes.detector import Detector, Note
from deid.notes.known import SEARCHED_KINDS, KnownIdentifiers
from deid.notes.patient_tables import PatientTable
from deid.notes.replacer import Replacer, leaks_left
from deid.notes.span import Span
from deid.notes.writing import TAGS, Owner, Writing

MAX_LINE = 1 << 26  # bytes
MAX_CHARACTERS = 200_000
_UNREADABLE = "\ufffd"  # what stood there is unknown, and so may be its neighbors
_FORMAT = "docs/formats/notes-jsonl.md describes the lines"
_RECENT = 1 << 16
SURROGATES = Writing(surrogates=True, caps_ages=True)
NOBODY = KnownIdentifiers([])


class _Raw(msgspec.Struct):
    """A line as it comes; every other member is passed over."""

    id: Any = None
    text: Any = None
    patient: Any = None
    patient_id: Any = None
    identifiers: Any = None


@dataclass(frozen=True, slots=True, repr=False)
class Line:
    """One note: `patient` is the key of its patient, `identifiers` are the pairs of kind and value it holds."""

    id: str | int
    text: str
    patient: str
    identifiers: tuple[tuple[str, str], ...] = ()


def read_lines(stream: BinaryIO) -> Iterator[Line]:
    """Yield the notes of a stream of JSON lines; raise NotesError at the first line that is none."""
    seen = _Seen()
    decoder = msgspec.json.Decoder(_Raw)
    number = 0
    while data := stream.readline(MAX_LINE + 1):
        number += 1
        if len(data) > MAX_LINE:
            raise _bad(number, f"the line is longer than {MAX_LINE:,} bytes")
        if number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        if data.isspace():
            continue
        try:
            raw = decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # their texts may quote the line
            raise _bad(number, "it is no JSON object in UTF-8, where a lone surrogate is none either") from None
        yield _line(raw, number, seen)


def _line(raw: _Raw, number: int, seen: _Seen) -> Line:
    if not _is_id(raw.id):
        raise _bad(number, "`id` is missing, or neither text nor a whole number")
    if not isinstance(raw.text, str):
        raise _bad(number, "`text` is missing, or no text")
    if "\x00" in raw.text:
        raise _bad(number, "`text` holds a NUL character")
    patient = raw.patient if raw.patient is not None else raw.patient_id
    if patient is not None and not _is_id(patient):
        raise _bad(number, "`patient` is neither text nor a whole number")
    earlier = seen.before(msgspec.json.encode(raw.id))
    if earlier:
        raise _bad(number, "its `id` stood in a line before")
    return Line(raw.id, raw.text, str(raw.id if patient is None else patient), _pairs(raw.identifiers, number))


def _is_id(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""


def _pairs(value: Any, number: int) -> tuple[tuple[str, str], ...]:
    """Return the `identifiers` of a line: objects with `kind` and `value`, or lists of both."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _bad(number, "`identifiers` is no list")
    pairs = []
    for one in value:
        pair = [one.get("kind"), one.get("value")] if isinstance(one, dict) else one
        is_pair = isinstance(pair, list) and len(pair) == 2
        if not is_pair or not isinstance(pair[0], str) or not isinstance(pair[1], (str, int)):
            raise _bad(number, "`identifiers` holds what is no pair of a kind and a value")
        if pair[0] not in SEARCHED_KINDS:
            raise NotesError(
                f"line {number:,}: `identifiers` holds a kind that is not looked for in notes",
                hint=f"the kinds are {', '.join(sorted(SEARCHED_KINDS))}",
            )
        pairs.append((pair[0], str(pair[1])))
    return tuple(pairs)


def _bad(number: int, what: str) -> NotesError:
    return NotesError(f"line {number:,} is no note: {what}", hint=_FORMAT)


class _Seen:
    """Remembers ids by 8 bytes of a digest each; two of ten million collide once in half a million runs."""

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._sorted = np.zeros(0, np.uint64)

    def before(self, key: bytes) -> bool:
        """Return whether `key` was asked for before."""
        digest = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
        at = np.searchsorted(self._sorted, np.uint64(digest))
        if digest in self._recent or (at < len(self._sorted) and int(self._sorted[at]) == digest):
            return True
        self._recent.add(digest)
        if len(self._recent) == _RECENT:
            recent = np.fromiter(self._recent, np.uint64, len(self._recent))
            self._sorted = np.sort(np.concatenate([self._sorted, recent]), kind="stable")
            self._recent.clear()
        return False


@dataclass(slots=True, repr=False)
class _Waiting:
    id: str | int
    text: str
    known: KnownIdentifiers
    patient: str
    withheld: str | None


@dataclass(slots=True, repr=False)
class NoteRedaction:
    """Redacts lines of notes and counts: `notes`, `withheld` by reason, `spans` by kind, `strangers` without a record.

    `table`: identifiers of patients, or None. `writing`: tags, or surrogates that are one for a patient and another in
    the next run.
    """

    detector: Detector
    table: PatientTable | None = None
    writing: Writing = TAGS
    max_characters: int = MAX_CHARACTERS
    notes: int = 0
    strangers: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    spans: Counter[str] = field(default_factory=Counter)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def redact(self, lines: Iterable[Line]) -> Iterator[dict[str, Any]]:
        """Yield for each line its `id`, redacted `text` and `spans`; a text of None has a reason, `withheld`."""
        waiting: deque[_Waiting] = deque()
        for found in self.detector.each(self._searched(lines, waiting)):
            yield from self._passed(waiting)
            yield self._finished(waiting.popleft(), found)
        yield from self._passed(waiting)
        if self.notes and self.strangers == self.notes:
            raise NotesError(
                "no note is of a patient in the table, so that none was searched for its patient's identifiers",
                hint="compare `patient` in the notes with the key in the table, or leave the table out",
            )

    def _searched(self, lines: Iterable[Line], waiting: deque[_Waiting]) -> Iterator[Note]:
        """Yield the notes to search; all, in order, are put into `waiting`."""
        for line in lines:
            self.notes += 1
            if len(line.text) > self.max_characters or _UNREADABLE in line.text:
                reason = "too_long" if len(line.text) > self.max_characters else "unreadable"
                waiting.append(_Waiting(line.id, "", NOBODY, line.patient, reason))
                continue
            known = self._known(line)
            waiting.append(_Waiting(line.id, line.text, known, line.patient, None))
            yield line.text, known

    def _known(self, line: Line) -> KnownIdentifiers:
        own = self.table.identifiers(line.patient) if self.table is not None else None
        self.strangers += self.table is not None and own is None
        pairs = (*(own or ()), *line.identifiers)
        return _identifiers(pairs) if pairs else NOBODY

    def _passed(self, waiting: deque[_Waiting]) -> Iterator[dict[str, Any]]:
        while waiting and waiting[0].withheld is not None:
            note = waiting.popleft()
            yield self._withheld(note, note.withheld or "")

    def _finished(self, note: _Waiting, found: list[Span] | None) -> dict[str, Any]:
        text = None if found is None else self._written(note, found)
        if found is None or text is None:
            return self._withheld(note, "failed")
        if leaks_left(self.writing, note.known, note.text, found, text):
            return self._withheld(note, "leak")  # what the search missed, the independent check has seen
        self.spans.update(span.kind for span in found)
        spans = [{"start": s.start, "end": s.end, "kind": s.kind, "rule": s.rule} for s in found]
        return {"id": note.id, "text": text, "spans": spans}

    def _written(self, note: _Waiting, found: list[Span]) -> str | None:
        key = hashlib.blake2b(note.patient.encode(), key=self._key, digest_size=32).digest()
        try:
            return Replacer(self.writing, Owner(key), note.known).write(note.text, found)
        except Exception:  # noqa: BLE001 - any fault at all withholds the note; its text is in the exception's locals
            return None

    def _withheld(self, note: _Waiting, reason: str) -> dict[str, Any]:
        self.withheld[reason] += 1
        return {"id": note.id, "text": None, "spans": [], "withheld": reason}


@lru_cache(maxsize=64)
def _identifiers(pairs: tuple[tuple[str, str], ...]) -> KnownIdentifiers:
    """Return the identifiers of a patient, the same for notes that follow one another."""
    return KnownIdentifiers(pairs)
