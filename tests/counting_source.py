"""A source that notes what a run announces and what it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from deid.sources import Source
from deid.sources.base import Together
from deid.sources.splits import Split


class Counting:
    """A source that notes what is asked of the one below it."""

    def __init__(self, below: Source) -> None:
        self.below = below
        self.announced: dict[str, tuple[str, ...]] = {}
        self.passes: list[dict[str, tuple[str, ...]]] = []

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """Note the announcement."""
        self.announced = {table: tuple(columns) for table, columns in tables.items()}
        self.below.check(tables)

    def splits(self, table: str) -> tuple[Split, ...]:
        """Those of the source below."""
        return self.below.splits(table)

    def read(self, table: str, columns: Sequence[str], split: Split | None = None) -> Iterator[pa.RecordBatch]:
        """Note a pass for one table."""
        self.passes.append({table: tuple(columns)})
        return self.below.read(table, columns, split)

    def read_together(self, tables: Mapping[str, Sequence[str]]) -> Together:
        """Note a pass for several."""
        self.passes.append({table: tuple(columns) for table, columns in tables.items()})
        return self.below.read_together(tables)

    @property
    def digests(self) -> Mapping[str, str]:
        """Those of the source below."""
        return self.below.digests

    @property
    def unread(self) -> Mapping[str, int]:
        """Those of the source below."""
        return self.below.unread

    @property
    def withheld(self) -> Mapping[str, int]:
        """Those of the source below."""
        return self.below.withheld
