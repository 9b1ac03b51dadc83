"""Levels of codes: what stands at one that a tree lacks, and how coarse declared and rare codes may become."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deid.disclosure.coded import CodeTree
from deid.documents.limits import Rare

Items = npt.NDArray[np.int32]


def filled(tree: CodeTree) -> Items:
    """Return the items of a tree with the next coarser level where a code has none."""
    items = tree.items.copy()
    for level in range(items.shape[1] - 2, -1, -1):
        items[:, level] = np.where(items[:, level] < 0, items[:, level + 1], items[:, level])
    return items


def floor_level(tree: CodeTree) -> int:
    """Return the coarsest level that a declared code may have: its category."""
    return tree.levels.index("category") if "category" in tree.levels else min(1, len(tree.levels) - 1)


def rare_level(tree: CodeTree, rare: Rare) -> int:
    """Return the level of rare codes: what the policy names, or else the coarsest."""
    return tree.levels.index(rare.value) if rare.value in tree.levels else len(tree.levels) - 1
