"""What one more thing known of a patient comes to: measured on what was written, told, and held to a ceiling."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from recodings import people, recoding_policy
from tiny_sources import World

from deid.errors import DisclosureError

ASKED = {"patients": ["ID", "SEX"], "encounters": ["PATIENT", "CLASS", "COST"]}
RULES = {"charge_amount": "keep", "birth_date": "drop"}
LIMITS: dict[str, Any] = {"quasi_identifiers": ["sex"], "recoding": None, "k": 11}
COUNTED = {"sex": "SEX", "birth_date": "BIRTH"}
NAME = "mean chance with one further thing known"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all releases of this module."""
    return World(tmp_path_factory.mktemp("further") / "site")


def source(world: World, costs: list[list[float]]) -> Path:
    """Return a source of women, each with visits of these costs, every third visit an emergency."""
    visits = [
        f"e{i}-{j} p{i} 2025-01-01 2025-01-02 {'emergency' if j % 3 == 2 else 'inpatient'} {cost}"
        for i, own in enumerate(costs)
        for j, cost in enumerate(own)
    ]
    return people(world, [("1950-01-01", "F")] * len(costs), visits="\n".join(visits))


def released(world: World, data: Path, ceiling: float | None, *, rules: dict[str, Any] | None = None) -> Any:
    """Run a request under a policy with this ceiling; return the report and the rows that a recipient reads."""
    risk = {"further": ceiling} if ceiling is not None else None
    policy = recoding_policy(world, rules=RULES | (rules or {}), **LIMITS, risk=risk)
    exported = world.site.run(world.request(data, ASKED, policy=policy))
    opened = world.site.open(exported)
    return json.loads((exported.folder / "report.json").read_text()), opened.read("encounters").to_pylist()


def varied(patients: int) -> list[list[float]]:
    """Return costs of visits: some patients alike, some alone."""
    return [[100.0 * (i % 7) + 0.25 * (i % 3)] * (1 + i % 4) for i in range(patients)]


def naive(rows: list[dict[str, Any]], known: Any) -> float:
    """Return the mean chance of somebody who knows this of a patient's rows, by plain counting."""
    own: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        own.setdefault(row["PATIENT"], []).append(row)
    shown = [known(mine) for mine in own.values()]
    sizes = Counter(shown)
    return sum(1 / sizes[one] for one in shown) / len(shown)


def test_figures_are_those_of_the_released_rows(world: World) -> None:
    """Each figure is what a recipient gets who counts the opened rows."""
    report, rows = released(world, source(world, varied(120)), None)
    figures = {gain["known"][0]: gain["chance"] for gain in report["further"]["single"]}
    assert figures == {
        "total of encounters.COST": pytest.approx(naive(rows, lambda own: round(sum(r["COST"] for r in own), 2)), abs=1e-4),
        "greatest encounters.COST": pytest.approx(naive(rows, lambda own: max(r["COST"] for r in own)), abs=1e-4),
        "classes of encounters": pytest.approx(naive(rows, lambda own: frozenset(r["CLASS"] for r in own)), abs=1e-4),
        "number of rows of encounters": pytest.approx(naive(rows, len), abs=1e-4),
    }  # fmt: skip
    pair = report["further"]["pair"]
    assert pair["chance"] >= max(figures.values())
    assert report["further"]["nothing"] == pytest.approx(1 / 120, abs=1e-4)


def test_charges_to_the_cent_are_told_to_be_unique(world: World) -> None:
    """Where everybody's charges differ, the report says that all are alone with them."""
    report, _ = released(world, source(world, [[1.0 + i / 100] for i in range(1_100)]), None)
    (total,) = [gain for gain in report["further"]["single"] if gain["known"] == ["total of encounters.COST"]]
    assert (total["chance"], total["few"], total["alone"]) == (1.0, 1.0, 1.0)
    (verdict,) = [v for v in report["verdicts"] if v["figure"] == NAME]
    assert (verdict["value"], verdict["result"]) == (1.0, "no ceiling set")


def test_a_release_over_the_ceiling_is_refused_with_what_would_do(world: World) -> None:
    """The refusal names the columns and the figure that would do, no value, and leaves nothing; that figure does."""
    data = source(world, varied(60))
    before = world.site.leftovers()
    with pytest.raises(DisclosureError) as caught:
        released(world, data, 0.05)
    assert "total of encounters.COST" in caught.value.message
    assert "leave out encounters.COST" in caught.value.hint
    assert world.site.leftovers() == before
    nearest = float(re.findall(r"limits\.risk\.further: ([0-9.]+)", caught.value.hint)[0])
    report, _ = released(world, data, nearest)
    (verdict,) = [v for v in report["verdicts"] if v["figure"] == NAME]
    assert (verdict["result"], verdict["ceiling"]) == ("passed", nearest)
    assert nearest - 0.001 <= verdict["value"] <= nearest
    with pytest.raises(DisclosureError):
        released(world, data, nearest - 0.002)


def test_coarser_charges_pass(world: World) -> None:
    """Rounding what identifies brings the same patients under the ceiling."""
    report, _ = released(world, source(world, varied(60)), 0.1, rules={"charge_amount": {"round": 2000, "top": 50000}})
    assert all(gain["chance"] <= 0.1 for gain in report["further"]["single"] if gain["ceiling"] is not None)


def test_numbers_of_rows_are_told_and_not_held(world: World) -> None:
    """Everybody has another number of visits: the figure is 1, has no ceiling, and stops nothing."""
    data = source(world, [[0.0] * (1 + i) for i in range(20)])
    report, _ = released(world, data, 0.3, rules={"encounter_class": "drop", "charge_amount": "drop"})
    (rows,) = report["further"]["single"]
    assert (rows["known"], rows["chance"], rows["ceiling"]) == (["number of rows of encounters"], 1.0, None)
    (verdict,) = [v for v in report["verdicts"] if v["figure"] == NAME]
    assert (verdict["value"], verdict["result"]) == (0.05, "passed")


def test_a_table_that_tells_no_patient_is_refused_under_a_ceiling(world: World) -> None:
    """Rows that cannot be laid beside their patients cannot be counted, so they do not leave under a ceiling."""
    asked = {"patients": ["ID", "SEX"], "encounters": ["CLASS", "COST"]}
    policy = recoding_policy(world, rules=RULES, **LIMITS, risk={"further": 1.0})
    with pytest.raises(DisclosureError, match="rows of encounters tell of a patient cannot be counted"):
        world.site.run(world.request(people(world, [("1950-01-01", "F")] * 12), asked, policy=policy))


def test_shares_come_in_steps_of_eleven_patients(world: World) -> None:
    """Of 120 patients shares are told in tenths, of 60 not at all: two of them tell no small difference."""
    for patients, steps in ((120, 10), (60, None)):
        report, _ = released(world, source(world, varied(patients)), None)
        for gain in (*report["further"]["single"], report["further"]["pair"]):
            for share in (gain["few"], gain["alone"]):
                assert (share is None) if steps is None else (share * steps == pytest.approx(round(share * steps)))


def test_a_handful_of_patients_has_no_figures(world: World) -> None:
    """A release of one to ten patients is too few to tell of."""
    policy = recoding_policy(world, rules=RULES, **LIMITS | {"k": 3})
    exported = world.site.run(world.request(source(world, varied(9)), ASKED, policy=policy))
    assert json.loads((exported.folder / "report.json").read_text())["further"] is None


def test_a_refusal_names_the_quasi_identifier_without_which_it_would_do(world: World) -> None:
    """Two sexes, two years of birth, four charges: without sex each charge fits twice as many, and then it is so."""
    visits = "\n".join(f"e{i} p{i} 2025-01-01 2025-01-02 inpatient {100.0 * (i // 4 % 4)}" for i in range(96))
    data = people(world, [(f"19{5 + i // 2 % 2}0-01-01", "FM"[i % 2]) for i in range(96)], visits=visits)
    rules = RULES | {"birth_date": {"generalize_date": {"to": "year", "floor_age": 90}}}

    def run(ceiling: float, counted: list[str]) -> Any:
        asked = ASKED | {"patients": ["ID", *(name for kind, name in COUNTED.items() if kind in counted)]}
        limits = LIMITS | {"quasi_identifiers": counted}
        policy = recoding_policy(world, rules=rules, **limits, risk={"further": ceiling})
        exported = world.site.run(world.request(data, asked, policy=policy))
        return json.loads((exported.folder / "report.json").read_text())["further"]["single"]

    with pytest.raises(DisclosureError) as caught:
        run(0.1, ["birth_date", "sex"])
    assert "leave out the quasi-identifier patients.SEX: without it it is 8.3 %" in caught.value.hint
    assert run(0.1, ["birth_date"])[0]["chance"] == pytest.approx(8 / 96, abs=1e-4)
    with pytest.raises(DisclosureError) as caught:
        run(0.05, ["birth_date", "sex"])
    assert "release coarser quasi-identifiers, more than one of them: without any it is 4.2 %" in caught.value.hint
    with pytest.raises(DisclosureError) as caught:
        run(0.02, ["birth_date", "sex"])
    assert "coarser quasi-identifiers alone do not do: without any it is 4.2 %" in caught.value.hint
