"""Brings a release from a store into a private folder, encrypted as it is, for as long as it is read.

What was verified is then what is read: an object that is exchanged in the store meanwhile changes nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deid.errors import ReleaseError, StorageError
from deid.release.manifest import MANIFEST, MAX_BYTES, RECALL, UNLISTED, from_bytes
from deid.release.staging import Marks, storage_fault, workspace
from deid.sealing.private import make_folder, private
from deid.stores.delivery import recall_names
from deid.stores.place import Place
from deid.stores.reading import BLOCK, Reader
from deid.stores.settings import Settings, settings

_MARKS = Marks(".fetched-", ".fetching-")


@contextmanager
def fetched(place: Place, *, cache: Path | None = None) -> Iterator[Path]:
    """Yield a folder with the release that lies at `place`, and remove it at the end.

    Raises ReleaseError where there is none, or more than one; StoreError, StorageError. It is not verified yet.
    """
    found = settings()
    parent = _private(cache or cache_folder())
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(workspace(parent, _MARKS))
            target = folder / (place.prefix.rpartition("/")[2] or place.bucket)
            target.mkdir(mode=0o700)
            _fetch(found, place, target)
        except OSError as error:
            raise storage_fault(error) from None
        yield target


def cache_folder() -> Path:
    """Return where fetched releases lie: below the user's own folder for caches."""
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base) / "deid"


def _private(folder: Path) -> Path:
    """Make a folder for this user alone; refuse one of somebody else's, who could exchange what was verified."""
    try:
        found = make_folder(folder).lstat()
    except OSError as error:
        raise storage_fault(error) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise StorageError(
            f"{folder.name}, where releases are fetched to, is not a folder that this user alone may write to",
            hint="set XDG_CACHE_HOME to a folder of your own",
        )
    return folder


def _fetch(found: Settings, place: Place, folder: Path) -> None:
    reader = Reader(found)
    try:
        _copy(reader, place, folder, MANIFEST, MAX_BYTES)
    except FileNotFoundError:
        raise ReleaseError(
            f"there is no {MANIFEST} at {place}: no release, or one that is half-delivered",
            hint="give the place of one release, s3://bucket/…/REQUEST/NAME, or ask the sender to deliver it again",
        ) from None
    lying = {one.name: one.size for one in reader.list(place.bucket, place.prefix, deep=True) if one.size is not None}
    if RECALL in lying:  # this alone is enough to stop
        for name in recall_names():
            if name in lying:
                _copy(reader, place, folder, name, MAX_BYTES)
        return
    sizes = _sizes(folder)
    if strangers := [name for name in lying if name not in sizes]:
        raise ReleaseError(
            f"{len(strangers):,} objects at {place} are not listed in {MANIFEST}",
            hint="ask the sending site for the release again",
        )
    for name, most in sizes.items():
        if name in lying and name != MANIFEST:  # what is not there is found missing when the folder is verified
            _copy(reader, place, folder, name, most)


def _sizes(folder: Path) -> Mapping[str, int]:
    """Return the names that the release may have, and the most bytes that each may be; names stay in the folder."""
    manifest = from_bytes((folder / MANIFEST).read_bytes())
    sizes = {file.name: file.bytes for file in manifest.files()}
    sizes |= {document.name: document.bytes for document in manifest.documents}
    return sizes | dict.fromkeys(UNLISTED, MAX_BYTES)


def _copy(reader: Reader, place: Place, folder: Path, name: str, most: int) -> None:
    path = folder / name
    with reader.stream(place.bucket, place.key(name)) as stream:
        if stream.size > most:
            raise ReleaseError(
                f"{name} has {stream.size:,} bytes; at most {most:,} were written: exchanged",
                hint="do not use this copy; ask the sending site for the release again",
            )
        make_folder(path.parent)
        with open(path, "xb", opener=private) as file:
            while data := stream.read(BLOCK):
                file.write(data)
