"""No attacker who has the published tables alone can narrow a small cell below the protection; and without care he can."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from deid.documents.limits import TableLimits
from deid.errors import DisclosureError
from deid.tables.cube import Address
from deid.tables.protect import Protected
from deid.tables.published import Published
from tests.attack.table_attacker import Attacker, Key
from tests.made_tables import Made, asked_for, drawn_people, make, publish

# A failing table is small already, and shrinking it would solve thousands of programs.
DRAW = settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FIRST, LAST = date(2024, 1, 1), date(2025, 12, 31)
GROUPS = ("asthma", "diabetes")
LIMITS = TableLimits()
SHAPES: list[dict[str, Any]] = [
    {"a": {"measure": "visits", "by": ["year", "county"]}},
    {
        "a": {"measure": "visits", "by": ["quarter", "county"]},
        "b": {"measure": "visits", "by": ["year", "county", "sex"]},
    },
    {"a": {"measure": "prevalence", "by": ["year", "county", "sex", "codes"]}},
    {
        "a": {"measure": "prevalence", "by": ["quarter", "county", "codes"]},
        "b": {"measure": "prevalence", "by": ["year", "county", "codes"]},
        "c": {"measure": "incidence", "by": ["quarter", "county", "codes"]},
    },
    {
        "a": {"measure": "incidence", "by": ["quarter", "age", "sex", "codes"]},
        "b": {"measure": "visits", "by": ["year", "age", "sex", "codes"]},
        "c": {"measure": "prevalence", "by": ["year", "age", "sex", "codes"]},
    },
]


def _block(shape: dict[str, Any]) -> dict[str, Any]:
    codes = {name: {"icd10cm": [f"X{i}"]} for i, name in enumerate(GROUPS)}
    dates = {"from": str(FIRST), "to": str(LAST)}
    return {**dates, "ages": ["0-17", "18-44", "45-64", "65+"], "codes": codes, "washout": 0, "tables": shape}


def _key(address: Address) -> Key:
    period = "year" if "-" not in address.period else "quarter" if "Q" in address.period else "month"
    told = {"measure": address.measure, "codes": address.group, period: address.period, address.level: address.place}
    told |= {d: getattr(address, d) for d in ("age", "sex", "race", "ethnicity")}
    return tuple(sorted((d, v) for d, v in told.items() if d and v))


def _made(folder: Path, shape: int, seed: int, size: int, visits: int) -> Made:
    asked = asked_for(folder, _block(SHAPES[shape]))
    people, events = drawn_people(seed, size, visits, counties=5, groups=GROUPS, first=FIRST, last=LAST)
    return make(asked, people, events, LIMITS)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
@DRAW
@given(seed=st.integers(0, 10**6), size=st.integers(0, 200), visits=st.integers(0, 600))
def test_an_attacker_with_the_tables_alone_narrows_no_small_cell(
    tmp_path: Path, shape: int, seed: int, size: int, visits: int
) -> None:
    """Whatever is published, each small count could be as far apart as the protection, and is never one number."""
    made = _made(tmp_path, shape, seed, size, visits)
    attacker = Attacker(made.record)
    truth = dict(zip(made.linked.addresses, made.linked.system.counts.tolist(), strict=False))
    informed = _informed(made)
    small = sorted(made.primary)
    for address in small[:: max(1, len(small) // 25)]:  # some of them: each takes four programs
        low, high = attacker.interval(_key(address))
        assert low <= truth[address] <= high
        assert high - low >= LIMITS.protection - 1e-6
        least, most = attacker.interval(_key(address), informed)
        assert most - least >= 1 - 1e-6


def _informed(made: Made) -> dict[Key, tuple[float, float | None]]:
    """What somebody would know who had found out which marks are primary."""
    found: dict[Key, tuple[float, float | None]] = {}
    system = made.linked.system
    for i in np.flatnonzero(made.protected.hidden[: len(made.linked.addresses)]):
        is_people = bool(system.people[i])
        small = (1, LIMITS.smallest - 1 if is_people else None)
        found[_key(made.linked.addresses[i])] = small if system.primary[i] else (LIMITS.smallest, None)
    return found


def _primary_only(made: Made) -> dict[str, Any]:
    """Return what would be published if nothing but small cells were hidden."""
    bare = Protected(made.linked.system.primary.copy(), made.linked.system.counts, 0, 0, {})
    return publish(made.asked, made.tables, made.cube, made.linked, bare, LIMITS)


def test_the_attacker_succeeds_where_only_small_cells_are_hidden(tmp_path: Path) -> None:
    """With secondary suppression switched off the same attacker reads small counts off the totals."""
    exact = 0
    for seed in range(3):
        made = _made(tmp_path, 1, seed, 200, 900)
        attacker = Attacker(_primary_only(made))
        for address in made.primary:
            low, high = attacker.interval(_key(address))
            exact += high - low < 1e-6
    assert exact >= 10


def test_marks_do_not_tell_which_cells_are_small(tmp_path: Path) -> None:
    """A secondary cell is written like a small one: no field of tables.json differs but the address."""
    made = _made(tmp_path, 1, 3, 250, 900)
    marked = [c for t in made.record["tables"].values() for c in t["cells"] if c["count"] is None]
    assert made.protected.secondary > 0
    assert {(c["mark"], *(k for k, v in c.items() if v is None and k == "count")) for c in marked} == {
        ("suppressed", "count")
    }


def test_a_later_table_gives_no_earlier_mark_away(tmp_path: Path) -> None:
    """Quarters are published first, their years a run later: together they still protect every small cell."""
    for seed in range(3):
        people, events = drawn_people(seed, 220, 800, counties=4, groups=GROUPS, first=FIRST, last=LAST)
        quarters = asked_for(tmp_path, _block({"a": {"measure": "visits", "by": ["quarter", "county"]}}))
        first = make(quarters, people, events, LIMITS)
        before = first.remembered(Published())
        both = asked_for(tmp_path, _block(SHAPES[1]))
        second = make(both, people, events, LIMITS, before=before)
        shown = {a for a, hidden in zip(first.linked.addresses, first.protected.hidden, strict=False) if not hidden}
        again = dict(zip(second.linked.addresses, second.protected.hidden, strict=False))
        assert not any(again[a] for a in shown)
        assert all(again[a] for a in first.linked.addresses if a not in shown)
        attacker = Attacker(second.record)
        for address in second.primary:
            low, high = attacker.interval(_key(address))
            assert high - low >= LIMITS.protection - 1e-6


def test_an_earlier_count_stands_when_the_source_changes(tmp_path: Path) -> None:
    """Visits that come in late change no published count, so that no difference tells whose they are."""
    people, events = drawn_people(5, 220, 800, counties=4, groups=GROUPS, first=FIRST, last=LAST)
    quarters = asked_for(tmp_path, _block({"a": {"measure": "visits", "by": ["quarter", "county"]}}))
    first = make(quarters, people, events, LIMITS)
    late = replace(events, day=np.roll(events.day, 7))
    years = {"b": {"measure": "visits", "by": ["year", "county"]}}
    both = asked_for(tmp_path, _block({"a": {"measure": "visits", "by": ["quarter", "county"]}, **years}))
    second = make(both, people, late, LIMITS, before=first.remembered(Published()))
    old = dict(zip(first.linked.addresses, first.linked.system.counts.tolist(), strict=False))
    new = dict(zip(second.linked.addresses, second.linked.system.counts.tolist(), strict=False))
    assert {a: new[a] for a in old} == old
    by_sex = asked_for(tmp_path, _block(SHAPES[1]))
    with pytest.raises(DisclosureError, match="do not agree with the source"):
        make(by_sex, people, late, LIMITS, before=first.remembered(Published()))


@pytest.mark.parametrize("shape", [0, 2, 4])
@DRAW
@given(seed=st.integers(0, 10**6))
def test_rounded_tables_add_up_and_leave_every_small_cell_in_doubt(tmp_path: Path, shape: int, seed: int) -> None:
    """Every count is a neighboring multiple of the base, totals are sums, and small counts keep the width."""
    asked = asked_for(tmp_path, _block(SHAPES[shape]))
    people, events = drawn_people(seed, 250, 900, counties=5, groups=GROUPS, first=FIRST, last=LAST)
    limits = TableLimits(method="round")
    try:
        made = make(asked, people, events, limits, seed=seed)
    except DisclosureError:  # more than two dimensions may have no controlled rounding
        assert shape == 4
        return
    system, shown = made.linked.system, made.protected.shown
    assert (shown % limits.base == 0).all()
    assert (np.abs(shown - system.counts) < limits.base)[~system.unseen].all()
    assert not np.asarray(system.matrix[system.is_sum] @ shown).any()
    assert made.protected.narrowest.get("public", 10) in (None, 10) or made.protected.narrowest["public"] >= 10
