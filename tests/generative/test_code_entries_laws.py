"""Who has which codes, counted in parts: the same as counted at once in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.known_codes import entries as counted
from deid.known_codes.entries import Entries

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(-1, 6)), max_size=60)


@pytest.fixture(autouse=True, params=[1, 7, 1 << 20])
def small_parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sort in after every few rows, and never."""
    monkeypatch.setattr(counted, "_PENDING", request.param)


@given(batches=st.lists(ROWS, max_size=5))
def test_entries_are_counted_as_in_plain_python(batches: list[list[tuple[int, int, int]]]) -> None:
    """Distinct (patient, code) with mentions, sorted, and each visit of each once, whatever the batches."""
    entries = Entries()
    mentions: Counter[tuple[int, int]] = Counter()
    visits: dict[tuple[int, int], set[int]] = defaultdict(set)
    for rows in batches:
        columns = np.array(rows, np.int32).reshape(-1, 3)
        entries.add(columns[:, 0], columns[:, 1], columns[:, 2])
        for patient, code, visit in rows:
            mentions[patient, code] += 1
            if visit >= 0:
                visits[patient, code].add(visit)
    coded = entries.coded(6)
    expected = sorted(mentions)
    assert list(zip(coded.patient.tolist(), coded.code.tolist(), strict=True)) == expected
    assert coded.mentions.tolist() == [mentions[key] for key in expected]
    pairs = sorted((visit, at) for at, key in enumerate(expected) for visit in visits[key])
    found = [] if coded.visits is None else [(visit, entry) for entry, visit in coded.visits.tolist()]
    assert found == pairs
    assert coded.klass.tolist() == [0] * 6
