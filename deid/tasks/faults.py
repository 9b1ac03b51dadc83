"""Faults of tasks in words that hold no cell, and back into the errors that a user meets."""

from __future__ import annotations

import traceback

from deid import errors
from deid.errors import DeidError, VerificationError
from deid.tasks.job import Fault

DEFECT = "nothing was published; report this as a defect of deid, with these words"


def fault_of(error: BaseException) -> Fault:
    """Return a fault as it may be told: a DeidError's words, or the place of a defect and the type of what was raised.

    What other libraries say may quote a cell and is never passed on.
    """
    if isinstance(error, DeidError):
        return Fault(type(error).__name__, error.message, error.hint)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "deid" in frame.filename]
    place = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "an unknown place"
    return Fault("", f"a task failed at {place} with {type(error).__name__}", DEFECT)


def error_of(fault: Fault) -> DeidError:
    """Return the error that the user meets for a task's fault."""
    kind = getattr(errors, fault.kind, None)
    if isinstance(kind, type) and issubclass(kind, DeidError):
        return kind(fault.message, hint=fault.hint)
    return VerificationError(fault.message, hint=fault.hint)
