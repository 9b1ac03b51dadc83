"""Keys inside the Parquet files of a `columns` release: 256 bits at every layer, few calls to the key provider.

pyarrow's own key-encryption layer (`double_wrapping`) is fixed at 128 bits, and single wrapping alone would call the
provider for every column of every file. So the layer between is ours: one key-encryption key (KEK) per column group
and run; every data key (DEK) is AES-256-GCM under it. A file names its KEK, and keys.json holds it, wrapped
(`deid.keys.keys_file`). docs/formats/keys.md specifies both.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec
import pyarrow.parquet.encryption as pe

from deid.errors import KeyFaultError, PlanError
from deid.keys.base import KEY_BYTES, KeyProvider, encode_context, seal, unseal
from deid.keys.keys_file import KEK_ID, Kek, KeysFile, open_kek

FOOTER = "footer"
CACHE_LIFETIME = timedelta(seconds=600)  # of pyarrow's cache, which holds clients; what they hold is WrappedKeks'
KEK_SECONDS = 60
MAX_METADATA = 16 * 1024
_VERSION = 2
_GROUP = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SEPARATORS = frozenset(",:;")


class _KeyMetadata(msgspec.Struct, forbid_unknown_fields=True):
    """What stands in a Parquet file beside each encrypted part; nothing in it is secret."""

    v: int
    kek: str
    wdek: bytes


class Keks(Protocol):
    """Where a factory's clients find KEKs."""

    def for_writing(self, group: str) -> Kek:
        """Return the KEK that new files of a group are written under."""
        ...

    def for_reading(self, group: str) -> Kek:
        """Return the KEK of a group's files; raise KeyFaultError where there is none."""
        ...


class FreshKeks:
    """The KEKs of one run: made on first use, in memory only until keys.json is written."""

    __slots__ = ("_keks", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keks: dict[str, Kek] = {}

    def for_writing(self, group: str) -> Kek:
        """Return the KEK of a group, making it where it is not there yet."""
        with self._lock:  # pyarrow wraps from several threads; two first uses must not make two keys
            if group not in self._keks:
                self._keks[group] = Kek(os.urandom(16).hex(), os.urandom(KEY_BYTES))
            return self._keks[group]

    def for_reading(self, group: str) -> Kek:
        """Return the KEK of a group that was written."""
        return self.for_writing(group)

    @property
    def made(self) -> Mapping[str, Kek]:
        """The KEKs by group."""
        return dict(self._keks)


class WrappedKeks:
    """The KEKs of a published release: opened by the provider when they are needed, and soon forgotten.

    A KEK is kept for KEK_SECONDS, and not beyond the moment at which the provider knows that a key was destroyed.
    `clock`: seconds, for tests.
    """

    __slots__ = ("_clock", "_file", "_kept", "_lock", "_provider")

    def __init__(self, provider: KeyProvider, file: KeysFile, clock: Callable[[], float] = time.monotonic) -> None:
        self._provider = provider
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Kek, float, int]] = {}

    def for_writing(self, group: str) -> Kek:
        """Refuse: a published release gets no new files."""
        raise KeyFaultError(f"{self._file.release} is published: nothing is written into it", hint="make a new release")

    def for_reading(self, group: str) -> Kek:
        """Return the KEK of a group; raise KeyFaultError where the provider refuses it now."""
        with self._lock:
            now, changes = self._clock(), self._provider.changes
            kept = self._kept.pop(group, None)
            if kept is None or now - kept[1] > KEK_SECONDS or kept[2] != changes:
                kept = open_kek(self._provider, self._file, group), now, changes
            self._kept[group] = kept
            return kept[0]


class _ReleaseKmsClient(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """Wraps and unwraps DEKs under KEKs that it asks for each time."""

    def __init__(self, release: str, keks: Keks) -> None:
        super().__init__()
        self._release = release
        self._keks = keks

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        """Return the key metadata for one DEK; called by pyarrow."""
        kek = self._keks.for_writing(master_key_identifier)
        sealed = seal(kek.key, key_bytes, _dek_context(self._release, master_key_identifier, kek.id))
        return msgspec.json.encode(_KeyMetadata(_VERSION, kek.id, sealed)).decode("ascii")

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        """Return the DEK for pyarrow; raise KeyFaultError if the metadata was altered or is of another release."""
        metadata = _parse(wrapped_key, master_key_identifier)
        kek = self._keks.for_reading(master_key_identifier)
        dek = None
        if kek.id == metadata.kek:
            dek = unseal(kek.key, metadata.wdek, _dek_context(self._release, master_key_identifier, kek.id))
        if dek is None:
            raise _strange(master_key_identifier)
        return dek


def crypto_factory(release: str, keks: Keks) -> pe.CryptoFactory:
    """Return the factory of one run that writes or reads the release `release`; make a new one for each run."""
    return pe.CryptoFactory(lambda _configuration: _ReleaseKmsClient(release, keks))


def encryption_configuration(
    groups: Mapping[str, Sequence[str]], *, columns: Sequence[str]
) -> pe.EncryptionConfiguration:
    """Return the configuration that encrypts every one of `columns`, a table's top-level columns, under its group.

    Raises PlanError unless each column stands in exactly one group: pyarrow writes a column that is not listed in
    clear, even where the footer is encrypted.
    """
    _check_groups(groups)
    placed = [column for names in groups.values() for column in names]
    if len(set(columns)) != len(columns) or sorted(placed) != sorted(columns):
        missing, extra = sorted(set(columns) - set(placed)), sorted(set(placed) - set(columns))
        raise PlanError(
            f"every column must stand in exactly one key group: without one {missing}, unknown {extra}, "
            f"{len(placed)} places for {len(columns)} columns",
            hint="list every column of the table once",
        )
    return pe.EncryptionConfiguration(
        FOOTER,
        column_keys={group: list(names) for group, names in groups.items()},
        encryption_algorithm="AES_GCM_V1",  # CTR let 85 % of flipped bits through silently
        plaintext_footer=False,
        double_wrapping=False,
        cache_lifetime=CACHE_LIFETIME,
        internal_key_material=True,
        data_key_length_bits=256,
    )


def file_encryption_properties(
    factory: pe.CryptoFactory, configuration: pe.EncryptionConfiguration
) -> pe.FileEncryptionProperties:
    """Return properties for one file. Never share them: a column chunk could be grafted from one file into another."""
    return factory.file_encryption_properties(pe.KmsConnectionConfig(), configuration)


def file_decryption_properties(factory: pe.CryptoFactory) -> pe.FileDecryptionProperties:
    """Return properties that read files of the factory's release.

    pyarrow reads a plaintext file with them as well: check the file's digest against the signed manifest first.
    """
    return factory.file_decryption_properties(
        pe.KmsConnectionConfig(), pe.DecryptionConfiguration(cache_lifetime=CACHE_LIFETIME)
    )


def _check_groups(groups: Mapping[str, Sequence[str]]) -> None:
    for group, names in groups.items():
        if group == FOOTER or not _GROUP.fullmatch(group) or not names:
            raise PlanError(
                f"{group!r} cannot be a key group of {len(names)} columns",
                hint=f"a group holds a column; its name is lower-case letters, digits, _ and -, and not {FOOTER!r}",
            )
        for name in names:
            # pyarrow passes the groups on as one string, "group:column,column;…", and trims the names in it.
            if not name or name != name.strip() or _SEPARATORS & set(name):
                raise PlanError(
                    f"the column {name!r} cannot be encrypted under a group key",
                    hint="rename it: no comma, colon or semicolon, and no space at either end",
                )


def _parse(wrapped_key: str, group: str) -> _KeyMetadata:
    if len(wrapped_key) > MAX_METADATA:
        raise _strange(group)
    try:
        metadata = msgspec.json.decode(wrapped_key, type=_KeyMetadata)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise _strange(group) from None
    if metadata.v != _VERSION or not KEK_ID.fullmatch(metadata.kek):
        raise _strange(group)
    return metadata


def _strange(group: str) -> KeyFaultError:
    return KeyFaultError(
        f"the keys of the column group {group!r} in a Parquet file do not open",
        hint="check that this is the release that was asked for; if it is, the file was altered: fetch it again",
    )


def _dek_context(release: str, group: str, kek_id: str) -> bytes:
    return encode_context("deid/dek/v1", release, group, kek_id)
