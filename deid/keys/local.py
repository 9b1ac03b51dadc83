"""The provider `local`: master keys in one file under a passphrase, guard keys beside it; `local:keys/site.key`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, NoReturn

from deid.errors import KeyFaultError
from deid.keys.base import KEY_BYTES, Guard, derive_subkey, no_guard, unwrap_key, wrap_key
from deid.keys.files import folder_lock, sweep_staged
from deid.keys.key_file import PRODUCTION_N, Secret, read_sealed, replace_sealed, reread_sealed, write_sealed
from deid.keys.local_store import Entry, StoreFile
from deid.keys.prf import BatchCmac

KIND = "local-provider"
_PAYLOAD = 3 * KEY_BYTES  # master wrapping key, pseudonym master, key of the key store


class LocalProvider:
    """Holds masters and guard keys in this process's memory; shows none and cannot be pickled."""

    __slots__ = ("_entries", "_path", "_secret", "_seen", "_store")
    scheme: ClassVar[str] = "local"
    destroyed_means: ClassVar[str] = (
        "a backup of the key file together with its .store from before would bring it back: destroy those too"
    )

    def __init__(self, secret: Secret, path: Path) -> None:
        self._secret = secret
        self._path = path
        self._store = StoreFile(path, secret.id)
        self._seen: object = None
        self._entries: dict[str, Entry] = {}

    @property
    def provider_id(self) -> str:
        """32 hex digits from the key file; no secret."""
        return self._secret.id

    def wrap(self, name: str, key: bytes) -> bytes:
        """Return `key` encrypted under the master wrapping key, bound to `name` and this provider."""
        return wrap_key(self._secret.payload[:KEY_BYTES], provider_id=self.provider_id, name=name, key=key)

    def unwrap(self, name: str, wrapped: bytes) -> bytes:
        """Return the key wrapped under `name`; raise KeyFaultError if it does not fit."""
        return unwrap_key(self._secret.payload[:KEY_BYTES], provider_id=self.provider_id, name=name, wrapped=wrapped)

    def subkey(self, *context: str) -> bytes:
        """Return 32 bytes derived from the pseudonym master for this context."""
        master = self._secret.payload[KEY_BYTES : 2 * KEY_BYTES]
        return derive_subkey(master, provider_id=self.provider_id, context=context)

    def cmac(self, *context: str) -> BatchCmac:
        """Return AES-CMAC under the subkey of this context."""
        return BatchCmac(self.subkey(*context))

    def create_guard(self, *, series: str, release: str) -> Guard:
        """Add a guard key to the key store."""
        entry = Entry(os.urandom(16).hex(), series, release, datetime.now(UTC).date(), os.urandom(KEY_BYTES))
        with self._locked():
            self._store.write([*self._entries.values(), entry], self._store_key)
        return _guard(entry)

    def guards(self) -> tuple[Guard, ...]:
        """Return the guard keys of the key store, in the order in which they were made."""
        self._look()
        return tuple(_guard(entry) for entry in self._entries.values())

    def wrap_under(self, guard: str, name: str, key: bytes) -> bytes:
        """Return `key` encrypted under a guard key, bound to `name`."""
        return wrap_key(self._key(guard), provider_id=self.provider_id, name=name, key=key, guard=guard)

    def unwrap_under(self, guard: str, name: str, wrapped: bytes) -> bytes:
        """Return the key that was wrapped; raise KeyFaultError if the guard key is gone or anything differs."""
        return unwrap_key(self._key(guard), provider_id=self.provider_id, name=name, wrapped=wrapped, guard=guard)

    def destroy_guard(self, guard: str) -> None:
        """Write the key store anew without a guard key, under a new key."""
        with self._locked():
            if guard not in self._entries:
                raise no_guard(self.provider_id, guard)
            kept = [entry for entry in self._entries.values() if entry.id != guard]
            renewed = os.urandom(KEY_BYTES)
            self._store.write_next(kept, renewed)
            # From here on the old store, and every copy of it, opens with nothing that is on this disk.
            payload = self._secret.payload[: 2 * KEY_BYTES] + renewed
            self._secret = replace_sealed(self._path, self._secret, payload, kind=KIND)
            self._store.settle(renewed)
        self._look()

    @property
    def changes(self) -> int:
        """Another number once any process destroyed a guard key: its key file was replaced."""
        return hash(self._stat(self._path))

    @property
    def _store_key(self) -> bytes:
        return self._secret.payload[2 * KEY_BYTES :]

    def _key(self, guard: str) -> bytes:
        self._look()
        if guard not in self._entries:
            raise no_guard(self.provider_id, guard)
        return self._entries[guard].key

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with folder_lock(self._path.parent):
            self._look()
            self._store.settle(self._store_key)
            for path in (self._path, self._store.path, self._store.next_path):
                sweep_staged(path)
            yield

    def _look(self) -> None:
        """Read key file and store again where another process has replaced one; what is gone is forgotten here."""
        for _ in range(5):
            seen = (self._stat(self._path), self._stat(self._store.path), self._stat(self._store.next_path))
            if seen == self._seen:
                return
            self._entries = {}
            self._secret = reread_sealed(self._path, self._secret, kind=KIND)
            try:
                entries = self._store.read(self._store_key)
            except KeyFaultError:
                if self._stat(self._path) == seen[0]:  # else the key file was replaced between the two reads
                    raise
                continue
            self._entries, self._seen = {entry.id: entry for entry in entries}, seen
            return
        raise KeyFaultError(f"{self._path.name} keeps changing", hint="wait until the other process is done")

    def _stat(self, path: Path) -> tuple[int, int] | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def __repr__(self) -> str:
        return f"LocalProvider(provider_id={self.provider_id!r})"

    def __reduce__(self) -> NoReturn:
        # Worker processes get the subkeys they need, never the masters.
        raise TypeError("a key provider cannot be pickled or copied")


def _guard(entry: Entry) -> Guard:
    return Guard(entry.id, entry.series, entry.release, entry.created)


def generate_provider(path: Path, passphrase: bytes, *, scrypt_n: int = PRODUCTION_N) -> LocalProvider:
    """Make new master keys in the new file `path`; raise KeyFaultError if it exists or the passphrase is empty."""
    payload = os.urandom(_PAYLOAD)
    return LocalProvider(write_sealed(path, kind=KIND, payload=payload, passphrase=passphrase, scrypt_n=scrypt_n), path)


def open_local(path: Path, passphrase: Callable[[], bytes]) -> LocalProvider:
    """Open the key file at `path`; raise KeyFaultError if it is missing, readable by others, damaged or locked."""
    return LocalProvider(read_sealed(path, kind=KIND, passphrase=passphrase, size=_PAYLOAD), path)
