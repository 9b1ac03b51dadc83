"""The sink: tables into encrypted Parquet files, in bounded memory.

Fixed for every file: AES-256-GCM over footer and every column, data pages of version 1 (Spark cannot decrypt
version 2), zstd, row groups of at most 500,000 rows or 32 MiB, no statistics unless a column is named as safe,
no Arrow schema in the metadata. docs/formats/release.md, section "files", is the specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from deid.engine.ahead import Behind
from deid.errors import StorageError, VerificationError
from deid.release.manifest import TABLE_NAME
from deid.sealing.private import make_folder, sync_folder
from deid.sinks.part_file import PartFile, WrittenFile, on_disk
from deid.sinks.release_keys import ReleaseKeys
from deid.sinks.row_groups import (
    Order,
    batch_bytes,
    is_worth_a_dictionary,
    plain_type,
    random_order,
    without_dictionaries,
)

__all__ = ["Sizes", "TableWriter", "WrittenFile", "stored_schema"]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sizes:
    """Where row groups and files end: at the first limit that is reached; bytes of a group are those in memory."""

    group_rows: int = 500_000
    group_bytes: int = 32 * MIB
    file_rows: int = 5_000_000
    file_bytes: int = 2048 * MIB


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema that readers of a written file see: no dictionaries, no metadata, Parquet's own types."""
    plain = pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, plain, store_schema=False):
        pass
    return pq.read_schema(sink.getvalue())


def _written(file: PartFile, columns: list[list[pa.Array]], order: Order | None) -> None:
    file.write(columns, order)
    pa.default_memory_pool().release_unused()  # what a row group took would else stay with the process


class TableWriter:
    """Writes one table of a release as part files below `folder`/data/`table`.

    `statistics` names the columns whose minimum and maximum reveal nothing. Close it, or use it in a `with` block:
    an exception there closes every handle and leaves removal to the caller, who owns the staging folder. `is_apart`:
    whether a row group is written in a thread of its own, while the next one is gathered. `first`: the number of the
    first part file, where another writer writes those before it. `within`: the folder of the table's folder in which
    the files lie, with a slash at its end.
    """

    def __init__(
        self,
        folder: Path,
        table: str,
        schema: pa.Schema,
        keys: ReleaseKeys,
        *,
        statistics: tuple[str, ...] = (),
        shuffle: bool = True,
        sizes: Sizes = Sizes(),
        is_apart: bool = False,
        first: int = 0,
        within: str = "",
    ) -> None:
        if not TABLE_NAME.fullmatch(table):
            raise StorageError(
                "a table's name holds other than letters, digits, dots, underscores and hyphens",
                hint="rename the table in the dataset description; names become folder names",
            )
        self._schema = pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])
        self._table, self._keys, self._root = table, keys, folder
        self._statistics, self._shuffle, self._sizes = statistics, shuffle, sizes
        self._first, self._within = first, within
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0
        self._seen: set[tuple[int, int]] = set()
        self._file: PartFile | None = None
        self._done: list[WrittenFile] = []
        self._closed = False
        self._behind = Behind(is_apart=is_apart)
        self._folder = folder / "data" / table / within
        on_disk(self._folder, lambda: make_folder(self._folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Take rows of the table's schema, plain or dictionary-encoded; raise StorageError when the disk is full."""
        self._check(rows.schema)
        batches = rows.to_batches() if isinstance(rows, pa.Table) else [rows]
        for batch in batches:
            self._take(batch)

    def close(self) -> tuple[WrittenFile, ...]:
        """Write what is left, force files and folders to disk and return the files; may be called again."""
        if self._closed:
            return tuple(self._done)
        try:
            self._flush()
            self._settle()
            if not self._done and self._file is None:  # an empty table still has a file, so that its columns are known
                self._open(frozenset())
            self._finish()
            above = self._folder.parents[: len(self._folder.relative_to(self._root).parts)]
            for folder in (self._folder, *above):
                on_disk(folder, lambda folder=folder: sync_folder(folder))  # type: ignore[misc]
        except BaseException:
            self.abort()
            raise
        self._closed = True
        return tuple(self._done)

    def abort(self) -> None:
        """Close every handle without finishing; what is on disk is incomplete and the caller removes it."""
        self._pending.clear()
        self._closed = True
        self._behind.wait()
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def _check(self, schema: pa.Schema) -> None:
        if self._closed:
            raise VerificationError(f"rows came for {self._table} after it was closed", hint="report this as a defect")
        found = [(field.name, plain_type(field.type)) for field in schema]
        expected = [(field.name, field.type) for field in self._schema]
        if found != expected:
            pairs = zip(found, expected, strict=False)
            wrong = next((f"{want[0]} as {want[1]}" for got, want in pairs if got != want), "other columns")
            raise VerificationError(
                f"the rows of {self._table} are not what the plan promised: expected {wrong}",
                hint="report this as a defect; nothing was published",
            )

    def _take(self, batch: pa.RecordBatch) -> None:
        room = self._sizes.group_rows - self._pending_rows
        if batch.num_rows > room:
            self._take(batch.slice(0, room))
            self._take(batch.slice(room))
            return
        size = batch_bytes(batch, self._seen)
        if self._pending_bytes + size > self._sizes.group_bytes:
            if self._pending:  # the batch begins the next group
                self._flush()
                self._take(batch)
                return
            if batch.num_rows > 1:
                self._seen.clear()
                batch = without_dictionaries(batch)  # each half would count, and hold, the whole of them again
                half = batch.num_rows // 2
                self._take(batch.slice(0, half))
                self._take(batch.slice(half))
                return
        if batch.num_rows:
            self._pending.append(batch)
            self._pending_rows += batch.num_rows
            self._pending_bytes += size
        if self._pending_rows >= self._sizes.group_rows:
            self._flush()

    def _flush(self) -> None:
        if not self._pending_rows:
            return
        self._settle()  # at most one row group waits, so that memory stays bounded
        rows = self._pending_rows
        columns = [[batch.column(i) for batch in self._pending] for i in range(len(self._schema))]
        self._pending.clear()
        self._pending_rows = self._pending_bytes = 0
        self._seen.clear()
        if self._file is None:
            names = self._schema.names
            self._open(frozenset(n for n, chunks in zip(names, columns, strict=True) if is_worth_a_dictionary(chunks)))
        assert self._file is not None
        file, order = self._file, random_order(rows) if self._shuffle else None
        self._behind.start(lambda: _written(file, columns, order))

    def _settle(self) -> None:
        """Wait for the row group that is being written, and end its file where that is large enough."""
        self._behind.settle()
        file = self._file
        if file is not None and (file.rows >= self._sizes.file_rows or file.size >= self._sizes.file_bytes):
            self._finish()

    def _open(self, dictionaries: frozenset[str]) -> None:
        number = self._first + len(self._done)
        self._file = PartFile(
            self._root, self._table, number, self._schema, dictionaries, self._keys, self._statistics, self._within
        )

    def _finish(self) -> None:
        if self._file is not None:
            self._done.append(self._file.finish())
            self._file = None
