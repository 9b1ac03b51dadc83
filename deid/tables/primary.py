"""Which cells are small: CMS cell suppression policy, no cell of 1 to 10 is shown, 0 is."""

from __future__ import annotations

import numpy as np

from deid.tables.system import Counts, Flags, System


def small(counts: Counts, patients: Counts, smallest: int) -> Flags:
    """Return which cells are primary: not empty, and with fewer than `smallest` patients behind them.

    Eleven visits of two patients are a small cell: the patient is whom a cell tells of.
    """
    return np.asarray((counts > 0) & (patients < smallest), bool)


def telling_totals(system: System, hidden: Flags) -> int:
    """Return how many shown totals lie wholly in one shown part: whoever is in the total is in that part.

    Group disclosure, which no cell size prevents: a note for the officer, since zeros are shown.
    """
    found = 0
    matrix = system.matrix
    for row in np.flatnonzero(system.is_sum):
        at = slice(matrix.indptr[row], matrix.indptr[row + 1])
        cells, signs = matrix.indices[at], matrix.data[at]
        parts, total = cells[signs > 0], cells[signs < 0]
        if len(total) == 1 and len(parts) > 1 and system.counts[total[0]] > 0 and not hidden[cells].any():
            found += int((system.counts[parts] > 0).sum() == 1)
    return found
