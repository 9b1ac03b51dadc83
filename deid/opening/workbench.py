"""A DuckDB database in the private folder of a conversion, on which released tables are sorted, joined and counted.

It holds clear data of a recipient who asked for clear data; it lies in a folder that nobody else may enter, and goes
with it. Memory is bounded by DuckDB, which spills beside the database. What DuckDB says may quote cells and is not
passed on.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from deid.errors import DeidError, ReleaseError
from deid.opening.opened import OpenedRelease
from deid.sealing.private import FILE, make_folder

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "1GB"
BATCH_ROWS = 65_536
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SPILL = "max_temp_directory_size"  # how DuckDB says that there is no room to spill to


def literal(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"


class Workbench:
    """A database of one conversion; every method raises ReleaseError for what DuckDB refuses, OSError for the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connection: duckdb.DuckDBPyConnection

    def __enter__(self) -> Self:
        import duckdb  # noqa: PLC0415 - heavy, and needed by these converters only

        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": str(make_folder(self._folder / "spill")),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",  # no network
            "autoload_known_extensions": "false",
        }
        file = self._folder / "work.duckdb"
        try:
            self._connection = duckdb.connect(str(file), config=config)
        except duckdb.Error as error:
            raise _translated(error) from None
        file.chmod(FILE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        import duckdb  # noqa: PLC0415 - see __enter__

        # The database is thrown away: that it cannot be written to the end is no fault of its own.
        with suppress(duckdb.Error):
            self._connection.close()

    def load(self, release: OpenedRelease, table: str, name: str) -> None:
        """Make table `name` of a released table: its columns as c0, c1, ..., and `row`, their order in the release."""
        schema = release.schema(table)
        if nested := next((field.name for field in schema if pa.types.is_nested(field.type)), None):
            raise ReleaseError(
                f"{table}.{nested} holds lists, which this format cannot", hint="open to parquet or duckdb"
            )
        numbered = pa.schema([(f"c{index}", field.type) for index, field in enumerate(schema)] + [("row", pa.int64())])
        met: list[DeidError] = []
        reader = pa.RecordBatchReader.from_batches(numbered, _numbered(release, table, numbered, met))
        self._connection.register("incoming", reader)
        self._run(f"CREATE TABLE {name} AS SELECT * FROM incoming", met)  # noqa: S608 - a name of ours
        self._connection.unregister("incoming")

    def run(self, sql: str) -> None:
        """Run one statement; names and texts in it are ours, numbered columns, or quoted."""
        self._run(sql, [])

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query in its order, in bounded memory."""
        import duckdb  # noqa: PLC0415 - see __enter__

        try:
            yield from self._connection.sql(sql).to_arrow_reader(BATCH_ROWS)
        except (duckdb.Error, pa.ArrowException) as error:
            raise _translated(error) from None

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Return the rows of a small query."""
        return [tuple(row.values()) for batch in self.batches(sql) for row in batch.to_pylist()]

    def _run(self, sql: str, met: list[DeidError]) -> None:
        import duckdb  # noqa: PLC0415 - see __enter__

        try:
            self._connection.execute(sql)
        except (duckdb.Error, pa.ArrowException) as error:
            raise (met[0] if met else _translated(error)) from None


def _numbered(release: OpenedRelease, table: str, schema: pa.Schema, met: list[DeidError]) -> Iterator[pa.RecordBatch]:
    """Yield a table's rows with their numbers, keeping a fault of ours: DuckDB would show it as text of its own."""
    start = 0
    try:
        for batch in release.batches(table):
            rows = pa.array(range(start, start + batch.num_rows), pa.int64())
            start += batch.num_rows
            yield pa.RecordBatch.from_arrays([*batch.columns, rows], schema=schema)
    except DeidError as fault:
        met.append(fault)
        raise


def _translated(error: Exception) -> Exception:
    import duckdb  # noqa: PLC0415 - see __enter__

    told = str(error)
    if (code := next((code for code in _FULL if os.strerror(code) in told), None)) or _SPILL in told:
        return OSError(code or errno.ENOSPC, os.strerror(code or errno.ENOSPC))
    if isinstance(error, duckdb.IOException):
        return OSError()
    return ReleaseError(
        f"DuckDB refuses this release: {type(error).__name__}", hint="open the release to parquet instead"
    )
