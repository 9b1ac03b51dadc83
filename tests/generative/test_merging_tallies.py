"""Laws of merging: distinct values, pairs and patients that were counted in parts come to what one object counts."""

from __future__ import annotations

import pickle
from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from deid.patients.positions import Tagger
from deid.patients.tags import TagIndex
from deid.reports.by_patient import Few
from deid.reports.column_tally import ColumnTally
from deid.reports.tallies import Tallied, Values, VectorTally

Cell = tuple[str | None, bool, int]  # a source value, whether it leaves as it came, and the part of its patient
CELLS = st.tuples(st.sampled_from(["a", "b", "c", "dd", None]), st.booleans(), st.integers(0, 1))
PARTS = st.lists(st.lists(st.lists(CELLS, min_size=1, max_size=8), max_size=3), min_size=1, max_size=5)
SAME = [("a", True, 0), (None, True, 1), ("b", True, 0)]
OTHER = [("b", False, 0), ("a", True, 0)]


class Column:
    """A column of one quasi-identifier, numbered and counted as the source side does."""

    def __init__(self, tagger: Tagger) -> None:
        self.values = Values()
        self.vectors = VectorTally(1, 2)
        self.tally = ColumnTally(tagger, self.values)
        self.texts = Tallied(2)

    def see(self, cells: list[Cell]) -> None:
        """Take a batch of source cells, of which those that do not leave as they came are told by one letter."""
        source = pa.array([text for text, _, _ in cells], pa.string())
        done = pa.array([text if same else "x" for text, same, _ in cells], pa.string())
        part = np.array([part for _, _, part in cells], np.int64)
        numbers = self.values.of(done)
        self.tally.add(source, done, numbers, part, partial(self.vectors.table, 0))
        self.vectors.add([numbers], part)
        self.texts.add(source, part)

    def state(self) -> tuple[Any, ...]:
        """Return the states as another process would have them."""
        states = (self.values.state(), self.vectors.state(), self.tally.state(), self.texts.state())
        assert "dd" not in repr(states)
        return tuple(pickle.loads(pickle.dumps(state, protocol=5)) for state in states)  # noqa: S301 - our own

    def merge(self, states: tuple[Any, ...]) -> None:
        """Take another column's states."""
        values, vectors, tally, texts = states
        numbers = self.values.merge(values)
        there = VectorTally(1, 2)
        there.merge(vectors, [numbers])
        self.tally.merge(tally, numbers, partial(self.vectors.table, 0), partial(there.table, 0))
        self.vectors.merge(vectors, [numbers])
        self.texts.merge(texts)

    def told(self) -> tuple[Any, ...]:
        """Return the released values with their counts, and how many patients each source value has under each."""
        pairs = self.tally.pairs(partial(self.vectors.table, 0))
        texts = self.values.texts
        rows = zip(pairs.rows.tolist(), pairs.counts.tolist(), strict=True)
        # Source values have numbers alone: what is told of them is who stands under which released value.
        under = Counter((texts[value], *counts) for (_, value), counts in rows)
        leaves = Counter(map(tuple, np.sort(pairs.table(0)[1], axis=0).tolist()))
        return texts, self.vectors.counts.tolist(), under, leaves, self.texts.values.texts, self.texts.counts.tolist()


@given(PARTS)
@example([[SAME], [OTHER], [SAME]])
@example([[SAME, SAME], [SAME]])
@example([[OTHER], [SAME], []])
@example([[SAME, OTHER], [SAME, OTHER]])
def test_columns_of_parts_come_to_one(parts: list[list[list[Cell]]]) -> None:
    """Whether and wherever a column begins to leave otherwise than it came, its values and pairs are counted alike."""
    tagger = Tagger.fresh()
    one, merged = Column(tagger), Column(tagger)
    for part in parts:
        own = Column(tagger)
        for cells in part:
            own.see(cells)
            one.see(cells)
        merged.merge(own.state())
    assert merged.told() == one.told()


def test_a_column_under_another_key_is_not_the_same() -> None:
    """The law can fail: source values that were tagged under another key are taken for others."""
    one, merged = Column(Tagger.fresh()), Column(Tagger.fresh())
    for cells in (OTHER, OTHER):
        own = Column(Tagger.fresh())
        own.see(cells)
        one.see(cells)
        merged.merge(own.state())
    assert merged.told() != one.told()


@given(st.lists(st.lists(st.integers(0, 15), max_size=12), max_size=5))
def test_few_patients_of_parts_are_known_as_one_object_knows_them(parts: list[list[int]]) -> None:
    """Below eleven patients everybody is known; from eleven on nobody else has to be."""
    one, merged = Few(), Few()
    for part in parts:
        own = Few()
        own.add(np.array(part, np.int32))
        one.add(np.array(part, np.int32))
        merged.merge(own.state())
    known = len({patient for part in parts for patient in part})
    assert (merged.is_open, merged.is_small) == (one.is_open, one.is_small) == (known < 11, 0 < known < 11)


@given(st.lists(st.integers(0, 30), max_size=40), st.booleans())
def test_the_tags_of_an_index_make_the_same_index(numbers: list[int], is_wide: bool) -> None:
    """Whoever adds an index's tags gives every tag the position that it has there; of 64 bits and of 128."""
    tags = np.array(numbers, np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    if is_wide:
        tags = np.stack([tags, ~tags], axis=1)
    one, other = (TagIndex(bits=128 if is_wide else 64) for _ in range(2))
    positions, _ = one.add(tags)
    other.add(one.tags)
    assert np.array_equal(other.find(tags), positions)
    assert len(other) == len(one) == len(set(numbers))
