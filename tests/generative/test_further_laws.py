"""Laws of further knowledge: figures are those of plain counting, whatever order and batches rows come in."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.disclosure.further import Knowledge, further_risk
from deid.disclosure.gathering import Amounts, ValueSets

PEOPLE = 12
ROWS = st.lists(
    st.tuples(
        st.integers(0, PEOPLE - 1),
        st.none() | st.integers(0, 200).map(str),  # more than 64 values: beyond what bits hold
        st.none() | st.sampled_from([-0.0, 0.0, 0.1, 0.2, 0.3, 12.5, -3.0, 1e6]),
    ),
    max_size=120,
)
KLASS = st.lists(st.integers(0, 2), min_size=1, max_size=PEOPLE)


def naive(shown: list[object]) -> tuple[float, int, int]:
    """Return mean chance, patients of whom fewer than three fit, and unique ones, by plain counting."""
    sizes = Counter(shown)
    own = [sizes[one] for one in shown]
    return sum(1 / f for f in own) / len(own), sum(f < 3 for f in own), sum(f == 1 for f in own)


def same_parts(numbers: np.ndarray, values: list[object]) -> None:
    """Check that numbers are equal exactly where values are."""
    for first, second in combinations(range(len(values)), 2):
        assert (numbers[first] == numbers[second]) == (values[first] == values[second])


@given(ROWS, st.integers(1, 50), st.randoms(use_true_random=False))
def test_sets_and_amounts_are_those_of_plain_python(rows: list[tuple], batch: int, order: object) -> None:
    """Sets, totals and greatest numbers tell patients apart as Python's own do, in any order and any batches."""
    order.shuffle(rows)
    sets, amounts = ValueSets(), Amounts()
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        patient = np.array([row[0] for row in part], np.int32)
        sets.add(pa.array([row[1] for row in part], pa.string()).dictionary_encode(), patient, PEOPLE)
        amounts.add(pa.array([row[2] for row in part], pa.float64()), patient, PEOPLE)
    own = [[row for row in rows if row[0] == one] for one in range(PEOPLE)]
    same_parts(sets.values(PEOPLE), [frozenset(r[1] for r in mine if r[1] is not None) for mine in own])
    numbers = [[r[2] for r in mine if r[2] is not None] for mine in own]
    same_parts(amounts.totals(PEOPLE), [round(sum(mine), 2) if mine else None for mine in numbers])
    same_parts(amounts.greatest(PEOPLE), [max(mine) if mine else None for mine in numbers])


@given(KLASS, st.lists(st.lists(st.integers(0, 3), min_size=PEOPLE, max_size=PEOPLE), max_size=4))
def test_figures_are_those_of_plain_counting(klass: list[int], values: list[list[int]]) -> None:
    """Every figure of one thing, and of the worst pair, is what counting cells by hand gives."""
    size = len(klass)
    known = [
        Knowledge(str(i), (f"t.{i}",), i != 0, np.array(own[:size], np.uint64) << np.uint64(60))
        for i, own in enumerate(values)
    ]
    found = further_risk(np.array(klass, np.uint64), known, fewer=3)
    assert found is not None
    assert found.vector == pytest.approx(naive(list(klass))[0])
    figures = {gain.names: (gain.mean, gain.few, gain.unique) for gain in found.single}
    assert set(figures) == {(str(i),) for i in range(len(values))}
    for i, own in enumerate(values):
        assert figures[(str(i),)] == pytest.approx(naive(list(zip(klass, own, strict=False))))
    pairs = [naive(list(zip(klass, a, b, strict=False))) for a, b in combinations(values, 2)]
    if not pairs:
        assert found.pair is None
    else:
        assert found.pair is not None
        assert found.pair.mean == pytest.approx(max(pair[0] for pair in pairs))
        assert (found.pair.few, found.pair.unique) in [pair[1:] for pair in pairs]
    assert [gain.mean for gain in found.single] == sorted((g.mean for g in found.single), reverse=True)
    assert all(gain.mean >= found.vector for gain in found.single)


def test_nobody_has_no_figure() -> None:
    """Without patients there is nothing to be known of anybody."""
    assert further_risk(np.zeros(0, np.uint64), [], fewer=11) is None


def test_one_patient_is_always_picked_rightly() -> None:
    """One patient alone is known by nothing at all."""
    found = further_risk(np.zeros(1, np.uint64), [Knowledge("n", ("t",), True, np.ones(1, np.uint64))], fewer=11)
    assert found is not None
    assert (found.vector, found.single[0].mean, found.single[0].few, found.single[0].unique) == (1.0, 1.0, 1, 1)
