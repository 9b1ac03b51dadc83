"""A release as one DuckDB database file, one table per table."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from deid.errors import DeidError, ReleaseError
from deid.opening.in_clear import converted
from deid.opening.opened import OpenedRelease
from deid.sealing.private import FILE, make_folder

MEMORY_LIMIT = "1GB"


def convert(release: OpenedRelease, target: Path) -> None:
    """Write every table into the new database file `target`, mode 0600.

    Raises ReleaseError where decryption fails or DuckDB refuses a table, StorageError if `target` exists or the disk is
    full; then nothing is left.
    """
    with converted(target) as file:
        _fill(release, file)


def _fill(release: OpenedRelease, file: Path) -> None:
    import duckdb  # noqa: PLC0415 - heavy, and needed by this converter only

    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": str(make_folder(file.parent / "spill")),
        "preserve_insertion_order": "false",
        "autoinstall_known_extensions": "false",  # no network
        "autoload_known_extensions": "false",
    }
    for table in release.tables:
        schema = release.schema(table)
        met: list[DeidError] = []
        try:
            with duckdb.connect(str(file), config=config) as connection:
                # DuckDB refuses a file that it did not make itself. Nobody else may enter its folder, where its log and
                # its spill stay, and it holds no row yet.
                file.chmod(FILE)
                # A stream, not a dataset: DuckDB would have the dataset read many row groups ahead into memory.
                connection.register("incoming", pa.RecordBatchReader.from_batches(schema, _noted(release, table, met)))
                connection.execute(f'CREATE TABLE "{table}" AS SELECT * FROM incoming')  # noqa: S608 - TABLE_NAME has no quote
                connection.unregister("incoming")
        except (duckdb.Error, pa.ArrowException) as error:  # their messages may quote cells
            if met:
                raise met[0] from None
            if os.strerror(errno.ENOSPC) in str(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
            if isinstance(error, duckdb.IOException):
                raise OSError from None
            raise ReleaseError(
                f"DuckDB refuses table {table}: {type(error).__name__}", hint="open the release to parquet instead"
            ) from None


def _noted(release: OpenedRelease, table: str, met: list[DeidError]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table, keeping a fault of ours: DuckDB would only show it as text of its own."""
    try:
        yield from release.batches(table)
    except DeidError as fault:
        met.append(fault)
        raise
