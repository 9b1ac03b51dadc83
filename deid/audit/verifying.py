"""A whole audit log held against itself, the remembered head and receipts; docs/formats/audit.md, "Verification"."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deid.audit.chain import Chain, Head
from deid.audit.ends import named
from deid.audit.entries import Entry, Keys, completes
from deid.audit.events import EventKind
from deid.audit.faults import Fault, damaged
from deid.audit.receipts import Receipt
from deid.audit.remembered import NOT_REMEMBERED, head_path, remembered
from deid.audit.segments import Segment, lines_of, lock, read, read_newest, segments, whole
from deid.errors import AuditError

_PREPARED = (EventKind.RELEASE_PREPARED, EventKind.TABLES_PREPARED)
_SETTLED = (EventKind.RELEASE_PUBLISHED, EventKind.TABLES_PUBLISHED, EventKind.RUN_REFUSED)
_SHOWN = 100  # places of a clock that went back which are listed


@dataclass(frozen=True, slots=True)
class Verified:
    """A log that is whole.

    `torn`: bytes after the last entry that were never committed, and that the next writer heals. `clock_back`: the
    first entries whose instant is before that of the entry before them. `unpublished`: releases that were prepared,
    and of which nothing says whether they were published or refused. `receipts`: how many the log was held against.
    `is_tagged`: whether tags and remembered head were verified too. `follows`: the log that was set aside before this
    one began, up to where it held. `older_receipts`: how many beside the releases are of logs that were set aside.
    """

    head: Head
    segments: int
    began: str
    newest: str
    torn: int
    clock_back: tuple[int, ...]
    unpublished: tuple[str, ...]
    receipts: int
    is_tagged: bool
    follows: Head | None = None
    older_receipts: int = 0


class _Story:
    """What a walk gathers, and what it is held against."""

    def __init__(self, expected: dict[int, list[str]], seen: Callable[[Entry, str], None] | None) -> None:
        self._expected, self._seen = expected, seen
        self.began = self.newest = ""
        self.follows: Head | None = None
        self.clock_back: list[int] = []
        self.prepared: dict[str, None] = {}

    def take(self, entry: Entry, found: str) -> None:
        """Take an entry."""
        if entry.n in self._expected and any(wanted != found for wanted in self._expected[entry.n]):
            raise damaged(Fault.FORKED, f"entry {entry.n} is not the one that a receipt or the memory names", entry.n)
        if entry.at < self.newest and len(self.clock_back) < _SHOWN:
            self.clock_back.append(entry.n)
        self.began, self.newest = self.began or entry.at, entry.at
        if entry.n == 1:
            self.follows = followed(entry)
        if entry.kind in _PREPARED:
            self.prepared.setdefault(entry.subject)
        elif entry.kind in _SETTLED:
            self.prepared.pop(entry.subject, None)
        if self._seen is not None:
            self._seen(entry, found)


def verify(
    folder: Path,
    receipts: Sequence[Receipt] = (),
    *,
    key: bytes | None,
    seen: Callable[[Entry, str], None] | None = None,
) -> Verified:
    """Walk the whole log in `folder`; raise AuditError where it is damaged, or not there.

    Without `key`, tags and remembered head are left out, and nothing but the chain and the receipts is held.
    """
    if not segments(folder):
        if receipts or head_path(folder).exists():
            raise damaged(Fault.TRUNCATED, "all its entries are gone")
        raise no_log(folder)
    # With the lock nobody writes at this moment, so what is torn is torn; a reader of a copy may have no right to it.
    with lock(folder) if key is not None else contextlib.nullcontext():
        log = as_it_lies(folder, key)
    return walk(log, receipts, seen)


@dataclass(frozen=True, slots=True)
class Lying:
    """A log as it lay there at one moment: its name, keys and memory, and the bytes of its newest segment."""

    name: str
    keys: Keys | None
    memory: Head | None
    segments: tuple[Segment, ...]
    newest: bytes


def as_it_lies(folder: Path, key: bytes | None) -> Lying:
    """Take what verification walks; with `key`, under the log's lock. Raises AuditError or KeyFaultError."""
    found = tuple(segments(folder))
    if not found:
        raise no_log(folder)
    # The newest at once: whoever appends next heals its end, and may cut it.
    newest = read_newest(found[-1])
    name, keys = named(found, key)
    return Lying(name, keys, remembered(folder, keys) if keys is not None else None, found, newest)


def walk(log: Lying, receipts: Sequence[Receipt], seen: Callable[[Entry, str], None] | None) -> Verified:
    """Hold every entry against the one before, the memory and the receipts; raise AuditError at the first fault."""
    heads = [receipt.head for receipt in receipts] + ([log.memory] if log.memory is not None else [])
    story = _Story(_by_entry(log.name, heads), seen)
    chain = Chain(log.keys, seen=story.take)
    torn = b""
    for segment in log.segments:
        _check_turn(segment, chain, torn)
        data = log.newest if segment is log.segments[-1] else read(segment)
        cut = whole(data)
        chain.follow(lines_of(data[:cut]))
        torn = data[cut:]
    if torn and completes(torn, chain.entries, chain.hash, log.keys):
        chain.follow([torn])
        torn = b""
    _check_length(chain.entries, heads)
    if log.keys is not None and log.memory is None and chain.entries > 1:
        raise damaged(Fault.TRUNCATED, NOT_REMEMBERED)
    head = Head(log.name, chain.entries, chain.hash)
    return Verified(
        head, len(log.segments), story.began, story.newest, len(torn), tuple(story.clock_back), tuple(story.prepared),
        len(receipts), log.keys is not None, story.follows,
    )  # fmt: skip


def followed(first: Entry) -> Head | None:
    """Return the log that the first entry of another one names as set aside, None where it names none."""
    log, entries, head = (first.details.get(f"after_{name}") for name in ("log", "entries", "head"))
    if isinstance(log, str) and isinstance(entries, int) and isinstance(head, str):
        return Head(log, entries, head)
    return None  # without keys anybody may have written it


def no_log(folder: Path) -> AuditError:
    """Return the error of a log that is not there."""
    return AuditError(
        f"there is no audit log in {folder.name}",
        hint="the first run of the site begins one; check the path of `state`",
    )


def _check_turn(segment: Segment, chain: Chain, torn: bytes) -> None:
    """Raise AuditError unless a segment begins where the one before it ended."""
    due = chain.entries + 1
    if torn:
        raise damaged(Fault.EDITED, f"entry {due} was changed", due)
    if segment.first > due:
        raise damaged(Fault.DELETED, f"entries {due} to {segment.first - 1} are missing", due)
    if segment.first < due:
        raise damaged(Fault.REORDERED, f"{segment.path.name} repeats earlier entries", segment.first)


def _by_entry(name: str, heads: Iterable[Head]) -> dict[int, list[str]]:
    """Return the hashes that receipts and memory expect, by number; raise AuditError where they contradict."""
    expected: dict[int, list[str]] = {}
    for head in heads:
        if head.log != name:
            raise damaged(Fault.OTHER_LOG, "a receipt, or the remembered head, is of another log")
        hashes = expected.setdefault(head.entries, [])
        if hashes and head.hash not in hashes:
            raise damaged(Fault.FORKED, f"two receipts name two entries {head.entries}", head.entries)
        hashes.append(head.hash)
    return expected


def _check_length(entries: int, heads: Sequence[Head]) -> None:
    for head in heads:
        if head.entries > entries:
            raise damaged(
                Fault.TRUNCATED,
                f"it ends with entry {entries}, and a receipt or the memory names entry {head.entries}",
                entries + 1,
            )
