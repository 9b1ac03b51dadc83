"""Whoever compares cumulative files learns what whoever has the increments knows, and no more is kept of either."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from deid.known_codes.entries import NO_VISIT
from deid.ledger.told import ITEMS, Told

Shown = tuple[int, int, int]  # patient, item, dates
SHOWN = st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 1))
SERIES = st.lists(st.dictionaries(SHOWN, st.integers(1, 3), max_size=8), min_size=1, max_size=5)


def entered(told: Told, number: int, shown: dict[Shown, int]) -> Told:
    """Return what a series has shown with one more file, in which each entry stands in one row."""
    rows = list(shown)
    patient, item, dates = (np.array([row[at] for row in rows], np.int64) for at in range(3))
    used, numbered = np.unique(item, return_inverse=True)
    items = pa.table([pa.array(["icd10cm"] * len(used)), pa.array([str(each) for each in used])], schema=ITEMS)
    return told.with_release(
        number, patient.astype(np.int32), numbered.astype(np.int32), dates.astype(np.uint64),
        np.full(len(rows), NO_VISIT, np.int32), np.array([shown[row] for row in rows], np.int32), items,
    )  # fmt: skip


def rows_of(told: Told) -> Counter[tuple[int, str, int, int, int]]:
    """Return the rows: patient, text of the item, dates, release, mentions."""
    texts = told.items["text"].to_pylist()
    return Counter(
        (int(p), texts[i], int(d), int(r), int(m))
        for p, i, d, r, m in zip(told.patient, told.item, told.dates, told.release, told.mentions, strict=True)
    )


@given(SERIES)
def test_cumulative_files_compared_tell_what_increments_tell(increments: list[dict[Shown, int]]) -> None:
    """File by file, what is new by entry and mentions is the increment."""
    apart, compared, so_far = Told.nothing(), Told.nothing(), Counter[Shown]()
    for number, shown in enumerate(increments, 1):
        so_far.update(shown)
        apart = entered(apart, number, shown)
        compared = entered(compared, number, dict(so_far)).without_repeated(number)
        assert rows_of(compared) == rows_of(apart)


@given(SERIES)
def test_what_is_corrected_away_adds_nothing(files: list[dict[Shown, int]]) -> None:
    """Files that lose entries again: an entry is new by as many mentions as no earlier file had, summed as they came."""
    told, known = Told.nothing(), Counter[Shown]()
    for number, shown in enumerate(files, 1):
        told = entered(told, number, shown).without_repeated(number)
        new = {(p, str(i), d, number, m - known[p, i, d]) for (p, i, d), m in shown.items() if m > known[p, i, d]}
        assert {row for row in rows_of(told) if row[3] == number} == new
        known |= Counter(shown)
