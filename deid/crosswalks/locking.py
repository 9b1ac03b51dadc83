"""One writer at a time in a folder of generations."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from deid.crosswalks.partitions import storage
from deid.errors import StorageError
from deid.sealing.private import make_folder


@contextlib.contextmanager
def lock(folder: Path, *, wait: float, what: str = "crosswalk") -> Iterator[None]:
    """Holds the folder for one writer; StorageError after `wait` seconds. The lock dies with its process."""
    with storage(f"locking the {what}"):
        make_folder(folder)
        descriptor = os.open(folder / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, time.monotonic() + wait, what)
        yield
    finally:
        # Unlocked by name: a forked worker that still holds a copy of the descriptor must not keep the lock.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _acquire(descriptor: int, until: float, what: str) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise StorageError(
                    f"another run is writing to the {what}", hint="wait until it has ended, then run this again"
                ) from None
            time.sleep(0.02)
        else:
            return
