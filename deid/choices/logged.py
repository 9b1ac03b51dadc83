"""The lists of a site, held against what its audit log knows of them.

Whoever puts back an old copy of the whole site brings back lists and the notes on them alike; the log goes on.
"""

from __future__ import annotations

import contextlib

from deid.audit.entries import Entry
from deid.audit.events import Detail, EventKind
from deid.audit.log import AuditLog
from deid.audit.site import record, site_log
from deid.choices.lists import ChoiceList
from deid.choices.store import ChoiceStore
from deid.errors import AuditError, StorageError
from deid.keys.base import KeyProvider
from deid.site import Site
from deid.small_counts import shown

_SUBJECT = "choices"


def known_lists(site: Site, provider: KeyProvider, log: AuditLog | None = None) -> tuple[ChoiceList, ...]:
    """Return every list of a site; raise StorageError where one is lost, changed, or older than the log knows.

    Walks the whole log: a tenth of a second for 20,000 entries.
    """
    lists = {found.name: found for found in ChoiceStore.of(site, provider).lists()}
    for name, version in _newest(log if log is not None else site_log(site, provider)).items():
        if version and (name not in lists or lists[name].version < version):
            held = f"is at version {lists[name].version}" if name in lists else "is not there"
            raise StorageError(
                f"list {name} {held}, and the audit log knows version {version}: an old copy was put back",
                hint="bring the newest copy back, or see `deid choices adopt` and `deid choices forget`",
            )
    return tuple(lists.values())


def enter_change(site: Site, provider: KeyProvider, before: ChoiceList, after: ChoiceList, digest: str) -> None:
    """Enter a new version of a list in the audit log."""
    change = after.rows.num_rows - before.rows.num_rows
    _enter(site, provider, after.name, (max(change, 0), max(-change, 0), after.rows.num_rows), after.version, digest)


def enter_adopted(site: Site, provider: KeyProvider, adopted: ChoiceList) -> None:
    """Enter that an older version of a list is the right one."""
    _enter(site, provider, adopted.name, (0, 0, adopted.rows.num_rows), adopted.version, None)


def enter_forgotten(site: Site, provider: KeyProvider, name: str) -> None:
    """Enter that a list is gone for good."""
    _enter(site, provider, name, (0, 0, 0), 0, None)


def _enter(
    site: Site, provider: KeyProvider, name: str, counts: tuple[int, int, int], version: int, digest: str | None
) -> None:
    added, removed, total = (shown(count) for count in counts)
    told: dict[str, Detail] = {"added": added, "removed": removed, "total": total, "version": version}
    told |= {"sha256": digest} if digest is not None else {}
    record(site_log(site, provider), EventKind.CHOICES_CHANGED, f"{_SUBJECT}/{name}", **told)


def _newest(log: AuditLog) -> dict[str, int]:
    """Return the version of each list by its newest entry, 0 for one that is gone."""
    newest: dict[str, int] = {}

    def seen(entry: Entry, _hash: str) -> None:
        if entry.kind == EventKind.CHOICES_CHANGED:
            newest[entry.subject.partition("/")[2]] = int(entry.details["version"])

    with contextlib.suppress(AuditError):  # a damaged log is for `deid audit verify` to tell
        log.verify(seen=seen)
    return newest
