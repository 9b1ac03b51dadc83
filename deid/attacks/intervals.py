"""Known days against shifted ones: the distances between a patient's days survive any constant offset."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks.bits import Bits, Flags, Int32, Int64, expand, scattered_bits
from deid.attacks.knowledge import Place
from deid.attacks.released import Released
from deid.cells.days import NO_DAY
from deid.transforms.shift_date import ShiftDate

_SPAN = 1 << 20  # more days than there are from FIRST_DAY to LAST_DAY, so that patient and day make one number
_ZERO = 1 << 18  # added to days, which may lie before 1970
_AT_ONCE = 8 * 2**20


def shifted_days(release: Released, place: Place) -> tuple[Int64, Int64]:
    """Return the distinct (patient, day) of a column of shifted days, sorted by patient, then day."""
    cells = release.cells(*place)
    who = release.who(place[0])
    shown = cells.is_valid().to_numpy(zero_copy_only=False)
    day = pc.fill_null(pc.cast(cells.cast(pa.date32()), pa.int32()), 0).to_numpy(zero_copy_only=False)
    if who is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows = shown & (who >= 0)
    keys = np.unique(who[rows] * _SPAN + day[rows].astype(np.int64) + _ZERO)
    return keys // _SPAN, keys % _SPAN - _ZERO


def is_possible(offset: Int64, rule: ShiftDate) -> Flags:
    """Return which offsets the published rule allows."""
    return np.asarray((np.abs(offset) <= rule.max_days) & (offset % rule.multiple_of == 0), bool)


def seen_on(release: Released, place: Place, days: Int32, rule: ShiftDate) -> Bits:
    """Return who has, under one allowed offset, all known days of each target; `days` int32 (targets, m).

    For every target each shown day may be the first known one; the others must then stand at their distances. Days
    outside the window are not shown, so a record that lacks one is passed over although it may be the target's.
    """
    patient, day = shifted_days(release, place)
    keys = patient * _SPAN + day + _ZERO
    by_day = np.argsort(day, kind="stable")
    sorted_day = day[by_day]
    targets: list[Int64] = []
    patients: list[Int64] = []
    first = days[:, 0].astype(np.int64)
    known = first != NO_DAY
    low = np.searchsorted(sorted_day, first - rule.max_days)
    lengths = np.where(known, np.searchsorted(sorted_day, first + rule.max_days, side="right") - low, 0)
    step = max(1, _AT_ONCE // max(1, int(lengths.max(initial=1))))
    for start in range(0, len(days), step):
        part = slice(start, start + step)
        at = by_day[expand(low[part], lengths[part])]
        target = np.repeat(np.arange(len(days))[part], lengths[part])
        offset = day[at] - first[target]
        fits = is_possible(offset, rule)
        target, at, offset = target[fits], at[fits], offset[fits]
        for m in range(1, days.shape[1]):
            asked = days[target, m].astype(np.int64)
            wanted = patient[at] * _SPAN + asked + offset + _ZERO
            place_of = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
            there = (keys[place_of] == wanted) | (asked == NO_DAY)
            target, at, offset = target[there], at[there], offset[there]
        targets.append(target.astype(np.int64))
        patients.append(patient[at])
    if not targets:
        return np.zeros((0, (len(release) + 7) // 8), np.uint8)
    return scattered_bits(len(days), len(release), np.concatenate(targets), np.concatenate(patients))
