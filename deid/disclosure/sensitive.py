"""How much the classes of a release tell of sensitive kinds: l-diversity and t-closeness, counted by patients.

The search withholds classes that break a limit (deid.disclosure.diversity). What was written is held against the same
limits, by the classes that released patients show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.disclosure.diversity import SLACK, Diversity, Every, Spread, Told, told
from deid.disclosure.lattice import ClassRule
from deid.documents.limits import Sensitive

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


@dataclass(frozen=True, slots=True)
class Reached:
    """The worst of all classes: the largest share that one value has of one, and the largest distance of one."""

    rule: Sensitive
    share: float
    distance: float


def classes_tell(klass: Numbers, held: Sequence[Held]) -> Iterator[tuple[Sensitive, Told]]:
    """Yield what the classes tell of each sensitive kind.

    `klass`: int32 (patients,), the class that each patient is released in, -1 for none.
    """
    for one in held:
        among, count = one.values >= 0, int(klass.max(initial=-1)) + 1
        # Who is in no class has the first vector: everybody is whoever was selected.
        spread = Spread.of_patients(klass[among] + np.int32(1), one.values[among])
        yield one.rule, told(spread, np.arange(-1, count, dtype=np.int32), count)


def reached(found: Iterable[tuple[Sensitive, Told]]) -> tuple[Reached, ...]:
    """Return how far each limit was made use of; `found` is of `classes_tell`."""
    return tuple(
        Reached(rule, float(of.largest.max(initial=0.0)), float(of.distance.max(initial=0.0))) for rule, of in found
    )


def broken(found: Iterable[tuple[Sensitive, Told]]) -> Iterator[tuple[Sensitive, str, int]]:
    """Yield each limit that some classes break, as kind, `l` or `t`, and their number; `found`: of `classes_tell`."""
    for rule, of in found:
        # A hair of rounding breaks no limit.
        if rule.l is not None and (classes := int((of.largest > 1 / rule.l + 2 * SLACK).sum())):
            yield rule, "l", classes
        if rule.t is not None and (classes := int((of.distance > rule.t + 2 * SLACK).sum())):
            yield rule, "t", classes
