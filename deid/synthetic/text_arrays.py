"""Columns of text built from integers without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
_BASE32 = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", dtype=np.uint8)


def digits(values: Ints, width: int) -> Bytes:
    """Return the last `width` decimal digits of each value as ASCII, shape (n, width)."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return ((values[:, None] // powers) % 10 + 48).astype(np.uint8)


def base32(values: Ints, width: int) -> Bytes:
    """Return the last `width` base-32 digits (Crockford's alphabet) of each value as ASCII, shape (n, width)."""
    shifts = np.arange(5 * (width - 1), -1, -5, dtype=np.int64)
    letters: Bytes = _BASE32[(values[:, None] >> shifts) & 31]
    return letters


def fixed(*parts: bytes | Bytes) -> pa.StringArray:
    """Join constants and character matrices side by side into one text column; at least one part is a matrix."""
    rows = next(len(part) for part in parts if not isinstance(part, bytes))
    blocks = [
        np.broadcast_to(np.frombuffer(part, dtype=np.uint8), (rows, len(part))) if isinstance(part, bytes) else part
        for part in parts
    ]
    matrix = np.ascontiguousarray(np.concatenate(blocks, axis=1))
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(matrix.shape[1])
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(matrix))


def scramble(values: Ints, *, seed: int, bits: int = 40) -> Ints:
    """Map each value below 2**bits to another, one to one, so that neighbors do not look alike."""
    mask = (1 << bits) - 1
    odd = ((0x9E3779B97F4A7C15 ^ (seed * 2 + 1) * 0xD1342543DE82EF95) & mask) | 1
    mixed = values.astype(np.uint64) ^ np.uint64((odd >> 3) & mask)
    for _ in range(2):
        mixed = (mixed * np.uint64(odd)) & np.uint64(mask)
        mixed ^= mixed >> np.uint64(bits // 2)
    return mixed.astype(np.int64)


def scramble_decimal(values: Ints, *, seed: int, width: int) -> Ints:
    """Map each value below 10**width to another, one to one; `width` is at most 9."""
    modulus = 10**width
    factor = (seed * 7_919 + 61_803_399) * 10 + 7  # ends in 7, so it shares no factor with a power of ten
    mixed: Ints = (values * (factor % modulus) + seed * 31_337) % modulus
    return mixed


def npi(bases: Ints) -> pa.StringArray:
    """Return National Provider Identifiers of nine given digits and their check digit: Luhn over 80840 and the nine."""
    matrix = digits(bases, 9)
    numbers = (matrix - 48).astype(np.int64)
    doubled = numbers[:, ::2] * 2  # from the right, the first, third, ... digit before the check digit is doubled
    total = 24 + (doubled // 10 + doubled % 10).sum(axis=1) + numbers[:, 1::2].sum(axis=1)  # 24 is what 80840 adds
    check = (-total % 10 + 48).astype(np.uint8)[:, None]
    return fixed(matrix, check)


def take(words: Sequence[str | None], at: Ints) -> pa.StringArray:
    """Return `words[i]` for each i of `at`."""
    return pa.array(words, pa.string()).take(pa.array(at))


def money(cents: Ints) -> pa.Array:
    """Return amounts in cents as decimal128(12, 2)."""
    pairs = np.empty((len(cents), 2), dtype=np.int64)
    pairs[:, 0] = cents
    pairs[:, 1] = cents >> 63
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(cents), [None, pa.py_buffer(pairs)])


def dates(days: Ints, *, missing: Bools | None = None) -> pa.Array:
    """Return days since 1970-01-01 as date32, null where `missing`."""
    return pa.array(days.astype(np.int32), mask=missing).cast(pa.date32())


def blank_where(column: pa.Array, missing: Bools) -> pa.Array:
    """Return the column with nulls where `missing`."""
    return pc.if_else(pa.array(~missing), column, pa.scalar(None, column.type))


def join(*parts: pa.Array | str) -> pa.StringArray:
    """Join columns and constants row by row; null where any part is null."""
    return pc.binary_join_element_wise(*parts, "")


def pick(rng: np.random.Generator, weights: npt.ArrayLike, count: int) -> Ints:
    """Draw `count` positions with the given weights."""
    steps = np.cumsum(np.asarray(weights, dtype=np.float64))
    at: Ints = np.searchsorted(steps, rng.random(count) * steps[-1], side="right").clip(0, len(steps) - 1)
    return at
