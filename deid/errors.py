"""Every error a user can meet, by whose fault it is, with its exit code.

A message says what was attempted, what was found and what was expected; the hint gives the remedy.
Neither ever holds a cell value of the source: a message may be read by people who may not see the data.
Exit codes are never reused: a retired number stays in this list as a comment.
"""

from __future__ import annotations

from typing import ClassVar


class DeidError(Exception):
    """The base of every error that is shown to a user without a traceback."""

    exit_code: ClassVar[int] = 10

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}"


class DocumentError(DeidError):
    """A policy, request, description or trust root that cannot be read or says something impossible."""

    exit_code = 11


class PlanError(DeidError):
    """A request that the policy does not cover, or a legal basis that plan and request do not earn."""

    exit_code = 12


class SourceError(DeidError):
    """Source data that does not match its description."""

    exit_code = 13


class TrustError(DeidError):
    """A document that is unsigned, altered, expired, or signed by somebody who may not."""

    exit_code = 14


class WithdrawnError(TrustError):
    """A document that somebody who may has taken back."""


class SupersededError(TrustError):
    """A document in whose place a newer one has come, signed as it is."""


class KeyFaultError(DeidError):
    """A key that is missing, locked or does not fit."""

    exit_code = 15


class ReleaseError(DeidError):
    """A release that is damaged, swapped, cut, in clear, or already there."""

    exit_code = 16


class DisclosureError(DeidError):
    """A disclosure limit that the data cannot meet under this policy."""

    exit_code = 17


class VerificationError(DeidError):
    """Staged output that is not what the plan promised; nothing was published."""

    exit_code = 18


DEFECT = "nothing was published; report this as a defect of deid, with the name of the column and the rule"


class StorageError(DeidError):
    """A disk, folder or lock that stood in the way; nothing was published."""

    exit_code = 19


class NotesError(DeidError):
    """Notes cannot be searched: the detector's data, or what it was given, is not what it must be."""

    exit_code = 20


class AuditError(DeidError):
    """An audit log that was edited, cut, reordered or forked, or an event that it cannot take.

    `fault`: the name of the fault as docs/formats/audit.md has it, empty where the log is not at fault; `entry`: at
    which one it was found.
    """

    exit_code = 21

    def __init__(self, message: str, *, hint: str, fault: str = "", entry: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.fault = fault
        self.entry = entry


class StoreError(DeidError):
    """An object store that is not configured, cannot be reached, refuses, or does not keep what it promises."""

    exit_code = 22


class ScheduleError(DeidError):
    """Something that was due was not made, or the clock stands before the last run; the message says for whom."""

    exit_code = 24


class KeyServiceError(KeyFaultError):
    """A key service that does not answer, or answers that it is busy: later it may."""

    exit_code = 25
