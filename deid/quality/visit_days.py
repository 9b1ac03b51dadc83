"""The first day of each visit, for the codes of tables that have no day of their own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.days import NO_DAY
from deid.observing.rows import TypedRows
from deid.observing.selection import days_of
from deid.patients.positions import Tagger
from deid.schema import Column, Table
from deid.sealing.sealed import SealedMap
from deid.visits.columns import encounter_key, start_of_visit


class VisitDays:
    """From the number of a visit and its patient to its first day, sealed where it spills."""

    def __init__(self, encounters: Table, population: str, days: SealedMap) -> None:
        self._key = next(iter(encounter_key(encounters)), None)
        self._day = start_of_visit(encounters)
        self._table, self._population = encounters.name, population
        self._is_frozen = False
        self._tagger = Tagger.fresh()
        self._days = days

    def columns(self, table: Table) -> tuple[str, ...]:
        """Return what is read of the encounters for the days, or of a table that lacks them for its keys."""
        if table.name == self._table:
            return tuple(column.name for column in (self._key, self._day) if column is not None)
        key = self._key_in(table)
        return (key.name,) if key is not None else ()

    def see(self, rows: TypedRows) -> None:
        """Remember the visits of a batch of the encounters."""
        if self._key is None or self._day is None or rows.table.name != self._table:
            return
        good = np.flatnonzero((rows.patient >= 0) & ~rows.bad)
        days = days_of(rows.values[self._day.name])[good]
        tags = self._tagger.visit_tags(rows.values[self._key.name].take(pa.array(good)), rows.patient[good])
        self._days.add(tags, pa.record_batch([pa.array(days)], names=["day"]))

    def freeze(self) -> None:
        """End remembering."""
        self._days.freeze()
        self._is_frozen = True

    def of(self, rows: TypedRows) -> npt.NDArray[np.int32] | None:
        """Return the first day of each row's visit, NO_DAY where unknown; None for a table that has days or no key."""
        key = self._key_in(rows.table)
        if key is None or not self._is_frozen:  # encounters themselves may be linked through this table
            return None
        _, found = self._days.find(self._tagger.visit_tags(rows.values[key.name], rows.patient))
        days = found.column(0).fill_null(NO_DAY).to_numpy(zero_copy_only=False)
        return np.asarray(np.where(rows.values[key.name].is_valid(), days, NO_DAY), np.int32)

    def _key_in(self, table: Table) -> Column | None:
        """Return the key by which a table without days names visits; of another kind it would name something else."""
        if self._key is None or self._day is None or table.name == self._table or start_of_visit(table) is not None:
            return None
        if table.name == self._population:  # a person is no part of one visit
            return None
        return next(iter(encounter_key(table, self._key.kind.name)), None)
