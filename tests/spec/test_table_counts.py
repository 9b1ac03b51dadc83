"""Counts of tables follow their definitions, held against a naive count in plain Python over the same rows."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from deid.documents.limits import TableLimits
from deid.errors import DeidError
from tests.sites import TestSite, make_site

DESCRIPTION = {
    "dataset": "tiny",
    "format": "csv",
    "confirmed": True,
    "population": "people",
    "encounters": "visits",
    "tables": {
        "people": {
            "path": "people.csv",
            "patient": "id",
            "columns": {"id": "patient_id", "born": "birth_date", "sex": "sex", "state": "state", "county": "county"},
        },
        "visits": {
            "path": "visits.csv",
            "patient": "id",
            "columns": {"id": "patient_id", "visit": "encounter_id", "day": "admit_date"},
        },
        "codes": {
            "path": "codes.csv",
            "patient": "id",
            "columns": {"id": "patient_id", "visit": "encounter_id", "code": "icd10cm"},
        },
    },
}
BLOCK: dict[str, Any] = {
    "from": "2024-01-01",
    "to": "2025-12-31",
    "ages": ["0-39", "40+"],
    "washout": 0,
    "codes": {"diabetes": {"icd10cm": ["E10", "E11"]}, "asthma": {"icd10cm": ["J45"]}},
}
Person = tuple[str, date, str, str, str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """A site with policies signed, one of them without hiding anything to speak of."""
    made = make_site(tmp_path_factory.mktemp("site"))
    rules = {"service_date": {"generalize_date": "month"}, "age": {"generalize_age": {"top": 90, "width": 1}}}
    rules |= dict.fromkeys(("state", "county", "sex", "race", "icd10cm"), "keep")
    open_limits = {"tables": {"smallest": 2, "protection": 1}}
    content = {"policy": "open", "version": 1, "basis": "expert_determination", "rules": rules, "limits": open_limits}
    made.sign(made.write("policies/open.yaml", content))
    return made


def _source(folder: Path, seed: int, people: int = 60, visits: int = 400) -> tuple[list[Person], list[Any], list[Any]]:
    draw = random.Random(seed)
    who = [
        (f"P{i}", date(1960 + draw.randrange(50), 1 + draw.randrange(12), 1), draw.choice("FM"), draw.choice(("MA", "NH")),
         draw.choice(("Kent", "Essex")))
        for i in range(people)
    ]  # fmt: skip
    days = [(draw.choice(who)[0], f"V{i}", date(2023, 7, 1) + timedelta(draw.randrange(1000))) for i in range(visits)]
    codes = [
        (p, v, draw.choice(("E1010", "E11.9", "J45.2", "Z00.0"))) for p, v, _ in days for _ in range(draw.randrange(3))
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for name, header, rows in (
        ("people", ("id", "born", "sex", "state", "county"), who),
        ("visits", ("id", "visit", "day"), days),
        ("codes", ("id", "visit", "code"), codes),
    ):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
    return who, days, codes


def _run(site: TestSite, name: str, tables: dict[str, Any], policy: str = "open", **block: Any) -> dict[str, Any]:
    dataset = site.write(f"{name}/dataset.yaml", {**DESCRIPTION, "dataset": name})
    content = {
        "request": name,
        "requester": "Somebody",
        "purpose": "A test",
        "policy": str(site.folder / "policies" / f"{policy}.yaml"),
        "dataset": str(dataset),
        "expires": "2027-12-31",
        "tabulate": {**BLOCK, "tables": tables, **block},
    }
    request = site.write(f"{name}.yaml", content)
    done = site.tabulate(request)
    record: dict[str, Any] = json.loads((done.folder / "tables.json").read_text())
    return record


def _age(born: date, on: date) -> str:
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return "0-39" if years < 40 else "40+"


def _group(code: str) -> str | None:
    return "diabetes" if code.startswith(("E10", "E11")) else "asthma" if code.startswith("J45") else None


@pytest.mark.parametrize("measure", ["visits", "prevalence", "incidence"])
def test_counts_are_those_of_a_naive_count(site: TestSite, measure: str) -> None:
    """Visits, prevalence and incidence by year, county, age, sex and code group are what the rows say, one by one."""
    name = f"naive-{measure}"
    people, visits, codes = _source(site.folder / name, 1)
    by = ["year", "county", "age", "sex", "codes"]
    record = _run(site, name, {"t": {"measure": measure, "by": by, "margins": []}})
    person, day = {p[0]: p for p in people}, {v: d for _, v, d in visits}
    coded = sorted({(p, _group(c), day[v], v) for p, v, c in codes if _group(c)}, key=lambda r: (r[0], r[1], r[2]))
    counts: Counter[tuple[str, ...]] = Counter()
    met: set[tuple[str, ...]] = set()
    for patient, group, on, _ in coded:
        unit = (patient, group) if measure == "incidence" else (patient, group, str(on.year))
        if measure != "visits" and unit in met:
            continue
        met.add(unit)
        if 2024 <= on.year <= 2025:
            _, born, sex, state, county = person[patient]
            counts[str(on.year), f"{state}/{county}", _age(born, on), sex, group] += 1
    shown = {tuple(c[d] for d in by): c["count"] for c in record["tables"]["t"]["cells"] if c["count"] is not None}
    assert sum(n > 1 for n in shown.values()) > 10
    assert {k: n for k, n in shown.items() if n} == {k: counts[k] for k, n in shown.items() if n}
    assert all(counts[key] == 0 for key, n in shown.items() if n == 0)


def test_many_visits_of_few_patients_are_a_small_cell(site: TestSite) -> None:
    """Forty visits of two patients are hidden, though forty is no small number."""
    folder = site.folder / "few"
    _source(folder, 2, people=80, visits=600)
    with (folder / "visits.csv").open("a", newline="") as file, (folder / "people.csv").open("a", newline="") as more:
        csv.writer(more).writerows([(f"Q{i}", "1980-01-01", "F", "VT", "Windsor") for i in range(12)])
        csv.writer(file).writerows([(f"Q{i % 2}", f"W{i}", "2024-05-05") for i in range(40)])
    record = _run(site, "few", {"t": {"measure": "visits", "by": ["year", "state"]}}, policy="public-tables")
    cells = {(c["year"], c["state"]): c["count"] for c in record["tables"]["t"]["cells"]}
    assert cells["2024", "VT"] is None
    assert cells["2025", "VT"] == 0


def test_a_label_of_few_patients_is_counted_under_other(site: TestSite) -> None:
    """A county that three patients have, or a name typed into its column, does not stand in any file."""
    folder = site.folder / "labels"
    _source(folder, 3, people=80, visits=600)
    with (folder / "people.csv").open("a", newline="") as more:
        csv.writer(more).writerows([(f"R{i}", "1980-01-01", "F", "VT", "Mrs Smith") for i in range(3)])
    record = _run(site, "labels", {"t": {"measure": "visits", "by": ["year", "county"]}}, policy="public-tables")
    labels = {c["county"] for c in record["tables"]["t"]["cells"]}
    assert labels == {"MA/Essex", "MA/Kent", "NH/Essex", "NH/Kent", "other", None}
    assert "Smith" not in json.dumps(record)


BAD = {
    "zero patients": (0, {}, {}, "no patients"),
    "all suppressed": (12, {"t": {"measure": "prevalence", "by": ["quarter", "county", "age", "sex", "codes"], "margins": []}}, {}, "nothing of table"),
    "unknown level": (40, {"t": {"measure": "visits", "by": ["year", "codes"]}}, {"codes": {}, "code_level": {"icd10cm": "galaxy"}}, "no such level"),
    "overlapping bands": (40, {}, {"ages": ["0-39", "35+"]}, "overlap"),
    "gap between bands": (40, {}, {"ages": ["0-39", "45+"]}, "gap"),
    "no such dimension": (40, {"t": {"measure": "visits", "by": ["year", "galaxy"]}}, {}, "no dimension"),
    "no race in the source": (40, {"t": {"measure": "visits", "by": ["year", "race"]}}, {}, "does not tell race"),
    "no whole period": (40, {"t": {"measure": "visits", "by": ["year"]}}, {"from": "2024-02-01", "to": "2024-11-30"}, "whole period"),
    "two places": (40, {"t": {"measure": "visits", "by": ["year", "state", "county"]}}, {}, "one place"),
    "rates of nothing": (40, {"t": {"measure": "visits", "by": ["year"], "rates": True}}, {}, "denominators"),
    "standard that cuts a band": (
        40, {"t": {"measure": "visits", "by": ["year", "age"], "rates": True}},
        {"standard": "us_2000", "denominators": "patients", "ages": ["0-38", "39+"]}, "age group of us_2000"),
    "no look-back": (40, {"t": {"measure": "incidence", "by": ["year", "codes"]}}, {"washout": 3650}, "look back"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_message_with_a_hint_and_no_output(site: TestSite, case: str) -> None:
    """Every kind of bad input is refused by what is wrong with it, and no file or folder is left."""
    people, tables, block, message = BAD[case]
    name = "bad-" + case.replace(" ", "-")
    _source(site.folder / name, 4, people=max(people, 1), visits=people * 8)
    if not people:
        (site.folder / name / "people.csv").write_text("id,born,sex,state,county\n")
    tables = tables or {"t": {"measure": "visits", "by": ["year", "age"]}}
    with pytest.raises(DeidError, match=message) as fault:
        _run(site, name, tables, policy="public-tables" if case == "all suppressed" else "open", **block)
    assert fault.value.hint
    assert not (site.site.releases / name / "all").exists()
    assert not list((site.site.state / "tables").glob(f"{name}/generation-*"))


DENOMINATORS = {
    "sound": ("year,state,population\n2024,MA,900\n2024,NH,800\n2025,MA,900\n2025,NH,800\n", None),
    "doubled": ("year,state,population\n2024,MA,900\n2024,MA,901\n", "stand twice"),
    "fewer than patients": ("state,population\nMA,1\nNH,1\n", "contradict"),
    "no number": ("state,population\nMA,many\n", "no whole number"),
    "other columns": ("state,people\nMA,900\n", "header"),
    "a year is missing": ("year,state,population\n2024,MA,900\n2024,NH,900\n", "lack"),
    "no places": ("year,population\n2024,900\n", "does not tell state"),
}


@pytest.mark.parametrize("case", DENOMINATORS)
def test_denominators_are_checked_against_themselves_and_the_source(site: TestSite, case: str) -> None:
    """A population table that contradicts itself, the tables or the source is refused; a sound one gives rates."""
    text, message = DENOMINATORS[case]
    name = "denominators-" + case.replace(" ", "-")
    _source(site.folder / name, 5)
    site.folder.joinpath(f"{name}.csv").write_text(text)
    tables = {"t": {"measure": "prevalence", "by": ["year", "state", "codes"], "rates": True}}
    if message is not None:
        with pytest.raises(DeidError, match=message):
            _run(site, name, tables, denominators=f"{name}.csv")
        return
    cells = _run(site, name, tables, denominators=f"{name}.csv")["tables"]["t"]["cells"]
    one = next(c for c in cells if c["state"] == "MA" and c["count"])
    assert one["rate"] == round(one["count"] / 900 * 100_000, 1)
    assert one["rate_low"] < one["rate"] < one["rate_high"]
    total = next(c for c in cells if c["state"] is None and c["count"])
    assert total["population"] == 1700


def test_no_rate_stands_beside_a_mark(site: TestSite) -> None:
    """A rate from a known denominator would give the count back, so a marked cell has none, nor does what rests on it."""
    name = "rates"
    _source(site.folder / name, 6, people=150, visits=900)
    tables = {"t": {"measure": "prevalence", "by": ["year", "age", "sex", "codes"], "rates": True}}
    block = {"denominators": "patients", "standard": "us_2000", "ages": ["0-19", "20-39", "40+"]}
    cells = _run(site, name, tables, policy="public-tables", **block)["tables"]["t"]["cells"]
    marked = {(c["year"], c["sex"], c["codes"]) for c in cells if c["count"] is None and c["age"] is not None}
    assert marked
    for cell in cells:
        if cell["count"] is None:
            assert all(cell.get(f) is None for f in ("rate", "rate_low", "rate_high", "standardized"))
        if cell["age"] is None and (cell["year"], cell["sex"], cell["codes"]) in marked:
            assert cell.get("standardized") is None


def _again(site: TestSite, name: str) -> bool:
    done = site.tabulate(site.folder / f"{name}.yaml", name="again")
    return done.folder.is_dir()


def test_changed_groups_need_another_name(site: TestSite) -> None:
    """The same cell may not come to mean something else in a series of tables."""
    name = "changed"
    _source(site.folder / name, 8)
    tables = {"t": {"measure": "visits", "by": ["year", "codes"]}}
    _run(site, name, tables)
    path = site.folder / f"{name}.yaml"
    path.write_text(path.read_text().replace("- E10", "- E13"))
    with pytest.raises(DeidError, match="have changed"):
        _again(site, name)


@pytest.mark.parametrize(
    ("policy", "by", "message"),
    [
        ("limited-data-set", ["year", "state"], "Limited Data Set"),
        ("safe-harbor", ["quarter", "state"], "164.514"),
        ("safe-harbor", ["year", "county"], "164.514"),
        ("public-tables", ["month", "state"], "tell more than the rule"),
    ],
)
def test_a_policy_bounds_what_tables_may_tell(site: TestSite, policy: str, by: list[str], message: str) -> None:
    """Tables are for everybody, so no agreement counts, and no dimension is finer than the policy's rule."""
    name = f"basis-{policy}-{by[0]}-{by[1]}"
    _source(site.folder / name, 9)
    with pytest.raises(DeidError, match=message):
        _run(site, name, {"t": {"measure": "visits", "by": by}}, policy=policy)


def test_the_limits_that_the_tests_rest_on_are_the_defaults() -> None:
    """CMS: no cell of 1 to 10."""
    assert (TableLimits().smallest, TableLimits().protection) == (11, 10)
