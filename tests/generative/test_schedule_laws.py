"""Laws of the calendar of standing requests, for every kind of period, time zone and delay."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.documents.period import parse_period
from deid.errors import DocumentError
from deid.schedule.calendar import Calendar, Every, Late, is_of, label_of

DAYS = st.dates(date(1990, 1, 1), date(2060, 12, 31))
ZONES = st.sampled_from(
    [
        "UTC",
        "America/New_York",
        "Pacific/Honolulu",
        "Pacific/Apia",
        "Asia/Kathmandu",
        "America/Sao_Paulo",
        "Asia/Beirut",
    ]
)
KINDS = st.sampled_from(list(Every))


def calendar(every: Every, first: date, zone: str = "UTC", delay: int = 0) -> Calendar:
    """Return a calendar that begins with the period of a day."""
    return Calendar(every, label_of(every, first).label, None, zone, delay, Late.NEXT)


@given(KINDS, DAYS)
def test_every_day_lies_in_one_period_of_each_kind_whose_label_says_it(every: Every, day: date) -> None:
    """The label leads back to the same days, and no other kind of period has it."""
    period = label_of(every, day)
    assert period.first <= day <= period.last
    assert parse_period(period.label) == period
    assert [kind for kind in Every if is_of(kind, period)] == [every]


@given(KINDS, DAYS, st.integers(0, 1000))
def test_periods_follow_each_other_without_a_gap(every: Every, first: date, days: int) -> None:
    """Each begins on the day after the one before, and none ends after the last day asked for."""
    last = first + timedelta(days=days)
    periods = list(calendar(every, first).periods(last))
    for before, after in itertools.pairwise(periods):
        assert after.first == before.last + timedelta(days=1)
    assert all(period.last <= last for period in periods)
    following = label_of(every, periods[-1].last + timedelta(days=1)) if periods else label_of(every, first)
    assert following.last > last


@given(KINDS, DAYS, ZONES, st.integers(0, 40))
def test_a_period_is_due_when_its_last_day_and_the_delay_are_over_there(
    every: Every, first: date, zone: str, delay: int
) -> None:
    """A moment before, it is still the last day of the delay in the time zone; then it is later; and order is kept."""
    found = calendar(every, first, zone, delay)
    period = label_of(every, first)
    at = found.due_at(period)
    last = period.last + timedelta(days=delay)
    assert found.day(at) > last
    assert found.day(at - timedelta(hours=1, seconds=1)) <= last
    assert found.due_at(label_of(every, period.last + timedelta(days=1))) > at


def test_a_month_ends_by_the_clock_of_its_time_zone() -> None:
    """In October the clocks of New York are four hours behind, in December five; Kiritimati is fourteen ahead."""
    due = {
        (zone, label): calendar(Every.MONTH, date(2026, 1, 1), zone, 10).due_at(parse_period(label))
        for zone, label in [
            ("America/New_York", "2026-09"),
            ("America/New_York", "2026-11"),
            ("Pacific/Kiritimati", "2026-11"),
        ]
    }
    assert list(due.values()) == [
        datetime(2026, 10, 11, 4, tzinfo=UTC),
        datetime(2026, 12, 11, 5, tzinfo=UTC),
        datetime(2026, 12, 10, 10, tzinfo=UTC),
    ]


def test_a_midnight_that_does_not_exist_is_the_instant_of_the_change() -> None:
    """Beirut went from 23:59 to 01:00 on 27 March 2022; a period that ended the day before is due then."""
    at = calendar(Every.WEEK, date(2022, 3, 21), "Asia/Beirut", -1).due_at(label_of(Every.WEEK, date(2022, 3, 21)))
    assert at.astimezone(ZoneInfo("Asia/Beirut")).hour == 1


@pytest.mark.parametrize("label", ["2026-W00", "2025-W53", "2026-W5", "2026-w05", "2026-W054", "٢٠٢٦-W05"])
def test_weeks_that_no_year_has_are_refused(label: str) -> None:
    """2026 has 53 weeks and 2025 has 52."""
    with pytest.raises(DocumentError, match="not a period"):
        parse_period(label)
