"""Row order: files that keep the order of the source tell who came before whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from deid.attacks.base import Belief, Order
from deid.attacks.bits import Int64
from deid.attacks.knowledge import Knowledge
from deid.attacks.layout import row_groups
from deid.attacks.released import Released

_SEED = 8  # which row of a patient is looked at; any will do


class RowOrder:
    """Takes the order in which patients stand in each table for that of the source."""

    name: ClassVar[str] = "row_order"
    asks: ClassVar[str] = "takes the order of rows, and of row groups, for the order of the source"

    def attack(self, release: Released, known: Knowledge) -> Iterator[Belief]:
        """Yield the patients of each table in the order of their rows, within row groups and over all of them."""
        for table in release.manifest.tables:
            who = release.who(table)
            if who is None or not len(who):
                continue
            groups = row_groups(release.opened, table)
            number = np.repeat(np.arange(len(groups)), groups)[: len(who)]
            patients, at = _appearances(who)
            yield Order(f"rows of {table}, within row groups", patients, number[at])
            if len(groups) > 1:
                # By group alone: what the position of a group in the files tells of all its patients.
                mean = np.bincount(who[who >= 0], weights=number[who >= 0], minlength=len(release))
                rows = np.bincount(who[who >= 0], minlength=len(release))
                there = np.flatnonzero(rows)
                order = there[np.argsort(mean[there] / rows[there], kind="stable")]
                yield Order(f"row groups of {table}", order)


def _appearances(who: Int64) -> tuple[Int64, Int64]:
    """Return patients in the order of one row of each, drawn at random, and the positions of those rows.

    Not the first row: who has more rows stands earlier by chance, and older people have more.
    """
    known = np.flatnonzero(who >= 0)
    shuffled = known[np.random.default_rng(_SEED).permutation(len(known))]
    _, first = np.unique(who[shuffled], return_index=True)
    at = np.sort(shuffled[first])
    return who[at], at
