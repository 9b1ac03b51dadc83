"""A release as a folder of CSV files, one per table: UTF-8, RFC 4180, nulls as nothing and empty text as two quotes.

A Data Package beside them tells other tools their schemas.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv

from deid.errors import ReleaseError
from deid.opening.described import describe
from deid.opening.in_clear import converted
from deid.opening.opened import OpenedRelease
from deid.sealing.private import make_folder, new_file


def convert(release: OpenedRelease, target: Path) -> None:
    """Write each table to `target`/<table>.csv with a header line; folder 0700, files 0600.

    Raises ReleaseError where decryption fails or a column holds lists, StorageError if `target` exists or the disk is
    full; then nothing is left.
    """
    with converted(target) as folder:
        make_folder(folder)
        written: dict[str, list[Path]] = {}
        for table in release.tables:
            schema = release.schema(table)
            if nested := next((field.name for field in schema if pa.types.is_nested(field.type)), None):
                raise ReleaseError(f"{table}.{nested} holds lists, which CSV cannot", hint="open to parquet or duckdb")
            path = new_file(folder / f"{table}.csv")
            written[table] = [path]
            with pcsv.CSVWriter(path, schema) as writer:
                for batch in release.batches(table):
                    writer.write_batch(batch)
        describe(release.manifest, folder, written, "csv")
