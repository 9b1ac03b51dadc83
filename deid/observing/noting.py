"""Observing in two halves: what a batch tells, wherever it is read, and what the run keeps of it.

Rows may be read by other processes than the one that decides. What they noted comes back sealed, in the order of the
source, and is taken as if the rows had been seen here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from deid.observing.rows import TypedRows
from deid.schema import Table


class Noting(ABC):
    """An observer whose `see` is `take` of what `note` returns."""

    __slots__ = ()

    @abstractmethod
    def columns(self, table: Table) -> Sequence[str]:
        """Return the columns it needs of `table`, none if it does not care."""

    @abstractmethod
    def note(self, rows: TypedRows) -> Any:
        """Return what is to be kept of a batch, None for nothing: arrays that can be pickled.

        Changes nothing, so that it may run in any process that has a copy of this object as it was before any `take`.
        """

    @abstractmethod
    def take(self, note: Any) -> None:
        """Keep what was noted of a batch; in the order of the source."""

    def see(self, rows: TypedRows) -> None:
        """Take note of the good rows of one batch."""
        note = self.note(rows)
        if note is not None:
            self.take(note)
