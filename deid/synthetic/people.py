"""Who the synthetic people are: numbers first, for the care they get; text afterwards, for the table of patients."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.synthetic import reference
from deid.synthetic.reference import Floats
from deid.synthetic.text_arrays import (
    Bools,
    Ints,
    base32,
    blank_where,
    dates,
    digits,
    fixed,
    join,
    pick,
    scramble,
    scramble_decimal,
    take,
)

_EPOCH = date(1970, 1, 1).toordinal()
FIRST_DAY = date(2019, 1, 1).toordinal() - _EPOCH
LAST_DAY = date(2026, 10, 31).toordinal() - _EPOCH
YEAR_DAYS = 365.2425
NEVER = 2**30  # a day that no record reaches
# Weight of each year of age, by the first year of each band; 89 is its own band because those people turn 90 soon.
_AGE_BANDS = ((0, 1.6), (1, 1.1), (5, 1.0), (18, 1.25), (40, 1.35), (65, 1.5), (80, 1.1), (89, 2.0), (90, 0.45),
              (96, 0.12), (103, 0.02), (106, 0.0))  # fmt: skip
_TRAITS = ("metabolic", "smoking", "mental", "frailty")
_RACES = (("white", 62), ("black", 15), ("asian", 7), ("native", 2), ("hawaiian", 0.6), ("other", 10), (None, 3.4))
_ETHNICITIES = (("nonhispanic", 78), ("hispanic", 18), (None, 4))
_LANGUAGES = (("en", 82), ("es", 11), ("zh", 1.5), ("vi", 1.2), ("pt", 1.5), ("ht", 0.6), ("ar", 0.7), (None, 1.5))
_MARITAL = (("S", 30), ("M", 48), ("D", 12), ("W", 8), (None, 2))
_KINSHIP = ("wife", "husband", "mother", "father", "son", "daughter", "sister", "brother", "neighbor")


@dataclass(frozen=True, slots=True)
class People:
    """One block of people as numbers; days are counted from 1970-01-01.

    `number` is unique in the whole population. `has` is (people, conditions) and `variant` the code that each would
    carry, a position in that condition's codes. `died` is NEVER for the living.
    """

    number: Ints
    born: Ints
    died: Ints
    is_male: Bools
    age: Ints
    place: Ints
    has: Bools
    variant: Ints


def draw_people(rng: np.random.Generator, first: int, count: int) -> People:
    """Draw `count` people numbered from `first`; ages are those on LAST_DAY."""
    number = np.arange(first, first + count, dtype=np.int64)
    years = _age_weights()
    age = pick(rng, years, count)
    born = LAST_DAY - np.floor((age + rng.random(count) * 0.999) * YEAR_DAYS).astype(np.int64)
    is_male = rng.random(count) < np.where(age < 70, 0.49, 0.41)
    place = pick(rng, [entry.weight for entry in reference.places()], count)
    has, variant = _draw_conditions(rng, age, is_male)
    mortality = np.select([age < 50, age < 70, age < 80, age < 90], [0.004, 0.03, 0.10, 0.22], 0.40)
    may_die = (rng.random(count) < mortality) & (born < FIRST_DAY)
    day = FIRST_DAY + 60 + np.floor(rng.random(count) * (LAST_DAY - FIRST_DAY - 60)).astype(np.int64)
    return People(number, born, np.where(may_die, day, NEVER), is_male, age, place, has, variant)


def _age_weights() -> Floats:
    weights = np.zeros(_AGE_BANDS[-1][0])
    for (start, weight), (stop, _) in itertools.pairwise(_AGE_BANDS):
        weights[start:stop] = weight
    return weights


def _draw_conditions(rng: np.random.Generator, age: Ints, is_male: Bools) -> tuple[Bools, Ints]:
    """Draw conditions that keep company because they hang on the same hidden trait of a person."""
    listed = reference.conditions()
    traits = {name: rng.random(len(age)) for name in _TRAITS}
    band = np.searchsorted(reference.AGE_FLOORS, age, side="right") - 1
    has = np.zeros((len(age), len(listed)), dtype=np.bool_)
    variant = np.zeros((len(age), len(listed)), dtype=np.int64)
    for column, entry in enumerate(listed):
        chance = np.asarray(entry.prevalence)[band] * np.where(is_male, entry.male, entry.female)
        if entry.trait in traits:
            chance = chance * (1 + entry.load * (2 * traits[entry.trait] - 1))
        has[:, column] = rng.random(len(age)) < chance
        variant[:, column] = pick(rng, entry.weights, len(age))
    names = [entry.name for entry in listed]
    one, two, other = (names.index(f"diabetes_{kind}") for kind in ("type_1", "type_2", "other"))
    has[:, two] &= ~has[:, one]
    has[:, other] &= ~(has[:, one] | has[:, two])
    return has, variant


def patient_ids(number: Ints, *, seed: int) -> pa.StringArray:
    """Return the key of each patient: opaque, unique for every number below 2**40."""
    return fixed(b"P", base32(scramble(number, seed=seed), 8))


def patient_table(rng: np.random.Generator, people: People, died: Ints, *, seed: int) -> pa.Table:
    """Return the table of patients; `died` is the day of death after care is known, NEVER for the living."""
    columns: dict[str, pa.Array] = {"patient_id": patient_ids(people.number, seed=seed)}
    columns |= _numbers(people, seed)
    columns |= _names(rng, people)
    columns["birth_date"] = dates(people.born)
    columns["death_date"] = dates(np.where(died == NEVER, 0, died), missing=died == NEVER)
    columns["sex"] = take(["F", "M"], people.is_male.astype(np.int64))
    columns |= _traits(rng, people)
    columns |= _contacts(rng, people, columns["first_name"], columns["last_name"])
    columns |= _addresses(rng, people)
    columns |= _relatives(rng, people, columns["last_name"])
    return pa.table(columns)


def _numbers(people: People, seed: int) -> dict[str, pa.Array]:
    eight = digits(scramble_decimal(people.number, seed=seed + 1, width=8), 8)
    # Areas 900-999 were never given out as Social Security numbers.
    ssn = fixed(b"9", eight[:, :2], b"-", eight[:, 2:4], b"-", eight[:, 4:])
    mrn = fixed(digits(scramble_decimal(people.number, seed=seed + 2, width=8), 8))
    # A Medicare number never holds an S, so this shape can be nobody's.
    member = base32(scramble(people.number, seed=seed + 3, bits=30), 6)
    return {
        "mrn": mrn,
        "member_id": fixed(b"1S", member[:, :2], b"-", member[:, 2:4], b"S-", member[:, 4:]),
        "ssn": ssn,
    }


def _names(rng: np.random.Generator, people: People) -> dict[str, pa.Array]:
    count = len(people.number)
    female, male = reference.first_names("F"), reference.first_names("M")
    position = _uneven(rng, count, np.where(people.is_male, len(male), len(female)))
    first = take(female + male, position + np.where(people.is_male, len(female), 0))
    last = take(reference.surnames(), _uneven(rng, count, len(reference.surnames())))
    maiden = take(reference.surnames(), _uneven(rng, count, len(reference.surnames())))
    middle = fixed((rng.integers(0, 26, count) + 65).astype(np.uint8)[:, None])
    has_maiden = ~people.is_male & (people.age > 24) & (rng.random(count) < 0.6)
    return {
        "first_name": first,
        "middle_name": blank_where(middle, rng.random(count) < 0.25),
        "last_name": last,
        "maiden_name": blank_where(maiden, ~has_maiden),
    }


def _uneven(rng: np.random.Generator, count: int, size: int | Ints) -> Ints:
    """Draw positions below `size`, the early ones more often."""
    return np.floor(rng.random(count) ** 1.5 * size).astype(np.int64)


def _traits(rng: np.random.Generator, people: People) -> dict[str, pa.Array]:
    count = len(people.number)
    columns = {}
    for name, shares in (("race", _RACES), ("ethnicity", _ETHNICITIES), ("language", _LANGUAGES)):
        columns[name] = take([value for value, _ in shares], pick(rng, [share for _, share in shares], count))
    marital = pick(rng, [share for _, share in _MARITAL], count)
    columns["marital_status"] = take([value for value, _ in _MARITAL], np.where(people.age < 18, 0, marital))
    return columns


def _contacts(rng: np.random.Generator, people: People, first: pa.Array, last: pa.Array) -> dict[str, pa.Array]:
    count = len(people.number)
    area = np.array([entry.area for entry in reference.places()])[people.place]
    phone = fixed(b"(", digits(area, 3), b") 555-01", digits(rng.integers(0, 100, count), 2))
    local = [pc.replace_substring_regex(pc.utf8_lower(name), "[^a-z]", "") for name in (first, last)]
    email = join(local[0], ".", local[1], fixed(digits(people.number % 100_000, 5)), "@example.org")
    return {
        "phone": blank_where(phone, rng.random(count) < 0.04),
        "email": blank_where(email, rng.random(count) < 0.25),
    }


def _addresses(rng: np.random.Generator, people: People) -> dict[str, pa.Array]:
    count = len(people.number)
    listed = reference.places()
    house = pa.array(rng.integers(1, 9_900, count)).cast(pa.string())
    street = take(reference.streets(), rng.integers(0, len(reference.streets()), count))
    unit = take(["", " Apt 4B", " Unit 12", " # 3", " Apt 210"], pick(rng, [70, 10, 8, 6, 6], count))
    low, high = (np.array([getattr(entry, end) for entry in listed])[people.place] for end in ("low", "high"))
    last_two = low + np.floor(rng.random(count) * (high - low + 1)).astype(np.int64)
    zip5 = join(take([entry.zip3 for entry in listed], people.place), fixed(digits(last_two, 2)))
    plus = join(zip5, "-", fixed(digits(rng.integers(1, 9_999, count), 4)))
    return {
        "street_address": join(house, " ", street, unit),
        "city": take([entry.city for entry in listed], people.place),
        "county": take([entry.county for entry in listed], people.place),
        "state": take([entry.state for entry in listed], people.place),
        "zip_code": pc.if_else(pa.array(rng.random(count) < 0.22), plus, zip5),
    }


def _relatives(rng: np.random.Generator, people: People, last: pa.Array) -> dict[str, pa.Array]:
    count = len(people.number)
    both = reference.first_names("F") + reference.first_names("M")
    given = take(both, rng.integers(0, len(both), count))
    other = take(reference.surnames(), _uneven(rng, count, len(reference.surnames())))
    family = pc.if_else(pa.array(rng.random(count) < 0.7), last, other)
    kinship = take(_KINSHIP, rng.integers(0, len(_KINSHIP), count))
    return {"contact_name": join(given, " ", family), "contact_relation": kinship}
