"""What a key provider is: a place where master keys live, that wraps keys and derives subkeys and never shows a master.

The encodings are in docs/formats/keys.md. Everything a provider returns is bytes; nothing of it may be logged.
"""

from __future__ import annotations

import os
from typing import ClassVar, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from deid.errors import KeyFaultError

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
MAX_WRAPPED_KEY = 4096
_VERSION = b"\x01"


class KeyProvider(Protocol):
    """The one interface of this shelf.

    `scheme` is how a URI names the provider; `provider_id` names this one and is no secret.
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


def wrap_key(master: bytes, *, provider_id: str, name: str, key: bytes) -> bytes:
    """Return `key` wrapped under a 32-byte master, as docs/formats/keys.md says; for providers that hold one."""
    if not 1 <= len(key) <= MAX_WRAPPED_KEY:
        raise KeyFaultError(
            f"cannot wrap {len(key):,} bytes as a key: expected 1 to {MAX_WRAPPED_KEY:,}",
            hint="wrap a data key and encrypt the data with that",
        )
    return _VERSION + seal(master, key, encode_context("deid/wrap/v1", provider_id, name))


def unwrap_key(master: bytes, *, provider_id: str, name: str, wrapped: bytes) -> bytes:
    """Return the key that `wrap_key` wrapped; raise KeyFaultError if name, provider or bytes differ."""
    key = None
    if wrapped[:1] == _VERSION:
        key = unseal(master, wrapped[1:], encode_context("deid/wrap/v1", provider_id, name))
    if key is None:
        raise KeyFaultError(
            f"the wrapped key {name!r} does not open with the provider {provider_id}",
            hint="use the key provider that wrapped it; if it did, the wrapped key was altered or moved",
        )
    return key


def derive_subkey(master: bytes, *, provider_id: str, context: tuple[str, ...]) -> bytes:
    """Return 32 bytes by HKDF-SHA256 from a 32-byte master; raise KeyFaultError for an empty context."""
    if not context:
        raise KeyFaultError("a subkey needs a context", hint="say what it is for: series, party and kind")
    info = encode_context("deid/subkey/v1", *context)
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=provider_id.encode("ascii"), info=info).derive(master)
