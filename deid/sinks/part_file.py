"""One Parquet file while it is written: encrypted, hashed on its way to the disk, forced there when it is finished."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deid.errors import StorageError
from deid.release.manifest import FileEntry
from deid.sealing.private import private
from deid.sinks.release_keys import ReleaseKeys
from deid.sinks.row_groups import Order, combine

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_BUFFER = 1024 * 1024
_DICTIONARY = 16 * 1024 * 1024  # 500,000 distinct pseudonyms; beyond it the writer falls back to plain pages


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


class PartFile:
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
        within: str = "",
    ) -> None:
        self.table = table
        self.dictionaries = dictionaries
        self.schema = pa.schema(
            [pa.field(f.name, pa.dictionary(pa.int32(), f.type) if f.name in dictionaries else f.type) for f in schema]
        )
        file_name = f"{within}part-{number:05d}.parquet"
        self._name = f"data/{table}/{file_name}"
        self.path = root / self._name
        self.rows = self.row_groups = 0
        self._sink: _HashingFile = on_disk(self.path, lambda: _HashingFile(self.path))
        # What came as plain text is long and distinct: a dictionary of it would be built and thrown away.
        no_gain = {
            f.name
            for f in schema
            if pa.types.is_floating(f.type) or (pa.types.is_string(f.type) and f.name not in dictionaries)
        }
        try:
            self._writer = on_disk(
                self.path,
                lambda: pq.ParquetWriter(
                    self._sink,
                    self.schema,
                    compression="zstd",
                    data_page_version="1.0",
                    use_dictionary=[f.name for f in schema if f.name not in no_gain],
                    dictionary_pagesize_limit=_DICTIONARY,
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
        group = on_disk(self.path, lambda: self._combine(columns, order))
        on_disk(self.path, lambda: self._writer.write_table(group, row_group_size=group.num_rows))
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
        on_disk(self.path, self._writer.close)
        on_disk(self.path, self._sink.finish)
        return WrittenFile(
            table=self.table,
            name=self._name,
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
        # For its owner alone: a release is opened to readers when it is published, quarantined rows never are.
        self._file = open(path, "xb", buffering=_BUFFER, opener=private)  # noqa: SIM115 - closed by `finish`
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


def on_disk(path: Path, action: Callable[[], Any]) -> Any:
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
