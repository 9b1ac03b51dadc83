"""Visits as a release shows them: rows under one pseudonym of an encounter or claim belong together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks.bits import NONE, Int64, expand
from deid.attacks.intervals import is_possible
from deid.attacks.knowledge import People, Place
from deid.attacks.released import Released, index
from deid.attacks.rules import rule_of
from deid.days import NO_DAY
from deid.transforms.shift_date import ShiftDate

_KEYS = ("encounter_id", "claim_id")


def in_one_visit(release: Released, people: People, *, with_day: bool) -> tuple[Int64, Int64] | None:
    """Return (target, patient) where one visit of the patient has both codes known of a visit of the target.

    With a day, that of the visit fits too. None where the release does not tell which rows are of one visit.
    """
    coded = _by_visit(release, people)
    if coded is None:
        return None
    visits, patient_of, values = coded
    wanted = [_position(release, people, m, values) for m in range(2)]
    target, visit = _visits_with(values, wanted[0])
    pairs = values.visit * len(values.starts) + values.value  # sorted below, to look the second code up
    pairs = np.sort(pairs)
    asked = visit * len(values.starts) + wanted[1][target]
    at = np.minimum(np.searchsorted(pairs, asked), max(len(pairs) - 1, 0))
    both = (wanted[1][target] >= 0) & (pairs[at] == asked if len(pairs) else False)
    target, visit = target[both], visit[both]
    if with_day:
        fits = _on_day(release, people, visits, target, visit)
        if fits is None:
            return None
        target, visit = target[fits], visit[fits]
    patient = patient_of[visit]
    kept = patient >= 0
    return target[kept], patient[kept]


class _Coded:
    """Distinct (value, visit) pairs of a table's columns of codes of one kind, by value."""

    def __init__(self, places: list[Place], cells: pa.Array, visit: Int64, visits: int) -> None:
        held = index(cells, visit, visits)
        self.places, self.distinct = places, held.distinct
        self.starts = held.postings.starts
        self.visit = held.postings.patients.astype(np.int64)
        self.value = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


def _by_visit(release: Released, people: People) -> tuple[pa.Array, Int64, _Coded] | None:
    """Return the visits' pseudonyms, the patient of each, and the codes by visit, of the first table that has both."""
    for table, first in release.columns(*people.visit_codes.kinds):
        columns = release.manifest.tables[table].columns
        key = next((c.name for kind in _KEYS for c in columns if c.kind == kind), None)
        who = release.who(table)
        if key is None or who is None:
            continue
        numbered = release.cells(table, key).dictionary_encode()
        visit = pc.fill_null(numbered.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        size = len(numbered.dictionary)
        patient_of = np.full(size, -1, np.int64)
        patient_of[visit[visit >= 0]] = who[visit >= 0]
        names = [c.name for c in columns if (c.kind, c.transform) == (first.kind, first.transform)]
        cells = pa.concat_arrays([release.cells(table, name) for name in names])
        return (
            numbered.dictionary,
            patient_of,
            _Coded([(table, n) for n in names], cells, np.tile(visit, len(names)), size),
        )
    return None


def _position(release: Released, people: People, m: int, values: _Coded) -> Int64:
    """Return the position of the m-th known code of each target among the values, NONE where no visit has it."""
    codes = people.visit_codes
    width = codes.kind.shape[1]
    mine = codes.code.take(pa.array(np.arange(len(people)) * width + m))
    entry = release.entry(values.places[0])
    own = np.zeros(len(people), bool)
    if entry is not None and entry.kind in codes.kinds:
        own = codes.kind[:, m] == codes.kinds.index(entry.kind)
    found = np.full(len(people), NONE, np.int64)
    asked = mine.filter(pa.array(own))
    told = release.became(values.places[0], asked, np.full(len(asked), NO_DAY, np.int32), values.distinct)
    if told is not None:
        at = pc.index_in(told.cast(values.distinct.type), value_set=values.distinct)
        found[own] = pc.fill_null(at, NONE).to_numpy(zero_copy_only=False)
    return found


def _visits_with(values: _Coded, wanted: Int64) -> tuple[Int64, Int64]:
    """Return (target, visit) for all visits that have the wanted value of each target."""
    has = wanted >= 0
    value = np.maximum(wanted, 0)
    lengths = np.where(has, values.starts[value + 1] - values.starts[value], 0)
    at = expand(values.starts[value], lengths)
    return np.repeat(np.arange(len(wanted), dtype=np.int64), lengths), values.visit[at]


def _on_day(release: Released, people: People, visits: pa.Array, target: Int64, visit: Int64) -> np.ndarray | None:
    """Return which of the (target, visit) pairs have a day that fits; None where the release dates no visit."""
    place = people.day_place
    entry = release.entry(place) if place is not None else None
    if place is None or entry is None:
        return None
    key = next((c.name for c in release.manifest.tables[place[0]].columns if c.kind in _KEYS), None)
    if key is None:
        return None
    at = pc.index_in(visits, value_set=release.cells(place[0], key))
    row = pc.fill_null(at, -1).to_numpy(zero_copy_only=False).astype(np.int64)[visit]
    cells = release.cells(*place)
    known = np.where(people.visit_day == NO_DAY, 0, people.visit_day)
    days = pc.cast(pa.array(known, pa.int32(), mask=people.visit_day == NO_DAY), pa.date32())
    rule = rule_of(entry)
    if isinstance(rule, ShiftDate):
        shown = pc.fill_null(pc.cast(cells.cast(pa.date32()), pa.int32()), NO_DAY).to_numpy(zero_copy_only=False)
        day = shown[np.maximum(row, 0)].astype(np.int64)
        return np.asarray((row >= 0) & (day != NO_DAY) & is_possible(day - known[target], rule), bool)
    wanted = release.wanted(place, days, people.birth_day, null_is_a_value=False)
    if wanted is None:
        return None
    held = release.values(*place)
    position = held.find(cells, empty=held.null)
    return np.asarray((row >= 0) & ((position[np.maximum(row, 0)] == wanted[target]) | (wanted[target] == -1)), bool)
