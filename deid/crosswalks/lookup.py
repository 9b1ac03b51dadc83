"""Looks tags up in the partitions of a domain, of which some stay opened and the others are opened each time."""

from __future__ import annotations

from collections import OrderedDict
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from deid.crosswalks.partitions import EMPTY, SURROGATE_BYTES, TAG_BYTES, DomainFile, Entries
from deid.patients.tags import U64, Bools
from deid.sealing.runs import search

_OPENED = 26  # bytes that an entry takes in memory
_A_BATCH, _MOST_BATCHES = 64 << 20, 16  # bytes that one batch may open; batches that wait, with what was found for them
Bytes = npt.NDArray[np.uint8]


class DomainLookup:
    """Looks tags up in a domain and keeps opened partitions, within a budget of bytes but at least one."""

    def __init__(self, file: DomainFile, *, budget: int) -> None:
        self._file = file
        self._bits = len(file.entry.partitions).bit_length() - 1
        self._starts = np.array([p << (64 - self._bits) for p in range(1 << self._bits)], dtype=np.uint64)
        self._budget = budget
        self._cache: OrderedDict[int, Entries] = OrderedDict()
        self._cached = 0
        self._foreseen = EMPTY

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cache.clear()
        self._foreseen = EMPTY
        self._file.close()

    @property
    def together(self) -> int:
        """For how many batches tags are best looked up at once: one where all partitions stay opened."""
        rest = _OPENED * self._file.entry.count - self._budget
        return min(1 + -(-rest // _A_BATCH), _MOST_BATCHES) if rest > 0 else 1

    def foresee(self, high: U64, low: U64) -> None:
        """Finds ascending tags that are soon looked up, and keeps what is found until the next ones are foreseen."""
        self._foreseen = EMPTY
        found, surrogates = self.find(high, low)
        self._foreseen = Entries(high[found], low[found], surrogates[found])

    def find(self, high: U64, low: U64) -> tuple[Bools, Bytes]:
        """Looks up ascending tags: whether each is known, and its surrogate (zeros where it is not)."""
        if len(self._foreseen.high):
            known = _taken(search(self._foreseen.high, self._foreseen.low, high, low), self._foreseen.surrogates)
            if known[0].all():
                return known
        return self._find(high, low)

    def _find(self, high: U64, low: U64) -> tuple[Bools, Bytes]:
        found = np.zeros(len(high), dtype=np.bool_)
        surrogates = np.zeros((len(high), SURROGATE_BYTES), dtype=np.uint8)
        edges = np.append(np.searchsorted(high, self._starts), len(high)).tolist()
        buffer = bytearray(self._file.longest)
        for p in range(len(self._starts)):
            if edges[p + 1] > edges[p]:
                rows = slice(edges[p], edges[p + 1])
                found[rows], surrogates[rows] = self._of_one(p, high[rows], low[rows], buffer)
        return found, surrogates

    def _of_one(self, number: int, high: U64, low: U64, buffer: bytearray) -> tuple[Bools, Bytes]:
        count = self._file.entry.partitions[number].count
        held = self._cache.get(number)
        # Tags are asked in no order, so one partition is as likely to be asked again as another: what is kept stays,
        # and what has no room is not laid out for keeping.
        if held is None and (not self._cache or self._cached + _OPENED * count <= self._budget):
            held = self._load(number)
        if held is None:
            return _peeked(self._file.plain(number, buffer), count, high, low)
        return _taken(search(held.high, held.low, high, low), held.surrogates)

    def within(self, number: int, bits: int) -> Entries:
        """Gives the entries of one partition of a division into 2^`bits`, as fine as this file's or finer."""
        finer = bits - self._bits
        held = self._load(number >> finer)
        if not finer:
            return held
        end = (number + 1) << (64 - bits)
        first = int(np.searchsorted(held.high, np.uint64(number << (64 - bits))))
        last = len(held.high) if end >> 64 else int(np.searchsorted(held.high, np.uint64(end)))
        return Entries(held.high[first:last], held.low[first:last], held.surrogates[first:last])

    def _load(self, number: int) -> Entries:
        held = self._cache.get(number)
        if held is not None:
            self._cache.move_to_end(number)
            return held
        held = self._file.load(number)
        while self._cache and self._cached + held.nbytes > self._budget:
            _, gone = self._cache.popitem(last=False)
            self._cached -= gone.nbytes
        self._cache[number] = held
        self._cached += held.nbytes
        return held


def _peeked(plain: bytes, count: int, high: U64, low: U64) -> tuple[Bools, Bytes]:
    """Looks tags up in the bytes of a partition; of all but the first words only what is asked for is read."""
    if not count:
        return np.zeros(len(high), np.bool_), np.zeros((len(high), SURROGATE_BYTES), np.uint8)
    raw = np.frombuffer(plain, dtype=np.uint8)
    tags = raw[: count * TAG_BYTES].view(">u8").reshape(-1, 2)
    heads = tags[:, 0].astype(np.uint64)
    at = search(heads, None, high, None)
    if (tags[at, 1] != low)[at >= 0].any():  # two tags that share their first word, or one that was never given
        at = search(heads, tags[:, 1].astype(np.uint64), high, low)
    return _taken(at, raw[count * TAG_BYTES :].reshape(-1, SURROGATE_BYTES))


def _taken(at: npt.NDArray[np.int64], surrogates: Bytes) -> tuple[Bools, Bytes]:
    found = at >= 0
    if not len(surrogates):
        return found, np.zeros((len(at), SURROGATE_BYTES), np.uint8)
    return found, surrogates.take(at, axis=0, mode="wrap") * found[:, None]
