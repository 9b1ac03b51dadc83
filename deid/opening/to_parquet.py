"""A release as a folder of plain Parquet files, one folder per table, with Croissant metadata and a Data Package."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from deid.opening.described import describe
from deid.opening.in_clear import converted
from deid.opening.opened import OpenedRelease
from deid.release.manifest import FILE_NAME
from deid.sealing.private import make_folder, new_file
from deid.sinks.read_back import batches_of


def convert(release: OpenedRelease, target: Path) -> None:
    """Write each table to `target`/<table>/part-NNNNN.parquet, one file for each file of the release, zstd.

    A table that stands in folders stands in them here too. Folders are 0700 and files 0600.
    Raises ReleaseError where decryption fails, StorageError if `target` exists or the disk is full.
    """
    with converted(target) as folder:
        written: dict[str, list[Path]] = {}
        for table in release.tables:
            schema = release.schema(table)
            place = make_folder(folder / table)
            for file in release.manifest.tables[table].files:
                match = FILE_NAME.fullmatch(file.name)
                assert match is not None  # every name of a manifest was checked when it was read
                make_folder((place / match["file"]).parent)
                path = new_file(place / match["file"])
                written.setdefault(table, []).append(path)
                with pq.ParquetWriter(path, schema, compression="zstd") as writer:
                    for batch in batches_of(release.folder, file, release.keys, batch_rows=500_000):
                        writer.write_batch(batch)
        describe(release.manifest, folder, written, "parquet")
