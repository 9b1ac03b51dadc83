"""What counts as run: a release that lies there, one that the audit log has, or one that the record has.

Each is enough by itself (docs/adr/0027-a-release-that-stands-was-run.md). The audit log is read without its key: what
is asked is whether to make a release, and a forged entry can only stop one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from deid.audit.segments import read, segments
from deid.manifest import MANIFEST

# An entry is canonical JSON, so its fields come in one order; kinds and subjects hold nothing that is escaped.
_ENTRY = re.compile(
    rb'"kind":"release-(?:published|found)","n":[0-9]+,"prev":"[0-9a-f]{64}","subject":"([^"/]+/[^"/]+)"'
)


def lying(releases: Path, request: str) -> frozenset[str]:
    """Return the names of the releases of a request that lie there."""
    folder = releases / request
    if not folder.is_dir():
        return frozenset()
    return frozenset(
        path.name for path in folder.iterdir() if not path.name.startswith(".") and (path / MANIFEST).exists()
    )


def logged(audit: Path, wanted: Iterable[str]) -> frozenset[str]:
    """Return which of these releases, as `request/name`, the audit log has; raise AuditError or StorageError."""
    asked = {subject.encode() for subject in wanted}
    found: set[bytes] = set()
    for folder in [audit, *sorted(audit.parent.glob("audit-set-aside-*"))]:
        for segment in segments(folder):
            found |= asked.intersection(_ENTRY.findall(read(segment)))
    return frozenset(subject.decode() for subject in found)
