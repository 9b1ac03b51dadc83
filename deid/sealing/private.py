"""Files and folders for their owner alone, whatever the umask of the process, and forced to disk."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER, FILE = 0o700, 0o600


def private(path: str, flags: int) -> int:
    """Open a file for its owner alone; an `opener` for `open`. A link in the place of the file is not followed."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, FILE)


def new_file(path: Path) -> Path:
    """Make `path` as a new, empty file for its owner alone, for writers that open files by themselves; return it."""
    os.close(private(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    return path


def write_new(path: Path, data: bytes) -> None:
    """Write `data` into a new file for its owner alone, and force it to disk; the name needs `sync_folder`."""
    with open(path, "xb", opener=private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path, *, mode: int = FOLDER) -> Path:
    """Make `path`, and what is missing above it, with `mode`; a folder that is there stays as it is; return it.

    `Path.mkdir(parents=True)` would give its mode to the last folder only, and 0777 to those above.
    """
    for folder in reversed((path, *path.parents)):
        if not folder.is_dir():
            folder.mkdir(mode=mode, exist_ok=True)
    return path


def set_modes(folder: Path, *, folders: int, files: int) -> None:
    """Give every folder and file below `folder`, and it last, these modes; links are left alone."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(root) / name
            if not path.is_symlink():
                path.chmod(files)
        Path(root).chmod(folders)
