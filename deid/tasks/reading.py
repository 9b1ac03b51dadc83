"""Observing by tasks: rows are read and noted where tasks run, and what they noted is taken by the driver, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path

from deid.choices.screen import Screen
from deid.observing.decision import Decision
from deid.observing.noting import Noting
from deid.observing.reading import BadRows, Progress, Reading, Watched
from deid.observing.rows import Rows
from deid.planning.plan import Plan
from deid.tasks.dispatch import Dispatch
from deid.tasks.job import Answer, NotingJob, Part

Parts = Callable[[str], Iterator[Part]]


class TaskReading(Reading):
    """Reads by tasks what can be cut and is noted in two halves; the rest in this process.

    The population is read by the driver: its patients are numbered in the order in which the source names them.
    """

    def __init__(
        self,
        plan: Plan,
        rows: Rows,
        bad_rows: BadRows,
        progress: Progress,
        *,
        screen: Screen | None,
        parts: Parts,
        dispatching: Callable[[], AbstractContextManager[Dispatch]],
        copied: Callable[[Decision, Path], Mapping[int, object]],
    ) -> None:
        super().__init__(rows, bad_rows, progress)
        self._plan, self._screen, self._parts = plan, screen, parts
        self._dispatching, self._copied = dispatching, copied

    def show(self, decision: Decision, tables: Sequence[Watched]) -> None:
        """See Reading; tables that need nothing of one another share the tasks of one turn."""
        parts = {watched.table.name: tuple(self._cut(watched)) for watched in tables}
        if not any(parts.values()):
            super().show(decision, tables)
            return
        every = tuple(part for own in parts.values() for part in own)
        with self._dispatching() as dispatch:
            job = self._job(decision, [watched for watched in tables if parts[watched.table.name]], every, dispatch)
            shipped = dispatch.ship(job, "noting", self._copied(decision, dispatch.tasks))
            answers = dispatch.answers(shipped, range(len(every)))
            for watched in tables:
                own = parts[watched.table.name]
                if own:
                    self._take(watched, islice(answers, len(own)))
                else:
                    self._show(watched)

    def _cut(self, watched: Watched) -> Iterator[Part]:
        is_population = watched.table.name == self._plan.dataset.population
        if not is_population and all(isinstance(observer, Noting) for observer in watched.observers):
            yield from self._parts(watched.table.name)

    def _job(
        self, decision: Decision, tables: Sequence[Watched], parts: tuple[Part, ...], dispatch: Dispatch
    ) -> NotingJob:
        return NotingJob(
            plan=self._plan,
            decision=decision,
            links=dict(self.rows.links),
            also=dict(self.rows.also),
            screen=self._screen,
            watched={watched.table.name: watched for watched in tables},
            refuses=self.bad_rows.refuses,
            tasks=str(dispatch.tasks),
            parts=parts,
        )

    def _take(self, watched: Watched, answers: Iterator[Answer]) -> None:
        name = watched.table.name
        reasons: Counter[str] = Counter()
        self._progress(f"observing {name}", 0)
        if self._screen is not None:
            self._screen.begin(watched.table)
        for answer in answers:
            reasons += answer.reasons
            if self._screen is not None:
                self._screen.rows[name] += answer.left_out
            for notes in answer.notes:
                for observer, note in zip(watched.observers, notes, strict=True):
                    if note is not None and isinstance(observer, Noting):
                        observer.take(note)
            if not watched.is_planned:
                self.bad_rows.merge(watched.table, answer.bad_rows)
            self._progress(f"observing {name}", answer.rows)
        self._finish(watched, reasons)
