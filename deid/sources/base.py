"""What a source is: it checks headers before any row is read, and yields raw cells of the columns asked for.

Promises that every part of this shelf keeps (tests/contract/test_sources.py holds each of them to it):

- Only described files, columns and paths are read; nothing outside the dataset's root folder is opened.
- Memory does not grow with the number of rows.
- Every fault is one SourceError, and no message holds a cell: what lower libraries say is never passed on.
- The digest is of the bytes that were read; a table whose bytes changed is refused at its second read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import pyarrow as pa
from blake3 import blake3

from deid.errors import SourceError
from deid.schema import DatasetDescription, Table
from deid.sources.files import DataFile, locate, stated_size
from deid.sources.splits import Split

_SPOKEN = 20  # names listed in one message; more would bury the remedy
Together = Iterator[tuple[str, pa.RecordBatch]]


class Wanted(NamedTuple):
    """A table and the columns that are asked of it, in their order."""

    table: Table
    columns: tuple[str, ...]


class Source(Protocol):
    """The one interface of this shelf."""

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """Compare files and headers with the description, for these tables and the columns needed of each.

        Raises SourceError for missing, undescribed, renamed or doubly named columns, and missing or empty files.
        No row is read.
        """
        ...

    def splits(self, table: str) -> tuple[Split, ...]:
        """Return the parts of a table that can be read each by itself: their rows, in their order, are the table's."""
        ...

    def read(self, table: str, columns: Sequence[str], split: Split | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the raw cells of these columns, in this order, in bounded memory; of one split, or of the table.

        Cells that are spelled as nulls come as null; text is neither stripped nor parsed. Types are string or
        dictionary<int32, string>, and in Parquet sources the file's own.
        """
        ...

    def read_together(self, tables: Mapping[str, Sequence[str]]) -> Together:
        """Yield (table, batch) of these columns of several tables, from one pass over the files that they share.

        What each table gives is what `read` gives, in the order of its files, and at least one batch, which may be
        empty; batches of different tables come in any order. A fault of a file names the first of the tables in it.
        """
        ...

    @property
    def digests(self) -> Mapping[str, str]:
        """The digest (BLAKE3) of each table that was read to its end; of several files, over their digests in order."""
        ...

    @property
    def unread(self) -> Mapping[str, int]:
        """How often a part that nobody described was met and passed over, for instance `Patient.extension`."""
        ...

    @property
    def withheld(self) -> Mapping[str, int]:
        """How many records were left out because they carry something that must be understood and is not described."""
        ...


class SourceAround:
    """A source that changes how another one is read, and tells of its files what that one tells."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def splits(self, table: str) -> tuple[Split, ...]:
        """See Source."""
        return self._source.splits(table)

    @property
    def digests(self) -> Mapping[str, str]:
        """See Source."""
        return self._source.digests

    @property
    def unread(self) -> Mapping[str, int]:
        """See Source."""
        return self._source.unread

    @property
    def withheld(self) -> Mapping[str, int]:
        """See Source."""
        return self._source.withheld


class FileSource(ABC):
    """What sources made of files share: where the files of a table lie, and the ledger of digests and counts."""

    def __init__(self, dataset: DatasetDescription) -> None:
        self._dataset = dataset
        self._digests: dict[str, str] = {}
        self._unread: dict[str, int] = {}
        self._withheld: dict[str, int] = {}

    @property
    def digests(self) -> Mapping[str, str]:
        """See Source."""
        return self._digests

    @property
    def unread(self) -> Mapping[str, int]:
        """See Source."""
        return self._unread

    @property
    def withheld(self) -> Mapping[str, int]:
        """See Source."""
        return self._withheld

    def splits(self, table: str) -> tuple[Split, ...]:
        """See Source; what cannot be cut is one split, whose digest is noted when it is read."""
        return (Split(table),)

    @abstractmethod
    def read(self, table: str, columns: Sequence[str], split: Split | None = None) -> Iterator[pa.RecordBatch]:
        """See Source."""

    def read_together(self, tables: Mapping[str, Sequence[str]]) -> Together:
        """See Source; tables that lie in files of their own are read one after the other."""
        return ((table, batch) for table, columns in tables.items() for batch in self.read(table, columns))

    def _table(self, name: str, columns: Sequence[str]) -> Table:
        """Return the described table; raise SourceError unless it and all these columns are described."""
        table = self._dataset.table(name)
        if table is None:
            raise SourceError(f"there is no table {name} in dataset {self._dataset.name}", hint="describe it first")
        unknown = [column for column in columns if table.column(column) is None]
        if unknown:
            raise SourceError(f"{name}: not described: {listed(unknown)}", hint="describe the columns first")
        return table

    def _files(self, table: Table) -> tuple[DataFile, ...]:
        """Return the files of a table; raise SourceError if there are none or one is empty."""
        files = locate(self._dataset.root, table.path, any_case=table.any_case, partitioned_by=table.partitioned_by)
        if not files:
            raise SourceError(
                f"{table.name}: found no file at {table.path} in the dataset's folder",
                hint="check `path` of this table and `root` in the description",
            )
        for file in files:
            size = stated_size(file)
            if size == 0:
                raise SourceError(
                    f"{table.name}: {file.name} is empty", hint="a transfer may have failed: fetch the file again"
                )
        return files

    def _record(self, table: str, digests: Sequence[str]) -> None:
        """Note the digest of a complete read; raise SourceError if an earlier read saw other bytes."""
        digest = combined(digests)
        if self._digests.setdefault(table, digest) != digest:
            raise SourceError(
                f"{table}: the source changed between the first and the second read",
                hint="run again when nothing writes to the source; what was staged is discarded",
            )


class SharedFileSource(FileSource):
    """What sources share in whose files many tables lie: one pass, which for a table alone is the pass of one."""

    def read(self, table: str, columns: Sequence[str], split: Split | None = None) -> Iterator[pa.RecordBatch]:
        """See Source; there is one split, which is the table."""
        return (batch for _, batch in self.read_together({table: columns}))

    def read_together(self, tables: Mapping[str, Sequence[str]]) -> Together:
        """See Source; one pass for each group of tables that lie in the same files."""
        groups: dict[tuple[object, ...], list[Wanted]] = {}
        for name, columns in tables.items():
            table = self._table(name, columns)
            files = (table.path, table.any_case, table.text.encoding)
            groups.setdefault(files, []).append(Wanted(table, tuple(columns)))
        for group in groups.values():
            yield from self._pass(group)

    @abstractmethod
    def _pass(self, wanted: Sequence[Wanted]) -> Together:
        """Yield the batches of tables that lie in the same files, from one pass over these."""


def combined(digests: Sequence[str]) -> str:
    """Return the digest of a table: its file's, or where there are several the digest of theirs in order."""
    if len(digests) == 1:
        return digests[0]
    return blake3("".join(digests).encode()).hexdigest()


def listed(names: Sequence[str]) -> str:
    """Return names for a message, at most twenty and each at most eighty characters."""
    shown = ", ".join(name[:80] for name in names[:_SPOKEN])
    return shown if len(names) <= _SPOKEN else f"{shown} and {len(names) - _SPOKEN} more"
