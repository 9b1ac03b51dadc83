"""New patients: the first visit with a code behind a clean window, in which one would have been seen.

A patient is new once, at the first visit that `washout` days without such a visit come before, all of them told by the
source: the fixed look-back of Rassen et al. (2019). So a wrong early date makes nobody an old case for longer than the
window, and every year is looked back from equally far.
"""

from __future__ import annotations

import numpy as np

from deid.cells.days import NO_DAY
from deid.tables.people import Numbers
from deid.tables.system import Flags


def plausible(who: Numbers, when: Numbers, birth_day: Numbers, begin: int | None) -> Flags:
    """Return which visits count as look-back: not before the patient's birth, nor before the source begins, (n,).

    `who`, `when`: patient and day of each visit; `birth_day` by patient, NO_DAY where it is unknown.
    """
    born = birth_day[who]
    sound = (born == NO_DAY) | (when >= born)
    return np.asarray(sound if begin is None else sound & (when >= begin), bool)


def new_cases(who: Numbers, when: Numbers, begin: int | None, washout: int) -> Flags:
    """Return which visits make their patient a new case, one at most for each, (n,).

    Visits are plausible ones with the code, sorted by patient and day. Where `washout` is 0, it is the first of all.
    """
    first = np.ones(len(who), bool)
    first[1:] = who[1:] != who[:-1]
    before = np.full(len(when), np.iinfo(np.int64).min // 2, np.int64)
    before[1:] = np.where(first[1:], before[1:], when[:-1])
    clean = first if washout == 0 else when.astype(np.int64) - before > washout
    if begin is not None:
        clean = clean & (when.astype(np.int64) - begin >= washout)
    at = np.flatnonzero(clean)
    _, earliest = np.unique(who[at], return_index=True)
    found = np.zeros(len(who), bool)
    found[at[earliest]] = True
    return found
