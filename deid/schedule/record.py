"""What was done for each standing request, when: lines that are only added, forced to disk before anything goes on.

It is never the truth about a release (deid.schedule.witnesses); it knows attempts, and the last instant of a run.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec

from deid.errors import StorageError
from deid.sealing.private import make_folder, private, sync_folder

_SUFFIX = ".jsonl"
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=15), timedelta(days=1)
_PAUSES = (0.0, 0.01, 0.05, 0.2)  # seconds before each attempt at a lock
_TAIL = 4096  # bytes from the end of a record that hold its last event, whose fields are all short


class What(StrEnum):
    """What happened to a period."""

    STARTED = "started"
    PUBLISHED = "published"
    FAILED = "failed"


class Happened(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line of a record; `error` and `attempt` are those of a failure."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    period: str
    what: What
    error: str = ""
    attempt: Annotated[int, msgspec.Meta(ge=0)] = 0


_DECODER = msgspec.json.Decoder(Happened)
_NO_EVENT = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Record:
    """The record of one request as it was read."""

    events: tuple[Happened, ...]

    @property
    def published(self) -> frozenset[str]:
        """The labels of the periods that the record says were released."""
        return frozenset(event.period for event in self.events if event.what is What.PUBLISHED)

    def attempts(self, period: str) -> int:
        """Return how many times in a row a period has failed."""
        return next((e.attempt for e in reversed(self.events) if e.period == period and e.attempt), 0)

    def waits_until(self, period: str) -> datetime | None:
        """Return when a period that failed is tried again; None where it has not."""
        failed = next((e for e in reversed(self.events) if e.period == period and e.what is What.FAILED), None)
        if failed is None:
            return None
        doubled = min(max(failed.attempt, 1) - 1, 10)
        return failed.at + min(_FIRST_WAIT * (1 << doubled), _LONGEST_WAIT)


def runs_folder(state: Path) -> Path:
    """Return where the records of a site lie."""
    return state / "runs"


def make_runs(state: Path) -> None:
    """Make the folder of records; raise StorageError."""
    try:
        make_folder(runs_folder(state))
    except OSError as error:
        raise StorageError(
            f"the folder of records of runs cannot be made: {error.strerror}", hint="check who may write to the state"
        ) from None


def read_record(runs: Path, request: str) -> Record:
    """Read the record of a request; empty where there is none. Raises StorageError for one that is damaged."""
    data = _bytes(runs / f"{request}{_SUFFIX}")
    whole = data[: data.rfind(b"\n") + 1]  # what follows the last line end was torn by a kill
    try:
        return Record(tuple(_DECODER.decode_lines(whole)))
    except _NO_EVENT:
        raise StorageError(
            f"the record of runs of request {request} is damaged",
            hint="move it aside: the releases and the audit log tell what was run; docs/formats/schedule.md",
        ) from None


def append(runs: Path, request: str, event: Happened) -> None:
    """Add an event and force it to disk; a torn last line is cut off first. Raises StorageError."""
    path = runs / f"{request}{_SUFFIX}"
    try:
        make_folder(runs)
        is_new = not path.exists()
        handle = private(str(path), os.O_RDWR | os.O_CREAT)
        try:
            _cut(handle)
            _write(handle, msgspec.json.encode(event) + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        if is_new:
            sync_folder(runs)
    except OSError as error:
        raise StorageError(
            f"the record of runs of request {request} cannot be written: {error.strerror}",
            hint="free space, and check who may write to the site's state",
        ) from None


def newest(runs: Path) -> dict[str, Happened]:
    """Return the newest event of each request by its name; torn and damaged lines do not count."""
    found: dict[str, Happened] = {}
    if not runs.is_dir():
        return found
    for path in sorted(runs.glob(f"*{_SUFFIX}")):
        lines = _bytes(path, tail=_TAIL).split(b"\n")[:-1]
        if lines:
            with contextlib.suppress(*_NO_EVENT):
                found[path.name.removesuffix(_SUFFIX)] = _DECODER.decode(lines[-1])
    return found


@contextlib.contextmanager
def holding(runs: Path, request: str) -> Iterator[bool]:
    """Yield whether this process is the one that runs the request now; the hold dies with the process.

    Raises StorageError.
    """
    try:
        make_folder(runs)
        handle = private(str(runs / f"{request}.lock"), os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise StorageError(
            f"the lock of request {request} cannot be made: {error.strerror}",
            hint="free space, and check who may write to the site's state",
        ) from None
    try:
        if not _locked(handle):
            yield False
            return
        try:
            yield True
        finally:
            # By name: a forked worker that still has a copy of the descriptor must not keep the lock.
            fcntl.flock(handle, fcntl.LOCK_UN)
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    # Whoever only looks holds it for a moment: a run that gave up then would leave the series to nobody.
    for pause in _PAUSES:
        time.sleep(pause)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


def is_running(runs: Path, request: str) -> bool:
    """Whether another process is running the request."""
    path = runs / f"{request}.lock"
    if not path.exists():
        return False
    with holding(runs, request) as is_free:
        return not is_free


def now_utc() -> datetime:
    """Return this instant."""
    return datetime.now(UTC)


def _bytes(path: Path, *, tail: int | None = None) -> bytes:
    try:
        with open(path, "rb", opener=private) as file:
            if tail is not None:
                file.seek(max(0, os.fstat(file.fileno()).st_size - tail))
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise StorageError(
            f"the record of runs {path.name} cannot be read: {error.strerror}", hint="check who may read the state"
        ) from None


def _cut(handle: int) -> None:
    """Cut what follows the last line end, and go to the end."""
    size = os.fstat(handle).st_size
    tail = os.pread(handle, _TAIL, max(0, size - _TAIL))
    end = max(0, size - _TAIL) + tail.rfind(b"\n") + 1
    if end != size:
        os.ftruncate(handle, end)
    os.lseek(handle, end, os.SEEK_SET)


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
