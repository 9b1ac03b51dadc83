"""Arrow string columns as numpy arrays, and work on the dictionary of a dictionary-encoded column.

Everything here is a view or one copy; no value ever becomes a Python object.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]

_WIDE = (pa.large_string(), pa.large_binary())
_NARROW = (pa.string(), pa.binary())


def spans(values: pa.Array, *, padding: int = 0) -> tuple[Positions, Positions, Bytes]:
    """Return where each value starts, how long it is, and the bytes, of a (large) string or binary array.

    Slices are respected; a null has length 0; `padding` zero bytes follow the last value, so that a fixed number of
    bytes can be read at every start. Raise TypeError for any other type.
    """
    if values.type not in _NARROW and values.type not in _WIDE:
        raise TypeError(f"expected strings or bytes, found {values.type}")
    count = len(values)
    _, ends, content = values.buffers()
    if not count or ends is None:
        nothing = np.zeros(count, np.int64)
        return nothing, nothing, np.zeros(padding, np.uint8)
    kind = np.int32 if values.type in _NARROW else np.int64
    edges = np.frombuffer(ends, kind)[values.offset : values.offset + count + 1].astype(np.int64)
    first, last = int(edges[0]), int(edges[-1])
    data = np.zeros(last - first + padding, np.uint8)
    if content is not None:
        data[: last - first] = np.frombuffer(content, np.uint8)[first:last]
    starts = edges[:-1] - first
    lengths = np.diff(edges)
    if values.null_count:
        lengths[~validity(values)] = 0  # a null slot may stand over bytes that were never meant to be read
    return starts, lengths, data


def byte_range(values: pa.Array) -> tuple[int, int]:
    """Return the lowest and the highest byte of a string array's content, (255, 0) where it has none."""
    _, ends, content = values.buffers()
    if not len(values) or ends is None or content is None:
        return 255, 0
    edges = np.frombuffer(ends, np.int32)
    data = np.frombuffer(content, np.uint8)[edges[values.offset] : edges[values.offset + len(values)]]
    return (int(data.min()), int(data.max())) if data.size else (255, 0)


def gather(data: Bytes, starts: Positions, width: int) -> Bytes:
    """Return an (n, width) copy of the bytes that begin at each start; `data` must reach `width` beyond every start."""
    count = len(starts)
    if count and len(data) >= count * width and bool((np.diff(starts) == width).all()):
        first = int(starts[0])
        return data[first : first + count * width].reshape(count, width).copy()
    return np.lib.stride_tricks.sliding_window_view(data, width)[starts] if count else np.zeros((0, width), np.uint8)


def validity(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Return True for every row that is not null."""
    flags: npt.NDArray[np.bool_] = values.is_valid().to_numpy(zero_copy_only=False)
    return flags


def in_use(values: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return `values` with a dictionary that holds exactly the entries that some row points to, each once.

    A slice or a filtered batch still carries the values of the rows that are gone, and whoever writes its dictionary
    would publish them.
    """
    return over_dictionary(values, lambda entries: entries)


def over_dictionary(values: pa.DictionaryArray, function: Callable[[pa.Array], pa.Array]) -> pa.DictionaryArray:
    """Apply a row-wise `function` to the dictionary entries in use; entries that become equal become one.

    Parquet writers take the entries of a dictionary to be distinct, so duplicates would corrupt the output.
    """
    indices = values.indices
    used = np.zeros(len(values.dictionary), np.bool_)
    rows = indices.drop_null() if indices.null_count else indices
    used[rows.to_numpy(zero_copy_only=False)] = True
    encoded = function(values.dictionary.filter(pa.array(used))).dictionary_encode()
    moved = (np.cumsum(used) - 1).astype(np.int32)
    places = encoded.indices.take(pa.array(moved).take(indices))
    return pa.DictionaryArray.from_arrays(places, encoded.dictionary)


def places_of(cells: pa.DictionaryArray) -> npt.NDArray[np.integer]:
    """Return the place of each cell in the dictionary, one after its last where the cell is null."""
    indices = cells.indices
    filled = indices.fill_null(len(cells.dictionary)) if indices.null_count else indices
    return np.asarray(filled.to_numpy(zero_copy_only=False))


def runs(values: pa.Array) -> tuple[pa.Array, npt.NDArray[np.int32]]:
    """Return the value of each run of equal neighbors, and for each row the number of its run, int32.

    Rows of one patient or encounter mostly stand together, so that what is costly is done once for all of them.
    """
    encoded = pc.run_end_encode(plain(values), run_end_type=pa.int32())
    ends = encoded.run_ends.to_numpy(zero_copy_only=False)
    numbers = np.repeat(np.arange(len(ends), dtype=np.int32), np.diff(ends, prepend=np.int32(0)))
    return encoded.values, numbers


def scattered(positions: npt.NDArray[np.generic]) -> npt.NDArray[np.uint64]:
    """Return uint64 tags that spread small integers evenly (the finalizer of SplitMix64, a bijection)."""
    x = positions.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def plain(values: pa.Array) -> pa.Array:
    """Return `values` without dictionary encoding."""
    return values.dictionary_decode() if isinstance(values, pa.DictionaryArray) else values
