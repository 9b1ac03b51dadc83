"""When people come, for how long, and in which class of encounter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from deid.synthetic.people import FIRST_DAY, LAST_DAY, NEVER, YEAR_DAYS, People
from deid.synthetic.text_arrays import (
    Bools,
    Ints,
    base32,
    blank_where,
    dates,
    digits,
    fixed,
    money,
    npi,
    pick,
    scramble,
    scramble_decimal,
    take,
)

CLASSES = ("ambulatory", "emergency", "inpatient", "outpatient", "virtual", "home")
AMBULATORY, EMERGENCY, INPATIENT, OUTPATIENT, VIRTUAL, HOME = range(6)
_CLASS_WEIGHTS = ((66, 15, 4, 8, 7, 0), (60, 13, 9, 11, 6, 1), (49, 14, 16, 13, 4, 4))  # healthy, middling, frail
_STAY_DAYS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 28)
_STAY_WEIGHTS = (9, 20, 21, 15, 10, 7, 5, 4, 4, 2, 1.5, 1, 0.5)
_MOST_VISITS = 200
_PROVIDERS = 600
_FACILITIES = 40
_PLACES_OF_SERVICE = (
    (("11", 86), ("22", 8), ("20", 6)),
    (("23", 100),),
    (("21", 100),),
    (("22", 74), ("24", 16), ("19", 10)),
    (("02", 45), ("10", 55)),
    (("12", 100),),
)
_INPATIENT_STATUS = (("01", 68), ("06", 12), ("03", 12), ("02", 3), ("62", 3), ("07", 1.2), ("50", 0.8))
_EMERGENCY_STATUS = (("01", 94), ("07", 3), ("02", 3))
_PAYERS = ("medicare", "medicaid", "commercial", "self-pay")


@dataclass(frozen=True, slots=True)
class Visits:
    """Encounters as numbers, ordered by person and day.

    `who` is the position of the person in the block, `number` is unique in the whole population, `is_birth` marks a
    newborn's own stay.
    """

    who: Ints
    number: Ints
    admit: Ints
    discharge: Ints
    kind: Ints
    is_birth: Bools
    provider: Ints


def draw_visits(rng: np.random.Generator, people: People) -> Visits:
    """Draw every encounter of a block of people, about five each."""
    burden = people.has.sum(axis=1)
    count = 1 + rng.poisson(1.6 + 0.85 * burden * rng.random(len(burden)) * 2 + 0.9 * (people.age >= 65))
    count = count.clip(1, _MOST_VISITS)
    who = np.repeat(np.arange(len(count)), count)
    is_first = np.r_[True, who[1:] != who[:-1]]
    opens = np.maximum(people.born, FIRST_DAY)
    closes = np.minimum(people.died, LAST_DAY)
    admit = _days(rng, who, is_first, opens, closes)
    is_birth = is_first & ((people.born >= FIRST_DAY) & (rng.random(len(count)) < 0.85))[who]
    admit = np.where(is_birth, people.born[who], admit)
    tier = (burden > 2).astype(np.int64) + ((burden > 4) | (people.age >= 80))
    kind = _classes(rng, tier[who], who, admit)
    kind = np.where(is_birth, INPATIENT, kind)
    discharge = _discharges(rng, who, admit, kind, closes[who])
    ordinal = np.arange(len(who)) - np.flatnonzero(is_first)[who]
    number = people.number[who] * 256 + ordinal
    # Two of three encounters are with the person's own doctor.
    own = people.number * 31 % _PROVIDERS
    provider = np.where(rng.random(len(who)) < 0.66, own[who], rng.integers(0, _PROVIDERS, len(who)))
    return Visits(who, number, admit, discharge, kind, is_birth, provider)


def _days(rng: np.random.Generator, who: Ints, is_first: Bools, opens: Ints, closes: Ints) -> Ints:
    """Draw days between `opens` and `closes` of each person; one visit in six follows soon on the one before."""
    spread = closes[who] - opens[who] + 1
    day = opens[who] + np.floor(rng.random(len(who)) * spread).astype(np.int64)
    day = day[np.lexsort((day, who))]
    follows = ~is_first & (rng.random(len(who)) < 0.17)
    soon = np.minimum(np.r_[day[0], day[:-1]] + rng.integers(2, 29, len(who)), closes[who])
    day = np.where(follows, soon, day)
    return day[np.lexsort((day, who))]


def _classes(rng: np.random.Generator, tier: Ints, who: Ints, admit: Ints) -> Ints:
    steps = np.cumsum(np.asarray(_CLASS_WEIGHTS, dtype=np.float64), axis=1)
    steps /= steps[:, -1:]
    draw = rng.random(len(tier))
    kind = (draw[:, None] >= steps[tier]).sum(axis=1).clip(0, HOME)
    # Who was admitted and comes again within a month is often admitted again.
    again = np.r_[False, (who[1:] == who[:-1]) & (kind[:-1] == INPATIENT) & (admit[1:] - admit[:-1] < 35)]
    return np.where(again & (rng.random(len(tier)) < 0.35), INPATIENT, kind)


def _discharges(rng: np.random.Generator, who: Ints, admit: Ints, kind: Ints, closes: Ints) -> Ints:
    """Return days of discharge: before the person's next encounter, not after death or the end of the record."""
    stay = np.asarray(_STAY_DAYS)[pick(rng, _STAY_WEIGHTS, len(who))]
    overnight = (rng.random(len(who)) < 0.22).astype(np.int64)
    stay = np.select([kind == INPATIENT, kind == EMERGENCY], [stay, overnight], 0)
    following = np.r_[np.where(who[1:] == who[:-1], admit[1:], NEVER), NEVER]
    latest = np.minimum(np.maximum(following - 1, admit), closes)
    discharge: Ints = np.minimum(admit + stay, latest)
    return discharge


def deaths(people: People, visits: Visits) -> Ints:
    """Return the day of death of each person: most who die soon after a last stay in hospital died in it."""
    last = np.flatnonzero(np.r_[visits.who[1:] != visits.who[:-1], True])
    in_hospital = np.isin(visits.kind[last], (EMERGENCY, INPATIENT)) & (people.died - visits.discharge[last] < 120)
    return np.where((people.died < NEVER) & in_hospital, visits.discharge[last], people.died)


def encounter_ids(number: Ints, *, seed: int) -> pa.StringArray:
    """Return the key of each encounter: opaque, unique for every number below 2**40."""
    return fixed(b"E", base32(scramble(number, seed=seed + 17), 8))


def provider_npis(seed: int) -> pa.StringArray:
    """Return the identifiers of the providers of a population, valid under the 80840 check."""
    base = scramble_decimal(np.arange(_PROVIDERS, dtype=np.int64), seed=seed + 5, width=8)
    return npi(base + 100_000_000)


def encounter_table(
    rng: np.random.Generator, people: People, visits: Visits, *, died: Ints, drg: pa.Array, charge: Ints, seed: int
) -> pa.Table:
    """Return the table of encounters without its patient and encounter keys; `charge` in cents."""
    facility = visits.provider % _FACILITIES
    account = fixed(b"A", digits(scramble_decimal(visits.number % 10**9, seed=seed + 6, width=9), 9))
    return pa.table(
        {
            "account_number": account,
            "encounter_class": take(CLASSES, visits.kind),
            "admit_date": dates(visits.admit),
            "discharge_date": dates(visits.discharge),
            "drg": drg,
            "discharge_status": _statuses(rng, visits, died),
            "place_of_service": _service_places(rng, visits.kind),
            "facility_id": fixed(b"F", digits(facility * 37 + 1_001, 4)),
            "npi": provider_npis(seed).take(pa.array(visits.provider)),
            "payer": take(_PAYERS, _payers(rng, people, visits)),
            "total_charge": money(charge),
        }
    )


def _statuses(rng: np.random.Generator, visits: Visits, died: Ints) -> pa.Array:
    codes = [code for code, _ in _INPATIENT_STATUS + _EMERGENCY_STATUS] + ["20"]
    inpatient = pick(rng, [share for _, share in _INPATIENT_STATUS], len(visits.who))
    emergency = len(_INPATIENT_STATUS) + pick(rng, [share for _, share in _EMERGENCY_STATUS], len(visits.who))
    status = np.where(visits.kind == INPATIENT, inpatient, emergency)
    stays = np.isin(visits.kind, (INPATIENT, EMERGENCY))
    is_last = np.r_[visits.who[1:] != visits.who[:-1], True]
    expired = stays & is_last & (visits.discharge == died[visits.who])
    return blank_where(take(codes, np.where(expired, len(codes) - 1, status)), ~stays)


def _service_places(rng: np.random.Generator, kind: Ints) -> pa.Array:
    codes = [code for group in _PLACES_OF_SERVICE for code, _ in group]
    chosen = np.zeros(len(kind), dtype=np.int64)
    start = 0
    for at, group in enumerate(_PLACES_OF_SERVICE):
        draw = start + pick(rng, [share for _, share in group], len(kind))
        chosen = np.where(kind == at, draw, chosen)
        start += len(group)
    return take(codes, chosen)


def _payers(rng: np.random.Generator, people: People, visits: Visits) -> Ints:
    age = ((visits.admit - people.born[visits.who]) / YEAR_DAYS).astype(np.int64)
    own = pick(rng, (0, 28, 64, 8), len(people.number))
    return np.where(age >= 65, 0, own[visits.who])
