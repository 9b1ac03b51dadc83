"""What a run holds in memory: a limit that stops it in time, and arrays that go back to the system when they are freed.

The C library keeps what was freed for what is asked for next, grows the size from which it does not, and gives each
thread a heap of its own. For a run that frees arrays of some MiB a thousand times, in three threads, that came to
110 MiB more than it ever held at once (1 M encounters: 636 MiB with it, 532 MiB without, at the same CPU time).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

from deid.errors import StorageError

Progress = Callable[[str, int], None]
_RESIDENT = Path("/proc/self/statm")

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of <malloc.h>, glibc
_LARGE = 8 << 20
_SETTINGS = {_MMAP_THRESHOLD: _LARGE, _TRIM_THRESHOLD: 2 * _LARGE, _ARENA_MAX: 2}


def give_back_large_arrays() -> bool:
    """Ask the C library to keep less; return whether it understood. What is not glibc is left as it is."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(option, value) == 1 for option, value in _SETTINGS.items())


def resident_mib() -> float:
    """Return what this process holds in memory, in MiB; 0 where the system does not tell."""
    try:
        pages = int(_RESIDENT.read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def within(limit_mib: int | None, progress: Progress) -> Progress:
    """Return a progress that raises StorageError with the first batch after which a run holds more than its limit.

    So a run that outgrows its machine ends as every failed run does, with nothing left behind, before the system ends
    it, or another process in its place. Between two batches a run may pass the limit by some batches, and where a
    recoding is searched by what the search takes.
    """
    if limit_mib is None:
        return progress

    def watched(what: str, rows: int) -> None:
        held = resident_mib()
        if held > limit_mib:
            raise StorageError(
                f"{what}: the run holds {held:,.0f} MiB, and the site allows {limit_mib:,}",
                hint="raise `memory_mib` in the site file, run with --workers 1, or ask for fewer patients; "
                "docs/reference/memory.md says what a patient takes",
            )
        progress(what, rows)

    return watched
