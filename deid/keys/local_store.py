"""The key store beside a local key file: guard keys, sealed, under a key that is renewed when one is destroyed.

docs/formats/keys.md, "Key store of the local provider", is the specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec

from deid.errors import KeyFaultError, StorageError
from deid.keys.base import KEY_BYTES, encode_context, seal, unseal
from deid.keys.files import read_private, replace_file
from deid.sealing.private import sync_folder

MAX_BYTES = 64 * 2**20
_FORMAT = 1


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One guard key, with its 32 bytes; `repr` would show them, so it is never put into text."""

    id: str
    series: str
    release: str
    created: date
    key: bytes

    def __repr__(self) -> str:
        return f"Entry(id={self.id!r})"


class _Store(msgspec.Struct, forbid_unknown_fields=True):
    deid_key_store: int
    provider: str
    sealed: bytes


class StoreFile:
    """Where the store of one key file lies, and its bytes under a key that the caller holds."""

    __slots__ = ("_provider", "path")

    def __init__(self, key_file: Path, provider: str) -> None:
        self.path = key_file.with_name(f"{key_file.name}.store")
        self._provider = provider

    @property
    def next_path(self) -> Path:
        """Where a new store waits while the key file is replaced."""
        return self.path.with_name(f"{self.path.name}.next")

    def read(self, key: bytes) -> tuple[Entry, ...]:
        """Return the guard keys; none where no store was made yet; raise KeyFaultError where it does not open.

        What a process that was killed left between two files is put right by `settle`, under the folder's lock.
        """
        found = self._open(self.path, key)
        if found is None:
            found = self._open(self.next_path, key)  # a process was killed after the key file was replaced
        if found is not None:
            return found
        if self.path.exists():
            raise KeyFaultError(
                f"{self.path.name} does not open with its key file",
                hint="restore the key file and its store from one backup; an older store opens nothing",
            )
        return ()

    def settle(self, key: bytes) -> None:
        """Finish, or take back, what a killed process began; the caller holds the folder's lock."""
        if not self.next_path.exists():
            return
        try:
            if self._open(self.next_path, key) is not None:
                self.next_path.replace(self.path)
            else:
                self.next_path.unlink()
            sync_folder(self.path.parent)
        except OSError as error:
            raise StorageError(
                f"cannot put {self.path.name} right: {error.strerror}", hint="check that its folder can be written"
            ) from None

    def write(self, entries: Sequence[Entry], key: bytes) -> None:
        """Replace the store in one step."""
        replace_file(self.path, self._sealed(entries, key), mode=0o600)

    def write_next(self, entries: Sequence[Entry], key: bytes) -> None:
        """Write the store that counts from the moment when the key file holds `key`."""
        replace_file(self.next_path, self._sealed(entries, key), mode=0o600)

    def _sealed(self, entries: Sequence[Entry], key: bytes) -> bytes:
        sealed = seal(key, msgspec.json.encode(list(entries)), self._context())
        return msgspec.json.encode(_Store(_FORMAT, self._provider, sealed)) + b"\n"

    def _open(self, path: Path, key: bytes) -> tuple[Entry, ...] | None:
        """Return what a file holds, or None where it is missing or is sealed under another key."""
        if not path.exists():
            return None
        try:
            store = msgspec.json.decode(read_private(path, limit=MAX_BYTES), type=_Store)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            store = None
        if store is None or (store.deid_key_store, store.provider) != (_FORMAT, self._provider):
            raise KeyFaultError(f"{path.name} is damaged or is not the key store of this key file", hint="restore it")
        plain = unseal(key, store.sealed, self._context())
        if plain is None:
            return None
        entries = msgspec.json.decode(plain, type=tuple[Entry, ...])
        assert all(len(entry.key) == KEY_BYTES for entry in entries)  # sealed by us
        return entries

    def _context(self) -> bytes:
        return encode_context("deid/key-store/v1", self._provider)
