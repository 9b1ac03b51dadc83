"""All cells of a request as one system: what is published now and was before, and what follows from it unpublished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from deid.errors import DisclosureError
from deid.tables.cube import Address, Cube, Earlier
from deid.tables.periods import overlap
from deid.tables.primary import small
from deid.tables.relations import Inside, Relation, known_relations
from deid.tables.system import Counts, Flags, Reals, System, relations
from deid.tables.tabulation import Measure
from deid.tables.unseen import unseen_totals

_TOTAL_COSTS = 0.05  # more for each total that a cell is: totals are read most
_SIZE_COSTS = 0.01  # at most, for large cells: among patterns of as many cells, the one that hides fewer people
_DEPTH = 8  # dimensions and lengths of periods that totals of totals pass through


@dataclass(frozen=True, slots=True)
class Linked:
    """A cube as a system: `addresses` of its first cells in order, earlier ones among them; then the unseen ones."""

    addresses: tuple[Address, ...] = field(repr=False)
    patients: Counts = field(repr=False)
    system: System

    @property
    def primary(self) -> int:
        """How many published cells are small."""
        return int(self.system.primary[: len(self.addresses)].sum())

    @property
    def gaps(self) -> int:
        """How many totals that no table shows, or differences of two cells, are small."""
        return int(self.system.primary[len(self.addresses) :].sum())

    def spread(self, shown: Sequence[int]) -> Counts:
        """Return what was shown of each address as an array over the system, -1 for what is unseen."""
        return np.append(np.array(shown, np.int64), np.full(len(self.system) - len(shown), -1))


def link(
    cube: Cube,
    earlier: Mapping[Address, Earlier],
    *,
    smallest: int,
    groups: Mapping[str, Mapping[str, tuple[str, ...]]],
    people_of: Callable[[Address], int | None] = lambda _: None,
    inside: Inside | None = None,
) -> Linked:
    """Return all cells, of this run and of earlier ones, with every relation between them.

    `people_of`: how many people a cell is a share of, by denominators that readers have as well, or None.

    `inside`: for a place, by level and name, those of other levels that hold it.

    A count that was published before stands, whatever the source says now: a new one would tell who came late.
    """
    published = tuple(sorted({*cube.counts, *earlier}))
    if overlap(a.period for a in published):
        raise DisclosureError(
            "tables of several years were published that share years with these: their difference would tell of single "
            "years what no table shows",
            hint="take the years that were taken before, or only years that follow them",
        )
    addresses = (*published, *unseen_totals(published))
    known = known_relations({address: i for i, address in enumerate(addresses)}, groups, inside or {})
    n, unseen = len(published), np.arange(len(addresses)) >= len(published)
    told = [(earlier[a].count, earlier[a].patients) if a in earlier else _now(cube, a) for a in published]
    counts, patients = np.zeros((2, len(addresses)), np.int64)
    counts[:n], patients[:n] = np.array(told, np.int64).reshape(n, 2).T
    counts, patients = _added_up(counts, known, ~unseen), _added_up(patients, known, ~unseen)
    if earlier:
        counts = _added_up(counts, known, np.array([a in earlier for a in addresses], bool))
    was_hidden = np.array([a in earlier and earlier[a].hidden for a in addresses], bool)
    was_shown = np.array([a in earlier and not earlier[a].hidden for a in addresses], bool)
    people = np.array([a.measure != Measure.VISITS for a in addresses], bool)
    known = _agreeing(known, counts)
    known, gaps = _with_gaps(known, counts, smallest, was_shown)
    size = len(addresses) + len(gaps)
    # What was shown before is known, small or not: nothing can be won by hiding it, and it was not small then.
    primary = small(counts, patients, smallest) & ~was_shown
    system = System(
        counts=np.concatenate([counts, gaps]),
        primary=_padded(primary, size, fill=True),
        known=_padded(was_shown, size, fill=False),
        hidden=_padded(was_hidden, size, fill=False),
        matrix=relations([r.plus for r in known], [r.minus for r in known], size),
        is_sum=np.array([r.is_sum for r in known], bool),
        weight=np.append(_weights(addresses, patients), np.ones(len(gaps))),
        people=_padded(people, size, fill=True),
        most=np.append(_most(addresses, people, people_of), np.full(len(gaps), np.inf)),
        unseen=_padded(unseen, size, fill=True),
        smallest=smallest,
        single=np.append(patients == 1, gaps == 1),
    )
    return Linked(published, patients[:n], system)


def _now(cube: Cube, address: Address) -> tuple[int, int]:
    return cube.counts[address], cube.patients[address]


def _padded(flags: Flags, size: int, *, fill: bool) -> Flags:
    return np.append(flags, np.full(size - len(flags), fill))


def _agreeing(known: Sequence[Relation], counts: Counts) -> list[Relation]:
    """Return the relations that hold; raise DisclosureError where a sum does not.

    Late rows may break a bound between what stood before and what is new; it binds nobody then.
    """
    off = [int(counts[r.plus].sum() - counts[r.minus].sum()) for r in known]
    broken = sum(r.is_sum and by != 0 for r, by in zip(known, off, strict=True))
    if broken:
        raise DisclosureError(
            f"{broken} totals that were published before do not agree with the source now",
            hint="count from the source as it was then, or write a request of another name",
        )
    return [r for r, by in zip(known, off, strict=True) if r.is_sum or by <= 0]


def _with_gaps(
    known: Sequence[Relation], counts: Counts, smallest: int, was_shown: Flags
) -> tuple[list[Relation], Counts]:
    """Return the relations in which every small gap is a cell of its own, and the counts of these.

    Who subtracts the patients with a diagnosis from all patients has counted those without it: 1 to 10 of them are as
    small a cell as any. Where everything was shown before, nothing can be done about it any more.
    """
    found: list[Relation] = []
    gaps: list[int] = []
    for r in known:
        gap = int(counts[r.minus].sum() - counts[r.plus].sum())
        is_cell = r.is_gap and 0 < gap < smallest and counts[r.plus].any() and not was_shown[r.plus + r.minus].all()
        if is_cell:
            found.append(Relation([*r.plus, len(counts) + len(gaps)], r.minus, is_sum=True, is_gap=False))
            gaps.append(gap)
        else:
            found.append(r)
    return found, np.array(gaps, np.int64)


def _weights(addresses: Sequence[Address], patients: Counts) -> Reals:
    totals = np.array([sum(not part for part in a[4:]) for a in addresses], float)
    size = np.log1p(patients) / max(1.0, float(np.log1p(patients.max(initial=1))))
    return 1.0 + _TOTAL_COSTS * totals + _SIZE_COSTS * size


def _most(addresses: Sequence[Address], people: Flags, people_of: Callable[[Address], int | None]) -> Reals:
    """Return what each count of patients cannot exceed by public denominators, inf where there are none."""
    known = [
        people_of(a) if counts_people else None for a, counts_people in zip(addresses, people.tolist(), strict=True)
    ]
    return np.array([np.inf if n is None else n for n in known], float)


def _added_up(counts: Counts, known: Sequence[Relation], fixed: Flags) -> Counts:
    """Return counts in which every total that is not fixed is the sum of its parts."""
    counts = counts.copy()
    free = [r for r in known if r.is_sum and len(r.minus) == 1 and not fixed[r.minus[0]]]
    for _ in range(_DEPTH):  # a total of totals follows its parts
        for r in free:
            counts[r.minus[0]] = counts[r.plus].sum()
    return counts
