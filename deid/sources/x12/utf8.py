"""Text in any encoding as UTF-8, read once; what is no text ends it."""

from __future__ import annotations

import codecs

from deid.sources.streams import CHUNK, TextFile


class Utf8Bytes:
    """The text of a file as UTF-8, whatever it is written in; it stops before the first byte that is no text.

    `fault` then says what stopped it.
    """

    def __init__(self, stream: TextFile, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        plain = bytes(range(128))
        try:
            self._keeps_ascii = plain.decode(encoding).encode() == plain
        except UnicodeDecodeError:
            self._keeps_ascii = False
        self._pending = False
        self._first = True
        self.fault = ""
        self.ended = False

    def read(self) -> bytes:
        """Return the next bytes; none at the end, and none after a fault."""
        chunk = b"" if self.ended else self._stream.read(CHUNK)
        self.ended = self.ended or not chunk
        text = chunk if chunk.isascii() and self._keeps_ascii and not self._pending else self._decoded(chunk)
        if self._first and text:
            text, self._first = text.removeprefix(codecs.BOM_UTF8), False
        if (nul := text.find(b"\0")) >= 0:
            text, self.fault, self.ended = text[:nul], "a NUL byte", True
        return text

    def _decoded(self, chunk: bytes) -> bytes:
        before = self._decoder.getstate()
        try:
            text = self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            self.fault, self.ended = f"bytes that are not {self._encoding} text", True
            self._decoder.setstate(before)
            good = (before[0] + chunk)[: error.start] if isinstance(before[0], bytes) else b""
            fresh = codecs.getincrementaldecoder(self._encoding)()
            fresh.setstate((b"", before[1]))
            return fresh.decode(good, final=False).encode()
        self._pending = self._decoder.getstate()[0] != b""
        return text.encode("utf-8", errors="replace")
