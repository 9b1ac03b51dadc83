"""The files of an audit log: segments that only grow, one lock, and where a torn end begins.

docs/formats/audit.md, "Folder" and "Append", is the specification.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deid.audit.faults import Fault, damaged
from deid.errors import StorageError
from deid.sealing.private import make_folder, private, sync_folder

MAX_SEGMENT = 1 << 20
_LONGEST = 4 * MAX_SEGMENT  # a larger file is none of ours, whatever a kill has left at its end
_NAME = re.compile(r"segment-([0-9]{10})\.jsonl")
_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment file: the number of its first entry, and its bytes at the time of listing."""

    path: Path
    first: int
    size: int


def segment_path(folder: Path, first: int) -> Path:
    """Return the path of the segment whose first entry has this number."""
    return folder / f"segment-{first:010d}.jsonl"


def segments(folder: Path) -> list[Segment]:
    """Return the segments of a log in order; none where there is no log."""
    found: list[Segment] = []
    with reading(), contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        named = ((_NAME.fullmatch(entry.name), entry) for entry in entries)
        found.extend(
            Segment(folder / entry.name, int(match[1]), entry.stat(follow_symlinks=False).st_size)
            for match, entry in named
            if match
        )
    return sorted(found, key=lambda segment: segment.first)


def read(segment: Segment, begin: int = 0) -> bytes:
    """Return the bytes of a segment from `begin` to its size as listed; raise AuditError where it has shrunk."""
    data = _read(segment, begin, segment.size - begin)
    if len(data) != segment.size - begin:
        raise damaged(Fault.TRUNCATED, f"{segment.path.name} has become shorter", segment.first)
    return data


def read_newest(segment: Segment) -> bytes:
    """Return all bytes that the newest segment has by now; raise AuditError for a file that is none of ours."""
    return _read(segment, 0, _LONGEST + 1)


def read_set_aside(segment: Segment) -> bytes:
    """Return what a segment of a log that was set aside can hold, whatever was written behind that."""
    return _read(segment, 0, _LONGEST)


def _read(segment: Segment, begin: int, count: int) -> bytes:
    try:
        with reading(), open(segment.path, "rb", opener=private) as file:
            file.seek(begin)
            data = file.read(min(count, _LONGEST + 1))
    except FileNotFoundError:
        raise damaged(Fault.TRUNCATED, f"{segment.path.name} is gone", segment.first) from None
    if len(data) > _LONGEST:
        raise damaged(Fault.EDITED, f"{segment.path.name} is larger than any segment", segment.first)
    return data


def whole(data: bytes) -> int:
    """Return how many bytes of the end of a log are not torn: up to the last line feed before any zero byte."""
    # A power cut can leave zeros where a page was not written yet; no entry holds one.
    zero = data.find(b"\0")
    return data.rfind(b"\n", 0, zero if zero >= 0 else len(data)) + 1


def lines_of(data: bytes) -> list[bytes]:
    """Return the lines of bytes that end with a line feed, without their line feeds."""
    return data.split(b"\n")[:-1]


def extend(path: Path, at: int, data: bytes) -> None:
    """Write `data` at the end `at` of a segment, which is cut there, and force it to disk; raise StorageError.

    A new segment's name is forced to disk too. If anything fails, the file is cut back, so far as it lets itself.
    """
    try:
        descriptor = private(str(path), os.O_RDWR | (os.O_CREAT if at == 0 else 0))
    except OSError as error:
        raise _unwritten(error) from None
    try:
        if os.fstat(descriptor).st_size != at:
            os.ftruncate(descriptor, at)
        _write(descriptor, data, at)
        os.fsync(descriptor)
        if at == 0:
            sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, at)
        raise _unwritten(error) from None
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes, at: int) -> None:
    rest = memoryview(data)
    while rest:
        done = os.pwrite(descriptor, rest, at)
        rest, at = rest[done:], at + done


@contextlib.contextmanager
def lock(folder: Path, *, wait: float = _WAIT) -> Iterator[None]:
    """Hold the log for one writer; StorageError after `wait` seconds. The lock ends with its process."""
    until = time.monotonic() + wait
    descriptor = _locked(folder, until)
    try:
        yield
    finally:
        # Unlocked by name: a forked worker that still holds a copy of the descriptor must not keep the lock.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _locked(folder: Path, until: float) -> int:
    while True:
        try:
            make_folder(folder)
            descriptor = private(str(folder / "LOCK"), os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise _unwritten(error) from None
        try:
            _acquire(descriptor, until)
            # The folder may have been set aside meanwhile: then this is the lock of the old log.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), (folder / "LOCK").stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _acquire(descriptor: int, until: float) -> None:
    pause = 0.0002
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise StorageError(
                    "the audit log is held by another process", hint="wait until it has ended, then run this again"
                ) from None
            time.sleep(pause)
            pause = min(2 * pause, 0.002)
        else:
            return


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Turn what the file system says on reading into StorageError, but a missing file."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError(
            f"the audit log cannot be read: {error.strerror}", hint="check who may read the folder state/audit"
        ) from None


def _unwritten(error: OSError) -> StorageError:
    return StorageError(
        f"the audit log cannot be written: {error.strerror}",
        hint="make room, or check who may write to the folder state/audit; nothing runs without its entry",
    )
