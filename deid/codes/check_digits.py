"""Check digits of whole columns: Luhn's (ISO/IEC 7812-1) and Verhoeff's; both find every single wrong digit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import spans

Flags = npt.NDArray[np.bool_]
Digits = npt.NDArray[np.uint8]

# Verhoeff's tables: products of the dihedral group D5, and the permutation that each position applies.
_PRODUCT = np.array(
    [
        [(a + b) % 5 if b < 5 else (a + b - 5) % 5 + 5 for b in range(10)]
        if a < 5
        else [(a - 5 - b) % 5 + 5 if b < 5 else (a - b) % 5 for b in range(10)]
        for a in range(10)
    ],
    np.uint8,
)
_PERMUTATION = np.zeros((8, 10), np.uint8)
_PERMUTATION[0] = np.arange(10)
for _step in range(1, 8):
    _PERMUTATION[_step] = np.array([1, 5, 7, 6, 2, 8, 3, 0, 9, 4], np.uint8)[_PERMUTATION[_step - 1]]


def luhn(values: pa.Array, *, prefix: int = 0) -> Flags:
    """Return for each string of digits whether Luhn's sum, with what a fixed `prefix` adds to it, ends in 0; bool (n,).

    The last digit is the check digit. A null gives an arbitrary answer; anything but digits is not to be passed.
    """
    total = np.full(len(values), prefix, np.int64)
    for position, (digits, _) in enumerate(_from_the_right(values)):
        doubled = digits << 1 if position % 2 else digits
        total += np.where(doubled > 9, doubled - 9, doubled)
    return np.asarray(total % 10 == 0)


def verhoeff(values: pa.Array) -> Flags:
    """Return for each string of digits whether its Verhoeff sum is 0; bool (n,). See `luhn` for what may be passed."""
    total = np.zeros(len(values), np.uint8)
    for position, (digits, there) in enumerate(_from_the_right(values)):
        total = np.where(there, _PRODUCT[total, _PERMUTATION[position % 8][digits]], total)
    return np.asarray(total == 0)


def _from_the_right(values: pa.Array) -> Iterator[tuple[Digits, Flags]]:
    """Yield the digits at each position from the last on, 0 where a value is shorter, and where there is one."""
    starts, lengths, data = spans(values, padding=1)
    for position in range(int(lengths.max(initial=0))):
        there = lengths > position
        digits = data[np.where(there, starts + lengths - 1 - position, len(data) - 1)] - np.uint8(ord("0"))
        yield np.where(there, digits, np.uint8(0)), there
