"""The audit and the choice of secondary cells, held against brute force on tables small enough for it."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from deid.errors import DisclosureError
from deid.tables.audit import Audit
from deid.tables.secondary import suppress
from deid.tables.system import Attacker, System, relations
from tests.attack.table_attacker import Attacker as Outsider

SIX = st.lists(st.integers(0, 30), min_size=6, max_size=6)


def _grid(inner: list[int], *, most: float = np.inf) -> System:
    """Two rows and three columns with totals: cells 0-3, 4-7, 8-11, of which 3, 7 and 8-11 are totals."""
    full = np.zeros((3, 4), np.int64)
    full[:2, :3] = np.array(inner).reshape(2, 3)
    full[2, :3], full[:, 3] = full[:2, :3].sum(0), 0
    full[:, 3] = full[:, :3].sum(1)
    at = np.arange(12).reshape(3, 4)
    plus = [list(at[i, :3]) for i in range(3)] + [list(at[:2, j]) for j in range(4)]
    minus = [[at[i, 3]] for i in range(3)] + [[at[2, j]] for j in range(4)]
    counts, nothing = full.ravel(), np.zeros(12, bool)
    small = (counts > 0) & (counts < 11)
    matrix = relations(plus, minus, 12)
    return System(
        counts,
        small,
        nothing,
        nothing.copy(),
        matrix,
        np.ones(7, bool),
        np.ones(12),
        ~nothing,
        np.full(12, most),
        nothing.copy(),
    )


def _published(system: System, hidden: np.ndarray) -> Outsider:
    labels = [(r, c) for r in ("a", "b", None) for c in ("F", "M", "X", None)]
    cells = [
        {"year": "2024", "state": r, "sex": c, "count": None if hidden[i] else int(system.counts[i])}
        for i, (r, c) in enumerate(labels)
    ]
    return Outsider({"tables": {"t": {"measure": "visits", "by": ["year", "state", "sex"], "cells": cells}}})


def _is_safe(system: System, hidden: np.ndarray, width: int = 10) -> bool:
    """Whether an outsider's linear programs leave every small cell both widths; whole in two dimensions."""
    outsider = _published(system, hidden)
    marks = np.flatnonzero(hidden)
    ends = {i: (1.0, 10.0) if system.primary[i] else (11.0, None) for i in marks}
    informed = {outsider.marks[n]: ends[i] for n, i in enumerate(marks)}
    for n, i in enumerate(marks):
        if system.primary[i]:
            low, high = outsider.interval(outsider.marks[n])
            least, most = outsider.interval(outsider.marks[n], informed)
            if high - low < width - 1e-6 or most - least < 1 - 1e-6:
                return False
    return True


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(inner=SIX)
def test_no_pattern_of_fewer_cells_is_safe(inner: list[int]) -> None:
    """The pattern is safe, its bound holds, and every smaller choice of secondary cells fails."""
    system = _grid(inner)
    try:
        pattern = suppress(system, 10, tolerance=0.0)
    except DisclosureError:
        assert not _is_safe(system, system.counts > 0)
        return
    assert _is_safe(system, pattern.hidden)
    assert pattern.bound <= pattern.secondary
    eligible = np.flatnonzero(system.eligible)
    for fewer in range(pattern.secondary):
        for cells in combinations(eligible, fewer):
            hidden = system.forced.copy()
            hidden[list(cells)] = True
            assert not _is_safe(system, hidden)


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    inner=st.lists(st.integers(0, 4), min_size=6, max_size=6), chosen=st.lists(st.booleans(), min_size=12, max_size=12)
)
def test_a_width_is_what_enumeration_of_whole_tables_gives(inner: list[int], chosen: list[bool]) -> None:
    """For any pattern of marks, proven widths are those over all whole tables that agree with what is shown."""
    system = _grid(inner, most=6.0)
    hidden = (system.primary | np.array(chosen)) & (system.counts > 0)
    attacker, _ = system.attackers(6)
    audit = Audit(system, attacker)
    audit.weak(hidden)
    widths = dict(zip(audit.targets.tolist(), audit.widths(hidden).tolist(), strict=True))
    tables = _whole_tables(system, attacker, hidden)
    for i, need in zip(audit.targets.tolist(), audit.needs.tolist(), strict=True):
        truth = int(tables[:, i].max() - tables[:, i].min())
        assert widths[i] <= truth
        assert (widths[i] >= need) == (truth >= need)


def _whole_tables(system: System, attacker: Attacker, hidden: np.ndarray) -> np.ndarray:
    low, high = system.counts - attacker.down, system.counts + attacker.up
    inside = [0, 1, 2, 4, 5, 6]
    ranges = [range(int(low[i]), int(high[i]) + 1) if hidden[i] else [int(system.counts[i])] for i in inside]
    found = []
    for values in product(*ranges):
        full = np.zeros((3, 4), np.int64)
        full[:2, :3] = np.array(values).reshape(2, 3)
        full[2, :3] = full[:2, :3].sum(0)
        full[:, 3] = full[:, :3].sum(1)
        x = full.ravel()
        shown = np.where(hidden, (x >= low) & (x <= high), x == system.counts)
        if shown.all():
            found.append(x)
    return np.array(found)


def test_a_cut_is_met_by_every_safe_pattern() -> None:
    """The conditions that an audit gives never forbid what is safe: hiding everything but zeros meets them all."""
    system = _grid([3, 25, 14, 30, 12, 28])
    for attacker in system.attackers(10):
        audit = Audit(system, attacker)
        cuts = audit.cuts(audit.weak(system.forced), system.forced)
        assert cuts
        for safe in (system.counts > 0, suppress(system, 10).hidden):
            assert all(cut.coefficients @ safe[cut.cells] >= cut.least - 1e-6 for cut in cuts)


def test_what_is_known_already_cannot_be_hidden() -> None:
    """A small cell whose surroundings were all published before is refused, with what to do."""
    system = _grid([3, 25, 14, 30, 12, 28])
    known = System(
        system.counts, system.primary, ~system.primary, system.hidden, system.matrix, system.is_sum, system.weight,
        system.people, system.most, system.unseen,
    )  # fmt: skip
    with pytest.raises(DisclosureError, match="cannot be protected") as fault:
        suppress(known, 10)
    assert "leave out totals" in fault.value.hint
