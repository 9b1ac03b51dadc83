"""Ages that turn between two visits narrow a birth date; reduced to one value of the patient they do not.

The attacker knows birth date and sex of everybody and that a target is in the release, reads ages of visits in bands of
ten years, and keeps the patients whose bands the target may have shown during the years of the data.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from recodings import AGES, RULES, recoding_policy
from tiny_sources import World

K = 11
FIRST, LAST = date(2023, 1, 1), date(2025, 12, 31)
ASKED = {"patients": ["ID", "SEX"], "encounters": ["PATIENT", "COST"]}
PEOPLE = 300


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for the module."""
    return World(tmp_path_factory.mktemp("flips") / "site")


@pytest.fixture(scope="module")
def births() -> list[date]:
    """Return birth dates of people from 25 to 65, evenly."""
    drawn = random.Random(11)
    return [date(1960, 1, 1) + timedelta(days=drawn.randrange(40 * 365)) for _ in range(PEOPLE)]


@pytest.fixture(scope="module")
def source(world: World, births: list[date]) -> Path:
    """Return a source of these people, each with eight visits on days of three years; the charge numbers the patient."""
    drawn = random.Random(12)
    span = (LAST - FIRST).days + 1
    visits = [
        f"e{i}-{n} p{i} {FIRST + timedelta(days=drawn.randrange(span))} - inpatient {100 * i}"
        for i in range(PEOPLE)
        for n in range(8)
    ]
    people = [f"p{i} {birth} A 1 {'FM'[i % 2]} 02139" for i, birth in enumerate(births)]
    return world.source(
        patients="\n".join(["ID BIRTH LAST SSN SEX ZIP", *people]),
        encounters="\n".join(["ENC PATIENT START STOP CLASS COST", *visits]),
        diagnoses="PATIENT ENC DX",
    )


def bands_shown(rows: Iterable[dict[str, Any]]) -> dict[str, set[int]]:
    """Return the bands that each released patient shows."""
    shown: dict[str, set[int]] = {}
    for row in rows:
        shown.setdefault(row["PATIENT"], set()).add(row["age_at_visit"])
    return shown


def age(birth: date, on: date) -> int:
    """Return completed years."""
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))


def candidates(found: dict[str, list[dict[str, Any]]], births: list[date], width: int) -> list[int]:
    """Return, for each target, how many released patients of the sex show only bands that the target was in."""
    shown = bands_shown(found["encounters"])
    sexes = {row["ID"]: row["SEX"] for row in found["patients"]}
    counts = []
    for number, birth in enumerate(births):
        own = {age(birth, day) // width * width for day in (FIRST, LAST)}
        own |= {years // width * width for years in range(age(birth, FIRST), age(birth, LAST) + 1)}
        sex = "FM"[number % 2]
        # Whoever turned shows both bands in eight visits, as good as surely: one band alone is somebody who did not.
        likely = {frozenset(own)} if len(own) > 1 else {frozenset({band}) for band in own}
        counts.append(sum(frozenset(shown[who]) in likely for who, of in sexes.items() if of == sex and who in shown))
    return counts


def age_policy(world: World, **limits: Any) -> Path:
    """Return a policy over sex and age, reduced, in bands of ten years."""
    wide = {"age": [AGES[1], AGES[2]]}
    asked = {"quasi_identifiers": ["sex", "age"], "recoding": wide, "reduced": {"age_at_visit": "first"}, "k": K}
    return recoding_policy(world, **(asked | limits))


def test_ages_of_visits_narrow_births_where_nothing_is_reduced(world: World, source: Path, births: list[date]) -> None:
    """The positive control: without k, as an expert may release, those who turn are told apart in small groups."""
    content = {"policy": "own", "version": 1, "basis": "expert_determination", "rules": RULES | {"age": AGES[1]}}
    found = world.released(source, ASKED, policy=world.policy(content), derive=["age_at_visit"])
    flipped = [bands for bands in bands_shown(found["encounters"]).values() if len(bands) > 1]
    assert len(flipped) > PEOPLE / 5
    few = [count for count in candidates(found, births, 10) if 0 < count < K]
    assert few, "the attack is broken: nobody is in a group of fewer than k"


def test_reduced_ages_show_one_band_and_no_group_is_smaller_than_k(world: World, source: Path) -> None:
    """Nobody flips any more, and at least k of the sex show the same as any patient does."""
    found = world.released(source, ASKED, policy=age_policy(world), derive=["age_at_visit"])
    shown = bands_shown(found["encounters"])
    assert {len(bands) for bands in shown.values()} == {1}
    sexes = {row["ID"]: row["SEX"] for row in found["patients"]}
    assert set(shown) == set(sexes)
    vectors = [(sexes[who], *bands) for who, bands in shown.items()]
    assert min(vectors.count(vector) for vector in set(vectors)) >= K


def test_what_is_withheld_for_k_leaves_no_row_behind(world: World, source: Path) -> None:
    """Charges number the patients: those in the encounters are those in the population, one for one."""
    found = world.released(source, ASKED, policy=age_policy(world, k=40, suppression=0.5), derive=["age_at_visit"])
    charges = {row["COST"] for row in found["encounters"]}
    assert len(charges) == len(found["patients"]) <= PEOPLE
