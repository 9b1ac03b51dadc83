"""Output of a conversion: made beside its place under a hidden name, then renamed into it, or nothing at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deid.errors import DeidError, StorageError


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Yield a path to make a folder or file at, then rename it to `target`; remove it if anything fails.

    Raises StorageError if `target` exists or the disk stands in the way. The parent folder, which only this user
    may enter while it is made, also serves as a place for a converter's temporary files.
    """
    if target.exists() or target.is_symlink():
        raise StorageError(f"{target.name} already exists", hint="name a new folder or file, or remove the old one")
    try:
        workshop = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    except OSError as error:
        raise StorageError(
            f"cannot make {target.name}: {error.strerror}", hint="check that its parent folder exists and is writable"
        ) from None
    try:
        yield workshop / target.name
        (workshop / target.name).rename(target)
    except DeidError:
        raise
    except OSError as error:
        # Not error.strerror: Arrow puts a text of its own there.
        reason = os.strerror(error.errno) if error.errno else "the disk refused"
        raise StorageError(
            f"cannot write {target.name}: {reason}; nothing was left",
            hint="free space on that disk, or name a folder on another one",
        ) from None
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
