"""Output is staged beside its place, and renamed into it when all of it is there and verified: all or nothing.

Only its owner may enter a staging folder. Beside it lies a lock that dies with its process, so that what a killed run
left behind is told from what a living one is writing, and swept away by the next run.
Releases, quarantined rows and the conversions of a recipient (deid.opening) are all made this way.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deid.errors import DeidError, ReleaseError, StorageError
from deid.sealing.private import FILE, FOLDER, make_folder, set_modes, sync_folder

# A release is encrypted, so it may be read; it is written by its owner only, whatever the umask.
RELEASE_FOLDER, RELEASE_FILE = 0o755, 0o644
_NAME = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Marks:
    """How names of staging folders and of their locks begin; 16 hex digits follow, and nothing else is swept."""

    folder: str
    lock: str


STAGING = Marks(".staging-", ".lock-")


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Yield a private folder that becomes `target` if the block ends well, and is removed if it does not.

    Raises ReleaseError where `target` is already there, StorageError where the disk refuses.
    """
    if target.exists():
        raise ReleaseError(
            f"release {target.name} of {target.parent.name} is already there",
            hint="releases are never overwritten; give this one another name with --release",
        )
    try:
        make_folder(target.parent, mode=RELEASE_FOLDER)
        with workspace(target.parent) as folder:
            yield folder
            _publish(folder, target)
    except OSError as error:
        raise storage_fault(error) from None


@contextmanager
def workspace(parent: Path, marks: Marks = STAGING) -> Iterator[Path]:
    """Yield a new private folder in `parent`; remove it at the end unless it was renamed.

    What killed runs left in `parent` under the same marks is swept first. Raises OSError.
    """
    sweep(parent, marks)
    name, handle = _lock(parent, marks)
    try:
        folder = parent / f"{marks.folder}{name}"
        folder.mkdir(mode=FOLDER)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        # The lock goes last: as long as the folder is here under its staging name, no other run can take it for dead.
        (parent / f"{marks.lock}{name}").unlink(missing_ok=True)
        os.close(handle)


def _lock(parent: Path, marks: Marks) -> tuple[str, int]:
    """Take a lock under a new name, before the folder exists, so that no run ever sees a folder that nobody holds."""
    while True:
        name = secrets.token_hex(8)
        path = parent / f"{marks.lock}{name}"
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, FILE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            path.unlink(missing_ok=True)
            os.close(handle)
            raise
        if os.fstat(handle).st_nlink:
            return name, handle
        os.close(handle)  # another run swept the file between its making and its locking


def _publish(folder: Path, target: Path) -> None:
    set_modes(folder, folders=RELEASE_FOLDER, files=RELEASE_FILE)
    sync_folder(folder)
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise ReleaseError(
                f"release {target.name} appeared while this one was made",
                hint="two runs made the same release; this one was withdrawn, the other stands",
            ) from None
        raise
    sync_folder(target.parent)


def sweep(parent: Path, marks: Marks = STAGING) -> int:
    """Remove the staging folders that dead runs left in `parent`; return how many. Raises OSError."""
    left = {
        name
        for path in parent.iterdir()
        for mark in (marks.folder, marks.lock)
        if path.name.startswith(mark) and _NAME.fullmatch(name := path.name.removeprefix(mark))
    }
    return sum(_swept(parent / f"{marks.folder}{name}", parent / f"{marks.lock}{name}") for name in left)


def _swept(folder: Path, lock: Path) -> bool:
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = folder.exists()
        shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
    except OSError:  # locked: a living run is writing there
        return False
    finally:
        os.close(handle)
    return found


def storage_fault(error: OSError) -> DeidError:
    """Return the error to show for a refusal of the disk; only its kind is told, never a path of the source."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError("the disk is full", hint="free space where releases are kept; nothing was published")
    return StorageError(
        f"the disk refused: {os.strerror(error.errno or errno.EIO)}",
        hint="check that this user may write where releases and state are kept; nothing was published",
    )
