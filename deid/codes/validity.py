"""When the codes of a table are valid: verdicts on whole columns, by the day of service of each row."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.days import NO_DAY
from deid.codes.base import Days, Status, Verdicts
from deid.codes.formed import entries_of, flags
from deid.codes.tables import NOWHERE, CodeTable, Places

DayNumbers = npt.NDArray[np.int32]
_LATEST = np.iinfo(np.int32).max
_EARLIEST = np.iinfo(np.int32).min + 1  # the lowest number of all is NO_DAY


@dataclass(frozen=True, slots=True, eq=False)
class Validity:
    """First and last days of each row of a table, int32 days since 1970 of shape (m,).

    A code may be billable for a time (`first`, `last`), with at most one interruption (`gap_first`, `gap_last`), and a
    heading over finer codes at another (`heading_first`, `heading_last`). A span that does not exist ends before it
    begins.
    """

    first: DayNumbers = field(repr=False)
    last: DayNumbers = field(repr=False)
    gap_first: DayNumbers | None = field(repr=False)
    gap_last: DayNumbers | None = field(repr=False)
    heading_first: DayNumbers = field(repr=False)
    heading_last: DayNumbers = field(repr=False)

    def ever(self) -> Verdicts:
        """Return for each row of the table VALID where it was ever billable, else NOT_BILLABLE."""
        return np.where(self.first <= self.last, np.uint8(Status.VALID), np.uint8(Status.NOT_BILLABLE))

    def on(self, places: Places, days: DayNumbers) -> Verdicts:
        """Return the verdict on each place of the table on its own day, both of shape (n,)."""
        first, last = self.first[places], self.last[places]
        above, below = self.heading_first[places], self.heading_last[places]
        verdicts = np.full(len(places), Status.RETIRED, np.uint8)
        verdicts[days < np.minimum(first, above)] = Status.NOT_YET
        verdicts[(above <= days) & (days <= below)] = Status.NOT_BILLABLE
        billable = (first <= days) & (days <= last)
        if self.gap_first is not None and self.gap_last is not None:
            billable &= (days < self.gap_first[places]) | (days > self.gap_last[places])
        verdicts[billable] = Status.VALID
        return verdicts


@functools.cache
def validity_of(table: CodeTable) -> Validity:
    """Return the days of a table with the columns `first`, `last` and, where it has them, gaps and headings."""
    gapped = "gap_first" in table.rows.column_names
    return Validity(
        _days(table, "first", _LATEST),
        _days(table, "last", _EARLIEST),
        _days(table, "gap_first", _LATEST) if gapped else None,
        _days(table, "gap_last", _EARLIEST) if gapped else None,
        _days(table, "heading_first", _LATEST),
        _days(table, "heading_last", _EARLIEST),
    )


def judge(table: CodeTable, values: pa.Array, normal: pa.Array, places: Places, on: Days | None) -> Verdicts:
    """Return a Status for each of `values`, uint8 of shape (n,).

    `normal`, `places`: the normal form of each of its distinct values, null where malformed, and its row in the table.
    `on` as in CodeSystem.validate.
    """
    entries, rows = entries_of(values)
    known = places != NOWHERE
    days = validity_of(table)
    verdicts = np.full(len(entries) + 1, Status.ABSENT, np.uint8)  # one more: the place of null rows
    verdicts[:-1][flags(pc.is_valid(entries))] = Status.MALFORMED
    verdicts[:-1][flags(pc.is_valid(normal))] = Status.UNKNOWN
    verdicts[:-1][known] = days.ever()[places[known]]
    found = verdicts[rows]
    if on is None:
        return found
    dated = np.flatnonzero(np.append(known, False)[rows] & (on != NO_DAY))
    low, high = table.facts.first, table.facts.last
    asked = np.clip(on[dated], _EARLIEST if low is None else low, _LATEST if high is None else high)
    found[dated] = days.on(places[rows[dated]], asked)
    return found


def _days(table: CodeTable, column: str, absent: int) -> DayNumbers:
    if column not in table.rows.column_names:
        return np.full(len(table.rows), absent, np.int32)
    numbers = table.rows.column(column).chunk(0).cast(pa.int32())
    filled: DayNumbers = pc.fill_null(numbers, pa.scalar(absent, pa.int32())).to_numpy(zero_copy_only=False)
    return filled
