"""Charts as inline SVG: readable in grayscale and print, with a title and a description for who cannot see them.

Lengths carry the figures and every figure stands beside its mark as text; shades and colors only help. Units are pixels
of the view box, which scales with the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from deid.reports.markup import Html, percent, tag, text

WIDTH = 720
_LABEL, _ROW = 230, 26
_NARROW = 96  # pixels kept for the figure behind a bar


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, its length from 0 to 1, the figure as text, and a limit from 0 to 1."""

    label: str
    length: float
    figure: str
    limit: float | None = None
    is_over: bool = False


def chart(name: str, title: str, description: str, height: float, *parts: object) -> Html:
    """Return a figure with its title; `name` makes ids unique on the page."""
    ids = (f"{name}-title", f"{name}-desc")
    return tag(
        "figure",
        tag(
            "svg",
            tag("title", title, id=ids[0]),
            tag("desc", description, id=ids[1]),
            *parts,
            viewBox=f"0 0 {WIDTH} {ceil(height)}",
            role="img",
            aria_labelledby=" ".join(ids),
        ),
        tag("figcaption", title),
    )


def bars(name: str, title: str, description: str, rows: Sequence[Bar], *, label: int = _LABEL) -> Html:
    """Return horizontal bars; a limit is a line across its row, and a bar beyond it is hatched; `label`: pixels."""
    room = WIDTH - label - _NARROW
    parts: list[object] = [_hatch(name)]
    for number, row in enumerate(rows):
        y = number * _ROW + 4
        length = max(1.5 if row.length > 0 else 0.0, min(1.0, row.length) * room)
        parts.append(_words(label - 10, y + 13, _cut(row.label, label), anchor="end"))
        parts.append(_box(label, y, room, _ROW - 9, "track"))
        fill = f"fill:url(#{name}-hatch)" if row.is_over else None
        parts.append(tag("rect", x=label, y=y, width=_n(length), height=_ROW - 9, rx=2, class_="bar", style=fill))
        if row.limit is not None:
            x = _n(label + min(1.0, row.limit) * room)
            parts.append(tag("line", x1=x, x2=x, y1=y - 3, y2=y + _ROW - 6, class_="limit"))
        parts.append(_words(label + room + 8, y + 13, row.figure, class_="figure"))
    return chart(name, title, description, len(rows) * _ROW + 8, *parts)


def columns(name: str, title: str, description: str, rows: Sequence[Bar], *, axis: str) -> Html:
    """Return upright bars, as of a histogram, with their figures above them and labels below."""
    if not rows:
        return Html("")
    height, base = 210, 168
    room = WIDTH / len(rows)
    parts: list[object] = []
    for number, row in enumerate(rows):
        tall = max(1.5 if row.length > 0 else 0.0, min(1.0, row.length) * (base - 26))
        x = number * room
        middle = _n(x + room / 2)
        parts.append(
            tag("rect", x=_n(x + 5), y=_n(base - tall), width=_n(room - 10), height=_n(tall), rx=2, class_="bar")
        )
        parts.append(_words(middle, base - tall - 7, row.figure, anchor="middle", class_="figure"))
        parts.append(_words(middle, base + 17, row.label, anchor="middle"))
    parts.append(tag("line", x1=0, x2=WIDTH, y1=base, y2=base, class_="axis"))
    parts.append(_words(WIDTH / 2, height - 5, axis, anchor="middle", class_="axis-name"))
    return chart(name, title, description, height, *parts)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a heat map: row and column, a share from 0 to 1, and whether it is over its ceiling."""

    row: int
    column: int
    share: float
    is_over: bool = False


def heat(
    name: str, title: str, description: str, rows: Sequence[str], heads: Sequence[str], cells: Sequence[Cell]
) -> Html:
    """Return a heat map; each cell holds its figure, and one over its ceiling a thick frame and a word."""
    tall, top = 46, 26
    room = (WIDTH - _LABEL) / max(1, len(heads))
    parts: list[object] = [_words(_LABEL + (i + 0.5) * room, 16, h, anchor="middle") for i, h in enumerate(heads)]
    parts += [_words(_LABEL - 10, top + i * tall + 27, _cut(row), anchor="end") for i, row in enumerate(rows)]
    for cell in cells:
        x, y = _LABEL + cell.column * room, top + cell.row * tall
        step = min(6, int(_shade(cell.share)))
        frame = "cell over" if cell.is_over else "cell"
        parts.append(
            tag("rect", x=_n(x + 3), y=_n(y + 3), width=_n(room - 6), height=tall - 6, rx=3, class_=f"{frame} s{step}")
        )
        label = "figure light" if step >= 4 else "figure dark"
        middle = _n(x + room / 2)
        parts.append(
            _words(middle, y + (22 if cell.is_over else 28), percent(cell.share), anchor="middle", class_=label)
        )
        if cell.is_over:
            parts.append(_words(middle, y + 37, "over ceiling", anchor="middle", class_=f"{label} note"))
    return chart(name, title, description, top + len(rows) * tall + 4, *parts)


def _shade(share: float) -> float:
    """Return the step of a share on a scale that is fine where ceilings are: 0.01, 0.03, 0.09, 0.2, 0.4, 0.7."""
    return float(sum(share > edge for edge in (0.01, 0.03, 0.09, 0.2, 0.4, 0.7)))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a stacked bar."""

    label: str
    share: float


def stacked(name: str, title: str, description: str, parts: Sequence[Part]) -> Html:
    """Return one bar of parts, from dark to light, with a legend that says each figure."""
    drawn: list[object] = []
    x = 0.0
    for number, part in enumerate(parts):
        wide = part.share * WIDTH
        drawn.append(
            tag("rect", x=_n(x), y=2, width=_n(max(0.0, wide)), height=26, class_=f"cell s{max(0, 6 - 2 * number)}")
        )
        x += wide
    for number, part in enumerate(parts):
        column, row = number % 3, number // 3
        left, y = column * WIDTH / 3, 42 + row * 22
        drawn.append(tag("rect", x=_n(left), y=y, width=12, height=12, class_=f"cell s{max(0, 6 - 2 * number)}"))
        drawn.append(_words(left + 18, y + 11, f"{part.label}: {percent(part.share)}"))
    return chart(name, title, description, 44 + 22 * ceil(len(parts) / 3), *drawn)


def _hatch(name: str) -> Html:
    line = tag("path", d="M0 8 L8 0", class_="hatch")
    pattern = tag(
        "pattern", tag("rect", width=8, height=8, class_="over-fill"), line,
        id=f"{name}-hatch", width=8, height=8, patternUnits="userSpaceOnUse",
    )  # fmt: skip
    return tag("defs", pattern)


def _box(x: float, y: float, width: float, height: float, class_: str) -> Html:
    return tag("rect", x=_n(x), y=_n(y), width=_n(width), height=_n(height), rx=2, class_=class_)


def _words(x: float | str, y: float, value: str, *, anchor: str = "start", class_: str | None = None) -> Html:
    where = x if isinstance(x, str) else _n(x)
    return tag("text", text(value), x=where, y=_n(y), text_anchor=anchor, class_=class_)


def _cut(label: str, room: int = _LABEL) -> str:
    """Return a label that fits before its bar; the whole stands in the table beside the chart."""
    most = (room - 14) // 7
    return label if len(label) <= most else label[: most - 1] + "\u2026"


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
