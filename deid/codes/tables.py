"""Tables of codes: read once per process, when first asked, from Parquet files that `python -m deid.codes.build` makes.

A table is sorted by code. A code has at most eight ASCII characters, so it packs into one unsigned integer whose order
is the order of the text, and a column of codes is looked up by binary search on integers.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from deid.cells.buffers import gather, spans
from deid.cells.days import number_of_day
from deid.codes.base import CodeList

Keys = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int64]

WIDTH = 8
NOWHERE = -1  # the place of a code that the table does not hold
MARK = b"deid.code_list."  # what the facts of a table begin with in its Parquet metadata


@dataclass(frozen=True, slots=True, eq=False)
class CodeTable:
    """The rows of a table; `keys` are the packed codes, ascending, uint64 of shape (m,), one for each row."""

    rows: pa.Table = field(repr=False)
    keys: Keys = field(repr=False)
    facts: CodeList

    def find(self, codes: pa.Array) -> Places:
        """Return the row of each code of a plain string array, int64 of shape (n,); NOWHERE for null and unknown."""
        wanted = pack(codes)
        places = np.searchsorted(self.keys, wanted)
        places[places == len(self.keys)] = 0
        return np.where(self.keys[places] == wanted, places, NOWHERE)

    def numbers(self, column: str) -> npt.NDArray[np.generic]:
        """Return a column of numbers or flags, of shape (m,)."""
        found: npt.NDArray[np.generic] = self.rows.column(column).chunk(0).to_numpy(zero_copy_only=False)
        return found

    def words(self, column: str, places: Places) -> pa.Array:
        """Return the strings of a column at `places`, plain; null where the place is NOWHERE or the cell is null."""
        return self.rows.column(column).chunk(0).take(pa.array(places, mask=places == NOWHERE)).cast(pa.string())

    def vocabulary(self, column: str) -> frozenset[str]:
        """Return the distinct strings of a column."""
        return frozenset(word for word in self.rows.column(column).unique().to_pylist() if word is not None)


def pack(codes: pa.Array) -> Keys:
    """Return the bytes of each string as a number that orders as the text does, uint64 of shape (n,).

    0 for null, for the empty string and for more than eight bytes, which no table holds.
    """
    starts, lengths, data = spans(codes, padding=WIDTH)
    text = gather(data, starts, WIDTH)
    # What follows a code belongs to its neighbor.
    text[np.arange(WIDTH) >= lengths[:, None]] = 0
    keys = np.ascontiguousarray(text).view(">u8").ravel().astype(np.uint64)
    keys[lengths > WIDTH] = 0
    return keys


@functools.cache
def load_table(name: str) -> CodeTable:
    """Return the table `name` that ships with the package."""
    return read_table(resources.files("deid.codes.data").joinpath(f"{name}.parquet"))


def read_table(file: Traversable) -> CodeTable:
    """Return the table of a Parquet file with a column `code`, sorted, and the facts of a CodeList in its metadata."""
    with file.open("rb") as stream:
        rows = pq.read_table(stream).combine_chunks()
    return CodeTable(rows, pack(rows.column("code").chunk(0)), facts_of(rows))


def facts_of(rows: pa.Table) -> CodeList:
    """Return what the metadata of a table says of its list."""
    said = {key.removeprefix(MARK).decode(): value.decode() for key, value in (rows.schema.metadata or {}).items()}
    return CodeList(
        said["release"],
        said["source"],
        int(said["codes"]),
        _day(said.get("first")),
        _day(said.get("last")),
        complete=said["complete"] == "yes",
    )


def _day(text: str | None) -> int | None:
    return number_of_day(*map(int, text.split("-"))) if text else None
