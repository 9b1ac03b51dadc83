"""Notes: finding identifiers in free text, and putting tags or surrogates in their place.

Word lists and weights take a moment to read, so nothing here is loaded before it is named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deid.notes.detector import Detector
    from deid.notes.known import KnownIdentifiers
    from deid.notes.leak_check import leaks
    from deid.notes.redactor import RedactionResult, Redactor
    from deid.notes.span import Span

__all__ = ["Detector", "KnownIdentifiers", "RedactionResult", "Redactor", "Span", "leaks"]

_HOME = {
    "Detector": "detector",
    "KnownIdentifiers": "known",
    "RedactionResult": "redactor",
    "Redactor": "redactor",
    "Span": "span",
    "leaks": "leak_check",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
