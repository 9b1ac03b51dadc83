"""Codes change places: those stay in full that keep the most mentions for what they cost, by the exact attack.

Greedy by ratio, as for a knapsack with several budgets (Dantzig 1957): the price of each adversary follows how near it
is to the ceiling. Ratios change with the map, so rounds are repeated until they bring nothing.
"""

from __future__ import annotations

import numpy as np

from deid.disclosure.holdings import Floats
from deid.disclosure.map_search import Levels, MapSearch
from deid.disclosure.refinement import costs

ROUNDS = 6
ENOUGH = 0.0001  # a round that brings less of the mentions is the last
_STEEP = 2  # how fast an adversary's price falls with its distance from the ceiling
_REACH = 4  # codes that are weighed, by those that are in full


def refined(search: MapSearch, levels: Levels) -> Levels:
    """Return a map that passes and keeps at least as many mentions in full as `levels`, which passes."""
    best, kept = levels, search.shares(levels)[0]
    current, scores, prices = levels, None, None
    for _ in range(ROUNDS):
        prices = _prices(search, current, prices)
        fresh = _scores(search, current, prices)
        scores = fresh if scores is None else (scores + fresh) / 2
        current = _filled(search, scores, int((current == 0).sum()))
        share = search.shares(current)[0]
        if share > kept:
            best = current
        if share < kept + ENOUGH:
            break
        kept = share
    return best


def _prices(search: MapSearch, levels: Levels, before: Floats | None) -> Floats:
    """Return the price of each adversary, averaged with earlier ones so that rounds do not swing."""
    near = np.maximum(np.array(search.risks(levels)), 1e-9) / max(search.limits.ceiling, 1e-9)
    prices = (near / near.max(initial=1e-9)) ** _STEEP
    prices /= max(prices.sum(), 1e-9)
    return np.asarray(prices if before is None else (prices + before) / 2, np.float64)


def _scores(search: MapSearch, levels: Levels, prices: Floats) -> Floats:
    """Return for each code the logarithm of mentions kept for what it costs."""
    pool = search.items(search.lowest)
    # Who knows two codes of one visit is priced as who knows any two: a cost only ranks codes.
    draws = [each if each.entries.whole else search.attacker.even for each in search.attacker.draws]
    price = costs(search.coded, search.choices[:, 0], pool, levels == 0, draws, prices)
    return np.asarray(np.log(np.maximum(search.mentions, 1e-9)) - np.log(np.maximum(price, 1e-9)), np.float64)


def _filled(search: MapSearch, scores: Floats, now: int) -> Levels:
    """Return the map that takes codes by score, as many as pass; then what else fits, declared or not."""
    order = np.flatnonzero(search.eligible)
    order = order[np.argsort(-scores[order], kind="stable")][: max(_REACH * now, 200)]
    levels, taken = search.most(order, search.lowest, max(now, 1))
    rest = order[taken:]
    for which in (~search.tree.declared, search.tree.declared):
        levels, _ = search.most(rest[which[rest]], levels)
    return levels
