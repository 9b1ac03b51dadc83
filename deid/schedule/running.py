"""Makes what is due, each series by itself and oldest period first, and says what came of it.

A period is made by `deid.export`, which stages and renames; what is added here is when, how often, and the lock.
"""

from __future__ import annotations

import contextlib
import random
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from deid.audit.events import EventKind
from deid.audit.run import name_of
from deid.audit.site import record, site_log
from deid.documents.period import Period
from deid.documents.policy import load_policy
from deid.documents.request import load_request
from deid.documents.site import Site
from deid.errors import DeidError, KeyServiceError, ScheduleError
from deid.export import export
from deid.keys.base import KeyProvider
from deid.keys.officers import SigningKey
from deid.observing.reading import Progress
from deid.planning.compiler import compile_plan
from deid.planning.plan import Plan
from deid.schedule.due import (
    Checked,
    Due,
    Problem,
    State,
    check,
    ended_periods,
    left_of,
    require_forward,
)
from deid.schedule.record import Happened, What, append, holding, make_runs, newest, now_utc, read_record, runs_folder
from deid.schedule.standing import Standing
from deid.schedule.witnesses import lying
from deid.sources.description import load_dataset

ATTEMPTS = 4
T = TypeVar("T")
_FIRST_PAUSE = 2.0  # seconds; doubled from attempt to attempt


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens the site's keys, asked when the first period is really made."""

    provider: Callable[[], KeyProvider] = field(repr=False)
    signing: Callable[[], SigningKey | None] = field(repr=False, default=lambda: None)


@dataclass(slots=True)
class Runner:
    """Makes what is due at a site; `clock` and `sleep` are the machine's."""

    site: Site
    keys: Keys
    progress: Progress
    clock: Callable[[], datetime] = now_utc
    sleep: Callable[[float], None] = time.sleep
    workers: int = 1
    again: bool = False
    _opened: tuple[KeyProvider, SigningKey | None] | None = field(default=None, repr=False)
    _refused: DeidError | None = field(default=None, repr=False)

    def run(self, places: Sequence[Path], as_of: datetime | None = None) -> Checked:
        """Make what is due in these files and folders as of an instant, now without one.

        What fails is told as a problem, and stops its own series alone. Raises ScheduleError for a clock that was
        moved back and for an instant that has not come.
        """
        now = self.clock()
        as_of = as_of or now
        make_runs(self.site.state)
        found = check(self.site, places, as_of, now=now, again=self.again)
        require_forward(self.site, now)
        done: list[Due] = []
        problems = [*found.problems, *self._said()]
        for first in [each for each in found.due if each.state is not State.AFTER]:
            series = [each for each in found.due if each.standing is first.standing]
            made, faults = self._series(series, as_of)
            done += made
            problems += faults
        if done and self._opened is not None:
            problems += self._entered(done)
        return replace(found, due=tuple(done), problems=tuple(problems))

    def _said(self) -> list[Problem]:
        """Enter as published what a killed run renamed and did not come to say: its folder may be moved away later."""
        runs, problems = runs_folder(self.site.state), []
        for name, event in newest(runs).items():
            if event.what is not What.STARTED:
                continue
            try:
                with holding(runs, name) as is_ours:
                    if is_ours and event.period in lying(self.site.releases, name):
                        append(runs, name, Happened(self.clock(), event.period, What.PUBLISHED))
            except DeidError as fault:
                problems.append(Problem(name, event.period, fault))
        return problems

    def _series(self, series: list[Due], as_of: datetime) -> tuple[list[Due], list[Problem]]:
        first = series[0]
        name = first.standing.name
        if first.state is State.WAITING:
            return _waiting(series)
        try:
            with holding(runs_folder(self.site.state), name) as is_ours:
                if not is_ours:
                    return [replace(first, state=State.RUNNING), *series[1:]], []
                return self._held(series, as_of)
        except DeidError as fault:
            return [replace(first, state=State.FAILED), *series[1:]], [Problem(name, first.period.label, fault)]

    def _held(self, series: list[Due], as_of: datetime) -> tuple[list[Due], list[Problem]]:
        """Make the periods of a series whose lock is held, up to the first that fails."""
        standing = series[0].standing
        # Another process may have made some of them since they were found.
        left = {period.label for period in left_of(standing, self.site, as_of)}
        series = [each for each in series if each.period.label in left]
        if series and not self.again:
            until = read_record(runs_folder(self.site.state), standing.name).waits_until(series[0].period.label)
            if until is not None and until > self.clock():  # another process has just failed at it
                return _waiting([replace(series[0], state=State.WAITING, until=until), *series[1:]])
        for place, due in enumerate(series):
            fault = self._period(standing, due.period, as_of)
            stands = due.period.label in lying(self.site.releases, standing.name)
            series[place] = replace(due, state=State.PUBLISHED if stands else State.FAILED)
            if fault is not None:
                return series, [Problem(standing.name, due.period.label, fault)]
        return series, []

    def _period(self, standing: Standing, period: Period, as_of: datetime) -> DeidError | None:
        """Make one period; return what stopped it, or what went wrong after it was published."""
        runs, name, label = runs_folder(self.site.state), standing.name, period.label
        try:
            self._open()
        except DeidError as error:
            return error  # of no request in particular, so that none waits longer for it
        fault = self._attempt(standing, period, as_of)
        if fault is not None and label not in lying(self.site.releases, name):
            return self._failed(name, label, fault)
        try:
            append(runs, name, Happened(self.clock(), label, What.PUBLISHED))
        except DeidError as error:  # the release stands, and is its own record
            return fault or error
        return fault

    def _attempt(self, standing: Standing, period: Period, as_of: datetime) -> DeidError | None:
        provider, signing = self._open()
        try:
            append(runs_folder(self.site.state), standing.name, Happened(self.clock(), period.label, What.STARTED))
            self._repeated(lambda: self._export(standing, period, as_of, provider, signing))
        except DeidError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a defect in one series must not stop another
            return _defect(error)
        return None

    def _failed(self, name: str, label: str, fault: DeidError) -> DeidError:
        runs = runs_folder(self.site.state)
        # What stopped the run is what a person must read; without a record it is tried again sooner.
        with contextlib.suppress(DeidError):
            attempt = read_record(runs, name).attempts(label) + 1
            append(runs, name, Happened(self.clock(), label, What.FAILED, name_of(type(fault)), attempt))
        return fault

    def _open(self) -> tuple[KeyProvider, SigningKey | None]:
        if self._refused is not None:
            raise self._refused  # asked once a run: a service that is down is not waited for by every request
        if self._opened is None:
            try:
                self._opened = self._repeated(lambda: (self.keys.provider(), self.keys.signing()))
            except DeidError as error:
                self._refused = error
                raise
        return self._opened

    def _export(
        self, standing: Standing, period: Period, as_of: datetime, provider: KeyProvider, signing: SigningKey | None
    ) -> None:
        now = self.clock()
        plan = plan_of(standing, period, as_of, now)
        export(plan, self.site, provider, progress=self.progress, now=now, workers=self.workers, signing=signing)

    def _repeated(self, call: Callable[[], T]) -> T:
        """Call, and call again where a key service does not answer, after longer and longer pauses."""
        for attempt in range(ATTEMPTS - 1):
            try:
                return call()
            except KeyServiceError:
                # Drawn, so that many sites that lost one service do not come back at one moment.
                self.sleep(_FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1))  # noqa: S311
        return call()

    def _entered(self, done: Sequence[Due]) -> list[Problem]:
        provider, _ = self._open()
        made = {
            "due": len(done),
            "published": sum(each.state is State.PUBLISHED for each in done),
            "failed": sum(each.state is State.FAILED for each in done),
        }
        try:
            record(site_log(self.site, provider), EventKind.SCHEDULE_RUN, "schedule", **made)
        except DeidError as fault:
            return [Problem("", "", fault)]
        return []


def plan_of(standing: Standing, period: Period, as_of: datetime, now: datetime) -> Plan:
    """Read a standing request again and compile the plan of a period; raise DeidError.

    Expiry is held against the real instant, whatever `as_of` is. ScheduleError where the request says another
    calendar than the one by which the period was found due.
    """
    request = load_request(standing.path)
    calendar = request.calendar
    is_due = calendar is not None and period in ended_periods(calendar, request.expires, as_of)
    if calendar is None or request.name != standing.name or not is_due:
        raise ScheduleError(
            f"request {standing.name} changed since it was found due for {period.label}",
            hint="run again; if this comes back, remove state/runs/known.json",
        )
    return compile_plan(
        request,
        load_policy(request.policy),
        load_dataset(request.dataset),
        period=period,
        release=period.label,
        today=calendar.day(now),
    )


def _waiting(series: list[Due]) -> tuple[list[Due], list[Problem]]:
    """Return a series whose first period failed lately as it is, and that it did."""
    name, label, until = series[0].standing.name, series[0].period.label, series[0].until
    fault = ScheduleError(
        f"{name}/{label} failed, and is tried again after {until:%Y-%m-%d %H:%M} UTC",
        hint="mend what stopped it, and run with --again",
    )
    return series, [Problem(name, label, fault)]


def _defect(error: Exception) -> DeidError:
    """Return what may be told of a defect: where it is, and never its text, which might quote a cell."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
    return ScheduleError(
        f"internal fault: {type(error).__name__} at {where}",
        hint="report this line, which holds no data, as a defect of deid",
    )
