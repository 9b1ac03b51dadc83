"""The keys of one release: what encrypts its files and proves its manifest.

portable: one 256-bit key for the release; every file is bound to release, table and name by an AAD prefix.
columns: a key per column group, wrapped by a key provider; see deid.keys.parquet_kms and deid.keys.keys_file.
docs/formats/release.md, sections "Encryption" and "Authentication", is the specification.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import NoReturn, Self

import msgspec
import pyarrow.parquet.encryption as pe
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from deid.errors import KeyFaultError, ReleaseError
from deid.keys import parquet_kms
from deid.keys.base import KEY_BYTES, KeyProvider
from deid.keys.keys_file import KeysFile, encode_keys, open_manifest_key, parse_keys, wrap_keys
from deid.keys.parquet_kms import FreshKeks
from deid.release.manifest import FORMAT, KEYS, RELEASE_ID

PORTABLE, COLUMNS = "portable", "columns"
DEFAULT_GROUP = "data"
_ENVELOPE_FORMAT = "deid-envelope/1"
_ASK_AGAIN = "ask the sending site for the release again"


class _Payload(msgspec.Struct, forbid_unknown_fields=True):
    """What the envelope holds; `key` is 64 hex digits."""

    format: str
    release: str
    profile: str
    key: str


@dataclass(frozen=True, slots=True)
class ColumnKeys:
    """What the `columns` profile needs beside the manifest key; `groups` maps `table.column` to a key group."""

    provider: KeyProvider
    factory: pe.CryptoFactory
    groups: Mapping[str, str]
    series: str
    fresh: FreshKeks | None = None
    made: list[str] = field(default_factory=list)  # ids of guard keys, until the release is published


@dataclass(frozen=True, slots=True)
class ReleaseKeys:
    """The keys of one release; `repr` holds no secret, and they cannot be pickled.

    `key` is the release key (portable) or the manifest key (columns), 32 bytes. `column_keys` is None for portable,
    and for a `columns` release that was opened without its key provider: its manifest can be proven, its data not read.
    """

    release: str
    profile: str
    key: bytes = field(repr=False)
    column_keys: ColumnKeys | None = field(default=None, repr=False)

    def __reduce__(self) -> NoReturn:
        raise TypeError("the keys of a release cannot be pickled or copied")

    @classmethod
    def portable(cls, release: str) -> ReleaseKeys:
        """Return a fresh key from the operating system's generator for the portable release called `release`."""
        _check_release(release)
        return cls(release, PORTABLE, os.urandom(KEY_BYTES))

    @classmethod
    def columns(cls, provider: KeyProvider, release: str, groups: Mapping[str, str], *, series: str) -> ReleaseKeys:
        """Return fresh keys for a release of a series (request/party) whose column groups `provider` guards.

        `groups` maps `table.column` to the name of its group; a column without one is in group `data`, so that none
        is ever written in clear.
        """
        _check_release(release)
        fresh = FreshKeks()
        factory = parquet_kms.crypto_factory(release, fresh)
        guards = ColumnKeys(provider, factory, MappingProxyType({**groups}), series, fresh)
        return cls(release, COLUMNS, os.urandom(KEY_BYTES), guards)

    @classmethod
    def from_payload(
        cls, payload: bytes, provider: KeyProvider | None = None, keys_file: Callable[[], bytes] | None = None
    ) -> ReleaseKeys:
        """Return the keys that an opened envelope holds; raise KeyFaultError if it holds none of ours.

        `keys_file` gives the content of keys.json; it is asked for where a `columns` release is opened with a provider.
        """
        try:
            raw = msgspec.json.decode(payload, type=_Payload)
            key = bytes.fromhex(raw.key)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise _strange_envelope() from None
        sound = raw.format == _ENVELOPE_FORMAT and raw.profile in (PORTABLE, COLUMNS) and len(key) == KEY_BYTES
        if not sound or not RELEASE_ID.fullmatch(raw.release):
            raise _strange_envelope()
        guards = None
        if raw.profile == COLUMNS and provider is not None and keys_file is not None:
            file = parse_keys(keys_file())
            if file.release != raw.release:
                raise ReleaseError(f"{KEYS} belongs to another release", hint=_ASK_AGAIN)
            guards = _guarded(file, provider)
        return cls(raw.release, raw.profile, key, guards)

    @classmethod
    def from_keys_file(cls, data: bytes, provider: KeyProvider) -> ReleaseKeys:
        """Return the keys of a `columns` release from its keys.json; raise KeyFaultError if `provider` is another."""
        file = parse_keys(data)
        if not RELEASE_ID.fullmatch(file.release):
            raise ReleaseError(f"{KEYS} does not follow its format", hint=_ASK_AGAIN)
        return cls(file.release, COLUMNS, open_manifest_key(provider, file), _guarded(file, provider))

    def payload(self) -> bytes:
        """Return what is sealed to the recipients: one line of JSON that names release, profile and key."""
        return msgspec.json.encode(_Payload(_ENVELOPE_FORMAT, self.release, self.profile, self.key.hex())) + b"\n"

    def keys_file(self) -> bytes:
        """Make the release's guard key, wrap every key under it, open them again, and return the content of keys.json.

        Nothing in it is secret. All calls of a run to the provider's guard keys are made here.
        """
        guards = self._guards()
        if guards.fresh is None:
            raise KeyFaultError(f"{self.release} has its {KEYS}", hint="rotate its keys with `deid keys rotate`")
        file = wrap_keys(
            guards.provider, series=guards.series, release=self.release, manifest_key=self.key, keks=guards.fresh.made
        )
        guards.made.append(file.guard)
        return encode_keys(file)

    def __enter__(self) -> Self:
        """Enter before the release is staged: where it is not published, its guard key is destroyed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.column_keys is None:
            return
        if kind is not None:
            for guard in self.column_keys.made:
                with suppress(KeyFaultError):  # it guards nothing; `deid keys check` finds it
                    self.column_keys.provider.destroy_guard(guard)
        self.column_keys.made.clear()

    @property
    def aad(self) -> str | None:
        """The beginning of every file's AAD prefix, for the manifest; None for `columns`, which pyarrow gives none."""
        return f"{FORMAT}/{self.release}/" if self.profile == PORTABLE else None

    def file_encryption_properties(
        self, table: str, file_name: str, column_names: tuple[str, ...]
    ) -> pe.FileEncryptionProperties:
        """Return fresh properties for one file: AES-256-GCM over footer and every column.

        Fresh ones carry a new random file id in the AAD of every module; shared ones would let a column chunk be
        grafted from one file into another unnoticed. The prefix is stored in the file so that pyarrow and Polars open
        it with the key alone; opening passes the expected prefix, which must then equal the stored one.
        """
        if self.profile == PORTABLE:
            return pe.create_encryption_properties(
                self.key, aad_prefix=_aad_prefix(self.release, table, file_name), store_aad_prefix=True
            )
        guards = self._guards()
        groups: dict[str, list[str]] = {}
        for name in column_names:
            groups.setdefault(guards.groups.get(f"{table}.{name}", DEFAULT_GROUP), []).append(name)
        configuration = parquet_kms.encryption_configuration(groups, columns=column_names)
        return parquet_kms.file_encryption_properties(guards.factory, configuration)

    def file_decryption_properties(self, table: str, file_name: str) -> pe.FileDecryptionProperties:
        """Return properties for one file; raise KeyFaultError for a `columns` release without its key provider.

        Those of a portable release open only the file written for this release, table and name, and no plaintext file.
        """
        if self.profile == PORTABLE:
            return pe.create_decryption_properties(self.key, aad_prefix=_aad_prefix(self.release, table, file_name))
        return parquet_kms.file_decryption_properties(self._guards().factory)

    def manifest_mac(self, manifest: bytes) -> str:
        """Return HMAC-SHA256 in hex over the manifest, under a key derived from the release key for this alone."""
        info = f"{FORMAT} manifest {self.release}".encode()
        derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self.key)
        return hmac.digest(derived, manifest, "sha256").hex()

    def proves(self, manifest: bytes, mac: bytes) -> bool:
        """Whether `mac` could only have been written by a holder of these keys (compared in constant time)."""
        return hmac.compare_digest(self.manifest_mac(manifest).encode(), mac.strip())

    def _guards(self) -> ColumnKeys:
        if self.column_keys is None:
            raise KeyFaultError(
                f"the data keys of {self.release} are wrapped by a key provider, and none was given",
                hint="name the key provider that the sending site gave you access to",
            )
        return self.column_keys


def _guarded(file: KeysFile, provider: KeyProvider) -> ColumnKeys:
    keks = parquet_kms.WrappedKeks(provider, file)
    return ColumnKeys(provider, parquet_kms.crypto_factory(file.release, keks), {}, file.series)


def _aad_prefix(release: str, table: str, file_name: str) -> bytes:
    """Bind a file to its place; only the name within a table may hold a slash, so no two places share a prefix."""
    return f"{FORMAT}/{release}/{table}/{file_name}".encode()


def _check_release(release: str) -> None:
    if not RELEASE_ID.fullmatch(release):
        raise KeyFaultError(
            "the name of a release holds other than letters, digits, dots, underscores and hyphens",
            hint="name the release by request, period and date",
        )


def _strange_envelope() -> KeyFaultError:
    return KeyFaultError(
        "the envelope opens, but what it holds is not the key of a release",
        hint="check that this is the release you were sent, and open it with a current version of deid",
    )
