"""Sets of released patients as bits, one row for each target: the arithmetic of every linkage attack.

A set over n patients takes ceil(n / 8) bytes, so a thousand targets against fifty thousand patients are 6 MB, and
another fact about every target is one AND over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint8]  # (targets, ceil(patients / 8)), most significant bit first, as np.packbits writes them
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ANY = -1  # in place of a value: nothing is known, every patient stays possible
NONE = -2  # in place of a value: no patient has it
_CELLS = 32 * 2**20  # booleans that are held at once while rows of bits are made


def everybody(targets: int, patients: int) -> Bits:
    """Return the set of all patients for each target."""
    row = np.packbits(np.ones(patients, bool))
    return np.repeat(row[None, :], targets, axis=0)


def count(bits: Bits) -> Int64:
    """Return the size of each set, int64 (targets,)."""
    return np.asarray(np.bitwise_count(bits).sum(axis=1), np.int64)


def holds(bits: Bits, patient: Int32 | Int64) -> Flags:
    """Return whether each set holds its patient, bool (targets,); a negative position is in no set."""
    at = np.maximum(patient, 0)
    if not bits.shape[1]:
        return np.zeros(len(bits), bool)
    byte = bits[np.arange(len(bits)), at >> 3]
    return np.asarray(((byte >> (7 - (at & 7)).astype(np.uint8)) & 1).astype(bool) & (patient >= 0), bool)


def only(bits: Bits, chosen: Int64, patients: int) -> Int64:
    """Return the one patient of each of the `chosen` sets, which hold exactly one, int64."""
    found = np.flatnonzero(np.unpackbits(bits[chosen], axis=1, count=patients))
    return np.asarray(found % patients, np.int64)


def expand(starts: Int64, lengths: Int64) -> Int64:
    """Return the positions starts[i] .. starts[i] + lengths[i] - 1 of all i, one after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.asarray(np.arange(total) + np.repeat(starts - (ends - lengths), lengths), np.int64)


@dataclass(frozen=True, slots=True)
class Postings:
    """Which patients have which value, and in how many rows.

    `starts`: int64 (values + 1,); the patients of value v are `patients[starts[v]:starts[v + 1]]`, `times` in as many
    rows each. `size`: patients of the release.
    """

    starts: Int64 = field(repr=False)
    patients: Int32 = field(repr=False)
    times: Int32 = field(repr=False)
    size: int

    @classmethod
    def of(cls, values: Int64, patients: Int64, *, distinct: int, size: int) -> Postings:
        """Return the postings of rows: `values` from 0 to `distinct` - 1, `patients` from 0 to `size` - 1."""
        pairs, times = np.unique(values * max(size, 1) + patients, return_counts=True)
        value = pairs // max(size, 1)
        starts = np.searchsorted(value, np.arange(distinct + 1)).astype(np.int64)
        return cls(starts, (pairs % max(size, 1)).astype(np.int32), times.astype(np.int32), size)

    def bits(self, wanted: Int64, at_least: Int64 | None = None) -> Bits:
        """Return who has the wanted value of each target, in at least so many rows; ANY and NONE stand for values."""
        rows = np.ones(len(wanted), np.int64) if at_least is None else np.asarray(at_least, np.int64)
        asked, which = np.unique(np.stack([wanted, np.where(wanted < 0, 1, rows)], axis=1), axis=0, return_inverse=True)
        made = [self._made(part) for part in _parts(asked, self.size)]
        table = np.concatenate(made) if made else np.zeros((0, (self.size + 7) // 8), np.uint8)
        return table[which.reshape(-1)]

    def _made(self, asked: Int64) -> Bits:
        value, least = np.maximum(asked[:, 0], 0), asked[:, 1]
        has = asked[:, 0] >= 0
        first = self.starts[value] if len(self.starts) > 1 else np.zeros(len(value), np.int64)
        lengths = np.where(has, self.starts[np.minimum(value + 1, len(self.starts) - 1)] - first, 0)
        at = expand(first, lengths)
        who = np.repeat(np.arange(len(asked)), lengths)
        enough = self.times[at] >= least[who]
        table = np.zeros((len(asked), self.size), bool)
        table[who[enough], self.patients[at[enough]]] = True
        table[asked[:, 0] == ANY] = True
        return np.packbits(table, axis=1)


def scattered_bits(targets: int, patients: int, target: Int64, patient: Int64) -> Bits:
    """Return the sets that hold exactly the given (target, patient) pairs."""
    order = np.argsort(target, kind="stable")
    target, patient = target[order], patient[order]
    made = []
    for part in _parts(np.arange(targets, dtype=np.int64)[:, None], patients):
        low, high = np.searchsorted(target, [part[0, 0], part[-1, 0] + 1])
        table = np.zeros((len(part), patients), bool)
        table[target[low:high] - part[0, 0], patient[low:high]] = True
        made.append(np.packbits(table, axis=1))
    return np.concatenate(made) if made else np.zeros((0, (patients + 7) // 8), np.uint8)


def _parts(rows: Int64, patients: int) -> Sequence[Int64]:
    step = max(1, _CELLS // max(patients, 1))
    return [rows[start : start + step] for start in range(0, len(rows), step)]
