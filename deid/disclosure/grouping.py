"""Vectors counted together: columns of small numbers become classes, by counting where these are few, or by sorting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deid.disclosure.vectors import Ladder

Numbers = npt.NDArray[np.int32]
Keys = npt.NDArray[np.int64]
_DENSE = 1 << 26  # keys up to which an array of counts is made: half a gigabyte
_WIDE = 1 << 62  # keys beyond which they no longer fit 64 bits


@dataclass(frozen=True, slots=True)
class Table:
    """Distinct vectors at a node: a value for each ladder, int32 (classes,), and the patients, int64 (classes,)."""

    levels: tuple[int, ...]
    values: tuple[Numbers, ...]
    patients: npt.NDArray[np.int64]


def grouped(
    source: Table, levels: Sequence[int], ladders: Sequence[Ladder], *, classes: tuple[Numbers, int] | None = None
) -> Table:
    """Return the vectors of `source` recoded to `levels`, each once, with the patients of all that became equal.

    `classes`: the class of each row of `source` and their number, where they are known; classes keep their order.
    """
    steps = zip(ladders, source.levels, levels, source.values, strict=True)
    columns = [recoded(ladder, at, to, values) for ladder, at, to, values in steps]
    numbers, count = classes if classes is not None else numbered(columns, len(source.patients))
    first = np.zeros(count, np.int64)
    first[numbers] = np.arange(len(numbers))  # any row of a class will do: they are equal
    patients = np.bincount(numbers, weights=source.patients, minlength=count).astype(np.int64)
    return Table(tuple(levels), tuple(column[first] for column in columns), patients)


def recoded(ladder: Ladder, at: int, to: int, values: Numbers) -> Numbers:
    """Return values of the rung `at` at the coarser rung `to`."""
    if at == to:
        return values
    lookup = np.zeros(int(ladder.lookups[at].max(initial=-1)) + 1, np.int32)
    lookup[ladder.lookups[at]] = ladder.lookups[to]
    return lookup[values]


def numbered(columns: Sequence[Numbers], rows: int) -> tuple[Numbers, int]:
    """Return the class of each row, int32 (rows,), numbered from 0 by value, and how many there are."""
    key: Keys = np.zeros(rows, np.int64)
    size = 1
    for column in columns:
        width = int(column.max(initial=-1)) + 1
        if width <= 1:
            continue
        if size * width >= _WIDE:
            dense, size = _dense(key, size)
            key = dense.astype(np.int64)
        key *= width
        key += column
        size *= width
    return _dense(key, size)


def _dense(key: Keys, size: int) -> tuple[Numbers, int]:
    """Return keys numbered from 0 without gaps, and how many there are."""
    if size <= max(4 * len(key), 1 << 20) and size <= _DENSE:
        numbers = np.zeros(size, bool)
        numbers[key] = True
        rank = np.cumsum(numbers, dtype=np.int32)
        return rank[key] - np.int32(1), int(rank[-1]) if len(key) else 0
    order = np.argsort(key)
    ascending = key[order]
    new = np.empty(len(key), bool)
    new[:1] = True
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    numbers32 = np.empty(len(key), np.int32)
    numbers32[order] = np.cumsum(new, dtype=np.int32) - np.int32(1)
    return numbers32, int(new.sum())
