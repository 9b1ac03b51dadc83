"""More knowledge than two codes, too much to count in full: a seeded sample of what is known, searched exactly.

Each sampled patient gives one draw of codes and dates, and the candidates of that draw are counted without error, so
what is left is the standard error of a mean. The draws are made once, and are the same for every map: of two maps the
coarser never looks worse. Codes are drawn one after the other by their weight, dates evenly from the patient's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.disclosure.coded import Coded
from deid.disclosure.draws import Draw, spread
from deid.disclosure.holdings import NONE, Flags, Floats, Holdings, Numbers

TARGETS = 4_000
_SEED = 20_260
_CHUNK = 1 << 21  # candidates looked at together


@dataclass(frozen=True, slots=True)
class Dates:
    """The dates of visits as released: `patient` and `unit`, int32 (n,), sorted, each once.

    `unit` is a day, month or year, or a unit counted from the patient's own first visit. `moved`: days are shifted by
    an offset of the patient, so that somebody knows nothing but intervals: one date tells nothing, two tell one.
    """

    patient: npt.NDArray[np.int32] = field(repr=False)
    unit: npt.NDArray[np.int32] = field(repr=False)
    moved: bool = False

    def released(self, klass: npt.NDArray[np.int32]) -> Dates:
        """Return the dates of those who are not withheld, under these classes, int32 (patients,)."""
        stays = klass[self.patient] >= 0
        return Dates(self.patient[stays], self.unit[stays], self.moved)

    @property
    def keys(self) -> Numbers:
        """Patient and unit as one number, sorted."""
        return self.patient.astype(np.int64) * self.span + (self.unit - self.first)

    @property
    def first(self) -> int:
        """The first unit."""
        return int(self.unit.min(initial=0))

    @property
    def span(self) -> int:
        """How many units there are."""
        return int(self.unit.max(initial=0)) - self.first + 1


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known of each target: `patient` (targets,), `entry` (targets, codes), `unit` (targets, dates)."""

    draw: Draw
    patient: Numbers
    entry: Numbers
    unit: Numbers


def sample(coded: Coded, draw: Draw, codes: int, dates: Dates | None = None, known_dates: int = 0) -> Sample:
    """Return a draw of `codes` codes and `known_dates` dates of each target; patients with fewer are no targets."""
    rng = np.random.default_rng(_SEED)
    group, entry = _drawn_codes(rng, coded, draw, codes)
    owner = draw.entries.owner[group]
    unit = np.zeros((len(owner), 0), np.int64)
    if dates is not None and known_dates:
        days = np.bincount(dates.patient, minlength=len(coded.klass))
        able = days[owner] >= known_dates
        owner, entry = owner[able], entry[able]
        unit = _drawn_dates(rng, dates, owner, known_dates)
    if len(owner) > TARGETS:
        chosen = np.sort(rng.choice(len(owner), TARGETS, replace=False))
        owner, entry, unit = owner[chosen], entry[chosen], unit[chosen]
    return Sample(draw, owner, entry, unit)


def _drawn_codes(rng: np.random.Generator, coded: Coded, draw: Draw, codes: int) -> tuple[Numbers, Numbers]:
    """Return one group for each patient, and `codes` of its entries, by weight without repeat (Efraimidis 2006)."""
    entries, weight = draw.entries, draw.weight
    able = np.bincount(entries.group[weight > 0], minlength=len(entries.owner)) >= codes
    able &= coded.klass[entries.owner] >= 0
    turn = np.where(able, rng.random(len(able)), 2.0)
    order = np.lexsort((turn, entries.owner))
    first = order[np.append(True, entries.owner[order][1:] != entries.owner[order][:-1])[: len(order)]]
    chosen = np.sort(first[able[first]])
    number = np.full(len(able), -1, np.int64)
    number[chosen] = np.arange(len(chosen))
    mine = np.flatnonzero((number[entries.group] >= 0) & (weight > 0))
    race = rng.exponential(size=len(mine)) / weight[mine]
    return chosen, entries.entry[mine[_firsts(number[entries.group[mine]], race, codes)]].reshape(-1, codes)


def _drawn_dates(rng: np.random.Generator, dates: Dates, owner: Numbers, known: int) -> Numbers:
    number = np.full(int(dates.patient.max(initial=0)) + 1, -1, np.int64)
    number[owner] = np.arange(len(owner))
    mine = np.flatnonzero(number[dates.patient] >= 0)
    found = mine[_firsts(number[dates.patient[mine]], rng.random(len(mine)), known)]
    return np.sort(dates.unit[found].astype(np.int64).reshape(-1, known), axis=1)


def _firsts(group: Numbers, key: Floats, wanted: int) -> Numbers:
    """Return the positions of the `wanted` smallest keys of each group, groups in order."""
    order = np.lexsort((key, group))
    new = np.append(True, group[order][1:] != group[order][:-1])[: len(order)]
    at = np.arange(len(order))
    return order[at - np.maximum.accumulate(np.where(new, at, 0)) < wanted]


def candidates(
    coded: Coded, held: Holdings, sampled: Sample, *, together: bool = False, dates: Dates | None = None
) -> Numbers:
    """Return how many patients fit what is known of each target, int64 (targets,); at least the target does.

    `together`: all codes are sought in one visit, for draws from visits.
    """
    postings = _postings(coded, held, sampled, together=together)
    rows = _rows(held, sampled)
    klass = coded.klass[sampled.patient]
    counts = np.zeros(len(rows), np.int64)
    lengths = np.where(rows[:, 0] < 0, held.size[klass], postings.lengths(rows[:, 0]))
    for begin, end in portions(lengths):
        target = np.repeat(np.arange(begin, end), lengths[begin:end])
        nth = nth_of(lengths[begin:end])
        unit, who = postings.take(rows[target, 0], klass[target], nth)
        fits = np.ones(len(target), bool)
        for column in range(1, rows.shape[1]):
            fits &= (rows[target, column] < 0) | postings.has(rows[target, column], unit)
        target, who = target[fits], who[fits]
        # Units are sorted by patient: who fits in several visits stands there several times in a row.
        fresh = np.append(True, (target[1:] != target[:-1]) | (who[1:] != who[:-1]))[: len(target)]
        target, who = target[fresh], who[fresh]
        if dates is not None and sampled.unit.shape[1]:
            target = target[_dated(dates, sampled.unit[target], who)]
        counts += np.bincount(target, minlength=len(rows))
    return counts


def _rows(held: Holdings, sampled: Sample) -> Numbers:
    """Return the rows of what is known of each target, the rarest first, -1 for what is left empty."""
    cell = held.cell[sampled.entry]
    rows = np.where(cell == NONE, -1, np.append(held.row, -1)[cell])
    often = np.append(held.holders, np.iinfo(np.int64).max)[rows]
    return np.take_along_axis(rows, np.argsort(often, axis=1, kind="stable"), axis=1)


@dataclass(frozen=True, slots=True)
class _Postings:
    """For each row the units (patients, or visits) that hold the item, and for each class its patients."""

    units: Numbers
    keys: Numbers
    starts: Numbers
    owners: Numbers
    members: Numbers
    begins: Numbers

    def lengths(self, row: Numbers) -> Numbers:
        return self.starts[row + 1] - self.starts[row]

    def take(self, row: Numbers, klass: npt.NDArray[np.int32], nth: Numbers) -> tuple[Numbers, Numbers]:
        """Return the unit of a row, and the patient; with no row, the patients of the class and no unit."""
        free = row < 0
        unit = np.full(len(row), -1, np.int64)
        unit[~free] = self.units[self.starts[row[~free]] + nth[~free]]
        who = np.empty(len(row), np.int64)
        who[~free] = self.owners[unit[~free]]
        who[free] = self.members[self.begins[klass[free]] + nth[free]]
        return unit, who

    def has(self, row: Numbers, unit: Numbers) -> Flags:
        return among(self.keys, row * (len(self.owners) + 1) + unit)


def _postings(coded: Coded, held: Holdings, sampled: Sample, *, together: bool) -> _Postings:
    if together and not sampled.draw.entries.whole:
        over = spread(sampled.draw.entries, held)
        row, unit, owners = over.cells.row, over.group, sampled.draw.entries.owner
    else:
        row, unit, owners = held.row, held.patient, np.arange(len(coded.klass))
    order = np.lexsort((unit, row))
    keys = row[order] * (len(owners) + 1) + unit[order]
    starts = np.append(0, np.cumsum(np.bincount(row, minlength=len(held.holders))))
    members = np.argsort(coded.klass, kind="stable")
    begins = np.searchsorted(coded.klass[members], np.arange(len(held.size)))
    return _Postings(unit[order], keys, starts, owners, members, begins)


def portions(lengths: Numbers) -> Iterator[tuple[int, int]]:
    """Yield ranges of targets with about _CHUNK candidates."""
    ends = np.cumsum(lengths)
    at = 0
    while at < len(lengths):
        goal = (int(ends[at - 1]) if at else 0) + _CHUNK
        stop = max(int(np.searchsorted(ends, goal, side="right")), at + 1)
        yield at, stop
        at = stop


def nth_of(lengths: Numbers) -> Numbers:
    """Return 0, 1, ... for each of consecutive stretches."""
    return np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _dated(dates: Dates, known: Numbers, who: Numbers) -> Flags:
    """Return which candidates have all known dates, or, where days are moved, the intervals between them."""
    keys = dates.keys
    if not dates.moved:
        fits = np.ones(len(who), bool)
        for column in range(known.shape[1]):
            fits &= among(keys, who * dates.span + known[:, column] - dates.first)
        return fits
    starts = np.searchsorted(dates.patient, who)
    lengths = np.searchsorted(dates.patient, who, side="right") - starts
    fits = np.zeros(len(who), bool)
    for begin in range(0, len(who), _CHUNK // 16):
        part = slice(begin, begin + _CHUNK // 16)
        each = np.repeat(np.arange(len(who))[part], lengths[part])
        at = nth_of(lengths[part]) + starts[each]
        anchor = dates.unit[at].astype(np.int64)
        good = np.ones(len(each), bool)
        for column in range(1, known.shape[1]):
            day = anchor + known[each, column] - known[each, 0]
            inside = day - dates.first < dates.span
            good &= inside & among(keys, who[each] * dates.span + np.minimum(day - dates.first, dates.span - 1))
        fits[each[good]] = True
    return fits


def among(keys: Numbers, wanted: Numbers) -> Flags:
    """Return which of `wanted` are among sorted keys."""
    if not len(keys):
        return np.zeros(len(wanted), bool)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.asarray(keys[at] == wanted, bool)
