"""Cells as text: bytes decoded, blanks trimmed, empty cells made null, and numbers written as they are meant."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import byte_range

Flags = npt.NDArray[np.bool_]
Parsed = tuple[pa.Array, Flags]
_SPACE, _LAST_ASCII = 0x20, 0x7F


def as_strings(values: pa.Array) -> Parsed:
    """Return a string array of (large) strings or bytes; a cell that is not UTF-8 is bad."""
    try:
        strings = values.cast(pa.string())
        if byte_range(strings)[1] > _LAST_ASCII:
            strings.validate(full=True)
    except pa.ArrowInvalid:  # its message may quote the cell
        return _decoded(values)
    return strings, np.zeros(len(values), np.bool_)


def _decoded(values: pa.Array) -> Parsed:
    cells = values.cast(pa.large_binary()).to_pylist()
    bad = np.zeros(len(cells), np.bool_)
    texts: list[str | None] = []
    for row, cell in enumerate(cells):
        try:
            texts.append(None if cell is None else cell.decode())
        except UnicodeDecodeError:
            texts.append(None)
            bad[row] = True
    return pa.array(texts, pa.string()), bad


def trimmed(texts: pa.Array) -> pa.Array:
    """Return texts without the blanks around them, null where nothing else is."""
    # Where every byte is a visible ASCII character there is nothing to trim; identifiers mostly are such.
    low, high = byte_range(texts)
    is_plain = low > _SPACE and high <= _LAST_ASCII
    return blank_to_null(texts if is_plain else pc.utf8_trim_whitespace(texts))


def blank_to_null(texts: pa.Array, measured: pa.Array | None = None) -> pa.Array:
    """Return texts, null where they are empty, or where `measured` of the same length is."""
    empty = pc.equal(pc.binary_length(texts if measured is None else measured), 0)
    return pc.if_else(empty, pa.scalar(None, texts.type), texts) if pc.any(empty).as_py() else texts


def without_fraction(texts: pa.Array) -> pa.Array:
    """Return whole numbers as such: data frames write 12.0 where a cell of the column is missing.

    One key would else have two spellings, and rows would silently lose the visit or the patient that they belong to.
    """
    if not pc.any(pc.match_substring(texts, ".")).as_py():
        return texts
    return pc.replace_substring_regex(texts, r"^([+-]?[0-9]+)\.0*$", r"\1")


def float_texts(values: pa.Array) -> pa.Array:
    """Return floats as text; data frames turn codes into floats where one is missing, so 250.0 is read as 250."""
    numbers = pc.cast(values, pa.float64())
    whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), float(2**53)))
    integers = pc.cast(pc.if_else(whole, numbers, pa.scalar(None, pa.float64())), pa.int64())
    texts = pc.coalesce(pc.cast(integers, pa.string()), pc.cast(numbers, pa.string()))
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.string()), texts)
