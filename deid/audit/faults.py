"""What can be wrong with an audit log; docs/formats/audit.md, "Verification"."""

from __future__ import annotations

from enum import StrEnum

from deid.errors import AuditError


class Fault(StrEnum):
    """What was done to a log."""

    EDITED = "edited"
    DELETED = "deleted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    FORKED = "forked"
    OTHER_LOG = "another log"
    UNKNOWN_RELEASE = "unknown release"


_HINT = (
    "keep the folder as it is for whoever examines it, and compare it with a backup and the receipts; "
    "`deid audit renew` sets it aside and begins another log"
)


def damaged(fault: Fault, what: str, entry: int | None = None) -> AuditError:
    """Return the error of a log at fault."""
    return AuditError(f"the audit log was {_SAID[fault]}: {what}", hint=_HINT, fault=fault.value, entry=entry)


_SAID = {
    Fault.EDITED: "edited",
    Fault.DELETED: "cut",
    Fault.REORDERED: "reordered",
    Fault.TRUNCATED: "truncated",
    Fault.FORKED: "forked or rewritten",
    Fault.OTHER_LOG: "exchanged",
    Fault.UNKNOWN_RELEASE: "exchanged, or a release was made without it",
}
