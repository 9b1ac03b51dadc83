"""Which demographics go with which code map: the node of the lattice and the map are chosen together.

Coarser demographics are the largest lever on what codes tell, so neither is chosen first: the loss of a node and the
loss of its map are added. A mention in full loses nothing, one at the coarsest level nearly all, one that is left empty
or joined with all rare codes of its system all. A pool protects by being common: in a small file, or for obstetrics in
a cohort of men, a chapter is as rare as a code, and no threshold on codes helps against that. So the search is made
with all pools and, while mentions lose more than a quarter, again with those of few patients joined.

For each set of pools the node is exact among maps by thresholds: it is passed over without a search only where one
attack on the map that it would need shows that none is good enough, as candidate sets only grow where a threshold
rises. The chosen node's map is then refined. With `suppress_below` that is no longer so, since what is left empty
hides more than its pool, and nodes are passed over all the same. In the strict mode none is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from deid.disclosure.code_maps import map_of
from deid.disclosure.coded import Coded, CodeTree
from deid.disclosure.dated import Tied
from deid.disclosure.holdings import distinct
from deid.disclosure.map_found import MapFound
from deid.disclosure.map_search import MapSearch
from deid.disclosure.node_losses import Losses, left_empty
from deid.disclosure.pairs import Items
from deid.disclosure.part_search import Lent, PartSearch
from deid.disclosure.sampling import Dates
from deid.disclosure.screening import Thinned, thinned
from deid.disclosure.strict_map import every_pair
from deid.documents.limits import CodeLimits
from deid.errors import DisclosureError

_ENOUGH = 0.25  # of the loss of a map: one that keeps as much is not searched again with coarser pools
_SHARES = (0.02, 0.1, 1.0)  # of the patients, whom a pool must hold to stay


@dataclass(frozen=True, slots=True)
class NodeChoice:
    """A node that may be chosen: its number, the class of each patient, int32 (patients,), and its loss, 0 to 1."""

    number: int
    klass: npt.NDArray[np.int32] = field(repr=False)
    loss: float


@dataclass(frozen=True, slots=True)
class NodeFound:
    """The node that was chosen with its map, the loss of both together, and how many nodes were searched of those seen.

    `lost`: the map's part of it. Numbers of nodes are of the set of pools that was chosen.
    """

    number: int
    found: MapFound
    loss: float
    lost: float
    searched: int
    seen: int


def search_node(
    nodes: Callable[[], Iterable[NodeChoice]], coded: Coded, tree: CodeTree, limits: CodeLimits, *, k: int,
    grouped: bool = False, dates: Dates | None = None, tied: Tied | None = None, joined: Items | None = None,
) -> NodeFound:  # fmt: skip
    """Return the node and map of least loss together; `nodes` yields them by loss, `coded.klass` is not read.

    `joined`: int32 (codes,), the item of all rare codes of a code's system, for pools that are too rare; without it
    pools stay as they are. Raises DisclosureError, with the nearest settings of the coarsest node, if none has a map.
    """
    tied = tied.beside(coded) if tied is not None else None
    everybody = replace(coded, klass=np.zeros(len(coded.klass), np.int32))
    search = _Search(
        nodes, coded, tree, limits, k, grouped, dates, tied, thinned(everybody, tied, limits), Losses(tree)
    )
    best: _Chosen | None = None
    refused: DisclosureError | None = None
    room = math.inf
    for pools in _pools(coded, tree, joined):
        try:
            found = search.choose(pools, room)
        except DisclosureError as error:
            refused = error.with_traceback(None)  # its frames hold what was attacked
            continue
        if found is None:
            continue
        room = found.room
        if best is None or found.loss < best.loss:
            best = found
        if found.lost <= _ENOUGH:
            break
    if best is None:
        raise refused or AssertionError("no map was searched")
    return search.told(best)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The node that was chosen of one set of pools, with its map; `found` only where every attack is on everybody.

    `room`: what a further set must lose less than by thresholds, where each costs much; infinite where it does not.
    """

    node: NodeChoice
    search: MapSearch = field(repr=False)
    found: MapFound | None
    loss: float
    lost: float
    room: float
    searched: int
    seen: int


@dataclass(frozen=True, slots=True)
class _Search:
    """What is the same for every set of pools; losses are by the levels of `tree`, the finest set."""

    nodes: Callable[[], Iterable[NodeChoice]]
    coded: Coded = field(repr=False)
    tree: CodeTree = field(repr=False)
    limits: CodeLimits
    k: int
    grouped: bool
    dates: Dates | None = field(repr=False)
    tied: Tied | None = field(repr=False)
    thin: Thinned | None = field(repr=False)
    losses: Losses = field(repr=False)
    lent: Lent = field(default_factory=Lent, repr=False)

    def choose(self, tree: CodeTree, room: float) -> _Chosen | None:
        """Return the node of least loss with its map by thresholds, and that map refined; None if none is below `room`.

        Raises DisclosureError if no node has a map, where nothing else was found.
        """
        best: tuple[float, NodeChoice, MapSearch] | None = None
        nearest: MapSearch | None = None
        refused: DisclosureError | None = None
        searched = seen = 0
        for node in self.nodes():
            least = room if best is None else best[0]
            if node.loss >= least:
                break  # all that follow lose more
            seen += 1
            search = self._of(node, tree)
            self.lent.to(node.number, search)
            if least < math.inf and not self._may_lose(search, least - node.loss):
                self.lent.note(node.number, search)
                continue
            searched += 1
            if not self.limits.strict and not search.reaches:
                search.forget()
                nearest = search  # the coarsest so far; what would do is asked for once, since it costs attacks
                continue
            try:
                loss = node.loss + self._threshold_loss(search)
            except DisclosureError as error:
                refused = error.with_traceback(None)  # the coarsest so far, so the nearest
                continue
            self.lent.note(node.number, search)
            if loss < least:
                search.forget()
                best = (loss, node, search)
        if best is not None:
            return self._refined(best[1], best[2], best[0], searched, seen)
        if room < math.inf:
            return None
        if nearest is not None:
            raise nearest.refusal()
        raise refused or DisclosureError(
            "no demographic recoding was given to choose a code map for",
            hint="name quasi-identifiers with a recoding, or lower limits.k",
        )

    def _refined(self, node: NodeChoice, search: MapSearch, loss: float, searched: int, seen: int) -> _Chosen:
        """Return a node with its map refined; where a part steers, that waits until the pools are chosen."""
        if search.by_part:
            return _Chosen(node, search, None, loss, loss - node.loss, loss, searched, seen)
        found = map_of(search)
        lost = self.losses.of(search, found.levels, left_empty(search, found))
        return _Chosen(node, search, found, node.loss + lost, lost, math.inf, searched, seen)

    def told(self, chosen: _Chosen) -> NodeFound:
        """Return what was chosen with the report of the attack on everybody; raise DisclosureError over the ceiling."""
        found, loss, lost = chosen.found, chosen.loss, chosen.lost
        if found is None:
            found = map_of(chosen.search)
            lost = self.losses.of(chosen.search, found.levels, None)
            loss = chosen.node.loss + lost
        return NodeFound(chosen.node.number, found, loss, lost, chosen.searched, chosen.seen)

    def _of(self, node: NodeChoice, tree: CodeTree) -> MapSearch:
        if self.thin is not None:
            coded = replace(self.coded, klass=node.klass)
            return PartSearch(coded, tree, self.limits, k=self.k, grouped=self.grouped, tied=self.tied, thin=self.thin)
        coded = self.coded.released(node.klass)
        dates = self.dates.released(node.klass) if self.dates is not None else None
        tied = self.tied.released(node.klass) if self.tied is not None else None
        return MapSearch(coded, tree, self.limits, k=self.k, grouped=self.grouped, dates=dates, tied=tied)

    def _threshold_loss(self, search: MapSearch) -> float:
        if self.limits.strict:
            levels, empty = every_pair(search)
            search.found(levels, empty)
            return self.losses.of(search, levels, empty)
        levels = search.near()
        return self.losses.of(search, levels, search.hidden(search.items(levels)))

    def _may_lose(self, search: MapSearch, room: float) -> bool:
        """Whether some map by thresholds that loses less than `room` may pass."""
        if self.limits.strict:
            return True
        needed = self.losses.needed(search, room)
        return needed is not None and search.may_pass(needed)


def _pools(coded: Coded, tree: CodeTree, joined: Items | None) -> Iterator[CodeTree]:
    """Yield the tree with all its pools, and then with fewer, those of too few patients joined."""
    yield tree
    if joined is None:
        return
    width = int(tree.items.max(initial=0)) + 1
    pairs = distinct(coded.patient.astype(np.int64) * width + tree.items[coded.code, -1])
    held = np.bincount(pairs % width, minlength=width)
    patients = int((np.bincount(coded.patient) > 0).sum())
    for share in _SHARES:
        pools = tree.items.copy()
        rare = held[pools[:, -1]] < 1 + int(share * patients)
        pools[:, -1] = np.where(rare, joined, pools[:, -1])
        yield replace(tree, items=pools)
