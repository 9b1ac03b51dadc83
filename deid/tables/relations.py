"""What anybody may know to hold between cells: sums, and counts that cannot exceed others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from deid.tables.aging import aged_bounds
from deid.tables.cube import Address
from deid.tables.people import BETWEEN
from deid.tables.periods import holds, is_span
from deid.tables.tabulation import PEOPLE, Measure

HIERARCHICAL = frozenset({"icd10cm", "icd10pcs", "icd10", "icd9cm", "icd_any"})  # as in deid.observing.selection


class Relation(NamedTuple):
    """The cells of `plus` less those of `minus` are 0 (`is_sum`), or at most 0.

    `is_gap`: what they are less by counts somebody itself, patients or visits that are in the one and not the other.
    """

    plus: list[int]
    minus: list[int]
    is_sum: bool
    is_gap: bool


Codes = Mapping[str, Mapping[str, tuple[str, ...]]]
Inside = Mapping[tuple[str, str], Sequence[tuple[str, str]]]  # a place by level and name: those that hold it
Named = tuple[list[Address], list[Address], bool, bool]
SUM, GAP, BOUND = (True, False), (False, True), (False, False)


def known_relations(place: Mapping[Address, int], groups: Codes, inside: Inside) -> list[Relation]:
    """Return every relation that anybody may know, sums first."""
    over = {n: [w for w in groups if w != n and _covers([groups[w]], groups[n])] for n in groups}
    named = [*_families(place), *_periods(place), *_measures(place), *_ever(place), *_nested(place, groups, over)]
    named += [(young, old, *GAP) for young, old in aged_bounds(place, over)]
    named += _grounds(place, inside)
    found = [Relation([place[a] for a in plus], [place[a] for a in minus], *how) for plus, minus, *how in named]
    return sorted(found, key=lambda relation: not relation.is_sum)


def _families(place: Mapping[Address, int]) -> Iterator[Named]:
    """Yield the parts that a total falls into along one dimension of people, and the total."""
    members: dict[tuple[str, Address], list[Address]] = {}
    for a in sorted(place):
        for dimension in PEOPLE:
            if getattr(a, dimension):
                members.setdefault((dimension, a._replace(**{dimension: ""})), []).append(a)
        if a.place:
            members.setdefault((a.level, a._replace(level="", place="")), []).append(a)
        if a.level == "county" and BETWEEN in a.place:
            state = a._replace(level="state", place=a.place.split(BETWEEN)[0])
            members.setdefault(("county", state), []).append(a)
    for (dimension, whole), some in members.items():
        if whole in place:
            # Counties that few patients have are under `other`, and not under their state: the gap is theirs.
            yield some, [whole], *(GAP if dimension == "county" and whole.level == "state" else SUM)


def _periods(place: Mapping[Address, int]) -> Iterator[Named]:
    """Yield what holds between a period and the shorter ones in it.

    Visits and new patients add up. A patient who is seen in several quarters counts once in the year: no more than in
    the quarters together and, whatever the age, no fewer than in one; by age somebody may be older in a later quarter
    than at the first visit of the year. Patients of a month have a visit each in it, and new ones are among the year's.
    """
    for whole in sorted(place):
        for split in holds(whole.period):
            some = _there(place, (whole._replace(period=label) for label in split))
            if whole.measure == Measure.PREVALENCE:
                if some and len(some) == len(split):
                    yield [whole], some, *BOUND
                yield from (([part], [whole], *GAP) for part in some if not whole.age)
            elif some:
                yield some, [whole], *(SUM if len(some) == len(split) else GAP)
            below = {Measure.PREVALENCE: Measure.INCIDENCE, Measure.VISITS: Measure.PREVALENCE}.get(
                Measure(whole.measure)
            )
            # By age, a patient of several years may be new at another age than at the first visit of these.
            if below is not None and not (below is Measure.INCIDENCE and whole.age and is_span(whole.period)):
                less = _there(place, (whole._replace(measure=below.value, period=label) for label in split))
                if less:
                    yield less, [whole], *(GAP if below is Measure.INCIDENCE else BOUND)


def _there(place: Mapping[Address, int], wanted: Iterable[Address]) -> list[Address]:
    return [a for a in wanted if a in place]


def _measures(place: Mapping[Address, int]) -> Iterator[Named]:
    """Yield pairs of measures of one cell, of which the first cannot exceed the second."""
    for a in sorted(place):
        # Age is that on the last day there, and of the first visit here.
        people = [] if a.age else [a._replace(measure="population", group="", period="")]
        patients, visits = a._replace(measure="prevalence"), a._replace(measure="visits")
        if a.measure == Measure.INCIDENCE:
            seen = [] if a.age and is_span(a.period) else [patients]
            yield from (([a], [whole], *GAP) for whole in _there(place, [*seen, *people]))
        if a.measure in (Measure.INCIDENCE, Measure.PREVALENCE):
            yield from (([a], [whole], *BOUND) for whole in _there(place, [visits]))
        if a.measure == Measure.PREVALENCE:
            yield from (([a], [whole], *GAP) for whole in _there(place, people))


def _ever(place: Mapping[Address, int]) -> Iterator[Named]:
    """Yield all new patients of periods of one length, and the people of whom each can be new only once."""
    members: dict[tuple[int, Address, Address], list[Address]] = {}
    for a in sorted(place):
        people = a._replace(measure="population", group="", period="")
        if a.measure == Measure.INCIDENCE and not a.age and people in place:
            length = len(holds(a.period))  # several years, years, quarters and months fall into 3, 2, 1 and 0 ways
            members.setdefault((length, a._replace(period=""), people), []).append(a)
    yield from ((some, [people], *GAP) for (_, _, people), some in members.items() if len(some) > 1)


def _grounds(place: Mapping[Address, int], inside: Inside) -> Iterator[Named]:
    """Yield the places that lie within one of another level: anybody has a map of ZIP codes and counties."""
    members: dict[tuple[str, Address], list[Address]] = {}
    for a in sorted(place):
        for level, name in inside.get((a.level, a.place), ()):
            whole = a._replace(level=level, place=name)
            if whole in place:
                members.setdefault((a.level, whole), []).append(a)
    yield from ((some, [whole], *GAP) for (_, whole), some in members.items())


def _nested(place: Mapping[Address, int], groups: Codes, over: Mapping[str, list[str]]) -> Iterator[Named]:
    """Yield cells of code groups of which one lies within another, or several together hold it.

    Not for incidence, nor for prevalence by age (`aging`): the first visit of the wider group may be an earlier one.
    The visits of all groups are among all visits.
    """
    whole = {w: [n for n in groups if w in over[n]] for w in groups}
    for a in sorted(place):
        if not a.group or a.measure == Measure.INCIDENCE or (a.measure == Measure.PREVALENCE and a.age):
            continue
        wider = _there(place, (a._replace(group=wide) for wide in ("", *over.get(a.group, ()))))
        yield from (([a], [bound], *GAP) for bound in wider)
        narrow = [n for n in whole.get(a.group, ()) if a._replace(group=n) in place]
        if narrow and _covers([groups[n] for n in narrow], groups[a.group]):
            yield [a], [a._replace(group=n) for n in narrow], *BOUND


def _covers(wide: Sequence[Mapping[str, tuple[str, ...]]], narrow: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether every code of `narrow` lies under a code of one of `wide`."""

    def plain(code: str) -> str:
        return code.upper().replace(".", "")

    def under(kind: str, code: str, over: str) -> bool:
        if kind in HIERARCHICAL or over.endswith("*"):
            return plain(code).startswith(plain(over).rstrip("*"))
        return plain(code) == plain(over)

    return all(
        any(under(kind, code, over) for group in wide for over in group.get(kind, ()))
        for kind, codes in narrow.items()
        for code in codes
    )
