"""From when on a source tells what happened: days before it are slips of the pen, and look back to nothing.

A wrong year in one row would otherwise make a source of six years look back for a century, and its patient an old case
for ever. Washout needs days on which a visit would have been seen, had there been one (Rassen et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from deid.cells.days import NO_DAY
from deid.tables.people import Numbers

_THIN = 0.1  # of a usual month's visits: below it, a month is not covered


@dataclass(slots=True)
class Coverage:
    """Visits by calendar month, 0 for January 1970; some months of memory."""

    months: dict[int, int] = field(default_factory=dict, repr=False)

    def see(self, days: Numbers) -> None:
        """Count the visits of a batch; NO_DAY is passed over."""
        dated = days[days != NO_DAY].astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        for month, visits in zip(*np.unique(dated, return_counts=True), strict=True):
            self.months[int(month)] = self.months.get(int(month), 0) + int(visits)

    def begin(self, first: date, last: date) -> date | None:
        """Return the first day of the unbroken run of covered months that holds the month of `first`, or None.

        A month is covered that has a tenth of the visits of the median month from `first` to `last`, and one at least.
        """
        start, end = (12 * (day.year - 1970) + day.month - 1 for day in (first, last))
        usual = float(np.median([self.months.get(month, 0) for month in range(start, end + 1)]))
        least = max(1.0, _THIN * usual)
        month = start
        while self.months.get(month, 0) >= least:
            month -= 1
        if month == start:
            return None
        years, index = divmod(month + 1, 12)
        return date(1970 + years, index + 1, 1)
