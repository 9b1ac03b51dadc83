"""What the audit log can say: the kinds of events, and the closed schema of each one's details.

docs/formats/audit.md, "Kinds", is made from here by `python -m deid.audit.page`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from deid import errors
from deid.errors import AuditError
from deid.release.small_counts import ENOUGH, SMALL
from deid.stores import place as stores

Detail: TypeAlias = str | int

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_DIGEST = r"[0-9a-f]{64}"
_MOST = 31
SUBJECT = re.compile(rf"{_NAME}(/{_NAME}){{0,7}}")
_LARGEST = 2**53  # every reader of JSON has it exactly


class EventKind(StrEnum):
    """What happened."""

    LOG_BEGUN = "log-begun"
    LOG_HEALED = "log-healed"
    RELEASE_FOUND = "release-found"
    HEAD_SIGNED = "head-signed"
    DOCUMENT_SIGNED = "document-signed"
    DOCUMENT_APPROVED = "document-approved"
    DOCUMENT_WITHDRAWN = "document-withdrawn"
    RUN_STARTED = "run-started"
    RUN_REFUSED = "run-refused"
    RELEASE_PREPARED = "release-prepared"
    RELEASE_PUBLISHED = "release-published"
    RELEASE_VERIFIED = "release-verified"
    RELEASE_OPENED = "release-opened"
    RELEASE_ATTACKED = "release-attacked"
    TABLES_PREPARED = "tables-prepared"
    TABLES_PUBLISHED = "tables-published"
    TABLES_FOUND = "tables-found"
    TABLES_REMEMBERED = "tables-remembered"
    KEY_ROTATED = "key-rotated"
    KEY_SHREDDED = "key-shredded"
    CROSSWALK_EXPORTED = "crosswalk-exported"
    CROSSWALK_RESTORED = "crosswalk-restored"
    REIDENTIFIED = "reidentified"
    RELEASE_RECALLED = "release-recalled"
    DESTRUCTION_RECEIVED = "destruction-received"
    CHOICES_CHANGED = "choices-changed"
    SCHEDULE_RUN = "schedule-run"
    LEDGER_RESTORED = "ledger-restored"
    DELIVERY_STARTED = "delivery-started"
    RELEASE_DELIVERED = "release-delivered"
    RECALL_DELIVERED = "recall-delivered"


@dataclass(frozen=True, slots=True)
class Form:
    """What the value of a detail may be; `pattern` is None for numbers, and `words` is what is told of it."""

    words: str
    pattern: re.Pattern[str] | None = None
    is_count: bool = False
    optional: bool = False

    def holds(self, value: Detail) -> bool:
        """Whether a value is of this form."""
        if isinstance(value, str):
            return (self.is_count and value == SMALL) or (
                self.pattern is not None and self.pattern.fullmatch(value) is not None
            )
        if self.pattern is not None or isinstance(value, bool) or not 0 <= value <= _LARGEST:
            return False
        return not self.is_count or value == 0 or value >= ENOUGH


def _one_of(*words: str) -> Form:
    return Form(f"one of {', '.join(words)}", re.compile("|".join(map(re.escape, words))))


def _maybe(form: Form) -> Form:
    return Form(form.words, form.pattern, form.is_count, optional=True)


DIGEST = Form("digest", re.compile(_DIGEST))
NAME = Form("name", re.compile(_NAME))
NAMES = Form("names", re.compile(rf"{_NAME}(,{_NAME}){{0,{_MOST}}}"))
DIGESTS = Form("digests", re.compile(rf"{_NAME}:{_DIGEST}(,{_NAME}:{_DIGEST}){{0,{_MOST}}}"))
COUNT = Form("count", is_count=True)
NUMBER = Form("number")
HALF = Form("32 hex digits", re.compile(r"[0-9a-f]{32}"))
OUTCOME = _one_of("passed", "failed")
PLACE = Form("place", stores.PLACE)
INSTANT = Form("instant", re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"))

INTERNAL, INTERRUPTED = "internal", "interrupted"
# Classes of errors, never their text, which may name what it should not.
FAULTS = (
    *sorted(name for name, kind in vars(errors).items() if isinstance(kind, type) and name.endswith("Error")),
    INTERNAL,
    INTERRUPTED,
)
FAULT = Form(f"class of an error, {INTERNAL} or {INTERRUPTED}", re.compile("|".join(FAULTS)))
REASONS = ("patient-safety", "incidental-finding", "legal-duty", "data-quality", "patient-request", "other")
RECALLS = ("disclosure", "wrong-recipient", "wrong-data", "withdrawn-consent", "withdrawn-approval", "other")

WITHDRAWALS = (
    "no-longer-needed", "replaced", "too-lax", "error", "misuse", "new-knowledge", "agreement-ended", "other",
)  # fmt: skip

_PAPER = {
    "type": NAME, "sha256": DIGEST, "signers": _maybe(NAMES), "version": _maybe(NAME), "statement": _maybe(DIGEST),
    "signed": _maybe(INSTANT),
}  # fmt: skip
_RELEASE = {"manifest_sha256": DIGEST}
_TABLES = {
    "request_sha256": DIGEST, "sha256": DIGEST,
    "dataset": _maybe(NAME), "store": _maybe(NUMBER), "store_sha256": _maybe(DIGEST),
}  # fmt: skip
_DELIVERY = _RELEASE | {"place": PLACE}
SCHEMAS: Mapping[EventKind, Mapping[str, Form]] = {
    EventKind.LOG_BEGUN: {
        "log": HALF, "key_check": HALF,
        "after_log": _maybe(HALF), "after_entries": _maybe(NUMBER), "after_head": _maybe(DIGEST),
    },
    EventKind.LOG_HEALED: {"bytes": NUMBER, "sha256": DIGEST},
    EventKind.RELEASE_FOUND: _RELEASE,
    EventKind.HEAD_SIGNED: {"entries": NUMBER, "head": DIGEST, "signers": NAMES},
    EventKind.DOCUMENT_SIGNED: _PAPER,
    EventKind.DOCUMENT_APPROVED: _PAPER,
    EventKind.DOCUMENT_WITHDRAWN: _PAPER | {"reason": _maybe(_one_of(*WITHDRAWALS))},
    EventKind.RUN_STARTED: {
        "party": NAME, "request_sha256": DIGEST, "policy_sha256": DIGEST, "dataset_sha256": DIGEST,
        "period": _maybe(NAME), "plan_sha256": _maybe(DIGEST),
    },
    EventKind.RUN_REFUSED: {"error": FAULT, "exit_code": _maybe(NUMBER)},
    EventKind.RELEASE_PREPARED: _RELEASE | {
        "rows": _maybe(COUNT), "patients": _maybe(COUNT), "suppressed_patients": _maybe(COUNT),
        "statements": _maybe(DIGESTS), "crosswalk": _maybe(NUMBER), "ledger": _maybe(NUMBER),
    },
    EventKind.RELEASE_PUBLISHED: _RELEASE | {"quarantined": _maybe(COUNT), "withheld_records": _maybe(COUNT)},
    EventKind.RELEASE_VERIFIED: _RELEASE | {"outcome": OUTCOME},
    EventKind.RELEASE_OPENED: _RELEASE,
    EventKind.RELEASE_ATTACKED: _RELEASE | {
        "outcome": _one_of("passed", "failed", "undecided", "measured"), "targets": NUMBER, "failed": _maybe(NAMES),
    },
    EventKind.TABLES_PREPARED: _TABLES | {"statements": _maybe(DIGESTS)},
    EventKind.TABLES_PUBLISHED: _TABLES | {"tables": NUMBER},
    EventKind.TABLES_FOUND: {"sha256": DIGEST},
    EventKind.TABLES_REMEMBERED: {"store": NUMBER, "store_sha256": DIGEST},
    EventKind.KEY_ROTATED: {"purpose": NAME, "keyid": _maybe(NAME), "keys": NUMBER},
    EventKind.KEY_SHREDDED: {"purpose": NAME, "keys": NUMBER},
    EventKind.CROSSWALK_EXPORTED: {"generation": NUMBER, "sha256": DIGEST},
    EventKind.CROSSWALK_RESTORED: {"generation": NUMBER, "sha256": DIGEST},
    EventKind.REIDENTIFIED: {
        "pseudonym": HALF, "order_sha256": DIGEST, "signers": NAMES, "reason": _one_of(*REASONS),
        "outcome": _one_of("told", "unknown", "refused"),
    },
    EventKind.RELEASE_RECALLED: _RELEASE | {"reason": _one_of(*RECALLS), "notice_sha256": _maybe(DIGEST)},
    EventKind.DESTRUCTION_RECEIVED: _RELEASE | {"certificate_sha256": DIGEST, "signers": NAMES},
    EventKind.CHOICES_CHANGED: {
        "added": COUNT, "removed": COUNT, "total": COUNT, "version": NUMBER, "sha256": _maybe(DIGEST),
    },
    EventKind.SCHEDULE_RUN: {"due": NUMBER, "published": NUMBER, "failed": NUMBER},
    EventKind.LEDGER_RESTORED: {"generation": NUMBER},
    EventKind.DELIVERY_STARTED: _DELIVERY,
    EventKind.RELEASE_DELIVERED: _DELIVERY | {"objects": NUMBER, "sent": NUMBER},
    EventKind.RECALL_DELIVERED: _DELIVERY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """Something to be entered: when, by the site's clock; what; about what; and details by the schema of its kind.

    `at` carries a time zone. `subject`: names with slashes between them. Nothing here is ever of a patient.
    """

    at: datetime
    what: EventKind
    subject: str
    details: Mapping[str, Detail] = field(default_factory=dict)

    def check(self) -> None:
        """Raise AuditError unless subject and details are what the schema of the kind allows; quotes no value."""
        if self.at.tzinfo is None:
            raise _refused(self.what, "its instant has no time zone")
        if not SUBJECT.fullmatch(self.subject):
            raise _refused(self.what, "its subject is not names with slashes between them")
        schema = SCHEMAS[self.what]
        if unknown := len(set(self.details) - set(schema)):
            raise _refused(self.what, f"{unknown} of its details are not in its schema")
        for name, form in schema.items():
            if name not in self.details:
                if not form.optional:
                    raise _refused(self.what, f"it lacks {name}")
            elif not form.holds(self.details[name]):
                raise _refused(self.what, f"{name} is not a {form.words}")


def _refused(what: EventKind, why: str) -> AuditError:
    return AuditError(
        f"an event {what} cannot be entered in the audit log: {why}",
        hint="the log takes what docs/formats/audit.md lists, so that no identifier gets in",
    )
