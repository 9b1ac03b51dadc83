"""Totals that no table shows and that still tie tables together: a reader adds up the cells of either.

Counties without their total in one table and sexes without theirs in another have the same sum, published or not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from deid.tables.cube import Address
from deid.tables.tabulation import PEOPLE

Shape = frozenset[str]
_PLACE = ("county", "state", "zip3")


def shape_of(address: Address) -> Shape:
    """Return the dimensions of places and people that an address tells apart."""
    return frozenset({d for d in PEOPLE if getattr(address, d)} | ({address.level} if address.place else set()))


def unseen_totals(published: Collection[Address]) -> list[Address]:
    """Return the totals that two kinds of published cells have in common, without those that are published.

    Every total on the way to one is returned as well, so that each is the sum of its parts along one dimension.
    """
    shapes = {shape_of(a) for a in published}
    meets = _meets(shapes)
    ways = {shape: [_way(shape, meet) for meet in meets if meet < shape] for shape in shapes}
    found: set[Address] = set()
    for a in published:
        for way in ways[shape_of(a)]:
            total = a
            for dimension in way:
                total = _without(total, dimension)
                found.add(total)
    return sorted(found - set(published))


def _meets(shapes: Iterable[Shape]) -> set[Shape]:
    """Return what any of these shapes have in common; counties and ZIP codes of a state have the state in common."""
    base = set(shapes)
    levels = [level for level in _PLACE if any(level in shape for shape in base)]
    base |= {(shape - {old}) | {new} for shape in base for old in levels for new in levels if old in shape}
    found = set(base)
    while more := {a & b for a in found for b in base} - found:
        found |= more
    # A place is bounded by the sum of those within it, so these are told apart as far as it is.
    return found | {(shape - {old}) | {new} for shape in found for old in levels for new in levels if old in shape}


def _way(shape: Shape, meet: Shape) -> tuple[str, ...]:
    return tuple(d for d in (*_PLACE, *PEOPLE) if d in shape - meet)


def _without(address: Address, dimension: str) -> Address:
    if dimension in _PLACE:
        return address._replace(level="", place="")
    return address._replace(**{dimension: ""})
