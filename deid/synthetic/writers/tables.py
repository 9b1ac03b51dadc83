"""Small steps that the writers of foreign layouts share."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from deid.synthetic import reference

_SPACE = uuid.UUID("6f0f7f3e-8d0b-5c7e-9b8e-1f6f2d6a4c11")  # any fixed name space will do; this one is our own


def uuids(column: pa.Array | pa.ChunkedArray, *, role: str = "") -> pa.Array:
    """Return a UUID for each value, the same for the same value and role; null stays null."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    coded = whole.dictionary_encode()
    known = [str(uuid.uuid5(_SPACE, f"{role}/{value}")) for value in coded.dictionary.to_pylist()]
    return pa.array(known, pa.string()).take(coded.indices)


def mapped(column: pa.Array | pa.ChunkedArray, meaning: Mapping[str, str]) -> pa.Array:
    """Return what `meaning` says of each value; null where it says nothing."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    coded = whole.dictionary_encode()
    known = [meaning.get(value) for value in coded.dictionary.to_pylist()]
    return pa.array(known, pa.string()).take(coded.indices)


def beside(table: pa.Table, other: pa.Table, key: str) -> pa.Table:
    """Return, for each row of `table`, the row of `other` that has the same `key` (which is unique there)."""
    return other.take(pc.index_in(table[key], value_set=other[key].combine_chunks()))


def laid_out(file: str, rows: int, known: Mapping[str, pa.Array | pa.ChunkedArray | str]) -> pa.Table:
    """Return a table of text with every column of a public layout; one that is not `known` is null."""
    names = reference.columns(file)
    assert set(known) <= set(names), f"not columns of {file}: {sorted(set(known) - set(names))}"
    return pa.table({name: _text(known.get(name), rows) for name in names})


def _text(value: pa.Array | pa.ChunkedArray | str | None, rows: int) -> pa.Array:
    if value is None:
        return pa.nulls(rows, pa.string())
    if isinstance(value, str):
        return pa.repeat(pa.scalar(value, pa.string()), rows)
    return value.cast(pa.string())
