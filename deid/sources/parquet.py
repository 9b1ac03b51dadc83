"""Parquet: one file, several by pattern, or a folder of files as one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deid.errors import DeidError, SourceError
from deid.schema import Table
from deid.sources.base import FileSource
from deid.sources.files import DataFile, folders_of, unreadable
from deid.sources.headers import as_described, compare_header, refuse_headers
from deid.sources.partitions import Values, bound, values_of
from deid.sources.splits import SPLIT_BYTES, Split, identity_of, require_same_file
from deid.sources.streams import HashingFile
from deid.stores.files import StoreFile

BATCH_ROWS = 65_536


class ParquetSource(FileSource):
    """A folder of Parquet files; see deid/sources/base.py for the interface."""

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """See Source."""
        problems: list[str] = []
        for name, columns in tables.items():
            table = self._table(name, columns)
            for file in self._files(table):
                problems += _faults_of_header(table, file, columns)
        refuse_headers(problems)

    def splits(self, table: str) -> tuple[Split, ...]:
        """See Source; a file is cut between row groups."""
        described = self._table(table, ())
        found: list[Split] = []
        digests: list[str] = []
        for number, file in enumerate(self._files(described)):
            said = self._said(described, file)
            identity = (*identity_of(file), *said)
            digests.append(bound(_digest(file), described.partitioned_by, said))
            with _opened(described, file) as parquet:
                cuts = _cuts(parquet.metadata)
            for start, stop in zip([0, *cuts], [*cuts, None], strict=True):
                found.append(Split(table, len(found), number, start, stop, identity))
        self._record(table, digests)
        return tuple(found)

    def read(self, table: str, columns: Sequence[str], split: Split | None = None) -> Iterator[pa.RecordBatch]:
        """See Source."""
        described = self._table(table, columns)
        digests: list[str] = []
        if split is not None and split.file is not None:
            file = self._files(described)[split.file]
            said = self._said(described, file)
            require_same_file(split, file, said)
            refuse_headers(_faults_of_header(described, file, columns))
            yield from _rows_of(described, file, columns, split, said)
            require_same_file(split, file, said)
            return
        self.check({table: columns})
        for file in self._files(described):
            yield from _read_file(described, file, columns, digests, self._said(described, file))
        self._record(table, digests)

    def _said(self, table: Table, file: DataFile) -> Values:
        """Return what the folders of a file say of the columns that name them."""
        if not table.partitioned_by:
            return ()
        return values_of(folders_of(self._dataset.root, table.path, file), table.partitioned_by)


def _faults_of_header(table: Table, file: DataFile, columns: Sequence[str]) -> list[str]:
    with _opened(table, file) as parquet:
        schema = parquet.schema_arrow
    names = as_described(table, schema.names)
    inside = [name for name in columns if name not in table.partitioned_by]
    doubled = [name for name in table.partitioned_by if name in names]
    if doubled:
        return [f"{table.name}: {file.name}: {', '.join(doubled)} name folders and stand in the file too"]
    within = replace(table, columns=tuple(c for c in table.columns if c.name not in table.partitioned_by))
    return compare_header(within, file, names, inside) + [
        f"{table.name}: {file.name}: {column} holds nested values"
        for column, field in zip(names, schema, strict=True)
        if column in columns and pa.types.is_nested(field.type)
    ]


def _read_file(
    table: Table, file: DataFile, columns: Sequence[str], digests: list[str], said: Values
) -> Iterator[pa.RecordBatch]:
    # Parquet is read by jumping, so its digest takes a pass of its own; the file's identity, size and time of change
    # before and after tie that pass to the rows that were read.
    before = _identity(file)
    digest = _digest(file)
    yield from _rows_of(table, file, columns, None, said)
    if _identity(file) != before:
        raise SourceError(
            f"{table.name}: {file.name} changed while it was read", hint="run again when nothing writes to the source"
        )
    digests.append(bound(digest, table.partitioned_by, said))


def _rows_of(
    table: Table, file: DataFile, columns: Sequence[str], split: Split | None, said: Values
) -> Iterator[pa.RecordBatch]:
    told = dict(zip(table.partitioned_by, said, strict=True))
    with _opened(table, file) as parquet:
        names = parquet.schema_arrow.names
        written = dict(zip(as_described(table, names), names, strict=True))
        # Where folders alone are asked for, any column of the file tells how many rows there are.
        asked = [written[name] for name in columns if name not in told] or names[:1]
        groups = None if split is None else list(range(parquet.num_row_groups))[split.start : split.stop]
        try:
            for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=asked, row_groups=groups):
                named = _with_folders(batch.select(asked), columns, told)
                _refuse_broken_text(table, file, named)
                yield _with_nulls(table, named)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _damaged(table, file, error) from None


def _with_folders(batch: pa.RecordBatch, columns: Sequence[str], told: Mapping[str, str | None]) -> pa.RecordBatch:
    """Return a batch under the names asked for, with the columns that folders tell in their places."""
    if not told:
        return batch.rename_columns(list(columns))
    inside = iter(batch.columns)
    cells = [_alike(told[name], batch.num_rows) if name in told else next(inside) for name in columns]
    return pa.RecordBatch.from_arrays(cells, names=list(columns))


def _alike(value: str | None, rows: int) -> pa.Array:
    """Return a column of one value."""
    if value is None:
        return pa.nulls(rows, pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value], pa.string()))


def _cuts(facts: pq.FileMetaData) -> list[int]:
    """Return the row groups, without the first, before which a file is cut."""
    cuts: list[int] = []
    size = 0
    for group in range(facts.num_row_groups):
        if size >= SPLIT_BYTES:
            cuts.append(group)
            size = 0
        size += facts.row_group(group).total_byte_size
    return cuts


def _opened(table: Table, file: DataFile) -> pq.ParquetFile:
    try:
        if isinstance(file, StoreFile):
            return pq.ParquetFile(file.path, filesystem=file.reader.system)
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(table, file, error) from None


def _damaged(table: Table, file: DataFile, error: Exception) -> DeidError:
    if isinstance(file, StoreFile) and (refused := file.refused(error)) is not None:
        return refused
    return SourceError(
        f"{table.name}: {file.name} is not a whole Parquet file",
        hint="a transfer may have been cut: fetch the file again and compare its digest with the sender's",
    )


def _refuse_broken_text(table: Table, file: DataFile, batch: pa.RecordBatch) -> None:
    """Refuse text that is no UTF-8: a writer may call any bytes text, and no reader of Parquet looks."""
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        words = values.dictionary if isinstance(values, pa.DictionaryArray) else values
        try:
            if _is_text(words.type):
                words.validate(full=True)
        except pa.ArrowInvalid:
            raise SourceError(
                f"{table.name}: column {name} of {file.name} is not utf-8 text",
                hint="write the file again with text in UTF-8; a transfer may also have damaged it",
            ) from None


def _identity(file: DataFile) -> tuple[object, ...]:
    try:
        if isinstance(file, StoreFile):
            return file.identity()
        status = file.stat()
    except OSError as error:
        raise unreadable(file, error) from None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _digest(file: DataFile) -> str:
    stream = HashingFile(file)
    try:
        return stream.finish()
    finally:
        stream.close()


def _with_nulls(table: Table, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with cells that are spelled as nulls made null, as in every other source."""
    columns = [_nulled(values, table.text.nulls) for values in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _nulled(values: pa.Array, nulls: tuple[str, ...]) -> pa.Array:
    kind = values.type
    if isinstance(values, pa.DictionaryArray):
        if not _is_text(kind.value_type):
            return values
        words = _nulled(values.dictionary, nulls)
        if words.null_count == values.dictionary.null_count:
            return values
        return words.take(values.indices).dictionary_encode()
    if not _is_text(kind):
        return values
    return pc.if_else(pc.is_in(values, value_set=pa.array(nulls, kind)), pa.scalar(None, kind), values)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
