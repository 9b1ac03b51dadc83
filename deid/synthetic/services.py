"""What was done and given at each encounter: procedure lines with charges, and drugs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from deid.synthetic import reference
from deid.synthetic.people import LAST_DAY, People
from deid.synthetic.text_arrays import Ints, blank_where, dates, money, pick, take
from deid.synthetic.visits import EMERGENCY, INPATIENT, VIRTUAL, Visits

_MODIFIERS = (None, "25", "59", "26", "TC", "LT", "RT", "XU", "GT", "95")
_MODIFIER_WEIGHTS = (84, 5, 3, 2, 1.2, 1.6, 1.6, 0.6, 0.2, 0.8)
_MEAN_LINES = (1.0, 2.9, 4.2, 1.8, 0.2, 0.7)
_DAY_RATE = 241_500  # cents for a day in a bed
_MOST_UNITS = 4


@dataclass(frozen=True, slots=True)
class Lines:
    """Procedure lines as numbers, ordered by visit; `line` counts from 1, `charge` is in cents."""

    visit: Ints
    code: Ints
    line: Ints
    day: Ints
    units: Ints
    charge: Ints


@cache
def _weights(*, visit: bool) -> tuple[tuple[float, ...], ...]:
    listed = reference.procedures()
    return tuple(tuple(entry.by_class[at] * (entry.is_visit is visit) for entry in listed) for at in range(6))


def draw_lines(rng: np.random.Generator, visits: Visits) -> Lines:
    """Draw one evaluation line for each visit and a number of service lines that fits its class."""
    more = rng.poisson(np.asarray(_MEAN_LINES)[visits.kind])
    visit = np.repeat(np.arange(len(visits.who)), more + 1)
    line = np.arange(len(visit)) - np.cumsum(np.r_[0, more[:-1] + 1])[visit] + 1
    code = np.zeros(len(visit), dtype=np.int64)
    for is_visit in (True, False):
        for kind in range(6):
            mine = np.flatnonzero((visits.kind[visit] == kind) & ((line == 1) == is_visit))
            code[mine] = pick(rng, _weights(visit=is_visit)[kind], len(mine))
    stay = visits.discharge[visit] - visits.admit[visit]
    day = visits.admit[visit] + np.floor(rng.random(len(visit)) * (stay + 1)).astype(np.int64) * (line > 1)
    units = np.where((line > 1) & (rng.random(len(visit)) < 0.08), rng.integers(2, _MOST_UNITS + 1, len(visit)), 1)
    low, high = (np.array([getattr(entry, end) for entry in reference.procedures()])[code] for end in ("low", "high"))
    charge = np.floor((low + (high - low) * rng.random(len(visit)) ** 2) * 100).astype(np.int64) * units
    return Lines(visit, code, line, day, units, charge)


def total_charges(rng: np.random.Generator, visits: Visits, lines: Lines) -> Ints:
    """Return the cents charged for each visit: its lines, and the bed by day."""
    sums = np.bincount(lines.visit, weights=lines.charge, minlength=len(visits.who)).astype(np.int64)
    nights = np.where(visits.kind == INPATIENT, np.maximum(visits.discharge - visits.admit, 1), 0)
    rate = np.floor(_DAY_RATE * (0.8 + 0.6 * rng.random(len(visits.who)))).astype(np.int64)
    total: Ints = (sums + nights * rate).astype(np.int64)
    return total


def procedure_columns(rng: np.random.Generator, visits: Visits, lines: Lines) -> dict[str, pa.Array]:
    """Return the columns of the procedure lines; ICD-10-PCS only in hospital stays, where the act has such a code."""
    listed = reference.procedures()
    modifier = pick(rng, _MODIFIER_WEIGHTS, len(lines.visit))
    remote = (visits.kind[lines.visit] == VIRTUAL) & (lines.line == 1)
    pcs = take([entry.pcs for entry in listed], lines.code)
    return {
        "line": pa.array(lines.line.astype(np.int32)),
        "cpt": take([entry.code for entry in listed], lines.code),
        "modifier": take(_MODIFIERS, np.where(remote, len(_MODIFIERS) - 1, modifier)),
        "icd10pcs": blank_where(pcs, visits.kind[lines.visit] != INPATIENT),
        "revenue_code": take([entry.revenue for entry in listed], lines.code),
        "procedure_date": dates(lines.day),
        "units": pa.array(lines.units.astype(np.int32)),
        "charge": money(lines.charge),
    }


@cache
def _drugs_by_condition() -> tuple[tuple[Ints, int], ...]:
    """Return, for each condition that has drugs, their positions and the column of the condition."""
    names = [entry.name for entry in reference.conditions()]
    drugs = reference.drugs()
    return tuple(
        (np.array([at for at, drug in enumerate(drugs) if drug.condition == name]), column)
        for column, name in enumerate(names)
        if any(drug.condition == name for drug in drugs)
    )


def draw_drugs(rng: np.random.Generator, people: People, visits: Visits) -> tuple[Ints, Ints]:
    """Return (visit, drug) of what was dispensed: a person's usual drug of each condition, and short courses."""
    share = np.array([0.42, 0.10, 0.38, 0.15, 0.40, 0.25])[visits.kind]
    found, given = [], []
    for drugs, column in _drugs_by_condition():
        usual = drugs[rng.integers(0, len(drugs), len(people.number))]
        mine = np.flatnonzero(people.has[visits.who, column])
        mine = mine[rng.random(len(mine)) < share[mine]]
        found.append(mine)
        given.append(usual[visits.who[mine]])
    short = np.array([at for at, drug in enumerate(reference.drugs()) if drug.condition == "acute"])
    mine = np.flatnonzero(rng.random(len(visits.who)) < np.where(visits.kind == EMERGENCY, 0.45, 0.16))
    found.append(mine)
    given.append(short[rng.integers(0, len(short), len(mine))])
    visit, drug = np.concatenate(found), np.concatenate(given)
    order = np.argsort(visit, kind="stable")
    return visit[order], drug[order]


def drug_columns(
    rng: np.random.Generator, people: People, visits: Visits, visit: Ints, drug: Ints
) -> dict[str, pa.Array]:
    """Return the columns of the drugs; a fill is on the day of discharge or up to three days later."""
    listed = reference.drugs()
    latest = np.minimum(people.died[visits.who[visit]], LAST_DAY)
    fill = np.minimum(visits.discharge[visit] + rng.integers(0, 4, len(visit)), latest)
    days = np.array([entry.days for entry in listed])[drug]
    low, high = (np.array([getattr(entry, end) for entry in listed])[drug] for end in ("low", "high"))
    price = np.floor((low + (high - low) * rng.random(len(visit))) * 100).astype(np.int64)
    return {
        "ndc": take([entry.ndc for entry in listed], drug),
        "fill_date": dates(fill),
        "days_supply": pa.array(days.astype(np.int32)),
        "charge": money(price),
    }
