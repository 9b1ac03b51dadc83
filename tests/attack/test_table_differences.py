"""Counts that no table shows and anybody can work out: sums of left-out totals, differences, requests side by side."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from deid.documents.limits import TableLimits
from deid.errors import DisclosureError
from deid.tables.beside import Cell, Section, cells_beside, groups_beside, terms_of
from deid.tables.cube import Address, Cube
from deid.tables.linking import link
from deid.tables.people import People, Visits
from deid.tables.published import Published
from tests.attack.table_attacker import Attacker
from tests.made_tables import Made, asked_for, drawn_people, make

FIRST, LAST = date(2024, 1, 1), date(2025, 12, 31)
GROUPS = ("asthma", "diabetes")
BLOCK: dict[str, Any] = {
    "from": str(FIRST),
    "to": str(LAST),
    "ages": ["0-17", "18-64", "65+"],
    "codes": {"asthma": {"icd10cm": ["J45"]}, "diabetes": {"icd10cm": ["E10", "E11"]}},
    "washout": 0,
}


def _made(folder: Path, seed: int, tables: dict[str, Any], *, method: str = "suppress", **more: Any) -> Made:
    asked = asked_for(folder, {**BLOCK, **more, "tables": tables})
    people, events = drawn_people(seed, 400, 1800, counties=5, groups=GROUPS, first=FIRST, last=LAST)
    return make(asked, people, events, TableLimits(method=method), seed=seed)


@pytest.mark.parametrize("measure", ["visits", "prevalence"])
def test_tables_without_totals_do_not_give_each_others_marks_away(tmp_path: Path, measure: str) -> None:
    """Counties without a total and sexes without one add up to the same number, which no table shows."""
    small = 0
    for seed in range(5):
        tables = {
            "a": {"measure": measure, "by": ["year", "county"], "margins": []},
            "b": {"measure": measure, "by": ["year", "sex"], "margins": []},
        }
        made = _made(tmp_path, seed, tables)
        attacker = Attacker(made.record)
        for address in made.primary:
            small += 1
            key = tuple(sorted({"measure": measure, "year": address.period, "county": address.place}.items()))
            low, high = attacker.interval(key)
            assert high - low >= 10
    assert small > 3


def _differences(made: Made) -> Iterator[int]:
    """Yield what is left of a shown cell when a shown cell that lies within it is taken away."""
    shown = {
        a: made.cube.counts[a] for a, h in zip(made.linked.addresses, made.protected.hidden, strict=False) if not h
    }
    for a, count in shown.items():
        people = a._replace(measure="population", group="", period="")
        wholes = [people] if a.measure in ("prevalence", "incidence") and not a.age else []
        wholes += [a._replace(measure="prevalence")] if a.measure == "incidence" else []
        wholes += [a._replace(period=a.period[:4])] if a.measure == "prevalence" and "-Q" in a.period else []
        yield from (shown[whole] - count for whole in wholes if whole in shown)


def test_no_difference_of_two_shown_cells_counts_1_to_10_patients(tmp_path: Path) -> None:
    """Patients without the diagnosis, not new, or not seen in the quarter are as few as the cells around them allow."""
    tables = {
        "a": {"measure": "prevalence", "by": ["year", "county", "codes"], "rates": True},
        "b": {"measure": "incidence", "by": ["year", "county", "codes"]},
        "c": {"measure": "prevalence", "by": ["quarter", "county", "codes"]},
    }
    gaps = 0
    for seed in range(3):
        made = _made(tmp_path, seed, tables, denominators="patients")
        left = list(_differences(made))
        assert len(left) > 10
        assert not [n for n in left if 0 < n < 11]
        gaps += made.linked.gaps
    assert gaps > 10


def test_rounded_tables_keep_differences_in_doubt(tmp_path: Path) -> None:
    """Differences are no cells to be rounded, and tables by controlled rounding are still found."""
    tables = {"a": {"measure": "prevalence", "by": ["year", "county", "codes"], "rates": True}}
    made = _made(tmp_path, 1, tables, method="round", denominators="patients")
    assert made.linked.gaps > 0
    published = made.protected.shown[: len(made.linked.addresses)]
    assert (published % 11 == 0).all()
    assert made.protected.narrowest["public"] == 10


def _cell(measure: str, period: str, group: str = "x") -> Address:
    return Address(measure, group, period, "", "", "", "", "", "")


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ({("incidence", "2024"): 20, ("incidence", "2025"): 3, ("population", ""): 24}, 1, 4),
        ({("prevalence", "2024-Q1"): 20, ("prevalence", "2024-Q2"): 3, ("visits", "2024"): 25}, 1, 5),
        ({("incidence", "2024-01"): 20, ("incidence", "2024-02"): 3, ("prevalence", "2024"): 24}, 1, 4),
    ],
)
def test_what_adds_up_over_periods_bounds_a_mark(counts: dict[tuple[str, str], int], low: int, high: int) -> None:
    """A patient is new once, and is seen at most as often as there are visits: a reader bounds the mark, so does link."""
    cube = Cube()
    for (measure, period), count in counts.items():
        address = _cell(measure, period, "" if measure == "population" else "x")
        cube.counts[address] = cube.patients[address] = count
    linked = link(cube, {}, smallest=11, groups={"x": {"icd10cm": ("A",)}})
    mark = linked.addresses.index(next(a for a in cube.counts if cube.counts[a] == 3))
    system = linked.system
    reach = []
    for value in range(1, 40):
        changed = system.counts[: len(linked.addresses)].copy()
        changed[mark] = value
        trial = Cube(dict(zip(linked.addresses, changed.tolist(), strict=True)), dict(cube.patients))
        again = link(trial, {}, smallest=0, groups={"x": {"icd10cm": ("A",)}}).system
        if again.matrix.shape[0] == system.matrix.shape[0]:  # no relation was given up
            reach.append(value)
    assert (min(reach), max(reach)) == (low, high)


def _beside(made: Made, other: str) -> Published:
    """What a run of another request over the same dataset finds."""
    asked, limits = made.asked, TableLimits()
    remembered = made.remembered(Published())
    terms = terms_of(asked, limits.method, limits.base)
    section = Section(terms, {"all": []}, {}, [])
    own = terms_of(
        asked_for(Path(other), BLOCK | {"tables": {"t": {"measure": "visits", "by": ["year"]}}}), "suppress", 11
    )
    assert not list(cells_beside(own, {"first": section}, "second"))
    return Published(remembered.cells, remembered.shown, groups=groups_beside(own, {"first": section}))


def test_a_request_of_another_name_tells_no_mark_of_the_first(tmp_path: Path) -> None:
    """Sexes after counties, under another name: both are one system, and no mark of either is worked out."""
    people, events = drawn_people(1, 400, 1500, counties=5, groups=GROUPS, first=FIRST, last=LAST)
    by_county = {"a": {"measure": "visits", "by": ["year", "county"], "margins": []}}
    first = _two(tmp_path, by_county, people, events, None)
    assert first.primary
    second = _two(tmp_path, {"b": {"measure": "visits", "by": ["year", "sex"], "margins": []}}, people, events, first)
    both = {"tables": first.record["tables"] | second.record["tables"]}
    attacker = Attacker(both)
    for address in first.primary:
        key = tuple(sorted({"measure": "visits", "year": address.period, "county": address.place}.items()))
        low, high = attacker.interval(key)
        assert high - low >= 10


def _two(folder: Path, tables: dict[str, Any], people: People, events: Visits, first: Made | None) -> Made:
    asked = asked_for(folder, {**BLOCK, "tables": tables})
    before = _beside(first, str(folder)) if first is not None else None
    return make(asked, people, events, TableLimits(), before=before)


def test_other_bands_cohorts_and_methods_are_refused_until_they_are_weighed(tmp_path: Path) -> None:
    """What no audit can hold together is not published together by default; the hint says who may decide."""
    tables = {"t": {"measure": "visits", "by": ["year", "age"]}}
    own = terms_of(asked_for(tmp_path, {**BLOCK, "tables": tables}), "suppress", 11)
    other = terms_of(asked_for(tmp_path, {**BLOCK, "ages": ["0-18", "19+"], "tables": tables}), "suppress", 11)

    aged = Cell(tuple(Address("visits", "", "2024", "", "", "0-18", "", "", "")), 20, 20, hidden=False, shown=20)
    with pytest.raises(DisclosureError, match="other age bands") as fault:
        list(cells_beside(own, {"first": Section(other, {"all": []}, {}, [aged])}, "second"))
    assert "weighed_beside" in fault.value.hint
    assert "20" not in repr(aged)
    ageless = Cell(tuple(Address("visits", "", "2024", "", "", "", "", "", "")), 20, 20, hidden=False, shown=20)
    assert len(list(cells_beside(own, {"first": Section(other, {"all": []}, {}, [ageless])}, "second"))) == 1
    rounded = terms_of(asked_for(tmp_path, {**BLOCK, "tables": tables}), "round", 11)
    with pytest.raises(DisclosureError, match="another way of protection"):
        list(cells_beside(own, {"first": Section(rounded, {"all": []}, {}, [])}, "second"))


def test_groups_of_the_same_codes_are_one_and_others_keep_apart(tmp_path: Path) -> None:
    """Cells of another request mean what its codes mean, whatever it calls them."""
    tables = {"t": {"measure": "visits", "by": ["year", "codes"]}}
    mine = terms_of(asked_for(tmp_path, {**BLOCK, "tables": tables}), "suppress", 11)
    codes = {"dm": {"icd10cm": ["E11", "E10"]}, "asthma": {"icd10cm": ["J45", "J46"]}}
    theirs = terms_of(asked_for(tmp_path, {**BLOCK, "codes": codes, "tables": tables}), "suppress", 11)
    found = groups_beside(mine, {"other": Section(theirs, {}, {}, [])})
    assert set(found) == {"diabetes", "other/asthma"}
    assert found["other/asthma"]["icd10cm"] == ("J45", "J46")
