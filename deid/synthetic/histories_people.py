"""Who the people of histories are and when they come: age, sex, race, place, hidden factors, conditions, visits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.synthetic.histories_vocabulary import AGE_FLOORS, vocabulary

Numbers = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
DAYS = 1095  # three years
MOST_VISITS = 150
# Patients of a health system by first year of age: more of the very young and of the old than live anywhere.
_AGES = ((0, 1.5), (2, 0.9), (18, 0.85), (30, 1.0), (45, 1.2), (60, 1.45), (75, 1.0), (85, 0.6), (90, 0.18), (96, 0.0))
_RACES = (0.66, 0.15, 0.06, 0.02, 0.01, 0.07, 0.03)
_PLACES = 40
_FACTORS = ("metabolic", "smoking", "mental", "frailty")


@dataclass(frozen=True, slots=True)
class Persons:
    """`age` in years, `male`, `race` (0 to 6), `place` (number of a ZIP3), and `has` (people, chronic conditions)."""

    age: Numbers = field(repr=False)
    male: Flags = field(repr=False)
    race: Numbers = field(repr=False)
    place: Numbers = field(repr=False)
    has: Flags = field(repr=False)


def draw_persons(rng: np.random.Generator, count: int) -> Persons:
    """Draw people with the conditions that they carry."""
    starts, weights = zip(*_AGES, strict=True)
    per_year = np.repeat(weights[:-1], np.diff(starts))
    age = rng.choice(len(per_year), count, p=per_year / per_year.sum())
    male = rng.random(count) < 0.46
    race = rng.choice(len(_RACES), count, p=_RACES)
    near = 1.0 / np.arange(1, _PLACES + 1)
    place = rng.choice(_PLACES, count, p=near / near.sum())
    has = _conditions(rng, age, male)
    return Persons(age.astype(np.int32), male, race.astype(np.int32), place.astype(np.int32), has)


def _conditions(rng: np.random.Generator, age: npt.NDArray[np.int64], male: Flags) -> Flags:
    """Draw conditions by a probit on one shared factor of illness, one factor for each kind, and chance."""
    from scipy.special import ndtri  # noqa: PLC0415 - loads compiled libraries

    shared = rng.standard_normal(len(age))
    factors = {name: rng.standard_normal(len(age)) for name in _FACTORS}
    band = np.searchsorted(AGE_FLOORS, age, side="right") - 1
    listed = vocabulary().chronic
    has = np.zeros((len(age), len(listed)), bool)
    for column, entry in enumerate(listed):
        # Three in ten of the variance that hangs on a factor is common to all.
        load = 0.45 * entry.load
        common = 0.05
        own = np.sqrt(max(1 - load**2 - common**2, 0.0))
        latent = common * shared + own * rng.standard_normal(len(age))
        if entry.factor in factors:
            latent = latent + load * factors[entry.factor]
        else:
            latent = latent + load * rng.standard_normal(len(age))
        has[:, column] = latent < ndtri(entry.prevalence[band, male.astype(np.int64)])
    return has


def draw_visits_of(rng: np.random.Generator, people: Persons) -> tuple[Numbers, Numbers]:
    """Return the patient and the day of each visit, sorted by both; about six each, more with more conditions."""
    burden = people.has.sum(axis=1)
    rate = (2.5 + 0.84 * burden + 1.2 * (people.age < 3)) * rng.gamma(2.0, 0.5, len(burden))
    count = (1 + rng.poisson(rate)).clip(1, MOST_VISITS)
    patient = np.repeat(np.arange(len(count)), count)
    day = rng.integers(0, DAYS, len(patient))
    day = day[np.lexsort((day, patient))]
    return patient.astype(np.int32), day.astype(np.int32)
