"""The sink: tables into encrypted Parquet files, in bounded memory.

Fixed for every file: AES-256-GCM over footer and every column, data pages of version 1 (Spark cannot decrypt
version 2), zstd, row groups of at most 500,000 rows or 128 MiB, no statistics unless a column is named as safe,
no Arrow schema in the metadata. docs/formats/release.md, section "files", is the specification.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from deid.errors import StorageError, VerificationError
from deid.manifest import TABLE_NAME, FileEntry
from deid.sinks.release_keys import ReleaseKeys
from deid.sinks.row_groups import (
    Order,
    batch_bytes,
    combine,
    is_worth_a_dictionary,
    plain_type,
    random_order,
    without_dictionaries,
)

MIB = 1024 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Sizes:
    """Where row groups and files end: at the first limit that is reached; bytes of a group are those in memory."""

    group_rows: int = 500_000
    group_bytes: int = 128 * MIB
    file_rows: int = 5_000_000
    file_bytes: int = 2048 * MIB


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One finished file: name relative to the release folder, SHA-256 (hex) and size of what was written.

    `dictionaries` names the columns that were written as dictionaries, which are worth reading back as such.
    """

    table: str
    name: str
    sha256: str
    size: int
    rows: int
    row_groups: int
    dictionaries: tuple[str, ...] = ()

    def entry(self) -> FileEntry:
        """Return the file as the manifest lists it."""
        return FileEntry(self.name, self.sha256, self.size, self.rows, self.row_groups)


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema that readers of a written file see: no dictionaries, no metadata, Parquet's own types."""
    plain = pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, plain, store_schema=False):
        pass
    return pq.read_schema(sink.getvalue())


class TableWriter:
    """Writes one table of a release as part files below `folder`/data/`table`.

    `statistics` names the columns whose minimum and maximum reveal nothing. Close it, or use it in a `with` block:
    an exception there closes every handle and leaves removal to the caller, who owns the staging folder.
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
    ) -> None:
        if not TABLE_NAME.fullmatch(table):
            raise StorageError(
                "a table's name holds other than letters, digits, dots, underscores and hyphens",
                hint="rename the table in the dataset description; names become folder names",
            )
        self._schema = pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])
        self._table, self._keys, self._root = table, keys, folder
        self._statistics, self._shuffle, self._sizes = statistics, shuffle, sizes
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0
        self._seen: set[tuple[int, int]] = set()
        self._file: _PartFile | None = None
        self._done: list[WrittenFile] = []
        self._closed = False
        self._folder = folder / "data" / table
        _on_disk(self._folder, lambda: self._folder.mkdir(parents=True, exist_ok=True))

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
            if not self._done and self._file is None:  # an empty table still has a file, so that its columns are known
                self._open(frozenset())
            self._finish()
            for folder in (self._folder, self._folder.parent, self._root):
                _on_disk(folder, lambda folder=folder: _sync_folder(folder))  # type: ignore[misc]
        except BaseException:
            self.abort()
            raise
        self._closed = True
        return tuple(self._done)

    def abort(self) -> None:
        """Close every handle without finishing; what is on disk is incomplete and the caller removes it."""
        self._pending.clear()
        self._closed = True
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
        rows = self._pending_rows
        columns = [[batch.column(i) for batch in self._pending] for i in range(len(self._schema))]
        self._pending.clear()
        self._pending_rows = self._pending_bytes = 0
        self._seen.clear()
        if self._file is None:
            names = self._schema.names
            self._open(frozenset(n for n, chunks in zip(names, columns, strict=True) if is_worth_a_dictionary(chunks)))
        assert self._file is not None
        self._file.write(columns, random_order(rows) if self._shuffle else None)
        if self._file.rows >= self._sizes.file_rows or self._file.size >= self._sizes.file_bytes:
            self._finish()

    def _open(self, dictionaries: frozenset[str]) -> None:
        self._file = _PartFile(
            self._root, self._table, len(self._done), self._schema, dictionaries, self._keys, self._statistics
        )

    def _finish(self) -> None:
        if self._file is not None:
            self._done.append(self._file.finish())
            self._file = None


class _PartFile:
    """One part file while it is written."""

    def __init__(
        self,
        root: Path,
        table: str,
        number: int,
        schema: pa.Schema,
        dictionaries: frozenset[str],
        keys: ReleaseKeys,
        statistics: tuple[str, ...],
    ) -> None:
        self.table = table
        self.dictionaries = dictionaries
        self.schema = pa.schema(
            [pa.field(f.name, pa.dictionary(pa.int32(), f.type) if f.name in dictionaries else f.type) for f in schema]
        )
        file_name = f"part-{number:05d}.parquet"
        self.path = root / "data" / table / file_name
        self.rows = self.row_groups = 0
        self._sink: _HashingFile = _on_disk(self.path, lambda: _HashingFile(self.path))
        floats = {f.name for f in schema if pa.types.is_floating(f.type)}
        try:
            self._writer = _on_disk(
                self.path,
                lambda: pq.ParquetWriter(
                    self._sink,
                    self.schema,
                    compression="zstd",
                    data_page_version="1.0",
                    use_dictionary=[f.name for f in schema if f.name not in floats],
                    write_statistics=list(statistics) if statistics else False,
                    store_schema=False,
                    encryption_properties=keys.file_encryption_properties(table, file_name, tuple(schema.names)),
                ),
            )
        except BaseException:
            self._sink.close()
            raise

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._sink.size

    def write(self, columns: list[list[pa.Array]], order: Order | None) -> None:
        """Write the chunks of each column as one row group in the given order; empties `columns`."""
        group = _on_disk(self.path, lambda: self._combine(columns, order))
        _on_disk(self.path, lambda: self._writer.write_table(group, row_group_size=group.num_rows))
        self.rows += group.num_rows
        self.row_groups += 1

    def _combine(self, columns: list[list[pa.Array]], order: Order | None) -> pa.Table:
        arrays = []
        for name in self.schema.names:
            chunks = columns.pop(0)  # each column's batches are freed as soon as they are combined
            arrays.append(combine(chunks, as_dictionary=name in self.dictionaries, order=order))
            del chunks
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def finish(self) -> WrittenFile:
        """Write the footer, force the file to disk and return what was written."""
        _on_disk(self.path, self._writer.close)
        _on_disk(self.path, self._sink.finish)
        return WrittenFile(
            table=self.table,
            name=f"data/{self.table}/{self.path.name}",
            sha256=self._sink.digest(),
            size=self._sink.size,
            rows=self.rows,
            row_groups=self.row_groups,
            dictionaries=tuple(name for name in self.schema.names if name in self.dictionaries),
        )

    def abandon(self) -> None:
        """Close the handles; nothing more reaches the disk."""
        self._sink.discard = True
        with contextlib.suppress(OSError, pa.ArrowException, ValueError):  # the fault that led here is on its way
            self._writer.close()
        self._sink.close()


class _HashingFile:
    """A new file that hashes what it writes; with `discard` set it swallows what an abandoned writer still sends."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=MIB)
        self._hash = hashlib.sha256()
        self.size = 0
        self.discard = False

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, data: Any) -> int:
        view = memoryview(data)
        if not self.discard:
            self._file.write(view)
            self._hash.update(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        if not self.discard:
            self._file.flush()

    def finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what was buffered for a full disk is given up; the handle is closed anyway
            self._file.close()

    def digest(self) -> str:
        return self._hash.hexdigest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _on_disk(path: Path, action: Callable[[], Any]) -> Any:
    """Run `action`; turn what the disk or the Parquet library raises into a StorageError that quotes no cell."""
    try:
        return action()
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(
                f"the disk is full, or the quota used up, while writing {path.name}; nothing was published",
                hint="free space, or point the releases folder at a larger disk, and run the export again",
            ) from None
        reason = os.strerror(error.errno) if error.errno else "the Parquet library refused"
        raise StorageError(
            f"cannot write {path.name}: {reason}", hint="check the releases folder and that this user may write there"
        ) from None
    except pa.ArrowException as error:
        raise StorageError(
            f"cannot write {path.name}: {type(error).__name__} in the Parquet library; nothing was published",
            hint="report this as a defect, with the types of the table's columns",
        ) from None
