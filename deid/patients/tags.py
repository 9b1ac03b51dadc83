"""Numbers patients by their tags: an open-addressing index from uniform tags to dense positions, vectorized in numpy.

A *tag* is the output of a keyed PRF over a source identifier (`deid.keys.prf`), of 64 or of 128 bits. Two identifiers
that share a tag would be taken for one patient. Among n identifiers that happens with a chance of about n²/2^(bits+1):

    bits     1 million     10 million     100 million
    64       2^-25         2^-18          2^-12
    128      2^-89         2^-83          2^-76

so 64 bits serve what is counted or checked inside one run, and 128 bits whatever decides what a patient is called.

Why not `pyarrow.compute.index_in`: it builds its hash table anew on every call, 843 ns a value in 64k batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Bits = Literal[64, 128]

_EMPTY = np.int32(-1)
_CLAIM = np.int32(-2)  # a slot that holds _CLAIM - row was claimed by that row of the chunk now being added
_CHUNK = 1 << 16  # rows handled at once: their scratch arrays stay in the second-level cache
_MAX_LOAD = 0.75  # the average find meets 2.5 slots at this load, 1.5 at half of it
_MAX_ENTRIES = 2**31 - 2 - _CHUNK  # positions are int32


def words(tags: npt.NDArray[np.generic], bits: Bits) -> tuple[U64, U64 | None]:
    """Gives the first 64 bits of each tag and, for 128-bit tags, the other 64.

    Args:
        tags: uint64 (n,) for 64 bits; uint8 (n, 16), as `deid.keys.prf` gives them, or uint64 (n, 2) for 128 bits.
        bits: The width that the holder was made for; another width is a fault of the caller (ValueError).
    """
    if bits == 64 and tags.ndim == 1 and tags.dtype == np.uint64:
        return np.ascontiguousarray(tags, dtype=np.uint64), None
    if bits == 128 and tags.ndim == 2:
        if tags.dtype == np.uint8 and tags.shape[1] == 16:
            # Big-endian, so that the order of the words is the order of the bytes.
            pairs = np.ascontiguousarray(tags).view(">u8").astype(np.uint64)
            return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
        if tags.dtype == np.uint64 and tags.shape[1] == 2:
            return np.ascontiguousarray(tags[:, 0], np.uint64), np.ascontiguousarray(tags[:, 1], np.uint64)
    raise ValueError(f"tags of {bits} bits are needed, found {tags.dtype} of shape {tags.shape[1:]}")


def first_words(digests: npt.NDArray[np.uint8]) -> U64:
    """Gives 64-bit tags: the first 8 bytes of each digest, uint8 (n, 16 or more) in, uint64 (n,) out."""
    return np.ascontiguousarray(digests[:, :8]).view(">u8").astype(np.uint64).reshape(-1)


class TagIndex:
    """Gives every distinct tag the next position 0, 1, 2 … in the order of first appearance.

    Holds 4 bytes a slot at a load between 3/8 and 3/4, and 8 bytes (16 for 128-bit tags) an entry with 1/8 to spare:
    14 to 20 bytes an entry for 64 bits, 23 to 29 for 128. Growing frees the old slots before it makes the new ones
    (they are rebuilt from the entries), so its peak is no higher than what stands afterwards.
    """

    def __init__(self, *, bits: Bits = 64, capacity: int = 0) -> None:
        self._bits: Bits = bits
        self._count = 0
        self._high: U64 = np.zeros(0, dtype=np.uint64)
        self._low: U64 | None = np.zeros(0, dtype=np.uint64) if bits == 128 else None
        self._resize_slots(max(1 << 10, _slots_for(capacity)))

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """The bytes that the index holds on to."""
        return self._slots.nbytes + self._high.nbytes + (0 if self._low is None else self._low.nbytes)

    @property
    def tags(self) -> npt.NDArray[np.uint64]:
        """The tags in the order of their positions: uint64 (n,), or (n, 2) for 128 bits."""
        high = self._high[: self._count].copy()
        return high if self._low is None else np.stack([high, self._low[: self._count]], axis=1)

    def add(self, tags: npt.NDArray[np.generic]) -> tuple[I32, Bools]:
        """Looks tags up and gives the unknown ones positions.

        Args:
            tags: As `words` takes them, n of them, in any order and with any repeats.

        Returns:
            The positions, int32 (n,), and whether this row is the first ever with its tag, bool (n,).
        """
        high, low = words(tags, self._bits)
        positions = np.empty(len(high), dtype=np.int32)
        is_new = np.zeros(len(high), dtype=np.bool_)
        for part in _chunks(len(high)):
            chunk_low = None if low is None else low[part]
            self._add_chunk(high[part], chunk_low, positions[part], is_new[part])
        return positions, is_new

    def find(self, tags: npt.NDArray[np.generic]) -> I32:
        """Looks tags up: their positions as int32 (n,), -1 where a tag was never added."""
        high, low = words(tags, self._bits)
        positions = np.empty(len(high), dtype=np.int32)
        for part in _chunks(len(high)):
            positions[part], _ = self._find_chunk(high[part], None if low is None else low[part])
        return positions

    def _find_chunk(self, high: U64, low: U64 | None) -> tuple[I32, I64]:
        """Gives the positions, and the slots where the search ended: the tag's own, or the empty one it would take."""
        slots = self._home(high)
        if not self._count:
            return np.full(len(high), _EMPTY, dtype=np.int32), slots
        result = self._slots.take(slots)
        # An empty slot reads as -1, which indexes some entry; whether it equals is then of no account.
        pending = np.flatnonzero(~self._equal(result, high, low) & (result >= 0))
        while len(pending):
            slots_left = self._next(slots.take(pending))
            slots[pending] = slots_left
            held = self._slots.take(slots_left)
            result[pending] = held
            same = self._equal(held, high.take(pending), None if low is None else low.take(pending))
            pending = pending[~same & (held >= 0)]
        return result, slots

    def _add_chunk(self, high: U64, low: U64 | None, positions: I32, is_new: Bools) -> None:
        known, ends = self._find_chunk(high, low)
        positions[:] = known
        rows = np.flatnonzero(known < 0)
        if not len(rows):
            return
        high, low = high.take(rows), None if low is None else low.take(rows)
        grown = self._reserve(self._count + len(rows))
        winners, slots = self._claim(high, low, self._home(high) if grown else ends.take(rows))
        # A row that won its own claim is the first of its tag; numbering winners in row order keeps positions dense.
        first = np.flatnonzero(winners == np.arange(len(winners), dtype=np.int32))
        numbers = np.empty(len(winners), dtype=np.int32)
        numbers[first] = np.arange(self._count, self._count + len(first), dtype=np.int32)
        self._slots[slots.take(first)] = numbers.take(first)
        end = self._count + len(first)
        self._high[self._count : end] = high.take(first)
        if self._low is not None and low is not None:
            self._low[self._count : end] = low.take(first)
        self._count = end
        positions[rows] = numbers.take(winners)
        is_new[rows.take(first)] = True

    def _claim(self, high: U64, low: U64 | None, slots: I64) -> tuple[I32, I64]:
        """Finds an empty slot for each absent tag, from `slots` on: the row that won it for each row, and where.

        All rows step forward together, so equal tags stand before the same slot in the same round: whichever of them
        wins, the others see it there. Assignment runs backwards, as numpy lets the last write to an index stand and
        the first row of a tag must be the one that is new.
        """
        winners = np.full(len(high), -1, dtype=np.int32)
        pending: I64 = np.arange(len(high), dtype=np.int64)
        while len(pending):
            here = slots.take(pending)
            empty = self._slots.take(here) == _EMPTY
            claims = pending[empty][::-1]
            self._slots[here[empty][::-1]] = (int(_CLAIM) - claims).astype(np.int32)
            held = self._slots.take(here)
            owner = int(_CLAIM) - held.astype(np.int64)  # negative where a settled entry holds the slot: another tag
            rival = np.maximum(owner, 0)
            same = (owner >= 0) & (high.take(rival) == high.take(pending))
            if low is not None:
                same &= low.take(rival) == low.take(pending)
            winners[pending[same]] = owner[same]
            pending = pending[~same]
            slots[pending] = self._next(slots.take(pending))
        return winners, slots

    def _equal(self, held: I32, high: U64, low: U64 | None) -> Bools:
        same: Bools = self._high.take(held, mode="wrap") == high
        if self._low is not None and low is not None:
            same &= self._low.take(held, mode="wrap") == low
        return same

    def _home(self, high: U64) -> I64:
        # Tags are uniform, but a caller may hold one partition of them, whose top bits agree: multiplying by an odd
        # constant and taking the top bits uses all of the tag.
        return ((high * np.uint64(0x9E3779B97F4A7C15)) >> self._shift).astype(np.int64)

    def _next(self, slots: I64) -> I64:
        return (slots + 1) & (len(self._slots) - 1)

    def _reserve(self, entries: int) -> bool:
        if entries > _MAX_ENTRIES:
            raise OverflowError("an index of tags holds at most 2^31 entries")
        if entries > len(self._high):
            room = max(entries, self._count + (self._count >> 3), 1024)
            # In place: large blocks are moved by remapping pages, so no second copy stands beside the first.
            self._high.resize(room, refcheck=False)
            if self._low is not None:
                self._low.resize(room, refcheck=False)
        if entries > _MAX_LOAD * len(self._slots):
            self._resize_slots(_slots_for(entries))
            return True
        return False

    def _resize_slots(self, slots: int) -> None:
        self._slots: I32 = np.zeros(0, dtype=np.int32)  # the old table goes before the new one comes
        self._slots = np.full(slots, _EMPTY, dtype=np.int32)
        self._shift = np.uint64(64 - slots.bit_length() + 1)
        for part in _chunks(self._count):
            low = None if self._low is None else self._low[part]
            winners, homes = self._claim(self._high[part], low, self._home(self._high[part]))
            self._slots[homes] = part.start + winners


def _chunks(rows: int) -> Iterator[slice]:
    return (slice(start, min(start + _CHUNK, rows)) for start in range(0, rows, _CHUNK))


def _slots_for(entries: int) -> int:
    return 1 << max(10, int(entries / _MAX_LOAD).bit_length())
