"""Which diagnoses stand in which visit of a history."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deid.synthetic.histories_people import Persons
from deid.synthetic.histories_vocabulary import ACUTE_AGES, vocabulary

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
_DRIFT = 0.06  # mentions of a condition under another of its codes
_ACUTE = 0.60  # acute or preventive codes per visit
_MIDDLE = 0.17
_TAIL = 0.21
_AGAIN = 0.62  # of these, how often the person's own come back
_OWN = 2


def draw_mentions(rng: np.random.Generator, people: Persons, patient: Numbers) -> tuple[Numbers, Numbers]:
    """Return visit and code of each diagnosis, sorted, each once in a visit; `patient` is that of each visit."""
    drawn = [_chronic(rng, people, patient), _acute(rng, people, patient)]
    drawn += [_rare(rng, people, patient, vocabulary().middle, _MIDDLE, 0.75, 40.0)]
    drawn += [_rare(rng, people, patient, vocabulary().tail, _TAIL, 1.05, 12.0)]
    visit = np.concatenate([each[0] for each in drawn])
    code = np.concatenate([each[1] for each in drawn])
    size = len(vocabulary().codes)
    found = np.unique(visit * size + code)
    return (found // size).astype(np.int32), (found % size).astype(np.int32)


def _chronic(rng: np.random.Generator, people: Persons, patient: Numbers) -> tuple[Ints, Ints]:
    """Draw the conditions of each person over the visits, under the person's own code of each."""
    visits, codes = [], []
    for column, entry in enumerate(vocabulary().chronic):
        usual = rng.choice(len(entry.codes), len(people.age), p=entry.weights)
        often = rng.beta(2.0, 3.0, len(people.age)) ** (0.45 if entry.factor == "metabolic" else 0.9)
        mine = np.flatnonzero(people.has[patient, column])
        mine = mine[rng.random(len(mine)) < often[patient[mine]]]
        which = np.where(
            rng.random(len(mine)) < _DRIFT,
            rng.choice(len(entry.codes), len(mine), p=entry.weights),
            usual[patient[mine]],
        )
        visits.append(mine)
        codes.append(entry.codes[which])
    visit, code = np.concatenate(visits), np.concatenate(codes)
    return visit, _combined(people, patient, visit, code)


def _combined(people: Persons, patient: Numbers, visit: Ints, code: Ints) -> Ints:
    """Write what the classification writes as one code: hypertension with heart or kidney disease, diabetes with it."""
    known = vocabulary()
    column = {entry.name: at for at, entry in enumerate(known.chronic)}
    heart, kidney = (people.has[patient[visit], column[name]] for name in ("heart_failure", "kidney_disease"))
    at = known.position
    plain = code == at["I10"]
    for who, written in ((heart & kidney, "I13.0"), (heart & ~kidney, "I11.0"), (kidney & ~heart, "I12.9")):
        code = np.where(plain & who, at[written], code)
    return np.where((code == at["E11.9"]) & kidney, at["E11.22"], code)


def _acute(rng: np.random.Generator, people: Persons, patient: Numbers) -> tuple[Ints, Ints]:
    """Draw acute and preventive codes by age and sex."""
    known = vocabulary()
    visit = np.repeat(np.arange(len(patient)), rng.poisson(_ACUTE, len(patient)))
    who = patient[visit]
    age = np.digitize(people.age[who], ACUTE_AGES)
    cell = age * 2 + people.male[who]
    code = np.zeros(len(visit), np.int64)
    roll = rng.random(len(visit))
    for group in range(6):
        steps = np.cumsum(known.acute_weight[:, group // 2, group % 2])
        mine = cell == group
        code[mine] = np.searchsorted(steps / steps[-1], roll[mine], side="right").clip(0, len(steps) - 1)
    return visit, known.acute[code]


def _rare(
    rng: np.random.Generator, people: Persons, patient: Numbers, codes: Ints, each: float, power: float, shift: float
) -> tuple[Ints, Ints]:
    """Draw codes by Zipf's law with a flattened head; some come back in the person, none is for others' age or sex."""
    steps = np.cumsum((np.arange(len(codes)) + shift) ** -power)
    steps /= steps[-1]
    visit = np.repeat(np.arange(len(patient)), rng.poisson(each, len(patient)))
    own = np.searchsorted(steps, rng.random((len(people.age), _OWN)))
    fresh = np.searchsorted(steps, rng.random(len(visit)))
    back = own[patient[visit], rng.integers(0, _OWN, len(visit))]
    code = codes[np.where(rng.random(len(visit)) < _AGAIN, back, fresh)]
    known = vocabulary()
    who = patient[visit]
    sex = known.sex[code]
    fits = (sex == 0) | (sex == np.where(people.male[who], 2, 1))
    fits &= (people.age[who] >= known.age_low[code]) & (people.age[who] <= known.age_high[code])
    return visit[fits], code[fits]
