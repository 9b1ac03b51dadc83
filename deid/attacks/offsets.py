"""Date offsets of shifted days: what weekdays, the ends of the data and one known event leave of them.

Evans 2023 (TriNetX sites told apart by weekdays), Hripcsak 2016 (ends of the window).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks.base import Belief, Offsets
from deid.attacks.bits import Flags, Int64, count, expand, only
from deid.attacks.intervals import is_possible, shifted_days
from deid.attacks.knowledge import Knowledge, People, Place
from deid.attacks.parts import parts
from deid.attacks.people import fitting
from deid.attacks.released import Released
from deid.attacks.rules import rule_of
from deid.cells.days import NO_DAY
from deid.transforms.shift_date import ShiftDate

_THURSDAY = 3  # the weekday of 1970-01-01, where Monday is 0


class DateOffsets:
    """Rules offsets out, for each released patient, until few are left."""

    name: ClassVar[str] = "offsets"
    asks: ClassVar[str] = "recovers date offsets from weekdays, from the ends of the data and from one known day"

    def attack(self, release: Released, known: Knowledge) -> Iterator[Belief]:
        """Yield how many offsets are left of each released patient."""
        shifted = [((t, c.name), r) for t, c in release.columns() if isinstance(r := rule_of(c), ShiftDate)]
        visits = [(place, rule) for place, rule in shifted if _is_of_visits(release, place)]
        if visits:
            place, rule = visits[0]
            allowed = _allowed(rule)
            left = np.ones((len(release), len(allowed)), bool)
            if known.closed:
                left &= _open_days(release, place, allowed, known)
                yield _told("weekdays of routine visits", left, allowed)
            if known.window is not None:
                left &= _inside(release, place, allowed, known.window)
                yield _told("weekdays, and the ends of the data", left, allowed)
            yield from _one_event(release, known, place, rule)
        for place, rule in shifted:
            if place in known.close.columns:
                yield from _birth_or_death(release, known, place, rule)


def _is_of_visits(release: Released, place: Place) -> bool:
    entry = release.entry(place)
    return entry is not None and entry.kind in ("admit_date", "service_date", "discharge_date")


def _allowed(rule: ShiftDate) -> Int64:
    steps = rule.max_days // rule.multiple_of
    return np.arange(-steps, steps + 1, dtype=np.int64) * rule.multiple_of


def _told(scenario: str, left: Flags, allowed: Int64) -> Offsets:
    some = np.flatnonzero(left.any(axis=1))
    count = left[some].sum(axis=1).astype(np.int32)
    guess = allowed[left[some].argmax(axis=1)].astype(np.int32)
    return Offsets(scenario, some, count, guess, len(allowed))


def _open_days(release: Released, place: Place, allowed: Int64, known: Knowledge) -> Flags:
    """Return which offsets put no routine visit on a day on which the clinic is closed."""
    patient, day = _routine(release, place, known.routine)
    seen = np.zeros((len(release), 7), bool)  # weekdays as released
    seen[patient, (day + _THURSDAY) % 7] = True
    closed = np.zeros(7, bool)
    closed[list(known.closed)] = True
    ruled_out = np.zeros((len(release), 7), bool)
    for residue in range(7):
        # An offset of this residue turns the released weekday w into w - residue.
        ruled_out[:, residue] = (seen & closed[(np.arange(7) - residue) % 7]).any(axis=1)
    return ~ruled_out[:, allowed % 7]


def _routine(release: Released, place: Place, routine: frozenset[str]) -> tuple[Int64, Int64]:
    """Return patient and day of the visits that are planned ones, of all where classes are not shown."""
    table, _ = place
    who = release.who(table)
    cells = release.cells(*place)
    kept = cells.is_valid().to_numpy(zero_copy_only=False)
    klass = next((c.name for c in release.manifest.tables[table].columns if c.kind == "encounter_class"), None)
    if klass is not None:
        is_routine = pc.is_in(release.cells(table, klass), value_set=pa.array(sorted(routine), pa.string()))
        kept = kept & is_routine.to_numpy(zero_copy_only=False)
    if who is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    kept = kept & (who >= 0)
    day = pc.fill_null(pc.cast(cells.cast(pa.date32()), pa.int32()), 0).to_numpy(zero_copy_only=False)
    return who[kept], day[kept].astype(np.int64)


def _inside(release: Released, place: Place, allowed: Int64, window: tuple[int, int]) -> Flags:
    """Return which offsets leave all true days of a patient within the data."""
    patient, day = shifted_days(release, place)
    low = np.full(len(release), np.iinfo(np.int64).max)
    high = np.full(len(release), np.iinfo(np.int64).min)
    np.minimum.at(low, patient, day)
    np.maximum.at(high, patient, day)
    shown = low <= high
    fits = (low[:, None] - allowed >= window[0]) & (high[:, None] - allowed <= window[1])
    return np.asarray(fits | ~shown[:, None], bool)


def _one_event(release: Released, known: Knowledge, place: Place, rule: ShiftDate) -> Iterator[Offsets]:
    """Yield what one known visit leaves of the offsets, for patients whom demographics single out."""
    patient, day = shifted_days(release, place)
    starts = np.searchsorted(patient, np.arange(len(release) + 1))
    for _, people in parts(known.close, len(release)):
        target, record = _singled_out(release, people)
        event = people.days[target, 0].astype(np.int64)
        kept = event != NO_DAY
        target, record, event = target[kept], record[kept], event[kept]
        lengths = starts[record + 1] - starts[record]
        at = expand(starts[record], lengths)
        row = np.repeat(np.arange(len(record)), lengths)
        offset = day[at] - event[row]
        fits = is_possible(offset, rule)
        count = np.bincount(row[fits], minlength=len(record)).astype(np.int32)
        guess = np.zeros(len(record), np.int32)
        guess[row[fits]] = offset[fits]
        some = count > 0
        yield Offsets("one known visit", record[some], count[some], guess[some], len(_allowed(rule)))


def _singled_out(release: Released, people: People) -> tuple[Int64, Int64]:
    """Return targets and the one patient who fits each by demographics."""
    bits = fitting(release, people)
    sure = np.flatnonzero(count(bits) == 1)
    return sure, only(bits, sure, len(release))


def _birth_or_death(release: Released, known: Knowledge, place: Place, rule: ShiftDate) -> Iterator[Offsets]:
    """Yield the offset that a known birth or death tells of the patient whom the other demographics single out."""
    cells, who = release.cells(*place), release.who(place[0])
    if who is None:
        return
    shown = np.full(len(release), NO_DAY, np.int64)
    days = pc.fill_null(pc.cast(cells.cast(pa.date32()), pa.int32()), NO_DAY).to_numpy(zero_copy_only=False)
    shown[who[who >= 0]] = days[who >= 0]
    for _, people in parts(known.close, len(release)):
        target, record = _singled_out(release, people)
        true = people.columns[place].take(pa.array(target))
        event = pc.fill_null(pc.cast(true.cast(pa.date32()), pa.int32()), NO_DAY).to_numpy(zero_copy_only=False)
        offset = shown[record] - event
        kept = (event != NO_DAY) & (shown[record] != NO_DAY) & is_possible(offset, rule)
        one = np.ones(int(kept.sum()), np.int32)
        name = f"a known {people.kinds[place].removesuffix('_date')}"
        yield Offsets(name, record[kept], one, offset[kept].astype(np.int32), len(_allowed(rule)))
