"""Lines that repeat an earlier one of the same visit: the commonest fault of merged extracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import scattered
from deid.quality.checks import Flags


def repeated(values: Mapping[str, pa.Array], visit: str, columns: Sequence[str]) -> Flags:
    """Return the rows that equal an earlier row of the same visit in all `columns`; bool of shape (n,).

    Rows of one visit count where they stand together in one batch: memory would grow with the rows otherwise, and
    extracts are written visit by visit. Rows without a visit repeat nothing.
    """
    keys = _numbered(values[visit])
    row = scattered(np.cumsum(np.diff(keys, prepend=keys[:1]) != 0))
    for name in columns:
        # Each step is a bijection of the column's number, so equal rows, and by chance no others, end up equal.
        row = scattered(row ^ scattered(_numbered(values[name])).view(np.uint64))
    _, first = np.unique(row, return_index=True)
    again = np.ones(len(row), bool)
    again[first] = False
    return again & (keys >= 0)


def _numbered(cells: pa.Array) -> npt.NDArray[np.int64]:
    """Return a number for each distinct value, -1 for null."""
    coded = cells if isinstance(cells, pa.DictionaryArray) else cells.dictionary_encode()
    return np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
