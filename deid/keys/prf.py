"""Keyed pseudo-random functions over whole Arrow columns: AES-CMAC digests, subkeys, base32 text and date offsets.

AES-CMAC is RFC 4493 and NIST SP 800-38B; subkeys are HKDF-SHA256, RFC 5869; base32 is RFC 4648 section 6.
Nothing here keeps state beside the key, so every worker computes the same answer.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from deid.cells.buffers import gather, spans
from deid.errors import KeyFaultError

Bytes = npt.NDArray[np.uint8]

BLOCK = 16
KEY_BYTES = 32
PSEUDONYM_BYTES = 10  # 80 bits: among 100 million, two are alike with a chance of 2^-28
PSEUDONYM_LENGTH = 16
_LONG_BLOCKS = 16  # longer values are rare and go one by one: memory then depends on their bytes, not on n times max
_MAX_BASE32_ROWS = (2**31 - 1) // PSEUDONYM_LENGTH
_ALPHABET = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", np.uint8)
# Two characters for each number of ten bits, as one 16-bit unit in memory order, whatever the machine's byte order.
_PAIRS = np.stack([np.repeat(_ALPHABET, 32), np.tile(_ALPHABET, 32)], axis=1).view(np.uint16)[:, 0]


class BlockCipher(Protocol):
    """AES under one key, wherever the key lives; both functions take whole blocks of 16 bytes, at least one."""

    def each(self, blocks: memoryview) -> bytes:
        """Return every block encrypted by itself (ECB): the bare cipher, for many rows at once."""
        ...

    def chained(self, blocks: memoryview) -> bytes:
        """Return the last block of CBC with a first block of zeros: the chaining of CMAC, for one long value."""
        ...


class KeyInMemory:
    """AES under a key of 16, 24 or 32 bytes in this process; `repr` shows nothing of it."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) not in (16, 24, 32):
            raise KeyFaultError(
                f"an AES key has 16, 24 or 32 bytes, found {len(key)}", hint="use deid.keys.prf.derive_key"
            )
        self._key = algorithms.AES(key)

    @property
    def key(self) -> bytes:
        """The key itself, for another process of the same run; whoever asks seals it."""
        return bytes(self._key.key)

    def each(self, blocks: memoryview) -> bytes:
        """Return every block encrypted by itself."""
        # ECB is the bare block cipher; the chaining that makes it a MAC is done by BatchCmac, for all rows at once.
        return Cipher(self._key, modes.ECB()).encryptor().update(blocks)  # noqa: S305

    def chained(self, blocks: memoryview) -> bytes:
        """Return the last block of CBC."""
        return Cipher(self._key, modes.CBC(bytes(BLOCK))).encryptor().update(blocks)[-BLOCK:]


class BatchCmac:
    """AES-CMAC of every value of a column under one key: 16, 24 or 32 bytes, or a cipher whose key is elsewhere."""

    __slots__ = ("_cipher", "_mask", "_tail")

    def __init__(self, key: bytes | BlockCipher) -> None:
        self._cipher: BlockCipher = KeyInMemory(key) if isinstance(key, bytes) else key
        first = _double(self._encrypt(np.zeros((1, BLOCK), np.uint8)).tobytes())
        second = _double(first)
        # For each number of bytes in the last block: which bytes to keep, and padding XOR subkey.
        kept = np.arange(BLOCK) < np.arange(BLOCK + 1)[:, None]
        self._mask = np.where(kept, 0xFF, 0).astype(np.uint8)
        tail = np.zeros((BLOCK + 1, BLOCK), np.uint8)
        tail[np.arange(BLOCK), np.arange(BLOCK)] = 0x80
        tail[:BLOCK] ^= np.frombuffer(second, np.uint8)
        tail[BLOCK] ^= np.frombuffer(first, np.uint8)
        self._tail = tail

    @property
    def cipher(self) -> BlockCipher:
        """The cipher, which holds the key or knows where it is."""
        return self._cipher

    def digest(self, values: pa.Array) -> Bytes:
        """Return the CMAC of each value of a string or binary array as an (n, 16) matrix.

        A null has the digest of the empty string; the caller masks it. Of a dictionary-encoded array the dictionary
        is digested and the rows taken. Memory is the bytes of the values plus a small multiple of 16 n.
        """
        if isinstance(values, pa.DictionaryArray):
            return self._digest_dictionary(values)
        starts, lengths, data = spans(values, padding=BLOCK)
        blocks = np.maximum(1, (lengths + BLOCK - 1) // BLOCK)
        longest = int(blocks.max()) if len(blocks) else 1
        if longest == 1:
            return self._last(gather(data, starts, BLOCK), lengths)
        out = np.empty((len(starts), BLOCK), np.uint8)
        if longest > _LONG_BLOCKS:
            for row in np.flatnonzero(blocks > _LONG_BLOCKS):
                out[row] = self._digest_one(data[starts[row] : starts[row] + lengths[row]])
        for count in np.unique(blocks[blocks <= _LONG_BLOCKS]):
            rows = np.flatnonzero(blocks == count)
            out[rows] = self._digest_alike(data, starts[rows], lengths[rows], int(count))
        return out

    def _digest_alike(
        self, data: Bytes, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], count: int
    ) -> Bytes:
        """Digest values that all have `count` blocks."""
        state: Bytes = np.zeros((len(starts), BLOCK), np.uint8)
        for block in range(count - 1):
            state = self._encrypt(state ^ gather(data, starts + BLOCK * block, BLOCK))
        done = BLOCK * (count - 1)
        return self._last(gather(data, starts + done, BLOCK), lengths - done, state)

    def _last(self, block: Bytes, used: npt.NDArray[np.int64], state: Bytes | None = None) -> Bytes:
        block &= self._mask.take(used, axis=0)
        block ^= self._tail.take(used, axis=0)
        if state is not None:
            block ^= state
        return self._encrypt(block)

    def _digest_dictionary(self, values: pa.DictionaryArray) -> Bytes:
        """Digest the dictionary and one empty value at its end, which null rows point to."""
        entries = self.digest(values.dictionary)
        empty = self.digest(pa.array([""]))
        indices = values.indices.cast(pa.int64()).fill_null(len(entries)).to_numpy(zero_copy_only=False)
        rows: Bytes = np.concatenate([entries, empty])[indices]
        return rows

    def _digest_one(self, value: Bytes) -> Bytes:
        """Digest one value of at least one byte."""
        used = (len(value) - 1) % BLOCK + 1
        padded = np.zeros(len(value) - used + BLOCK, np.uint8)
        padded[: len(value)] = value
        padded[-BLOCK:] ^= self._tail[used]  # the mask is not needed: the padding is zero
        return np.frombuffer(self._cipher.chained(padded.data), np.uint8)

    def _encrypt(self, blocks: Bytes) -> Bytes:
        if not blocks.size:
            return blocks
        plain = np.ascontiguousarray(blocks).data.cast("B")
        return np.frombuffer(self._cipher.each(plain), np.uint8).reshape(-1, BLOCK)


def _double(block: bytes) -> bytes:
    """Multiply by x in GF(2^128), RFC 4493 section 2.3."""
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number = (number & ((1 << 128) - 1)) ^ 0x87
    return number.to_bytes(BLOCK, "big")


def derive_key(master: bytes, *context: str) -> bytes:
    """Return the 32-byte subkey of `master` for one use, by HKDF-SHA256.

    Every part of `context` is written with its length before it, so ("ab", "c") and ("a", "bc") never share a key.
    Raise KeyFaultError if `master` has fewer than 32 bytes.
    """
    if len(master) < KEY_BYTES:
        raise KeyFaultError(f"a master key has at least {KEY_BYTES} bytes, found {len(master)}", hint="make a new key")
    parts = [part.encode() for part in ("deid", *context)]
    info = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(master)


def base32(digests: Bytes) -> pa.StringArray:
    """Return each row of an (n, 10) byte matrix as 16 characters of [a-z2-7]; raise ValueError for another shape."""
    if digests.ndim != 2 or digests.shape[1] != PSEUDONYM_BYTES or len(digests) > _MAX_BASE32_ROWS:
        raise ValueError(f"expected at most {_MAX_BASE32_ROWS} rows of {PSEUDONYM_BYTES} bytes, found {digests.shape}")
    count = len(digests)
    groups = PSEUDONYM_BYTES // 5
    text = np.empty((count, groups, 4), np.uint16)
    for group in range(groups):
        number = np.zeros(count, np.uint64)
        for column in range(5 * group, 5 * group + 5):
            number = (number << np.uint64(8)) | digests[:, column]
        for pair in range(4):
            text[:, group, pair] = _PAIRS[((number >> np.uint64(30 - 10 * pair)) & np.uint64(1023)).astype(np.int64)]
    ends = np.arange(0, (count + 1) * PSEUDONYM_LENGTH, PSEUDONYM_LENGTH, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(text))


def offsets(digests: Bytes, *, max_days: int, multiple_of: int = 1) -> npt.NDArray[np.int32]:
    """Return one date offset in days for each digest, uniform over the multiples of `multiple_of` in [-max, max].

    Zero is one of them: leaving it out would tell that no date is the true one. The first 64 bits are reduced modulo
    at most 7,301 choices, so each has a probability within 2^-51 of its share. Raise ValueError if nothing else than
    zero would be allowed.
    """
    steps = max_days // multiple_of
    if steps < 1:
        raise ValueError("max_days is smaller than multiple_of: every offset would be zero")
    number = np.ascontiguousarray(digests[:, :8]).view(">u8")[:, 0].astype(np.uint64)
    step = (number % np.uint64(2 * steps + 1)).astype(np.int64) - steps
    return (step * multiple_of).astype(np.int32)
