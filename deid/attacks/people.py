"""Who fits what is known of a person: demographics, days of visits and codes, each a set of released patients."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks import intervals
from deid.attacks.bits import ANY, NONE, Bits, Int64, everybody
from deid.attacks.knowledge import KnownCodes, People
from deid.attacks.released import Released
from deid.attacks.rules import rule_of
from deid.cells.days import NO_DAY
from deid.transforms.shift_date import ShiftDate

VOTER = frozenset({"birth_date", "zip_code", "sex", "race", "city", "county", "state"})


def fitting(release: Released, people: People) -> Bits:
    """Return who shares the released demographics of each person; what is empty is known to be, as a day of death."""
    found = everybody(len(people), len(release))
    for place, known in people.columns.items():
        # Nothing is known of who has no visit: the release may show no row of the patient, or one of another kind.
        bits = release.who_fits(place, known, people.birth_day, null_is_a_value=place not in people.reduced)
        if bits is not None:
            found &= bits
    return found


def seen_on(release: Released, people: People, days: int) -> list[Bits] | None:
    """Return, for m = 1 to `days`, who came on the first m known days, as far as the release tells; None if it is not.

    Several known visits that became one unit of time need as many rows in that unit.
    """
    place = people.day_place
    entry = release.entry(place) if place is not None else None
    if place is None or entry is None:
        return None
    rule = rule_of(entry)
    if isinstance(rule, ShiftDate):
        return [intervals.seen_on(release, place, people.days[:, :m], rule) for m in range(1, days + 1)]
    found = []
    before: list[Int64] = []
    so_far = everybody(len(people), len(release))
    for m in range(days):
        column = people.days[:, m]
        known = pc.cast(pa.array(column, pa.int32(), mask=column == NO_DAY), pa.date32())
        wanted = release.wanted(place, known, people.birth_day, null_is_a_value=False)
        if wanted is None:
            return None
        times = 1 + np.sum([earlier == wanted for earlier in before], axis=0, dtype=np.int64)
        so_far = so_far & release.values(*place).postings.bits(wanted, np.broadcast_to(times, wanted.shape))
        before.append(wanted)
        found.append(so_far)
    return found


def has_code(release: Released, codes: KnownCodes, m: int) -> Bits | None:
    """Return who has the m-th known code of each target (from 0), in any column of its kind; None if none is shown.

    Columns side by side are one: what a code became stands in any of them.
    """
    targets = len(codes.kind)
    width = codes.kind.shape[1]
    mine = codes.code.take(pa.array(np.arange(targets) * width + m))
    found: Bits | None = None
    for at, kind in enumerate(codes.kinds):
        own = codes.kind[:, m] == at
        for places in release.side_by_side(kind):
            wanted = np.full(targets, NONE, np.int64)
            asked, held = mine.filter(pa.array(own)), release.pooled(places)
            told = release.became(places[0], asked, np.full(len(asked), NO_DAY, np.int32), held.distinct)
            if told is None:
                continue
            wanted[own] = held.find(told, empty=ANY)
            bits = held.postings.bits(wanted)
            found = bits if found is None else found | bits
    if found is not None:
        found[codes.kind[:, m] < 0] = everybody(1, len(release))[0]
    return found
