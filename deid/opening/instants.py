"""Released dates as instants: the first moment of the day, week, month, quarter or year that was released.

A date that was generalized must not be taken for a day, so each instant comes with its precision. The forms are those
that deid.transforms.generalize_date and shift_date write; docs/formats/meds.md, "Time".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from deid.opening.names import Col
from deid.opening.workbench import literal

UNKNOWN = "unknown"
_GENERALIZED = re.compile(r"generalize_date: (?P<to>year|quarter|month|week)\b")
_WIDTH = re.compile(r"\bwidth: (\d+)")
_FLOOR = re.compile(r"\bfloor_age: (\d+)")


@dataclass(frozen=True, slots=True)
class Instant:
    """A released date in SQL: `time` is a TIMESTAMP expression, `precision` a text expression; null where no date is.

    `years` is the width of its years where years were banded, 1 otherwise.
    """

    time: str
    precision: str
    years: int = 1
    unit: str = "day"


def instant(column: Col, reference: date | None) -> Instant:
    """Return how a column of dates, or of years, is read; `reference` is the day on which ages were judged."""
    found = _GENERALIZED.search(column.transform)
    unit = found["to"] if found else "year" if column.is_number else "day"
    width, floor = _option(_WIDTH, column) or 1, _option(_FLOOR, column)
    time = _time(column, unit)
    words = f"{width} years" if width > 1 else unit
    if column.transform.startswith("shift_date"):
        words = "day, shifted"
    elif column.type.startswith("timestamp"):
        words = "second"
    precision = f"CASE WHEN {time} IS NOT NULL THEN {literal(words)} END"
    if floor is not None and reference is not None:
        # The earliest unit stands for all who would be older (deid.transforms.generalize_date).
        first = _first_of(unit, reference.year - floor, width)
        precision = (
            f"CASE WHEN {time} <= TIMESTAMP '{first.isoformat()}' THEN {literal(f'{words} or earlier')}"
            f" WHEN {time} IS NOT NULL THEN {literal(words)} END"
        )
    return Instant(time, precision, width, unit)


def _option(pattern: re.Pattern[str], column: Col) -> int | None:
    found = pattern.search(column.transform)
    return int(found[1]) if found else None


def _time(column: Col, unit: str) -> str:
    cell = column.sql
    if column.is_number:
        # make_timestamp refuses what is no year of the calendar; a release of another maker may hold it.
        return f"CASE WHEN {cell} BETWEEN 1 AND 9999 THEN make_timestamp({cell}::BIGINT, 1, 1, 0, 0, 0.0) END"
    if column.type.startswith(("date", "timestamp")):
        return f"{cell}::TIMESTAMP"
    if unit == "week":
        return f"TRY_STRPTIME({cell} || '-1', '%G-W%V-%u')"
    if unit == "quarter":
        return (
            f"TRY_STRPTIME({cell}[:4] || '-' || (TRY_CAST({cell}[7:] AS INTEGER) * 3 - 2)::VARCHAR || '-1', '%Y-%m-%d')"
        )
    if unit == "month":
        return f"TRY_STRPTIME({cell} || '-01', '%Y-%m-%d')"
    return f"TRY_CAST({cell} AS TIMESTAMP)"


def _first_of(unit: str, year: int, width: int) -> date:
    """Return the first day of the unit that holds 28 December of `year`, which is the last that begins in it."""
    day = date(year, 12, 28)
    if unit == "year":
        return date(year - year % width, 1, 1)
    if unit == "quarter":
        return date(year, 10, 1)
    if unit == "month":
        return date(year, 12, 1)
    return day - timedelta(days=day.isoweekday() - 1)
