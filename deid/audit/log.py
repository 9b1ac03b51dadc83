"""The audit log, opened and appended to by several processes at once; docs/formats/audit.md, "Append"."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, Self, TypeAlias

from deid.audit.chain import Chain, Head
from deid.audit.ends import End, begin, is_unbegun, opened
from deid.audit.entries import NEW_LOG_SUBJECT, Entry, Keys, completes, encode, hash_of
from deid.audit.events import Detail, Event, EventKind
from deid.audit.faults import Fault, damaged
from deid.audit.receipts import Receipt
from deid.audit.remembered import Memory, remember, remembered
from deid.audit.segments import MAX_SEGMENT, extend, lines_of, lock, read, segment_path, segments, whole
from deid.audit.verifying import Verified, no_log, verify
from deid.keys.prf import derive_key

Begin: TypeAlias = Callable[[], Sequence[Event]]
After: TypeAlias = Callable[[], Head | None]

_MAX_BATCH = 10_000


class AuditLog:
    """An audit log that this process appends to; others may at the same time.

    Every append first reads and checks what others have appended. Safe between processes and threads.
    """

    def __init__(self, folder: Path, keys: Keys, end: End, key: bytes) -> None:
        """Use `open`."""
        self._folder, self._keys, self._end, self._key = folder, keys, end, key

    def __repr__(self) -> str:
        return f"AuditLog({self._keys.log!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an audit log cannot be pickled or copied: open it again")

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        key: bytes,
        create: bool = True,
        after: After | None = None,
        entries: Begin | None = None,
    ) -> Self:
        """Open the log in `folder`, and check its last segment; begin one where there is none, if `create`.

        `key` is the provider's subkey ("audit"). Of a new log, `after` gives the head of the one that it follows, and
        `entries` what is entered next; both are called under the lock.
        Raises AuditError where the log is damaged or, without `create`, not there; KeyFaultError for another key;
        StorageError.
        """
        if not create and not segments(folder):
            raise no_log(folder)
        with lock(folder):
            found = segments(folder)
            if is_unbegun(folder, found):
                begin(folder, key, after() if after is not None else None)
                found = segments(folder)
            elif not found:
                raise damaged(Fault.TRUNCATED, "its segments are gone, and its head is remembered")
            log = cls(folder, *opened(found, key), key)
            log._refresh()
            if log._end.entries == 1:
                # A kill may have come between the first entry and its memory, or what follows it.
                remember(folder, log.head, log._keys)
                if events := entries() if entries is not None else ():
                    log._append(events)
        return log

    @property
    def head(self) -> Head:
        """The head as this process last saw it."""
        return Head(self._keys.log, self._end.entries, self._end.hash)

    def append(self, event: Event) -> Head:
        """Enter an event, and return the head when it is on disk; raise AuditError or StorageError, and enter nothing.

        Where the disk failed in the act, the entry may be there all the same.
        """
        return self.append_all((event,))

    def append_all(self, events: Sequence[Event]) -> Head:
        """Enter events under one force to disk, at most 10,000; a kill in the act may leave the first few of them."""
        if not 1 <= len(events) <= _MAX_BATCH:
            raise ValueError(f"1 to {_MAX_BATCH:,} events are appended at once")
        for event in events:
            event.check()
        with lock(self._folder):
            return self._append(events)

    def pseudonym(self, text: str) -> str:
        """Return what stands in the log for a pseudonym: 128 bits of a keyed hash, as hex."""
        key = derive_key(self._key, "audit", "pseudonyms")
        return hmac.digest(key, text.encode(), "sha256")[:16].hex()

    def verify(self, receipts: Sequence[Receipt] = (), *, seen: Callable[[Entry, str], None] | None = None) -> Verified:
        """Walk the whole log, and hold it against the remembered head and the receipts; raise AuditError.

        `seen` is called with each entry and its hash. Finds what was edited, deleted, reordered, truncated or forked.
        """
        return verify(self._folder, receipts, key=self._key, seen=seen)

    def _append(self, events: Sequence[Event]) -> Head:
        events = [*self._heal(self._refresh()), *events]
        for data, end in self._lines(events):
            extend(segment_path(self._folder, end.first), end.size - len(data), data)
            # At once: an interrupt leaves this process where it was, and it reads again what it has written.
            self._end = end
        remember(self._folder, self.head, self._keys)
        return self.head

    def _lines(self, events: Sequence[Event]) -> Iterator[tuple[bytes, End]]:
        """Give the lines of events, by segment, with the end after them; where one is full, the next begins."""
        end, lines = self._end, bytearray()
        for event in events:
            line = encode(event, end.entries + 1, end.hash, self._keys)
            # Of a torn end is told where it stood: writing there is what cuts it.
            if end.size and end.size + len(line) >= MAX_SEGMENT and event.what != EventKind.LOG_HEALED:
                if lines:
                    yield bytes(lines), end
                lines.clear()
                end = end.in_new_segment()
            lines += line + b"\n"
            end = end.followed_by(line)
        yield bytes(lines), end

    def _refresh(self) -> bytes:
        """Follow what has been appended since; return the torn end."""
        memory = Memory(remembered(self._folder, self._keys))
        end = self._end
        found = [segment for segment in segments(self._folder) if segment.first >= end.first]
        if not found or found[0].first != end.first or found[0].size < end.size:
            raise damaged(Fault.TRUNCATED, f"entry {end.entries} is gone", end.entries)
        chain = Chain(self._keys, entries=end.entries, hash=end.hash, seen=memory.see)
        torn = b""
        for segment in found:
            start = end.size if segment.first == end.first else 0
            if torn or (start == 0 and segment.first != chain.entries + 1):
                raise damaged(Fault.DELETED, f"entry {chain.entries + 1} is missing", chain.entries + 1)
            data = read(segment, start)
            cut = whole(data)
            chain.follow(lines_of(data[:cut]))
            end, torn = End(segment.first, start + cut, chain.entries, chain.hash), data[cut:]
        self._end = end
        memory.require(end.entries, hash_of(torn) if self._is_whole(torn) else None)
        return torn

    def _is_whole(self, torn: bytes) -> bool:
        """Whether a torn end is the next entry, and lacks its line feed only."""
        return bool(torn) and completes(torn, self._end.entries, self._end.hash, self._keys)

    def _heal(self, torn: bytes) -> list[Event]:
        """Keep a whole entry that lacks its line feed; return what is to be entered of anything else."""
        if not torn:
            return []
        if self._is_whole(torn):
            end = self._end
            extend(segment_path(self._folder, end.first), end.size, torn + b"\n")
            self._end = end.followed_by(torn)
            return []
        details: dict[str, Detail] = {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}
        return [Event(datetime.now(UTC), EventKind.LOG_HEALED, NEW_LOG_SUBJECT, details)]
