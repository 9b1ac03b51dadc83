"""The law of recoding: an export releases what the best node of a naively enumerated lattice shows.

The reference is plain Python over rows: every combination of rungs, every class counted, every loss summed.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from recodings import AGES, BIRTHS, people, recoding_policy
from tiny_sources import World

from deid.errors import DisclosureError

EXAMPLES = int(os.environ.get("DEID_EXAMPLES", "25"))
CLASSES = ("ambulatory", "emergency", "inpatient", "")
TAKES = ("first", "last", "most", "least", "greatest")
DROPPED = object()


@dataclass(frozen=True)
class Case:
    """People with births, sexes and visits (day, class, cost), and the limits that they are released under."""

    people: list[tuple[str, str]]
    visits: list[tuple[int, str, str, int]]
    takes: dict[str, str]
    has_age: bool
    k: int
    suppression: float


BIRTH = st.sampled_from([f"{year}-07-0{day}" for year in range(1931, 2011, 7) for day in (1, 2)] + ["-"])
VISIT_DAY = st.sampled_from(["2025-06-30", "2025-07-01", "2025-07-02", "2025-12-30", "2014-01-01", ""])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw at most twelve people, often alike, and at most twenty visits."""
    few = draw(st.lists(st.tuples(BIRTH, st.sampled_from(["F", "M", "-"])), min_size=1, max_size=4))
    drawn = draw(st.lists(st.sampled_from(few), min_size=3, max_size=14))
    who = st.integers(0, len(drawn) - 1)
    visits = draw(st.lists(st.tuples(who, VISIT_DAY, st.sampled_from(CLASSES), st.integers(0, 3)), max_size=20))
    names = draw(st.sets(st.sampled_from(["encounters.CLASS", "encounters.COST"]), max_size=2))
    takes = {name: draw(st.sampled_from(TAKES)) for name in sorted(names)}
    return Case(
        drawn, visits, takes, draw(st.booleans()), draw(st.integers(2, 3)), draw(st.sampled_from([0, 0.2, 0.4, 0.7]))
    )


# The reference

AGED = "1938-01-01"  # whoever was born before is 90 when the release expires, at the end of 2027


def band_of_birth(birth: str, width: int) -> int | None:
    """Return the first year of the band, closed at 90."""
    return None if birth == "-" else max(int(birth[:4]), 1937) // width * width


def age(birth: str, day: str) -> int | None:
    """Return completed years on a day, closed at 90 where the patient is."""
    if birth == "-" or not day or day < birth:
        return None
    years = int(day[:4]) - int(birth[:4]) - (day[5:] < birth[5:])
    return 90 if birth < AGED else years


def band_of_age(years: int | None, width: int) -> int | None:
    """Return the first age of the band; 90 stands for 90 and older."""
    return None if years is None else 90 if years >= 90 else years // width * width


def taken(take: str, found: list[tuple[str, Any]]) -> Any:
    """Return which of (day, value) stands for the patient: ties go to the smaller text, a text before nothing."""
    if not found:
        return None
    counts = Counter(value for _, value in found)

    def rank(one: tuple[str, Any]) -> tuple[Any, ...]:
        day, value = one
        text = (value is None, "" if value is None else str(value))
        number = 0 if value is None else value
        first = {
            "first": (not day, day),
            "last": (not day, [-ord(letter) for letter in day]),
            "most": -counts[value],
            "least": (value is None, number),
            "greatest": (value is None, [-ord(c) for c in number] if isinstance(number, str) else -number),
        }[take]
        return (first, text)

    return min(found, key=rank)[1]


def vectors_of(case: Case) -> list[list[list[Any]]]:
    """Return, for each patient and each column, the value at every rung; a dropped column is one value for all."""
    rows = []
    for number, (birth, sex) in enumerate(case.people):
        own = [
            (day, klass or None, 100 * cost, age(birth, day)) for who, day, klass, cost in case.visits if who == number
        ]
        columns = [
            [band_of_birth(birth, 5), band_of_birth(birth, 10), band_of_birth(birth, 20), DROPPED],
            [None if sex == "-" else sex, DROPPED],
        ]
        if "encounters.CLASS" in case.takes:
            columns.append([taken(case.takes["encounters.CLASS"], [(day, klass) for day, klass, _, _ in own])])
        if "encounters.COST" in case.takes:
            columns.append([taken(case.takes["encounters.COST"], [(day, float(cost)) for day, _, cost, _ in own])])
        if case.has_age:
            # Bands are taken, not ages: what no rung tells apart is one value.
            first = taken("first", [(day, band_of_age(years, 5)) for day, _, _, years in own])
            columns.append([band_of_age(first, width) for width in (5, 10, 20)])
        rows.append(columns)
    return rows


def loss_of(rows: list[list[list[Any]]], node: tuple[int, ...], kept: list[bool]) -> Fraction:
    """Return the mean over patients and columns of (leaves under the value - 1) / (leaves - 1), 1 for who is withheld."""
    total = Fraction(0)
    for column, level in enumerate(node):
        leaves = {row[column][0]: row[column][level] for row in rows}
        under = Counter(leaves.values())
        for row, stays in zip(rows, kept, strict=True):
            own = Fraction(under[row[column][level]] - 1, max(1, len(leaves) - 1))
            total += own if stays else 1
    return total / (len(rows) * len(node))


def best_releases(case: Case) -> list[Counter[Any]]:
    """Return what every node of least loss releases: how many patients show which vector."""
    rows = vectors_of(case)
    found: list[tuple[Fraction, Counter[Any]]] = []
    for node in itertools.product(*(range(len(column)) for column in rows[0])):
        shown = [tuple(column[level] for column, level in zip(row, node, strict=True)) for row in rows]
        sizes = Counter(shown)
        kept = [sizes[one] >= case.k for one in shown]
        withheld = kept.count(False)
        if any(kept) and withheld <= case.suppression * len(rows):
            released = Counter(one for one, stays in zip(shown, kept, strict=True) if stays)
            found.append((loss_of(rows, node, kept), released))
    least = min((loss for loss, _ in found), default=None)
    return [released for loss, released in found if loss == least]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for the module."""
    return World(tmp_path_factory.mktemp("lattice") / "site")


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_an_export_shows_the_best_node_of_the_lattice(world: World, case: Case) -> None:
    """Over births, sexes, ages and reduced columns, nulls, ties, patients without a visit, k and suppression."""
    visits = "\n".join(f"e{i} p{w} {d or '-'} - {c or '-'} {100 * n}" for i, (w, d, c, n) in enumerate(case.visits))
    source = people(world, case.people, visits)
    columns = ["ENC", "PATIENT", *(name.rpartition(".")[2] for name in sorted(case.takes))]
    kinds, ladders = (
        ["birth_date", "sex", "age"],
        {"birth_date": [*BIRTHS, "drop"], "sex": ["keep", "drop"], "age": AGES},
    )
    reduced = case.takes | ({"age_at_visit": "first"} if case.has_age else {})
    policy = recoding_policy(
        world, k=case.k, suppression=case.suppression, quasi_identifiers=kinds, recoding=ladders, reduced=reduced
    )
    asked = {"patients": ["ID", "BIRTH", "SEX"], "encounters": columns}
    derive = ["age_at_visit"] if case.has_age else []
    expected = best_releases(case)
    if not expected:
        with pytest.raises(DisclosureError):
            world.released(source, asked, policy=policy, derive=derive)
        event("refused")
        return
    found = world.released(source, asked, policy=policy, derive=derive)
    names = [*sorted(case.takes), *derive]
    shown: dict[str, dict[str, set[Any]]] = {}
    for row in found["encounters"]:
        for name in names:
            shown.setdefault(row["PATIENT"], {}).setdefault(name, set()).add(row[name.rpartition(".")[2]])
    assert all(len(values) == 1 for of in shown.values() for values in of.values())
    vectors = Counter(
        (
            row.get("BIRTH", DROPPED),
            row.get("SEX", DROPPED),
            *(next(iter(shown.get(row["ID"], {}).get(name, {None}))) for name in names),
        )
        for row in found["patients"]
    )
    event(f"{len(expected)} best nodes")
    assert vectors in expected
