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
    visits, patient_of, groups = coded
    wanted = [[_position(release, people, m, values) for values in groups] for m in range(2)]
    found = [
        _with_both(one, other, wanted[0][first], wanted[1][second])
        for first, one in enumerate(groups)
        for second, other in enumerate(groups)
    ]
    target, visit = np.unique(np.concatenate(found, axis=1), axis=1)
    if with_day:
        fits = _on_day(release, people, visits, target, visit)
        if fits is None:
            return None
        target, visit = target[fits], visit[fits]
    patient = patient_of[visit]
    kept = patient >= 0
    return target[kept], patient[kept]


class _Coded:
    """Distinct (value, visit) pairs of a table's columns of codes of one kind and rule, by value."""

    def __init__(self, places: list[Place], cells: pa.Array, visit: Int64, visits: int) -> None:
        held = index(cells, visit, visits)
        self.places, self.distinct = places, held.distinct
        self.starts = held.postings.starts
        self.visit = held.postings.patients.astype(np.int64)
        self.value = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


def _by_visit(release: Released, people: People) -> tuple[pa.Array, Int64, list[_Coded]] | None:
    """Return the visits' pseudonyms, the patient of each, and the codes by visit and kind: of the table with most."""
    kinds = people.visit_codes.kinds
    found: dict[str, list[tuple[Place, ...]]] = {}
    for places in release.side_by_side(*kinds) if kinds else ():
        found.setdefault(places[0][0], []).append(places)
    keyed = {table: name for table in found if (name := _key_of(release, table)) is not None}
    if not keyed:
        return None
    filled = {
        table: sum(len(cells) - cells.null_count for own in found[table] for cells in _cells(release, own))
        for table in keyed
    }
    table = max(sorted(filled), key=filled.__getitem__)
    who = release.who(table)
    numbered = release.cells(table, keyed[table]).dictionary_encode()
    visit = pc.fill_null(numbered.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    size = len(numbered.dictionary)
    patient_of = np.full(size, -1, np.int64)
    if who is not None:
        patient_of[visit[visit >= 0]] = who[visit >= 0]
    groups = [
        _Coded(list(own), pa.concat_arrays(_cells(release, own)), np.tile(visit, len(own)), size)
        for own in found[table]
    ]
    return numbered.dictionary, patient_of, groups


def _cells(release: Released, places: tuple[Place, ...]) -> list[pa.Array]:
    return [release.cells(*place) for place in places]


def _key_of(release: Released, table: str) -> str | None:
    columns = release.manifest.tables[table].columns
    return next((c.name for kind in _KEYS for c in columns if c.kind == kind), None)


def _with_both(one: _Coded, other: _Coded, first: Int64, second: Int64) -> Int64:
    """Return (target, visit), int64 (2, n), where a visit has the first value of `one` and the second of `other`."""
    target, visit = _visits_with(one, first)
    target, visit = target[second[target] >= 0], visit[second[target] >= 0]
    pairs = np.sort(other.visit * len(other.starts) + other.value)
    if not len(pairs):
        return np.zeros((2, 0), np.int64)
    asked = visit * len(other.starts) + second[target]
    both = pairs[np.minimum(np.searchsorted(pairs, asked), len(pairs) - 1)] == asked
    return np.stack([target[both], visit[both]])


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
    key = _key_of(release, place[0])
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
