"""What counts as run: a release that lies there, one that the audit log has, or one that the record has.

Each is enough by itself (docs/adr/0027-a-release-that-stands-was-run.md). The audit log is read without its key: what
is asked is whether to make a release, and a forged entry can only stop one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from deid.audit.segments import read, read_set_aside, segments
from deid.audit.site import audit_folder, set_aside
from deid.documents.site import Site
from deid.errors import StorageError
from deid.release.manifest import MANIFEST

# An entry is canonical JSON, so its fields come in one order; kinds and subjects hold nothing that is escaped.
_ENTRY = re.compile(
    rb'"kind":"release-(?:published|found)","n":[0-9]+,"prev":"[0-9a-f]{64}","subject":"([^"/]+/[^"/]+)"'
)


def lying(releases: Path, request: str) -> frozenset[str]:
    """Return the names of the releases of a request that lie there; raise StorageError."""
    folder = releases / request
    try:
        if not folder.is_dir():
            return frozenset()
        return frozenset(
            path.name for path in folder.iterdir() if not path.name.startswith(".") and (path / MANIFEST).exists()
        )
    except OSError as error:
        raise StorageError(
            f"the releases of request {request} cannot be read: {error.strerror}",
            hint="check who may read their folder",
        ) from None


def logged(site: Site, wanted: Iterable[str]) -> frozenset[str]:
    """Return which of these, as `request/name`, the log or one set aside has; raise AuditError or StorageError."""
    asked = {subject.encode() for subject in wanted}
    found: set[bytes] = set()
    for segment in segments(audit_folder(site)):
        found |= asked.intersection(_ENTRY.findall(read(segment)))
    for segment in chain.from_iterable(map(segments, set_aside(site))):
        found |= asked.intersection(_ENTRY.findall(read_set_aside(segment)))
    return frozenset(subject.decode() for subject in found)
