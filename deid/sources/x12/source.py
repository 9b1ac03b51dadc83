"""X12 837 professional and institutional claims; see docs/formats/dataset.md, "X12 837 tables and paths".

Files hold interchanges, which are read in stretches of whole claims, each for all tables that are asked for. Only
described paths become cells; what nobody described is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from deid.errors import SourceError
from deid.schema import DatasetDescription, Table
from deid.sources.base import SharedFileSource, Together, Wanted
from deid.sources.spelled_cells import null_words, nulled
from deid.sources.streams import TextFile
from deid.sources.x12.cells import rows_of
from deid.sources.x12.keys import column
from deid.sources.x12.paths import Each, compile_each, compile_path, unfit
from deid.sources.x12.paths import Path as ValuePath
from deid.sources.x12.reader import Spot, Window, Windows
from deid.sources.x12.unread import Unread
from deid.sources.x12.words import TRANSACTION


class X12Source(SharedFileSource):
    """A folder of 837 interchanges; see deid/sources/base.py for the interface."""

    def __init__(self, dataset: DatasetDescription) -> None:
        super().__init__(dataset)
        # By path: several tables lie in the same files, whose undescribed segments are counted once.
        self._counted: dict[str, dict[str, int]] = {}

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """See Source; the first claims of each file must be an 837 of a known guide."""
        for name, columns in tables.items():
            table = self._table(name, columns)
            _compiled(table, columns)
            for file in self._files(table):
                with TextFile(file) as stream:
                    next(iter(Windows(Spot(name, file), stream, table.text.encoding, set())), None)

    def _pass(self, wanted: Sequence[Wanted]) -> Together:
        first = wanted[0].table
        readers = [_Reader(*one) for one in wanted]
        seen: set[bytes] = set()
        digests: list[str] = []
        unread = self._unread_of(first)
        for file in self._files(first):
            with TextFile(file) as stream:
                for window in Windows(Spot(first.name, file), stream, first.text.encoding, seen):
                    if unread is not None:
                        unread.count(window)
                    for reader in readers:
                        yield reader.name, reader.batch(window)
                digests.append(stream.finish())
        for one in wanted:
            self._record(one.table.name, digests)
        if unread is not None:
            self._counted[first.path] = dict(unread.counts)
            self._unread = _sums(self._counted.values())

    def _unread_of(self, table: Table) -> Unread | None:
        if table.path in self._counted:
            return None
        return Unread(other for other in self._dataset.tables if other.path == table.path)


class _Reader:
    """Gives the rows of one table, stretch by stretch."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self.name = table.name
        self._nulls = null_words(table)
        self._columns = list(columns)
        self._each, self._paths = _compiled(table, columns)

    def batch(self, window: Window) -> pa.RecordBatch:
        """Return the rows of one stretch."""
        rows = rows_of(window, self._each)
        cells = [nulled(column(window, rows, path), self._nulls) for path in self._paths]
        return pa.RecordBatch.from_arrays(cells, names=self._columns)


def _compiled(table: Table, columns: Sequence[str]) -> tuple[Each, list[ValuePath]]:
    """Return what gives rows and cells; raise SourceError where the description of a table cannot be followed."""
    if table.resource != TRANSACTION or table.each is None:
        raise SourceError(
            f"{table.name}: a table of X12 claims has `resource` and `each`",
            hint='write `resource: "837"`, and `each: claim` for one row for each claim',
        )
    each = compile_each(table.each)
    paths = {described.name: compile_path(described.path or "") for described in table.columns}
    for name, path in paths.items():
        if wrong := unfit(path, each):
            raise SourceError(f"{table.name}.{name}: {wrong}", hint="docs/formats/dataset.md, X12 837 tables and paths")
    return each, [paths[name] for name in columns]


def _sums(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for name, times in one.items():
            total[name] = total.get(name, 0) + times
    return total
