"""How the crosswalk lies on disk: sealed indexes, sealed partitions, and commits that survive kill -9.

docs/formats/crosswalk.md is the specification. Nothing here knows what a surrogate is for; `deid.crosswalk` does.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deid.errors import KeyFaultError, StorageError
from deid.partitions import RESTORE, DomainEntry, DomainFile, storage
from deid.prf import derive_key
from deid.private import make_folder, sync_folder, write_new

_MAGIC = b"deidxwi1"
_HEAD = 64
_NAME = re.compile(r"(generation|staging)-([0-9]{8})")


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    previous: str
    domains: tuple[DomainEntry, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """A generation as its index tells it; `digest` is the SHA-256 of the index's bytes as hex."""

    generation: int
    previous: str
    domains: tuple[DomainEntry, ...]
    digest: str

    def domain(self, name: str) -> DomainEntry | None:
        """Finds a domain by name."""
        return next((entry for entry in self.domains if entry.name == name), None)


class Generations:
    """The folder: what is current, and the commit of what follows. Writers hold `lock`."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder = folder
        self.key = key
        self._check = derive_key(key, "crosswalk", "key check")[:16]

    def current(self) -> Index:
        """Reads and checks the current generation, finishes or sweeps what a killed run left; under the lock.

        Raises:
            KeyFaultError: The key is not the one this crosswalk was made with.
            StorageError: Something is missing, cut, changed, or older than what is known to exist.
        """
        with storage("opening the crosswalk"):
            self._begin()
            raw = (self.folder / "CURRENT").read_bytes()
            index = self._open_index(raw)
            self._check_files(index, raw)
            self._sweep(index)
        return index

    def at(self, generation: int) -> Index:
        """Reads one committed generation without the lock, for workers that another process tells its number."""
        with storage("opening the crosswalk"):
            index = self._open_index((self._home(generation) / "index").read_bytes())
        if index.generation != generation:
            raise StorageError("the crosswalk holds another generation under this number", hint=RESTORE)
        return index

    def open_domain(self, index: Index, entry: DomainEntry) -> DomainFile:
        """Opens the file of a domain."""
        return DomainFile(self._home(index.generation) / entry.file, entry, self.key)

    @contextlib.contextmanager
    def staging(self, index: Index) -> Iterator[Path]:
        """Gives an empty folder for the generation after `index`; it is removed if the block ends with a fault."""
        path = self._home(index.generation + 1, "staging")
        with storage("writing the crosswalk"):
            path.mkdir(mode=0o700)
            try:
                yield path
            except BaseException:
                # A fault may come after the rename of CURRENT: then this folder *is* the crosswalk.
                if _generation_of((self.folder / "CURRENT").read_bytes()) == index.generation:
                    shutil.rmtree(path, ignore_errors=True)
                raise

    def keep(self, index: Index, entry: DomainEntry, staging: Path) -> None:
        """Takes the file of a domain over into the next generation as it is."""
        os.link(self._home(index.generation) / entry.file, staging / entry.file)

    def commit(self, index: Index, domains: tuple[DomainEntry, ...], staging: Path) -> Index:
        """Makes what lies in `staging` the current generation: at the rename of CURRENT, and not a moment before."""
        raw = self._seal_index(index.generation + 1, _Body(previous=index.digest, domains=domains))
        write_new(staging / "index", raw)
        sync_folder(staging)
        sync_folder(self.folder)
        self._switch(raw)
        staging.rename(self._home(index.generation + 1))
        sync_folder(self.folder)
        committed = self._open_index(raw)
        self._sweep(committed)
        return committed

    def _home(self, generation: int, state: str = "generation") -> Path:
        return self.folder / f"{state}-{generation:08d}"

    def _begin(self) -> None:
        """Gives a new folder its generation 0; refuses one that has lost CURRENT."""
        if (self.folder / "CURRENT").exists():
            return
        if _numbered(self.folder):
            raise StorageError("the crosswalk has generations, but its CURRENT file is missing", hint=RESTORE)
        self._switch(self._seal_index(0, _Body(previous="", domains=())))

    def _switch(self, raw: bytes) -> None:
        fresh = self.folder / "CURRENT.new"
        fresh.unlink(missing_ok=True)
        write_new(fresh, raw)
        fresh.replace(self.folder / "CURRENT")
        sync_folder(self.folder)

    def _seal_index(self, generation: int, body: _Body) -> bytes:
        salt = secrets.token_bytes(32)
        head = _MAGIC + generation.to_bytes(8, "big") + self._check + salt
        # The nonce may be constant: the salt makes this key, and it seals this one index.
        cipher = AESGCM(derive_key(self.key, "crosswalk", "index", salt.hex()))
        return head + cipher.encrypt(bytes(12), msgspec.json.encode(body), head)

    def _open_index(self, raw: bytes) -> Index:
        head = raw[:_HEAD]
        if len(raw) < _HEAD + 16 or head[:8] != _MAGIC:
            raise StorageError("the index of the crosswalk is cut, or of another version", hint=RESTORE)
        if not secrets.compare_digest(head[16:32], self._check):
            raise KeyFaultError(
                "the key does not fit this crosswalk", hint="use the key provider that the crosswalk was made with"
            )
        cipher = AESGCM(derive_key(self.key, "crosswalk", "index", head[32:].hex()))
        try:
            body = msgspec.json.decode(cipher.decrypt(bytes(12), raw[_HEAD:], head), type=_Body)
        except (InvalidTag, msgspec.MsgspecError):
            raise StorageError("the index of the crosswalk was changed or cut", hint=RESTORE) from None
        digest = hashlib.sha256(raw).hexdigest()
        return Index(_generation_of(raw), body.previous, body.domains, digest)

    def _check_files(self, index: Index, raw: bytes) -> None:
        present = {number for state, number, _ in _numbered(self.folder) if state == "generation"}
        if any(number > index.generation for number in present):
            raise StorageError("CURRENT names an older generation than the crosswalk has reached", hint=RESTORE)
        home, staged = self._home(index.generation), self._home(index.generation, "staging")
        if index.generation == 0:
            return
        if index.generation not in present and staged.is_dir():
            staged.rename(home)  # the commit was killed after its one decisive rename
            sync_folder(self.folder)
        if (home / "index").read_bytes() != raw:
            raise StorageError("the current generation of the crosswalk is not the one CURRENT names", hint=RESTORE)
        for entry in index.domains:
            if (home / entry.file).stat().st_size != sum(part.length for part in entry.partitions):
                raise StorageError("a file of the crosswalk has another length than committed", hint=RESTORE)
        before = self._home(index.generation - 1) / "index"
        if before.exists() and hashlib.sha256(before.read_bytes()).hexdigest() != index.previous:
            raise StorageError("the generation kept from before is not the predecessor of this one", hint=RESTORE)

    def _sweep(self, index: Index) -> None:
        (self.folder / "CURRENT.new").unlink(missing_ok=True)
        for state, number, path in _numbered(self.folder):
            if state == "staging" or number < index.generation - 1:
                shutil.rmtree(path)


@contextlib.contextmanager
def lock(folder: Path, *, wait: float) -> Iterator[None]:
    """Holds the folder for one writer; StorageError after `wait` seconds. The lock dies with its process."""
    with storage("locking the crosswalk"):
        make_folder(folder)
        descriptor = os.open(folder / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, time.monotonic() + wait)
        yield
    finally:
        # Unlocked by name: a forked worker that still holds a copy of the descriptor must not keep the lock.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _acquire(descriptor: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise StorageError(
                    "another run is writing to the crosswalk", hint="wait until it has ended, then run this again"
                ) from None
            time.sleep(0.02)
        else:
            return


def _numbered(folder: Path) -> list[tuple[str, int, Path]]:
    matches = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return [(match[1], int(match[2]), path) for match, path in matches if match]


def _generation_of(raw: bytes) -> int:
    return int.from_bytes(raw[8:16], "big")
