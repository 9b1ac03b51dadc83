"""How the crosswalk and the ledgers lie on disk: sealed indexes, sealed parts, and commits that survive kill -9.

docs/formats/crosswalk.md is the specification. Nothing here knows what a surrogate is for; `crosswalk.py` does.
`what` names the holder: in messages, in the contexts of keys, and as the page of docs/formats.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deid.crosswalks.partitions import DomainEntry, DomainFile, restore_hint, storage
from deid.errors import KeyFaultError, StorageError
from deid.keys.prf import derive_key
from deid.sealing.private import sync_folder, write_new

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

    def __init__(
        self, folder: Path, key: bytes, *, what: str = "crosswalk", magic: bytes = _MAGIC, keep: int = 2
    ) -> None:
        self.folder = folder
        self.key = key
        self._what, self._magic, self._keep = what, magic, keep
        self._restore = restore_hint(what)
        self._check = derive_key(key, what, "key check")[:16]

    def current(self) -> Index:
        """Reads and checks the current generation, finishes or sweeps what a killed run left; under the lock.

        Raises:
            KeyFaultError: The key is not the one this crosswalk was made with.
            StorageError: Something is missing, cut, changed, or older than what is known to exist.
        """
        with storage(f"opening the {self._what}"):
            self._begin()
            raw = (self.folder / "CURRENT").read_bytes()
            index = self.parse(raw)
            self._check_files(index, raw)
            self._sweep(index)
        return index

    def at(self, generation: int) -> Index:
        """Reads one committed generation without the lock, for workers that another process tells its number."""
        with storage(f"opening the {self._what}"):
            index = self.parse((self._home(generation) / "index").read_bytes())
        if index.generation != generation:
            raise StorageError(f"the {self._what} holds another generation under this number", hint=self._restore)
        return index

    def kept(self) -> list[int]:
        """Gives the numbers of the generations that lie in the folder, ascending, whether they are whole or not."""
        return sorted(number for state, number, _ in _numbered(self.folder) if state == "generation")

    def restore(self, index: Index) -> None:
        """Makes a kept generation the current one and sets aside those after it; under the lock."""
        with storage(f"restoring the {self._what}"):
            self._set_aside(above=index.generation)
            self._switch((self._home(index.generation) / "index").read_bytes())

    def put(self, index: Index, unpacked: Path) -> None:
        """Makes a generation that was unpacked in the folder the current one; others are set aside; under the lock.

        Killed in between, the folder is refused: CURRENT is missing, or names a generation that is not there.
        """
        with storage(f"restoring the {self._what}"):
            self._set_aside(above=-1)
            unpacked.rename(home := self._home(index.generation))
            sync_folder(self.folder)
            self._switch((home / "index").read_bytes())

    def open_domain(self, index: Index, entry: DomainEntry, *, home: Path | None = None) -> DomainFile:
        """Opens the file of a domain; `home` is its folder, where it is not that of the generation."""
        home = home or self._home(index.generation)
        return DomainFile(home / entry.file, entry, self.key, what=self._what)

    def stream(self, index: Index, entry: DomainEntry) -> BinaryIO:
        """Opens the file of a domain as it lies there."""
        with storage(f"opening the {self._what}"):
            return (self._home(index.generation) / entry.file).open("rb")

    def raw(self, index: Index) -> bytes:
        """Reads the index of a generation as it lies there."""
        with storage(f"opening the {self._what}"):
            return (self._home(index.generation) / "index").read_bytes()

    @contextlib.contextmanager
    def staging(self, index: Index) -> Iterator[Path]:
        """Gives an empty folder for the generation after `index`; it is removed if the block ends with a fault."""
        path = self._home(index.generation + 1, "staging")
        with storage(f"writing the {self._what}"):
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
        committed = self.parse(raw)
        self._sweep(committed)
        return committed

    def _set_aside(self, *, above: int) -> None:
        aside = f"set-aside-{secrets.token_hex(4)}"
        for state, number, path in _numbered(self.folder):
            if state == "staging" or number > above:
                path.rename(self.folder / f"{aside}-{path.name}")

    def _home(self, generation: int, state: str = "generation") -> Path:
        return self.folder / f"{state}-{generation:08d}"

    def _begin(self) -> None:
        """Gives a new folder its generation 0; refuses one that has lost CURRENT."""
        if (self.folder / "CURRENT").exists():
            return
        if _numbered(self.folder):
            raise StorageError(f"the {self._what} has generations, but its CURRENT file is missing", hint=self._restore)
        self._switch(self._seal_index(0, _Body(previous="", domains=())))

    def _switch(self, raw: bytes) -> None:
        fresh = self.folder / "CURRENT.new"
        fresh.unlink(missing_ok=True)
        write_new(fresh, raw)
        fresh.replace(self.folder / "CURRENT")
        sync_folder(self.folder)

    def _seal_index(self, generation: int, body: _Body) -> bytes:
        salt = secrets.token_bytes(32)
        head = self._magic + generation.to_bytes(8, "big") + self._check + salt
        # The nonce may be constant: the salt makes this key, and it seals this one index.
        cipher = AESGCM(derive_key(self.key, self._what, "index", salt.hex()))
        return head + cipher.encrypt(bytes(12), msgspec.json.encode(body), head)

    def parse(self, raw: bytes) -> Index:
        """Opens the bytes of an index; raises KeyFaultError for another key, StorageError for bytes that differ."""
        head = raw[:_HEAD]
        if len(raw) < _HEAD + 16 or head[:8] != self._magic:
            raise StorageError(f"the index of the {self._what} is cut, or of another version", hint=self._restore)
        if not secrets.compare_digest(head[16:32], self._check):
            raise KeyFaultError(
                f"the key does not fit this {self._what}",
                hint=f"use the key provider that the {self._what} was made with",
            )
        cipher = AESGCM(derive_key(self.key, self._what, "index", head[32:].hex()))
        try:
            body = msgspec.json.decode(cipher.decrypt(bytes(12), raw[_HEAD:], head), type=_Body)
        except (InvalidTag, msgspec.MsgspecError):
            raise StorageError(f"the index of the {self._what} was changed or cut", hint=self._restore) from None
        digest = hashlib.sha256(raw).hexdigest()
        return Index(_generation_of(raw), body.previous, body.domains, digest)

    def _check_files(self, index: Index, raw: bytes) -> None:
        present = {number for state, number, _ in _numbered(self.folder) if state == "generation"}
        if any(number > index.generation for number in present):
            raise StorageError(
                f"CURRENT names an older generation than the {self._what} has reached", hint=self._restore
            )
        home, staged = self._home(index.generation), self._home(index.generation, "staging")
        if index.generation == 0:
            return
        if index.generation not in present and staged.is_dir():
            staged.rename(home)  # the commit was killed after its one decisive rename
            sync_folder(self.folder)
        if (home / "index").read_bytes() != raw:
            raise StorageError(
                f"the current generation of the {self._what} is not the one CURRENT names", hint=self._restore
            )
        for entry in index.domains:
            if (home / entry.file).stat().st_size != sum(part.length for part in entry.partitions):
                raise StorageError(f"a file of the {self._what} has another length than committed", hint=self._restore)
        before = self._home(index.generation - 1) / "index"
        if before.exists() and hashlib.sha256(before.read_bytes()).hexdigest() != index.previous:
            raise StorageError("the generation kept from before is not the predecessor of this one", hint=self._restore)

    def _sweep(self, index: Index) -> None:
        (self.folder / "CURRENT.new").unlink(missing_ok=True)
        for state, number, path in _numbered(self.folder):
            if state == "staging" or number <= index.generation - self._keep:
                shutil.rmtree(path)


def _numbered(folder: Path) -> list[tuple[str, int, Path]]:
    matches = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return [(match[1], int(match[2]), path) for match, path in matches if match]


def _generation_of(raw: bytes) -> int:
    return int.from_bytes(raw[8:16], "big")
