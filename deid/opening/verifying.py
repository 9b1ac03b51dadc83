"""Verifies a release: with a private key down to the last encrypted page, without one what digests can tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from deid.errors import ReleaseError
from deid.keys.base import KeyProvider
from deid.keys.recipients import Identity
from deid.opening.folder import faults_in, read_small, refuse_recalled
from deid.opening.opened import OpenedRelease, unlock
from deid.opening.sender import require_sender
from deid.papers.trust import TrustRoot
from deid.release.manifest import MANIFEST, FileEntry, Manifest, TableEntry, from_bytes
from deid.release.small_counts import shown
from deid.sinks.read_back import ASK_AGAIN, batches_of


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at and what was found.

    `integrity_proven`: whether a key proved that manifest and files are as they were made; without one, digests only
    show that files and manifest agree. Who made the release is proven by neither, but by
    a signature of one of `signers`, who are empty where no trust root was given.
    `decrypted` counts (file, column) pairs that were decrypted to the last row.
    """

    release: str
    profile: str
    integrity_proven: bool
    tables: int
    files: int
    rows: int
    bytes: int
    decrypted: int
    faults: tuple[ReleaseError, ...]
    signers: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.faults


def verify_release(
    folder: Path,
    identities: Sequence[Identity] | None = None,
    *,
    provider: KeyProvider | None = None,
    trust: TrustRoot | None = None,
) -> Verification:
    """Compare the release in `folder` with its manifest and, with keys, decrypt every column of every file.

    Faults of files are collected; what stands in the way of looking at them is raised: KeyFaultError if no key
    fits, ReleaseError if the release was recalled, or its manifest is missing, unproven or not a manifest;
    TrustError if, by the `trust` root, nobody who may has signed for it.
    """
    refuse_recalled(folder)
    keyed = bool(identities) or provider is not None
    opened = unlock(folder, identities or (), provider=provider) if keyed else None
    # Read once: what was signed is what is compared, whatever happens to the file meanwhile.
    data = read_small(folder, MANIFEST)
    manifest = from_bytes(data)
    if opened is not None and opened.manifest != manifest:
        raise ReleaseError(f"{MANIFEST} was changed while it was read", hint=ASK_AGAIN)
    signers = require_sender(folder, data, manifest, trust) if trust is not None else ()
    faults = list(faults_in(folder, manifest))
    decrypted, rows = 0, _told_rows(manifest)
    if opened is not None and not faults:  # a file that is not the sender's is not parsed
        counted: Counter[str] = Counter()
        for name, table in manifest.tables.items():
            faults += _decrypt_table(opened, name, table, counted)
        rows = counted.total()
        decrypted = sum(len(table.columns) * len(table.files) for table in manifest.tables.values())
    return Verification(
        release=manifest.release,
        profile=manifest.profile,
        integrity_proven=opened is not None,
        tables=len(manifest.tables),
        files=len(manifest.files()),
        rows=rows,
        bytes=sum(file.bytes for file in manifest.files()),
        decrypted=decrypted if not faults else 0,
        faults=tuple(faults),
        signers=signers,
    )


def _told_rows(manifest: Manifest) -> int:
    """Return the rows that the manifest tells; counts of one to ten are a class there, which only a key can count."""
    return sum(table.rows for table in manifest.tables.values() if isinstance(table.rows, int))


def _decrypt_table(
    opened: OpenedRelease, name: str, table: TableEntry, counted: Counter[str]
) -> Iterator[ReleaseError]:
    nulls = dict.fromkeys((column.name for column in table.columns), 0)
    for file in table.files:
        try:
            counted[name] += _decrypt_file(opened, file, table, nulls)
        except ReleaseError as fault:
            yield fault
            return
    for column in table.columns:
        if column.nulls is not None and column.nulls not in (nulls[column.name], shown(nulls[column.name])):
            yield ReleaseError(f"{name}.{column.name} has another number of nulls than {MANIFEST} says", hint=ASK_AGAIN)


def _decrypt_file(opened: OpenedRelease, file: FileEntry, table: TableEntry, nulls: dict[str, int]) -> int:
    rows = 0
    expected = [(column.name, column.type) for column in table.columns]
    for batch in batches_of(opened.folder, file, opened.keys):
        rows += batch.num_rows
        if [(field.name, str(field.type)) for field in batch.schema] != expected:
            raise ReleaseError(f"{file.name} has other columns than {MANIFEST} says", hint=ASK_AGAIN)
        _count_nulls(batch, nulls)
    if file.rows not in (rows, shown(rows)):
        raise ReleaseError(f"{file.name} has {rows:,} rows; {MANIFEST} says {file.rows}", hint=ASK_AGAIN)
    return rows


def _count_nulls(batch: pa.RecordBatch, nulls: dict[str, int]) -> None:
    for field, column in zip(batch.schema, batch.columns, strict=True):
        nulls[field.name] += column.null_count
