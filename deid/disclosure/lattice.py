"""The recoding of least loss, found exactly: one rung for each quasi-identifier is a node of the full-domain lattice.

All values of a column are recoded alike (full-domain generalization, Samarati 2001; global recoding), which is the same
for everybody, can be frozen for a series, and gives no minimal classes away (Cohen 2022). Three facts make an exact
search cheap:

- what a node loses without withholding anybody is a sum over its columns, so it is known of every node before any is
  counted, and nothing is lost less than that;
- the patients in classes below k only grow fewer from a rung to the next, so one node that fails, fails all finer ones;
- a coarse node can be counted from any finer one that was counted before.

The loss is ARX's: of each quasi-identifier the share of the other values that its value cannot be told from, 1 for all
of a patient who is withheld; the mean over quasi-identifiers and patients (Iyengar 2002).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from deid.disclosure.grouping import Table, grouped, numbered
from deid.disclosure.nearest import Outcome, Wanted, refusal
from deid.disclosure.vectors import Ladder, Tally
from deid.errors import DisclosureError

Numbers = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Levels = tuple[int, ...]

MOST_NODES = 4_000_000
_WEIGHED = 30_000_000  # vectors times recodings that are counted to name the nearest settings: some seconds
_CACHED = 4  # tables that are remembered, in multiples of the first one's rows
_BLOCK = 1024  # nodes that are looked at together
_OPEN, _FAILS, _HOLDS = np.int8(0), np.int8(-1), np.int8(1)


class Node(NamedTuple):
    """One recoding: a rung for each ladder, and what comes of it in patients; `smallest` of the classes that stay."""

    levels: Levels
    loss: float
    suppressed: int
    classes: int
    smallest: int


class ClassRule(Protocol):
    """A demand on classes beside k, such as l-diversity; a class that breaks it is withheld."""

    def broken(self, classes: Numbers, count: int) -> Flags:
        """Return which of `count` classes break the rule; `classes`: int32 (vectors,), the class of each vector."""
        ...


class Lattice:
    """All recodings of some ladders over the patients of a tally."""

    def __init__(
        self, ladders: Sequence[Ladder], tally: Tally, *, k: int, suppression: float, rule: ClassRule | None = None
    ) -> None:
        """Raise DisclosureError for a ladder that is not nested, or for more recodings than can be weighed."""
        for ladder in ladders:
            ladder.check_nested()
        self._ladders, self._tally, self._rule = tuple(ladders), tally, rule
        self.k, self.suppression = k, suppression
        self._limit = int(suppression * tally.total + 1e-9)
        self._dims = tuple(len(ladder.lookups) for ladder in ladders)
        nodes = int(np.prod(self._dims, dtype=np.float64))
        if nodes > MOST_NODES:
            raise DisclosureError(
                f"the ladders allow {nodes:,} recodings; at most {MOST_NODES:,} can be weighed exactly",
                hint="give fewer rungs under limits.recoding, or fewer quasi-identifiers",
            )
        self._losses = [[ladder.losses(level) for level in range(len(ladder.lookups))] for ladder in ladders]
        self._bound = self._bounds()
        self._tags = np.full(self._dims, _OPEN, np.int8)
        self._known: dict[Levels, Node | None] = {}
        finest = [ladder.lookups[0][leaf] for ladder, leaf in zip(ladders, tally.leaves, strict=True)]
        self._tables = [Table((0,) * len(ladders), tuple(finest), tally.patients)]

    @property
    def nodes(self) -> int:
        """How many recodings there are."""
        return int(self._bound.size)

    @property
    def counted(self) -> int:
        """How many of them had to be counted so far."""
        return len(self._known)

    def best(self) -> Node:
        """Return the recoding of least loss that withholds no more than the share that is allowed.

        Raises DisclosureError, with the nearest settings that would do, where there is none.
        """
        node = next(self.ordered(), None)
        if node is None:
            raise self._refusal()
        return node

    def ordered(self) -> Iterator[Node]:
        """Yield every recoding that is allowed, that of least loss first; what is not asked for is not counted."""
        if not self._tally.total:
            return
        waiting: list[tuple[float, int, Node]] = []
        bounds = self._bound.ravel()
        for flat in self._by_bound():
            while waiting and waiting[0][0] <= bounds[flat]:
                yield heapq.heappop(waiting)[2]
            levels = tuple(int(level) for level in np.unravel_index(flat, self._dims))
            if self._tags[levels] == _OPEN:
                self._climb(levels)
            if self._tags[levels] == _FAILS:
                continue
            node = self._node(levels)
            if node is not None:
                heapq.heappush(waiting, (node.loss, flat, node))
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _by_bound(self) -> Iterator[int]:
        """Yield nodes, as places in the flat lattice, by what they lose at least, without most of those that fail."""
        tags = self._tags.reshape(-1)
        order = np.argsort(self._bound, axis=None, kind="stable")
        for start in range(0, len(order), _BLOCK):
            some = order[start : start + _BLOCK]
            yield from some[tags[some] != _FAILS].tolist()
            if tags[-1] == _FAILS:
                return  # the coarsest fails, and so does everything

    def classes(self, levels: Sequence[int]) -> Numbers:
        """Return the class of each vector, int32 (vectors,), numbered from 0, -1 where its patients are withheld."""
        classes, count = self._raw(levels)
        kept = self._kept(classes, count)
        numbers = np.where(kept, np.cumsum(kept) - 1, -1)
        return np.asarray(numbers[classes], np.int32)

    def _raw(self, levels: Sequence[int]) -> tuple[Numbers, int]:
        lookups = [ladder.lookups[level] for ladder, level in zip(self._ladders, levels, strict=True)]
        columns = [lookup[leaf] for lookup, leaf in zip(lookups, self._tally.leaves, strict=True)]
        return numbered(columns, len(self._tally.patients))

    def _kept(self, classes: Numbers, count: int) -> Flags:
        sizes = np.bincount(classes, weights=self._tally.patients, minlength=count)
        kept = np.asarray(sizes >= self.k, bool)
        return kept if self._rule is None else kept & ~self._rule.broken(classes, count)

    def _climb(self, levels: Levels) -> None:
        """Tag nodes from `levels` upward: a chain of the cheapest steps, halved until it is known where it holds."""
        chain = [levels]
        while True:
            above = [
                (*chain[-1][:j], chain[-1][j] + 1, *chain[-1][j + 1 :])
                for j in range(len(self._dims))
                if chain[-1][j] + 1 < self._dims[j]
            ]
            open_above = [node for node in above if self._tags[node] == _OPEN]
            if not open_above:
                break
            chain.append(min(open_above, key=lambda node: float(self._bound[node])))
        low, high = 0, len(chain) - 1
        while low <= high:
            middle = (low + high) // 2
            if self._holds(chain[middle]):
                high = middle - 1
            else:
                low = middle + 1

    def _holds(self, levels: Levels) -> bool:
        """Count a node and tag it, with all finer ones if it fails and all coarser ones if it holds.

        The tag is of k alone, for which withheld patients only grow fewer upward. Under a further rule they may grow
        more: a class that keeps the rule may unite with one that breaks it, and both are withheld. So the rule is asked
        of each node for itself. It can only withhold more than k does, so a node whose tag fails, fails with it too.
        """
        self._count(levels)
        return bool(self._tags[levels] == _HOLDS)

    def _node(self, levels: Levels) -> Node | None:
        if levels not in self._known:
            self._count(levels)
        return self._known[levels]

    def _count(self, levels: Levels) -> None:
        source = min(
            (t for t in self._tables if all(a <= b for a, b in zip(t.levels, levels, strict=True))),
            key=lambda table: len(table.patients),
        )
        table = grouped(source, levels, self._ladders)
        self._remember(table, source)
        small = table.patients < self.k
        suppressed = int(table.patients[small].sum())
        holds = suppressed <= self._limit
        span = tuple(slice(level, None) if holds else slice(None, level + 1) for level in levels)
        self._tags[span] = _HOLDS if holds else _FAILS
        node = None
        if holds and self._rule is None and suppressed < self._tally.total:
            node = self._told(levels, table, ~small)
        elif holds and self._rule is not None:
            classes, count = self._raw(levels)
            kept = self._kept(classes, count)
            whole = grouped(self._tables[0], levels, self._ladders, classes=(classes, count))
            if int(whole.patients[~kept].sum()) <= self._limit and kept.any():
                node = self._told(levels, whole, kept)
        self._known[levels] = node

    def _told(self, levels: Levels, table: Table, kept: Flags) -> Node:
        lost = np.zeros(len(table.patients))
        for losses, level, values in zip(self._losses, levels, table.values, strict=True):
            lost += losses[level][values]
        share = np.where(kept, lost / max(1, len(levels)), 1.0)
        loss = float((share * table.patients).sum() / self._tally.total)
        sizes = table.patients[kept]
        return Node(levels, loss, int(table.patients[~kept].sum()), len(sizes), int(sizes.min()))

    def _remember(self, table: Table, source: Table) -> None:
        if len(table.patients) < 0.6 * len(source.patients):
            self._tables.append(table)
            held = sum(len(each.patients) for each in self._tables)
            while held > _CACHED * len(self._tables[0].patients) and len(self._tables) > 2:
                held -= len(self._tables.pop(1).patients)

    def _bounds(self) -> npt.NDArray[np.float64]:
        """Return what each node loses if nobody is withheld, the least it can lose, of the shape of the lattice."""
        bound = np.zeros(self._dims)
        patients, total = self._tally.patients, max(1, self._tally.total)
        for j, (ladder, leaf) in enumerate(zip(self._ladders, self._tally.leaves, strict=True)):
            found = np.bincount(leaf, weights=patients, minlength=ladder.leaves)
            lost = [
                (found * losses[lookup]).sum() for losses, lookup in zip(self._losses[j], ladder.lookups, strict=True)
            ]
            shape = [1] * len(self._dims)
            shape[j] = self._dims[j]
            bound = bound + np.array(lost).reshape(shape) / total
        # Rounding must not lift a bound over the loss that is then counted.
        return bound / max(1, len(self._dims)) - 1e-12

    def _refusal(self) -> DisclosureError:
        """Return the error for a lattice without a node that is allowed, with the nearest settings that would do."""
        wanted = Wanted(self.k, self._limit, self._tally.total, self.suppression)
        if self._rule is None:
            return refusal(wanted, self._outcomes(1), is_ruled=False, is_whole=True)
        most = max(1, _WEIGHED // max(1, len(self._tally.patients)))
        return refusal(wanted, self._outcomes(most), is_ruled=True, is_whole=most >= self.nodes)

    def _outcomes(self, most: int) -> Iterator[Outcome]:
        """Yield what nodes come to, at most so many, those that lose most first: from the coarsest downward."""
        for flat in np.argsort(self._bound.ravel(), kind="stable")[::-1][:most].tolist():
            classes, count = self._raw(np.unravel_index(flat, self._dims))
            sizes = np.bincount(classes, weights=self._tally.patients, minlength=count).astype(np.int64)
            broken = np.zeros(count, bool) if self._rule is None else self._rule.broken(classes, count)
            yield Outcome(sizes, broken)
