"""Reads the files of a release from disk: first their digests, then their decrypted rows, batch by batch.

The export reads back what it staged (`read_back`); a recipient opens what arrived (deid.opening). Both go through here.
Messages of the Parquet library may quote cells and never leave this module.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from deid.errors import DeidError, ReleaseError, VerificationError
from deid.release.manifest import FILE_NAME, FileEntry
from deid.sinks.part_file import WrittenFile
from deid.sinks.release_keys import ReleaseKeys

ENCRYPTED, PLAINTEXT = b"PARE", b"PAR1"
BATCH_ROWS = 65_536
BATCH_BYTES = 32 * 1024 * 1024


def read_back(
    folder: Path,
    files: Iterable[WrittenFile],
    keys: ReleaseKeys,
    *,
    columns: Sequence[str] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:
    """Yield every row of `files`, below `folder`, as it stands on disk; raise VerificationError at the first fault.

    Each file's size and SHA-256 are compared before its rows are read, and its number of rows after.
    Columns that were written as dictionaries come back dictionary-encoded, so that checks run on their entries.
    """
    for file in files:
        check_file(folder, file.entry(), fault=VerificationError)
        rows = 0
        for batch in batches_of(
            folder,
            file.entry(),
            keys,
            columns=columns,
            dictionaries=file.dictionaries,
            batch_rows=batch_rows,
            fault=VerificationError,
        ):
            rows += batch.num_rows
            yield batch
        if rows != file.rows:
            raise VerificationError(
                f"{file.name} reads back with {rows:,} rows; {file.rows:,} were written",
                hint="check the disk of the releases folder and run the export again",
            )


def check_file(folder: Path, entry: FileEntry, *, fault: type[DeidError] = ReleaseError) -> None:
    """Raise `fault` unless the file is a regular, encrypted Parquet file of the stated size and SHA-256."""
    path = folder / entry.name
    check_digest(path, name=entry.name, sha256=entry.sha256, size=entry.bytes, fault=fault)
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(-4, os.SEEK_END)
        _check_magic(entry.name, head, file.read(4), fault)


def check_digest(path: Path, *, name: str, sha256: str, size: int, fault: type[DeidError] = ReleaseError) -> None:
    """Raise `fault` unless a regular file of that size and SHA-256 (hex) is at `path`; `name` is for the message."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise fault(f"{name} is not a plain file", hint=ASK_AGAIN)
        if found.st_size != size:
            with path.open("rb") as file:
                if file.read(4) == PLAINTEXT:
                    raise _in_clear(name, fault)
            raise fault(f"{name} has {found.st_size:,} bytes; {size:,} were written: cut or exchanged", hint=ASK_AGAIN)
        with path.open("rb", buffering=0) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise fault(f"{name} is missing", hint=ASK_AGAIN) from None
    except OSError as error:
        raise fault(f"cannot read {name}: {error.strerror}", hint="check that this user may read the release") from None
    if digest != sha256:
        raise fault(f"{name} is not the file that the manifest lists: its SHA-256 differs", hint=ASK_AGAIN)


def batches_of(
    folder: Path,
    entry: FileEntry,
    keys: ReleaseKeys,
    *,
    columns: Sequence[str] | None = None,
    dictionaries: Sequence[str] = (),
    batch_rows: int = BATCH_ROWS,
    fault: type[DeidError] = ReleaseError,
) -> Iterator[pa.RecordBatch]:
    """Yield the decrypted rows of one file, no batch across row groups; raise `fault` where it is not authentic."""
    match = FILE_NAME.fullmatch(entry.name)
    if match is None:
        raise fault("a file outside the data folder was asked for", hint=ASK_AGAIN)
    properties = keys.file_decryption_properties(match["table"], match["file"])
    try:
        with pq.ParquetFile(
            folder / entry.name,
            decryption_properties=properties,
            read_dictionary=list(dictionaries) or None,
            pre_buffer=False,
        ) as file:
            wanted = list(columns) if columns is not None else None
            for group in range(file.num_row_groups):
                fitting = _fitting_rows(file, group, batch_rows)
                yield from file.iter_batches(fitting, row_groups=[group], columns=wanted)
    except (OSError, pa.ArrowException):
        raise undecryptable(entry.name, fault) from None


def _fitting_rows(file: pq.ParquetFile, group: int, batch_rows: int) -> int:
    """Return how many rows make a batch of about 32 MiB: notes are long, and claims have 275 columns."""
    meta = file.metadata.row_group(group)
    row_bytes = max(meta.total_byte_size // max(meta.num_rows, 1), 8 * meta.num_columns)
    return int(min(batch_rows, max(BATCH_BYTES // row_bytes, 256)))


def undecryptable(name: str, fault: type[DeidError] = ReleaseError) -> DeidError:
    """Return the error for a file whose authenticated decryption failed."""
    return fault(
        f"{name} cannot be decrypted: it was changed, or it belongs to another release, table or part", hint=ASK_AGAIN
    )


def _check_magic(name: str, head: bytes, tail: bytes, fault: type[DeidError]) -> None:
    if PLAINTEXT in (head, tail):
        raise _in_clear(name, fault)
    if (head, tail) != (ENCRYPTED, ENCRYPTED):
        raise fault(f"{name} is not an encrypted Parquet file", hint=ASK_AGAIN)


def _in_clear(name: str, fault: type[DeidError]) -> DeidError:
    return fault(
        f"{name} is not encrypted: somebody put a plaintext file in its place",
        hint="do not use it; ask the sending site for the release again and report this to its privacy officer",
    )


ASK_AGAIN = "do not use this copy; ask the sending site for the release again"
