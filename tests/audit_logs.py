"""Audit logs for tests: events that a site enters, a log with some of them, and what lies in its folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deid.audit import AuditLog, Entry, Event, EventKind, verify

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
BEGAN = datetime(2026, 11, 1, 8, tzinfo=UTC)


def event(number: int, *, at: datetime | None = None) -> Event:
    """Return a release's event that carries a number."""
    details: dict[str, Any] = {"manifest_sha256": f"{number:064x}"}
    return Event(
        at or BEGAN + timedelta(minutes=number),
        EventKind.RELEASE_VERIFIED,
        f"study/r{number}",
        details | {"outcome": "passed"},
    )


def log_of(folder: Path, numbers: range, *, key: bytes = KEY) -> AuditLog:
    """Return a log with these events."""
    log = AuditLog.open(folder, key=key)
    if numbers:
        log.append_all([event(number) for number in numbers])
    return log


def entries_of(folder: Path, *, key: bytes | None = KEY) -> list[Entry]:
    """Return the verified entries of a log."""
    found: list[Entry] = []
    verify(folder, key=key, seen=lambda entry, _: found.append(entry))
    return found


def numbers_of(folder: Path) -> list[int]:
    """Return the numbers of the events in a log, in order."""
    return [
        int(str(entry.details["manifest_sha256"]), 16)
        for entry in entries_of(folder)
        if entry.kind == EventKind.RELEASE_VERIFIED
    ]


def last_segment(folder: Path) -> Path:
    """Return the newest segment of a log."""
    return max(folder.glob("segment-*"))


def lines(folder: Path) -> list[bytes]:
    """Return the lines of a log of one segment, with their line feeds."""
    (only,) = folder.glob("segment-*")
    return only.read_bytes().splitlines(keepends=True)


def put(folder: Path, found: list[bytes]) -> None:
    """Put these lines in place of a log's only segment."""
    (only,) = folder.glob("segment-*")
    only.write_bytes(b"".join(found))
