"""Where an audit log begins and ends: its name, the keys that fit it, and the place of the next entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deid.audit.chain import Head
from deid.audit.entries import GENESIS, NEW_LOG_SUBJECT, Keys, begun, decode, encode, hash_of, is_ours, new_log
from deid.audit.events import Detail, Event, EventKind
from deid.audit.faults import Fault, damaged
from deid.audit.remembered import head_path
from deid.audit.segments import Segment, extend, lines_of, read, segment_path, whole


@dataclass(frozen=True, slots=True)
class End:
    """Where a log ends: the first entry of its last segment, that segment's bytes, and the head."""

    first: int
    size: int
    entries: int
    hash: str

    def followed_by(self, line: bytes) -> End:
        """Return the end after one more entry in the same segment; `line` is without its line feed."""
        return End(self.first, self.size + len(line) + 1, self.entries + 1, hash_of(line))

    def in_new_segment(self) -> End:
        """Return the same end, where the next entry begins a segment."""
        return End(self.entries + 1, 0, self.entries, self.hash)


def is_unbegun(folder: Path, found: Sequence[Segment]) -> bool:
    """Whether there is no log yet: nothing, or what a kill has left of a first entry."""
    if head_path(folder).exists():
        return False
    return not found or (len(found) == 1 and found[0].first == 1 and not whole(read(found[0])))


def begin(folder: Path, key: bytes, after: Head | None) -> None:
    """Write the first entry of a new log, which names the one that it follows; raise StorageError."""
    log = new_log()
    keys = Keys.of(key, log)
    details: dict[str, Detail] = {"log": log, "key_check": keys.check}
    if after is not None:
        details |= {"after_log": after.log, "after_entries": after.entries, "after_head": after.hash}
    event = Event(datetime.now(UTC), EventKind.LOG_BEGUN, NEW_LOG_SUBJECT, details)
    event.check()
    extend(segment_path(folder, 1), 0, encode(event, 1, GENESIS, keys) + b"\n")


def named(found: Sequence[Segment], key: bytes | None) -> tuple[str, Keys | None]:
    """Return the name of a log, and its keys where `key` is given; raise AuditError, or KeyFaultError for another."""
    if found[0].first != 1:
        raise damaged(Fault.DELETED, f"entries 1 to {found[0].first - 1} are missing", 1)
    first, feed, _ = read(found[0]).partition(b"\n")
    return begun(first if feed else b"", key)


def opened(found: Sequence[Segment], key: bytes) -> tuple[Keys, End]:
    """Return the keys of a log, and the beginning of its last segment; raise AuditError or KeyFaultError."""
    _, keys = named(found, key)
    assert keys is not None  # a key was given
    last = found[-1]
    if last.first == 1:
        return keys, End(1, 0, 0, GENESIS)
    before = lines_of(read(found[-2]))
    entry = decode(before[-1]) if before else None
    if entry is None or not is_ours(before[-1], entry, keys) or entry.n != last.first - 1:
        raise damaged(Fault.DELETED, f"entry {last.first - 1} is missing, or was changed", last.first - 1)
    return keys, End(last.first, 0, entry.n, hash_of(before[-1]))
