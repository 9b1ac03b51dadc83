"""How a table is read while it is observed: in this process, or wherever an engine has its rows read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from deid.observing.decision import Decision
from deid.observing.observers import Observer
from deid.observing.rows import Rows, TypedRows
from deid.schema import Table

Progress = Callable[[str, int], None]


class BadRows(Protocol):
    """What becomes of bad rows; see deid.release.quarantine."""

    refuses: bool

    def take(self, rows: TypedRows) -> None:
        """Set the bad rows of a batch aside, unless they are refused."""
        ...

    def merge(self, table: Table, state: Any) -> None:
        """Set aside what was kept of bad rows of a part of a table."""
        ...

    def finish_table(self, table: str, reasons: Counter[str]) -> None:
        """Raise SourceError where bad rows are refused and there were some."""
        ...


@dataclass(frozen=True, slots=True)
class Watched:
    """A table that is observed, the columns that are read of it, and who observes it.

    `is_planned`: whether it is written later, so that its bad rows are told then.
    """

    table: Table
    columns: tuple[str, ...]
    observers: tuple[Observer, ...]
    is_planned: bool


class Reading:
    """Reads tables for observers, one after the other, in this process."""

    def __init__(self, rows: Rows, bad_rows: BadRows, progress: Progress) -> None:
        self.rows, self.bad_rows = rows, bad_rows
        self._progress = progress

    def show(self, decision: Decision, tables: Sequence[Watched]) -> None:
        """Show tables to their observers; raise SourceError. `decision`: as far as it is known to them."""
        del decision  # what observers here need of it they hold
        for watched in tables:
            self._show(watched)

    def _show(self, watched: Watched) -> None:
        name = watched.table.name
        self._progress(f"observing {name}", 0)
        for batch in self.rows.read(watched.table, watched.columns):
            for observer in watched.observers:
                observer.see(batch)
            if not watched.is_planned:
                self.bad_rows.take(batch)
            self._progress(f"observing {name}", len(batch))
        self._finish(watched, self.rows.reasons[name])

    def _finish(self, watched: Watched, reasons: Counter[str]) -> None:
        if not watched.is_planned or self.bad_rows.refuses:
            # Refused here and not later: what is only observed is not read again, and nothing is decided on bad rows.
            self.bad_rows.finish_table(watched.table.name, reasons)
