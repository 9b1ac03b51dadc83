"""Keys inside the Parquet files of a `columns` release: 256 bits at every layer, few calls to the key provider.

pyarrow's own key-encryption layer (`double_wrapping`) is fixed at 128 bits, and single wrapping alone would call the
provider for every column of every file. So the layer between is ours: one key-encryption key (KEK) per column group
and run, wrapped once by the provider; every data key (DEK) is AES-256-GCM under it. docs/formats/keys.md specifies it.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
import pyarrow.parquet.encryption as pe

from deid.errors import KeyFaultError, PlanError
from deid.keys.base import KEY_BYTES, KeyProvider, encode_context, seal, unseal

FOOTER = "footer"
CACHE_LIFETIME = timedelta(seconds=600)
MAX_METADATA = 16 * 1024
_GROUP = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_ID = re.compile(r"[0-9a-f]{32}")
_SEPARATORS = frozenset(",:;")


class _KeyMetadata(msgspec.Struct, forbid_unknown_fields=True):
    """What stands in a Parquet file beside each encrypted part; nothing in it is secret."""

    v: int
    kek: str
    wkek: bytes
    wdek: bytes


class _RunKeys:
    """The KEKs of one run: made on first use, wrapped once each, shared by all clients of one factory."""

    __slots__ = ("_keys", "_lock", "_provider", "_release")

    def __init__(self, provider: KeyProvider, release: str) -> None:
        self._provider = provider
        self._release = release
        self._lock = threading.Lock()
        self._keys: dict[str, tuple[bytes, str, bytes]] = {}

    def for_group(self, group: str) -> tuple[bytes, str, bytes]:
        """Return KEK, its id and the wrapped KEK."""
        with self._lock:  # pyarrow wraps from several threads; two first uses must not make two keys
            if group not in self._keys:
                kek = os.urandom(KEY_BYTES)
                wrapped = self._provider.wrap(kek_name(self._release, group), kek)
                self._keys[group] = (kek, os.urandom(16).hex(), wrapped)
            return self._keys[group]


class _ReleaseKmsClient(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """Wraps DEKs under the run's KEKs, and unwraps with KEKs that live no longer than this client."""

    def __init__(self, provider: KeyProvider, release: str, run: _RunKeys) -> None:
        super().__init__()
        self._provider = provider
        self._release = release
        self._run = run
        self._opened: dict[tuple[str, bytes], bytes] = {}

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        """Return the key metadata for one DEK; called by pyarrow."""
        kek, kek_id, wrapped = self._run.for_group(master_key_identifier)
        sealed = seal(kek, key_bytes, _dek_context(self._release, master_key_identifier, kek_id))
        return msgspec.json.encode(_KeyMetadata(1, kek_id, wrapped, sealed)).decode("ascii")

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        """Return the DEK for pyarrow; raise KeyFaultError if the metadata was altered or is of another release."""
        metadata = _parse(wrapped_key, master_key_identifier)
        kek = self._kek(metadata, master_key_identifier)
        dek = unseal(kek, metadata.wdek, _dek_context(self._release, master_key_identifier, metadata.kek))
        if dek is None:
            raise _strange(master_key_identifier)
        return dek

    def _kek(self, metadata: _KeyMetadata, group: str) -> bytes:
        # The wrapped bytes are part of the cache key: an altered one is never answered from the cache.
        place = (group, metadata.wkek)
        if place not in self._opened:
            kek = self._provider.unwrap(kek_name(self._release, group), metadata.wkek)
            if len(kek) != KEY_BYTES:
                raise _strange(group)
            self._opened[place] = kek
        return self._opened[place]


def kek_name(release: str, group: str) -> str:
    """Return the name under which a provider wraps the KEK of one column group of one release."""
    return f"parquet/{release}/{group}"


def crypto_factory(provider: KeyProvider, release_id: str) -> pe.CryptoFactory:
    """Return the factory of one run that writes or reads the release `release_id`; make a new one for each run."""
    run = _RunKeys(provider, release_id)
    return pe.CryptoFactory(lambda _configuration: _ReleaseKmsClient(provider, release_id, run))


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
    if metadata.v != 1 or not _ID.fullmatch(metadata.kek):
        raise _strange(group)
    return metadata


def _strange(group: str) -> KeyFaultError:
    return KeyFaultError(
        f"the keys of the column group {group!r} in a Parquet file do not open",
        hint="check that this is the release that was asked for; if it is, the file was altered: fetch it again",
    )


def _dek_context(release: str, group: str, kek_id: str) -> bytes:
    return encode_context("deid/dek/v1", release, group, kek_id)
