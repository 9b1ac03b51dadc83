"""Blocks of one file: segments found and checked, envelopes followed, delimiters made one for all messages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from deid.errors import SourceError
from deid.schema import Table
from deid.sources.files import DataFile
from deid.sources.hl7v2.block import DELIMITERS, FIELD, MSH, Block, Bytes, Numbers, Spans
from deid.sources.hl7v2.envelope import Envelope
from deid.sources.hl7v2.framing import Framing, Place
from deid.sources.hl7v2.vocabulary import ENVELOPE, number_of
from deid.sources.streams import TextFile

MAX_MARKS = 4_000_000  # of a piece: what is known of each costs memory, and no honest message has as many
_FORBIDDEN = np.isin(np.arange(256), [0, *DELIMITERS])
_CR = 0x0D
_UPPER = np.isin(np.arange(256), np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", np.uint8))
_NAME = (_UPPER, _UPPER | np.isin(np.arange(256), np.frombuffer(b"0123456789", np.uint8)))
_ENVELOPE = [number_of(name) for name in ENVELOPE]
_ENVELOPE_NAMES = [name.encode() for name in ENVELOPE]
_HEAD = 10  # MSH, MSH-1, up to five characters of MSH-2, and the delimiter after them


def blocks_of(
    table: Table, file: DataFile, framing: Framing, stream: TextFile, *, only: re.Pattern[bytes] | None = None
) -> Iterator[Block]:
    """Yield the blocks of one file; raise SourceError with message and segment for what is no HL7 v2.

    With `only`, pieces in which it is nowhere found give no block, and are not looked at further.
    """
    place = Place(table.name, file)
    envelope = Envelope(place)
    for piece in framing.pieces(stream):
        if only is not None and not only.search(piece) and not any(name in piece for name in _ENVELOPE_NAMES):
            envelope.add(piece.count(b"\rMSH") + piece.startswith(b"MSH"))
            continue
        block = _block(place, table, envelope, piece)
        if len(block.heads):
            yield block
    envelope.finish()


def _block(place: Place, table: Table, envelope: Envelope, piece: bytes) -> Block:
    """Return the block of one piece; raise SourceError with message and segment for what is no HL7 v2."""
    first = envelope.messages + 1
    raw = _utf8(place, table, first, piece)
    data = np.frombuffer(raw, np.uint8)
    low = np.flatnonzero(data < 0x20)
    kinds = data[low]
    ends = low[kinds == _CR]
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    starts, ends = _without_blank(raw, starts, ends)
    padded = np.concatenate([data, np.zeros(_HEAD, np.uint8)])
    letters = np.stack([padded[starts + at] for at in range(3)]).astype(np.int64)
    names = (letters[0] << 16) | (letters[1] << 8) | letters[2]
    apart = _follow(envelope, raw, starts, ends, names)
    if apart.any():
        starts, ends, letters, names = starts[~apart], ends[~apart], letters[:, ~apart], names[~apart]
    is_head = names == MSH
    message = np.cumsum(is_head) - 1
    heads = np.flatnonzero(is_head)
    if (_FORBIDDEN[kinds]).any():
        what = "holds a control character (0x00, or 0x1B to 0x1F)"
        bad = int(np.searchsorted(starts, low[_FORBIDDEN[kinds]][0], "right")) - 1
        raise _at(place, first, message, heads, bad, what) if bad >= 0 else place.fault(what)
    delimiters = _delimiters(place, first, padded, starts[heads])
    _check_joints(place, first, raw, delimiters)
    data = _translated(raw, starts[heads], delimiters)
    _check_segments(place, first, data, starts, ends, letters, message, heads)
    marks = np.flatnonzero(data < 0x20)
    if len(marks) > MAX_MARKS:
        raise place.fault(f"holds a message of more than {MAX_MARKS:,} delimiters", message=first)
    segments = Spans(starts, ends, np.searchsorted(marks, starts), np.searchsorted(marks, ends))
    return Block(place, first, data, marks, segments, names, message, heads, delimiters)


def _follow(envelope: Envelope, raw: bytes, starts: Numbers, ends: Numbers, names: Numbers) -> npt.NDArray[np.bool_]:
    """Show an envelope its segments and the messages between them; return which segments are its own."""
    apart = np.isin(names, _ENVELOPE)
    is_head = names == MSH
    at = 0
    for own in np.flatnonzero(apart).tolist():
        envelope.add(int(is_head[at:own].sum()))
        envelope.see(raw[starts[own] : ends[own]])
        at = own
    envelope.add(int(is_head[at:].sum()))
    return apart


def _at(place: Place, first: int, message: Numbers, heads: Numbers, segment: int, what: str) -> SourceError:
    number = int(message[segment])
    start = int(heads[number]) if number >= 0 else 0
    return place.fault(what, message=first + max(number, 0), segment=segment - start + 1)


def _utf8(place: Place, table: Table, first: int, piece: bytes) -> bytes:
    """Return the piece as UTF-8; what is not in the described encoding is refused, never replaced."""
    if piece.isascii():
        return piece
    try:
        text = piece.decode(table.text.encoding)
    except ValueError as error:  # all that codecs raise
        before = piece[: getattr(error, "start", 0) + 1]
        raise place.fault(
            f"holds bytes that are not {table.text.encoding}",
            message=first - 1 + before.count(b"\rMSH") + before.startswith(b"MSH"),
            hint="write the sender's `encoding`, for instance latin-1 or cp1252",
        ) from None
    return piece if table.text.encoding in ("utf-8", "utf8") else text.encode()


def _without_blank(raw: bytes, starts: Numbers, ends: Numbers) -> tuple[Numbers, Numbers]:
    """Drop empty lines and those of blanks."""
    kept = ends > starts
    first = np.frombuffer(raw, np.uint8)[starts]
    for at in np.flatnonzero(kept & ((first == 0x20) | (first == 0x09))):
        kept[at] = bool(raw[starts[at] : ends[at]].strip())
    return (starts, ends) if kept.all() else (starts[kept], ends[kept])


def _delimiters(place: Place, first: int, padded: Bytes, heads: Numbers) -> Bytes:
    """Return the delimiters of each message (n, 5) in the order of MSH-1 and MSH-2."""
    head = padded[heads[:, None] + np.arange(3, _HEAD)]
    if len(head) and (head == head[0]).all():
        plain, which = head[:1], np.zeros(len(head), np.int64)
    else:
        plain, which = np.unique(head, axis=0, return_inverse=True)
    found = np.zeros((len(plain), 5), np.uint8)
    for row, signs in enumerate(plain):
        bad = int(np.flatnonzero(which.reshape(-1) == row)[0])
        end = np.flatnonzero(signs[1:] == signs[0])
        told = bytes(signs[: int(end[0]) + 1]) if len(end) else b""
        # A fifth character of MSH-2 is the truncation mark of 2.7, which ends a value and needs no reading.
        if not 2 <= len(told) <= 6 or len(set(told)) < len(told) or not all(_is_sign(sign) for sign in told):
            raise place.fault(
                "MSH-1 and MSH-2 do not say two to six different delimiters", message=first + bad, segment=1
            )
        found[row, : min(len(told), 5)] = list(told[:5])
    return found[which.reshape(-1)]


def _check_joints(place: Place, first: int, raw: bytes, delimiters: Bytes) -> None:
    """Refuse a message that begins within a segment: files were joined of which one had no last end of a segment."""
    same = len(delimiters) > 0 and bool((delimiters == delimiters[0]).all())
    for signs in delimiters[:1] if same else np.unique(delimiters, axis=0):
        heads = len(delimiters) if same else int((delimiters == signs).all(axis=1).sum())
        if raw.count(b"MSH" + bytes(signs).rstrip(b"\0")) != heads:
            raise place.fault("holds a message that begins within a segment", message=first)


def _is_sign(byte: int) -> bool:
    return 0x20 < byte < 0x7F and not chr(byte).isalnum()


def _translated(raw: bytes, heads: Numbers, delimiters: Bytes) -> Bytes:
    """Return the data with the delimiters of each message replaced, run by run of messages with the same ones."""
    if not len(heads):
        return np.frombuffer(raw, np.uint8)
    changes = np.flatnonzero((delimiters[1:] != delimiters[:-1]).any(axis=1)) + 1
    edges = [0, *heads[changes].tolist(), len(raw)]
    parts = [
        raw[begin:end].translate(_table(bytes(delimiters[at])))
        for begin, end, at in zip(edges, edges[1:], [0, *changes.tolist()], strict=False)
    ]
    return np.frombuffer(parts[0] if len(parts) == 1 else b"".join(parts), np.uint8)


def _table(signs: bytes) -> bytes:
    pairs = [(sign, mark) for sign, mark in zip(signs, DELIMITERS, strict=True) if sign]
    return bytes.maketrans(bytes(sign for sign, _ in pairs), bytes(mark for _, mark in pairs))


def _check_segments(
    place: Place,
    first: int,
    data: Bytes,
    starts: Numbers,
    ends: Numbers,
    letters: Numbers,
    message: Numbers,
    heads: Numbers,
) -> None:
    sound = _NAME[0][letters[0]] & _NAME[1][letters[1]] & _NAME[1][letters[2]] & (message >= 0)
    lengths = ends - starts
    sound &= (lengths == 3) | ((lengths > 3) & (data[np.minimum(starts + 3, len(data) - 1)] == FIELD))
    if not sound.all():
        what = "is no segment: three letters and the delimiter of MSH-1; a line break in a value is written \\.br\\"
        raise _at(place, first, message, heads, int(np.flatnonzero(~sound)[0]), what)
