"""Visits as a release shows them: rows under one pseudonym of an encounter or claim belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks.bits import NONE, Bits, Flags, Int64, expand, scattered_bits
from deid.attacks.intervals import is_possible
from deid.attacks.knowledge import People, Place
from deid.attacks.released import Released, index
from deid.attacks.rules import rule_of
from deid.cells.days import NO_DAY
from deid.transforms.shift_date import ShiftDate

_CHUNK = 1 << 22  # visits at a time
_KEYS = ("encounter_id", "claim_id")


def in_one_visit(release: Released, people: People, *, with_day: bool) -> Bits | None:
    """Return which patients have one visit with both codes known of a visit of each target.

    With a day, that of the visit fits too. None where the release does not tell which rows are of one visit. Targets
    are taken in portions, so that memory does not grow with how common their codes are.
    """
    coded = _by_visit(release, people)
    if coded is None:
        return None
    visits, patient_of, groups = coded
    wanted = [[_position(release, people, m, values) for values in groups] for m in range(2)]
    fits = _fits_day(release, people, visits) if with_day else None
    if with_day and fits is None:
        return None
    lengths = np.zeros(len(people), np.int64)
    for first, one in enumerate(groups):
        for second, other in enumerate(groups):
            lengths += np.minimum(one.visits_with(wanted[0][first]), other.visits_with(wanted[1][second]))
    made = [np.zeros((0, (len(release) + 7) // 8), np.uint8)]
    for low, high in _portions(lengths):
        found = [
            _with_both(one, other, wanted[0][first][low:high], wanted[1][second][low:high])
            for first, one in enumerate(groups)
            for second, other in enumerate(groups)
        ]
        target, visit = np.concatenate(found, axis=1)
        if fits is not None:
            kept = fits(target + low, visit)
            target, visit = target[kept], visit[kept]
        kept = patient_of[visit] >= 0
        made.append(scattered_bits(high - low, len(release), target[kept], patient_of[visit[kept]]))
    return np.concatenate(made)


def _portions(lengths: Int64) -> Iterator[tuple[int, int]]:
    """Yield ranges of targets with about `_CHUNK` visits together."""
    ends = np.cumsum(lengths)
    low = 0
    while low < len(lengths):
        before = int(ends[low - 1]) if low else 0
        high = max(int(np.searchsorted(ends, before + _CHUNK, side="right")), low + 1)
        yield low, high
        low = high


class _Coded:
    """Distinct (value, visit) pairs of a table's columns of codes of one kind and rule, by value."""

    def __init__(self, places: list[Place], cells: pa.Array, visit: Int64, visits: int) -> None:
        held = index(cells, visit, visits)
        self.places, self.distinct = places, held.distinct
        self.starts = held.postings.starts
        self.visit = held.postings.patients.astype(np.int64)
        value = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        self._pairs = np.sort(self.visit * len(self.starts) + value)

    def visits_with(self, value: Int64) -> Int64:
        """Return how many visits have each value, int64; 0 for none."""
        at = np.maximum(value, 0)
        return np.where(value >= 0, self.starts[at + 1] - self.starts[at], 0)

    def has(self, visit: Int64, value: Int64) -> Flags:
        """Return whether each visit has the value beside it."""
        if not len(self._pairs):
            return np.zeros(len(visit), bool)
        asked = visit * len(self.starts) + value
        found = self._pairs[np.minimum(np.searchsorted(self._pairs, asked), len(self._pairs) - 1)] == asked
        return np.asarray(found & (value >= 0), bool)


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
    rarer = one.visits_with(first) <= other.visits_with(second)
    found = []
    for mine, sought, beside, asked in (
        (one, np.where(rarer, first, NONE), other, second),
        (other, np.where(rarer, NONE, second), one, first),
    ):
        lengths = mine.visits_with(sought)
        target = np.repeat(np.arange(len(sought), dtype=np.int64), lengths)
        visit = mine.visit[expand(mine.starts[np.maximum(sought, 0)], lengths)]
        both = beside.has(visit, asked[target])
        found.append(np.stack([target[both], visit[both]]))
    return np.concatenate(found, axis=1)


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


def _fits_day(release: Released, people: People, visits: pa.Array) -> Callable[[Int64, Int64], Flags] | None:
    """Return what tells whether the day of a visit fits that of a target; None where the release dates no visit."""
    place = people.day_place
    entry = release.entry(place) if place is not None else None
    key = _key_of(release, place[0]) if place is not None else None
    if place is None or entry is None or key is None:
        return None
    at = pc.index_in(visits, value_set=release.cells(place[0], key))
    row = pc.fill_null(at, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    cells = release.cells(*place)
    known = np.where(people.visit_day == NO_DAY, 0, people.visit_day)
    days = pc.cast(pa.array(known, pa.int32(), mask=people.visit_day == NO_DAY), pa.date32())
    rule = rule_of(entry)
    if isinstance(rule, ShiftDate):
        shown = pc.fill_null(pc.cast(cells.cast(pa.date32()), pa.int32()), NO_DAY).to_numpy(zero_copy_only=False)
        day = np.where(row >= 0, shown[np.maximum(row, 0)].astype(np.int64), NO_DAY)
        return lambda target, visit: np.asarray(
            (day[visit] != NO_DAY) & is_possible(day[visit] - known[target], rule), bool
        )
    wanted = release.wanted(place, days, people.birth_day, null_is_a_value=False)
    if wanted is None:
        return None
    held = release.values(*place)
    position = held.find(cells, empty=held.null)[np.maximum(row, 0)]
    return lambda target, visit: np.asarray(
        (row[visit] >= 0) & ((position[visit] == wanted[target]) | (wanted[target] == -1)), bool
    )
