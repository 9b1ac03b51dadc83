"""Chances by class sizes, by a table of the population, and estimates of who is alone in it."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sites import TestSite, make_site
from tiny_sources import World

from deid.cells import places
from deid.disclosure.estimators import METHODS, uniques
from deid.disclosure.risk import figures
from deid.documents.site import load_site
from deid.errors import DisclosureError, DocumentError
from deid.observing.controls import Vectors
from deid.population.classes import people_of_classes
from deid.population.table import census, nationwide, read_population


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 300)), min_size=1, max_size=20), st.integers(2, 12))
def test_chances_are_means_over_patients(classes: list[tuple[int, int]], k: int) -> None:
    """Every figure equals its definition, taken patient by patient; nobody is rarer outside than inside."""
    patients = [(size, max(size, people)) for size, people in classes for _ in range(size)]
    found = figures(np.array([s for s, _ in classes]), np.array([p for _, p in classes]), k=k)
    assert found.prosecutor_max == pytest.approx(max(1 / size for size, _ in patients))
    assert found.prosecutor_mean == pytest.approx(sum(1 / size for size, _ in patients) / len(patients))
    assert found.journalist_max == pytest.approx(max(1 / people for _, people in patients))
    assert found.marketer == found.journalist_mean
    assert found.journalist_mean == pytest.approx(sum(1 / people for _, people in patients) / len(patients))
    assert found.below == pytest.approx(sum(size < k for size, _ in patients) / len(patients))
    assert found.unique == pytest.approx(sum(size == 1 for size, _ in patients) / len(patients))


def test_nobody_has_no_risk_and_one_patient_has_all_of_it() -> None:
    """An empty release has chances of 0, a single patient one of 1, and without a table no journalist's."""
    assert figures(np.zeros(0, np.int64)).prosecutor_max == 0.0
    assert figures(np.array([0, 20, 0]), np.array([5, 40, 0])).journalist_max == 1 / 40
    alone = figures(np.ones(1, np.int64))
    assert (alone.prosecutor_max, alone.unique, alone.journalist_max, alone.marketer) == (1.0, 1.0, None, 1.0)


def sampled(fraction: float) -> tuple[np.ndarray, float, int]:
    """Return the class sizes of a sample of 200,000 people, and how many of these are alone."""
    draw = np.random.default_rng(3)
    people = 200_000
    key = np.minimum(draw.zipf(1.3, people), 2_000) * 180 + draw.integers(0, 180, people)
    _, place, counts = np.unique(key, return_inverse=True, return_counts=True)
    sizes = np.bincount(place[draw.random(people) < fraction])
    return sizes[sizes > 0], float((counts == 1).sum() / people), people


@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.4])
def test_the_range_of_estimates_is_near_the_truth(fraction: float) -> None:
    """On a skewed population the lowest estimate is at most 1.3 times what is true, and none is a third of it."""
    sizes, truth, people = sampled(fraction)
    found = uniques(sizes, people)
    assert found.low is not None
    assert found.high is not None
    assert truth / 3 < found.low < 1.3 * truth
    assert found.fraction == pytest.approx(fraction, rel=0.05)


def test_where_few_are_alone_the_whole_range_is_too_high() -> None:
    """Estimates are no interval: of large classes a small sample shows mostly one each, and the truth lies below all.

    The larger the sample, the nearer the range.
    """
    draw = np.random.default_rng(5)
    people = 300_000
    key = draw.zipf(1.5, people) % 40 * 210 + np.minimum(draw.gamma(3, 13, people), 104).astype(int) * 2
    _, place, counts = np.unique(key + draw.integers(0, 2, people), return_inverse=True, return_counts=True)
    truth = (counts == 1).sum() / people
    lows = []
    for fraction in (0.01, 0.1, 0.5):
        sizes = np.bincount(place[draw.random(people) < fraction])
        found = uniques(sizes[sizes > 0], people)
        assert found.low is not None
        lows.append(found.low)
    assert lows[0] > 2 * truth
    assert lows[0] > lows[1] > lows[2] > truth / 2


def test_what_does_not_converge_is_no_estimate() -> None:
    """Classes of one size, or nobody alone, give a method nothing to fit: it is named, and is never 0."""
    found = uniques(np.full(40, 12), 10_000)
    assert (found.low, found.high, found.methods, found.without) == (None, None, (), tuple(METHODS))
    large = uniques(np.array([50, 60, 70, 80, 90] * 20), 1_000_000)
    assert "Zayatz" in large.without
    assert large.low is None or large.low > 0
    with pytest.raises(ValueError, match="holds the release"):
        uniques(np.array([5]), 4)


def test_the_shipped_table_tells_of_every_prefix_with_people() -> None:
    """The census table holds 894 prefixes and everybody in them."""
    table = census()
    assert (len(table.people), table.total) == (894, 334_726_586)


def test_the_country_is_known_by_age_and_sex() -> None:
    """The sums are those that the Census Bureau tells beside its figures."""
    tables = nationwide()
    assert {sex: (table.total, len(table.people)) for sex, table in tables.items()} == {
        "F": (166_582_199, 101), "M": (161_657_324, 101)}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "sex\nF\n", "sex,count\nF,many\n", "sex,count\nF,-1\n", "count\n5\n", "person_name,count\nAda,1\n",
     "shoe_size,count\n43,5\n", "sex,count\nF,1,2\n"],
)  # fmt: skip
def test_what_is_no_population_table_is_refused(tmp_path: Path, text: str) -> None:
    """A table without counts, with unknown or identifying columns, or torn, is refused without quoting it."""
    (tmp_path / "people.csv").write_text(text)
    with pytest.raises(DocumentError) as refused:
        read_population(tmp_path / "people.csv")
    assert "Ada" not in str(refused.value)
    assert "43" not in str(refused.value)


PEOPLE = [("1950", "F", 40), ("1950", "M", 20), ("1980", "F", 20), ("1980", "M", 20)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """Return a site with one hundred patients in four classes of demographics, half of each kind of payer."""
    made = make_site(tmp_path_factory.mktemp("population") / "site")
    folder = made.folder / "source"
    folder.mkdir()
    lines = ["id,born,sex,payer,zip"]
    numbers = iter(range(1_000))
    for born, sex, count in PEOPLE:
        lines += [f"P{next(numbers)},{born}-05-05,{sex},{'ABC'[i % 2]},90210" for i in range(count)]
    (folder / "patients.csv").write_text("\n".join(lines) + "\n")
    return made


def released(site: TestSite, number: int, risk: dict[str, float], population: str | int | None) -> dict[str, Any]:
    """Release the patients under a policy with these ceilings, and return the risk section of the report."""
    from deid.export import export

    request = written(site, number, risk, "payer")
    own = {"site": "test", "keys": "local:keys/site.key", "trust": "trust.yaml"}
    own |= {"population": population} if population is not None else {}
    known = load_site(site.write(f"site{number}.yaml", own))
    place = replace(site.site, population=known.population)
    done = export(site.plan(request), place, site.provider, progress=lambda _what, _rows: None)
    return json.loads((done.folder / "report.json").read_text())["risk"]


def written(site: TestSite, number: int, risk: dict[str, float], *last: str) -> Any:
    """Write a request for the patients under a policy with these ceilings, and return its place."""
    dataset = site.write("dataset.yaml", {
        "dataset": "few", "format": "csv", "root": "source", "confirmed": True, "population": "patients",
        "tables": {"patients": {"path": "patients.csv", "patient": "id", "columns": {
            "id": "patient_id", "born": "birth_date", "sex": "sex", "payer": "payer",
            "zip": "zip_code"}}},
    })  # fmt: skip
    policy = site.write(f"policies/p{number}.yaml", {
        "policy": f"p{number}", "version": 1, "basis": "expert_determination",
        "rules": {"patient_id": {"pseudonymize": "keyed"}, "birth_date": {"generalize_date": "year", "floor_age": 90},
                  "sex": "keep", "payer": "keep", "zip_code": {"generalize_zip": "zip3"}},
        "limits": {"k": 5, "quasi_identifiers": ["birth_date", "sex", "payer", "zip_code"], "risk": risk},
    })  # fmt: skip
    site.sign(policy)
    return site.request(
        dataset,
        {"patients": list(dict.fromkeys(["id", "born", "sex", "payer", *last]))},
        request=f"r{number}",
        policy=str(policy),
    )


def test_the_population_of_a_class_is_counted_by_the_rules_of_the_release(site: TestSite) -> None:
    """The site's people fall into the released classes; what its table does not tell is split as in the release."""
    rows = [
        ("1950-01-01", "F", 400),
        ("1950-12-31", "F", 400),
        ("1950", "M", 300),
        ("1980", "F", 1_000),
        ("1999", "M", 7),
    ]
    table = "birth_date,sex,count\n" + "".join(f"{b},{s},{n}\n" for b, s, n in rows)
    (site.folder / "people.csv").write_text(table)
    found = released(site, 1, {}, "people.csv")
    # Payer is not told, and halves each class; there are no men of 1980 in the table, so the twenty released count.
    fits = [(20, 400), (10, 150), (10, 500), (10, 10)] * 2
    mean = sum(size / people for size, people in fits) / sum(size for size, _ in fits)
    assert found.get("journalist_max") is None  # it would tell of a class of ten
    assert found["journalist_mean"] == pytest.approx(mean, abs=1e-4)
    assert found["marketer"] == found["journalist_mean"]
    assert "people.csv" in found["population"]


def fitting(site: TestSite, number: int, shown: list[tuple[int | None, str, str, int]]) -> tuple[list[int], str]:
    """Return of how many people each class is by the shipped table: year of birth, sex, payer and patients of each."""
    plan = site.plan(written(site, number, {}, "zip"))
    born, sex, payer, sizes = zip(*shown, strict=True)
    steps = {step.column.name: step for step in plan.table("patients").written}
    years = pa.array(born).cast(steps["born"].output.type)
    cells = {"born": years, "sex": pa.array(sex), "zip": pa.array(["051"] * len(shown)), "payer": pa.array(payer)}
    columns = {("patients", name): own for name, own in cells.items()}
    found = people_of_classes(plan, Vectors(columns, {}, ()), np.array(sizes), census())
    assert found is not None
    return found.people.tolist(), found.source


def test_of_two_guesses_at_the_age_and_sex_of_a_place_the_smaller_counts(site: TestSite) -> None:
    """Women of 1950 are commoner here than in the country, men of 1980 rarer; payers are split as in the release."""
    shown = [(1950, "F", "A", 300), (1950, "F", "B", 100), (1980, "Male", "A", 1), (1980, "?", "A", 599)]
    people, source = fitting(site, 9, shown)
    place, tables = places.populations()["051"], nationwide()
    everybody = sum(table.total for table in tables.values())
    year = site.plan(written(site, 9, {}, "zip")).reference_date.year
    old = int(tables["F"].people[year - 1950]) / everybody
    both = sum(int(table.people[year - 1980]) for table in tables.values()) / everybody
    assert old < 0.4
    assert people == [int(place * old * 0.75), int(place * old * 0.25), int(place / 1_000), int(place * both)]
    assert source.startswith("2020 Census")
    assert "birth_date, sex, payer taken as in the release" in source


def test_an_empty_birth_fits_all_ages(site: TestSite) -> None:
    """Of who shows no birth, sex alone is known of the country."""
    people, _ = fitting(site, 10, [(None, "F", "A", 900), (1900, "F", "A", 100)])
    place, tables = places.populations()["051"], nationwide()
    women = tables["F"].total / sum(table.total for table in tables.values())
    assert people == [int(place * women), 0]  # nobody of the country is as old: the release counts


def test_a_class_of_a_series_may_have_nobody_left(tmp_path: Path) -> None:
    """In a later month all men of 1980 are gone; the others are counted as before."""
    world = World(tmp_path / "site")
    kinds = {
        "patients": {"ID": "patient_id", "BIRTH": "birth_date", "SEX": "sex"},
        "visits": {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date"},
    }
    dataset = world.source_of({"patients": "ID BIRTH SEX", "visits": "ENC PATIENT START"}, kinds, encounters="visits")
    rules = {"patient_id": {"pseudonymize": "keyed"}, "birth_date": {"generalize_date": {"to": "year", "floor_age": 90}},
             "sex": "keep", "admit_date": {"generalize_date": "quarter"}}  # fmt: skip
    policy = world.policy({"policy": "own", "version": 1, "basis": "expert_determination", "rules": rules,
                           "limits": {"k": 5, "quasi_identifiers": ["birth_date", "sex"]}})  # fmt: skip
    table = world.folder / "people.csv"
    table.write_text("birth_date,sex,count\n1950,F,3000\n1950,M,1500\n")
    site = replace(world.site, site=replace(world.site.site, population=table))
    tables = {"patients": ["ID", "BIRTH", "SEX"], "visits": ["PATIENT", "START"]}
    request = site.request(dataset, tables, request="series", policy=str(policy), schedule="monthly")
    people = [(born, sex) for born, sex in itertools.product((1950, 1980), "FM") for _ in range(30)]
    chances = []
    for month, there in (("2025-01", people), ("2025-02", people[:90])):
        rows = "".join(f"P{n},{born}-03-04,{sex}\n" for n, (born, sex) in enumerate(there))
        (dataset.parent / "patients.csv").write_text("ID,BIRTH,SEX\n" + rows)
        visits = "".join(f"E{n},P{n},2025-01-05\n" for n in range(len(there)))
        (dataset.parent / "visits.csv").write_text("ENC,PATIENT,START\n" + visits)
        report = site.run(request, period=month).folder / "report.json"
        chances.append(json.loads(report.read_text())["risk"]["journalist_mean"])
    # Nobody of 1980 is in the table, so that the thirty patients of each class count.
    assert chances[0] == pytest.approx((1 / 30 + 1 / 30 + 1 / 3_000 + 1 / 1_500) / 4, abs=1e-4)
    assert chances[1] == pytest.approx((1 / 30 + 1 / 3_000 + 1 / 1_500) / 3, abs=1e-4)


def test_a_number_of_people_gives_a_range_of_estimates(site: TestSite) -> None:
    """Where only the size of the population is known, the report has a range, or says that there is none."""
    found = released(site, 2, {}, 5_000)
    assert found["uniques"]["sampling"] == pytest.approx(0.02)
    assert found.get("journalist_max") is None
    assert set(found["uniques"]["methods"]) | set(found["uniques"]["without"]) == set(METHODS)


@pytest.mark.parametrize(
    ("number", "risk", "population", "hint"),
    [
        (3, {"prosecutor": 0.09}, None, "limits.risk.prosecutor to 0.1"),
        (4, {"marketer": 0.05}, None, "limits.risk.marketer to 0.08"),
        (5, {"journalist": 0.5}, None, "site.yaml"),
        (6, {"journalist": 0.05}, "people.csv", "limits.risk.journalist to 0.1"),
        (7, {}, 50, "correct `population`"),
        (8, {}, "nowhere.csv", "docs/reference/population-risk.md"),
    ],
)
def test_a_ceiling_that_is_passed_stops_the_release(
    site: TestSite, number: int, risk: dict[str, float], population: str | int | None, hint: str
) -> None:
    """A chance over its ceiling leaves nothing, and the hint names the nearest setting that would do."""
    (site.folder / "people.csv").write_text("birth_date,sex,count\n1950,F,800\n1950,M,300\n1980,F,1000\n1999,M,7\n")
    before = site.leftovers()
    with pytest.raises((DisclosureError, DocumentError)) as refused:
        released(site, number, risk, population)
    assert hint in refused.value.hint
    assert site.leftovers() == before
