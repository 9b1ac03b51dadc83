"""Where the files of a table lie, and which paths, links and names are refused."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from deid.errors import DocumentError, SourceError
from deid.stores.files import StoreFile, StoreFolder, refuse_folders

DataFile: TypeAlias = Path | StoreFile

_DRIVE = re.compile(r"[A-Za-z]:")


def locate(root: Path | StoreFolder, path: str, *, any_case: bool = False) -> tuple[DataFile, ...]:
    """Return the existing files that a described path means, sorted by name.

    Raises DocumentError for a path or a link that climbs out, for a link that leads nowhere, and for what is neither
    a file nor a folder: what is passed over in silence is a table that is silently short.
    `path` is relative to `root`; its last part may hold `*`; a folder means the Parquet files directly in it.
    With `any_case` the last part is matched whatever the case of its letters.
    """
    pure = PurePosixPath(path)
    outside = pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path or _DRIVE.match(path)
    if outside or not path or "*" in "/".join(pure.parts[:-1]) or any(sign in path for sign in "?[]"):
        raise DocumentError(
            "a path is not a plain relative path inside the dataset's folder",
            hint="write it from `root`, without `..` or a leading slash; `*` only in the file name",
        )
    if isinstance(root, StoreFolder):
        return root.located(pure, any_case=any_case)
    folder = root / pure.parent
    fitting = _in_any_case(folder, pure.name) if any_case else []
    if "*" in pure.name:
        found = sorted(fitting or (file for file in folder.glob(pure.name) if not file.name.startswith(".")))
    elif (only := fitting[0] if fitting else root / pure).is_dir():
        refuse_folders(sum(1 for one in only.iterdir() if one.is_dir() and not one.name.startswith(("_", "."))))
        found = sorted(file for file in only.glob("*.parquet") if not file.name.startswith(("_", ".")))
    else:
        found = [only] if os.path.lexists(only) else []
    home = root.resolve()
    for number, file in enumerate(found, start=1):
        _refuse_odd(file, home, f"file {number:,} of {len(found):,}")
    return tuple(file for file in found if file.is_file())


def _refuse_odd(file: Path, home: Path, which: str) -> None:
    if not file.name.isprintable():
        # Every message names its file, and a name with a line break would write lines of its own into it.
        raise DocumentError(f"the name of {which} holds characters that do not print", hint="rename the file")
    try:
        target = file.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a link in a circle, until Python 3.12
        raise DocumentError(
            f"{file.name} is a link that leads nowhere or in a circle", hint="remove it, or copy the file here"
        ) from None
    if not target.is_relative_to(home):
        # A link out of the folder would let whoever fills the folder choose any file this user may read.
        raise DocumentError("a path leads out of the dataset's folder by a link", hint="copy the file into the folder")
    if not target.is_file() and not target.is_dir():
        raise DocumentError(f"{file.name} is neither a file nor a folder", hint="write the data into a file")


def _in_any_case(folder: Path, name: str) -> list[Path]:
    """Return what in a folder is called `name` (which may hold `*`) in any case; raise DocumentError for two alike."""
    entries = folder.iterdir() if folder.is_dir() else ()
    found = [e for e in entries if fnmatchcase(e.name.lower(), name.lower()) and not e.name.startswith(".")]
    if len({entry.name.lower() for entry in found}) < len(found):
        raise DocumentError(
            f"{name[:80]} is the name of two files that differ in case only",
            hint="keep one of them, or write `case: exact` and the path as it is spelled",
        )
    return found


def stated_size(file: DataFile) -> int:
    """Return the size in bytes; raise SourceError if the file cannot be examined."""
    if isinstance(file, StoreFile):
        return file.size
    try:
        return file.stat().st_size
    except OSError as error:
        raise unreadable(file, error) from None


def unreadable(file: DataFile, error: OSError) -> SourceError:
    """Return the error for a file that the system refuses, with the system's reason (which holds no content)."""
    reason = error.strerror or "input/output error"
    return SourceError(f"cannot read {file.name}: {reason}", hint="check that the file is there and readable")
