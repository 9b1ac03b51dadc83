"""A release is staged beside its place, and renamed into it when everything was verified: all or nothing.

A staging folder holds only encrypted files. Beside it lies a lock that dies with its process, so that what a killed run
left behind is told from what a living one is writing, and swept away by the next run.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deid.errors import DeidError, ReleaseError, StorageError

PREFIX, LOCK = ".staging-", ".lock-"


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
        with workspace(target.parent) as folder:
            yield folder
            _publish(folder, target)
    except OSError as error:
        raise storage_fault(error) from None


@contextmanager
def workspace(parent: Path) -> Iterator[Path]:
    """Yield a new private folder in `parent`, which is made; remove it at the end unless it was renamed.

    What killed runs left in `parent` is swept first. Raises OSError.
    """
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    name, handle = _lock(parent)
    try:
        folder = parent / f"{PREFIX}{name}"
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        # The lock goes last: as long as the folder is here under its staging name, no other run can take it for dead.
        (parent / f"{LOCK}{name}").unlink(missing_ok=True)
        os.close(handle)


def _lock(parent: Path) -> tuple[str, int]:
    """Take a lock under a new name, before the folder exists, so that no run ever sees a folder that nobody holds."""
    while True:
        name = secrets.token_hex(8)
        handle = os.open(parent / f"{LOCK}{name}", os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return name, handle
        os.close(handle)  # another run swept the file between its making and its locking


def _publish(folder: Path, target: Path) -> None:
    folder.chmod(0o755)
    sync(folder)
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise ReleaseError(
                f"release {target.name} appeared while this one was made",
                hint="two runs made the same release; this one was withdrawn, the other stands",
            ) from None
        raise
    sync(target.parent)


def sweep(parent: Path) -> int:
    """Remove the staging folders that dead runs left in `parent`; return how many."""
    left = [path.name for prefix in (PREFIX, LOCK) for path in parent.glob(f"{prefix}*")]
    return sum(_swept(parent, name) for name in {name.removeprefix(PREFIX).removeprefix(LOCK) for name in left})


def _swept(parent: Path, name: str) -> bool:
    folder, lock = parent / f"{PREFIX}{name}", parent / f"{LOCK}{name}"
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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


def sync(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def storage_fault(error: OSError) -> DeidError:
    """Return the error to show for a refusal of the disk; only its kind is told, never a path of the source."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError("the disk is full", hint="free space where releases are kept; nothing was published")
    return StorageError(
        f"the disk refused: {os.strerror(error.errno or errno.EIO)}",
        hint="check that this user may write where releases and state are kept; nothing was published",
    )
