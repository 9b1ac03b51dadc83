"""What a conversion writes is in clear: for its owner alone, and made beside its place, then renamed into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deid.errors import StorageError
from deid.release.staging import Marks, workspace


@contextmanager
def converted(target: Path) -> Iterator[Path]:
    """Yield a path to make a folder or file at, then rename it to `target`; remove it if anything fails.

    Raises StorageError if `target` exists or the disk stands in the way. The parent folder, which only this user may
    enter, also serves as a place for a converter's temporary files. What a killed conversion to the same target left
    is removed first: it is in clear, and nobody else would look for it under its hidden name.
    """
    _refuse_existing(target)
    if not target.parent.is_dir():
        raise StorageError(
            f"cannot make {target.name}: its parent folder does not exist", hint="make the folder, or name another"
        )
    try:
        with workspace(target.parent, Marks(f".{target.name}.partial-", f".{target.name}.lock-")) as workshop:
            yield workshop / target.name
            _refuse_existing(target)  # a rename would replace a file that appeared meanwhile
            (workshop / target.name).rename(target)
    except OSError as error:
        # Not error.strerror: Arrow puts a text of its own there.
        reason = os.strerror(error.errno) if error.errno else "the disk refused"
        raise StorageError(
            f"cannot write {target.name}: {reason}; nothing was left",
            hint="free space on that disk, or name a folder on another one",
        ) from None


def _refuse_existing(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise StorageError(f"{target.name} already exists", hint="name a new folder or file, or remove the old one")
