"""The law of the report: it neither shows a count of one to ten patients nor lets one be had by subtraction.

Populations are drawn cell by cell, so that small ones are the rule. The checker knows the source, reads report.json as
anybody can, and shares no code with the product.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from tiny_sources import World

from deid.errors import DisclosureError

EXAMPLES = int(os.environ.get("DEID_EXAMPLES", "25"))
PATIENTS = {"ID": "patient_id", "BIRTH": "birth_date", "SEX": "sex", "RACE": "race", "STATE": "state"}
VISITS = {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date", "DX": "icd10cm"}
CODES = ("E11.9", "I10", "J45.909", "Z00.00", "N18.3")
Cell = tuple[str, str, str, str]
CELLS = st.tuples(
    st.sampled_from(["1935", "1950", "1970", "1990"]),
    st.sampled_from(["F", "M", "U"]),
    st.sampled_from(["White", "Black", "Asian", "Native"]),
    st.sampled_from(["NY", "NJ"]),
)
POPULATIONS = st.dictionaries(CELLS, st.integers(1, 30) | st.integers(1, 4), min_size=1, max_size=14)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all releases of this module."""
    return World(tmp_path_factory.mktemp("reports") / "site")


def policy(world: World, k: int | None) -> Any:
    """Return a signed policy that keeps four demographics, with or without k."""
    kinds = ["birth_date", "sex", "race", "state"]
    limits = {"k": k, "quasi_identifiers": kinds, "suppression": 0.99, "risk": {"rejoin": 1.0}} if k else {}
    return world.policy(
        {
            "policy": f"report-{k}",
            "version": 1,
            "basis": "expert_determination",
            "rules": {
                "patient_id": {"pseudonymize": "keyed"},
                "encounter_id": {"pseudonymize": "keyed"},
                "birth_date": {"generalize_date": "year", "floor_age": 90},
                "sex": "keep",
                "race": "keep",
                "state": "keep",
                "admit_date": {"generalize_date": "year", "floor_age": 90},
                "icd10cm": {"roll_up": "category"},
            },
            "limits": limits,
        }
    )


def source(world: World, cells: dict[Cell, int]) -> Any:
    """Write a source with so many patients in each cell, each with one or two visits."""
    people = ["ID BIRTH SEX RACE STATE"]
    visits = ["ENC PATIENT START DX"]
    number = 0
    for (year, sex, race, state), count in cells.items():
        for _ in range(count):
            number += 1
            people.append(f"P{number} {year}-0{1 + number % 9}-11 {sex} {race} {state}")
            day, code = f"2024-03-0{1 + number % 9}", CODES[number % len(CODES)]
            visits += [f"E{number}-{visit} P{number} {day} {code}" for visit in range(1 + number % 2)]
    return world.source_of(
        {"patients": "\n".join(people), "visits": "\n".join(visits)},
        {"patients": PATIENTS, "visits": VISITS},
        population="patients",
        encounters="visits",
    )


# Checking


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every figure of a document with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, (*path, str(number)))
    else:
        yield path, value


COUNTS = {"asked", "released", "withheld", "patients", "smallest", "joint_smallest", "patients_below"}


def small(count: float) -> bool:
    """Whether a count is of one to ten patients."""
    return 0 < count < 11


def rest_is_small(total: Any, parts: list[Any]) -> bool:
    """Whether what is not shown of a total is one to ten patients."""
    if not isinstance(total, int):
        return False
    return small(total - sum(part for part in parts if isinstance(part, int)))


def implied(share: float | None, total: Any) -> bool:
    """Whether a share of a total that is shown tells a count of one to ten, on either side."""
    if share is None or not isinstance(total, int):
        return False
    return small(round(share * total)) or small(total - round(share * total))


def tell_of_bins(classes: dict[str, Any], released: Any) -> bool:
    """Whether the number of all classes leaves one number of patients, a small one, for a bin that is hidden."""
    hidden = [each for each in classes["bins"] if each["patients"] is None]
    if not hidden or not isinstance(classes["number"], int) or not isinstance(released, int):
        return False
    shown = [each for each in classes["bins"] if each["patients"] is not None]
    number = classes["number"] - sum(each["classes"] for each in shown)
    patients = released - sum(each["patients"] for each in shown)
    ways = list(fillings([(each["low"], each["high"] or patients) for each in hidden], number, patients))
    return any(len(own := {way[place] for way in ways}) == 1 and small(*own) for place in range(len(hidden)))


def fillings(ranges: list[tuple[int, int]], classes: int, patients: int) -> Iterator[tuple[int, ...]]:
    """Yield the patients of each of some bins in every way in which so many classes hold so many patients."""
    (low, high), *rest = ranges
    if not rest:
        if low * classes <= patients <= high * classes and classes:
            yield (patients,)
        return
    for own in range(1, classes):
        for here in range(low * own, min(high * own, patients) + 1):
            yield from ((here, *others) for others in fillings(rest, classes - own, patients - here))


def faults(report: dict[str, Any], truth: Counter[tuple[Cell, bool]]) -> list[str]:
    """Return how small counts can be had from a report; `truth` counts patients by cell and whether released."""
    found = [
        f"{'.'.join(path)} shows {value}"
        for path, value in leaves(report)
        if path[-1] in COUNTS and isinstance(value, int) and small(value)
    ]
    people = report["people"]
    asked, released, withheld = people["asked"], people["released"], people["withheld"]
    if isinstance(asked, int) and isinstance(released, int) and small(asked - released):
        found.append("asked less released")
    if implied(people["share_withheld"], asked):
        found.append("share withheld")
    if report["classes"] is not None:
        bins = [each["patients"] for each in report["classes"]["bins"]]
        found += ["bins"] * rest_is_small(released, bins)
        found += ["classes beside bins"] * tell_of_bins(report["classes"], released)
        chance = report["risk"]["prosecutor_max"]
        found += ["prosecutor"] * (chance is not None and small(round(1 / chance)))
    shown: dict[str, dict[str, int]] = {}
    for each in report["utility"]["marginals"]:
        values = {value["value"]: value["patients"] for value in each["values"]}
        shown[each["column"]] = values
        if values:
            found += [f"{each['column']} rest"] * rest_is_small(released, list(values.values()))
            found += [f"{each['column']} share" for value in each["values"] if implied(value["share"], released)]
        found += distances(each, truth)
    columns = {"sex": "patients.SEX", "age": "patients.BIRTH", "race": "patients.RACE"}
    for bias in report["bias"]:
        for part in ("asked", "withheld"):
            total = people[part]
            found += [f"{bias['attribute']} {part}"] * (
                bool(bias["groups"]) and rest_is_small(total, [group[part] for group in bias["groups"]])
            )
        for group in bias["groups"]:
            found += [f"{bias['attribute']} share"] * implied(group["share"], group["asked"])
            here = shown.get(columns[bias["attribute"]], {}).get(group["value"])
            if isinstance(here, int) and isinstance(group["asked"], int) and group["value"] != "all others":
                found += [f"{bias['attribute']} beside marginal"] * small(group["asked"] - here)
    del withheld
    return found


PLACES = {"patients.BIRTH": 0, "patients.SEX": 1, "patients.RACE": 2, "patients.STATE": 3}


def distances(marginal: dict[str, Any], truth: Counter[tuple[Cell, bool]]) -> Iterator[str]:
    """Yield columns of two values whose distance tells a small number withheld of either."""
    place = PLACES[marginal["column"]]
    lost: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for (cell, is_released), count in truth.items():
        (kept if is_released else lost)[cell[place]] += count
    if marginal["distance"] is None or len({*lost, *kept}) != 2:
        return
    # With two values, distance and totals give the withheld of each by one equation.
    if any(small(lost[value]) for value in {*lost, *kept}):
        yield f"{marginal['column']} distance"


def run(world: World, cells: dict[Cell, int], k: int | None, **fields: Any) -> tuple[dict[str, Any], Counter[Any], str]:
    """Release a population; return the report, the truth, and the page."""
    request = world.request(
        source(world, cells),
        {"patients": list(PATIENTS), "visits": list(VISITS)},
        policy=policy(world, k),
        agreement=None,
        **fields,
    )
    exported = world.site.run(request)
    rows = world.site.open(exported).read("patients").to_pylist()
    kept = Counter((str(row["BIRTH"]), row["SEX"], row["RACE"], row["STATE"]) for row in rows)
    floor = {"1935": "1937"}  # 90 or older at the expiry: told as the floor year
    truth: Counter[Any] = Counter()
    for cell, count in cells.items():
        released = (floor.get(cell[0], cell[0]), *cell[1:]) in kept
        truth[cell, released] += count
    report = json.loads((exported.folder / "report.json").read_bytes())
    return report, truth, (exported.folder / "report.html").read_text()


@settings(
    max_examples=EXAMPLES, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(cells=POPULATIONS, k=st.sampled_from([11, 11, 3, None]))
def test_no_report_shows_or_lets_derive_a_small_count(world: World, cells: dict[Cell, int], k: int | None) -> None:
    """Whatever the population and k, subtracting over all tables of the report gives no count of 1 to 10 patients."""
    try:
        report, truth, page = run(world, cells, k)
    except DisclosureError:
        event("nobody could be released")
        return
    lost = sum(count for (_, released), count in truth.items() if not released)
    event("few withheld" if small(lost) else "some withheld" if lost else "nobody withheld")
    assert faults(report, truth) == []
    assert not re.search(r">P\d+<|E\d+-\d", page), "an identifier of the source stands in the page"


def test_the_checker_finds_small_counts() -> None:
    """The checker can fail: each way of telling a small count is found in a report that tells it."""
    report: dict[str, Any] = {
        "people": {"asked": 105, "released": 100, "withheld": 5, "share_withheld": 0.0476},
        "classes": {"bins": [{"patients": 93}], "smallest": 7, "number": None},
        "risk": {"prosecutor_max": 0.1429},
        "utility": {
            "marginals": [
                {
                    "column": "patients.SEX",
                    "values": [{"value": "F", "patients": 95, "share": 0.95}],
                    "distance": 0.01,
                }
            ]
        },
        "bias": [
            {
                "attribute": "sex",
                "groups": [
                    {"value": "F", "asked": 100, "withheld": 5, "share": 0.05},
                    {"value": "M", "asked": 5, "withheld": 0, "share": 0.0},
                ],
            }
        ],
    }
    cell = ("1950", "F", "White", "NY")
    truth = Counter({(cell, True): 95, (cell, False): 5, (("1950", "M", "White", "NY"), True): 5})
    told = " | ".join(faults(report, truth))
    for way in ("withheld shows", "smallest shows", "asked less", "share withheld", "bins", "prosecutor", "rest",
                "distance", "sex share", "beside marginal"):  # fmt: skip
        assert way in told, way


def test_the_checker_finds_what_the_number_of_classes_tells() -> None:
    """Six classes of 17 patients, alone or of 11 to 19: five patients are alone. Of 40 patients nobody can say."""
    hidden = [{"low": low, "high": high, "classes": None, "patients": None} for low, high in ((1, 1), (11, 19))]
    shown = {"low": 20, "high": 49, "classes": 2, "patients": 83}
    assert tell_of_bins({"number": 8, "bins": [*hidden, shown]}, 100)
    assert not tell_of_bins({"number": 20, "bins": [*hidden, {**shown, "patients": 60}]}, 100)
    assert not tell_of_bins({"number": None, "bins": [*hidden, shown]}, 100)


def test_a_series_tells_nothing_of_who_is_withheld(world: World) -> None:
    """Month by month, counts of withheld patients would tell by their differences who is new: none is shown."""
    cells = {("1950", "F", "White", "NY"): 40, ("1970", "M", "Black", "NJ"): 6, ("1990", "F", "Asian", "NY"): 9}
    report, _, _ = run(world, cells, 11, schedule="monthly")
    assert (report["people"]["asked"], report["people"]["withheld"], report["people"]["share_withheld"]) == (None,) * 3
    assert all(not bias["groups"] for bias in report["bias"])
    assert all(marginal["distance"] is None for marginal in report["utility"]["marginals"])
    assert report["utility"]["pairs"] == []
    assert report["utility"]["propensity"] is None


@pytest.mark.parametrize("schedule", ["once", "monthly"])
def test_a_request_that_is_run_again_tells_nothing_of_who_waits(tmp_path: Path, schedule: str) -> None:
    """Nobody new, one and twenty new patients who are held: the reports of the second releases are alike."""
    cells = {("1950", "F", "White", "NY"): 40, ("1970", "M", "Black", "NJ"): 30}
    told, tables = [], {"patients": list(PATIENTS), "visits": list(VISITS)}
    for number, more in enumerate((0, 1, 20)):
        name = f"again-{schedule}-{number}"
        world = World(tmp_path / name / "site")  # of its own, so that there is no other series to join
        for release, own in (("a", cells), ("b", cells | {("1990", "F", "Asian", "NY"): more} if more else cells)):
            request = world.request(
                source(world, own), tables, policy=policy(world, 30), request=name, agreement=None, schedule=schedule
            )
            done = world.site.run(request, name=release)
        report = json.loads((done.folder / "report.json").read_text())
        told.append({part: value for part, value in report.items() if part != "about"})
        assert (report["people"]["asked"], report["people"]["withheld"]) == (None, None)
    assert told[0] == told[1] == told[2]


def test_combinations_of_values_are_listed_only_under_k_of_eleven(world: World) -> None:
    """Below k = 11 a state and a race beside each other may differ by few patients, so no value is listed."""
    cells = {("1950", "F", "White", "NY"): 40, ("1970", "M", "Black", "NJ"): 30, ("1990", "F", "Asian", "NY"): 5}
    listed = {k: run(world, cells, k)[0]["utility"]["marginals"] for k in (11, 3, None)}
    assert all(marginal["values"] for marginal in listed[11])
    assert not any(marginal["values"] for marginal in itertools.chain(listed[3], listed[None]))
