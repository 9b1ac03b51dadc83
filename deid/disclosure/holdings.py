"""Who holds which released item, and how many of a class hold two of them together: counts that an attacker could make.

A *cell* is one patient with one distinct released item; a *row* is one class with one item. Within a class the items
are ranked, the most frequent first. A pair of items of one class has one place in a triangular table: that of the
rarer item's row, and in it the rank of the other. Tables are walked in parts of bounded size, so that memory grows with
patients and codes, not with pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
NONE = -1
_PART = 1 << 24  # places of the table at a time: 64 MiB
_CHUNK = 1 << 20  # pairs at a time
_DENSE = 1 << 24  # rows that are numbered by position, not by search


@dataclass(frozen=True, slots=True)
class Holdings:
    """The cells, sorted by patient and rank, and the rows.

    `cell`: int64 (entries,), the cell of each entry, NONE for who is withheld and what is left empty.
    `patient`, `row`, `position`: int64 (cells,); the position counts the cells of the patient that stand before.
    `holders`: (rows,) patients of the class who hold the item; `rank`: (rows,) within the class; `offset`: (rows,) the
    place in the table where the row begins; `klass`, `item`: (rows,). `places`: how long the table is.
    `size`: (classes,) patients of each class.
    """

    cell: Numbers
    patient: Numbers
    row: Numbers
    position: Numbers
    holders: Numbers
    rank: Numbers
    offset: Numbers
    klass: Numbers
    item: Numbers
    places: int
    size: Numbers


def hold(
    klass: npt.NDArray[np.int32], patient: npt.NDArray[np.int32], item: npt.NDArray[np.int32], hidden: Flags | None
) -> Holdings:
    """Return who holds what; `patient` and `item` are (entries,), `item` -1 where nothing is released of one."""
    own = klass[patient]
    shown = (own >= 0) & (item >= 0)
    if hidden is not None:
        shown &= ~hidden
    entries = np.flatnonzero(shown)
    size = np.bincount(klass[klass >= 0], minlength=1)
    row, klasses, items, mentions = _rows(own[entries], item[entries])
    order = np.lexsort((-mentions, klasses))
    rank = np.empty(len(order), np.int64)
    rank[order] = within(klasses[order])
    # One sort by patient and rank; entries of one patient with the same item become one cell.
    who = patient[entries].astype(np.int64)
    keys = who * (int(rank.max(initial=0)) + 1) + rank[row]
    sorting = np.argsort(keys)  # entries of one cell are alike, so their order does not matter
    first = np.ones(len(keys), bool)
    ordered = keys[sorting]
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    cell = np.full(len(patient), NONE, np.int64)
    cell[entries[sorting]] = np.cumsum(first) - 1
    chosen = sorting[first]
    holders = np.bincount(row[chosen], minlength=len(order))
    # What one patient alone holds makes every pair with it unique, and needs no places.
    width = np.where(holders > 1, rank, 0)[order]
    offset = np.empty(len(order), np.int64)
    offset[order] = np.cumsum(width) - width
    return Holdings(
        cell, who[chosen], row[chosen], within(who[chosen]), holders, rank, offset, klasses, items,
        int(width.sum()), size,
    )  # fmt: skip


def _rows(klass: npt.NDArray[np.int32], item: npt.NDArray[np.int32]) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return the row of each entry, and class, item and entries of each row."""
    width = int(item.max(initial=0)) + 1
    keys = klass.astype(np.int64) * width + item
    if (int(klass.max(initial=0)) + 1) * width <= _DENSE:
        counts = np.bincount(keys)
        found = np.flatnonzero(counts)
        number = np.empty(len(counts), np.int64)
        number[found] = np.arange(len(found))
        return number[keys], found // width, found % width, counts[found]
    found, row, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return row, found // width, found % width, counts


def within(groups: Numbers) -> Numbers:
    """Return how many equal neighbors stand before each; `groups` is sorted."""
    at = np.arange(len(groups))
    first = np.ones(len(groups), bool)
    np.not_equal(groups[1:], groups[:-1], out=first[1:])
    return at - np.maximum.accumulate(np.where(first, at, 0))


def distinct(keys: Numbers) -> Numbers:
    """Return the distinct keys, sorted; `np.unique` of integers hashes them, which takes many times as long."""
    ordered = np.sort(keys)
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]


def summed(group: npt.NDArray[np.integer], weight: Floats, groups: int) -> Floats:
    """Return the sum of the weights of each group, (groups,)."""
    return np.bincount(group, weights=weight, minlength=groups).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Some pairs of cells: those that end in the cells `late`, each with all cells before it in its group.

    `starts`: where the pairs of each of `late` begin. `early`: cell of the other one, `place`: in this part of the
    table, both (pairs,). `early` of one cell are neighbors.
    """

    late: Numbers
    starts: Numbers
    early: Numbers
    place: Numbers


@dataclass(frozen=True, slots=True)
class Grouped:
    """Cells in groups (the patient, or one visit), sorted by group and rank; pairs are of one group.

    `row`, `position`: int64 (cells,). `owner`: the patient of each cell.
    """

    row: Numbers
    position: Numbers
    owner: Numbers

    def part(self, held: Holdings, begin: int, end: int) -> Numbers:
        """Return the cells whose pairs stand in the table from `begin` to `end`."""
        offset = held.offset[self.row]
        inside = (offset >= begin) & (offset < end) & (self.position > 0) & (held.holders[self.row] > 1)
        return np.flatnonzero(inside)

    def walk(self, held: Holdings, cells: Numbers, begin: int) -> Iterator[Pairs]:
        """Yield all pairs that end in `cells`, in chunks that never part a patient's."""
        rest = self.position[cells]
        ends = np.cumsum(rest)
        owner = self.owner[cells]
        at = 0
        while at < len(cells):
            goal = (int(ends[at - 1]) if at else 0) + _CHUNK
            stop = max(int(np.searchsorted(ends, goal, side="right")), at + 1)
            # To the end of the patient, for whoever counts each patient once.
            stop = int(np.searchsorted(owner, owner[stop - 1], side="right"))
            yield self._pairs(held, cells[at:stop], rest[at:stop], begin)
            at = stop

    def _pairs(self, held: Holdings, late: Numbers, rest: Numbers, begin: int) -> Pairs:
        starts = np.cumsum(rest) - rest
        early = np.arange(int(rest.sum())) + np.repeat(late - rest - starts, rest)
        place = np.repeat(held.offset[self.row[late]] - begin, rest) + held.rank[self.row[early]]
        return Pairs(late, starts, early, place)


def parts(held: Holdings) -> Iterator[tuple[int, int]]:
    """Yield the table in parts, each of whole rows."""
    starts = distinct(held.offset[held.holders > 1])
    begin = 0
    while begin < held.places:
        end = held.places
        if end - begin > _PART:
            at = int(np.searchsorted(starts, begin + _PART, side="right")) - 1
            end = int(starts[at]) if starts[at] > begin else int(starts[at + 1]) if at + 1 < len(starts) else end
        yield begin, end
        begin = end
