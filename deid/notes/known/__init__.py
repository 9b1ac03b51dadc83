"""This patient's own identifiers, as the record holds them, found in a note in whatever form they are written."""

from __future__ import annotations

from deid.notes.known.identifiers import KnownIdentifiers
from deid.notes.known.kinds import NAME_KINDS, SEARCHED_KINDS
from deid.notes.span import Span

__all__ = ["NAME_KINDS", "SEARCHED_KINDS", "KnownIdentifiers", "Span"]
