"""Where the files of a table lie, and which paths, links and names are refused."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from deid.errors import DocumentError, SourceError
from deid.sources.partitions import arranged, below
from deid.stores.files import StoreFile, StoreFolder, refuse_folders

DataFile: TypeAlias = Path | StoreFile

_DRIVE = re.compile(r"[A-Za-z]:")


def locate(
    root: Path | StoreFolder, path: str, *, any_case: bool = False, partitioned_by: tuple[str, ...] = ()
) -> tuple[DataFile, ...]:
    """Return the existing files that a described path means, sorted by name.

    Raises DocumentError for a path or a link that climbs out, for a link that leads nowhere, and for what is neither
    a file nor a folder: what is passed over in silence is a table that is silently short.
    `path` is relative to `root`; its last part may hold `*`; a folder means the Parquet files directly in it.
    With `any_case` the last part is matched whatever the case of its letters. With `partitioned_by` the path is a
    folder of folders that are named by the values of these columns, in the order of the files' paths.
    """
    pure = PurePosixPath(path)
    outside = pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path or _DRIVE.match(path)
    if outside or not path or "*" in "/".join(pure.parts[:-1]) or any(sign in path for sign in "?[]"):
        raise DocumentError(
            "a path is not a plain relative path inside the dataset's folder",
            hint="write it from `root`, without `..` or a leading slash; `*` only in the file name",
        )
    if isinstance(root, StoreFolder):
        return _in_store(root, pure, partitioned_by) if partitioned_by else root.located(pure, any_case=any_case)
    if partitioned_by:
        return _partitioned(root, pure, partitioned_by)
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


def folders_of(root: Path | StoreFolder, path: str, file: DataFile) -> tuple[str, ...]:
    """Return the names of the folders between the folder of a partitioned table and one of its files."""
    if isinstance(file, StoreFile) and isinstance(root, StoreFolder):
        whole, base = file.place.prefix, root.place.below(*PurePosixPath(path).parts).prefix
        return tuple(whole.removeprefix(f"{base}/").split("/")[:-1])
    assert isinstance(file, Path)  # a file lies where its dataset does
    assert isinstance(root, Path)
    return file.relative_to(root / path).parts[:-1]


def _in_store(root: StoreFolder, pure: PurePosixPath, columns: tuple[str, ...]) -> tuple[DataFile, ...]:
    lying = root.below(pure)
    paths = arranged(((name, file is None) for name, file in lying.items()), columns)
    found = [file for path in paths if (file := lying[path]) is not None]
    if not all(file.name.isprintable() and "\\" not in file.name for file in found):
        raise DocumentError(
            "the name of an object holds characters that do not print, or a backslash",
            hint="give the object another key",
        )
    return tuple(found)


def _partitioned(root: Path, pure: PurePosixPath, columns: tuple[str, ...]) -> tuple[DataFile, ...]:
    """Return the files of a partitioned table; raise DocumentError as `locate` and `arranged` do."""
    folder, home = root / pure, root.resolve()
    if "*" in pure.name or not folder.is_dir():
        raise DocumentError("the path of a partitioned table is no folder", hint="name the folder that holds folders")
    lying = list(below(folder, len(columns)))
    for number, (entry, _) in enumerate(lying, start=1):
        _refuse_odd(entry, home, f"entry {number:,} of {len(lying):,}", is_named=False)
    paths = arranged(((entry.relative_to(folder).as_posix(), is_folder) for entry, is_folder in lying), columns)
    return tuple(folder / path for path in paths)


def _refuse_odd(file: Path, home: Path, which: str, *, is_named: bool = True) -> None:
    """Raise DocumentError for what must not be followed or cannot be told; `is_named`: its name may be shown."""
    name = file.name if is_named else which
    if not file.name.isprintable():
        # Every message names its file, and a name with a line break would write lines of its own into it.
        raise DocumentError(f"the name of {which} holds characters that do not print", hint="rename the file")
    try:
        target = file.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a link in a circle, until Python 3.12
        raise DocumentError(
            f"{name} is a link that leads nowhere or in a circle", hint="remove it, or copy the file here"
        ) from None
    if not target.is_relative_to(home):
        # A link out of the folder would let whoever fills the folder choose any file this user may read.
        raise DocumentError("a path leads out of the dataset's folder by a link", hint="copy the file into the folder")
    if not target.is_file() and not target.is_dir():
        raise DocumentError(f"{name} is neither a file nor a folder", hint="write the data into a file")


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
