"""The provider `local`: master keys in one file under a passphrase; `local:keys/site.key`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, NoReturn

from deid.keys.base import KEY_BYTES, derive_subkey, unwrap_key, wrap_key
from deid.keys.key_file import PRODUCTION_N, Secret, read_sealed, write_sealed

KIND = "local-provider"


class LocalProvider:
    """Holds the wrapping key and the pseudonym master in this process's memory; shows neither and cannot be pickled."""

    __slots__ = ("_secret",)
    scheme: ClassVar[str] = "local"

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

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
        return derive_subkey(self._secret.payload[KEY_BYTES:], provider_id=self.provider_id, context=context)

    def __repr__(self) -> str:
        return f"LocalProvider(provider_id={self.provider_id!r})"

    def __reduce__(self) -> NoReturn:
        # Worker processes get the subkeys they need, never the masters.
        raise TypeError("a key provider cannot be pickled or copied")


def generate_provider(path: Path, passphrase: bytes, *, scrypt_n: int = PRODUCTION_N) -> LocalProvider:
    """Make new master keys in the new file `path`; raise KeyFaultError if it exists or the passphrase is empty."""
    payload = os.urandom(2 * KEY_BYTES)
    return LocalProvider(write_sealed(path, kind=KIND, payload=payload, passphrase=passphrase, scrypt_n=scrypt_n))


def open_local(path: Path, passphrase: Callable[[], bytes]) -> LocalProvider:
    """Open the key file at `path`; raise KeyFaultError if it is missing, readable by others, damaged or locked."""
    return LocalProvider(read_sealed(path, kind=KIND, passphrase=passphrase, size=2 * KEY_BYTES))
