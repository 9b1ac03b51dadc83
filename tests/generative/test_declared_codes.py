"""A declared code stays at its category at most, but no released value of one is shown for fewer than k patients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.disclosure.code_maps import search_map
from deid.disclosure.coded import Coded, CodeTree
from deid.documents.limits import CodeLimits
from deid.errors import DisclosureError

K = 3
LEVELS = ("code", "category", "block", "chapter")


def drawn(seed: int) -> tuple[Coded, CodeTree]:
    """Draw patients and a tree of codes, two or three to a category and two categories to a chapter."""
    rng = np.random.default_rng(seed)
    patients, codes = int(rng.integers(1, 25)), int(rng.integers(1, 12))
    names = np.arange(codes)
    items = np.stack([names, 100 + names // 3, np.full(codes, -1), 200 + names // 6], axis=1).astype(np.int32)
    items[rng.random(codes) < 0.2, 1] = -1  # without a category of its own, the next coarser level stands for it
    entries = np.unique(rng.integers(0, [patients, codes], (int(rng.integers(0, 80)), 2)), axis=0).astype(np.int32)
    klass = np.where(rng.random(patients) < 0.9, 0, -1).astype(np.int32)
    coded = Coded(klass, entries[:, 0], entries[:, 1], np.ones(len(entries), np.int32))
    return coded, CodeTree(items, LEVELS, np.zeros(codes, np.int16), rng.random(codes) < 0.6)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([0.4, 1.0]))
def test_what_is_shown_of_declared_codes_is_shown_for_k_patients(seed: int, strict: bool, ceiling: float) -> None:
    """Counted patient by patient: a code, or its category, by those who show just this, or else the chapter."""
    coded, tree = drawn(seed)
    try:
        found = search_map(coded, tree, CodeLimits(ceiling, ("icd10cm",), strict=strict), k=K)
    except DisclosureError:
        return
    shown: dict[int, set[int]] = {}
    had: dict[int, set[int]] = {}
    for patient, code in zip(coded.patient.tolist(), coded.code.tolist(), strict=True):
        if coded.klass[patient] >= 0:
            shown.setdefault(int(found.items[code]), set()).add(patient)
            had.setdefault(code, set()).add(patient)
    for code in np.flatnonzero(tree.declared).tolist():
        item, category = int(found.items[code]), int(tree.items[code, 1])
        if item < 200 and code in had:
            assert len(shown[item]) >= K
        if len(had.get(code, ())) >= K and category >= 0:
            assert item in {code, category}


@pytest.mark.parametrize(("others", "item"), [(0, 200), (2, 100)])
def test_a_category_of_which_only_rare_codes_are_left_counts_by_them(others: int, item: int) -> None:
    """Where the common code of a category stays whole, the category is as rare as the codes that are left in it."""
    code = np.array([0] * 10 + [1] * 2 + [2] * others, np.int32)
    items = np.array([[0, 100, -1, 200], [1, 100, -1, 200], [2, 100, -1, 200]], np.int32)
    tree = CodeTree(items, LEVELS, np.zeros(3, np.int16), np.ones(3, bool))
    patient = np.arange(len(code), dtype=np.int32)
    coded = Coded(np.zeros(len(code), np.int32), patient, code, np.ones(len(code), np.int32))
    found = search_map(coded, tree, CodeLimits(1.0, ("icd10cm",)), k=K)
    assert found.items.tolist()[:2] == [0, item]
