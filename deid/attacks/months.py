"""Two months of one series: what joins them under one pseudonym, and who is new in the later one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pyarrow.compute as pc

from deid.attacks.base import Belief, Candidates
from deid.attacks.bits import Bits, Int64
from deid.attacks.knowledge import Knowledge, People
from deid.attacks.parts import parts
from deid.attacks.people import fitting
from deid.attacks.released import Released
from deid.attacks.rules import last_day
from deid.cells.days import NO_DAY


class Months:
    """Joins an earlier release by pseudonym, and looks at newcomers apart (Byun 2007, Fung 2008)."""

    name: ClassVar[str] = "months"
    asks: ClassVar[str] = "intersects an earlier release with this one, and takes the earlier patients away"

    def attack(self, release: Released, known: Knowledge) -> Iterator[Belief]:
        """Yield who fits in both months, and among the newcomers alone."""
        if known.earlier is None:
            return
        earlier = Released(known.earlier)
        place = pc.fill_null(pc.index_in(release.patients, value_set=earlier.patients), -1)
        before = place.to_numpy(zero_copy_only=False).astype(np.int64)
        was_there = np.packbits(before >= 0)
        ended = last_day(earlier.manifest)
        for targets, people in parts(known.close, max(len(release), len(earlier))):
            at = targets
            now = fitting(release, people)
            is_new = (people.first_day > ended) & (people.first_day != NO_DAY)
            arrived = now & np.where(is_new[:, None], ~was_there, was_there)
            yield Candidates("arrival: new or not since the earlier month", at, arrived)
            old = ~is_new
            both = _carried(_people_of(earlier, people), before, len(release)) & now & was_there
            yield Candidates("intersection: fits in both months", at[old], both[old])


def _people_of(earlier: Released, people: People) -> tuple[Bits, int]:
    # What was the one value of somebody's visits then is not known to who knows them all.
    columns = {place: values for place, values in people.columns.items() if place not in people.reduced}
    return fitting(earlier, replace(people, columns=columns)), len(earlier)


def _carried(found: tuple[Bits, int], before: Int64, size: int) -> Bits:
    """Return sets over the earlier release's patients as sets over this one's; newcomers are in none."""
    bits, patients = found
    table = np.unpackbits(bits, axis=1, count=patients)
    wide = np.concatenate([table, np.zeros((len(table), 1), np.uint8)], axis=1)
    return np.packbits(wide[:, np.where(before >= 0, before, patients)][:, :size], axis=1)
