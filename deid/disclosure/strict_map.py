"""The strict mode: every two released items that a patient has are had by at least k patients of the class.

A code map alone reaches that only by giving up nearly all detail, so items are left empty where they meet: by class,
the items that stand in most of the too rare pairs for the mentions they hold. Leaving an item empty changes no count of
other pairs, so the pairs are counted once, and choosing is a weighted vertex cover (greedy by ratio, Chvatal 1979).
"""

from __future__ import annotations

import numpy as np

from deid.disclosure.counting import counted
from deid.disclosure.draws import by_visit, spread
from deid.disclosure.holdings import NONE, Flags, Floats, Grouped, Holdings, Numbers, distinct, hold, parts, summed
from deid.disclosure.map_found import Levels
from deid.disclosure.map_search import MapSearch

_DECLARED = 10.0  # how much dearer a mention of a declared code is
_LEAST = (10, 30, 60)  # multiples of k: patients of a code in full, among which the best is taken


def every_pair(search: MapSearch) -> tuple[Levels, Flags]:
    """Return the map, and the entries left empty, bool (entries,), with which the guarantee holds.

    It is of pairs of items, not of their dates: who knows codes with dates is held to the ceiling, as without `strict`.
    """
    best: tuple[tuple[bool, float], Levels, Flags] | None = None
    for least in (*_LEAST, np.inf):
        stays = search.eligible & (search.patients >= least * search.k)
        levels = np.where(stays, 0, search.lowest).astype(np.int8)
        hidden = _hidden(search, levels)
        rank = (search.passes(levels, hidden), search.shares(levels, hidden)[0])
        if best is None or rank > best[0]:
            best = (rank, levels, hidden)
    assert best is not None
    return best[1], best[2]


def _hidden(search: MapSearch, levels: Levels) -> Flags:
    coded = search.coded
    items = search.items(levels)
    item = items[coded.code]
    held = hold(coded.klass, coded.patient, item, None)
    shown = held.cell != NONE
    few = held.holders < max(search.k, search.limits.suppress_below or 0)
    hidden = np.zeros(len(item), bool)
    hidden[shown] = few[held.row[held.cell[shown]]]
    held = hold(coded.klass, coded.patient, item, hidden)
    one, other = _rare_pairs(held, Grouped(held.row, held.position, held.patient), search.k)
    if search.grouped and coded.visits is not None:
        over = spread(by_visit(coded), held)
        more = _rare_pairs(held, over.cells, search.k, owner=over.cells.owner)
        one, other = np.append(one, more[0]), np.append(other, more[1])
    shown = held.cell != NONE
    row = held.row[held.cell[shown]]
    price = np.where(search.tree.declared[coded.code[shown]], _DECLARED, 1.0) * coded.mentions[shown]
    empty = _cover(one, other, summed(row, price, len(held.holders)))
    hidden[shown] |= empty[row]
    return hidden


def _rare_pairs(held: Holdings, cells: Grouped, k: int, owner: Numbers | None = None) -> tuple[Numbers, Numbers]:
    """Return both rows of each pair that some, but fewer than k, patients of a class have."""
    rows = max(len(held.holders), 1)
    found = [np.zeros(0, np.int64)]
    for begin, end in parts(held):
        late = cells.part(held, begin, end)
        table = counted(cells.walk(held, late, begin), end - begin, owner=owner)
        for pairs in cells.walk(held, late, begin):
            rest = np.diff(pairs.starts, append=len(pairs.early))
            rare = table[pairs.place] < k
            keys = cells.row[np.repeat(pairs.late, rest)[rare]] * rows + cells.row[pairs.early[rare]]
            found.append(distinct(keys))
    keys = distinct(np.concatenate(found))
    return keys // rows, keys % rows


def _cover(one: Numbers, other: Numbers, price: Floats) -> Flags:
    """Return rows of small price that hold at least one of each pair."""
    empty = np.zeros(len(price), bool)
    while len(one):
        pairs = np.bincount(one, minlength=len(price)) + np.bincount(other, minlength=len(price))
        ratio = pairs / np.maximum(price, 1e-9)
        # Ties go to the later row, so that in each round some row wins all its pairs.
        first = (ratio[one] > ratio[other]) | ((ratio[one] == ratio[other]) & (one > other))
        lost = np.bincount(np.where(first, other, one), minlength=len(price))
        winner = (pairs > 0) & (lost == 0)
        empty |= winner
        left = ~(empty[one] | empty[other])
        one, other = one[left], other[left]
    return empty
