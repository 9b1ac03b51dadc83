"""Counts of one measure by its dimensions, and of the patients behind each, with totals; whole arrays at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.cells.days import number_of
from deid.documents.period import Period
from deid.errors import DocumentError
from deid.observing.selection import whole_years
from deid.tables.bands import Band, band_of
from deid.tables.incidence import new_cases, plausible
from deid.tables.people import Numbers, People, Visits
from deid.tables.periods import period_of
from deid.tables.system import Counts
from deid.tables.tabulation import Measure

MAX_CELLS = 200_000
UNKNOWN_AGE = "unknown"


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts by (group, period, then the dimensions of people), each with a total behind the last label.

    `counts`, `patients`: of the same shape; `labels`: of every axis, the total as an empty text.
    """

    counts: Counts = field(repr=False)
    patients: Counts = field(repr=False)
    labels: tuple[tuple[str, ...], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts people and visits of one source."""

    people: People
    visits: Visits
    bands: tuple[Band, ...]
    washout: int = 0

    def passed_over(self) -> int:
        """Return how many visits with codes no look-back counts: before the patient's birth, or the source's begin."""
        at = self.visits.group > 0
        who, when = self.visits.patient[at], self.visits.day[at]
        sound = plausible(who, when, self.people.birth_day, self.visits.begin)
        return int((~sound & self.people.chosen[who]).sum())

    def tally(self, measure: Measure, periods: Sequence[Period], dimensions: Sequence[str], *, by_group: bool) -> Tally:
        """Return the counts of a measure; `dimensions` are those of people, age among them; raise DocumentError.

        A patient counts once in a cell. Age is that on the day that counts: of the visit; of the patient's first visit
        in the period, for prevalence; of the visit that makes a new case, for incidence; the tables' last day, for
        population.
        """
        groups = self._groups(by_group=by_group and measure is not Measure.POPULATION)
        labels = [tuple(name for _, name in groups), tuple(p.label for p in periods)]
        labels += [self._labels(d) for d in dimensions]
        shape = tuple(len(axis) for axis in labels)
        if np.prod([n + 1 for n in shape], dtype=float) > MAX_CELLS:
            raise DocumentError(
                f"a table of more than {MAX_CELLS:,} cells", hint="leave a dimension out, or take a coarser one"
            )
        counts = np.zeros(shape, np.int64)
        patients = np.zeros(shape, np.int64)
        whole = np.zeros(shape, np.int64)  # patients whatever their age, laid at one age
        for at, (number, _) in enumerate(groups):
            who, when, period = self._events(measure, periods, number)
            counts[at] = _counted(shape[1:], self._places(dimensions, who, when, period))
            first = _firsts(who, period, self._ages(when, who) if "age" in dimensions else None)
            patients[at] = _counted(shape[1:], self._places(dimensions, who[first], when[first], period[first]))
            once = _firsts(who, period, None)
            whole[at] = _counted(shape[1:], self._places(dimensions, who[once], when[once], period[once]))
        if "age" in dimensions:
            axis = 2 + list(dimensions).index("age")
            if not counts.take(-1, axis=axis).any():  # nobody's age is unknown
                counts, patients, whole = (a.take(range(shape[axis] - 1), axis=axis) for a in (counts, patients, whole))
                labels[axis] = labels[axis][:-1]
        return self._with_totals(counts, patients, whole, labels, dimensions)

    def _groups(self, *, by_group: bool) -> list[tuple[int, str]]:
        if not by_group:
            return [(0, "")]
        return sorted(((n, name) for n, name in enumerate(self.visits.labels) if n), key=lambda pair: pair[1])

    def _labels(self, dimension: str) -> tuple[str, ...]:
        if dimension == "age":
            return (*(band.label for band in self.bands), UNKNOWN_AGE)
        return tuple(self.people.labels(dimension))

    def _events(self, measure: Measure, periods: Sequence[Period], group: int) -> tuple[Numbers, Numbers, Numbers]:
        """Return patient, day and period of all that counts, sorted by patient, period and day."""
        if measure is Measure.POPULATION:
            size = len(self.people)
            on = np.full(size, number_of(periods[0].last), np.int32)
            return np.arange(size, dtype=np.int32), on, np.zeros(size, np.int32)
        who, when = self.visits.of(group)
        chosen = self.people.chosen[who]
        who, when = who[chosen], when[chosen]
        order = np.lexsort((when, who))
        who, when = who[order], when[order]
        if measure is Measure.INCIDENCE:
            sound = plausible(who, when, self.people.birth_day, self.visits.begin)
            who, when = who[sound], when[sound]
            new = new_cases(who, when, self.visits.begin, self.washout)
            who, when = who[new], when[new]
        period = period_of(periods, when)
        inside = period >= 0
        who, when, period = who[inside], when[inside], period[inside]
        if measure is not Measure.VISITS:
            once = _firsts(who, period, None)
            who, when, period = who[once], when[once], period[once]
        return who, when, period

    def _ages(self, when: Numbers, who: Numbers) -> npt.NDArray[np.int32]:
        return band_of(self.bands, whole_years(self.people.birth_day[who], when))

    def _places(self, dimensions: Sequence[str], who: Numbers, when: Numbers, period: Numbers) -> list[Numbers]:
        of_people = [
            self._ages(when, who) if d == "age" else self.people.attributes[d].of_patient[who] for d in dimensions
        ]
        return [period, *of_people]

    def _with_totals(
        self, counts: Counts, patients: Counts, whole: Counts, labels: list[tuple[str, ...]], dimensions: Sequence[str]
    ) -> Tally:
        for axis in range(2, 2 + len(dimensions)):
            counts = _totaled(counts, axis)
            whole = _totaled(whole, axis)
            patients = _totaled(patients, axis)
        for axis, dimension in enumerate(dimensions, 2):
            if dimension == "age":  # somebody seen at two ages within a period is one patient of the total
                last = (slice(None),) * axis + (-1,)
                patients[last] = whole[last]
        full = (labels[0], labels[1], *((*axis, "") for axis in labels[2:]))
        return Tally(counts, patients, tuple(full))


def _totaled(array: Counts, axis: int) -> Counts:
    return np.concatenate([array, array.sum(axis=axis, keepdims=True)], axis=axis)


def _counted(shape: tuple[int, ...], places: Sequence[Numbers]) -> Counts:
    if not len(places[0]):
        return np.zeros(shape, np.int64)
    flat = np.ravel_multi_index([place.astype(np.int64) for place in places], shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.int64)


def _firsts(who: Numbers, period: Numbers, age: Numbers | None) -> npt.NDArray[np.bool_]:
    """Return which rows are the first of their patient and period (and age); rows are sorted by patient and day."""
    first = np.ones(len(who), bool)
    first[1:] = (who[1:] != who[:-1]) | (period[1:] != period[:-1])
    if age is not None:
        first[1:] |= age[1:] != age[:-1]
    return first
