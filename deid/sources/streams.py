"""Byte streams that are read once: hashed, decompressed and watched while they flow.

A hashing file stands under the decompressor, so the digest is of the file's own bytes; a watching file stands above it,
so that what is counted is text.
"""

from __future__ import annotations

import codecs
import io
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pyarrow as pa
from blake3 import blake3

from deid.errors import SourceError
from deid.sources.files import DataFile, unreadable

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
CHUNK = 1 << 20
_PATIENCE = 0.25  # seconds


class Pace:
    """Keeps whoever reads a stream in another thread from running far ahead of what is made of it.

    pyarrow's reader of CSV lets 32 blocks wait before it stops by itself; here it is `most`. While somebody waits for a
    batch and none comes, one block more is read after a moment: what is there may be too little to make a batch of.
    """

    def __init__(self, most: int = 4) -> None:
        self._changed = threading.Condition()
        self._most, self._ahead = most, 0
        self._is_awaited, self._is_over = True, False

    def before_reading(self) -> None:
        """Wait until one more block may be read."""
        with self._changed:
            while self._ahead >= self._most and not self._is_over:
                if not self._changed.wait(_PATIENCE) and self._is_awaited:
                    break
            self._ahead += 1

    def await_batch(self) -> None:
        """From now on somebody waits."""
        with self._changed:
            self._is_awaited = True

    def made(self) -> None:
        """A batch was made of a block, and nobody waits for another yet."""
        with self._changed:
            self._ahead -= 1
            self._is_awaited = False
            self._changed.notify_all()

    def end(self) -> None:
        """Hold nobody back any more."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()


class HashingFile(io.RawIOBase):
    """A file read from beginning to end, or a part of it, whose digest (BLAKE3) is taken as the bytes go by."""

    def __init__(self, path: DataFile, *, start: int = 0, stop: int | None = None) -> None:
        super().__init__()
        self._path = path
        self._hash = blake3()
        self._left = None if stop is None else stop - start
        try:
            self._file = path.open("rb", buffering=0)
            if start:
                self._file.seek(start)
        except OSError as error:
            raise unreadable(path, error) from None

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; empty at the end."""
        size = CHUNK if size is None or size < 0 else size
        try:
            data = self._file.read(size if self._left is None else min(size, self._left))
        except OSError as error:
            raise unreadable(self._path, error) from None
        if self._left is not None:
            self._left -= len(data or b"")
        self._hash.update(data or b"")
        return data or b""

    def finish(self) -> str:
        """Read what is left and return the digest (hex) of the whole file."""
        while self.read(CHUNK):
            pass
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()


class TextFile(io.RawIOBase):
    """The decompressed bytes of a file, with its digest and counts of what must not occur.

    `nuls` counts NUL bytes, `quotes` the bytes equal to `quote`. With `utf8` it raises SourceError, with the line,
    before it hands out a byte that is no UTF-8. Use it as a context manager. `start` to `stop` are bytes of a file that
    is not compressed.
    """

    def __init__(
        self, path: DataFile, *, quote: bytes = b"", utf8: bool = False, start: int = 0, stop: int | None = None
    ) -> None:
        super().__init__()
        self.path, self._start = path, start
        self.pace: Pace | None = None
        self.nuls = 0
        self.quotes = 0
        self._quote = quote
        self._text = _Utf8() if utf8 else None
        self._raw = HashingFile(path, start=start, stop=stop)
        self._inner = self._raw if (codec := compression(path)) is None else _decompressor(self._raw, codec)

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes of text; raise SourceError where compressed data is cut or damaged."""
        if self.pace is not None:
            self.pace.before_reading()
        try:
            data: bytes = self._inner.read(CHUNK if size is None or size < 0 else size)
        except (OSError, EOFError, pa.ArrowException):
            raise SourceError(
                f"{self.path.name} is cut or damaged: its compressed data does not decode to the end",
                hint="fetch the file again and compare its size or digest with the sender's",
            ) from None
        # Looking for a byte that is not there is ten times faster than counting it, and mostly it is not there.
        if b"\0" in data:
            self.nuls += data.count(b"\0")
        if self._quote and self._quote in data:
            self.quotes += data.count(self._quote)
        if self._text is not None and size != 0 and (at := self._text.fault_in(data)) is not None:
            raise SourceError(
                f"{self.path.name}, line {_line_at(self.path, self._start + at):,}: bytes that are not utf-8 text",
                hint="save the file as UTF-8, or write its `encoding` in the description",
            )
        return data

    def finish(self) -> str:
        """Return the digest (hex) of the whole file."""
        return self._raw.finish()

    def close(self) -> None:
        """Close the file."""
        self._raw.close()
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Utf8:
    """Whether bytes that come piece by piece are UTF-8; ASCII, which most are, is only glanced at."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._seen = 0
        self._held = 0  # bytes of a letter that the last piece began

    def fault_in(self, piece: bytes) -> int | None:
        """Return where in the whole text the first wrong byte stands, None where there is none; empty is the end."""
        begin = self._seen - self._held
        self._seen += len(piece)
        if piece and not self._held and piece.isascii():
            return None
        try:
            self._decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            return begin + error.start
        self._held = len(self._decoder.getstate()[0])
        return None


def _line_at(path: DataFile, place: int) -> int:
    """Return the line, from 1, in which a byte of text stands."""
    lines, left = 1, place
    with TextFile(path) as again:
        while left > 0 and (piece := again.read(min(left, CHUNK))):
            lines += piece.count(b"\n")
            left -= len(piece)
    return lines


def compression(path: DataFile) -> str | None:
    """Return gzip, zstd or None by the first bytes of the file; a name may lie, its bytes do not."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise unreadable(path, error) from None
    if head.startswith(GZIP):
        return "gzip"
    return "zstd" if head == ZSTD else None


def chunks_of(stream: TextFile) -> Iterator[bytes]:
    """Yield the text of a file piece by piece, to its end."""
    while chunk := stream.read(CHUNK):
        yield chunk


def head_of(path: DataFile, size: int) -> bytes:
    """Return the first `size` bytes of text of a file."""
    with TextFile(path) as file:
        parts: list[bytes] = []
        left = size
        while left > 0 and (data := file.read(left)):
            parts.append(data)
            left -= len(data)
        return b"".join(parts)


def _decompressor(raw: HashingFile, codec: str) -> pa.NativeFile:
    return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), codec)
