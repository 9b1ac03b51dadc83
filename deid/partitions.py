"""The partitions of the crosswalk: sorted entries, sealed one by one into a file for each domain.

docs/formats/crosswalk.md, "Partitions", is the specification.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deid.errors import StorageError
from deid.prf import PSEUDONYM_BYTES, derive_key
from deid.private import private
from deid.runs import search
from deid.tags import U64, Bools, words

TAG_BYTES = 16
SURROGATE_BYTES = PSEUDONYM_BYTES


def restore_hint(what: str) -> str:
    """Return how to get a damaged folder back."""
    return f"restore the {what} folder from its last good copy; docs/formats/{what}.md says what each file is"


@dataclass(frozen=True, slots=True)
class PartitionEntry:
    """One sealed partition: entries, bytes on disk, SHA-256 of those bytes as hex."""

    count: int
    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DomainEntry:
    """One pseudonym space: its file and partitions."""

    name: str
    file: str
    salt: str
    count: int
    partitions: tuple[PartitionEntry, ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """A partition that was opened: tags in order as two words, and their surrogates, uint8 (n, 15)."""

    high: U64
    low: U64
    surrogates: npt.NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        """The bytes held."""
        return self.high.nbytes + self.low.nbytes + self.surrogates.nbytes


EMPTY = Entries(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros((0, SURROGATE_BYTES), np.uint8))


class DomainFile:
    """The partitions of one domain, read at given places, so that forked workers can share it."""

    def __init__(self, path: Path, entry: DomainEntry, key: bytes, *, what: str = "crosswalk") -> None:
        self.entry = entry
        self._what = what
        self._cipher = _partition_cipher(key, what, entry.name, entry.salt)
        self._checked = np.zeros(len(entry.partitions), dtype=np.bool_)
        self._starts = np.cumsum([0] + [part.length for part in entry.partitions]).tolist()
        with storage(f"opening the {what}"):
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def load(self, number: int) -> Entries:
        """Opens one partition; StorageError if its bytes are not those that were committed."""
        count = self.entry.partitions[number].count
        plain = np.frombuffer(self.plain(number), dtype=np.uint8)
        high, low = words(plain[: count * TAG_BYTES].reshape(-1, TAG_BYTES), 128)
        assert low is not None
        # A copy, as a view would keep the bytes of the tags in memory a second time.
        return Entries(high, low, plain[count * TAG_BYTES :].reshape(-1, SURROGATE_BYTES).copy())

    def plain(self, number: int) -> bytes:
        """Opens the bytes of one partition; StorageError if they are not those that were committed."""
        part = self.entry.partitions[number]
        with storage(f"reading the {self._what}"):
            sealed = os.pread(self._descriptor, part.length, self._starts[number])
        aad = _partition_context(len(self.entry.partitions), part.count)
        try:
            # The digest is compared once; from then on the tag of AES-GCM, which is several times as fast, is enough.
            if not self._checked[number] and hashlib.sha256(sealed).hexdigest() != part.sha256:
                raise InvalidTag
            self._checked[number] = True
            return self._cipher.decrypt(_partition_nonce(number), sealed, aad)
        except InvalidTag:
            raise StorageError(
                f"a partition of the {self._what} was changed or cut", hint=restore_hint(self._what)
            ) from None

    def close(self) -> None:
        """Gives the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class DomainLookup:
    """Looks tags up in a domain and keeps the partitions opened last, within a budget of bytes but at least one."""

    def __init__(self, file: DomainFile, *, budget: int) -> None:
        self._file = file
        self._digits = (len(file.entry.partitions).bit_length() - 1) // 4
        self._starts = np.array([p << (64 - 4 * self._digits) for p in range(16**self._digits)], dtype=np.uint64)
        self._budget = budget
        self._cache: OrderedDict[int, Entries] = OrderedDict()
        self._cached = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cache.clear()
        self._file.close()

    def find(self, high: U64, low: U64) -> tuple[Bools, npt.NDArray[np.uint8]]:
        """Looks up ascending tags: whether each is known, and its surrogate (zeros where it is not)."""
        found = np.zeros(len(high), dtype=np.bool_)
        surrogates = np.zeros((len(high), SURROGATE_BYTES), dtype=np.uint8)
        edges = np.append(np.searchsorted(high, self._starts), len(high)).tolist()
        asked = [p for p in range(len(self._starts)) if edges[p + 1] > edges[p]]
        # Cached partitions go first: asked in plain order, a cyclic scan would evict each just before it is needed.
        asked.sort(key=lambda p: p not in self._cache)
        for p in asked:
            rows = slice(edges[p], edges[p + 1])
            held = self._load(p)
            at = search(held.high, held.low, high[rows], low[rows])
            found[rows] = at >= 0
            if len(held.high):
                surrogates[rows] = held.surrogates.take(at, axis=0, mode="wrap") * found[rows, None]
        return found, surrogates

    def within(self, number: int, digits: int) -> Entries:
        """Gives the entries of one partition of a division into 16^`digits`, as fine as this file's or finer."""
        finer = 4 * (digits - self._digits)
        held = self._load(number >> finer)
        if not finer:
            return held
        end = (number + 1) << (64 - 4 * digits)
        first = int(np.searchsorted(held.high, np.uint64(number << (64 - 4 * digits))))
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


class DomainWriter:
    """Writes the partitions of one domain in order into a staging folder."""

    def __init__(self, staging: Path, name: str, partitions: int, key: bytes, *, what: str = "crosswalk") -> None:
        self._name, self._count, self._partitions = name, partitions, list[PartitionEntry]()
        # A salt for each file: a commit that was killed may have used this generation's number with other content,
        # and under one key its nonces would then have sealed two plaintexts.
        self._salt = secrets.token_hex(32)
        self._cipher = _partition_cipher(key, what, name, self._salt)
        self._file = f"{secrets.token_hex(16)}.partitions"
        self._stream = open(staging / self._file, "xb", opener=private)  # noqa: SIM115 -- closed by `close`

    def write(self, entries: Entries) -> None:
        """Seals the next partition."""
        tags = np.stack([entries.high, entries.low], axis=1).astype(">u8").tobytes()
        self.write_plain(tags + entries.surrogates.tobytes(), len(entries.high))

    def write_plain(self, plain: bytes, count: int) -> None:
        """Seals the next partition, which has `count` entries, from its bytes."""
        aad = _partition_context(self._count, count)
        sealed = self._cipher.encrypt(_partition_nonce(len(self._partitions)), plain, aad)
        self._stream.write(sealed)
        digest = hashlib.sha256(sealed).hexdigest()
        self._partitions.append(PartitionEntry(count=count, length=len(sealed), sha256=digest))

    def finish(self) -> DomainEntry:
        """Brings everything to the disk and says what was written."""
        assert len(self._partitions) == self._count
        self._stream.flush()
        os.fsync(self._stream.fileno())
        total = sum(part.count for part in self._partitions)
        return DomainEntry(self._name, self._file, self._salt, total, tuple(self._partitions))

    def close(self) -> None:
        """Closes the file, finished or not."""
        with contextlib.suppress(OSError):
            self._stream.close()


@contextlib.contextmanager
def storage(doing: str) -> Iterator[None]:
    """Turns what the system refuses into a StorageError; paths and identifiers stay out of it."""
    try:
        yield
    except OSError as fault:
        raise StorageError(
            f"{doing} failed: {fault.strerror}", hint="check the space, the permissions and the files of its folder"
        ) from None


def _partition_cipher(key: bytes, what: str, domain: str, salt: str) -> AESGCM:
    return AESGCM(derive_key(key, what, "partitions", domain, salt))


def _partition_nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _partition_context(partitions: int, count: int) -> bytes:
    return partitions.to_bytes(8, "big") + count.to_bytes(8, "big")
