"""Which procedures and drugs stand in which visit of a history."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deid.synthetic import reference
from deid.synthetic.histories_people import Persons
from deid.synthetic.histories_vocabulary import vocabulary
from deid.synthetic.text_arrays import digits, fixed

Numbers = npt.NDArray[np.int32]
Drawn = tuple[str, tuple[str, ...], Numbers, Numbers]
_ACTS = 1.4  # procedures per visit
_TAIL_ACTS = 3_000
_PRODUCTS = 2_500
_FILL = 0.35  # how often a visit renews the drug of a condition
_SHORT = 0.25  # short courses and rare products per visit


def draw_services(rng: np.random.Generator, people: Persons, patient: Numbers) -> tuple[Drawn, ...]:
    """Return kind, codes, visit and code of procedures (CPT) and drugs (NDC); `patient` is that of each visit."""
    return _procedures(rng, patient), _drugs(rng, people, patient)


def _procedures(rng: np.random.Generator, patient: Numbers) -> Drawn:
    listed = tuple(dict.fromkeys(entry.code for entry in reference.procedures()))
    numbers = np.setdiff1d(np.arange(10_004, 69_990), [int(code) for code in listed if code.isdigit()])
    rare = rng.permutation(numbers)[:_TAIL_ACTS]
    codes = (*listed, *fixed(digits(rare, 5)).to_pylist())
    order = rng.permutation(len(listed))
    weight = np.concatenate([1.0 / (order + 3.0), 6.0 / (np.arange(len(rare)) + 60.0) ** 1.3])
    visit = np.repeat(np.arange(len(patient)), rng.poisson(_ACTS, len(patient)))
    return _once("cpt", codes, visit, rng.choice(len(codes), len(visit), p=weight / weight.sum()))


def _drugs(rng: np.random.Generator, people: Persons, patient: Numbers) -> Drawn:
    listed = reference.drugs()
    texts = [entry.ndc for entry in listed]
    numbers = 900_000_000 + rng.permutation(_PRODUCTS) * 36_000 + rng.integers(0, 36_000, _PRODUCTS)
    rare = fixed(digits(numbers, 9), b"01").to_pylist()
    column = {entry.name: at for at, entry in enumerate(vocabulary().chronic)}
    visits, codes = [], []
    for name in dict.fromkeys(entry.condition for entry in listed):
        if name not in column:
            continue
        mine = np.array([at for at, entry in enumerate(listed) if entry.condition == name])
        usual = mine[rng.integers(0, len(mine), len(people.age))]
        found = np.flatnonzero(people.has[patient, column[name]])
        found = found[rng.random(len(found)) < _FILL]
        visits.append(found)
        codes.append(usual[patient[found]])
    weight = 1.0 / (np.arange(_PRODUCTS) + 5.0)
    short = np.repeat(np.arange(len(patient)), rng.poisson(_SHORT, len(patient)))
    visits.append(short)
    codes.append(len(listed) + rng.choice(_PRODUCTS, len(short), p=weight / weight.sum()))
    return _once("ndc", (*texts, *rare), np.concatenate(visits), np.concatenate(codes))


def _once(kind: str, codes: tuple[str, ...], visit: npt.NDArray[np.int64], code: npt.NDArray[np.int64]) -> Drawn:
    found = np.unique(visit * len(codes) + code)
    return kind, codes, (found // len(codes)).astype(np.int32), (found % len(codes)).astype(np.int32)
