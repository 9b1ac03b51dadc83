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

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from deid.disclosure.code_maps import search_map
from deid.disclosure.coded import Coded, CodeTree
from deid.disclosure.dated import Tied
from deid.disclosure.holdings import Flags, Floats
from deid.disclosure.map_search import Levels, MapFound, MapSearch, filled
from deid.disclosure.pairs import Items
from deid.disclosure.sampling import Dates
from deid.disclosure.strict_map import every_pair
from deid.errors import DisclosureError
from deid.limits import CodeLimits

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
    search = _Search(nodes, coded, tree, limits, k, grouped, dates, tied)
    best: NodeFound | None = None
    refused: DisclosureError | None = None
    for pools in _pools(coded, tree, joined):
        try:
            found = search.choose(pools)
        except DisclosureError as error:
            refused = error
            continue
        if best is None or found.loss < best.loss:
            best = found
        if found.lost <= _ENOUGH:
            break
    if best is None:
        raise refused or AssertionError("no map was searched")
    return best


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

    def choose(self, tree: CodeTree) -> NodeFound:
        """Return the node of least loss with its map by thresholds, and that map refined."""
        best: tuple[float, NodeChoice] | None = None
        nearest: MapSearch | None = None
        refused: DisclosureError | None = None
        searched = seen = 0
        for node in self.nodes():
            if best is not None and node.loss >= best[0]:
                break  # all that follow lose more
            seen += 1
            search = self._of(node, tree)
            if best is not None and not self._may_lose(search, best[0] - node.loss):
                continue
            searched += 1
            if not self.limits.strict and not search.reaches:
                nearest = search  # the coarsest so far; what would do is asked for once, since it costs attacks
                continue
            try:
                loss = node.loss + self._threshold_loss(search)
            except DisclosureError as error:
                refused = error  # the coarsest so far, so the nearest
                continue
            if best is None or loss < best[0]:
                best = (loss, node)
        if best is None and nearest is not None:
            raise nearest.refusal()
        if best is None:
            raise refused or DisclosureError(
                "no demographic recoding was given to choose a code map for",
                hint="name quasi-identifiers with a recoding, or lower limits.k",
            )
        chosen = best[1]
        search = self._of(chosen, tree)
        found = search_map(
            search.coded, tree, self.limits, k=self.k, grouped=self.grouped, dates=search.dates, tied=search.tied
        )
        lost = self._lost(search, found.levels, _hidden(search, found))
        return NodeFound(chosen.number, found, chosen.loss + lost, lost, searched, seen)

    def _of(self, node: NodeChoice, tree: CodeTree) -> MapSearch:
        coded = self.coded.released(node.klass)
        dates = self.dates.released(node.klass) if self.dates is not None else None
        tied = self.tied.released(node.klass) if self.tied is not None else None
        return MapSearch(coded, tree, self.limits, k=self.k, grouped=self.grouped, dates=dates, tied=tied)

    def _threshold_loss(self, search: MapSearch) -> float:
        if self.limits.strict:
            levels, empty = every_pair(search)
            search.found(levels, empty)
            return self._lost(search, levels, empty)
        levels = search.two_level()
        return self._lost(search, levels, search.hidden(search.items(levels)))

    def _lost(self, search: MapSearch, levels: Levels, hidden: Flags | None) -> float:
        """Return the mean loss of the mentions that are released, 0 to 1."""
        of_code = self._loss_of(search.items(levels))[search.coded.code]
        if hidden is not None:
            of_code = np.where(hidden, 1.0, of_code)
        mentions = search.coded.mentions
        return float((of_code * mentions).sum() / max(float(mentions.sum()), 1.0))

    def _loss_of(self, items: Items) -> Floats:
        """Return the loss of a mention of each code, float64 (codes,), by how far the code was lifted."""
        lifted = filled(self.tree) == items[:, None]
        depth = len(self.tree.levels)
        return np.where(lifted.any(axis=1) & (items >= 0), lifted.argmax(axis=1), depth) / depth

    def _may_lose(self, search: MapSearch, room: float) -> bool:
        """Whether some map by thresholds that loses less than `room` may pass."""
        if self.limits.strict:
            return True
        # Of all maps that lose so little, the one with fewest others in full: all declared would be in full.
        gain = self._loss_of(search.items(search.lowest)) * search.mentions / max(float(search.mentions.sum()), 1.0)
        lost = float(gain.sum() - gain[search.eligible & search.tree.declared].sum())
        others = np.flatnonzero(search.eligible & ~search.tree.declared)
        others = others[np.argsort(-search.patients[others], kind="stable")]
        after = lost - np.append(0.0, np.cumsum(gain[others]))
        enough = np.flatnonzero(after < room)
        if not len(enough):
            return False
        # And it passes only where it does so with the declared ones at their floor.
        needed = search.lowest.copy()
        needed[others[: enough[0]]] = 0
        return search.passes(needed)


def _hidden(search: MapSearch, found: MapFound) -> Flags:
    """Return the entries that a map leaves empty in their class."""
    coded = search.coded
    item = found.items[coded.code].astype(np.int64)
    width = int(found.items.max(initial=0)) + 2
    pairs = found.suppressed.astype(np.int64)
    keys = coded.klass[coded.patient] * width + item
    return np.asarray((item < 0) | np.isin(keys, pairs[:, 0] * width + pairs[:, 1]), bool)


def _pools(coded: Coded, tree: CodeTree, joined: Items | None) -> Iterator[CodeTree]:
    """Yield the tree with all its pools, and then with fewer, those of too few patients joined."""
    yield tree
    if joined is None:
        return
    width = int(tree.items.max(initial=0)) + 1
    pairs = np.unique(coded.patient.astype(np.int64) * width + tree.items[coded.code, -1])
    held = np.bincount(pairs % width, minlength=width)
    patients = len(np.unique(coded.patient))
    for share in _SHARES:
        pools = tree.items.copy()
        rare = held[pools[:, -1]] < 1 + int(share * patients)
        pools[:, -1] = np.where(rare, joined, pools[:, -1])
        yield replace(tree, items=pools)
