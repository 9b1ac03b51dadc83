"""Calendar periods as labels of tables: whole years, quarters or months within the days that are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from deid.days import number_of
from deid.period import Period, parse_period
from deid.tables.people import Numbers


def whole_periods(level: str, first: date, last: date) -> tuple[Period, ...]:
    """Return the periods of a level that lie wholly between two days, in order."""
    found = []
    for year in range(first.year, last.year + 1):
        labels = {
            "year": [f"{year}"],
            "quarter": [f"{year}-Q{q}" for q in range(1, 5)],
            "month": [f"{year}-{m:02d}" for m in range(1, 13)],
        }[level]
        found += [parse_period(label) for label in labels]
    return tuple(period for period in found if period.first >= first and period.last <= last)


def period_of(periods: Sequence[Period], days: Numbers) -> npt.NDArray[np.int32]:
    """Return the number of the period that holds each day, -1 where none does."""
    starts = np.array([number_of(period.first) for period in periods])
    ends = np.array([number_of(period.last) for period in periods])
    at = np.searchsorted(starts, days, side="right") - 1
    inside = (at >= 0) & (days <= ends[np.maximum(at, 0)]) if len(starts) else np.zeros(len(days), bool)
    return np.where(inside, at, -1).astype(np.int32)


def holds(label: str) -> tuple[tuple[str, ...], ...]:
    """Return each way in which a period falls into shorter ones: a year into quarters, and into months."""
    if "-Q" in label:
        year, quarter = label.split("-Q")
        first = 3 * int(quarter) - 2
        return (tuple(f"{year}-{m:02d}" for m in range(first, first + 3)),)
    if "-" in label:
        return ()
    return (tuple(f"{label}-Q{q}" for q in range(1, 5)), tuple(f"{label}-{m:02d}" for m in range(1, 13)))


def year_of(label: str) -> str:
    """Return the year that holds a period."""
    return label[:4]
