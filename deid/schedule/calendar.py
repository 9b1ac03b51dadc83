"""The calendar of a standing request: its periods one after another, and when each is due.

The block `schedule` is specified in docs/formats/schedule.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from deid.documents.period import Period, parse_period
from deid.errors import DocumentError

MOST_DELAY = 366
_MOST = 4000  # periods of one request: weeks of 76 years; no request runs longer than ten


class Every(StrEnum):
    """The kind of period of a standing request."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class Late(StrEnum):
    """What becomes of records that come in, or are corrected, after their period was released."""

    NEXT = "next"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a standing request runs.

    `until`: label of its last period, or None. `delay`: whole days after the end of a period. `late`: `next` for a
    cumulative series, whose releases hold all before, and `left_out` for increments.
    """

    every: Every
    first: str
    until: str | None
    zone: str
    delay: int
    late: Late

    def periods(self, last_day: date) -> Iterator[Period]:
        """Yield the periods in order that end by `last_day`."""
        period = parse_period(self.first)
        end = parse_period(self.until).last if self.until is not None else last_day
        for _ in range(_MOST):
            if period.last > min(end, last_day):
                return
            yield period
            period = label_of(self.every, period.last + timedelta(days=1))

    def due_at(self, period: Period) -> datetime:
        """Return the instant, in UTC, from which on a period is due."""
        day = period.last + timedelta(days=1 + self.delay)
        # fold=0 is the earlier of two midnights, and of one that is skipped the offset before the change.
        return datetime.combine(day, time(), tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def day(self, at: datetime) -> date:
        """Return the day that it is in the calendar's time zone."""
        return at.astimezone(ZoneInfo(self.zone)).date()


def label_of(every: Every, day: date) -> Period:
    """Return the period of a kind that a day lies in."""
    year, week, _ = day.isocalendar()
    label = {
        Every.WEEK: f"{year}-W{week:02d}",
        Every.MONTH: f"{day.year}-{day.month:02d}",
        Every.QUARTER: f"{day.year}-Q{(day.month + 2) // 3}",
        Every.YEAR: f"{day.year}",
    }[every]
    return parse_period(label)


def is_of(every: Every, period: Period) -> bool:
    """Whether a period is of a kind."""
    return label_of(every, period.first).label == period.label


def require_zone(name: str) -> str:
    """Return the name of a time zone; raise DocumentError for one that the IANA database does not have."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DocumentError(
            "no such time zone", hint="write a name of the IANA database, for instance America/New_York"
        ) from None
    return name
