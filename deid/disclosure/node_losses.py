"""What a code map loses, by how far each mention was lifted: 0 in full, nearly 1 at the coarsest level, 1 if empty."""

from __future__ import annotations

import numpy as np

from deid.disclosure.code_levels import filled
from deid.disclosure.coded import CodeTree
from deid.disclosure.holdings import Flags, Floats
from deid.disclosure.map_found import Levels, MapFound
from deid.disclosure.map_search import MapSearch
from deid.disclosure.pairs import Items


class Losses:
    """Losses by the levels of one tree, the finest set of pools."""

    def __init__(self, tree: CodeTree) -> None:
        self._items, self._depth = filled(tree), len(tree.levels)

    def of(self, search: MapSearch, levels: Levels, hidden: Flags | None) -> float:
        """Return the mean loss of the mentions that are released, 0 to 1."""
        of_code = self.of_codes(search.items(levels))[search.coded.code]
        if hidden is not None:
            of_code = np.where(hidden, 1.0, of_code)
        mentions = search.coded.mentions
        return float((of_code * mentions).sum() / max(float(mentions.sum()), 1.0))

    def of_codes(self, items: Items) -> Floats:
        """Return the loss of a mention of each code, float64 (codes,), by how far the code was lifted."""
        lifted = self._items == items[:, None]
        return np.where(lifted.any(axis=1) & (items >= 0), lifted.argmax(axis=1), self._depth) / self._depth

    def needed(self, search: MapSearch, room: float) -> Levels | None:
        """Return a map that passes if any by thresholds does that loses less than `room`; None if none loses so little.

        Candidate sets only grow where a threshold rises. With entries left empty beside that is not so.
        """
        # Of all maps that lose so little, the one with fewest others in full: all declared would be in full.
        gain = self.of_codes(search.items(search.lowest)) * search.mentions / max(float(search.mentions.sum()), 1.0)
        lost = float(gain.sum() - gain[search.eligible & search.tree.declared].sum())
        others = np.flatnonzero(search.eligible & ~search.tree.declared)
        others = others[np.argsort(-search.patients[others], kind="stable")]
        after = lost - np.append(0.0, np.cumsum(gain[others]))
        enough = np.flatnonzero(after < room)
        if not len(enough):
            return None
        # And it passes only where it does so with the declared ones at their floor.
        needed = search.lowest.copy()
        needed[others[: enough[0]]] = 0
        return needed


def left_empty(search: MapSearch, found: MapFound) -> Flags:
    """Return the entries that a map leaves empty in their class."""
    coded = search.coded
    item = found.items[coded.code].astype(np.int64)
    width = int(found.items.max(initial=0)) + 2
    pairs = found.suppressed.astype(np.int64)
    keys = coded.klass[coded.patient] * width + item
    return np.asarray((item < 0) | np.isin(keys, pairs[:, 0] * width + pairs[:, 1]), bool)
