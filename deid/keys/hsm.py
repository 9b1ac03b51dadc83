"""The provider `pkcs11`: masters, guard keys and pseudonym keys in a token, which none of them ever leaves."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, ClassVar, NoReturn
from urllib.parse import quote, unquote

from pkcs11 import GCMParams, Mechanism
from pkcs11.exceptions import PKCS11Error

from deid.errors import KeyFaultError
from deid.keys.base import (
    MAX_WRAPPED_KEY,
    NONCE_BYTES,
    TAG_BYTES,
    VERSION,
    Guard,
    check_key,
    does_not_open,
    encode_context,
    no_guard,
    subkey_context,
    wrapping_context,
)
from deid.keys.prf import BatchCmac
from deid.keys.token import DERIVING, PSEUDONYMS, WRAPPING, Token, TokenCipher, open_token
from deid.keys.uris import token_place

_GUARD_ID = 16
_MAX_WRAPPED = len(VERSION) + NONCE_BYTES + MAX_WRAPPED_KEY + TAG_BYTES


class TokenProvider:
    """A provider whose keys are objects of a token; holds handles of them and no key, and cannot be pickled."""

    __slots__ = ("_changes", "_mac", "_token", "_wrap", "provider_id")
    scheme: ClassVar[str] = "pkcs11"
    destroyed_means: ClassVar[str] = "a backup of the token from before would bring it back: destroy that too"

    def __init__(self, token: Token, *, wrap: Any, mac: Any) -> None:
        self._token = token
        self._wrap = wrap
        self._mac = mac
        self._changes = 0
        with token.calling("tell of a key"):
            self.provider_id: str = wrap.id.hex()
            sound = mac.id == wrap.id and len(wrap.id) == _GUARD_ID
        if not sound:
            raise KeyFaultError(
                f"the two master keys of {token.place.name} do not belong together",
                hint="restore the token, or give the name of other keys in the URI",
            )

    def wrap(self, name: str, key: bytes) -> bytes:
        """Return `key` encrypted in the token under the master, bound to `name` and this provider."""
        return self._seal(self._wrap, wrapping_context(self.provider_id, None, name), key)

    def unwrap(self, name: str, wrapped: bytes) -> bytes:
        """Return the key wrapped under `name`; raise KeyFaultError if it does not fit."""
        return self._unseal(self._wrap, wrapping_context(self.provider_id, None, name), name, wrapped)

    def subkey(self, *context: str) -> bytes:
        """Return HMAC-SHA256, computed in the token, of the context: bytes, which do come into this process."""
        message = encode_context("deid/subkey/v1", self.provider_id, *subkey_context(*context))
        with self._token.calling("derive a subkey"):
            derived: bytes = self._mac.sign(message, mechanism=Mechanism.SHA256_HMAC)
        return derived

    def cmac(self, *context: str) -> BatchCmac:
        """Return AES-CMAC under a key of its own in the token, which is made where it is not there yet."""
        encoded = encode_context("deid/pseudonym/v1", self.provider_id, *subkey_context(*context))
        place = hashlib.sha256(encoded).digest()
        label = f"{self._token.place.name} pseudonym {' '.join(quote(part, safe='') for part in context)}"
        key = self._token.one(label, id=place)
        if key is None:
            with self._token.alone():
                key = self._token.one(label, id=place)
                if key is None:
                    key = self._token.generate(id=place, label=label, use=PSEUDONYMS)
        return BatchCmac(TokenCipher(self._token, key))

    def create_guard(self, *, series: str, release: str) -> Guard:
        """Make a guard key in the token."""
        place = os.urandom(_GUARD_ID)
        guard = Guard(place.hex(), series, release, datetime.now(UTC).date())
        label = f"{self._guard_label}{guard.created} {quote(series, safe='')} {quote(release, safe='')}"
        self._token.generate(id=place, label=label, use=WRAPPING)
        return guard

    def guards(self) -> tuple[Guard, ...]:
        """Return the guard keys in the token that were made under this provider's name."""
        found = []
        for key in self._token.find():
            with self._token.calling("list keys"):
                label, place = key.label, key.id
            if label.startswith(self._guard_label):
                made, series, release = label.removeprefix(self._guard_label).split(" ")
                found.append(Guard(place.hex(), unquote(series), unquote(release), date.fromisoformat(made)))
        return tuple(sorted(found, key=lambda guard: (guard.created, guard.id)))

    def wrap_under(self, guard: str, name: str, key: bytes) -> bytes:
        """Return `key` encrypted in the token under a guard key, bound to `name`."""
        return self._seal(self._guard(guard), wrapping_context(self.provider_id, guard, name), key)

    def unwrap_under(self, guard: str, name: str, wrapped: bytes) -> bytes:
        """Return the key that was wrapped; raise KeyFaultError if the guard key is gone or anything differs."""
        return self._unseal(self._guard(guard), wrapping_context(self.provider_id, guard, name), name, wrapped)

    def destroy_guard(self, guard: str) -> None:
        """Destroy the token object."""
        key = self._guard(guard)
        with self._token.calling("destroy a key"):
            key.destroy()
        self._changes += 1

    @property
    def changes(self) -> int:
        """How many guard keys this object destroyed."""
        return self._changes

    @property
    def _guard_label(self) -> str:
        return f"{self._token.place.name} guard "

    def _guard(self, guard: str) -> Any:
        try:
            place = bytes.fromhex(guard)
        except ValueError:
            place = b""
        key = self._token.one(f"guard key {guard[:8]}…", id=place) if len(place) == _GUARD_ID else None
        if key is None or not key.label.startswith(self._guard_label):
            raise no_guard(self.provider_id, guard)
        return key

    def _seal(self, key: Any, context: bytes, plain: bytes) -> bytes:
        check_key(plain)
        nonce = os.urandom(NONCE_BYTES)
        with self._token.calling("wrap a key"):
            sealed: bytes = key.encrypt(
                plain, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, context, 8 * TAG_BYTES)
            )
        return VERSION + nonce + sealed

    def _unseal(self, key: Any, context: bytes, name: str, wrapped: bytes) -> bytes:
        nonce, sealed = wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]
        if wrapped[:1] != VERSION or len(sealed) <= TAG_BYTES or len(wrapped) > _MAX_WRAPPED:
            raise does_not_open(self.provider_id, name)
        with self._token.calling("unwrap a key"):
            try:
                plain: bytes = key.decrypt(
                    sealed, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, context, 8 * TAG_BYTES)
                )
            except PKCS11Error:
                # Tokens name a tag that does not fit as they like. That the key still answers tells it from a fault.
                key.encrypt(bytes(1), mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(os.urandom(12), b"", 128))
                raise does_not_open(self.provider_id, name) from None
        return plain

    def __repr__(self) -> str:
        return f"TokenProvider(provider_id={self.provider_id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key provider cannot be pickled or copied")


def open_hsm(place: str, pin: Callable[[], bytes]) -> TokenProvider:
    """Open the provider that a PKCS #11 URI names; raise KeyFaultError if it has no keys there yet."""
    token = open_token(token_place(place), pin)
    wrap, mac = _masters(token)
    if wrap is None or mac is None:
        raise KeyFaultError(
            f"the token {token.place.token} holds no master keys named {token.place.name}",
            hint="make them with `deid keys generate site` and the same URI, or name others",
        )
    return TokenProvider(token, wrap=wrap, mac=mac)


def generate_hsm(place: str, pin: Callable[[], bytes]) -> TokenProvider:
    """Make master keys in a token; raise KeyFaultError if there are any of this name."""
    token = open_token(token_place(place), pin)
    with token.alone():
        if any(key is not None for key in _masters(token)):
            raise KeyFaultError(
                f"the token {token.place.token} holds master keys named {token.place.name}",
                hint="choose another object= name; keys are never overwritten",
            )
        both = os.urandom(_GUARD_ID)
        wrap = token.generate(id=both, label=f"{token.place.name} wrap", use=WRAPPING)
        try:
            mac = token.generate(id=both, label=f"{token.place.name} subkeys", use=DERIVING)
        except KeyFaultError:
            wrap.destroy()
            raise
    return TokenProvider(token, wrap=wrap, mac=mac)


def _masters(token: Token) -> tuple[Any, Any]:
    name = token.place.name
    return token.one("master wrapping key", label=f"{name} wrap"), token.one("subkeys", label=f"{name} subkeys")
