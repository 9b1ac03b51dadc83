"""Files in which many tables lie are read once a run; see docs/adr/0013-one-pass-over-shared-files.md.

A run says in `check` which tables and columns it will read. The first read of a table whose files hold others of them
is one pass over all of these, and every later read, in the second reading of an export too, is served from what that
pass kept: in memory, and sealed on disk beyond a budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from deid.schema import DatasetDescription
from deid.sealing.closing import Closing
from deid.sealing.sealed_batches import SealedBatches
from deid.sources.base import Source, SourceAround, Together
from deid.sources.splits import Split


@dataclass(slots=True)
class _Pass:
    """The announced tables of the same files with their columns, and how far the pass over them is."""

    tables: dict[str, tuple[str, ...]]
    is_running: bool = False
    is_done: bool = False


class ReadOnce(SourceAround, Closing):
    """A source that passes once over files which hold several announced tables; a context manager.

    `folder` is where sealed batches lie, made when it is needed; `budget` the bytes of batches that stay in memory.
    """

    def __init__(self, dataset: DatasetDescription, source: Source, *, folder: Path, budget: int) -> None:
        super().__init__(source)
        self._dataset = dataset
        self._kept = SealedBatches(folder=folder, budget=budget)
        self._passes: dict[str, _Pass] = {}

    def close(self) -> None:
        """Forget what was kept and give its space back; the object is of no use afterwards."""
        self._kept.close()

    @property
    def spilled_bytes(self) -> int:
        """The sealed bytes on disk; 0 where everything fitted in memory."""
        return self._kept.spilled_bytes

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """See Source; what is named here is what a run will read, table by table with every column."""
        self._source.check(tables)
        groups: dict[tuple[object, ...], dict[str, tuple[str, ...]]] = {}
        for name, columns in tables.items():
            table = self._dataset.table(name)
            # Tables without a resource lie in files of their own: to read these again costs less than to seal them.
            if table is not None and table.resource is not None:
                group = groups.setdefault((table.path, table.any_case), {})
                group[name] = tuple(dict.fromkeys(columns))
        self._kept.forget(self._passes)
        self._passes = {}
        for group in groups.values():
            if len(group) > 1:
                self._passes |= dict.fromkeys(group, _Pass(group))

    def splits(self, table: str) -> tuple[Split, ...]:
        """See Source; tables that share files are not cut, as one pass gives all of them."""
        return (Split(table),) if table in self._passes else self._source.splits(table)

    def read(self, table: str, columns: Sequence[str], split: Split | None = None) -> Iterator[pa.RecordBatch]:
        """See Source."""
        shared = self._passes.get(table)
        if shared is None or shared.is_running or not set(columns) <= set(shared.tables[table]):
            # What was not announced is read from the source; its digest must be that of the first reading.
            yield from self._source.read(table, columns, split)
        elif shared.is_done:
            yield from self._kept.read(table, columns)
        else:
            yield from self._first(shared, table, columns)

    def read_together(self, tables: Mapping[str, Sequence[str]]) -> Together:
        """See Source."""
        return ((table, batch) for table, columns in tables.items() for batch in self.read(table, columns))

    def _first(self, shared: _Pass, table: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Pass over the files of all tables, hand the batches of this one on as they come, and keep everything."""
        shared.is_running = True
        # The asked table first: a fault of a file names the table that is being read.
        asked = {table: shared.tables[table]} | shared.tables
        try:
            for name, batch in self._source.read_together(asked):
                self._kept.add(name, batch)
                if name == table:
                    yield batch.select(list(columns))
            shared.is_done = True
        finally:
            shared.is_running = False
            if not shared.is_done:
                self._kept.forget(shared.tables)
