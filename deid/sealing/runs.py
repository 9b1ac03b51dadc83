"""Sorted runs of tagged rows: what partitions of a sealed store are made of. Pure functions over Arrow batches.

A run is a RecordBatch whose first column is the tag's first 64 bits and, for 128-bit tags, whose second is the rest.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.patients.tags import I64, U64, Bools


def compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Copies a batch that is a slice of something much larger, which it would otherwise keep in memory."""
    if batch.get_total_buffer_size() <= 2 * batch.nbytes + 4096:
        return batch
    return pa.ipc.read_record_batch(batch.serialize(), batch.schema)


def joined(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """Gives one batch of all rows in order."""
    if not batches:
        return pa.record_batch([pa.array([], column.type) for column in schema], schema=schema)
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def in_order(batches: list[pa.RecordBatch], schema: pa.Schema, *, heads: int) -> pa.RecordBatch:
    """Gives all rows sorted by tag; rows of one tag keep their order."""
    rows = joined(batches, schema)
    low = rows.column(1).to_numpy() if heads == 2 else None
    return rows.take(pa.array(order_of(rows.column(0).to_numpy(), low)))


def order_of(high: U64, low: U64 | None) -> I64:
    """Gives the stable order of tags, as places."""
    order: I64 = np.argsort(high)  # five times as fast as the stable sort, and as good where no tag comes twice
    ranked_high = high.take(order)
    if np.any(ranked_high[1:] == ranked_high[:-1]):
        order = np.argsort(high, kind="stable")
        # Tags that agree in 64 bits and differ in the rest do not happen by chance, but sorting must still be right.
        if low is not None:
            ranked_low = low.take(order)
            if np.any((ranked_high[1:] == ranked_high[:-1]) & (ranked_low[1:] != ranked_low[:-1])):
                order = np.lexsort((low, high))
    return order


def repeats(run: pa.RecordBatch, *, heads: int) -> Bools:
    """Says of each row of a sorted run whether the row before it has the same tag."""
    same = np.zeros(run.num_rows, dtype=np.bool_)
    if run.num_rows:
        same[1:] = True
    for column in range(heads):
        word = run.column(column).to_numpy()
        same[1:] &= word[1:] == word[:-1]
    return same


def distinct(run: pa.RecordBatch, *, heads: int) -> pa.RecordBatch:
    """Keeps the first row of each tag."""
    again = repeats(run, heads=heads)
    return run.filter(pa.array(~again)) if again.any() else run


def united(run: pa.RecordBatch, *, heads: int) -> pa.RecordBatch:
    """Keeps one row of each tag, with all bits that any row of the tag has; payloads are uint64 without nulls."""
    again = repeats(run, heads=heads)
    if not again.any():
        return run
    starts = np.flatnonzero(~again)
    tags = [run.column(column).take(pa.array(starts)) for column in range(heads)]
    payloads = (run.column(column).to_numpy() for column in range(heads, run.num_columns))
    bits = [pa.array(np.bitwise_or.reduceat(payload, starts)) for payload in payloads]
    return pa.record_batch([*tags, *bits], schema=run.schema)


def gathered(run: pa.RecordBatch, *, heads: int, mark: str) -> pa.RecordBatch:
    """Keeps one row of each tag, with each different text of the tag once, joined by a mark; the payload is strings."""
    again = repeats(run, heads=heads)
    if not again.any():
        return run
    starts = np.flatnonzero(~again)
    owner = np.cumsum(~again) - 1
    texts = run.column(heads)
    coded = texts.dictionary_encode()
    pairs = owner * max(len(coded.dictionary), 1) + coded.indices.to_numpy()
    chosen = np.sort(np.unique(pairs, return_index=True)[1])
    edges = np.searchsorted(owner[chosen], np.arange(len(starts) + 1)).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(edges), texts.take(pa.array(chosen)))
    tags = [run.column(column).take(pa.array(starts)) for column in range(heads)]
    return pa.record_batch([*tags, pc.binary_join(lists, mark)], schema=run.schema)


def repeated_tags(run: pa.RecordBatch, *, heads: int, differing: bool) -> int:
    """Counts the tags of a sorted run that have several rows or, if `differing`, rows whose payloads differ."""
    again = repeats(run, heads=heads)
    if not again.any():
        return 0
    faulty = np.flatnonzero(again)
    if differing:
        before, after = run.take(pa.array(faulty - 1)), run.take(pa.array(faulty))
        unequal = np.zeros(len(faulty), dtype=np.bool_)
        for column in range(heads, run.num_columns):
            unequal |= _differ(before.column(column), after.column(column))
        faulty = faulty[unequal]
    # Each row belongs to the group that the last first-row before it opened.
    return len(np.unique(np.cumsum(~again)[faulty]))


def search(high: U64, low: U64 | None, wanted: U64, wanted_low: U64 | None) -> I64:
    """Gives the place of each wanted tag among the sorted, distinct tags of a run; -1 where it is absent.

    Any order of `wanted` is right; ascending order is several times faster, as neighbors meet in the cache.
    """
    at: I64 = np.searchsorted(high, wanted, side="left").astype(np.int64)
    if not len(high):
        return np.full(len(wanted), -1, dtype=np.int64)
    last = len(high) - 1
    same = high.take(np.minimum(at, last)) == wanted
    same &= at <= last
    if low is not None and wanted_low is not None:
        return _search_low(low, wanted_low, high, wanted, np.where(same, at, -1))
    return np.where(same, at, -1)


def take(payload: pa.RecordBatch, at: I64) -> pa.RecordBatch:
    """Takes rows by place, nulls where the place is -1."""
    absent = at < 0
    return payload.take(pa.array(at, mask=absent) if absent.any() else pa.array(at))


def _search_low(low: U64, wanted_low: U64, high: U64, wanted: U64, at: I64) -> I64:
    """Steps on among tags that share their first word until the second fits; one round but for planted cases."""
    result = np.full(len(at), -1, dtype=np.int64)
    rows = np.flatnonzero(at >= 0)
    while len(rows):
        here = at.take(rows)
        same = low.take(here) == wanted_low.take(rows)
        result[rows[same]] = here[same]
        at[rows] += 1
        rows = rows[~same & (here < len(low) - 1)]
        rows = rows[high.take(at.take(rows)) == wanted.take(rows)]
    return result


def _differ(before: pa.Array, after: pa.Array) -> Bools:
    equal = pc.fill_null(pc.equal(before, after), False)
    both_null = pc.and_(pc.is_null(before), pc.is_null(after))
    answer: Bools = pc.invert(pc.or_(equal, both_null)).to_numpy(zero_copy_only=False)
    return answer
