"""Batches of several tables, kept in their order: in memory up to a budget, beyond it sealed in a file without a name.

See docs/adr/0013. What spills is one Arrow stream a table and frame (LZ4, dictionaries as they are) under the key of a
`SpillFile`, which lives in memory only.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from deid.sealing.closing import Closing
from deid.sealing.spill import SpillFile

FRAME = 4 << 20  # bytes of batches in one frame: each is opened whole


class SealedBatches(Closing):
    """Takes batches table by table, and gives those of a table back as often as asked; a context manager.

    All batches of a table have one schema. Memory is the budget, and for a moment a frame and its copy.
    """

    def __init__(self, *, folder: Path, budget: int) -> None:
        self._budget = budget
        self._file = SpillFile(folder)
        self._held: dict[str, list[pa.RecordBatch]] = {}
        self._bytes = 0
        self._frames: dict[str, array[int]] = {}  # of each table the numbers of its frames, in order

    @property
    def spilled_bytes(self) -> int:
        """The bytes of the temporary file; 0 where everything fitted in memory."""
        return self._file.size

    def close(self) -> None:
        """Forgets the key and gives the space back; the object is of no use afterwards."""
        self._held, self._frames, self._bytes = {}, {}, 0
        self._file.close()

    def add(self, table: str, batch: pa.RecordBatch) -> None:
        """Keeps a batch behind those of its table; StorageError if the spill file cannot grow."""
        self._held.setdefault(table, []).append(batch)
        self._bytes += batch.get_total_buffer_size()
        if self._bytes > self._budget:
            self._seal()

    def forget(self, tables: Iterable[str]) -> None:
        """Drops what is kept of these tables."""
        for table in tables:
            self._bytes -= sum(batch.get_total_buffer_size() for batch in self._held.pop(table, []))
            self._frames.pop(table, None)

    def read(self, table: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yields the batches of a table, in the order they were added, with these columns in this order."""
        # What is sealed while this goes on stays in these two.
        held, frames = tuple(self._held.get(table, ())), tuple(self._frames.get(table, ()))
        for place, number in enumerate(frames):
            plain = self._file.read(number, context=_context(table, place))
            for batch in _opened(plain, columns):
                yield batch.select(list(columns))
        for batch in held:
            yield batch.select(list(columns))

    def _seal(self) -> None:
        """Moves everything held to the spill file, so that frames are few and as large as the budget lets them be."""
        for table, batches in self._held.items():
            frames = self._frames.setdefault(table, array("Q"))
            for part in _parts(batches):
                frames.append(self._file.append(_stream(part), context=_context(table, len(frames))))
        self._held, self._bytes = {}, 0


def _parts(batches: Sequence[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    part: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        part.append(batch)
        size += batch.nbytes
        if size >= FRAME:
            yield part
            part, size = [], 0
    if part:
        yield part


def _stream(batches: Sequence[pa.RecordBatch]) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as stream:
        for batch in batches:
            stream.write_batch(batch)
    return sink.getvalue()


def _opened(plain: bytes, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a frame, of which columns that nobody asks for are not decompressed."""
    buffer = pa.py_buffer(plain)
    names = pa.ipc.open_stream(buffer).schema.names
    asked = sorted({names.index(name) for name in columns})
    options = pa.ipc.IpcReadOptions(included_fields=asked, use_threads=False)
    yield from pa.ipc.open_stream(buffer, options=options)


def _context(table: str, place: int) -> bytes:
    """What is authenticated with a frame: its table and its place there, so that frames cannot be swapped."""
    return struct.pack(">Q", place) + table.encode()
