"""Gathers what the codes of each visit tell, from every table whose rows name it, before the first row is written.

Bits only, one unsigned integer a family and visit, sealed and spilled like all that grows with encounters; no code of a
patient is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.days import NO_DAY
from deid.documents.cohort import Predicate
from deid.observing.decision import VisitBits, matched
from deid.observing.noting import Noting
from deid.observing.rows import TypedRows
from deid.observing.selection import carriers
from deid.planning.plan import Plan
from deid.schema import Column, Table
from deid.visits import evidence


@dataclass(slots=True)
class CodedColumns:
    """Which columns of which tables tell of the visits that a plan derives measures of."""

    plan: Plan
    within: Predicate | None = None
    _witnesses: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Note which tables tell of visits."""
        self._witnesses = frozenset(t.name for t in evidence.witnesses(self.plan.dataset, self.plan.families))

    def columns(self, table: Table) -> list[str]:
        """The number of the visit, the codes, and the days by which rows count; none of a table that tells nothing."""
        key = self.key(table)
        if key is None:
            return []
        return [key.name, *evidence.columns(table, self.plan.families), *(day.name for day in self.days(table))]

    def key(self, table: Table) -> Column | None:
        """The number of the visit, None in a table that tells nothing."""
        return evidence.visit_key(self.plan.dataset, table) if table.name in self._witnesses else None

    def days(self, table: Table) -> tuple[Column, ...]:
        """The columns by which rows are in `within` or not."""
        return carriers(table, self.within) if self.within is not None else ()


@dataclass(slots=True)
class CodedVisits(Noting):
    """Notes the bits of rows under (patient, number of the visit).

    `told.within` bounds the days of rows that count, or is None: a flag must not tell what a row of a year that is not
    over would tell, though its visit, begun before, may leave. Nothing else chooses rows here: a visit's flags are
    those of its own rows, whether or not the table they stand in is asked for and whichever rows of it a cohort
    delivers.
    """

    told: CodedColumns
    families: tuple[str, ...]
    into: VisitBits

    def columns(self, table: Table) -> Sequence[str]:
        """The number of the visit, the codes, and the days by which rows count."""
        return self.told.columns(table)

    def note(self, rows: TypedRows) -> tuple[npt.NDArray[np.uint64], pa.RecordBatch] | None:
        """Return tags and bits of the visits of rows that count, those of neighbors of one visit already joined."""
        key = self.told.key(rows.table)
        if key is None:
            return None
        ids = rows.values[key.name]
        # Without a number a row belongs to no visit but its own, whose codes are read again when it is written.
        counts = (rows.patient >= 0) & ids.is_valid().to_numpy(zero_copy_only=False) & self._within(rows)
        bits = evidence.bits_of(rows.table, rows.values, self.families, len(rows))
        counts &= np.logical_or.reduce([some != 0 for some in bits.values()])
        chosen = np.flatnonzero(counts)
        if not len(chosen):
            return None
        tags = self.into.tagger.visit_tags(ids.take(pa.array(chosen)), rows.patient[chosen])
        starts = np.flatnonzero(np.append(True, tags[1:] != tags[:-1]))
        joined = [pa.array(np.bitwise_or.reduceat(some[chosen], starts)) for some in bits.values()]
        return tags[starts], pa.record_batch(joined, names=list(bits))

    def take(self, note: tuple[npt.NDArray[np.uint64], pa.RecordBatch]) -> None:
        """Keep the bits of visits."""
        self.into.bits.add(*note)

    def _within(self, rows: TypedRows) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return which rows lie within by their own day; one without a day goes with its visit."""
        days, within = self.told.days(rows.table), self.told.within
        if within is None or not days:
            return np.ones(len(rows), np.bool_)
        undated = np.logical_and.reduce(
            [rows.values[day.name].is_null().to_numpy(zero_copy_only=False) for day in days]
        )
        return np.asarray(undated | matched(within, rows.table, rows.values, np.full(len(rows), NO_DAY, np.int32)))
