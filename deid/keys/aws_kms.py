"""The provider `aws_kms`: master, guard keys and the key behind subkeys in AWS KMS, which none of them leaves."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC
from typing import Any, ClassVar, NoReturn
from urllib.parse import quote, unquote

from deid.errors import KeyFaultError
from deid.keys.base import Guard, check_key, does_not_open, encode_context, no_guard, subkey_context
from deid.keys.kms_calls import UNFIT, KmsCalls, KmsRefusedError
from deid.keys.prf import BatchCmac
from deid.keys.uris import kms_place

VERSION = b"\x02"
PENDING_DAYS = 7  # the shortest that the service allows
ALIVE_SECONDS = 10  # how long a guard key that was seen enabled is not asked for again
_STANDING = frozenset({"Enabled", "Disabled"})  # a disabled one may be a shred that was cut short: it can be done again
_DESCRIPTION = "deid guard "
_MAX_WRAPPED = 6144  # what Decrypt takes


class KmsProvider:
    """A provider whose keys are the service's; holds no key but the subkeys it is asked for, and cannot be pickled."""

    __slots__ = ("_alive", "_calls", "_changes", "_key", "provider_id")
    scheme: ClassVar[str] = "aws_kms"
    destroyed_means: ClassVar[str] = (
        f"the key is disabled now and deleted in {PENDING_DAYS} days; "
        "until then an administrator of the account could cancel that: see to it that nobody does"
    )

    def __init__(self, calls: KmsCalls) -> None:
        self._calls = calls
        self._changes = 0
        self._alive: dict[str, float] = {}
        metadata = self._described(calls.place.key)
        self._key: str = metadata["Arn"]
        self.provider_id = hashlib.sha256(self._key.encode()).hexdigest()[:32]
        if metadata["KeySpec"] != "SYMMETRIC_DEFAULT" or metadata["KeyState"] != "Enabled":
            raise KeyFaultError(
                f"{calls.place.key} cannot be used: it is {metadata['KeySpec']}, {metadata['KeyState']}",
                hint="it must be an enabled symmetric key; `deid keys generate site` makes one",
            )

    @property
    def calls(self) -> Mapping[str, int]:
        """How often each operation of the service was called."""
        return self._calls.calls

    def wrap(self, name: str, key: bytes) -> bytes:
        """Return `key` encrypted by the service under the master, bound to `name` and this provider."""
        return self._encrypt(self._key, self._context(name), key)

    def unwrap(self, name: str, wrapped: bytes) -> bytes:
        """Return the key wrapped under `name`; raise KeyFaultError if it does not fit."""
        return self._decrypt(self._key, self._context(name), name, wrapped)

    def subkey(self, *context: str) -> bytes:
        """Return HMAC-SHA256, computed by the service, of the context: bytes, which do come into this process."""
        message = encode_context("deid/subkey/v1", self.provider_id, *subkey_context(*context))
        try:
            answer = self._calls.call(
                "generate_mac", KeyId=self._calls.place.mac_key, MacAlgorithm="HMAC_SHA_256", Message=message
            )
        except KmsRefusedError as refused:
            raise self._gone(refused, self._calls.place.mac_key) from None
        mac: bytes = answer["Mac"]
        return mac

    def cmac(self, *context: str) -> BatchCmac:
        """Return AES-CMAC under the subkey of this context: the service has no cipher for many short values."""
        return BatchCmac(self.subkey(*context))

    def create_guard(self, *, series: str, release: str) -> Guard:
        """Make a key of the service for one release, and an alias by which it is found."""
        description = f"{_DESCRIPTION}{quote(series, safe='')} {quote(release, safe='')}"
        metadata = self._calls.call("create_key", once=True, Description=description)["KeyMetadata"]
        guard = _guard(metadata)
        try:
            self._calls.call("create_alias", once=True, AliasName=self._alias(guard.id), TargetKeyId=guard.id)
        except KeyFaultError:
            with suppress(
                KeyFaultError, KmsRefusedError
            ):  # it guards nothing yet, and without an alias nobody finds it
                self._calls.call("schedule_key_deletion", KeyId=guard.id, PendingWindowInDays=PENDING_DAYS)
            raise
        return guard

    def guards(self) -> tuple[Guard, ...]:
        """Return the guard keys that have this provider's alias and are not about to be deleted."""
        prefix = self._alias("")
        named = [
            alias for alias in self._calls.pages("list_aliases", "Aliases") if alias["AliasName"].startswith(prefix)
        ]
        described = (self._described(alias["TargetKeyId"]) for alias in named if "TargetKeyId" in alias)
        found = [_guard(metadata) for metadata in described if metadata["KeyState"] in _STANDING]
        return tuple(sorted(found, key=lambda guard: (guard.created, guard.id)))

    def wrap_under(self, guard: str, name: str, key: bytes) -> bytes:
        """Return `key` encrypted by the service under a guard key, bound to `name`."""
        self._check_alive(guard)
        return self._encrypt(guard, self._context(name, guard), key)

    def unwrap_under(self, guard: str, name: str, wrapped: bytes) -> bytes:
        """Return the key that was wrapped; raise KeyFaultError if the guard key is gone or anything differs."""
        self._check_alive(guard)
        return self._decrypt(guard, self._context(name, guard), name, wrapped)

    def destroy_guard(self, guard: str) -> None:
        """Disable a guard key at once, and have it deleted after the shortest time that the service allows."""
        metadata = self._described(guard)
        if not metadata["Description"].startswith(_DESCRIPTION) or metadata["KeyState"] not in _STANDING:
            raise no_guard(self.provider_id, guard)
        self._alive.pop(guard, None)
        try:
            self._calls.call("disable_key", KeyId=guard)
            self._changes += 1
            self._calls.call("schedule_key_deletion", KeyId=guard, PendingWindowInDays=PENDING_DAYS)
        except KmsRefusedError:
            raise no_guard(self.provider_id, guard) from None
        # Only now: while the alias stands, a shred that was cut short can be found and done again.
        with suppress(KmsRefusedError):
            self._calls.call("delete_alias", AliasName=self._alias(guard))

    @property
    def changes(self) -> int:
        """How many guard keys this object destroyed."""
        return self._changes

    def _alias(self, guard: str) -> str:
        return f"{self._calls.place.key}-guard-{guard}"

    def _context(self, name: str, guard: str | None = None) -> dict[str, str]:
        context = {"deid:provider": self.provider_id, "deid:name": name}
        return context if guard is None else context | {"deid:guard": guard}

    def _described(self, key: str) -> dict[str, Any]:
        try:
            metadata: dict[str, Any] = self._calls.call("describe_key", KeyId=key)["KeyMetadata"]
        except KmsRefusedError as refused:
            raise self._gone(refused, key) from None
        return metadata

    def _check_alive(self, guard: str) -> None:
        """Ask for the state of a guard key before it is used: not every service refuses a disabled one by itself."""
        if time.monotonic() - self._alive.get(guard, -math.inf) > ALIVE_SECONDS:
            if self._described(guard)["KeyState"] != "Enabled":
                raise no_guard(self.provider_id, guard)
            self._alive[guard] = time.monotonic()

    def _encrypt(self, key: str, context: dict[str, str], plain: bytes) -> bytes:
        check_key(plain)
        try:
            answer = self._calls.call("encrypt", KeyId=key, Plaintext=plain, EncryptionContext=context)
        except KmsRefusedError as refused:
            raise self._gone(refused, key) from None
        sealed: bytes = answer["CiphertextBlob"]
        return VERSION + sealed

    def _decrypt(self, key: str, context: dict[str, str], name: str, wrapped: bytes) -> bytes:
        if wrapped[:1] != VERSION or not 1 < len(wrapped) <= _MAX_WRAPPED:
            raise does_not_open(self.provider_id, name)
        try:
            answer = self._calls.call("decrypt", KeyId=key, CiphertextBlob=wrapped[1:], EncryptionContext=context)
        except KmsRefusedError as refused:
            if refused.code in UNFIT:
                raise does_not_open(self.provider_id, name) from None
            raise self._gone(refused, key) from None
        plain: bytes = answer["Plaintext"]
        return plain

    def _gone(self, refused: KmsRefusedError, key: str) -> KeyFaultError:
        if key not in {self._calls.place.key, self._calls.place.mac_key, getattr(self, "_key", None)}:
            return no_guard(self.provider_id, key)
        return KeyFaultError(
            f"the key {self._calls.place.key} is not there, or was disabled: {refused.code}",
            hint="make it with `deid keys generate site` and the same URI, or have it enabled; nothing was published",
        )

    def __repr__(self) -> str:
        return f"KmsProvider(provider_id={self.provider_id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key provider cannot be pickled or copied")


def open_kms(place: str) -> KmsProvider:
    """Open the provider that an `aws_kms` URI names; raise KeyFaultError if it has no keys there yet."""
    return KmsProvider(KmsCalls(kms_place(place)))


def generate_kms(place: str) -> KmsProvider:
    """Make master keys in the service; raise KeyFaultError if the aliases are taken."""
    calls = KmsCalls(kms_place(place))
    wanted = {calls.place.key, calls.place.mac_key}
    if any(alias["AliasName"] in wanted for alias in calls.pages("list_aliases", "Aliases")):
        raise KeyFaultError(
            f"there are keys under {calls.place.key} already", hint="choose another alias; keys are never overwritten"
        )
    specs = {
        calls.place.mac_key: {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
        calls.place.key: {"KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT"},
    }
    for alias, spec in specs.items():
        made = calls.call("create_key", once=True, Description=f"deid site {alias}", **spec)["KeyMetadata"]
        calls.call("create_alias", once=True, AliasName=alias, TargetKeyId=made["KeyId"])
    return KmsProvider(calls)


def _guard(metadata: dict[str, Any]) -> Guard:
    series, _, release = metadata["Description"].removeprefix(_DESCRIPTION).partition(" ")
    created = metadata["CreationDate"].astimezone(UTC).date()
    return Guard(metadata["KeyId"], unquote(series), unquote(release), created)
