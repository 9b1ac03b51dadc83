"""Opens a release with a recipient's private key: nothing is believed before it is proven.

In this order: no notice of recall lies there; the envelope opens and gives the keys; the manifest's MAC was written by
a holder of them; only then is the manifest read; every file it lists is there, whole, encrypted and its own, and
nothing else is. A file is decrypted only as the one that was written for this release, table and part.
All this proves that a release is whole, not who made it: anybody who has a recipient's public key can seal one to it.
Who made it is proven by the site's signature, where a trust root is given.
docs/formats/release.md is the specification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from deid.errors import ReleaseError
from deid.keys.base import KeyProvider
from deid.keys.recipients import Identity, load_identity, open_envelope
from deid.opening.folder import faults_in, read_small, refuse_recalled
from deid.opening.sender import require_sender
from deid.papers.trust import TrustRoot
from deid.release.manifest import (
    ENVELOPE,
    FILE_NAME,
    KEYS,
    MAC,
    MANIFEST,
    REST,
    FileEntry,
    Manifest,
    TableEntry,
    from_bytes,
)
from deid.sinks.read_back import ASK_AGAIN, BATCH_ROWS, batches_of, undecryptable
from deid.sinks.release_keys import ReleaseKeys


@dataclass(frozen=True, slots=True)
class OpenedRelease:
    """A release that was found sound, with the keys to read it; `repr` holds no secret.

    `signers`: who signed for it, by the trust root that was given; empty where none was.
    """

    folder: Path
    manifest: Manifest
    keys: ReleaseKeys
    signers: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables."""
        return tuple(self.manifest.tables)

    def schema(self, table: str) -> pa.Schema:
        """Return the Arrow schema of a table as it stands on disk; raise ReleaseError if there is no such table."""
        file = self._entry(table).files[0]
        try:
            return pq.read_schema(self.folder / file.name, decryption_properties=self._properties(file))
        except (OSError, pa.ArrowException):
            raise undecryptable(file.name) from None

    def dataset(self, table: str) -> ds.Dataset:
        """Return a lazy dataset of a table, decrypting as it is read; DuckDB and Polars can scan it.

        Each file is opened with properties of its own, which bind it to its place; a dataset-wide set could not.
        Of a table in folders, a filter by the column that names them leaves files unread.
        """
        files, schema = self._entry(table).files, self.schema(table)
        local = LocalFileSystem()
        fragments = [
            self._format(file).make_fragment(
                str((self.folder / file.name).resolve()), filesystem=local, partition_expression=_promise(file, schema)
            )
            for file in files
        ]
        return ds.FileSystemDataset(fragments, schema, self._format(files[0]), filesystem=local)

    def batches(
        self, table: str, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table in bounded memory; raise ReleaseError where decryption fails."""
        for file in self._entry(table).files:
            yield from batches_of(self.folder, file, self.keys, columns=columns, batch_rows=batch_rows)

    def read(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a whole table in memory; raise ReleaseError where decryption fails."""
        schema = self.schema(table)
        if columns is not None:
            if missing := sorted(set(columns) - set(schema.names)):
                raise ReleaseError(f"table {table} has no column {missing[0]}", hint="codebook.md lists the columns")
            schema = pa.schema([schema.field(name) for name in columns])
        return pa.Table.from_batches(
            (batch.select(schema.names) for batch in self.batches(table, columns)), schema=schema
        )

    def _entry(self, table: str) -> TableEntry:
        entry = self.manifest.tables.get(table)
        if entry is None or not entry.files:
            raise ReleaseError(
                f"this release has no such table; it has {', '.join(self.tables)}", hint="name one of these tables"
            )
        return entry

    def _format(self, file: FileEntry) -> ds.ParquetFileFormat:
        options = ds.ParquetFragmentScanOptions(decryption_properties=self._properties(file), pre_buffer=False)
        return ds.ParquetFileFormat(default_fragment_scan_options=options)

    def _properties(self, file: FileEntry) -> pq.FileDecryptionProperties:
        match = FILE_NAME.fullmatch(file.name)
        assert match is not None  # every name of a manifest was checked when it was read
        return self.keys.file_decryption_properties(match["table"], match["file"])


def _promise(file: FileEntry, schema: pa.Schema) -> ds.Expression | None:
    """Return what holds of every row of a file by its folder, or None."""
    match = FILE_NAME.fullmatch(file.name)
    if match is None or match["column"] is None or match["value"] == REST:
        return None
    try:
        value = pa.scalar(match["value"]).cast(schema.field(match["column"]).type)
    except (KeyError, pa.ArrowException):
        raise ReleaseError(f"{MANIFEST} lists a folder that {match['table']} cannot have", hint=ASK_AGAIN) from None
    return ds.field(match["column"]) == value


def open_release(
    folder: Path,
    identities: Sequence[Path],
    passphrase: Callable[[], bytes] | None = None,
    *,
    provider: KeyProvider | None = None,
    trust: TrustRoot | None = None,
) -> OpenedRelease:
    """Open the release in `folder` with private key files; `passphrase` is asked where one of them is locked.

    The data of a `columns` release also needs its key `provider`, which opens it without a private key too.
    With a `trust` root, the site must have signed for the release.
    Raises TrustError if it did not, KeyFaultError if no key fits, ReleaseError if the release was recalled, or at the
    first thing that is not as its maker left it.
    """
    return open_with(folder, [load_identity(path, passphrase) for path in identities], provider=provider, trust=trust)


def open_with(
    folder: Path,
    identities: Sequence[Identity],
    *,
    provider: KeyProvider | None = None,
    trust: TrustRoot | None = None,
) -> OpenedRelease:
    """Open the release in `folder` with private keys in memory; see `open_release`."""
    opened = unlock(folder, identities, provider=provider, trust=trust)
    for fault in faults_in(folder, opened.manifest):
        raise fault
    return opened


def unlock(
    folder: Path,
    identities: Sequence[Identity],
    *,
    provider: KeyProvider | None = None,
    trust: TrustRoot | None = None,
) -> OpenedRelease:
    """Open the envelope and prove the manifest, without looking at the files yet; see `open_release`."""
    refuse_recalled(folder)
    data = read_small(folder, MANIFEST)
    mac = read_small(folder, MAC)
    if identities or provider is None:
        payload = open_envelope(read_small(folder, ENVELOPE), identities)
        keys = ReleaseKeys.from_payload(payload, provider, lambda: read_small(folder, KEYS))
    else:
        keys = ReleaseKeys.from_keys_file(read_small(folder, KEYS), provider)
    if not keys.proves(data, mac):
        raise ReleaseError(
            f"{MANIFEST} was not written by a holder of this release's key, or was changed since", hint=ASK_AGAIN
        )
    manifest = from_bytes(data)
    if (manifest.release, manifest.profile) != (keys.release, keys.profile):
        raise ReleaseError(f"{MANIFEST} and {ENVELOPE} belong to different releases", hint=ASK_AGAIN)
    signers = require_sender(folder, data, manifest, trust) if trust is not None else ()
    return OpenedRelease(folder, manifest, keys, signers)
