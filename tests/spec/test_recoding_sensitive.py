"""Classes that tell what is sensitive: coarsened until they do not, or withheld."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recodings import people, recoding_policy
from tiny_sources import World

from deid import legal
from deid.disclosure.diversity import Spread, told
from deid.disclosure.sensitive import Held, broken, classes_tell, rule_of
from deid.documents.limits import Sensitive
from deid.errors import DisclosureError, DocumentError, PlanError

ASKED = {"patients": ["ID", "SEX"], "diagnoses": ["PATIENT", "DX"]}
SEXES: dict[str, Any] = {"quasi_identifiers": ["sex"], "recoding": {"sex": ["keep", "drop"]}}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for the module."""
    return World(tmp_path_factory.mktemp("sensitive") / "site")


def ill(world: World, codes: dict[str, list[str]]) -> Path:
    """Return a source of patients of each sex, each with codes parted by blanks, `-` for one without a row."""
    rows = [("1981-05-05", sex) for sex, own in codes.items() for _ in own]
    told = [one.split() for own in codes.values() for one in own]
    lines = [f"p{i} e{i} {code}" for i, own in enumerate(told) for code in own if code != "-"]
    return people(world, rows, diagnoses="\n".join(["PATIENT ENC DX", *lines]))


def sexes(found: dict[str, list[dict[str, Any]]]) -> Counter[str | None]:
    """Count the patients of each sex, None where it is not told."""
    return Counter(row.get("SEX") for row in found["patients"])


def test_a_class_in_which_all_have_one_diagnosis_is_not_shown(world: World) -> None:
    """Women who all have diabetes are told apart from men without the limit, and are not with it."""
    source = ill(world, {"F": ["E11.9"] * 3, "M": ["I10", "J45.909", "E11.9"]})
    assert sexes(world.released(source, ASKED, policy=recoding_policy(world, **SEXES))) == {"F": 3, "M": 3}
    diverse = recoding_policy(world, **SEXES, sensitive={"icd10cm": {"l": 2}})
    with pytest.raises(DisclosureError):
        world.released(source, ASKED, policy=diverse)
    balanced = ill(world, {"F": ["E11.9"] * 3, "M": ["I10", "J45.909", "I10"]})
    assert sexes(world.released(balanced, ASKED, policy=diverse)) == {None: 6}


def test_a_class_that_breaks_the_limit_is_withheld_where_that_costs_less(world: World) -> None:
    """Three of fifteen, with all rows."""
    source = ill(world, {"F": ["E11.9"] * 3, "M": ["I10", "J45.909", "E11.9"] * 4})
    policy = recoding_policy(world, **SEXES, suppression=0.2, sensitive={"icd10cm": {"l": 3}})
    found = world.released(source, ASKED, policy=policy)
    assert sexes(found) == {"M": 12}
    assert len(found["diagnoses"]) == 12


def test_the_report_tells_how_far_each_limit_is_made_use_of(world: World) -> None:
    """A third of each class has one diagnosis, and the two are alike: both verdicts stand beside what was reached."""
    source = ill(world, {"F": ["E11.9", "I10", "J45.909"] * 4, "M": ["I10", "J45.909", "E11.9"] * 4})
    policy = recoding_policy(world, **SEXES, sensitive={"icd10cm": {"l": 2, "t": 0.3}})
    exported = world.site.run(world.request(source, ASKED, policy=policy))
    told = json.loads((exported.folder / "report.json").read_text())["verdicts"]
    found = [(v["value"], v["ceiling"], v["unit"], v["result"]) for v in told if "icd10cm" in v["figure"]]
    assert found == [(0.35, 0.5, "share of patients", "passed"), (0.0, 0.3, "distance", "passed")]


def test_a_class_unlike_everybody_is_not_shown(world: World) -> None:
    """Two thirds against one third are a sixth away from a half."""
    source = ill(world, {"F": ["E11.9", "E11.9", "I10"], "M": ["I10", "I10", "E11.9"]})
    for t, expected in ((0.17, {"F": 3, "M": 3}), (0.16, {None: 6})):
        policy = recoding_policy(world, **SEXES, sensitive={"icd10cm": {"t": t}})
        assert sexes(world.released(source, ASKED, policy=policy)) == expected


def test_codes_are_compared_at_the_level_of_the_policy(world: World) -> None:
    """Two kinds of diabetes are two categories, and one chapter."""
    source = ill(world, {"F": ["E10.9", "E11.9", "E10.9", "E11.9"]})
    assert sexes(
        world.released(source, ASKED, policy=recoding_policy(world, **SEXES, sensitive={"icd10cm": {"l": 2}}))
    ) == {"F": 4}
    policy = recoding_policy(world, **SEXES, sensitive={"icd10cm": {"l": 2, "level": "chapter"}})
    with pytest.raises(DisclosureError, match="sensitive kinds"):
        world.released(source, ASKED, policy=policy)


def test_a_patient_has_the_most_frequent_code_and_who_has_none_has_an_empty_one(world: World) -> None:
    """E11 twice and I10 once is E11; nothing is a value too."""
    source = ill(world, {"F": ["E11.9 E11.65 I10", "E11.9"], "M": ["-", "-"]})
    policy = recoding_policy(world, **SEXES, k=2, sensitive={"icd10cm": {"l": 2}})
    assert sexes(world.released(source, ASKED, policy=policy)) == {None: 4}


def test_codes_that_do_not_leave_need_no_diversity(world: World) -> None:
    """A policy serves many requests."""
    policy = recoding_policy(world, **SEXES, sensitive={"icd10cm": {"l": 3}})
    source = ill(world, {"F": ["E11.9"] * 3})
    assert len(world.released(source, {"patients": ["ID", "SEX"]}, policy=policy)["patients"]) == 3


def test_a_sensitive_column_of_the_population_stands_beside_the_vector(world: World) -> None:
    """Uncounted, because every class holds several values of it; without the limit the plan is refused."""
    kinds = {"patients": {"ID": "patient_id", "SEX": "sex", "PAYER": "payer"}}
    rows = "\n".join(f"p{i} {sex} {payer}" for i, (sex, payer) in enumerate(
        [("F", "medicare"), ("F", "medicaid"), ("M", "medicare"), ("M", "medicaid")]))  # fmt: skip
    source = world.source_of({"patients": f"ID SEX PAYER\n{rows}"}, kinds)
    asked = {"patients": ["ID", "SEX", "PAYER"]}
    policy = recoding_policy(world, **SEXES, k=2, sensitive={"payer": {"l": 2}})
    found = world.released(source, asked, policy=policy)
    assert Counter((row["SEX"], row["PAYER"]) for row in found["patients"]) == {
        (sex, payer): 1 for sex in "FM" for payer in ("medicare", "medicaid")
    }
    with pytest.raises(PlanError, match="does not count payer"):
        legal.require(world.site.plan(world.request(source, asked, policy=recoding_policy(world, **SEXES, k=2))))


@pytest.mark.parametrize(
    ("limits", "asked", "words"),
    [
        ({"icd10cm": {"l": 2, "level": "product"}}, ASKED, "roll_up to product cannot serve kind icd10cm"),
        ({"icd10cm": {"l": 2, "take": "first"}}, ASKED, "first needs a day of a visit"),
        ({"icd10cm": {"l": 2}}, ASKED | {"patients": ["SEX"]}, "ask for the patient's pseudonym"),
    ],
)
def test_what_cannot_be_held_diverse_is_refused_with_the_plan(
    world: World, limits: dict[str, Any], asked: dict[str, list[str]], words: str
) -> None:
    """A level that codes do not have, a first code without a day, and what nobody could check."""
    policy = recoding_policy(world, **SEXES, sensitive=limits)
    plan = world.site.plan(world.request(ill(world, {"F": ["I10"]}), asked, policy=policy))
    with pytest.raises(PlanError, match=words):
        legal.require(plan)


@pytest.mark.parametrize("limits", [{"icd10cm": {}}, {"sex": {"l": 2}}, {"icd10cm": {"l": 1}}, {"icd10cm": {"t": 2}}])
def test_a_limit_that_says_nothing_or_two_things_is_refused_with_the_policy(
    world: World, limits: dict[str, Any]
) -> None:
    """Neither l nor t; counted and held diverse at once; numbers out of range."""
    with pytest.raises(DocumentError):
        recoding_policy(world, **SEXES, sensitive=limits)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 4)), min_size=1, max_size=40),
    st.integers(2, 4),
    st.floats(0, 1),
)
def test_shares_are_those_of_a_naive_count(drawn: list[tuple[int, int]], least: int, most: float) -> None:
    """The largest share of a value, and half the differences from everybody, class by class."""
    klass, value = (np.array(part, np.int32) for part in zip(*drawn, strict=True))
    tells = told(Spread.of_patients(klass + np.int32(1), value), np.arange(-1, 4, dtype=np.int32), 4)
    largest, apart = tells.largest, tells.distance
    everybody = Counter(one for _, one in drawn)
    expected = set()
    for number in range(4):
        own = Counter(one for of, one in drawn if of == number)
        size = sum(own.values())
        if not size:
            assert (largest[number], apart[number]) == (0, 0)
            continue
        top = Fraction(max(own.values()), size)
        far = sum(abs(Fraction(own[v], size) - Fraction(everybody[v], len(drawn))) for v in everybody) / 2
        assert largest[number] == pytest.approx(float(top))
        assert apart[number] == pytest.approx(float(far))
        if top * least > 1:
            expected.add((number, "l"))
        if float(far) > most + 1e-9:
            expected.add((number, "t"))
    held = Held(Sensitive("icd10cm", least, most), value)
    assert {(name, count) for _, name, count in broken(classes_tell(klass, [held]))} == {
        (name, sum(other == name for _, other in expected)) for name in {name for _, name in expected}
    }
    # Each patient as a vector of its own: the search holds classes to the same.
    rule = rule_of(np.arange(len(drawn), dtype=np.int32), [held])
    assert rule is not None
    flags = rule.broken(klass, 4)
    assert set(np.flatnonzero(flags)) == {number for number, _ in expected}
