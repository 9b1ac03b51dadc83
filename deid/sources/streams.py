"""Byte streams that are read once: hashed, decompressed and watched while they flow.

A hashing file stands under the decompressor, so the digest is of the file's own bytes; a watching file stands above it,
so that what is counted is text.
"""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
from blake3 import blake3

from deid.errors import SourceError
from deid.sources.base import unreadable

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
CHUNK = 1 << 20


class HashingFile(io.RawIOBase):
    """A file read from beginning to end, whose digest (BLAKE3) is taken as the bytes go by."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._hash = blake3()
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise unreadable(path, error) from None

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; empty at the end."""
        try:
            data = self._file.read(CHUNK if size is None or size < 0 else size)
        except OSError as error:
            raise unreadable(self._path, error) from None
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

    `nuls` counts NUL bytes, `quotes` the bytes equal to `quote`. Use it as a context manager.
    """

    def __init__(self, path: Path, *, quote: bytes = b"") -> None:
        super().__init__()
        self.path = path
        self.nuls = 0
        self.quotes = 0
        self._quote = quote
        self._raw = HashingFile(path)
        self._inner = self._raw if (codec := compression(path)) is None else _decompressor(self._raw, codec)

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes of text; raise SourceError where compressed data is cut or damaged."""
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


def compression(path: Path) -> str | None:
    """Return gzip, zstd or None by the first bytes of the file; a name may lie, its bytes do not."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise unreadable(path, error) from None
    if head.startswith(GZIP):
        return "gzip"
    return "zstd" if head == ZSTD else None


def head_of(path: Path, size: int) -> bytes:
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
