"""A release is staged beside its place, and renamed into it when everything was verified: all or nothing.

A staging folder holds only encrypted files. It carries a lock that dies with its process, so that what a killed run
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

PREFIX = ".staging-"
LOCK = ".lock"


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
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        folder = target.parent / f"{PREFIX}{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise storage_fault(error) from None
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
        _publish(folder, target)
    except OSError as error:
        raise storage_fault(error) from None
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _publish(folder: Path, target: Path) -> None:
    (folder / LOCK).unlink()
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
    swept = 0
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            swept += 1
        except OSError:  # locked: a living run is writing there
            continue
        finally:
            os.close(handle)
    return swept


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
