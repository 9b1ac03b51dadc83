"""An annotated note: text, and what stands where."""

from __future__ import annotations

from dataclasses import dataclass, field

# `ANY` is what may stay or go: a state, a year, an age under 90, a weekday, a title. It is neither a hit nor a miss.
LABELS = ("NAME", "LOCATION", "FACILITY", "DATE", "CONTACT", "ID", "AGE", "OTHER", "ANY")


@dataclass(frozen=True, slots=True)
class Labeled:
    """Characters [start, end) of a text and their label, one of LABELS; `slot` is the finer name of what is there."""

    start: int
    end: int
    label: str
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A generated text with its spans, in order and without overlaps; `family` is the file its carrier came from.

    `identifiers` are what the record of its patient would hold: pairs of a kind (deid.notes.known.SEARCHED_KINDS) and
    a text.
    """

    id: str
    text: str
    spans: tuple[Labeled, ...]
    family: str = ""
    identifiers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
