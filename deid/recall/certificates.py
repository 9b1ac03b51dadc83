"""Certificates of destruction: written by a recipient, and taken in by the site that recalled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from deid.audit.events import EventKind
from deid.audit.log import AuditLog
from deid.audit.site import record
from deid.documents.site import Site
from deid.errors import TrustError
from deid.keys.files import replace_file
from deid.keys.officers import SigningKey
from deid.papers.signing import sign_document, statement_path, verify_document
from deid.papers.trust import DESTRUCTION, TrustRoot
from deid.recall.marks import CERTIFICATES, Mark, alone, marks, read_statement
from deid.recall.papers import VERSION, Destruction, Notice, Recalled, digest_of, encode, load
from deid.recall.register import Register, register
from deid.sealing.private import FILE, make_folder


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate that counts: of which recall, and what it says."""

    mark: Mark
    certificate: Destruction
    digest: str
    signers: tuple[str, ...]  # ids of keys


def write_certificate(
    path: Path,
    notice: Notice,
    notice_sha256: str,
    key: SigningKey,
    *,
    recipients: Sequence[str],
    destroyed_on: date,
    how: str,
    at: datetime,
) -> Destruction:
    """Write and sign a certificate over every release of a notice that these recipients have.

    `recipients`: fingerprints of public keys. Raises TrustError for a key that the notice does not ask, or for
    recipients of none of its releases.
    """
    if key.keyid not in {asked.keyid for asked in notice.asks}:
        raise TrustError(
            "the notice does not ask the holder of this key for a certificate",
            hint="it names who is asked: see `deid recall check`; otherwise ask the site for another notice",
        )
    held = sorted({one.manifest_sha256 for one in notice.releases if _covers(one, recipients)})
    if not held:
        raise TrustError("no release of the notice went to these recipients", hint="give the keys it was sent to")
    listed = tuple(sorted(set(recipients)))
    paper = Destruction("deid-destruction/1", notice.recall, notice_sha256, tuple(held), listed, destroyed_on, how)
    data = encode(paper)
    sign_document(
        path, key, DESTRUCTION, data_digest=digest_of(data), name=notice.recall, version=VERSION, signed_at=at
    )
    replace_file(path, data)
    return paper


def certify(path: Path, site: Site, log: AuditLog, trust: TrustRoot, *, at: datetime | None = None) -> Certified:
    """Take a certificate in: keep it, and enter it in the audit log; raise DocumentError or TrustError.

    It counts where a key that the notice asks signed it, for releases and recipients of that notice.
    """
    at = at or datetime.now(UTC)
    with alone(site):
        paper, data = load(path, Destruction)
        mark = _mark(site, paper)
        digest = digest_of(data)
        _require_within(mark.notice, paper, at)
        statement = read_statement(path)
        kept = make_folder(mark.folder / CERTIFICATES) / f"{digest[:32]}.json"
        signers = _signers(statement, kept, digest, mark, trust, at)
        # Kept, then entered: without its entry it counts for nothing.
        replace_file(statement_path(kept), statement, mode=FILE)
        replace_file(kept, data, mode=FILE)
        known = register(log, site)
        for one in mark.notice.releases:
            if one.manifest_sha256 in paper.releases and digest not in known.certificates.get(one.manifest_sha256, ()):
                record(
                    log,
                    EventKind.DESTRUCTION_RECEIVED,
                    f"{mark.notice.request}/{one.release}",
                    manifest_sha256=one.manifest_sha256,
                    certificate_sha256=digest,
                    signers=",".join(signers),
                )
        return Certified(mark, paper, digest, signers)


def certificates(mark: Mark, known: Register) -> list[Destruction]:
    """Return the certificates of a recall that the audit log names, byte for byte."""
    found = []
    entered = {digest for one in mark.notice.digests for digest in known.certificates.get(one, ())}
    for digest in sorted(entered):
        path = mark.folder / CERTIFICATES / f"{digest[:32]}.json"
        if path.is_file() and digest_of(path.read_bytes()) == digest:
            found.append(load(path, Destruction)[0])
    return found


def _covers(one: Recalled, recipients: Sequence[str]) -> bool:
    """Whether a certificate of these recipients is about a release; of tables nobody knows who has them."""
    return set(recipients) <= set(one.recipients) if recipients else not one.recipients


def _mark(site: Site, paper: Destruction) -> Mark:
    for mark in marks(site):
        if mark.digest == paper.notice_sha256 and mark.notice.recall == paper.recall:
            return mark
    raise TrustError(
        f"the certificate is about a notice of {paper.recall} that this site did not send",
        hint="have it written for the notice as it was sent: its digest must agree",
    )


def _require_within(notice: Notice, paper: Destruction, at: datetime) -> None:
    by_digest = {one.manifest_sha256: one for one in notice.releases}
    for sha256 in paper.releases:
        if sha256 not in by_digest or not _covers(by_digest[sha256], paper.recipients):
            raise TrustError(
                "the certificate is about releases or recipients that the notice does not name together",
                hint="have it written by `deid recall destroyed` from the notice",
            )
    if paper.destroyed_on > at.astimezone(UTC).date():
        raise TrustError("the certificate is about a day that is still to come", hint="take it in when it is done")


def _signers(statement: bytes, kept: Path, digest: str, mark: Mark, trust: TrustRoot, at: datetime) -> tuple[str, ...]:
    """Return the ids of the keys that signed and are asked; raise TrustError where there is none."""
    judged = kept.with_name(f".judged-{kept.name}")  # what is kept is what was judged, and never one that is not
    try:
        replace_file(statement_path(judged), statement, mode=FILE)
        held = verify_document(judged, digest, trust, DESTRUCTION, name=mark.notice.recall, version=VERSION, at=at)
    finally:
        statement_path(judged).unlink(missing_ok=True)
    asked = {one.keyid for one in mark.notice.asks}
    signers = tuple(sorted(p.key.keyid for p in trust.people if p.name in held.signers and p.key.keyid in asked))
    if not signers:
        raise TrustError(
            "the certificate is signed by nobody whom the notice asks for one",
            hint="whose word counts is in the notice: the officer chose them",
        )
    return signers
