"""Delimited text with minimal quoting, written whole columns at a time."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pyarrow as pa
import pyarrow.compute as pc

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How text is written: one-character delimiter, text for null, byte order mark, line end, compression or none.

    `compression` is None, `gzip` or `zstd`. Dates are ISO 8601 unless a column is text already.
    """

    delimiter: str = ","
    null: str = ""
    has_bom: bool = False
    line_end: str = "\n"
    compression: str | None = None

    @property
    def suffix(self) -> str:
        """What a file name gains by the compression."""
        return {None: "", "gzip": ".gz", "zstd": ".zst"}[self.compression]


class DelimitedFile:
    """A file that tables are appended to; the header is that of the first one."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._dialect = dialect
        self._is_empty = True
        self._open: list[IO[bytes]] = []
        self._write = self._writer(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for stream in reversed(self._open):
            stream.close()

    def append(self, table: pa.Table) -> None:
        """Write the rows of `table`."""
        if self._is_empty:
            header = self._dialect.delimiter.join(table.column_names) + self._dialect.line_end
            self._write((_BOM if self._dialect.has_bom else b"") + header.encode())
            self._is_empty = False
        for batch in table.to_batches(max_chunksize=200_000):
            self._write(rows(batch, self._dialect))

    def _writer(self, path: Path) -> Callable[[bytes], object]:
        raw = path.open("wb")
        self._open.append(raw)
        if self._dialect.compression == "gzip":
            # No name and no time in the header: the same population gives the same bytes.
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
            self._open.append(packed)  # type: ignore[arg-type]
            return packed.write
        if self._dialect.compression == "zstd":
            stream = pa.CompressedOutputStream(raw, "zstd")
            self._open.append(stream)
            return stream.write  # type: ignore[no-any-return]
        return raw.write


def rows(batch: pa.RecordBatch, dialect: Dialect) -> bytes:
    """Return the rows of `batch` as text, without a header."""
    if not batch.num_rows:
        return b""
    cells = [_cells(column, dialect) for column in batch.columns]
    last = pc.binary_join_element_wise(cells[-1], dialect.line_end, "")
    lines = pc.binary_join_element_wise(*cells[:-1], last, dialect.delimiter)
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines), "")
    text: bytes = joined[0].as_buffer().to_pybytes()
    return text


def _cells(column: pa.Array, dialect: Dialect) -> pa.Array:
    text = column if pa.types.is_string(column.type) else column.cast(pa.string())
    special = pc.match_substring_regex(text, f'["\\r\\n{chr(92)}{dialect.delimiter}]')
    if pc.any(special).as_py():
        doubled = pc.replace_substring(text, '"', '""')
        text = pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), text)
    return pc.fill_null(text, dialect.null)
