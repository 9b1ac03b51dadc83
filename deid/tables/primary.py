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

    The population of whom all have the diagnosis is such a total as well. Group disclosure, which no cell size
    prevents: a note for the officer, since zeros are shown.
    """
    found = 0
    matrix = system.matrix
    for row, is_sum in enumerate(system.is_sum.tolist()):
        at = slice(matrix.indptr[row], matrix.indptr[row + 1])
        cells, signs = matrix.indices[at], matrix.data[at]
        parts, total = cells[signs > 0], cells[signs < 0]
        if len(total) != 1 or system.counts[total[0]] == 0 or hidden[cells].any():
            continue
        if is_sum:
            found += len(parts) > 1 and int((system.counts[parts] > 0).sum() == 1)
        else:
            found += len(parts) == 1 and bool(system.counts[parts[0]] == system.counts[total[0]])
    return found
