"""Distinct values and vectors, numbered, with what is counted of them; memory grows with distinct values alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import places_of, scattered
from deid.patients.tags import TagIndex

Numbers = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]
_DENSE = 4  # places a row that may stand empty for the sake of counting without a sort


@dataclass(frozen=True, slots=True)
class ValuesState:
    """Distinct values by number, string (values,); the first is the null."""

    texts: pa.Array = field(repr=False)


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

    def state(self) -> ValuesState:
        """Return the values met so far."""
        return ValuesState(pa.array(self._numbers, pa.string()))

    def merge(self, state: ValuesState) -> Numbers:
        """Take the values that another object met; return the number here of each number there, int32 (values,)."""
        return self.of(state.texts)

    def of(self, cells: pa.Array) -> Numbers:
        """Return the number of each cell, int32 (n,); whatever its type, a cell is told by its text."""
        return self.coded(cells).numbers()

    def coded(self, cells: pa.Array) -> Coded:
        """Return the cells by their distinct values, and the number of each value."""
        coded = cells if isinstance(cells, pa.DictionaryArray) else cells.dictionary_encode()
        if self._before is None or not coded.dictionary.equals(self._before[0]):
            texts = coded.dictionary.cast(pa.string()).to_pylist()
            found = list(map(self._numbers.get, texts))
            if None in found:  # hardly ever after the first batches
                fresh = dict.fromkeys(text for text, number in zip(texts, found, strict=True) if number is None)
                self._numbers.update(zip(fresh, range(len(self), len(self) + len(fresh)), strict=True))
                found = list(map(self._numbers.__getitem__, texts))
            self._before = (coded.dictionary, np.array([*found, 0], np.int32))
        return Coded(places_of(coded), self._before[1])


@dataclass(frozen=True, slots=True)
class Coded:
    """Cells by their distinct values: `places` (n,) in `values`, the number of each and, last, that of a null."""

    places: npt.NDArray[np.integer] = field(repr=False)
    values: Numbers = field(repr=False)

    def numbers(self) -> Numbers:
        """Return the number of each cell's value, int32 (n,)."""
        return self.values.take(self.places)


@dataclass(frozen=True, slots=True)
class VectorState:
    """Distinct vectors, int32 (vectors, columns), and the patients of each by part, int64 (vectors, parts)."""

    rows: Numbers = field(repr=False)
    counts: Counts = field(repr=False)


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

    def add(self, columns: Sequence[Numbers], part: npt.NDArray[np.int64] | int = 0) -> Numbers:
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
        _count(self._counts, numbers, part)
        return numbers

    def state(self) -> VectorState:
        """Return what was counted so far."""
        return VectorState(self.rows.copy(), self.counts.copy())

    def merge(self, state: VectorState, numbers: Sequence[Numbers | None]) -> Numbers:
        """Take what another object counted; return the number here of each vector there, int32 (vectors,).

        `numbers`: for each column the number here of each number there, None where they are the same.
        """
        columns = [
            state.rows[:, place] if here is None else here[state.rows[:, place]] for place, here in enumerate(numbers)
        ]
        vectors = self.add(columns, np.full(len(state.rows), -1, np.int64))
        self.counts[vectors] += state.counts
        return vectors

    def _grow(self, size: int) -> None:
        if size > len(self._rows):
            room = max(1_024, size + size // 4)
            self._rows = np.append(self._rows, np.zeros((room - len(self._rows), self._rows.shape[1]), np.int32), 0)
            fresh = np.zeros((room - len(self._counts), self._counts.shape[1]), np.int64)
            self._counts = np.append(self._counts, fresh, 0)

    def table(self, *columns: int) -> tuple[Numbers, Counts]:
        """Return the distinct values of one or two columns, int32 (rows, columns), and their counts by part."""
        keys = self.rows[:, columns[0]].astype(np.int64)
        width = 1
        for column in columns[1:]:  # one or two, of int32 each: together they fit
            width = int(self.rows[:, column].max(initial=0)) + 1
            keys = keys * width + self.rows[:, column]
        size = int(keys.max(initial=-1)) + 1
        if size <= _DENSE * max(1_024, len(keys)):  # numbers are small: counted, not sorted
            distinct, places = np.flatnonzero(np.bincount(keys, minlength=size)), keys
        else:
            distinct, places = np.unique(keys, return_inverse=True)
            size = len(distinct)
        # Sums of patients are far below 2^53, to which a float counts exactly.
        parts = [
            np.bincount(places.reshape(-1), weights=part, minlength=size).astype(np.int64) for part in self.counts.T
        ]
        counts = np.stack(parts, axis=1) if size else np.zeros((0, len(parts)), np.int64)
        values = np.stack([distinct // width, distinct % width] if len(columns) > 1 else [distinct], axis=1)
        return values.astype(np.int32), counts[distinct] if size > len(distinct) else counts


@dataclass(frozen=True, slots=True)
class TalliedState:
    """Distinct texts, and mentions of each by part, int64 (values, parts)."""

    values: ValuesState
    counts: Counts = field(repr=False)


class Tallied:
    """Mentions of each distinct text of a column, in several parts."""

    def __init__(self, parts: int) -> None:
        self.values = Values()
        self._counts = np.zeros((1, parts), np.int64)

    @property
    def counts(self) -> Counts:
        """Mentions by value and part, int64 of shape (values, parts)."""
        return self._counts[: len(self.values)]

    def add(self, cells: pa.Array, part: npt.NDArray[np.int64] | int = 0) -> Coded:
        """Count the cells in their parts, -1 for none; return them by their values."""
        coded = self.values.coded(cells)
        self._grow()
        if isinstance(part, int):  # counted by distinct values, which are fewer
            np.add.at(self._counts[:, part], coded.values, np.bincount(coded.places, minlength=len(coded.values)))
        else:
            _count(self._counts, coded.numbers(), part)
        return coded

    def state(self) -> TalliedState:
        """Return what was counted so far."""
        return TalliedState(self.values.state(), self.counts.copy())

    def merge(self, state: TalliedState) -> None:
        """Take what another object counted."""
        numbers = self.values.merge(state.values)
        self._grow()
        self._counts[numbers] += state.counts

    def _grow(self) -> None:
        if len(self.values) > len(self._counts):
            room = len(self.values) + len(self.values) // 4
            fresh = np.zeros((room - len(self._counts), self._counts.shape[1]), np.int64)
            self._counts = np.append(self._counts, fresh, 0)


def _count(counts: Counts, numbers: Numbers, part: npt.NDArray[np.int64] | int) -> None:
    """Add one to `counts` (rows, parts) at each row's number and part."""
    at = numbers.astype(np.intp) * counts.shape[1] + part
    if isinstance(part, np.ndarray):
        at = at[part >= 0]
    # Flat, of one type and with indices as numpy has them, this is ten times as fast as by rows and parts.
    np.add.at(counts.reshape(-1), at, 1)
