"""What ages tell across periods, groups and the population: nobody grows younger.

A patient's age is that on the first visit that counts. That visit is earlier in a longer period, or among more codes,
than in a part of them; and the population's ages are those of the last day. So the young of a part are among the young
of the whole, and the old of a period among the old of the population, whatever band each of them is in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from deid.tables.cube import Address
from deid.tables.periods import holds, is_span
from deid.tables.tabulation import Measure

Pair = tuple[list[Address], list[Address]]  # the first are no more than the second


def aged_bounds(place: Mapping[Address, int], wider: Mapping[str, list[str]]) -> Iterator[Pair]:
    """Yield cells by age of which the first cannot exceed the second, from the youngest or the oldest band on.

    `wider`: for a code group, those that hold all its codes.
    """
    bands: dict[Address, dict[int, Address]] = {}
    for a in place:
        if a.age[:1].isdigit():
            bands.setdefault(a._replace(age=""), {})[int(a.age.rstrip("+").split("-")[0])] = a
    new: dict[tuple[int, Address], list[Address]] = {}
    for whole, cells in sorted(bands.items()):
        people = bands.get(whole._replace(measure=Measure.POPULATION.value, group="", period=""), {})
        if whole.measure == Measure.PREVALENCE:
            yield from _in_prevalence(whole, bands, wider)
            yield from _old([cells], people)
        if whole.measure == Measure.INCIDENCE and people:
            new.setdefault((len(holds(whole.period)), whole._replace(period="")), []).append(whole)
    for (_, base), periods in new.items():  # each patient is new once
        people = bands[base._replace(measure=Measure.POPULATION.value, group="", period="")]
        yield from _old([bands[period] for period in periods], people)


def _in_prevalence(
    whole: Address, bands: Mapping[Address, dict[int, Address]], wider: Mapping[str, list[str]]
) -> Iterator[Pair]:
    """Yield what is no more than the patients of a period: those of its parts, new ones, and those of fewer codes."""
    cells = bands[whole]
    for split in holds(whole.period):
        for label in split:
            yield from _young([bands.get(whole._replace(period=label), {})], cells)
    if is_span(whole.period):  # within a year, the visit that makes a new case is the first of it
        ways = [(whole.period,), *holds(whole.period)]
        for way in ways:
            new = (whole._replace(measure=Measure.INCIDENCE.value, period=label) for label in way)
            yield from _young([bands[a] for a in new if a in bands], cells)
    for group in ("", *wider.get(whole.group, ())) if whole.group else ():
        yield from _young([cells], bands.get(whole._replace(group=group), {}))


def _young(parts: Sequence[Mapping[int, Address]], whole: Mapping[int, Address]) -> Iterator[Pair]:
    lows = sorted(whole)
    if parts and all(part.keys() == whole.keys() for part in parts):
        for n in range(1, len(lows) + 1):
            yield [part[low] for part in parts for low in lows[:n]], [whole[low] for low in lows[:n]]


def _old(parts: Sequence[Mapping[int, Address]], whole: Mapping[int, Address]) -> Iterator[Pair]:
    lows = sorted(whole)
    if all(part.keys() == whole.keys() for part in parts):
        for n in range(len(lows)):
            yield [part[low] for part in parts for low in lows[n:]], [whole[low] for low in lows[n:]]
