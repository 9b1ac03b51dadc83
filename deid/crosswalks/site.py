"""The crosswalk of a site: verified, copied and put back, each entered in the audit log."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from deid.audit.entries import Entry
from deid.audit.events import EventKind
from deid.audit.log import AuditLog
from deid.audit.site import record, set_aside_entries, site_log
from deid.crosswalks import checking, copies
from deid.crosswalks.checking import Held
from deid.crosswalks.copies import Copied
from deid.documents.site import Site
from deid.errors import AuditError, StorageError
from deid.keys.base import KeyProvider

SUBJECT = "crosswalk"


def crosswalk_folder(site: Site) -> Path:
    """Return where the site's crosswalk lies."""
    return site.state / "crosswalk"


def verify_crosswalk(site: Site, provider: KeyProvider) -> Held:
    """Open all of the site's crosswalk, and hold it against the remembered head and the audit log.

    Raises StorageError, KeyFaultError, AuditError.
    """
    held = checking.verify(crosswalk_folder(site), provider.subkey("crosswalk"))
    logged = _newest(site, site_log(site, provider))
    if held.generation < logged:
        raise StorageError(
            f"the crosswalk is at generation {held.generation}, and the audit log knows {logged}: an old copy was "
            "put back",
            hint="restore the newest copy by `deid crosswalk restore`",
        )
    return held


def export_crosswalk(site: Site, provider: KeyProvider, path: Path) -> Copied:
    """Write a sealed copy into the new file `path`, and enter it in the audit log; raise StorageError."""
    log = site_log(site, provider)
    done = copies.export_copy(
        crosswalk_folder(site), provider.subkey("crosswalk"), path, site=site.name, at=datetime.now(UTC)
    )
    record(log, EventKind.CROSSWALK_EXPORTED, SUBJECT, generation=done.generation, sha256=done.sha256)
    return done


def restore_crosswalk(
    site: Site, provider: KeyProvider, copy: Path | None, *, generation: int | None = None, older: bool = False
) -> Copied:
    """Make a copy, or a generation that is kept, the current crosswalk, and enter it in the audit log.

    Raises StorageError for one that is damaged, another site's or, without `older`, older than what is remembered or
    entered in the audit log.
    """
    log = site_log(site, provider)
    folder, key = crosswalk_folder(site), provider.subkey("crosswalk")
    least = 0 if older else newest_logged(site, log)
    if copy is not None:
        done = copies.restore_copy(folder, key, copy, site=site.name, older=older, at_least=least)
    elif generation is not None:
        done = copies.restore_kept(folder, key, generation, older=older, at_least=least)
    else:
        raise ValueError("a copy or a generation is restored")
    record(log, EventKind.CROSSWALK_RESTORED, SUBJECT, generation=done.generation, sha256=done.sha256)
    return done


def newest_logged(site: Site, log: AuditLog) -> int:
    """Return the newest generation that the audit log knows of, as far as the log holds; 0 for none.

    A restored generation begins anew. Walks the whole log, and those that were set aside: a tenth of a second for
    20,000 entries.
    """
    met: list[int] = []
    with contextlib.suppress(AuditError):  # a damaged log is for `deid audit verify` to tell
        _newest(site, log, met)
    return met[-1] if met else 0


def _newest(site: Site, log: AuditLog, known: list[int] | None = None) -> int:
    """Return the newest generation in a whole log; `known` takes each that is met. Raises AuditError."""
    met = known if known is not None else []
    # Of a log that was renewed nothing is verified: it can make a run refuse, and no more.
    aside = (e.details.get("crosswalk") for e in set_aside_entries(site) if e.kind == EventKind.RELEASE_PREPARED)
    met.append(max((number for number in aside if isinstance(number, int)), default=0))

    def seen(entry: Entry, _hash: str) -> None:
        if entry.kind == EventKind.CROSSWALK_RESTORED:
            met.append(int(entry.details["generation"]))
        elif entry.kind == EventKind.RELEASE_PREPARED and "crosswalk" in entry.details:
            met.append(max(met[-1], int(entry.details["crosswalk"])))

    log.verify(seen=seen)
    return met[-1]
