"""HTML that is escaped by construction: what is not `Html` already is text, and every text and attribute is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from deid.release.small_counts import SMALL, Count

_VOID = frozenset({"meta", "br", "hr", "rect", "line", "path", "circle"})
# What no document may hold, so that a text with it is not well formed: controls, and halves of characters.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Html(str):
    """Markup that was made here."""

    __slots__ = ()


def text(value: object) -> Html:
    """Return any value as escaped text; Html stays as it is."""
    return value if isinstance(value, Html) else Html(escape(_ILLEGAL.sub("\ufffd", str(value)), quote=True))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """Return an element; a last underscore of an attribute goes, others become hyphens, None is left out."""
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not children:
        return Html(f"<{name}{pairs}>" if name in ("meta", "br", "hr") else f"<{name}{pairs}/>")
    return Html(f"<{name}{pairs}>{join(children)}</{name}>")


def join(parts: Iterable[object]) -> Html:
    """Return parts one behind the other."""
    return Html("".join(text(part) for part in parts))


def paragraph(*children: object, class_: str | None = None) -> Html:
    """Return a paragraph."""
    return tag("p", *children, class_=class_)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str, numbers: Sequence[int] = ()) -> Html:
    """Return a table that scrolls by itself where it is wide; `numbers` are the columns that are set to the right."""
    head = tag("tr", *(tag("th", h, scope="col", class_="n" if i in numbers else None) for i, h in enumerate(heads)))
    body = [
        tag(
            "tr",
            *(
                tag("th", cell, scope="row") if i == 0 else tag("td", cell, class_="n" if i in numbers else None)
                for i, cell in enumerate(row)
            ),
        )
        for row in rows
    ]
    inner = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return tag("div", inner, class_="scroll", tabindex="0", role="group", aria_label=caption)


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Return a list of terms and what they are."""
    return tag("dl", *(tag("div", tag("dt", term), tag("dd", value)) for term, value in pairs))


def count(value: Count | None) -> str:
    """Return a count of patients as text."""
    if value is None:
        return "not shown"
    return "1\u201310" if value == SMALL else f"{value:,}"


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share as a percentage."""
    if share is None:
        return "not shown"
    least = 10.0 ** -(digits + 2)
    if 0 < share < least:
        return f"under {100 * least:.{digits}f}\u202f%"
    return f"{100 * share:.{digits}f}\u202f%"


def number(value: float | None, digits: int = 2) -> str:
    """Return a figure as text."""
    return "not measured" if value is None else f"{value:,.{digits}f}"


def words(name: str) -> str:
    """Return a name of a program as words."""
    return name.replace("_", " ")
