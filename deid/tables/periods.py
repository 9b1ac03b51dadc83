"""Calendar periods as labels of tables: whole years, several or one, quarters or months of the days asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from deid.cells.days import number_of
from deid.documents.period import Period, parse_period
from deid.tables.people import Numbers


def whole_periods(level: str, first: date, last: date) -> tuple[Period, ...]:
    """Return the periods of a level that lie wholly between two days, in order; of `years`, all years as one."""
    if level == "years":
        single = whole_periods("year", first, last)
        if len(single) < 2:
            return single
        return (Period(f"{single[0].label}-{single[-1].label}", single[0].first, single[-1].last),)
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


def is_span(label: str) -> bool:
    """Whether a period is of several years: 2020-2025, where a month would be 2020-05."""
    return len(label) == 9


def years_of(label: str) -> tuple[str, ...]:
    """Return the years that a period lies in."""
    if not is_span(label):
        return (label[:4],)
    return tuple(f"{year}" for year in range(int(label[:4]), int(label[5:]) + 1))


def holds(label: str) -> tuple[tuple[str, ...], ...]:
    """Return each way in which a period falls into shorter ones: years into years, these into quarters and months."""
    if is_span(label):
        years = years_of(label)
        parts = [holds(year) for year in years]
        return (years, *(tuple(part for ways in parts for part in ways[i]) for i in range(2)))
    if "-Q" in label:
        year, quarter = label.split("-Q")
        first = 3 * int(quarter) - 2
        return (tuple(f"{year}-{m:02d}" for m in range(first, first + 3)),)
    if "-" in label:
        return ()
    return (tuple(f"{label}-Q{q}" for q in range(1, 5)), tuple(f"{label}-{m:02d}" for m in range(1, 13)))


def overlap(labels: Iterable[str]) -> bool:
    """Whether two different periods of several years share a year."""
    spans = [set(years_of(label)) for label in set(labels) if is_span(label)]
    return sum(map(len, spans)) > len(set().union(*spans))
