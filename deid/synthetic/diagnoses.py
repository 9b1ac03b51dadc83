"""What people come with: principal, chronic, recurring and rare diagnoses of each encounter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from deid.synthetic import reference
from deid.synthetic.people import YEAR_DAYS, People
from deid.synthetic.reference import Floats
from deid.synthetic.text_arrays import Ints, blank_where, pick, take
from deid.synthetic.visits import AMBULATORY, EMERGENCY, INPATIENT, OUTPATIENT, Visits

_MOST_CODES = 25
_PERSONAL = 3  # rare codes that come back in one person
_LIKELY_ACIDOSIS = {"diabetes_type_1": 0.45, "diabetes_type_2": 0.24, "diabetes_other": 0.30}
_FALLBACK_DRG = "951"
_BIRTH = "Z38.00"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every code that can be drawn, in one list, and where each source of codes begins in it."""

    codes: tuple[str, ...]
    drgs: tuple[str, ...]
    chronic_at: tuple[int, ...]
    acidosis_at: int
    tail_at: int
    birth: int


@cache
def vocabulary() -> Vocabulary:
    """Return the list of codes: acute, chronic, ketoacidosis, tail."""
    codes = [entry.code for entry in reference.acute()]
    drgs = [entry.drg for entry in reference.acute()]
    chronic_at = []
    for condition in reference.conditions():
        chronic_at.append(len(codes))
        codes += condition.codes
        drgs += [_FALLBACK_DRG] * len(condition.codes)
    acidosis_at = len(codes)
    codes += [code for _, code, _, _ in reference.acidosis()]
    drgs += [drg for _, _, drg, _ in reference.acidosis()]
    tail_at = len(codes)
    codes += reference.tail()
    drgs += [_FALLBACK_DRG] * len(reference.tail())
    return Vocabulary(tuple(codes), tuple(drgs), tuple(chronic_at), acidosis_at, tail_at, codes.index(_BIRTH))


@dataclass(frozen=True, slots=True)
class Diagnoses:
    """Diagnoses as numbers, ordered by encounter and sequence (from 1): position of the visit, position of the code."""

    visit: Ints
    code: Ints
    sequence: Ints


def draw_diagnoses(rng: np.random.Generator, people: People, visits: Visits) -> Diagnoses:
    """Draw the diagnoses of every visit, at least one each, none twice in one visit."""
    head = _heads(rng, people, visits)
    found = [np.flatnonzero(head >= 0)]
    codes = [head[head >= 0]]
    rank = [np.zeros(len(found[0]))]
    for drawn, weight in ((_chronic(rng, people, visits), 1), (_tail(rng, people, visits), 2)):
        found.append(drawn[0])
        codes.append(drawn[1])
        rank.append(weight + rng.random(len(drawn[0])))
    return _ordered(np.concatenate(found), np.concatenate(codes), np.concatenate(rank), visits)


def _heads(rng: np.random.Generator, people: People, visits: Visits) -> Ints:
    """Return the acute reason of each visit as a position in the vocabulary, -1 where it is none."""
    kind, who = visits.kind, visits.who
    age = ((visits.admit - people.born[who]) / YEAR_DAYS).astype(np.int64)
    hospital = np.select([kind == EMERGENCY, kind == INPATIENT], [1, 2], 0)
    cell = hospital * 6 + np.digitize(age, (18, 65)) * 2 + people.is_male[who]
    steps = _head_steps()
    head = np.full(len(who), -1, dtype=np.int64)
    draw = rng.random(len(who))
    for group in range(len(steps)):
        chosen = cell == group
        head[chosen] = np.searchsorted(steps[group], draw[chosen], side="right")
    head = head.clip(-1, len(reference.acute()) - 1)
    acute_share = np.select([hospital > 0, kind == AMBULATORY, kind == OUTPATIENT], [0.88, 0.55, 0.35], 0.3)
    head = np.where(rng.random(len(who)) < acute_share, head, -1)
    head = np.where(hospital > 0, _acidosis(rng, people, visits, head), head)
    return np.where(visits.is_birth, vocabulary().birth, head)


@cache
def _head_steps() -> Floats:
    """Return cumulative weights of the acute codes for class x age x sex, shape (18, codes)."""
    listed = reference.acute()
    by_class, by_age = (np.array([getattr(entry, name) for entry in listed]) for name in ("by_class", "by_age"))
    by_sex = np.array([(entry.female, entry.male) for entry in listed])
    weights = by_class[:, :, None, None] * by_age[:, None, :, None] * by_sex[:, None, None, :]
    steps = np.cumsum(weights.reshape(len(listed), -1).T, axis=1)
    return np.asarray(steps / steps[:, -1:])


def _acidosis(rng: np.random.Generator, people: People, visits: Visits, head: Ints) -> Ints:
    names = [entry.name for entry in reference.conditions()]
    listed = reference.acidosis()
    roll = rng.random(len(head))
    for name, chance in _LIKELY_ACIDOSIS.items():
        mine = [at for at, entry in enumerate(listed) if entry[0] == name]
        which = vocabulary().acidosis_at + mine[0] + pick(rng, [listed[at][3] for at in mine], len(head))
        struck = people.has[visits.who, names.index(name)] & (roll < chance)
        head = np.where(struck, which, head)
    return head


def _chronic(rng: np.random.Generator, people: People, visits: Visits) -> tuple[Ints, Ints]:
    """Return (visit, code) of the chronic conditions that were written down, always with the person's own variant."""
    written = np.array([0.34, 0.42, 0.72, 0.30, 0.34, 0.5])[visits.kind]
    found, codes = [], []
    for column, start in enumerate(vocabulary().chronic_at):
        mine = np.flatnonzero(people.has[visits.who, column])
        mine = mine[rng.random(len(mine)) < written[mine]]
        found.append(mine)
        codes.append(start + people.variant[visits.who[mine], column])
    return np.concatenate(found), np.concatenate(codes)


def _tail(rng: np.random.Generator, people: People, visits: Visits) -> tuple[Ints, Ints]:
    """Return (visit, code) from the long tail: by Zipf's law, three in five times one the person had before."""
    mean = np.array([0.55, 0.65, 1.5, 0.7, 0.35, 0.9])[visits.kind]
    visit = np.repeat(np.arange(len(visits.who)), rng.poisson(mean))
    size = len(reference.tail())
    weights = 1 / (np.arange(size) + 12.0)
    personal = pick(rng, weights, len(people.number) * _PERSONAL).reshape(-1, _PERSONAL)
    own = personal[visits.who[visit], rng.integers(0, _PERSONAL, len(visit))]
    fresh = pick(rng, weights, len(visit))
    return visit, vocabulary().tail_at + np.where(rng.random(len(visit)) < 0.6, own, fresh)


def _ordered(visit: Ints, code: Ints, rank: Floats, visits: Visits) -> Diagnoses:
    bare = np.setdiff1d(np.arange(len(visits.who)), visit)
    visit = np.concatenate([visit, bare])
    code = np.concatenate([code, np.full(len(bare), reference_code("Z00.00"), dtype=np.int64)])
    rank = np.concatenate([rank, np.zeros(len(bare))])
    order = np.lexsort((rank, visit))
    visit, code = visit[order], code[order]
    _, first = np.unique(visit * len(vocabulary().codes) + code, return_index=True)
    kept = np.sort(first)
    visit, code = visit[kept], code[kept]
    starts = np.flatnonzero(np.r_[True, visit[1:] != visit[:-1]])
    sequence = np.arange(len(visit)) - starts[visit] + 1
    short = sequence <= _MOST_CODES
    return Diagnoses(visit[short], code[short], sequence[short])


@cache
def reference_code(code: str) -> int:
    """Return the position of `code` in the vocabulary."""
    return vocabulary().codes.index(code)


def diagnosis_columns(rng: np.random.Generator, visits: Visits, drawn: Diagnoses) -> dict[str, pa.Array]:
    """Return code, sequence and present-on-admission of each diagnosis."""
    inpatient = visits.kind[drawn.visit] == INPATIENT
    present = np.where(drawn.sequence == 1, 0, pick(rng, (86, 9, 3, 1, 1), len(drawn.visit)))
    return {
        "icd10cm": take(vocabulary().codes, drawn.code),
        "sequence": pa.array(drawn.sequence.astype(np.int32)),
        "present_on_admission": blank_where(take(("Y", "N", "U", "W", "1"), present), ~inpatient),
    }


def drgs(visits: Visits, drawn: Diagnoses) -> pa.Array:
    """Return the diagnosis-related group of each visit by its principal diagnosis; null outside of hospital stays."""
    principal = drawn.code[drawn.sequence == 1]
    return blank_where(take(vocabulary().drgs, principal), visits.kind != INPATIENT)
