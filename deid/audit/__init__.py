"""The audit log: what a site did with patients' data, in an append-only chain; docs/formats/audit.md."""

from __future__ import annotations

from deid.audit.chain import Head
from deid.audit.entries import Entry
from deid.audit.events import Event, EventKind
from deid.audit.faults import Fault
from deid.audit.log import AuditLog
from deid.audit.receipts import Receipt, load_receipt, receipt_path, write_receipt
from deid.audit.verifying import Verified, verify

__all__ = [
    "AuditLog",
    "Entry",
    "Event",
    "EventKind",
    "Fault",
    "Head",
    "Receipt",
    "Verified",
    "load_receipt",
    "receipt_path",
    "verify",
    "write_receipt",
]
