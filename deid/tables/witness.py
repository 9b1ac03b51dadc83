"""The store of published tables as the audit log names it, so that an older copy is found out.

Store and folders can be put back together, as they were; the log cannot, without its remembered head and the receipts
of others telling. docs/adr/0033 says what follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from deid.audit.entries import Entry
from deid.audit.events import Detail, EventKind
from deid.audit.log import AuditLog
from deid.audit.site import record, set_aside_entries
from deid.crosswalks.generations import Index
from deid.documents.site import Site
from deid.papers.register import named

_PUBLICATIONS = (EventKind.TABLES_PREPARED, EventKind.TABLES_PUBLISHED)


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The newest generation of a store that the log names, and the SHA-256 (hex) of its index; 0 for none."""

    generation: int = 0
    sha256: str = ""


def witnessed(log: AuditLog, site: Site, dataset: str) -> Witnessed:
    """Return what the whole log, and those set aside, tell of the store of a dataset; under the store's lock.

    Raises AuditError where the log is damaged. Of logs set aside nothing is verified: they can only refuse.
    """
    found: dict[int, str] = {}

    def see(entry: Entry, _hash: str) -> None:
        told = entry.details
        of = told.get("dataset") if entry.kind in _PUBLICATIONS else entry.subject
        generation, sha256 = told.get("store"), told.get("store_sha256")
        is_store = entry.kind in (*_PUBLICATIONS, EventKind.TABLES_REMEMBERED) and of == named(dataset)
        if is_store and isinstance(generation, int) and isinstance(sha256, str):
            found[generation] = sha256

    for entry in set_aside_entries(site):
        see(entry, "")
    log.verify(seen=see)
    newest = max(found, default=0)
    return Witnessed(newest, found.get(newest, ""))


def catch_up(log: AuditLog, dataset: str, index: Index, known: Witnessed) -> None:
    """Enter a store that is further than the log says, so that from now on it cannot be put back unnoticed."""
    if index.generation > known.generation:
        record(log, EventKind.TABLES_REMEMBERED, named(dataset), store=index.generation, store_sha256=index.digest)


def store_details(dataset: str, index: Index) -> dict[str, Detail]:
    """Return what entries of a publication tell of the store."""
    return {"dataset": named(dataset), "store": index.generation, "store_sha256": index.digest}
