"""Codes change places: those stay in full that keep the most mentions for what they cost, by the exact attack.

Greedy by ratio, as for a knapsack with several budgets (Dantzig 1957): the price of each adversary follows how near it
is to the ceiling. Ratios change with the map, so rounds are repeated until they bring nothing.
"""

from __future__ import annotations

import numpy as np

from deid.disclosure.holdings import Floats
from deid.disclosure.map_found import Levels
from deid.disclosure.map_search import MapSearch
from deid.disclosure.refinement import costs

ROUNDS = 6
_STEEP = 2  # how fast an adversary's price falls with its distance from the ceiling
_REACH = 4  # codes that are weighed, by those that are in full


def refined(search: MapSearch, levels: Levels) -> Levels:
    """Return a map that passes and keeps at least as many mentions in full as `levels`, which passes."""
    best, kept = levels, search.shares(levels)[0]
    current, prices = levels, None
    scores = np.zeros(len(levels))
    for number in range(ROUNDS):
        prices = _prices(search, current, prices)
        fresh = _scores(search, current, prices)
        scores = (scores + fresh) / 2 if number else fresh
        current = _filled(search, scores, int((current == 0).sum()))
        share = search.shares(current)[0]
        if share > kept:
            best = current
        if share < kept + search.slack:
            break  # the round brought next to nothing
        kept = share
    settled, full = scores, int((best == 0).sum())
    return search.confirmed(best, lambda: _filled(search, settled, full))


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
    attacker = search.steering
    draws = [each if each.entries.whole else attacker.even for each in attacker.draws]
    price = costs(attacker.coded, search.choices[:, 0], pool, levels == 0, draws, prices, attacker.share)
    mentions, price = search.weighed(price)
    return np.asarray(np.log(np.maximum(mentions, 1e-9)) - np.log(np.maximum(price, 1e-9)), np.float64)


def _filled(search: MapSearch, scores: Floats, now: int) -> Levels:
    """Return the map that takes codes by score, as many as pass; then what else fits, declared or not."""
    order = np.flatnonzero(search.eligible)
    order = order[np.argsort(-scores[order], kind="stable")][: max(_REACH * now, 200)]
    levels, taken = search.most(order, search.lowest, max(now, 1))
    rest = order[taken:]
    for which in (~search.tree.declared, search.tree.declared):
        levels, _ = search.most(rest[which[rest]], levels)
    return levels
