"""`deid.patients.tags`: an index of tags agrees with a dictionary, whatever the tags and however they are batched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.patients.tags import TagIndex, first_words, words

# Few distinct values make repeats; near and extreme ones make neighbors collide and reach 0 and 2^64 - 1.
TAGS = st.one_of(
    st.integers(0, 20),
    st.integers(2**64 - 20, 2**64 - 1),
    st.integers(0, 20).map(lambda top: top << 59),
    st.integers(0, 2**64 - 1),
)
BATCHES = st.lists(st.lists(TAGS, max_size=60), max_size=8)


@given(BATCHES)
@settings(max_examples=200, deadline=None)
def test_agrees_with_a_dictionary(batches: list[list[int]]) -> None:
    """Positions are dense in order of first appearance, and new exactly at the first appearance."""
    index, model = TagIndex(), {}
    for batch in batches:
        expected_new = []
        for tag in batch:
            expected_new.append(tag not in model)
            model.setdefault(tag, len(model))
        positions, is_new = index.add(np.array(batch, dtype=np.uint64))
        assert positions.tolist() == [model[tag] for tag in batch]
        assert is_new.tolist() == expected_new
        assert len(index) == len(model)
    asked = [*model, 12345, 2**63 + 12345]
    assert index.find(np.array(asked, dtype=np.uint64)).tolist() == [model.get(tag, -1) for tag in asked]


@given(st.lists(st.lists(st.tuples(TAGS, TAGS), max_size=40), max_size=6))
@settings(max_examples=100, deadline=None)
def test_wide_tags_agree_with_a_dictionary(batches: list[list[tuple[int, int]]]) -> None:
    """Of 128-bit tags both halves count: tags that share one half are different."""
    index, model = TagIndex(bits=128), {}
    for batch in batches:
        fresh = [pair not in model and pair not in batch[:row] for row, pair in enumerate(batch)]
        for pair in batch:
            model.setdefault(pair, len(model))
        positions, is_new = index.add(np.array(batch, dtype=np.uint64).reshape(-1, 2))
        assert positions.tolist() == [model[pair] for pair in batch]
        assert is_new.tolist() == fresh
    asked = [*model, (1, 99), (99, 1)]
    found = index.find(np.array(asked, dtype=np.uint64))
    assert found.tolist() == [model.get(pair, -1) for pair in asked]


def test_grows_through_many_doublings() -> None:
    """Growing keeps every position, over batches larger and smaller than a chunk, with repeats within and between."""
    rng = np.random.default_rng(7)
    pool = rng.integers(0, 2**64, size=200_000, dtype=np.uint64)
    index, first = TagIndex(), {}
    for size in (1, 1000, 70_000, 150_000, 5):
        batch = pool[rng.integers(0, len(pool), size=size)]
        positions, is_new = index.add(batch)
        for tag in batch[is_new].tolist():
            assert tag not in first
            first[tag] = len(first)
        assert positions.tolist() == [first[tag] for tag in batch.tolist()]
    assert len(index) == len(first)


@pytest.mark.parametrize(("bits", "most"), [(64, 21), (128, 30)])
def test_bytes_per_entry(bits: int, most: int) -> None:
    """An index of a hundred thousand entries and more stays within its promised bytes an entry at every size."""
    rng = np.random.default_rng(3)
    index = TagIndex(bits=bits)
    for _ in range(20):
        shape = (25_000, 2) if bits == 128 else (25_000,)
        index.add(rng.integers(0, 2**64, size=shape, dtype=np.uint64))
        if len(index) >= 100_000:
            assert index.nbytes <= most * len(index)


def test_partitioned_tags_do_not_cluster() -> None:
    """Tags that agree in their top or in their low bits are still found: both parts reach the slot."""
    for tags in (np.arange(50_000, dtype=np.uint64), np.arange(50_000, dtype=np.uint64) << np.uint64(48)):
        index = TagIndex()
        positions, _ = index.add(tags)
        assert len(index) == len(np.unique(tags))
        assert (index.find(tags) == positions).all()


def test_bytes_and_words_agree() -> None:
    """Digest bytes and pairs of big-endian words are the same 128-bit tag; the first word is the 64-bit tag."""
    digests = np.frombuffer(bytes(range(64)), dtype=np.uint8).reshape(4, 16)
    pairs = np.array(
        [[int.from_bytes(row[:8].tobytes()), int.from_bytes(row[8:].tobytes())] for row in digests], np.uint64
    )
    assert [part.tolist() for part in words(digests, 128)] == [pairs[:, 0].tolist(), pairs[:, 1].tolist()]
    assert first_words(digests).tolist() == pairs[:, 0].tolist()


@pytest.mark.parametrize("tags", [np.zeros(3, np.int64), np.zeros((3, 16), np.uint8), np.zeros((3, 2), np.uint64)])
def test_refuses_another_width(tags: np.ndarray) -> None:
    """Tags of another type or width are a fault of the caller, not silently cut."""
    with pytest.raises(ValueError, match="64 bits"):
        TagIndex().add(tags)
