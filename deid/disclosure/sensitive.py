"""How much the classes of a release tell of sensitive kinds: l-diversity and t-closeness, counted by patients.

The search withholds classes that break a limit (deid.disclosure.diversity). What was written is held against the same
limits, by the classes that released patients show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.disclosure.diversity import SLACK, Diversity, Every, Spread, told
from deid.disclosure.lattice import ClassRule
from deid.limits import Sensitive

Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Held:
    """What the patients have of one sensitive kind: int32 (patients,), numbered from 0, -1 for who is not selected."""

    rule: Sensitive
    values: Numbers = field(repr=False)


def rule_of(vector: Numbers, held: Sequence[Held]) -> ClassRule | None:
    """Return what the search asks of classes, None where nothing is sensitive; `vector`: int32 (patients,), or -1."""
    rules = [Diversity(Spread.of_patients(vector, one.values), one.rule.l, one.rule.t) for one in held]
    return Every(rules) if rules else None


def broken(klass: Numbers, held: Sequence[Held]) -> Iterator[tuple[Sensitive, str, int]]:
    """Yield each limit that some classes break, its kind, `l` or `t`, and how many classes.

    `klass`: int32 (patients,), the class that each patient is released in, -1 for none.
    """
    for one in held:
        among, count = one.values >= 0, int(klass.max(initial=-1)) + 1
        # Who is in no class has the first vector: everybody is whoever was selected.
        spread = Spread.of_patients(klass[among] + np.int32(1), one.values[among])
        tells = told(spread, np.arange(-1, count, dtype=np.int32), count)
        # A hair of rounding breaks no limit.
        if one.rule.l is not None and (found := int((tells.largest > 1 / one.rule.l + 2 * SLACK).sum())):
            yield one.rule, "l", found
        if one.rule.t is not None and (found := int((tells.distance > one.rule.t + 2 * SLACK).sum())):
            yield one.rule, "t", found
