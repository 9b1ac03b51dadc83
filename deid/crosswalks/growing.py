"""How a crosswalk grows: tags that were shown come in order, and each that has no surrogate is given a drawn one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from deid.crosswalks.partitions import EMPTY, SURROGATE_BYTES, DomainEntry, Entries
from deid.errors import StorageError
from deid.keys.prf import BatchCmac
from deid.patients.tags import U64, first_words, words
from deid.sealing.runs import order_of, search

_FULL = 1 << 15  # entries of a partition: 832 KiB, a good unit to seal, to cache and to sort
_MOST_BITS = 20
_RECENT = 1 << 16  # tags remembered for each domain, so that rows of one patient do not all go into the spill


class Observed:
    """One domain while it is observed: its tagger, and a small memory of tags that were shown lately."""

    def __init__(self, number: int, cmac: BatchCmac) -> None:
        self.number = number
        self.cmac = cmac
        # Slot i first holds a tag that does not belong there, so that an empty slot never reads as seen.
        self._recent: U64 = ~np.arange(_RECENT, dtype=np.uint64)

    def fresh(self, digests: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
        """Gives the tags, uint64 (n, 2), but for some that were surely given before."""
        high, low = words(digests, 128)
        assert low is not None
        slots = (high & np.uint64(_RECENT - 1)).astype(np.int64)
        # 64 bits of a PRF decide "seen". If two identifiers shared them, the second would have no pseudonym, and
        # looking it up would fail loudly; it would never get the first one's.
        new = self._recent.take(slots) != high
        self._recent[slots] = high
        return np.stack([high[new], low[new]], axis=1)


class Ascending:
    """Cuts a stream of ascending tags at given bounds."""

    def __init__(self, stream: Iterator[tuple[U64, U64]]) -> None:
        self._stream = stream
        self._left: tuple[U64, U64] | None = next(stream, None)

    def below(self, bound: int) -> tuple[U64, U64]:
        """Gives the tags that come before `bound` (of the first 64 bits) and were not given yet."""
        parts: list[tuple[U64, U64]] = []
        while self._left is not None:
            high, low = self._left
            end = len(high) if bound >> 64 else int(np.searchsorted(high, np.uint64(bound)))
            parts.append((high[:end], low[:end]))
            if end < len(high):
                self._left = high[end:], low[end:]
                break
            self._left = next(self._stream, None)
        if not parts:
            return EMPTY.high, EMPTY.low
        return np.concatenate([high for high, _ in parts]), np.concatenate([low for _, low in parts])


def merged(old: Entries, high: U64, low: U64) -> Entries:
    """Adds an entry with a drawn surrogate for each tag that has none; both inputs ascend."""
    absent = search(old.high, old.low, high, low) < 0
    high, low = np.concatenate([old.high, high[absent]]), np.concatenate([old.low, low[absent]])
    surrogates = _drawn(old.surrogates, int(np.count_nonzero(absent)))
    order = order_of(high, low)
    return Entries(high.take(order), low.take(order), surrogates.take(order, axis=0))


def _drawn(old: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    """Draws surrogates and gives them after the old ones.

    Among 10 million surrogates of 80 bits two are equal with a chance of 2^-34. What is checked here, in each
    partition, is that even the first 64 bits are all different: it catches a generator that repeats itself, such as
    that of a virtual machine set back to a snapshot.
    """
    for _ in range(3):
        fresh = np.frombuffer(os.urandom(count * SURROGATE_BYTES), dtype=np.uint8).reshape(count, SURROGATE_BYTES)
        every = np.concatenate([old, fresh])
        if len(np.unique(first_words(every))) == len(every):
            return every
    raise StorageError(
        "the random generator of this machine repeated itself", hint="do not release anything from this machine"
    )


def bits_for(entries: int, old: DomainEntry | None) -> int:
    """Gives the number of bits that name a partition, for up to twice `entries` entries."""
    bits = len(old.partitions).bit_length() - 1 if old else 0
    while bits < _MOST_BITS and entries > _FULL << bits:
        bits += 1
    return bits
