"""Identifiers that were found give way to what the policy says: tags, surrogates, moved or coarser dates.

A date, age or ZIP code that cannot be read is a tag, and so is what has no surrogate: nothing stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from deid.cells.days import FIRST_DAY, LAST_DAY, number_of
from deid.cells.places import zip3
from deid.notes.date_forms import Written, moved, read, unit_of
from deid.notes.folding import fold
from deid.notes.known import KnownIdentifiers
from deid.notes.leak_check import leaks
from deid.notes.span import Span
from deid.notes.surrogates import Surrogates
from deid.notes.writing import DATE_KINDS, NAME_KINDS, Owner, Writing, tag

ANY_DATE = "date"  # a date of which only that is known: treated as a day of a visit
CAPPED_AGE = "90+"
_ENDINGS = " \t,;"  # stay behind what is replaced: they identify nobody and keep words apart


@dataclass(frozen=True, slots=True, repr=False)
class Checked:
    """The values that must not stand in a released text, as `leaks` asks for them."""

    values: tuple[tuple[str, str], ...]


class Replacer:
    """Writes one patient's note: `known` is the patient's record, `owner` what is moved and drawn for the patient."""

    def __init__(self, writing: Writing, owner: Owner, known: KnownIdentifiers) -> None:
        self._writing, self._owner = writing, owner
        self._surrogates = Surrogates(owner.key, known.values) if writing.surrogates else None
        # Without a way to write dates all are tags, and nobody asks in which year a birth was.
        values = known.values if writing.dates else ()
        births = (self._read(value) for kind, value in values if kind == "birth_date")
        self._births = frozenset(written.year for written in births if written is not None and written.on() is not None)

    def write(self, text: str, spans: Sequence[Span]) -> str:
        """Return `text` with every span replaced; `spans` in order and without overlaps."""
        spans = self._joined(text, spans)
        cut = [text[span.start : span.end] for span in spans]
        if self._surrogates is not None:
            self._surrogates.meet(piece for span, piece in zip(spans, cut, strict=True) if span.kind in NAME_KINDS)
        anchors = self._anchors(spans, cut)
        return _filled(text, spans, lambda span, piece: self._replaced(span, piece, anchors))

    def _joined(self, text: str, spans: Sequence[Span]) -> list[Span]:
        """Return spans of which two of one kind with nothing but blanks between are one: a name, not two."""
        joined: list[Span] = []
        for span in spans:
            last = joined[-1] if joined else None
            may_join = self._surrogates is None and not _is_date(span)
            is_one = last is not None and last.kind == span.kind and not text[last.end : span.start].strip(" \t")
            if last is not None and is_one and (span.kind in NAME_KINDS or may_join):
                joined[-1] = Span(last.start, span.end, last.kind, last.rule)
            else:
                joined.append(span)
        return joined

    def _replaced(self, span: Span, piece: str, anchors: Sequence[tuple[int, date]]) -> str:
        found = None
        if _is_date(span):
            found = self._date(span, piece, anchors)
        elif span.kind == "age":
            found = CAPPED_AGE if self._writing.caps_ages else None
        elif span.kind == "zip_code" and self._writing.zip3:
            found = three_digits(piece)
        elif self._surrogates is not None:
            found = self._surrogates.write(span.kind, piece)
        return tag(span.kind) if found is None else found

    def _anchors(self, spans: Sequence[Span], cut: Sequence[str]) -> list[tuple[int, date]]:
        """Return place and day of the dates that are written in full, births and deaths apart."""
        if not any(way == "shift" for way in self._writing.dates.values()):
            return []
        found = []
        for span, piece in zip(spans, cut, strict=True):
            if _is_date(span) and span.kind not in ("birth_date", "death_date"):
                written = self._read(piece)
                day = written.on() if written is not None else None
                if day is not None:
                    found.append((span.start, day))
        return found

    def _read(self, piece: str) -> Written | None:
        return read(fold(piece).text.strip(), latest_year=self._writing.reference_year)

    def _date(self, span: Span, piece: str, anchors: Sequence[tuple[int, date]]) -> str | None:
        written = self._read(piece)
        if written is None:
            return None
        kind = "service_date" if span.kind == ANY_DATE else span.kind
        if kind != "birth_date" and self._writing.dates.get(kind) != "shift" and written.year in self._births:
            kind = "birth_date"  # a detector cannot tell a birth from a visit as the record can
        way = self._writing.dates.get(kind, "tag")
        if way == "shift":
            return self._shifted(kind, written, span.start, anchors)
        floor = self._writing.floor_year
        is_old = written.year is None or (floor is not None and written.year <= floor)
        if way == "tag" or is_old or (kind == "birth_date" and self._owner.aged):
            return None
        return unit_of(written, way)

    def _shifted(self, kind: str, written: Written, at: int, anchors: Sequence[tuple[int, date]]) -> str | None:
        """Return the date moved by the patient's offset; None outside of what the tables show, and for no whole day."""
        anchor = min(anchors, key=lambda found: abs(found[0] - at), default=None)
        day = written.on() if written.year is not None or anchor is None else written.near(anchor[1])
        new = moved(day, self._owner.offset_days) if day is not None else None
        if new is None:
            return None
        first, last = (FIRST_DAY, LAST_DAY) if kind == "birth_date" else self._writing.shown or (1, 0)
        if not first <= number_of(new) <= last:
            return None
        # Also where it lands on another day of the record: a tag in that place alone would tell how far dates moved.
        return written.rewritten(new)


def _is_date(span: Span) -> bool:
    return span.kind in DATE_KINDS or span.kind == ANY_DATE


def three_digits(piece: str) -> str | None:
    """Return the first three digits of a ZIP code where the census allows them, 000 where not; None for no ZIP."""
    found: str | None = zip3(pa.array([fold(piece).text.strip()])).to_pylist()[0]
    return found if any(c.isdigit() for c in piece) else None


def leaks_left(writing: Writing, known: KnownIdentifiers, text: str, spans: Sequence[Span], redacted: str) -> int:
    """Return how many of the patient's own identifiers are left in a redacted note.

    Shifted dates fall on true days of the record by chance, so where dates are shifted the kinds that are get looked
    for in what was left of the note itself, with nothing but tags in the places of `spans`.
    """
    found = leaks(redacted, checked(writing, known))
    return found if found or not _shifted_kinds(writing) else leaks(masked(text, spans), known)


def masked(text: str, spans: Sequence[Span]) -> str:
    """Return `text` with a tag for every span."""
    return _filled(text, spans, lambda span, _: tag(span.kind))


def _filled(text: str, spans: Sequence[Span], replaced: Callable[[Span, str], str]) -> str:
    """Return `text` with what `replaced` gives for each span and its characters, less the marks that end them."""
    out, at = [], 0
    for span in spans:
        piece = text[span.start : span.end]
        core = piece.rstrip(_ENDINGS) or piece
        out += [text[at : span.start], replaced(span, core), piece[len(core) :]]
        at = span.end
    return "".join(out) + text[at:]


def checked(writing: Writing, known: KnownIdentifiers) -> Checked | KnownIdentifiers:
    """Return what must not stand in the released text of a patient: all of the record but shifted kinds of dates.

    A shifted date may be a true one of the same record; for a patient whose offset is zero each is, in the tables as
    in the text. A note that were withheld for it would tell the offset.
    """
    shifted = _shifted_kinds(writing)
    return Checked(tuple(pair for pair in known.values if pair[0] not in shifted)) if shifted else known


def _shifted_kinds(writing: Writing) -> set[str]:
    return {kind for kind, way in writing.dates.items() if way == "shift"}
