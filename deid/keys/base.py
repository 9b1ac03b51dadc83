"""What a key provider is: a place where master keys live, that wraps keys and derives subkeys and never shows a master.

The encodings are in docs/formats/keys.md. Everything a provider returns is bytes; nothing of it may be logged.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from deid.errors import KeyFaultError
from deid.keys.prf import BatchCmac

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
MAX_WRAPPED_KEY = 4096
VERSION = b"\x01"


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard key by its id (32 hex digits or more): for which release of which series it was made; no secret."""

    id: str
    series: str
    release: str
    created: date


class KeyProvider(Protocol):
    """The one interface of this shelf.

    `scheme` is how a URI names the provider; `provider_id` names this one and is no secret.
    Every method raises KeyFaultError where the provider refuses, is gone, or does not answer.
    """

    scheme: ClassVar[str]

    @property
    def provider_id(self) -> str:
        """32 hex digits that name this provider's set of master keys."""
        ...

    def wrap(self, name: str, key: bytes) -> bytes:
        """Return `key` (1 to 4,096 bytes) encrypted so that it opens under the same `name` and provider only."""
        ...

    def unwrap(self, name: str, wrapped: bytes) -> bytes:
        """Return the key that was wrapped under `name`; raise KeyFaultError if it was not, here, or was altered."""
        ...

    def subkey(self, *context: str) -> bytes:
        """Return 32 bytes that only this provider can derive, the same for the same list of at least one part."""
        ...

    def cmac(self, *context: str) -> BatchCmac:
        """Return AES-CMAC under a key for this list of at least one part; in a token the key never leaves it."""
        ...

    def create_guard(self, *, series: str, release: str) -> Guard:
        """Make a new guard key; a release may have several, for instance while its keys are rotated."""
        ...

    def guards(self) -> tuple[Guard, ...]:
        """Return the guard keys that stand, oldest first."""
        ...

    def wrap_under(self, guard: str, name: str, key: bytes) -> bytes:
        """Return `key` encrypted so that it opens under this guard key and `name` only."""
        ...

    def unwrap_under(self, guard: str, name: str, wrapped: bytes) -> bytes:
        """Return the key that was wrapped; raise KeyFaultError where the guard key is gone or anything differs."""
        ...

    def destroy_guard(self, guard: str) -> None:
        """Destroy a guard key; raise KeyFaultError where there is none."""
        ...

    @property
    def destroyed_means(self) -> str:
        """What a destroyed guard key could still be brought back by, in one sentence for whoever shreds."""
        ...

    @property
    def changes(self) -> int:
        """A number that is another one once a guard key was destroyed, as far as this object can know."""
        ...


def encode_context(*parts: str) -> bytes:
    """Return bytes that no other list of parts gives: a count, then each part behind its length."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return len(encoded).to_bytes(4, "big") + b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Return nonce and AES-256-GCM ciphertext; random nonces are safe for 2^32 calls under one key (SP 800-38D)."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


def unseal(key: bytes, sealed: bytes, associated: bytes) -> bytes | None:
    """Return the plaintext of what `seal` made, or None if key, data or associated data do not fit."""
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        return None
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated)
    except InvalidTag:
        return None


def wrapping_context(provider_id: str, guard: str | None, name: str) -> bytes:
    """Return what a wrapped key is bound to: provider, guard key (None for the master) and name."""
    if guard is None:
        return encode_context("deid/wrap/v1", provider_id, name)
    return encode_context("deid/guard/v1", provider_id, guard, name)


def check_key(key: bytes) -> None:
    """Raise KeyFaultError unless `key` has a size that keys have."""
    if not 1 <= len(key) <= MAX_WRAPPED_KEY:
        raise KeyFaultError(
            f"cannot wrap {len(key):,} bytes as a key: expected 1 to {MAX_WRAPPED_KEY:,}",
            hint="wrap a data key and encrypt the data with that",
        )


def does_not_open(provider_id: str, name: str) -> KeyFaultError:
    """Return the fault for a wrapped key that was altered, moved, or wrapped elsewhere."""
    return KeyFaultError(
        f"the wrapped key {name!r} does not open with the provider {provider_id}",
        hint="use the key provider that wrapped it; if it did, the wrapped key was altered or moved",
    )


def no_guard(provider_id: str, guard: str) -> KeyFaultError:
    """Return the fault for a guard key that does not stand."""
    return KeyFaultError(
        f"the provider {provider_id} has no guard key {guard[:8]}…: it was destroyed, or is another provider's",
        hint="nobody can read a release whose guard key was destroyed; after a rotation take the new keys.json",
    )


def wrap_key(master: bytes, *, provider_id: str, name: str, key: bytes, guard: str | None = None) -> bytes:
    """Return `key` wrapped under 32 bytes, as docs/formats/keys.md says; for providers that hold them."""
    check_key(key)
    return VERSION + seal(master, key, wrapping_context(provider_id, guard, name))


def unwrap_key(master: bytes, *, provider_id: str, name: str, wrapped: bytes, guard: str | None = None) -> bytes:
    """Return the key that `wrap_key` wrapped; raise KeyFaultError if name, guard key, provider or bytes differ."""
    key = None
    if wrapped[:1] == VERSION:
        key = unseal(master, wrapped[1:], wrapping_context(provider_id, guard, name))
    if key is None:
        raise does_not_open(provider_id, name)
    return key


def subkey_context(*context: str) -> tuple[str, ...]:
    """Return the context of a subkey; raise KeyFaultError if it is empty."""
    if not context:
        raise KeyFaultError("a subkey needs a context", hint="say what it is for: series, party and kind")
    return context


def derive_subkey(master: bytes, *, provider_id: str, context: tuple[str, ...]) -> bytes:
    """Return 32 bytes by HKDF-SHA256 from a 32-byte master; raise KeyFaultError for an empty context."""
    info = encode_context("deid/subkey/v1", *subkey_context(*context))
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=provider_id.encode("ascii"), info=info).derive(master)
