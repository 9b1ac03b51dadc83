"""The text of an element, and of a narrative block (CDA R2, 4.3.5) as plain lines."""

from __future__ import annotations

import re

from deid.sources.ccda.parsing import Element

_LINES = frozenset(["paragraph", "item", "list", "table", "thead", "tbody", "tfoot", "tr", "caption", "br", "footnote"])
_CELLS = frozenset(("td", "th"))
_INLINE = frozenset(("content", "linkHtml", "sub", "sup", "footnoteRef"))
_BLANKS = re.compile(r"[ \t\r\n\f\v]+")


def text_of(element: Element) -> str | None:
    """Return all text in an element on one line, a blank where an element begins or ends; None where there is none."""
    parts: list[str] = []
    _gather(element, parts)
    return _BLANKS.sub(" ", "".join(parts)).strip() or None


def lines_of(element: Element) -> str | None:
    """Return a narrative block as text: paragraphs, items and rows are lines, cells are parted by `|`."""
    parts: list[str] = []
    _write(element, parts)
    lines = (_BLANKS.sub(" ", line).strip(" |") for line in "".join(parts).split("\0"))
    return "\n".join(line for line in lines if line) or None


def _gather(element: Element, parts: list[str]) -> None:
    for part in element.content:
        if isinstance(part, str):
            parts.append(part)
        else:
            parts.append(" ")
            _gather(part, parts)
            parts.append(" ")


def _write(element: Element, parts: list[str]) -> None:
    # NUL, which no XML holds, parts lines: the line breaks of the file are blanks like others.
    for part in element.content:
        if isinstance(part, str):
            parts.append(part)
        elif part.name in _INLINE:
            _write(part, parts)
        elif part.name in _CELLS:
            _write(part, parts)
            parts.append(" | ")
        else:
            parts.append("\0" if part.name in _LINES else " ")
            _write(part, parts)
            parts.append("\0" if part.name in _LINES else " ")
