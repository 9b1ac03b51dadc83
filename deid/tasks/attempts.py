"""Attempts: every try of a task writes below a folder of its own, and the driver takes exactly one of each task.

A file is written under the name that it will have, which its encryption binds, in a folder that names the attempt. So
an attempt that is taken is renamed and nothing else, and what was tried besides is removed with the folder of attempts.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from deid.errors import StorageError
from deid.sealing.private import FOLDER, make_folder, sync_folder
from deid.sinks.encrypted_parquet import WrittenFile

TASKS = "tasks"  # the folder inside the staging folder, gone before the release is verified
ATTEMPT = re.compile(r"\d{6}-[0-9a-f]{16}")
SHARED = "the releases folder must be one that driver and workers share, under the same path and user"
_TRIES = 50


def make_tasks_folder(staging: Path) -> Path:
    """Make the folder in which the run's tasks write; only the driver does."""
    return make_folder(staging / TASKS)


def begin_attempt(tasks: Path, number: int) -> Path:
    """Make the folder of one try of a task; StorageError where the run is over, or is on another machine's disk.

    The folder of attempts itself is never made here: a try that begins after the commit must find none.
    """
    folder = tasks / f"{number:06d}-{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=FOLDER)
    except OSError as error:
        raise StorageError(
            f"a task cannot write into the staging folder: {os.strerror(error.errno or 0)}",
            hint=SHARED,
        ) from None
    return folder


def take(tasks: Path, attempt: str, files: Iterable[WrittenFile], staging: Path) -> None:
    """Rename the files of one attempt to their places in the release; StorageError where one is missing."""
    for file in files:
        source, target = tasks / attempt / file.name, staging / file.name
        make_folder(target.parent)
        try:
            if source.stat().st_size != file.size or target.exists():
                raise StorageError(
                    f"{file.name} is not what its task wrote, or stands twice",
                    hint="check that workers write to the same file system as the driver; nothing was published",
                )
            source.rename(target)
        except OSError as error:
            raise StorageError(
                f"cannot take {file.name} from the task that wrote it: {os.strerror(error.errno or 0)}",
                hint=SHARED,
            ) from None


def end_attempts(staging: Path) -> None:
    """Remove what was tried and not taken, and force the names of what was taken to disk.

    A try that still runs may put a file into a folder while it is removed, so removal is tried again; once the folder
    is gone no try can begin. StorageError where it stays.
    """
    tasks = staging / TASKS
    for _ in range(_TRIES):
        shutil.rmtree(tasks, ignore_errors=True)
        if not tasks.exists():
            break
        time.sleep(0.1)
    else:
        raise StorageError(
            "what tasks of this run left cannot be removed", hint="look for workers that still write; run again"
        )
    data = staging / "data"
    for folder in (*(sorted(data.iterdir()) if data.exists() else ()), *((data,) if data.exists() else ()), staging):
        sync_folder(folder)
