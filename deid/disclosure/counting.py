"""From a map to what each adversary gets of each patient: one walk over the table of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deid.disclosure.draws import Draw, Spread, Weights, spread, weigh
from deid.disclosure.holdings import Floats, Grouped, Holdings, Numbers, Pairs, distinct, parts, summed

Measure = Callable[[npt.NDArray[np.generic]], Floats]
_KEPT = 1 << 23  # pairs that are kept between counting and reading, not made again


def chance(found: npt.NDArray[np.generic]) -> Floats:
    """Return 1 / candidates."""
    return 1.0 / found.astype(np.float64)


def chance_among(share: float) -> Measure:
    """Return the measure of 1 / candidates, where only this share of the others who may be candidates was counted."""
    if share == 1.0:
        return chance
    return lambda found: 1.0 / scaled(found, share)


def scaled(found: npt.NDArray[np.generic], share: float) -> Floats:
    """Return counts of patients, the one who is sought among them, brought from a share of the others to all."""
    return np.asarray(1.0 + (found.astype(np.float64) - 1.0) / share, np.float64)


def fewer(than: int) -> Measure:
    """Return the measure of having fewer candidates."""
    return lambda found: (found.astype(np.int64) < than).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Tallied:
    """What one draw comes to, by patient.

    `means`: one (patients,) for each measure, its mean over the patient's draws, 0 for who has none. `worst`:
    (patients,), the largest chance in a draw, or None where it was not asked for.
    """

    means: tuple[Floats, ...]
    worst: Floats | None


@dataclass(slots=True)
class _Tally:
    """A draw while the table is walked: sums over the pairs that end in each cell; `less` are taken off."""

    draw: Draw
    over: Spread
    weights: Weights
    sums: list[Floats]
    worst: Floats | None
    less: _Tally | None = None

    def add(self, late: Numbers, starts: Numbers, early: Numbers, figures: Sequence[Floats]) -> None:
        """Add pairs: `figures` are one (pairs,) for each measure."""
        lesser = self.weights.weight[early]
        for sums, figure in zip(self.sums, figures, strict=True):
            sums[late] = np.add.reduceat(lesser * figure, starts)
        if self.worst is not None:
            self.worst[late] = np.maximum.reduceat(np.where(lesser > 0, figures[0], 0.0), starts)


def tally(
    held: Holdings, klass: npt.NDArray[np.int32], draws: Sequence[Draw], measures: Sequence[Measure], *,
    grouped: bool = False, worst: bool = False,
) -> tuple[Tallied, ...]:  # fmt: skip
    """Return what each draw comes to by every measure; the first is `chance`, where `worst` is asked for.

    `grouped`: draws from visits seek both codes in one visit.
    """
    spreads: dict[int, Spread] = {}
    tallies = [_begun(draw, held, spreads, len(measures), worst=worst) for draw in draws]
    everything = Grouped(held.row, held.position, held.patient)
    for begin, end in parts(held):
        _walk(held, everything, tallies, measures, begin, end, grouped=grouped)
    return tuple(_finish(each, held, klass, measures) for each in tallies)


def _begun(draw: Draw, held: Holdings, spreads: dict[int, Spread], measures: int, *, worst: bool) -> _Tally:
    """Return a draw over the cells of a map; not a closure that calls itself, which would keep all arrays alive."""
    over = spreads.get(id(draw.entries)) or spread(draw.entries, held)
    spreads[id(draw.entries)] = over
    sums = [np.zeros(len(over.group)) for _ in range(measures)]
    peak = np.zeros(len(over.group)) if worst else None
    less = _begun(draw.less, held, spreads, measures, worst=worst) if draw.less is not None else None
    return _Tally(draw, over, weigh(draw, over), sums, peak, less)


def _walk(
    held: Holdings, everything: Grouped, tallies: Sequence[_Tally], measures: Sequence[Measure],
    begin: int, end: int, *, grouped: bool,
) -> None:  # fmt: skip
    """Count the pairs in one part of the table, and read what each draw meets there."""
    cells = everything.part(held, begin, end)
    few = int(held.position[cells].sum()) <= _KEPT
    kept = list(everything.walk(held, cells, begin)) if few else None
    table = counted(kept if kept is not None else everything.walk(held, cells, begin), end - begin)
    by_patient = [each for each in tallies if each.draw.entries.whole]
    if by_patient:
        for pairs in kept if kept is not None else everything.walk(held, cells, begin):
            _read(pairs, table, by_patient, measures)
    for each in tallies:
        seen = table
        if not each.draw.entries.whole:
            some = each.over.cells
            late = some.part(held, begin, end)
            if grouped:
                seen = counted(some.walk(held, late, begin), end - begin, owner=some.owner)
            for pairs in some.walk(held, late, begin):
                _read(pairs, seen, [each], measures)
        if each.less is not None:
            some = each.less.over.cells
            for pairs in some.walk(held, some.part(held, begin, end), begin):
                _read(pairs, seen, [each.less], measures)


def counted(chunks: Iterable[Pairs], places: int, owner: Numbers | None = None) -> npt.NDArray[np.int32]:
    """Return how many patients have each pair; with `owner`, pairs that a patient has in several visits count once."""
    table = np.zeros(places, np.int32)
    for pairs in chunks:
        place = pairs.place
        if owner is not None and len(place):
            rest = np.diff(pairs.starts, append=len(place))
            who = np.repeat(owner[pairs.late] - owner[pairs.late[0]], rest)
            place = distinct(who * places + place) % places
        count(table, place)
    return table


def count(table: npt.NDArray[np.int32], place: Numbers) -> None:
    """Add one at each place, which may stand several times."""
    np.add.at(table, place, np.int32(1))  # of the table's own type, or numpy takes a way twenty times as long


def _read(pairs: Pairs, table: npt.NDArray[np.int32], tallies: Sequence[_Tally], measures: Sequence[Measure]) -> None:
    if not len(pairs.early):
        return
    counts = table[pairs.place]
    figures = [measure(counts) for measure in measures]
    for each in tallies:
        each.add(pairs.late, pairs.starts, pairs.early, figures)


def _finish(each: _Tally, held: Holdings, klass: npt.NDArray[np.int32], measures: Sequence[Measure]) -> Tallied:
    """Return what a draw comes to, without the pairs that are never drawn; these stay in `worst`."""
    found = _summed(each, held, klass, measures)
    if each.less is None:
        return found
    less = _summed(each.less, held, klass, measures)
    return Tallied(tuple(own + off for own, off in zip(found.means, less.means, strict=True)), found.worst)


def _summed(each: _Tally, held: Holdings, klass: npt.NDArray[np.int32], measures: Sequence[Measure]) -> Tallied:
    """Add what no table is needed for: unique items, items that meet themselves or nothing."""
    weights, group, row = each.weights, each.over.group, each.over.cells.row
    owner, share = each.draw.entries.owner, each.draw.share
    holders = held.holders[row]
    earlier = before(weights.weight, each.over.cells.position)
    unique = holders == 1
    only = np.ones(1, np.int64)
    crowd = held.size[np.maximum(klass[owner], 0)] if len(owner) else np.zeros(0, np.int64)
    patients = len(klass)
    means = []
    for sums, measure in zip(each.sums, measures, strict=True):
        with_others = weights.weight * np.where(unique, earlier * measure(only), sums)
        alone = (weights.alone + weights.empty[group] * weights.weight) * measure(np.maximum(holders, 1))
        total = summed(group, with_others + alone, len(owner))
        total = total + weights.both * measure(np.maximum(crowd, 1))
        means.append(summed(owner, total * share, patients))
    if each.worst is None:
        return Tallied(tuple(means), None)
    known = weights.weight > 0
    peak = np.where(known & unique & (before(known.astype(np.float64), each.over.cells.position) > 0), 1.0, 0.0)
    peak = np.maximum(peak, np.where(known, each.worst, 0.0))
    meets = (weights.alone > 0) | (known & (weights.empty[group] > 0))
    peak = np.maximum(peak, np.where(meets, 1.0 / np.maximum(holders, 1), 0.0))
    worst = np.zeros(patients)
    drawn = share > 0
    np.maximum.at(worst, owner[group], np.where(drawn[group], peak, 0.0))
    np.maximum.at(worst, owner, np.where(drawn & (weights.both > 0), 1.0 / np.maximum(crowd, 1), 0.0))
    return Tallied(tuple(means), worst)


def before(weight: Floats, position: Numbers) -> Floats:
    """Return the weight of the cells that stand before each in its group."""
    sums = np.append(0.0, np.cumsum(weight))
    at = np.arange(len(weight))
    return np.asarray(sums[at] - sums[at - position], np.float64)


def single(
    held: Holdings, klass: npt.NDArray[np.int32], draws: Sequence[Draw], measures: Sequence[Measure]
) -> tuple[Tallied, ...]:
    """Return what one code comes to, for draws of one code."""
    return tuple(_single(draw, held, klass, measures) for draw in draws)


def _single(draw: Draw, held: Holdings, klass: npt.NDArray[np.int32], measures: Sequence[Measure]) -> Tallied:
    entries = draw.entries
    patients = len(klass)
    cell = held.cell[entries.entry]
    shown = cell >= 0
    owner = entries.owner[entries.group]
    weight = draw.weight * draw.share[entries.group]
    candidates = np.ones(len(cell), np.int64)
    candidates[shown] = held.holders[held.row[cell[shown]]]
    candidates[~shown] = held.size[np.maximum(klass[owner[~shown]], 0)]
    candidates = np.maximum(candidates, 1)
    means = tuple(summed(owner, weight * measure(candidates), patients) for measure in measures)
    worst = np.zeros(patients)
    np.maximum.at(worst, owner, np.where(weight > 0, 1.0 / candidates, 0.0))
    return Tallied(means, worst)
