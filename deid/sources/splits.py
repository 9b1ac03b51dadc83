"""Splits: parts of a table's files that are read each by itself, by one task of an engine.

A table is cut where its rows may be, and the rows of its splits, in their order, are its rows. The digest of the table
is taken when it is cut; a split names the size and time of change of its file, and is refused where they are others.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from deid.errors import SourceError
from deid.sources.files import DataFile, unreadable
from deid.sources.streams import CHUNK, TextFile
from deid.stores.files import StoreFile

SPLIT_BYTES = 128 << 20  # of text; of Parquet, before it is compressed
_ONE_BYTE = frozenset({"utf-8", "utf8", "ascii", "latin-1", "iso-8859-1", "cp1252", "windows-1252"})
Identity = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """One part of a table: `file` counts the table's files, None for all of them; `start` to `stop` is where in it.

    In text they are bytes, in Parquet row groups; `stop` is None for the rest. `identity`: what tells that the file is
    the one that was cut.
    """

    table: str
    number: int = 0
    file: int | None = None
    start: int = 0
    stop: int | None = None
    identity: Identity = field(default=(), repr=False)


def identity_of(file: DataFile) -> Identity:
    """Return what changes when a file does: its size and time of change, the same on every machine that mounts it."""
    try:
        if isinstance(file, StoreFile):
            return tuple(file.identity())
        status = file.stat()
    except OSError as error:
        raise unreadable(file, error) from None
    return status.st_size, status.st_mtime_ns


def require_same_file(split: Split, file: DataFile, said: Identity = ()) -> None:
    """Raise SourceError where a file is no longer the one that was cut; `said`: what its folders say."""
    if split.identity and tuple(split.identity) != (*identity_of(file), *said):
        raise SourceError(
            f"{split.table}: {file.name} changed while it was read", hint="run again when nothing writes to the source"
        )


def can_be_cut(encoding: str) -> bool:
    """Whether a line break and a quote are one byte each in an encoding, and that byte nothing else."""
    return encoding.lower() in _ONE_BYTE


def cuts_of(file: DataFile, quote: bytes, size: int) -> tuple[list[int], str]:
    """Return where rows begin that are about `size` bytes apart, without 0, and the digest of the file.

    A row ends at a line break outside of quotes. Where quotes stand in cells that are not quoted, a cut may fall into a
    cell; both of its halves are then rows with too few cells, and the run refuses.
    """
    cuts: list[int] = []
    wanted, at, is_inside = size, 0, False
    with TextFile(file) as stream:
        while piece := stream.read(CHUNK):
            end = at + len(piece)
            if end > wanted:
                found = _line_end(piece, max(wanted - at, 0), quote, is_inside=is_inside)
                if found is not None:
                    cuts.append(at + found)
                    wanted = at + found + size
            if quote and quote in piece:
                is_inside ^= bool(piece.count(quote) % 2)
            at = end
        digest = stream.finish()
    return cuts[: bisect_right(cuts, at - 1)], digest


def _line_end(piece: bytes, begin: int, quote: bytes, *, is_inside: bool) -> int | None:
    """Return where in a piece the first row after `begin` begins, or None; `is_inside`: the piece begins in quotes."""
    if quote:
        is_inside ^= bool(piece.count(quote, 0, begin) % 2)
    at = begin
    while (found := piece.find(b"\n", at)) >= 0:
        if quote:
            is_inside ^= bool(piece.count(quote, at, found) % 2)
        if not is_inside:
            return found + 1
        at = found + 1
    return None
