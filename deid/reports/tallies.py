"""Distinct values and vectors, numbered, with what is counted of them; memory grows with distinct values alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.buffers import scattered
from deid.tags import TagIndex

Numbers = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]


class Values:
    """Numbers the texts of one column in the order in which they are met; a null is a value, number 0."""

    def __init__(self) -> None:
        self._numbers: dict[str | None, int] = {None: 0}
        self._before: tuple[pa.Array, Numbers] | None = None  # batches often bring the dictionary of the one before

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def texts(self) -> tuple[str | None, ...]:
        """The values by number."""
        return tuple(self._numbers)

    def of(self, cells: pa.Array) -> Numbers:
        """Return the number of each cell, int32 (n,); whatever its type, a cell is told by its text."""
        coded = cells if isinstance(cells, pa.DictionaryArray) else cells.dictionary_encode()
        if self._before is None or not coded.dictionary.equals(self._before[0]):
            texts = coded.dictionary.cast(pa.string()).to_pylist()
            found = [self._numbers.setdefault(text, len(self._numbers)) for text in texts]
            self._before = (coded.dictionary, np.array([*found, 0], np.int32))
        numbers = self._before[1]
        return np.asarray(numbers[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)], np.int32)


class VectorTally:
    """Numbers distinct vectors, and counts patients of each in several parts.

    `rows` is int32 of shape (vectors, columns): the number of each column's value.
    """

    def __init__(self, columns: int, parts: int) -> None:
        self._index = TagIndex()
        self._rows = np.zeros((0, columns), np.int32)
        self._counts = np.zeros((0, parts), np.int64)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def rows(self) -> Numbers:
        """The vectors."""
        return self._rows[: len(self)]

    @property
    def counts(self) -> Counts:
        """Patients of each vector by part, int64 of shape (vectors, parts)."""
        return self._counts[: len(self)]

    def add(self, columns: Sequence[Numbers], part: npt.NDArray[np.generic] | int = 0) -> Numbers:
        """Count one patient a row in its part, -1 for none; return the number of each row's vector."""
        size = len(columns[0]) if columns else len(np.atleast_1d(part))
        tags = np.zeros(size, np.uint64)
        for column in columns:
            tags = scattered(tags ^ scattered(column))
        numbers, is_new = self._index.add(tags)
        self._grow(len(self._index))
        first = np.flatnonzero(is_new)
        for place, column in enumerate(columns):
            self._rows[numbers[first], place] = column[first]
        parts = np.broadcast_to(np.asarray(part, np.int64), size)
        np.add.at(self._counts, (numbers[parts >= 0], parts[parts >= 0]), 1)
        return numbers

    def _grow(self, size: int) -> None:
        if size > len(self._rows):
            room = max(1_024, size + size // 4)
            self._rows = np.append(self._rows, np.zeros((room - len(self._rows), self._rows.shape[1]), np.int32), 0)
            fresh = np.zeros((room - len(self._counts), self._counts.shape[1]), np.int64)
            self._counts = np.append(self._counts, fresh, 0)

    def table(self, *columns: int) -> tuple[Numbers, Counts]:
        """Return the distinct values of one or two columns, int32 (rows, columns), and their counts by part."""
        keys = self.rows[:, columns[0]].astype(np.int64)
        for column in columns[1:]:  # one or two, of int32 each: together they fit
            keys = (keys << 32) | self.rows[:, column]
        _, first, places = np.unique(keys, return_index=True, return_inverse=True)
        parts = [np.bincount(places.reshape(-1), weights=part, minlength=len(first)) for part in self.counts.T]
        counts = np.stack(parts, axis=1).astype(np.int64) if len(first) else np.zeros((0, len(parts)), np.int64)
        return self.rows[first][:, list(columns)], counts


class Tallied:
    """Mentions of each distinct text of a column, in several parts."""

    def __init__(self, parts: int) -> None:
        self.values = Values()
        self._counts = np.zeros((1, parts), np.int64)

    @property
    def counts(self) -> Counts:
        """Mentions by value and part, int64 of shape (values, parts)."""
        return self._counts[: len(self.values)]

    def add(self, cells: pa.Array, part: npt.NDArray[np.generic] | int = 0) -> None:
        """Count the cells in their parts, -1 for none."""
        numbers = self.values.of(cells)
        if len(self.values) > len(self._counts):
            room = len(self.values) + len(self.values) // 4
            fresh = np.zeros((room - len(self._counts), self._counts.shape[1]), np.int64)
            self._counts = np.append(self._counts, fresh, 0)
        parts = np.broadcast_to(np.asarray(part, np.int64), len(numbers))
        for number in range(self._counts.shape[1]):
            mine = np.bincount(numbers[parts == number], minlength=len(self._counts))
            self._counts[:, number] += mine


class Few:
    """The first patients who have something: all of them while they are fewer than eleven."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    @property
    def is_small(self) -> bool:
        """Whether it is one to ten patients."""
        return 0 < len(self._known) < 11

    def add(self, patient: npt.NDArray[np.generic]) -> None:
        """Take note of patients by position."""
        if len(patient) and len(self._known) < 11:
            self._known.update(np.unique(patient)[:11].tolist())


def grown(array: npt.NDArray[np.int32], size: int, fill: int) -> npt.NDArray[np.int32]:
    """Return the array with room for `size` entries, an eighth to spare."""
    if size <= len(array):
        return array
    room = max(1_024, size + size // 8)
    return np.append(array, np.full(room - len(array), fill, np.int32)).astype(np.int32)
