"""What is refused once a release was recalled: reading it with the site's keys, and going on with its series."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from deid.audit.log import AuditLog
from deid.documents.site import Site
from deid.errors import ReleaseError
from deid.opening.folder import read_small
from deid.papers.signing import verify_document
from deid.papers.trust import RESUMPTION, TrustRoot
from deid.recall.marks import Mark, alone, marks
from deid.recall.papers import RESUMPTION_FILE, VERSION, Resumption, digest_of, load
from deid.recall.register import register
from deid.release.manifest import MANIFEST, RECALL

_PUT_BACK = "restore the newest `state/recalls`, or the notice from whoever signed it; then `deid recall finish`"


def refuse_recalled_release(folder: Path, site: Site, log: AuditLog) -> None:
    """Raise ReleaseError where this site took a release back, of which this may be any copy.

    By the digest of its manifest, in the site's marks and in the audit log; a notice in the folder itself is asked for
    by whoever opens it (deid.opening.folder).
    """
    sha256 = digest_of(read_small(folder, MANIFEST))
    for mark in marks(site):
        if sha256 in mark.notice.digests:
            raise ReleaseError(
                f"this release was recalled by {mark.notice.recall} ({mark.notice.reason})",
                hint="it is neither opened nor handed on; `deid recall list` tells who has it",
            )
    if sha256 in register(log, site).recalled:
        raise ReleaseError(
            "this release was recalled: the audit log says so, and the recall is gone from the site's state",
            hint=_PUT_BACK,
        )


@dataclass(slots=True)
class SeriesGate:
    """Whether releases of a request to a party may go on; asked when a run begins, and again before its rename.

    A context manager, entered before the release is staged, so that what `close` holds ends after the rename.
    `policy_sha256`: of the policy that is run, which a resumption has to name.
    """

    request: str
    party: str
    policy_sha256: str
    site: Site
    trust: TrustRoot
    log: AuditLog
    at: datetime
    _open: ExitStack = field(default_factory=ExitStack, repr=False)

    def __enter__(self) -> Self:
        """Raise ReleaseError, or what stands in the way of a resumption, where the series may not go on."""
        self._require_open()
        self._require_nothing_put_back()
        return self

    def close(self) -> None:
        """Look again, and keep every recall waiting until the block ends: to be called right before the rename."""
        self._open.enter_context(alone(self.site))
        self._require_open()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _require_open(self) -> None:
        for mark in marks(self.site):
            if mark.notice.request == self.request and mark.notice.party in ("", self.party):
                self._require_resumed(mark)

    def _require_resumed(self, mark: Mark) -> None:
        path = mark.folder / RESUMPTION_FILE
        if not path.exists():
            raise ReleaseError(
                f"releases of {self.request} were recalled by {mark.notice.recall}, so its series stands still",
                hint="somebody who may sign it says how it goes on: `deid recall resume`",
            )
        resumption, data = load(path, Resumption)
        bound = (resumption.recall, resumption.notice_sha256, resumption.request)
        if bound != (mark.notice.recall, mark.digest, self.request):
            raise ReleaseError(
                f"the resumption of {mark.notice.recall} is about another recall", hint="have it written again"
            )
        if resumption.policy_sha256 != self.policy_sha256:
            raise ReleaseError(
                f"{self.request} was resumed after {mark.notice.recall} under another policy than this one",
                hint="have it resumed under this policy: `deid recall resume`",
            )
        verify_document(
            path, digest_of(data), self.trust, RESUMPTION, name=resumption.recall, version=VERSION, at=self.at
        )

    def _require_nothing_put_back(self) -> None:
        """Raise ReleaseError where log or folders name a recall of this request that the state does not have."""
        have = {mark.digest for mark in marks(self.site)}
        told = set(register(self.log, self.site).recalled_requests.get(self.request, frozenset()))
        for path in (self.site.releases / self.request).glob(f"[!.]*/{RECALL}"):
            told.add(_digest(path))
        if told - have:
            raise ReleaseError(
                f"releases of {self.request} were recalled, and the recall is gone from the site's state",
                hint=_PUT_BACK,
            )


def _digest(path: Path) -> str:
    try:
        return digest_of(path.read_bytes())
    except OSError:
        return ""  # which no mark has
