"""What many rows of a patient come to, whatever their order: sets of values, totals and greatest numbers."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import places_of, plain, scattered, validity
from deid.disclosure.leaves import codes_of, distinct, vector_texts
from deid.patients.positions import Tagger
from deid.patients.tags import TagIndex

Numbers = npt.NDArray[np.int32]
Tags = npt.NDArray[np.uint64]
_BITS = 64


class VectorTags:
    """The vector of each patient, of what the patient's only row shows in some columns.

    Memory: 4 bytes a patient, and 14 to 20 bytes and 8 for each column a distinct vector.
    """

    def __init__(self) -> None:
        self._tagger = Tagger.fresh()
        self._index = TagIndex()
        self._parts: list[Tags] = []  # of each distinct vector a tag for each column, in the order of the index
        self._vector: Numbers = np.zeros(0, np.int32)

    def add(self, columns: Sequence[pa.Array], patient: Numbers, size: int) -> None:
        """Take rows; `patient` int32 (n,) below `size`. Without columns all patients are alike."""
        self._vector = grown(self._vector, size, -1)
        if columns and len(patient):
            cells = [plain(column) for column in columns]
            first, at = distinct([codes_of(column) for column in cells], len(patient))
            own = [column.take(pa.array(first)) for column in cells]
            numbers, is_new = self._index.add(self._tagger.tags(vector_texts(own, len(first))))
            tags = [self._tagger.tags(vector_texts([column], len(first)))[is_new] for column in own]
            self._parts.append(np.stack(tags, axis=1))
            self._vector[patient] = numbers[at]

    def values(self, size: int, *, without: int | None = None) -> Tags:
        """Return a tag for each patient, uint64 (size,), equal where vectors are; `without`: a column to pass over."""
        if not self._parts:
            return np.zeros(size, np.uint64)
        parts = np.concatenate(self._parts)
        tags = np.zeros(len(parts), np.uint64)
        for column in range(parts.shape[1]):
            if column != without:
                tags = scattered(tags ^ scattered(parts[:, column]))
        vector = grown(self._vector, size, -1)[:size]
        return np.where(vector >= 0, tags[vector], np.uint64(0))


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
        self._before: tuple[pa.Array, npt.NDArray[np.int64]] | None = None  # batches often bring the same dictionary

    def add(self, cells: pa.Array, patient: Numbers, size: int) -> None:
        """Take cells; `patient` int32 (n,) below `size`."""
        self._bits = grown(self._bits, size)
        coded = cells if isinstance(cells, pa.DictionaryArray) else cells.dictionary_encode()
        values = self._numbered(coded.dictionary)
        places = places_of(coded)
        is_early = (values >= 0) & (values < _BITS)
        words = np.where(is_early, np.uint64(1) << np.where(is_early, values, 0).astype(np.uint64), np.uint64(0))
        np.bitwise_or.at(self._bits, patient.astype(np.intp), words.take(places))
        is_late = values >= _BITS
        if not is_late.any():
            return
        late = np.flatnonzero(is_late.take(places))
        value = values.take(places[late])
        self._sums = grown(self._sums, size)
        fresh = self._pairs.add(scattered((patient[late].astype(np.int64) << 32) | value))[1]
        np.add.at(self._sums, patient[late[fresh]].astype(np.intp), scattered(scattered(value[fresh]) ^ self._key))

    def _numbered(self, entries: pa.Array) -> npt.NDArray[np.int64]:
        """Return the number of each distinct value, -1 for a null, and -1 after the last for the cells without any."""
        if self._before is None or not entries.equals(self._before[0]):
            found = self._index.add(self._tagger.tags(vector_texts([entries], len(entries))))[0].astype(np.int64)
            self._before = (entries, np.append(np.where(validity(entries), found, -1), -1))
        return self._before[1]

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
        mine = patient[filled].astype(np.intp)  # as numpy has its indices: another type costs it ten times as much
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
