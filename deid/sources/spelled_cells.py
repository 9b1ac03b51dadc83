"""Cells of tree-shaped formats that spell nothing: words that stand for a missing value, and dates without a day."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain
from deid.kinds import Value
from deid.schema import Column, Table

# Dates of less than a day are lawful in HL7 (version 2, chapter 2.A.22; CDA, data type TS) and say no day.
_WITHOUT_DAY = r"^\s*[0-9]{4}(?:[0-9]{2})?(?:[+-][0-9]{4})?\s*$"


def null_words(table: Table) -> pa.Array:
    """Return the words that a description takes for a missing cell, where an empty one is null already."""
    return pa.array([word for word in table.text.nulls if word], pa.string())


def nulled(values: pa.Array, words: pa.Array) -> pa.Array:
    """Return strings with null for each of `words`, plain; as they are, encoded or not, where there is none of them."""
    if not len(words) or values.null_count == len(values):
        return values
    values = plain(values)
    found = pc.is_in(values, value_set=words)
    return pc.if_else(found, pa.scalar(None, pa.string()), values) if pc.any(found).as_py() else values


def with_days(column: Column, values: pa.Array, passed: Counter[str]) -> pa.Array:
    """Return HL7 dates with null for those of a year or month only, which `passed` counts; other kinds as they are."""
    if column.kind.value is not Value.DATE or column.date_format != "hl7":
        return values
    partial = pc.match_substring_regex(values, _WITHOUT_DAY)
    count = pc.sum(partial).as_py() or 0
    if not count:
        return values
    passed[f"{column.name} of a year or month only"] += count
    return pc.if_else(partial, pa.scalar(None, pa.string()), values)
