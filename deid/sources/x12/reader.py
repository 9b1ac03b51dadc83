"""A file of interchanges, read once from beginning to end, in stretches of whole claims.

Each stretch begins with what the claims in it stand under: the segments of the open interchange, group, transaction
set, billing provider, subscriber and dependent are set before it again. So a stretch is understood from itself alone,
and memory depends on the stretch, never on the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from deid.errors import SourceError
from deid.sources.files import DataFile
from deid.sources.streams import TextFile
from deid.sources.x12.envelope import Envelope, check_kind
from deid.sources.x12.loops import Loops, Zone
from deid.sources.x12.segments import (
    ISA_BYTES,
    NUMBER_OF,
    Delimiters,
    Disorder,
    Positions,
    Segments,
    delimiters_of,
)
from deid.sources.x12.utf8 import Utf8Bytes
from deid.sources.x12.words import Level

WINDOW = 2 << 20
MAX_CLAIM = 16 << 20
MAX_SEGMENT = 1 << 20
_BLANKS = b"\r\n \t"
_HINT = "ask the sender for the interchange anew; nothing of a file is used that is not whole and in order"


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a fault is: what a message says of it."""

    table: str
    file: DataFile

    def fault(self, number: int, what: str, hint: str = _HINT) -> SourceError:
        """Return the error for the segment of this number, counted from 1 in its file."""
        return SourceError(f"{self.table}: {self.file.name}, segment {number:,}: {what}", hint=hint)


@dataclass(frozen=True)
class Window:
    """A stretch of whole claims.

    The first `fresh` segments were seen before. `set_keys` has one digest for each transaction set in it, and
    `claims_before` is how many claims of the first of these came in earlier stretches.
    """

    segments: Segments = field(repr=False)
    loops: Loops = field(repr=False)
    fresh: int
    set_keys: tuple[str, ...] = field(repr=False)
    claims_before: int

    @cached_property
    def claims(self) -> Positions:
        """The positions of the segments that open a claim."""
        return self.loops.openers(Level.CLAIM)


class Windows:
    """Cuts the stretches of one file, and holds its envelopes to what they say."""

    def __init__(self, spot: Spot, stream: TextFile, encoding: str, seen: set[bytes]) -> None:
        self._spot = spot
        self._text = Utf8Bytes(stream, encoding)
        self._envelope = Envelope(seen)
        self._buffer = b""
        self._above = b""  # the segments under which the next claim stands
        self._fresh = 0  # and how many they are
        self._number = 1  # of the first segment in the buffer
        self._claims = 0  # of the open transaction set, so far

    def __iter__(self) -> Iterator[Window]:
        delimiters: Delimiters | None = None
        size = WINDOW
        while True:
            self._fill(size)
            if delimiters is None:
                self._buffer = self._buffer.lstrip(_BLANKS)
                if not self._buffer and self._text.ended:
                    break
                delimiters = self._delimiters()
            window, used = self._window(delimiters)
            if window is None:
                if size >= MAX_CLAIM:
                    raise self._spot.fault(self._number, f"a claim, or what stands above it, is over {size >> 20} MiB")
                size *= 2
                continue
            yield window
            size = WINDOW
            self._advance(window, used)
            if window.loops.zones[-1] == Zone.IEA:
                delimiters = None
        self._end()

    def _fill(self, size: int) -> None:
        parts, held = [self._buffer], len(self._buffer)
        while held < size and not self._text.ended:
            parts.append(self._text.read())
            held += len(parts[-1])
        self._buffer = b"".join(parts)

    def _delimiters(self) -> Delimiters:
        try:
            return delimiters_of(self._buffer[:ISA_BYTES])
        except Disorder as found:
            if self._text.fault and len(self._buffer) < ISA_BYTES:
                raise self._spot.fault(self._number, self._text.fault, _ENCODING) from None
            what = "the file goes on after its interchange" if self._number > 1 else found.what
            raise self._spot.fault(self._number, what) from None

    def _window(self, delimiters: Delimiters) -> tuple[Window | None, int]:
        """Return the next stretch, and how many bytes of the buffer it takes; None where no claim ends in it."""
        fresh = self._fresh
        try:
            segments = Segments(self._above + self._buffer, delimiters)
            end = self._interchange_end(segments)
            if end is None:
                self._check_rest(segments)
            else:
                segments.cut(end)
            segments.check(MAX_SEGMENT)
            if len(segments) == fresh:
                return None, 0
            check_kind(segments)
            loops = Loops(segments)
            if loops.zones[-1] != Zone.IEA:
                whole = self._last_whole(segments, loops)
                if whole is None:
                    return None, 0
                loops.cut(whole)
                segments.cut(whole)
            loops.check()
            self._envelope.follow(segments, loops, fresh, self._number)
        except Disorder as found:
            raise self._spot.fault(self._number + found.at - fresh, found.what) from None
        used = int(segments.ends[-1]) + 1 - len(self._above)
        return Window(segments, loops, fresh, tuple(self._envelope.keys), self._claims), used

    def _check_rest(self, segments: Segments) -> None:
        """Refuse what stands behind the last whole segment, where it is too long or the last of the file."""
        rest = segments.raw[segments.used :]
        if len(rest) > MAX_SEGMENT:
            raise Disorder(len(segments), f"longer than {MAX_SEGMENT >> 20} MiB")
        if self._text.ended and rest.strip(_BLANKS):
            raise self._cut_short(self._number + len(segments) - self._fresh, "the file ends within this segment")

    def _interchange_end(self, segments: Segments) -> int | None:
        """Return after how many segments an interchange ends that no other of the same delimiters follows."""
        ends = np.flatnonzero(segments.names[self._fresh :] == _IEA) + self._fresh
        own = _marks(segments.raw, int(segments.begins[0])) if len(segments) else b""
        for at in ends.tolist():
            following = int(segments.begins[at + 1]) if at + 1 < len(segments) else len(segments.raw)
            if _marks(segments.raw, following) != own:
                return int(at) + 1
        return None

    def _last_whole(self, segments: Segments, loops: Loops) -> int | None:
        """Return where the last claim or level begins that may not be whole; None where there is no other before."""
        if self._text.ended:
            raise self._cut_short(self._number + len(segments) - self._fresh, "the file ends within an interchange")
        begins = loops.zone_at[(loops.zones >= Zone.BILLING) & (loops.zones <= Zone.CLAIM)]
        begins = begins[begins > self._fresh]
        return int(begins[-1]) if len(begins) else None

    def _cut_short(self, number: int, what: str) -> SourceError:
        if self._text.fault:
            return self._spot.fault(number, self._text.fault, _ENCODING)
        return self._spot.fault(number, what)

    def _advance(self, window: Window, used: int) -> None:
        segments, loops = window.segments, window.loops
        self._number += len(segments) - window.fresh
        self._buffer = self._buffer[used:]
        if loops.zones[-1] == Zone.IEA:
            self._above, self._fresh, self._claims = b"", 0, 0
            return
        sets = loops.openers(Level.SET)
        inside = int((window.claims > sets[-1]).sum())
        carried = len(sets) == 1 and int(sets[0]) < window.fresh
        self._claims = inside + (self._claims if carried else 0)
        self._above, self._fresh = _above(segments, loops)

    def _end(self) -> None:
        if self._text.fault:
            raise self._spot.fault(self._number, self._text.fault, _ENCODING)
        if self._number == 1:
            raise self._spot.fault(1, "the file holds no interchange")


_ENCODING = "write the file's `encoding` in the description, as latin-1 or cp1252, or ask for the file anew"
_IEA = NUMBER_OF["IEA"]


def _marks(raw: bytes, at: int) -> bytes:
    """Return the delimiters of an ISA segment at this place; nothing where there is none, or not whole."""
    head = raw[at : at + ISA_BYTES]
    whole = len(head) == ISA_BYTES and head.startswith(b"ISA")
    return head[3:4] + head[82:83] + head[84:89] + head[104:106] if whole else b""


def _above(segments: Segments, loops: Loops) -> tuple[bytes, int]:
    """Return the bytes and the number of the segments of open interchange, group, set and levels, claims apart."""
    parts, last, count = [], -1, 0
    edges = np.append(loops.zone_at, len(segments))
    for zone in (Zone.ISA, Zone.GS, Zone.ST, Zone.BILLING, Zone.SUBSCRIBER, Zone.DEPENDENT):
        found = np.flatnonzero(loops.zones == zone)
        if not len(found) or found[-1] < last:
            break
        last = int(found[-1])
        begin, end = segments.begins[edges[last]], segments.ends[edges[last + 1] - 1] + 1
        parts.append(segments.raw[begin:end])
        count += int(edges[last + 1] - edges[last])
    return b"".join(parts), count
