"""`keys.json` of a `columns` release: its KEKs and manifest key, wrapped under a guard key; nothing in it is secret.

docs/formats/keys.md, "Keys of a `columns` release", is the specification. What is wrapped opens only under its
provider, guard key, release, group and KEK id, so that an exchanged or altered file gives a fault and no key.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from deid.errors import KeyFaultError, ReleaseError
from deid.keys.base import KEY_BYTES, KeyProvider

FORMAT = "deid-keys/2"
KEK_ID = re.compile(r"[0-9a-f]{32}")
_GUARD = re.compile(r"[0-9a-f-]{32,64}")


class GroupKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The KEK of one column group: its id, and itself wrapped."""

    kek: str
    wrapped: bytes


class KeysFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What keys.json says, field by field as in docs/formats/keys.md."""

    format: str
    release: str
    series: str
    provider: str
    guard: str
    manifest_key: bytes
    groups: dict[str, GroupKey]


class Kek(msgspec.Struct, frozen=True):
    """A key-encryption key in memory: its id (32 hex digits) and 32 bytes, which `repr` does not show."""

    id: str
    key: bytes

    def __repr__(self) -> str:
        return f"Kek(id={self.id!r})"


def parse_keys(data: bytes) -> KeysFile:
    """Return what keys.json says; raise ReleaseError where it does not follow its format."""
    try:
        file = msgspec.json.decode(data, type=KeysFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        file = None
    if (
        file is None
        or file.format != FORMAT
        or not _GUARD.fullmatch(file.guard)
        or not all(KEK_ID.fullmatch(group.kek) for group in file.groups.values())
    ):
        raise ReleaseError("keys.json does not follow its format", hint="ask the sending site for the release again")
    return file


def encode_keys(file: KeysFile) -> bytes:
    """Return the bytes of keys.json."""
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def wrap_keys(
    provider: KeyProvider, *, series: str, release: str, manifest_key: bytes, keks: Mapping[str, Kek]
) -> KeysFile:
    """Wrap everything under a new guard key, and open it again: what could not be read must not be published.

    Raises KeyFaultError where the provider fails on the way; the guard key is destroyed then, if it can be reached.
    """
    guard = provider.create_guard(series=series, release=release).id
    try:
        file = KeysFile(
            FORMAT,
            release,
            series,
            provider.provider_id,
            guard,
            provider.wrap_under(guard, _manifest_name(release), manifest_key),
            {
                group: GroupKey(kek.id, provider.wrap_under(guard, kek_name(release, group, kek.id), kek.key))
                for group, kek in sorted(keks.items())
            },
        )
        same = hmac.compare_digest(open_manifest_key(provider, file), manifest_key) and all(
            hmac.compare_digest(open_kek(provider, file, group).key, kek.key) for group, kek in keks.items()
        )
        if not same:
            raise KeyFaultError(
                f"the provider {provider.provider_id} gave back other keys than it was given",
                hint="nothing was published; run `deid keys check`",
            )
    except BaseException:
        with suppress(KeyFaultError):
            provider.destroy_guard(guard)
        raise
    return file


def open_manifest_key(provider: KeyProvider, file: KeysFile) -> bytes:
    """Return the manifest key; raise KeyFaultError if the provider is another, or the guard key is gone."""
    _check_provider(provider, file)
    return provider.unwrap_under(file.guard, _manifest_name(file.release), file.manifest_key)


def open_kek(provider: KeyProvider, file: KeysFile, group: str) -> Kek:
    """Return the KEK of a group; raise KeyFaultError if there is none, or the provider does not open it."""
    _check_provider(provider, file)
    wrapped = file.groups.get(group)
    if wrapped is None:
        raise KeyFaultError(f"keys.json has no key of the column group {group!r}", hint="fetch the release again")
    key = provider.unwrap_under(file.guard, kek_name(file.release, group, wrapped.kek), wrapped.wrapped)
    if len(key) != KEY_BYTES:
        raise KeyFaultError(f"the key of the column group {group!r} is not 256 bits", hint="fetch the release again")
    return Kek(wrapped.kek, key)


def kek_name(release: str, group: str, kek: str) -> str:
    """Return the name under which a KEK is wrapped; a key policy can go by its beginning."""
    return f"parquet/{release}/{group}/{kek}"


def _manifest_name(release: str) -> str:
    return f"manifest/{release}"


def _check_provider(provider: KeyProvider, file: KeysFile) -> None:
    if provider.provider_id != file.provider:
        raise KeyFaultError(
            f"the keys of {file.release} were wrapped by the provider {file.provider[:8]}…, "
            f"and this is {provider.provider_id[:8]}…",
            hint="name the key provider that the sending site gave you access to",
        )
