"""What is due: each standing request's periods that have ended and were not run, in the order in which they are made.

No key, no policy and no row is read. `Checked.due` is what `deid due` shows and `deid.schedule.running` makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from deid.documents.period import Period
from deid.documents.site import Site
from deid.errors import DeidError, ScheduleError
from deid.schedule.calendar import Calendar, Late
from deid.schedule.record import Record, is_running, newest, read_record, runs_folder
from deid.schedule.standing import Standing, standing_requests
from deid.schedule.witnesses import logged, lying

SKEW = timedelta(minutes=10)


class State(StrEnum):
    """What becomes of a period that is due."""

    DUE = "due"
    WAITING = "waiting"
    AFTER = "after"
    RUNNING = "running"
    PUBLISHED = "published"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Due:
    """A period of a request that is due since an instant; `until`: when one that waits is tried again."""

    standing: Standing
    period: Period
    since: datetime
    state: State
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person has to look at; `period` is empty where it is about a whole request."""

    request: str
    period: str
    fault: DeidError


@dataclass(frozen=True, slots=True)
class Checked:
    """The answer of a due check: how many standing requests there are, what is due, and what stands in the way."""

    as_of: datetime
    standing: int
    due: tuple[Due, ...]
    problems: tuple[Problem, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class _Open:
    """A request some of whose periods do not lie there as releases."""

    request: Standing
    record: Record
    missing: list[Period]

    @property
    def subjects(self) -> list[str]:
        """The missing releases, as the audit log names them."""
        return [f"{self.request.name}/{period.label}" for period in self.missing]

    def left(self, known: frozenset[str]) -> list[Period]:
        """Return the periods that no witness has; `known`: subjects that the audit log has."""
        logged_ = {p.label for p, name in zip(self.missing, self.subjects, strict=True) if name in known}
        return _missing(self.missing, frozenset(logged_ | self.record.published), self.request.calendar)

    def unknown(self, known: frozenset[str]) -> list[Problem]:
        """Return what the record says was published, and neither folder nor log knows."""
        return [
            Problem(
                self.request.name,
                period.label,
                ScheduleError(
                    f"the record says that {name} was published, and neither the releases nor the audit log know it",
                    hint="it is taken for published. Somebody wrote the record, or folder and log were lost",
                ),
            )
            for period, name in zip(self.missing, self.subjects, strict=True)
            if period.label in self.record.published and name not in known
        ]


def check(site: Site, places: Sequence[Path], as_of: datetime, *, now: datetime, again: bool = False) -> Checked:
    """Return what is due as of an instant in these files and folders.

    `again`: a period that failed lately does not wait. Raises ScheduleError for an instant that has not come.
    """
    require_come(as_of, now)
    runs = runs_folder(site.state)
    standing, unread = standing_requests(places, runs)
    problems = [Problem(each.name, "", each.fault) for each in unread]
    open_: list[_Open] = []
    for request in standing:
        ended = ended_periods(request.calendar, request.expires, as_of)
        try:
            missing = _missing(ended, lying(site.releases, request.name), request.calendar)
            if missing:
                open_.append(_Open(request, read_record(runs, request.name), missing))
        except DeidError as fault:
            problems.append(Problem(request.name, "", fault))
    known = logged(site, [name for each in open_ for name in each.subjects]) if open_ else frozenset()
    due: list[Due] = []
    for each in open_:
        problems += each.unknown(known)
        left = each.left(known)
        if each.request.calendar.day(as_of) > each.request.expires:
            problems += _expired(each.request, left)
        else:
            due += _states(each.request, each.record, left, runs, now=now, again=again)
    return Checked(as_of, len(standing), tuple(due), tuple(problems))


def left_of(request: Standing, site: Site, as_of: datetime) -> list[Period]:
    """Return the periods of one request that are due and not run, oldest first; asked again under its lock."""
    ended = ended_periods(request.calendar, request.expires, as_of)
    missing = _missing(ended, lying(site.releases, request.name), request.calendar)
    each = _Open(request, read_record(runs_folder(site.state), request.name), missing)
    return each.left(logged(site, each.subjects)) if missing else []


def require_come(as_of: datetime, now: datetime) -> None:
    """Raise ScheduleError for an instant in the future: no period is released before it is over."""
    if as_of > now:
        raise ScheduleError("that instant has not come", hint="--as-of may lie in the past, never in the future")


def require_forward(site: Site, now: datetime) -> None:
    """Raise ScheduleError where the clock lies before the last recorded run: it was moved back."""
    last = max((event.at for event in newest(runs_folder(site.state)).values()), default=None)
    if last is not None and now < last - SKEW:
        raise ScheduleError(
            f"the last run was at {last:%Y-%m-%d %H:%M} UTC, and the clock says {now:%Y-%m-%d %H:%M}: it "
            "was moved back, and expiries would not hold",
            hint="set the clock; if the earlier one was wrong, move state/runs aside: releases tell what was run",
        )


def ended_periods(calendar: Calendar, expires: date, as_of: datetime) -> list[Period]:
    """Return the periods of a request that have become due by an instant, and before it expired, oldest first."""
    due_at = calendar.due_at
    return [
        period
        for period in calendar.periods(min(calendar.day(as_of), expires))
        if due_at(period) <= as_of and calendar.day(due_at(period)) <= expires
    ]


def _missing(periods: Sequence[Period], done: frozenset[str], calendar: Calendar) -> list[Period]:
    """Return the periods that were not run; of a cumulative series those after the newest that was."""
    if calendar.late is Late.LEFT_OUT:
        return [period for period in periods if period.label not in done]
    newest = max((place for place, period in enumerate(periods) if period.label in done), default=-1)
    return list(periods[newest + 1 :])


def _expired(request: Standing, left: Sequence[Period]) -> list[Problem]:
    """Return what is told of a request that expired before all its periods were made: nobody would miss them."""
    if not left:
        return []
    fault = ScheduleError(
        f"request {request.name} expired on {request.expires}, and {len(left)} of its periods were not made",
        hint="have it renewed with a new expiry; or end it with `until`, or remove its file",
    )
    return [Problem(request.name, left[0].label, fault)]


def _states(
    request: Standing, record: Record, left: Sequence[Period], runs: Path, *, now: datetime, again: bool
) -> list[Due]:
    """Return what is due of one request: one period at a time, since each is judged against those before it."""
    if not left:
        return []
    first, *others = left
    until = None if again else record.waits_until(first.label)
    state = State.WAITING if until is not None and until > now else State.DUE
    if state is State.DUE and is_running(runs, request.name):
        state = State.RUNNING
    since = request.calendar.due_at
    head = Due(request, first, since(first), state, until if state is State.WAITING else None)
    return [head, *(Due(request, period, since(period), State.AFTER) for period in others)]
