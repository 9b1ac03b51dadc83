"""Codes that the study declares stay no coarser than their category, where enough patients have it.

Below k patients neither a code nor its category may be published as a count (CMS cell size policy: no cell of 1 to 10),
so no study can tell of it either; one patient's rare code would only leave in full because somebody asked for it. Such
a code goes where every rare code goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.disclosure.coded import Coded, CodeTree
from deid.disclosure.holdings import Flags, distinct

Items = npt.NDArray[np.int32]
Levels = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Declared:
    """The declared codes of those who are released: `patient`, `code` int32 (entries,), of these codes alone.

    `choices`: int32 (codes, levels), the item of each code at each level; the last level is where rare codes end.
    """

    which: Flags = field(repr=False)
    patient: Items = field(repr=False)
    code: Items = field(repr=False)
    choices: Items = field(repr=False)
    k: int

    @classmethod
    def of(cls, coded: Coded, tree: CodeTree, choices: Items, k: int) -> Declared:
        """Return the declared codes of patients who have a class."""
        mine = np.flatnonzero(tree.declared[coded.code] & (coded.klass[coded.patient] >= 0))
        return cls(tree.declared, coded.patient[mine], coded.code[mine], choices, k)

    def settled(self, levels: Levels) -> Levels:
        """Return the levels with every declared item that fewer than k patients would show at the coarsest level.

        Patients are counted by the item that they would show under this map: a category of which all but a few codes
        stay in full is as rare as those few. So no released item of a declared code has fewer than k patients, but its
        pool.
        """
        coarsest = self.choices.shape[1] - 1
        if not len(self.code) or coarsest < 1:
            return levels
        level = levels[self.code].astype(np.intp)
        shown = (level >= 0) & (level < coarsest)
        item = self.choices[self.code[shown], level[shown]]
        pairs = distinct(item.astype(np.int64) << 32 | self.patient[shown])
        holders = np.bincount(pairs >> 32, minlength=int(self.choices.max(initial=0)) + 1)
        finest = np.take_along_axis(self.choices, np.maximum(levels, 0)[:, None].astype(np.intp), axis=1)[:, 0]
        few = self.which & (levels >= 0) & (levels < coarsest) & (holders[np.maximum(finest, 0)] < self.k)
        return np.where(few, coarsest, levels).astype(np.int8) if few.any() else levels
