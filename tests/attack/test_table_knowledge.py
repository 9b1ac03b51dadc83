"""What readers know beside the tables: their own record, a map, and that nobody grows younger."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from deid.documents.limits import TableLimits
from deid.errors import DisclosureError
from deid.tables.audit import Audit
from deid.tables.cube import Address, Cube
from deid.tables.insiders import Insiders, lockstep
from deid.tables.linking import Linked, link
from deid.tables.people import Attribute, People, places_inside
from deid.tables.protect import protect
from deid.tables.secondary import suppress
from deid.tables.system import System, relations
from tests.attack.table_attacker import Attacker as Outsider
from tests.attack.table_attacker import Key

DRAW = settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
CODES = {"x": {"icd10cm": ("A",)}, "narrow": {"icd10cm": ("A1",)}}


def _grid(inner: np.ndarray) -> System:
    """Rows and columns with totals; the totals are the last of each."""
    rows, columns = inner.shape
    full = np.zeros((rows + 1, columns + 1), np.int64)
    full[:rows, :columns] = inner
    full[rows, :columns], full[:, columns] = inner.sum(0), 0
    full[:, columns] = full[:, :columns].sum(1)
    at = np.arange(full.size).reshape(full.shape)
    plus = [list(at[i, :columns]) for i in range(rows + 1)] + [list(at[:rows, j]) for j in range(columns + 1)]
    minus = [[at[i, columns]] for i in range(rows + 1)] + [[at[rows, j]] for j in range(columns + 1)]
    counts, nothing = full.ravel(), np.zeros(full.size, bool)
    return System(
        counts,
        (counts > 0) & (counts < 11),
        nothing,
        nothing.copy(),
        relations(plus, minus, full.size),
        np.ones(len(plus), bool),
        np.ones(full.size),
        ~nothing,
        np.full(full.size, np.inf),
        nothing.copy(),
    )


def _outsider(system: System, hidden: np.ndarray, columns: int) -> tuple[Outsider, list[Key]]:
    keys = [(i // (columns + 1), i % (columns + 1)) for i in range(len(system))]
    last = keys[-1]
    cells = [
        {
            "year": "2024",
            "state": None if r == last[0] else f"s{r}",
            "sex": None if c == last[1] else f"x{c}",
            "count": None if hidden[i] else int(system.counts[i]),
        }
        for i, (r, c) in enumerate(keys)
    ]
    table = {"measure": "prevalence", "by": ["year", "state", "sex"], "cells": cells}
    told = [{d: str(v) for d, v in cell.items() if v is not None and d != "count"} for cell in cells]
    names = [tuple(sorted({"measure": "prevalence", **some}.items())) for some in told]
    return Outsider({"tables": {"t": table}}), names


def _worked_out(system: System, hidden: np.ndarray, columns: int) -> int:
    """How many small cells somebody alone in another one is left no doubt of, by plain linear programs."""
    outsider, names = _outsider(system, hidden, columns)
    found = 0
    for own in np.flatnonzero(system.alone):
        for other in np.flatnonzero(system.primary):
            within = set(names[own]) <= set(names[other]) or set(names[other]) <= set(names[own])
            is_own = within and bool(system.alone[other])  # a part and its total of one patient each: the same one
            if other != own and not is_own:
                low, high = outsider.interval(names[other], {names[own]: (1.0, 1.0)})
                found += high - low < 1 - 1e-6
    return found


RECTANGLE = np.array([[1, 40, 50], [60, 4, 70], [80, 90, 100]])


def test_who_is_alone_in_a_cell_works_out_no_other_small_cell() -> None:
    """A rectangle of marks protects 1 and 4 from readers; the one patient of the first cell would read the second."""
    system = _grid(RECTANGLE)
    rectangle = np.zeros(16, bool)
    rectangle[[0, 1, 4, 5]] = True
    assert len(set(lockstep(system, rectangle)[[0, 1, 4, 5]])) == 1
    assert _worked_out(system, rectangle, 3) == 1
    pattern = suppress(system, 10)
    assert not Insiders(system, Audit(system, system.attackers(10)[0])).weak(pattern.hidden)
    assert _worked_out(system, pattern.hidden, 3) == 0
    assert pattern.bound <= pattern.secondary <= 6


@DRAW
@given(st.lists(st.sampled_from([0, 1, 1, 3, 8, 12, 20, 45]), min_size=12, max_size=12))
def test_no_drawn_table_tells_its_insiders_a_small_cell(inner: list[int]) -> None:
    """Whatever the counts, plain programs of each patient who is alone leave every other small cell in doubt."""
    system = _grid(np.array(inner).reshape(3, 4))
    try:
        pattern = suppress(system, 10)
    except DisclosureError:
        return
    assert _worked_out(system, pattern.hidden, 4) == 0


def test_lockstep_is_that_of_exact_algebra() -> None:
    """Drawn movements find the classes that elimination with fractions finds."""
    random = np.random.default_rng(3)
    for _ in range(10):
        system = _grid(random.integers(11, 60, (4, 4)))
        hidden = random.random(25) < 0.45
        step = lockstep(system, hidden)
        cells = np.flatnonzero(hidden)
        _, singular, right = np.linalg.svd(system.matrix[:, cells].toarray())
        basis = right[int((singular > 1e-9).sum()) :]
        for i, a in enumerate(cells):
            for j, b in enumerate(cells[:i]):
                both = basis[:, [i, j]]
                still = np.abs(both).max(axis=0, initial=0) < 1e-9
                if still.any():
                    assert (step[[a, b]] == -1).tolist() == still.tolist()
                else:
                    assert (step[a] == step[b]) == (np.linalg.matrix_rank(both, tol=1e-9) == 1)


def _cell(measure: str, period: str = "2024", group: str = "x", **of: str) -> Address:
    place = next(((d, of[d]) for d in ("state", "county", "zip3") if d in of), ("", ""))
    people = (of.get(d, "") for d in ("age", "sex", "race", "ethnicity"))
    return Address(measure, group, period, *place, *people)


def _linked(counts: dict[Address, int], inside: Any = None) -> Linked:
    cube = Cube(dict(counts), dict(counts))
    return link(cube, {}, smallest=11, groups=CODES, inside=inside)


AGES = ("0-44", "45-64", "65+")


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        (("prevalence", "2024-Q1", "x"), ("prevalence", "2024", "x")),
        (("prevalence", "2024", "x"), ("prevalence", "2021-2025", "x")),
        (("prevalence", "2024", "narrow"), ("prevalence", "2024", "x")),
        (("prevalence", "2024", "x"), ("prevalence", "2024", "")),
        (("incidence", "2024", "x"), ("prevalence", "2021-2025", "x")),
    ],
    ids="-".join,
)
def test_the_young_of_a_part_are_among_the_young_of_the_whole(
    part: tuple[str, str, str], whole: tuple[str, str, str]
) -> None:
    """Who is under 65 at a later first visit was so at the earlier one: two patients more are a small difference."""
    counts = {_cell(*part, age=age): n for age, n in zip(AGES, (30, 20, 40), strict=True)}
    counts |= {_cell(*whole, age=age): n for age, n in zip(AGES, (34, 18, 60), strict=True)}
    linked = _linked(counts)
    assert linked.gaps == 2  # 34 - 30, and 34 + 18 - 30 - 20; the third is 112 - 90
    hidden = protect(linked.system, TableLimits(), 0, linked.spread([-1] * len(counts))).hidden
    assert hidden[: len(counts)].any()


@pytest.mark.parametrize("measure", ["prevalence", "incidence"])
def test_the_old_of_a_period_are_among_the_old_of_the_population(measure: str) -> None:
    """Of 62 people over 64 on the last day, 60 had the diagnosis at that age: two had not, and are not told."""
    counts = {_cell(measure, age=age): n for age, n in zip(AGES, (30, 20, 60), strict=True)}
    counts |= {_cell("population", "", "", age=age): n for age, n in zip(AGES, (300, 200, 62), strict=True)}
    assert _linked(counts).gaps == 1


def test_a_map_tells_which_zip_codes_lie_in_which_state() -> None:
    """Of 200 in a state, 190 in one prefix and a mark: with a map the mark is at most 10, so the link is in the audit."""
    zips = {_cell("visits", zip3="021"): 190, _cell("visits", zip3="010"): 8, _cell("visits", zip3="028"): 92}
    counts = {**zips, _cell("visits", state="MA"): 200, _cell("visits", state="RI"): 90}
    inside = {("zip3", "021"): [("state", "MA")], ("zip3", "010"): [("state", "MA")]}
    assert _linked(counts).system.matrix.shape[0] < _linked(counts, inside).system.matrix.shape[0]
    linked = _linked(counts, inside)
    protected = protect(linked.system, TableLimits(), 0, linked.spread([-1] * len(counts)))
    shown = dict(zip(linked.addresses, ~protected.hidden, strict=False))
    assert not (shown[_cell("visits", zip3="021")] and shown[_cell("visits", state="MA")])


def test_places_lie_where_all_their_patients_live() -> None:
    """A prefix across two states lies in neither, and what has no name holds nothing."""
    zip3 = Attribute("zip3", ["010", "021", "055", "other"], np.array([0, 1, 1, 2, 2, 3], np.int32))
    state = Attribute("state", ["MA", "VT", "unknown"], np.array([0, 0, 0, 0, 1, 2], np.int32))
    people = People({"zip3": zip3, "state": state}, np.zeros(6, np.int32), np.ones(6, bool))
    within = places_inside(people)
    assert within.pop(("state", "VT")) == [("zip3", "055")]
    assert within == {("zip3", "010"): [("state", "MA")], ("zip3", "021"): [("state", "MA")]}


def test_overlapping_years_are_not_told_together() -> None:
    """The difference of 2020-2024 and 2020-2025 is a year that no table shows."""
    with pytest.raises(DisclosureError, match="share years"):
        _linked({_cell("visits", "2020-2024"): 50, _cell("visits", "2020-2025"): 60})
    assert _linked({_cell("visits", "2020-2022"): 50, _cell("visits", "2023-2025"): 60}).gaps == 0
    parts = {_cell("visits", f"{year}"): 20 for year in (2020, 2021)} | {_cell("visits", "2020-2021"): 40}
    assert _linked(parts).system.is_sum.sum() == 1
