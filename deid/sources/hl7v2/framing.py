"""From the bytes of a file to pieces of whole messages: ends of segments, MLLP frames, limits.

A piece holds whole messages, each segment ended by CR, and with them the segments of batch envelopes between messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deid.errors import SourceError
from deid.sources.files import DataFile
from deid.sources.streams import TextFile

READ_BYTES = 2 << 20
MAX_MESSAGE_BYTES = 16 << 20
HINT = "have the sender export the file again; docs/formats/dataset.md, HL7 v2, says what is read"
_BOM = b"\xef\xbb\xbf"
_START, _END = b"\x0b", b"\x1c"  # the frame of MLLP (HL7 v2 Transport Specification, MLLP Release 1)
_FRAMED = re.compile(rb"\x0b(?=MSH|FHS|BHS)")
_BEGINS = re.compile(rb"[\r \t]*(?:MSH|FHS|BHS)")
# What stands before a message, and how far the cut is before its MSH: an end of a segment stays with what it ends.
_BEFORE = {0x0D: 0, 0x0A: 0, _START[0]: 1, _BOM[2]: 3}


@dataclass(frozen=True, slots=True)
class Place:
    """What a fault names: the table, the file, and the message and segment; never what stands there."""

    table: str
    file: DataFile

    def fault(self, what: str, *, message: int = 0, segment: int = 0, hint: str = HINT) -> SourceError:
        """Return the error; messages and segments are counted from 1, and 0 is not told."""
        at = f", message {message:,}" if message else ""
        at += f", segment {segment:,}" if segment else ""
        return SourceError(f"{self.table}: {self.file.name}{at}: {what}", hint=hint)


class Framing:
    """Cuts one file into pieces; `unterminated` counts last segments without an end."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._open = 0  # MLLP frames that began and did not end
        self._begun = False
        self.unterminated = 0

    def pieces(self, stream: TextFile) -> Iterator[bytes]:
        """Yield the bytes of whole messages; raise SourceError where the file is no HL7 v2, or is cut."""
        for raw in self._cuts(stream):
            data = self._plain(raw)
            if not self._begun and data.strip(b"\r \t"):
                self._begun = True
                if not _BEGINS.match(data):
                    raise self._place.fault("does not begin with a message (MSH) or an envelope (FHS, BHS)")
            if data:
                yield data
        if self._open:
            raise self._place.fault("is cut: an MLLP frame begins and does not end")

    def _cuts(self, stream: TextFile) -> Iterator[bytes]:
        """Yield bytes that end where a message begins, and at last the rest."""
        held: list[bytes] = []
        size = 0
        tail = b""  # the end of what is held: a beginning may lie across two reads
        is_first = True
        while chunk := stream.read(READ_BYTES):
            new = chunk.removeprefix(_BOM) if is_first else chunk
            is_first = False
            held.append(new)
            size += len(new)
            probe = tail + new if tail else new
            cut = _last_beginning(probe)
            if cut > 0:
                joined = b"".join(held)
                cut += len(joined) - len(probe)
                yield joined[:cut]
                held, size = [joined[cut:]], len(joined) - cut
                probe = held[0]
            if size > MAX_MESSAGE_BYTES:
                raise self._place.fault(f"holds a message longer than {MAX_MESSAGE_BYTES >> 20} MiB")
            tail = probe[-6:]
        yield b"".join(held)

    def _plain(self, data: bytes) -> bytes:
        """Return data with CR as the only end of a segment, and without frames."""
        if b"\n" in data:
            data = data.replace(b"\r\n", b"\r").replace(b"\n", b"\r")
        if _BOM in data:  # files that were joined, each with a mark of its own
            data = data.removeprefix(_BOM).replace(b"\r" + _BOM + b"MSH", b"\rMSH")
            self.unterminated += data.count(_BOM + b"MSH")
            data = data.replace(_BOM + b"MSH", b"\rMSH")
        if _START in data or _END in data:
            data, begins = _FRAMED.subn(b"\r", data)
            self._open += begins - data.count(_END)
            if not 0 <= self._open <= 1:
                raise self._place.fault("MLLP frames are broken: one begins or ends without the other")
            data = data.replace(_END, b"\r")
        if data and not data.endswith(b"\r"):
            self.unterminated += 1
            data += b"\r"
        return data


def _last_beginning(data: bytes) -> int:
    """Return where the last message begins that does not begin at 0; 0 where there is none."""
    at = data.rfind(b"MSH")
    while at > 0:
        if (back := _BEFORE.get(data[at - 1])) is not None and at > back:
            return at - back
        at = data.rfind(b"MSH", 0, at)
    return 0
