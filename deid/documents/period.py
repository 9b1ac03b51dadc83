"""A calendar period: a year, a quarter, a month or a week."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from deid.errors import DocumentError

_FORMS = re.compile(r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})|-Q(?P<quarter>[1-4])|-W(?P<week>[0-9]{2}))?")
_HINT = "write a year, a quarter, a month or a week: 2026, 2026-Q3, 2026-10, 2026-W05"


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days from `first` to `last`, both included; `label` is written 2026, 2026-Q3, 2026-10 or 2026-W05."""

    label: str
    first: date
    last: date

    @property
    def is_whole_years(self) -> bool:
        """Whether the period begins with a year and ends with one."""
        return (self.first.month, self.first.day, self.last.month, self.last.day) == (1, 1, 12, 31)


def parse_period(text: str) -> Period:
    """Return the period that `text` names; raise DocumentError."""
    match = _FORMS.fullmatch(text)
    month = int(match["month"]) if match and match["month"] else None
    if match is None or int(match["year"]) < 1900 or (month is not None and not 1 <= month <= 12):
        raise DocumentError("not a period", hint=_HINT)
    year = int(match["year"])
    if match["week"]:
        return _week(text, year, int(match["week"]))
    if month is not None:
        start, months = month, 1
    elif match["quarter"]:
        start, months = 3 * int(match["quarter"]) - 2, 3
    else:
        start, months = 1, 12
    end_year, end_month = divmod(12 * year + start - 1 + months, 12)
    return Period(text, date(year, start, 1), date(end_year, end_month + 1, 1) - timedelta(days=1))


def _week(label: str, year: int, week: int) -> Period:
    """Return a week of ISO 8601, Monday to Sunday."""
    try:
        monday = date.fromisocalendar(year, week, 1)
    except ValueError:  # a year has 52 weeks or 53
        raise DocumentError("not a period", hint=_HINT) from None
    return Period(label, monday, monday + timedelta(days=6))
