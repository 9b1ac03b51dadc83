"""Who is in the next release of a series: newcomers are held until k of them arrive, leavers go with k or with all.

A pure function of the state before and of the patients at hand. Literature: Byun 2007 and Fung 2010 on anonymity of
data that are published again and again; the rules are those of docs/formats/ledger.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from deid.ledger.state import EXCLUDED, HELD, I32, I64, LEFT, RELEASED, State, groups
from deid.patients.tags import U64, Bools

Draw = Callable[[U64], U64]  # from tags (n, 2) to pseudorandom numbers (n,), under a key of the ledger and release


@dataclass(frozen=True, slots=True)
class SeriesRules:
    """What a series asks of each release.

    `k`: the least arrival group. `hold`: releases for which newcomers wait. `coarsest`: the number of the class of
    empty values into which they come then, or None where they are excluded. `is_increment`: who is absent has not left.
    """

    k: int
    hold: int
    coarsest: int | None
    is_increment: bool


@dataclass(frozen=True, slots=True)
class Movement:
    """Patients by what this release did with them.

    `released` are all in it; `arrived` those in it for the first time, `at_once` those among them who were never held,
    `coarsest` those among them in the class of empty values. `held`, `excluded`: after this release, `excluded_now` by
    it. `left`: who had to, `drawn`: who went along. `corrected`: whose class would be another one by now.
    """

    released: int
    arrived: int
    at_once: int
    coarsest: int
    held: int
    excluded: int
    excluded_now: int
    left: int
    drawn: int
    corrected: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The decision for one release.

    `released`: bool (m,), who of the patients at hand is in it. `klass`: int32 (m,), the class that each shows.
    `outcome`: uint8 (m,), the state of each; in an increment, who was released before may be RELEASED and not be in
    this one. `state`: of the series if this release is published.
    """

    number: int
    released: Bools = field(repr=False)
    klass: I32 = field(repr=False)
    outcome: npt.NDArray[np.uint8] = field(repr=False)
    state: State = field(repr=False)
    movement: Movement


def arrive(before: State, tags: U64, klass: I32, number: int, rules: SeriesRules, draw: Draw) -> Arrivals:
    """Decide who is in release `number`.

    `tags`: uint64 (m, 2), distinct: the patients whom this release could hold. `klass`: int32 (m,), the class of each
    by today's data, -1 for none. Who is withheld by the first release is excluded for good: shown later, the class
    would tell by the difference how many came.
    """
    is_new = before.find(tags) < 0
    state = before.grown(tags[is_new])
    at = state.find(tags)
    is_here = np.zeros(len(state), bool)
    is_here[at] = True
    status, shown, since = state.state.copy(), state.klass.copy(), state.since.copy()
    arrival, left = state.arrival.copy(), state.left.copy()

    waiting = is_here & (status == HELD)
    now = np.full(len(state), -1, np.int32)
    now[at] = klass
    fixed = (status == RELEASED) & is_here & (shown != (rules.coarsest if rules.coarsest is not None else -1))
    corrected = int((fixed & (now != shown)).sum())
    shown[waiting] = now[waiting]

    gone = np.zeros(len(state), bool) if rules.is_increment else (status == RELEASED) & ~is_here
    leaving = _leaving(state, gone, rules.k, draw)
    status[leaving], left[leaving] = LEFT, number

    admitted = waiting & (shown >= 0) & _enough(shown, waiting, rules.k)
    staying = waiting & ~admitted
    is_fresh = staying & (since == 0)
    since[is_fresh] = number
    excluded = staying if number == 1 else np.zeros(len(state), bool)
    coarse = np.zeros(len(state), bool)
    if number > 1:
        expired = staying & (number - since >= rules.hold)
        if rules.coarsest is None:
            excluded = expired
        else:
            coarse = _coarsened(expired, staying, shown, since, rules, draw(state.tags))
            shown[coarse] = rules.coarsest
    status[excluded] = EXCLUDED
    since[excluded] = 0
    arriving = admitted | coarse
    status[arriving], arrival[arriving] = RELEASED, number
    at_once = int((arriving & (since == 0)).sum())
    since[arriving] = 0

    after = replace(state, klass=shown, state=status, since=since, arrival=arrival, left=left)
    released = is_here & (status == RELEASED)
    if rules.is_increment:
        # Each file keeps k by itself, too: one of a class released long ago may be the only one with a row now.
        released &= _enough(shown, released, rules.k)
    movement = Movement(
        released=int(released.sum()),
        arrived=int(arriving.sum()),
        at_once=at_once,
        coarsest=int(coarse.sum()),
        held=int((status == HELD).sum()),
        excluded=int((status == EXCLUDED).sum()),
        excluded_now=int(excluded.sum()),
        left=int(gone.sum()),
        drawn=int((leaving & ~gone).sum()),
        corrected=corrected,
    )
    outcome = status[at]
    # Held newcomers who are no longer in the source leave no trace: nobody was told of them.
    kept = np.ones(len(after), bool) if rules.is_increment else is_here | (status != HELD)
    return Arrivals(number, released[at], shown[at], outcome, after.only(kept), movement)


def _enough(klass: I32, among: Bools, k: int) -> Bools:
    """Return who is in a class of which at least k are among those."""
    counts = np.bincount(klass[among & (klass >= 0)], minlength=int(klass.max(initial=-1)) + 1)
    return np.asarray((klass >= 0) & (np.append(counts, 0)[klass] >= k), bool)


def _leaving(state: State, gone: Bools, k: int, draw: Draw) -> Bools:
    """Return who leaves: those gone, and of their arrival groups as many more as make k, or all where k do not stay."""
    alive = np.flatnonzero(state.state == RELEASED)
    leaving = np.zeros(len(state), bool)
    if not gone.any():
        return leaving
    group, size = groups(state.klass[alive], state.arrival[alive])
    must = np.bincount(group[gone[alive]], minlength=len(size)).astype(np.int64)
    take = np.where(must > 0, np.maximum(must, k), 0)
    take = np.where((must > 0) & (size - take < k), size, take)
    touched = take[group] > 0
    alive, group = alive[touched], group[touched]
    order = np.lexsort((draw(state.tags[alive]), ~gone[alive], group))
    leaving[alive[order]] = _rank(group[order]) < take[group[order]]
    return leaving


def _rank(group: I64) -> I64:
    """Return the place of each row within its group; rows of one group stand together."""
    starts = np.flatnonzero(np.append(True, group[1:] != group[:-1])[: len(group)])
    lengths = np.diff(starts, append=len(group))
    return np.arange(len(group), dtype=np.int64) - np.repeat(starts, lengths)


def _coarsened(
    expired: Bools, staying: Bools, klass: I32, since: npt.NDArray[np.int16], rules: SeriesRules, drawn: U64
) -> Bools:
    """Return who comes into the class of empty values: who waited long enough, filled up to k by others who wait."""
    chosen = np.zeros(len(expired), bool)
    pool = expired | (staying & (klass == rules.coarsest))
    if not expired.any() or int(staying.sum()) < rules.k:
        return chosen
    waiting = np.flatnonzero(staying)
    order = np.lexsort((drawn[waiting], since[waiting], ~pool[waiting]))
    chosen[waiting[order[: max(rules.k, int(pool.sum()))]]] = True
    return chosen
