"""Columns put together of others: a birth date of year, month and day; a key of several columns.

A source reads what stands in its files; this one stands above any other, asks it for the parts and joins them. The rule
of each joined column is docs/formats/dataset.md, "Columns of several parts".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.values import parse
from deid.kinds import KINDS, Value
from deid.schema import Column, DatasetDescription, Table
from deid.sources.base import Source, SourceAround, Together
from deid.sources.splits import Split

_SEPARATOR, _ESCAPE = "|", "\\"
_NUMBER = Column("part", KINDS["year"])  # any whole number is read as one of these
_NO_DATE = "not a date"  # whatever it is that stands in the parts, a reader of dates must call it a bad cell


class ComposedSource(SourceAround):
    """A source whose composed columns are joined of what another source reads; see deid/sources/base.py."""

    def __init__(self, dataset: DatasetDescription, source: Source) -> None:
        super().__init__(source)
        self._dataset = dataset

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """See Source."""
        self._source.check({name: self._stored(name, columns) for name, columns in tables.items()})

    def read(self, table: str, columns: Sequence[str], split: Split | None = None) -> Iterator[pa.RecordBatch]:
        """See Source."""
        for batch in self._source.read(table, self._stored(table, columns), split):
            yield self._joined(table, columns, batch)

    def read_together(self, tables: Mapping[str, Sequence[str]]) -> Together:
        """See Source."""
        stored = {table: self._stored(table, columns) for table, columns in tables.items()}
        for table, batch in self._source.read_together(stored):
            yield table, self._joined(table, tables[table], batch)

    def _joined(self, table: str, columns: Sequence[str], batch: pa.RecordBatch) -> pa.RecordBatch:
        described = self._dataset.table(table)
        return pa.RecordBatch.from_arrays([_cells(described, name, batch) for name in columns], names=list(columns))

    def _stored(self, table: str, columns: Sequence[str]) -> list[str]:
        """Return the columns of the file that these are made of."""
        described = self._dataset.table(table)
        names: dict[str, None] = {}
        for name in columns:
            column = described.column(name) if described is not None else None
            names |= dict.fromkeys(column.parts if column is not None and column.parts else (name,))
        return list(names)


def without_composed(dataset: DatasetDescription) -> DatasetDescription:
    """Return the dataset with the columns that stand in its files alone."""
    return replace(dataset, tables=tuple(_stored_only(table) for table in dataset.tables))


def has_composed(dataset: DatasetDescription) -> bool:
    """Whether any column is put together of others."""
    return any(column.parts for table in dataset.tables for column in table.columns)


def fault_of(column: Column, table: Table) -> str | None:
    """Return what is wrong with the parts of a column, or None; nothing is, where it has none."""
    if not column.parts:
        return None
    is_date, count = column.kind.value is Value.DATE, len(column.parts)
    found = [table.column(name) for name in column.parts]
    faults = {
        "parts make a date of a year, a month and a day, or one key of several columns": not is_date
        and not column.kind.is_identifier_code,
        "a date of parts has no date_format": column.date_format != "iso",
        "the parts of a date are three: year, month, day": is_date and count != 3,
        "a key of parts has at least two": not is_date and count < 2,
        "one part stands twice": len(set(column.parts)) < count,
        "each part is another described column of the table that stands in the file": any(
            part is None or part.parts for part in found
        ),
    }
    return next((fault for fault, is_there in faults.items() if is_there), None)


def _stored_only(table: Table) -> Table:
    return replace(table, columns=tuple(column for column in table.columns if not column.parts))


def _cells(table: Table | None, name: str, batch: pa.RecordBatch) -> pa.Array:
    column = table.column(name) if table is not None else None
    if table is None or column is None or not column.parts:
        return batch.column(name)
    parts = [(part, batch.column(part.name)) for part in map(table.column, column.parts) if part is not None]
    return _date(parts) if column.kind.value is Value.DATE else _key(parts)


def _date(parts: Sequence[tuple[Column, pa.Array]]) -> pa.Array:
    """Return ISO dates of years, months and days as text; null without a year, and no date where there is none.

    Without a month the first of January stands for the year, without a day the first for the month: of all days that
    it may have been the earliest, so that nobody is taken for younger than 90 who may be of that age.
    """
    (year, month, day), bad = zip(*(parse(_NUMBER, cells) for _, cells in parts), strict=True)
    day = pc.if_else(month.is_valid(), day, pa.scalar(None, pa.int64()))
    words = [
        pc.utf8_lpad(pc.fill_null(number, 1).cast(pa.string()), width, "0")
        for number, width in ((year, 4), (month, 2), (day, 2))
    ]
    text = pc.binary_join_element_wise(*words, "-")
    text = pc.if_else(year.is_valid(), text, pa.scalar(None, pa.string()))
    return pc.if_else(pa.array(np.logical_or.reduce(bad)), pa.scalar(_NO_DATE), text)


def _key(parts: Sequence[tuple[Column, pa.Array]]) -> pa.Array:
    """Return the parts joined by bars, null where one is missing; different parts never give the same key."""
    texts = []
    for part, cells in parts:
        values, _ = parse(part, cells)
        text = values.cast(pa.string())
        if pc.any(pc.match_substring_regex(text, r"[|\\]")).as_py():
            text = pc.replace_substring(text, _ESCAPE, _ESCAPE * 2)
            text = pc.replace_substring(text, _SEPARATOR, _ESCAPE + _SEPARATOR)
        texts.append(text)
    return pc.binary_join_element_wise(*texts, _SEPARATOR)
