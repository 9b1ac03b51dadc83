"""The head of an audit log, remembered beside the log's folder; docs/formats/audit.md, "The remembered head"."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

import msgspec

from deid.audit.chain import Head
from deid.audit.entries import Entry, Keys, tag_of
from deid.audit.faults import Fault, damaged
from deid.audit.segments import reading
from deid.errors import StorageError
from deid.sealing.private import private, sync_folder

NOT_REMEMBERED = "the file beside its folder, which remembers its head, is missing or empty"
_SLOT = 512
_ENCODER = msgspec.json.Encoder(order="sorted")


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    entries: int
    head: str
    log: str
    tag: str = ""


class Memory:
    """What a walk along a log's end is held against; `head`: what is remembered, None where nothing is."""

    __slots__ = ("head",)

    def __init__(self, head: Head | None) -> None:
        self.head = head

    def see(self, entry: Entry, found: str) -> None:
        """Take an entry and its hash; raise AuditError where another one is remembered under its number."""
        if self.head is not None and entry.n == self.head.entries:
            self._require_hash(found)

    def require(self, entries: int, torn: str | None) -> None:
        """Raise AuditError where the log ends before what is remembered.

        `entries`: how many it has. `torn`: the hash of the next one, where it lacks its line feed only.
        """
        if self.head is None:
            if entries > 1:
                raise damaged(Fault.TRUNCATED, NOT_REMEMBERED)
            return
        if torn is not None and self.head.entries == entries + 1:
            self._require_hash(torn)
        elif self.head.entries > entries:
            what = f"it ends with entry {entries}, and entry {self.head.entries} is remembered"
            raise damaged(Fault.TRUNCATED, what, entries + 1)

    def _require_hash(self, found: str) -> None:
        if self.head is not None and found != self.head.hash:
            number = self.head.entries
            raise damaged(Fault.FORKED, f"entry {number} is not the one whose hash is remembered", number)


def head_path(folder: Path) -> Path:
    """Return where the head of the log in `folder` is remembered."""
    return folder.with_name(f"{folder.name}.head")


def remembered(folder: Path, keys: Keys) -> Head | None:
    """Return the newest head that is remembered, None where none ever was; raise AuditError where it is damaged."""
    try:
        with reading(), open(head_path(folder), "rb", opener=private) as file:
            data = file.read(2 * _SLOT)
    except FileNotFoundError:
        return None
    if not data.strip(b"\0"):
        return None  # made, and killed before the first record; of a log that goes on, a fault all the same
    records = [found for begin in (0, _SLOT) if (found := _record(data[begin : begin + _SLOT], keys)) is not None]
    if not records:
        raise damaged(Fault.EDITED, f"neither record of {head_path(folder).name} holds")
    return max(records, key=lambda head: head.entries)


def remember(folder: Path, head: Head, keys: Keys) -> None:
    """Remember `head` in place of the older record; raise StorageError."""
    path = head_path(folder)
    record = _Record(head.entries, head.hash, head.log)
    body = _ENCODER.encode(record)
    line = _ENCODER.encode(msgspec.structs.replace(record, tag=tag_of(keys.remembered, body)))
    try:
        descriptor = private(str(path), os.O_RDWR | os.O_CREAT)
        try:
            data = os.pread(descriptor, 2 * _SLOT, 0)
            first, second = (_record(data[begin : begin + _SLOT], keys) for begin in (0, _SLOT))
            is_second = first is not None and (second is None or second.entries < first.entries)
            os.pwrite(descriptor, line.ljust(_SLOT - 1) + b"\n", _SLOT if is_second else 0)
            if not data:
                os.fsync(descriptor)
                sync_folder(path.parent)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError(
            f"{path.name} cannot be written: {error.strerror}", hint="make room, or check who may write to the state"
        ) from None


def _record(slot: bytes, keys: Keys) -> Head | None:
    try:
        record = msgspec.json.decode(slot, type=_Record)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    body = _ENCODER.encode(msgspec.structs.replace(record, tag=""))
    is_ours = hmac.compare_digest(tag_of(keys.remembered, body).encode(), record.tag.encode())
    return Head(record.log, record.entries, record.head) if is_ours else None
