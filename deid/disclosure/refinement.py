"""What each code costs: how much an adversary gains if it stays in full while all others are as they are.

For a code in the pool the gain is exact but for what the pool loses; for a code in full, the pool that it would join is
taken as independent of the patient's other items. Both only rank codes: what is chosen by rank is attacked exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deid.disclosure.coded import Coded
from deid.disclosure.counting import before, count, scaled
from deid.disclosure.draws import Draw
from deid.disclosure.holdings import Flags, Floats, Grouped, Holdings, Numbers, hold, parts, summed

Items = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Cells:
    """Cells of both the released items and the full codes that stand in pools.

    `weight`: of what is released, 0 for a full code in a pool; `pooled`: patients of the class in the pool that a code
    in full would join, over all of the class.
    """

    grouped: Grouped
    weight: Floats
    pooled: Floats


def costs(
    coded: Coded, full: Items, pool: Items, is_full: Flags, draws: Sequence[Draw], weights: Floats,
    share: float = 1.0,
) -> Floats:  # fmt: skip
    """Return the cost of each code, float64 (codes,).

    `full`, `pool`: int32 (codes,), the items between which each code may change; `is_full`: bool (codes,), which it is.
    `weights`: (draws,), how much each draw counts; their groups are patients. `share`: of the patients, if only
    some are in `coded`.
    """
    current = np.where(is_full, full, pool)
    lifted = np.flatnonzero(~is_full[coded.code])
    patient = np.concatenate([coded.patient, coded.patient[lifted]])
    item = np.concatenate([current[coded.code], full[coded.code[lifted]]])
    held = hold(coded.klass, patient, item, None)
    own = held.cell[: len(coded.patient)]
    other = np.full(len(own), -1, np.int64)
    other[lifted] = held.cell[len(own) :]
    pooled = _pooled(coded, held, own, pool, is_full)
    total = np.zeros(len(full))
    for draw, weight in zip(draws, weights, strict=True):
        if weight > 0.0:
            total += weight * _cost(coded, held, own, other, draw, pooled, is_full, share)
    return total


def _pooled(coded: Coded, held: Holdings, own: Numbers, pool: Items, is_full: Flags) -> Floats:
    """Return for each cell of a code in full the share of the class that holds its pool now."""
    pooled = np.zeros(len(held.row))
    entries = np.flatnonzero(is_full[coded.code] & (own >= 0))
    width = max(int(held.item.max(initial=0)), int(pool.max(initial=0))) + 1
    keys = held.klass * width + held.item
    order = np.argsort(keys)
    wanted = coded.klass[coded.patient[entries]].astype(np.int64) * width + pool[coded.code[entries]]
    at = np.minimum(np.searchsorted(keys[order], wanted), max(len(keys) - 1, 0))
    found = keys[order][at] == wanted
    size = held.size[coded.klass[coded.patient[entries]]]
    pooled[own[entries]] = np.where(found, held.holders[order[at]], 0) / size
    return pooled


def _cost(
    coded: Coded, held: Holdings, own: Numbers, other: Numbers, draw: Draw, pooled: Floats, is_full: Flags,
    share: float,
) -> Floats:  # fmt: skip
    shown = own >= 0
    weight = summed(own[shown], draw.weight[shown], len(held.row))
    cells = _Cells(Grouped(held.row, held.position, held.patient), weight, pooled)
    now, lower = _meetings(held, cells, share)
    holders = scaled(held.holders[held.row], share)
    entry = np.flatnonzero(shown)
    mine, cell, lift = draw.weight[entry], own[entry], other[entry]
    often = draw.share[coded.patient[entry]] / max(draw.patients, 1)
    in_pool = lift >= 0
    at = np.maximum(lift, 0)
    # A code beside others of its pool: they meet in the pool now, and would meet as code and pool.
    raised = now[at] - mine / holders[at] - now[cell] - (weight[cell] - mine) / holders[cell]
    kept = now[cell] - lower[cell]
    change = often * mine * np.where(in_pool, raised, kept)
    return summed(coded.code[entry], change, len(is_full))


def _meetings(held: Holdings, cells: _Cells, share: float) -> tuple[Floats, Floats]:
    """Return for each cell the weighted chances of its pairs, as it is and with its pool beside it."""
    grouped, weight = cells.grouped, cells.weight
    holders = scaled(held.holders[grouped.row], share)
    now, lower = np.zeros(len(weight)), np.zeros(len(weight))
    for begin, end in parts(held):
        late = grouped.part(held, begin, end)
        table = np.zeros(end - begin, np.int32)
        for pairs in grouped.walk(held, late, begin):
            count(table, pairs.place)
        for pairs in grouped.walk(held, late, begin):
            if not len(pairs.early):
                continue
            first, last = int(pairs.early.min()), int(pairs.early.max()) + 1
            rest = np.diff(pairs.starts, append=len(pairs.early))
            after = np.repeat(pairs.late, rest)
            met = scaled(table[pairs.place], share)
            for sums, here, there in (
                (now, met, met),
                (
                    lower,
                    met + cells.pooled[after] * holders[pairs.early],
                    met + cells.pooled[pairs.early] * holders[after],
                ),
            ):
                sums[pairs.late] += np.add.reduceat(weight[pairs.early] / here, pairs.starts)
                sums[first:last] += summed(pairs.early - first, weight[after] / there, last - first)
    # Pairs with an item that one patient alone holds are not in the table: each has one candidate.
    unique = held.holders[grouped.row] == 1
    only = np.where(unique, weight, 0.0)
    alone = summed(grouped.owner, only, int(grouped.owner.max(initial=-1)) + 1)
    behind = alone[grouped.owner] - before(only, grouped.position) - only
    fixed = np.where(unique, before(weight, grouped.position), 0.0) + behind
    return now + fixed, lower + fixed
