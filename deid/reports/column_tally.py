"""Which source values stand under which released value of a column, counted by patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import places_of
from deid.patients.positions import Tagger
from deid.patients.tags import TagIndex
from deid.reports.tallies import Counts, Numbers, Values, VectorState, VectorTally

Table = Callable[[], tuple[Numbers, Counts]]


@dataclass(frozen=True, slots=True)
class ColumnState:
    """Patients of each (source value, released value), and the tags of the source values, uint64 (values,)."""

    leaves: npt.NDArray[np.uint64] = field(repr=False)
    pairs: VectorState


class ColumnTally:
    """A column of the vector: patients of each (source value, released value).

    As long as the column leaves as it came, the two are one, and nothing is kept: released values are counted anyway.
    `values` number the released ones; source values are known by tags under the key of this run.
    """

    def __init__(self, tagger: Tagger, values: Values) -> None:
        self._tagger, self._values = tagger, values
        self._is_same = True
        self._leaves = TagIndex()
        self._pairs = VectorTally(2, 2)

    def add(
        self, source: pa.Array, done: pa.Array, numbers: Numbers, part: npt.NDArray[np.int64] | int, before: Table
    ) -> None:
        """Count a batch: `source` cells, `done` as released, with their `numbers` (n,).

        `before`: the released values of all batches before this one, int32 (values, 1), and their counts by part.
        """
        if self._is_same and source.equals(done):
            return
        self._begin(before)
        self._pairs.add([self._leaves.add(self._tags(source))[0], numbers], part)

    def pairs(self, table: Table) -> VectorTally:
        """Return patients of each (source value, released value); `table`: those of each released value."""
        if not self._is_same:
            return self._pairs
        same, (values, counts) = VectorTally(2, 2), table()
        _lay(same, values[:, 0], values[:, 0], counts)
        return same

    def state(self) -> ColumnState | None:
        """Return what was counted so far; None while the column leaves as it came."""
        return None if self._is_same else ColumnState(self._leaves.tags, self._pairs.state())

    def merge(self, state: ColumnState | None, numbers: Numbers, before: Table, table: Table) -> None:
        """Take what another object under the same key counted.

        `numbers`: for each number of a released value there its number here, int32 (values,). `before`: as in `add`,
        without what is merged; `table`: the same of what is merged, in numbers of here.
        """
        if state is None and self._is_same:
            return
        self._begin(before)
        if state is None:
            self._lay_same(table)
        else:
            self._pairs.merge(state.pairs, [self._leaves.add(state.leaves)[0], numbers])

    def _begin(self, before: Table) -> None:
        """Keep pairs from here on: until now the two values of each were one."""
        if self._is_same:
            self._is_same = False
            self._lay_same(before)

    def _lay_same(self, table: Table) -> None:
        values, counts = table()
        texts = self._values.texts
        told = pa.array([texts[number] for number in values[:, 0].tolist()], pa.string())
        _lay(self._pairs, self._leaves.add(self._tagger.tags(told))[0], values[:, 0], counts)

    def _tags(self, cells: pa.Array) -> npt.NDArray[np.uint64]:
        """Return a tag for each cell by its text, uint64 (n,); the text of a distinct value is made once."""
        coded = cells if isinstance(cells, pa.DictionaryArray) else cells.dictionary_encode()
        texts = pa.concat_arrays([coded.dictionary.cast(pa.string()), pa.nulls(1, pa.string())])
        return self._tagger.tags(texts).take(places_of(coded))


def _lay(pairs: VectorTally, leaves: Numbers, values: Numbers, counts: Counts) -> None:
    """Count so many patients of pairs that are not counted yet."""
    numbers = pairs.add([leaves, values], np.full(len(values), -1, np.int64))
    pairs.counts[numbers] += counts
