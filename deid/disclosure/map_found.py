"""The code map that a search found, with the report of its attack."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.disclosure.code_risk import CodeRisk

Items = npt.NDArray[np.int32]
Levels = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class MapFound:
    """The map that was found.

    `items`: int32 (codes,), what each code becomes, -1 where it is left empty; `levels`: int8 (codes,), its level as a
    position in the tree's, -1 where empty. `suppressed`: int32 (n, 2) of class and item, sorted: left empty where they
    meet. `thresholds`: by name, the fewest patients of a code that stays in full. `full_share`: of the mentions of
    released patients, those in full; `shares`: by level of the tree, the last for what is left empty. `risk`: of who
    knows codes; `dated`: of who knows dates beside, None where no dates are known.
    """

    items: Items = field(repr=False)
    levels: Levels = field(repr=False)
    suppressed: npt.NDArray[np.int32] = field(repr=False)
    thresholds: dict[str, int]
    risk: CodeRisk
    full_share: float
    shares: tuple[float, ...]
    dated: CodeRisk | None = None
