"""Copies of a crosswalk: one sealed file, and the way back from it.

docs/formats/crosswalk.md, "Copy", is the specification. A copy opens nothing without the site's key provider.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from deid.crosswalks.checking import DEFAULT_WAIT, require_whole
from deid.crosswalks.generations import Generations, Index
from deid.crosswalks.head import check, remember, remembered
from deid.crosswalks.locking import lock
from deid.crosswalks.partitions import storage
from deid.errors import KeyFaultError, StorageError
from deid.keys.prf import derive_key
from deid.sealing.private import private, sync_folder, write_new

MAGIC = b"deidxwc1"
_TAG = 32
_MAX_HEADER = 1 << 20
_MAX_INDEX = 1 << 30
_PIECE = 1 << 20
_AGAIN = "take another copy; a copy is never mended"


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    site: str
    created: str
    generation: int
    index: int
    files: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that was taken or put back: the generation, the SHA-256 of the file, entries of all domains."""

    generation: int
    sha256: str
    entries: int


def export_copy(folder: Path, key: bytes, path: Path, *, site: str, at: datetime, wait: float = DEFAULT_WAIT) -> Copied:
    """Write the current generation into the new file `path`; every partition is opened first.

    Raises StorageError where `path` exists, the disk fails, or the crosswalk is not whole and the one that is
    remembered; KeyFaultError for another key. Nothing is left of a copy that fails.
    """
    generations = Generations(folder, key)
    with ExitStack() as stack:
        with lock(folder, wait=wait):
            index = generations.current()
            check(generations, index)
            if not index.domains:
                raise StorageError("the crosswalk is empty: there is nothing to copy", hint="make a release first")
            require_whole(generations, index)
            raw = generations.raw(index)
            # Opened under the lock: what is open stays readable when later commits remove its name.
            streams = [stack.enter_context(generations.stream(index, entry)) for entry in index.domains]
        sizes = tuple(sum(part.length for part in entry.partitions) for entry in index.domains)
        header = _Header(site, at.strftime("%Y-%m-%dT%H:%M:%SZ"), index.generation, len(raw), sizes)
        digest = _write(path, header, raw, streams, derive_key(key, "crosswalk", "copy"))
    return Copied(index.generation, digest, sum(entry.count for entry in index.domains))


def restore_copy(
    folder: Path,
    key: bytes,
    path: Path,
    *,
    site: str,
    older: bool = False,
    at_least: int = 0,
    wait: float = DEFAULT_WAIT,
) -> Copied:
    """Make a copy the current crosswalk; what lies there is set aside, and nothing of it is removed.

    `older`: whether a generation may be put back that is older than the one that is remembered: identifiers that came
    since would get other pseudonyms. `at_least`: the newest generation that is known from elsewhere.
    Killed in the act, the crosswalk is what it was, or is refused until this has been run again. Raises StorageError
    for a copy that is damaged, older or another site's, KeyFaultError for another key.
    """
    generations = Generations(folder, key)
    with lock(folder, wait=wait), storage("restoring the crosswalk"), path.open("rb") as stream:
        digest, header = _checked(stream, site, derive_key(key, "crosswalk", "copy"))
        if not older:
            _require_newest(header.generation, max(at_least, remembered(folder, key)))
        raw = stream.read(header.index)
        index = generations.parse(raw)
        with _unpacked(stream, header, index, raw, generations) as unpacked:
            generations.put(index, unpacked)
        remember(generations, index)
    return Copied(index.generation, digest, sum(entry.count for entry in index.domains))


def restore_kept(
    folder: Path, key: bytes, generation: int, *, older: bool = False, at_least: int = 0, wait: float = DEFAULT_WAIT
) -> Copied:
    """Make a generation that is kept in the folder the current one; those after it are set aside.

    `older` and `at_least` as in `restore_copy`; where the remembered head is damaged or another one, `older` is what
    sets it right.
    """
    generations = Generations(folder, key)
    with lock(folder, wait=wait):
        if generation not in generations.kept():
            raise StorageError(
                f"the crosswalk keeps no generation {generation}",
                hint=f"it keeps {', '.join(map(str, generations.kept())) or 'none'}; older ones are in copies",
            )
        if not older:
            _require_newest(generation, max(at_least, remembered(folder, key)))
        index = generations.at(generation)
        require_whole(generations, index)
        generations.restore(index)
        remember(generations, index)
    return Copied(index.generation, index.digest, sum(entry.count for entry in index.domains))


def _require_newest(generation: int, known: int) -> None:
    if generation < known:
        raise StorageError(
            f"generation {generation} is older than {known}, which is remembered: identifiers that came since "
            "would get other pseudonyms",
            hint="restore a newer copy; if this is the newest, say so by `--older`",
        )


def _write(path: Path, header: _Header, raw: bytes, streams: list[BinaryIO], key: bytes) -> str:
    staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    text = msgspec.json.encode(header, order="sorted")
    whole, tag = hashlib.sha256(), hmac.new(key, digestmod="sha256")
    with storage("writing the copy of the crosswalk"):
        try:
            with open(staged, "xb", opener=private) as out:
                for piece in _pieces((MAGIC, len(text).to_bytes(4, "big"), text, raw), streams):
                    whole.update(piece)
                    tag.update(piece)
                    out.write(piece)
                whole.update(tag.digest())
                out.write(tag.digest())
                out.flush()
                os.fsync(out.fileno())
            os.link(staged, path)  # fails where the name is taken: exclusive, and whole from the first moment
            sync_folder(path.parent)
        finally:
            staged.unlink(missing_ok=True)
    return whole.hexdigest()


def _pieces(first: tuple[bytes, ...], streams: list[BinaryIO]) -> Iterator[bytes]:
    yield from first
    for stream in streams:
        while piece := stream.read(_PIECE):
            yield piece


def _checked(stream: BinaryIO, site: str, key: bytes) -> tuple[str, _Header]:
    """Return the digest and the header of a copy, its tag verified over every byte; the stream stands at the index."""
    size = os.fstat(stream.fileno()).st_size
    magic, length = stream.read(8), int.from_bytes(stream.read(4), "big")
    if magic != MAGIC or length > _MAX_HEADER or size < 12 + length + _TAG:
        raise StorageError("this is not a whole copy of a crosswalk", hint=_AGAIN)
    stream.seek(0)
    whole, tag = hashlib.sha256(), hmac.new(key, digestmod="sha256")
    for piece in _first(stream, size - _TAG):
        whole.update(piece)
        tag.update(piece)
    end = stream.read(_TAG + 1)
    if not hmac.compare_digest(end, tag.digest()):
        raise KeyFaultError(
            "the copy was changed or cut, or was made with another key provider",
            hint="open it with the provider it was made with, or take another copy",
        )
    whole.update(end)
    stream.seek(12)
    header = msgspec.json.decode(stream.read(length), type=_Header)
    if header.site != site:
        raise StorageError(
            f"the copy is of the site {header.site!r}, and this is {site!r}",
            hint="restore the copy of this site; one that was renamed takes its old name for the time being",
        )
    if size != 12 + length + header.index + sum(header.files) + _TAG:
        raise StorageError("this is not a whole copy of a crosswalk", hint=_AGAIN)
    return whole.hexdigest(), header


@contextlib.contextmanager
def _unpacked(stream: BinaryIO, header: _Header, index: Index, raw: bytes, generations: Generations) -> Iterator[Path]:
    """Give the folder in which the copy was laid out and opened, partition by partition; nothing else is touched."""
    for left in generations.folder.glob("restoring-*"):  # of a run that was killed; the lock is ours
        shutil.rmtree(left)
    home = generations.folder / f"restoring-{secrets.token_hex(4)}"
    try:
        home.mkdir(mode=0o700)
        for entry, length in zip(index.domains, header.files, strict=True):
            with open(home / entry.file, "xb", opener=private) as out:
                out.writelines(_first(stream, length))
                out.flush()
                os.fsync(out.fileno())
        write_new(home / "index", raw)
        sync_folder(home)
        require_whole(generations, index, home=home)
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _first(stream: BinaryIO, length: int) -> Iterator[bytes]:
    while length:
        piece = stream.read(min(_PIECE, length))
        if not piece:
            raise StorageError("the copy was cut while it was read", hint=_AGAIN)
        length -= len(piece)
        yield piece
