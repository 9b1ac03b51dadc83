"""What an export enters in the audit log: that it began, what it is about to publish, and how it ended."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from deid.audit.events import FAULTS, INTERNAL, INTERRUPTED, Detail, EventKind
from deid.audit.log import AuditLog
from deid.audit.site import manifest_digest, record, sign_release
from deid.documents.site import Site
from deid.errors import AuditError, DeidError
from deid.keys.officers import SigningKey
from deid.papers.signing import Statement
from deid.release.small_counts import Count


class RunEntries:
    """A context manager around a run; what ends inside it without `published` is entered as refused.

    `request`, `release`: their names. `documents`: details of `run-started`. `signing`: what signs the receipt beside
    the release, None for no receipt.
    """

    def __init__(
        self,
        log: AuditLog,
        site: Site,
        request: str,
        release: str,
        *,
        documents: Mapping[str, Detail],
        signing: SigningKey | None,
    ) -> None:
        self._log, self._site, self._request, self._release = log, site, request, release
        self._documents, self._signing = documents, signing
        self._manifest = ""
        self._is_published = False

    @property
    def log(self) -> AuditLog:
        """The log that the run is entered in."""
        return self._log

    @property
    def _subject(self) -> str:
        return f"{self._request}/{self._release}"

    def __enter__(self) -> Self:
        # Before anything is read: a site whose log takes no entry runs nothing.
        record(self._log, EventKind.RUN_STARTED, self._subject, **self._documents)
        return self

    def prepared(self, manifest: bytes, statements: Sequence[Statement] = (), **told: Count) -> None:
        """Commit the manifest's digest, just before the release is renamed into its place.

        `statements`: what the run stands on; `told` are counts.
        """
        stood = {"statements": ",".join(f"{made.type}:{made.digest}" for made in statements)} if statements else {}
        self._manifest = hashlib.sha256(manifest).hexdigest()
        record(self._log, EventKind.RELEASE_PREPARED, self._subject, manifest_sha256=self._manifest, **stood, **told)

    def published(self, **told: Count) -> None:
        """Enter that the release lies there, and sign the head beside it; raise AuditError where that fails."""
        self._is_published = True
        try:
            record(self._log, EventKind.RELEASE_PUBLISHED, self._subject, manifest_sha256=self._manifest, **told)
            if self._signing is not None:
                sign_release(self._log, self._signing, self._site, self._request, self._release)
        except DeidError as error:
            raise AuditError(
                f"release {self._subject} is published, and what follows it in the audit log is not: {error.message}",
                hint="the log has the digest of its manifest; see `deid audit verify`, then `deid audit receipt`",
            ) from None

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or self._is_published:
            return
        # What stopped the run is what its user must read, even where the log takes no entry any more.
        with contextlib.suppress(DeidError):
            if self._lies_there():
                record(self._log, EventKind.RELEASE_PUBLISHED, self._subject, manifest_sha256=self._manifest)
                return
            details: dict[str, Detail] = {"error": name_of(kind)}
            if issubclass(kind, DeidError):
                details["exit_code"] = kind.exit_code
            record(self._log, EventKind.RUN_REFUSED, self._subject, **details)

    def _lies_there(self) -> bool:
        """Whether what failed came after the rename."""
        folder = self._site.releases / self._request / self._release
        return bool(self._manifest) and folder.is_dir() and manifest_digest(folder) == self._manifest


def name_of(kind: type[BaseException]) -> str:
    """Return the class of an error as the log knows it; of one that is none of deid's, nothing but that."""
    if issubclass(kind, DeidError):
        return next((base.__name__ for base in kind.__mro__ if base.__name__ in FAULTS), INTERNAL)
    return INTERNAL if issubclass(kind, Exception) else INTERRUPTED
