"""What all tests share; modules beside this file can be imported by every test.

A push runs the same generated examples every time, so that it fails only for what it changed; with DEID_EXPLORE in the
environment, as in `make test-all`, Hypothesis draws new ones. With DEID_BY_TASKS every export that a test runs is cut
into tasks, so that whatever holds for one process is asked of many. Temporary files lie in memory where it has room:
runs sync all that they write, and half of the time of the tests went by while a disk did so.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import settings

_MEMORY, _ROOM = Path("/dev/shm"), 4 << 30  # a file system, below which pytest makes folders of its own


def _has_room(folder: Path) -> bool:
    """Whether a file system in memory has room for all that tests leave until their end, and lets programs run."""
    if not os.access(folder, os.W_OK):
        return False
    told = os.statvfs(folder)
    return told.f_bavail * told.f_frsize >= _ROOM and not told.f_flag & os.ST_NOEXEC


if "TMPDIR" not in os.environ and _has_room(_MEMORY):
    os.environ["TMPDIR"] = str(_MEMORY)  # for programs that tests start, too
    tempfile.tempdir = None

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("explore" if os.environ.get("DEID_EXPLORE") else "steady")

if os.environ.get("DEID_BY_TASKS"):
    from spark_engine import by_tasks

    by_tasks()
