"""The partitions of the crosswalk: sorted entries, sealed one by one into a file for each domain.

docs/formats/crosswalk.md, "Partitions", is the specification.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deid.errors import StorageError
from deid.keys.prf import PSEUDONYM_BYTES, derive_key
from deid.patients.tags import U64, words
from deid.sealing.private import private

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
    """A partition that was opened: tags in order as two words, and their surrogates, uint8 (n, 10)."""

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

    def plain(self, number: int, buffer: bytearray | None = None) -> bytes:
        """Opens the bytes of one partition; StorageError if they are not those that were committed.

        `buffer`: where the sealed bytes are read, `longest` bytes, by a caller who opens many.
        """
        part = self.entry.partitions[number]
        sealed = memoryview(buffer if buffer is not None else bytearray(part.length))[: part.length]
        with storage(f"reading the {self._what}"):
            sealed = sealed[: os.preadv(self._descriptor, [sealed], self._starts[number])]
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

    @property
    def longest(self) -> int:
        """The bytes of the longest sealed partition."""
        return max(part.length for part in self.entry.partitions)

    def close(self) -> None:
        """Gives the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


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
