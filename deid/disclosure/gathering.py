"""What many rows of a patient come to, whatever their order: sets of values, totals and greatest numbers."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.buffers import plain, scattered, validity
from deid.disclosure.leaves import codes_of, distinct, vector_texts
from deid.patients import Tagger
from deid.tags import TagIndex

Numbers = npt.NDArray[np.int32]
Tags = npt.NDArray[np.uint64]
_BITS = 64


class VectorTags:
    """One tag for each patient, of what the patient's only row shows in some columns; 8 bytes a patient."""

    def __init__(self) -> None:
        self._tagger = Tagger.fresh()
        self._tags: Tags = np.zeros(0, np.uint64)

    def add(self, columns: Sequence[pa.Array], patient: Numbers, size: int) -> None:
        """Take rows; `patient` int32 (n,) below `size`. Without columns all patients are alike."""
        self._tags = grown(self._tags, size)
        if columns:
            cells = [plain(column) for column in columns]
            first, at = distinct([codes_of(column) for column in cells], len(patient))
            rows = pa.array(first)
            texts = vector_texts([column.take(rows) for column in cells], len(first))
            self._tags[patient] = self._tagger.tags(texts)[at]

    def values(self, size: int) -> Tags:
        """Return the tags, uint64 (size,)."""
        return np.asarray(grown(self._tags, size)[:size], np.uint64)


class ValueSets:
    """The set of values that a patient's rows show, an empty cell being none: one uint64 for each patient.

    The first 64 distinct values are bits; a patient's further ones are added up once each, as random numbers of this
    run, so that two sets share a sum with a chance of 2^-64.
    """

    def __init__(self) -> None:
        self._tagger = Tagger.fresh()
        self._index = TagIndex()
        self._bits: Tags = np.zeros(0, np.uint64)
        self._sums: Tags = np.zeros(0, np.uint64)
        self._pairs = TagIndex()
        self._key = np.uint64(secrets.randbits(64))

    def add(self, cells: pa.Array, patient: Numbers, size: int) -> None:
        """Take cells; `patient` int32 (n,) below `size`."""
        self._bits = grown(self._bits, size)
        cells = plain(cells)
        filled = validity(cells)
        first, at = distinct([codes_of(cells)], len(cells))
        texts = vector_texts([cells.take(pa.array(first))], len(first))
        value = np.asarray(self._index.add(self._tagger.tags(texts))[0], np.int64)[at]
        early = filled & (value < _BITS)
        np.bitwise_or.at(self._bits, patient[early], np.uint64(1) << value[early].astype(np.uint64))
        late = np.flatnonzero(filled & (value >= _BITS))
        if len(late):
            self._sums = grown(self._sums, size)
            pairs = scattered((patient[late].astype(np.int64) << 32) | value[late])
            fresh = late[self._pairs.add(pairs)[1]]
            np.add.at(self._sums, patient[fresh], scattered(scattered(value[fresh]) ^ self._key))

    def values(self, size: int) -> Tags:
        """Return a number for each patient, equal where the sets are, uint64 (size,)."""
        bits = grown(self._bits, size)[:size]
        if not len(self._sums):
            return np.asarray(bits, np.uint64)
        return np.asarray(scattered(scattered(bits) ^ self._key) ^ grown(self._sums, size)[:size], np.uint64)


class Amounts:
    """Total and greatest of a patient's numbers; 17 bytes a patient. Who has none differs from who has zero."""

    def __init__(self) -> None:
        self._totals: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._greatest: npt.NDArray[np.float64] = np.zeros(0, np.float64)
        self._has: npt.NDArray[np.bool_] = np.zeros(0, bool)

    def add(self, cells: pa.Array, patient: Numbers, size: int) -> None:
        """Take cells; `patient` int32 (n,) below `size`."""
        self._totals, self._has = grown(self._totals, size), grown(self._has, size)
        self._greatest = grown(self._greatest, size, -np.inf)
        cells = plain(cells)
        filled = validity(cells) & (patient >= 0)
        numbers = cells.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64)[filled]
        numbers = np.nan_to_num(numbers, nan=0.0) + 0.0
        mine = patient[filled]
        # Whole hundredths: a sum of fractions would depend on the order of its rows.
        np.add.at(self._totals, mine, np.rint(np.clip(numbers, -1e13, 1e13) * 100).astype(np.int64))
        np.maximum.at(self._greatest, mine, numbers)
        self._has[mine] = True

    def totals(self, size: int) -> Tags:
        """Return a number for each patient, equal where totals are, uint64 (size,)."""
        totals = scattered(grown(self._totals, size)[:size].view(np.uint64))
        return np.where(grown(self._has, size)[:size], totals, np.uint64(0))

    def greatest(self, size: int) -> Tags:
        """Return a number for each patient, equal where the greatest numbers are, uint64 (size,)."""
        return np.asarray(grown(self._greatest, size, -np.inf)[:size].view(np.uint64), np.uint64)


_Entry = TypeVar("_Entry", bound=np.generic)


def grown(array: npt.NDArray[_Entry], size: int, fill: float = 0) -> npt.NDArray[_Entry]:
    """Return the array with room for `size` entries, an eighth to spare."""
    if size <= len(array):
        return array
    room = max(1_024, size + size // 8)
    return np.concatenate([array, np.full(room - len(array), fill, array.dtype)])
