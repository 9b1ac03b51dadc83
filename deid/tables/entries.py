"""What a publication of tables enters in the audit log: that it is about to come, and that it lies there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from deid.audit.events import Detail, EventKind
from deid.audit.log import AuditLog
from deid.audit.site import record
from deid.crosswalks.generations import Index
from deid.errors import AuditError, DeidError
from deid.papers.signing import Statement
from deid.tables.witness import store_details


@dataclass(slots=True)
class PublicationEntries:
    """The two entries of one publication; `statements`: what it stands on."""

    log: AuditLog
    publication: str
    request_sha256: str
    dataset: str
    statements: Sequence[Statement]
    _told: dict[str, Detail] = field(default_factory=dict, repr=False)

    def prepared(self, sha256: str, index: Index) -> None:
        """Commit the digest of tables.json, and the store that remembers it, just before the folder is renamed."""
        stood = ",".join(f"{made.type}:{made.digest}" for made in self.statements)
        self._told = {
            "request_sha256": self.request_sha256,
            "sha256": sha256,
            **store_details(self.dataset, index),
        }
        record(self.log, EventKind.TABLES_PREPARED, self.publication, **self._told, statements=stood)

    def published(self, tables: int) -> None:
        """Enter that the tables lie there; raise AuditError where that fails."""
        try:
            record(self.log, EventKind.TABLES_PUBLISHED, self.publication, **self._told, tables=tables)
        except DeidError as error:
            raise AuditError(
                f"tables {self.publication} are published, and the audit log does not say so: {error.message}",
                hint="the log has the digest of their tables.json; see `deid audit verify`",
            ) from None
