"""Coded histories of people who never lived, as numbers: who has which diagnosis, procedure and drug, in which visit.

A model for measuring disclosure, not for medicine. Chronic conditions by age and sex keep company through hidden
factors and come back in visits under a code of the person's own, with drift; acute and preventive codes go by age and
sex; the tail is Zipf's over all billable ICD-10-CM codes. Prevalences are set by hand; the curve of mentions by rank of
code was held against the public DE-SynPUF. The same seed gives the same histories.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.synthetic.histories_diagnoses import draw_mentions
from deid.synthetic.histories_people import Persons, draw_persons, draw_visits_of
from deid.synthetic.histories_services import draw_services
from deid.synthetic.histories_vocabulary import vocabulary

Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Mentions:
    """Codes of one kind in visits: `visit` and `code`, int32 (n,), sorted by visit, each once; `codes` their texts."""

    kind: str
    codes: tuple[str, ...] = field(repr=False)
    visit: Numbers = field(repr=False)
    code: Numbers = field(repr=False)


@dataclass(frozen=True, slots=True)
class Histories:
    """People, their visits (`patient` and `day`, int32 (visits,), sorted by patient and day) and codes by kind."""

    people: Persons
    patient: Numbers = field(repr=False)
    day: Numbers = field(repr=False)
    mentions: tuple[Mentions, ...]


def draw_histories(patients: int, *, seed: int = 7, services: bool = False) -> Histories:
    """Return the histories of `patients` people; with `services`, procedures (CPT) and drugs (NDC) as well."""
    rng = np.random.default_rng(seed)
    people = draw_persons(rng, patients)
    patient, day = draw_visits_of(rng, people)
    visit, code = draw_mentions(rng, people, patient)
    drawn = [Mentions("icd10cm", vocabulary().codes, visit, code)]
    if services:
        drawn += [Mentions(*each) for each in draw_services(rng, people, patient)]
    return Histories(people, patient, day, tuple(drawn))
