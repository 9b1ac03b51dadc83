"""A table as CSV: tidy, one row for each cell, and wide, as people read it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deid.tables.cube import Address
from deid.tables.tabulation import CODES, PERIODS, PLACES, TableRequest

TOTAL, MARK = "total", "suppressed"
FIGURES = ("population", "rate", "rate_low", "rate_high", "standardized", "standardized_low", "standardized_high")


@dataclass(frozen=True, slots=True)
class Shown:
    """One cell as it is published: its address, its count or None where it is marked, and its rates by name."""

    address: Address
    count: int | None
    rates: Mapping[str, float | None] = field(default_factory=dict)


def dimensions_of(table: TableRequest, address: Address) -> dict[str, str | None]:
    """Return the dimensions of a cell in the order of its table, None for a total."""
    found: dict[str, str | None] = {}
    for dimension in table.by:
        if dimension in PERIODS:
            value = address.period
        elif dimension in PLACES:
            value = address.place
        else:
            value = address.group if dimension == CODES else getattr(address, dimension)
        found[dimension] = value or None
    return found


def _names(cells: Sequence[Shown]) -> list[str]:
    there = {name for cell in cells for name in cell.rates}
    return [name for name in FIGURES if name in there]


def tidy(table: TableRequest, cells: Sequence[Shown]) -> bytes:
    """Return a table with a row for each cell: dimensions, count, mark and rates."""
    names = _names(cells)
    rows = [[*table.by, table.measure.value, "mark", *names]]
    for cell in cells:
        told = [value or TOTAL for value in dimensions_of(table, cell.address).values()]
        mark = "" if cell.count is not None else MARK
        rows.append([*told, _text(cell.count), mark, *(_text(cell.rates.get(name)) for name in names)])
    return _csv(rows)


def wide(table: TableRequest, cells: Sequence[Shown]) -> bytes:
    """Return a table with a column for each period (and code group), as people read it; marks are asterisks."""
    across = [d for d in table.by if d in PERIODS or d == CODES]
    down = [d for d in table.by if d not in across]
    columns: dict[tuple[str, ...], None] = {}
    lines: dict[tuple[str, ...], dict[tuple[str, ...], str]] = {}
    for cell in cells:
        told = dimensions_of(table, cell.address)
        column = tuple(told[d] or TOTAL for d in across)
        columns[column] = None
        lines.setdefault(tuple(told[d] or TOTAL for d in down), {})[column] = (
            "*" if cell.count is None else f"{cell.count}"
        )
    rows = [[*down, *(" ".join(column) for column in columns)]]
    rows += [[*line, *(values.get(column, "") for column in columns)] for line, values in lines.items()]
    return _csv(rows)


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([[_inert(cell) for cell in row] for row in rows])
    return text.getvalue().encode()


def _inert(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell


def _text(value: float | None) -> str:
    number = figure(value)
    return "" if number is None else str(number)


def figure(value: float | None) -> float | int | None:
    """Return a figure as it is published: a whole count, a rate to one decimal place, or None."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, int) else round(float(value), 1)
