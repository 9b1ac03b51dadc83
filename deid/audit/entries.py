"""An entry of the audit log: one canonical line, chained by hashes, tagged under a key of the site.

docs/formats/audit.md, "Entry", is the specification.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from deid.audit.events import Detail, Event, EventKind
from deid.audit.faults import Fault, damaged
from deid.errors import KeyFaultError
from deid.keys.prf import derive_key

GENESIS = "0" * 64
NEW_LOG_SUBJECT = "audit"
_TAG = len(',"tag":""') + 64  # and the brace after it
_ENCODER = msgspec.json.Encoder(order="sorted")


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry as it stands in the log; `at` is RFC 3339, UTC, milliseconds."""

    at: str
    details: dict[str, str | int]
    kind: str
    n: int
    prev: str
    subject: str
    tag: str


class _Untagged(msgspec.Struct, frozen=True):
    at: str
    details: dict[str, Detail]
    kind: str
    n: int
    prev: str
    subject: str


_DECODER = msgspec.json.Decoder(Entry)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys under which one log is written; `check` tells another site's key from an edited entry."""

    log: str
    check: str
    entries: bytes = field(repr=False)
    remembered: bytes = field(repr=False)

    @classmethod
    def of(cls, key: bytes, log: str) -> Keys:
        """Return the keys of the log of this name; `key` is the provider's subkey ("audit")."""
        check = derive_key(key, "audit", "key check")[:16].hex()
        return cls(log, check, derive_key(key, "audit", "entries", log), derive_key(key, "audit", "remembered", log))


def new_log() -> str:
    """Return the name of a new log."""
    return secrets.token_hex(16)


def stamp(instant: datetime) -> str:
    """Return an instant as entries write it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def hash_of(line: bytes) -> str:
    """Return the hash of an entry: SHA-256 of its line without the line feed."""
    return hashlib.sha256(line).hexdigest()


def encode(event: Event, n: int, prev: str, keys: Keys) -> bytes:
    """Return the line of an event that was checked, as entry `n`, without the line feed."""
    raw = _Untagged(stamp(event.at), dict(event.details), event.what.value, n, prev, event.subject)
    body = _ENCODER.encode(raw)
    return body[:-1] + f',"tag":"{tag_of(keys.entries, body)}"}}'.encode()


def decode(line: bytes) -> Entry | None:
    """Return the entry of a line, or None if it is not one in canonical spelling."""
    if not line.isascii():
        return None
    try:
        entry = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    # One entry, one spelling: two readers cannot see different things in one line.
    return entry if _ENCODER.encode(entry) == line else None


def is_ours(line: bytes, entry: Entry, keys: Keys) -> bool:
    """Whether a canonical line carries the tag of this log's key."""
    return hmac.compare_digest(tag_of(keys.entries, line[: -_TAG - 1] + b"}"), entry.tag)


def tag_of(key: bytes, body: bytes) -> str:
    """Return the tag of some bytes, HMAC-SHA256 in hex."""
    return hmac.digest(key, body, "sha256").hex()


def begun(first: bytes, key: bytes | None) -> tuple[str, Keys | None]:
    """Return the name of the log that a first line begins, and its keys where `key` is given.

    Raises AuditError where it begins none, KeyFaultError where the key is another one.
    """
    entry = decode(first)
    log = entry.details.get("log") if entry is not None and entry.kind == EventKind.LOG_BEGUN else None
    if entry is None or not isinstance(log, str) or entry.n != 1 or entry.prev != GENESIS:
        raise damaged(Fault.EDITED, "its first entry begins no log", 1)
    if key is None:
        return log, None
    keys = Keys.of(key, log)
    if entry.details.get("key_check") != keys.check:
        raise KeyFaultError(
            "the key does not fit this audit log", hint="use the key provider that the log was made with"
        )
    if not is_ours(first, entry, keys):
        raise damaged(Fault.EDITED, "entry 1 was changed, or written by another hand", 1)
    return log, keys


def completes(torn: bytes, entries: int, head: str, keys: Keys | None) -> bool:
    """Whether a torn end is a whole entry that follows this head, and lacks its line feed only; it is kept then."""
    entry = decode(torn)
    if entry is None or (entry.n, entry.prev) != (entries + 1, head):
        return False
    return keys is None or is_ours(torn, entry, keys)
