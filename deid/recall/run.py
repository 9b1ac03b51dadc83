"""Carries a notice out: mark, shred, notify; each step as far as it is not done, so that killing it loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deid.audit.events import Event, EventKind
from deid.audit.log import AuditLog
from deid.audit.site import record
from deid.documents.site import Site
from deid.errors import DeidError, ReleaseError, StorageError, TrustError
from deid.keys.base import KeyProvider
from deid.keys.files import folder_lock, replace_file, sweep_staged
from deid.keys.shredding import shred_release
from deid.papers.signing import Statement, verify_document
from deid.papers.trust import DESTRUCTION, RECALL, TrustRoot
from deid.recall.drafting import require_complete
from deid.recall.marks import Mark, alone, marks, read_statement, staged_mark, sweep
from deid.recall.papers import VERSION, Notice, load
from deid.recall.register import Register, folder_of, register
from deid.release.manifest import RECALL as NOTICE_IN_RELEASE
from deid.release.manifest import RECALL_STATEMENT as STATEMENT_IN_RELEASE


@dataclass(frozen=True, slots=True)
class Done:
    """What was done for one recall in this run: guard keys destroyed by release, and folders that have the notice now.

    `failed`: what could not be done, one fault each; all else was done. `is_accepted`: not where nobody who may signed
    the mark; then nothing was done.
    """

    mark: Mark
    shredded: tuple[tuple[str, int], ...]
    notified: tuple[Path, ...]
    failed: tuple[DeidError, ...]
    is_accepted: bool = True


def verify_notice(path: Path, digest: str, recall: str, trust: TrustRoot, *, at: datetime) -> Statement:
    """Return the statement over a notice; raise TrustError unless somebody who may recall signed it."""
    return verify_document(path, digest, trust, RECALL, name=recall, version=VERSION, at=at)


def recall(
    notice: Path, site: Site, provider: KeyProvider, log: AuditLog, trust: TrustRoot, *, at: datetime | None = None
) -> Done:
    """Carry out the notice at this path; once it is marked, what fails is told and left to `finish`.

    Raises DocumentError, TrustError or ReleaseError, and does nothing, where the notice does not hold or misses what is
    derived; AuditError where the log does not hold.
    """
    at = at or datetime.now(UTC)
    with alone(site) as home:
        known = register(log, site)
        with staged_mark(home, notice) as staged:
            verify_notice(staged.path, staged.digest, staged.notice.recall, trust, at=at)
            require_complete(site, provider, known, staged.notice)
            _require_asked(staged.notice, trust)
            _require_new(staged)
        mark = Mark(home / staged.notice.recall, staged.notice, staged.digest)
        return _carry_out(mark, site, provider, log, known)


def finish(
    site: Site, provider: KeyProvider, log: AuditLog, trust: TrustRoot, *, at: datetime | None = None
) -> list[Done]:
    """Do what is left of every recall that was marked; one that was signed by nobody who may stops no other."""
    at = at or datetime.now(UTC)
    with alone(site) as home:
        sweep(home)
        known = register(log, site)
        accepted = {digest for digests in known.notices.values() for digest in digests}
        done = []
        for mark in marks(site):
            try:
                # Once it is in the log it was accepted: that its signer has left since takes nothing back.
                if mark.digest not in accepted:
                    verify_notice(mark.path, mark.digest, mark.notice.recall, trust, at=at)
            except TrustError as fault:
                done.append(Done(mark, (), (), (fault,), is_accepted=False))
            else:
                done.append(_carry_out(mark, site, provider, log, known))
        return done


def _require_asked(notice: Notice, trust: TrustRoot) -> None:
    """Raise TrustError unless the keys whose word will count are those of the people the signer was shown."""
    able = {key.keyid for key in trust.signers_for(DESTRUCTION)}
    for asked in notice.asks:
        person = trust.person(asked.keyid)
        if person is None or person.name != asked.name or asked.keyid not in able:
            raise TrustError(
                f"the key that the notice has for {asked.name!r} is not theirs, or may not certify destruction",
                hint=f"draft it again, and have it signed: {trust.path.name} says whose keys are whose",
            )


def _require_new(staged: Mark) -> None:
    if (staged.folder.parent / staged.notice.recall).exists():
        raise ReleaseError(
            f"the recall {staged.notice.recall} was begun before",
            hint="`deid recall finish` does what is left of it; another notice needs another name",
        )


def _carry_out(mark: Mark, site: Site, provider: KeyProvider, log: AuditLog, known: Register) -> Done:
    _enter(mark, log, known)
    failed: list[DeidError] = []
    shredded = tuple(_shred(mark, site, provider, log, known, failed))
    # Although keys may stand yet: who has the release should stop now.
    return Done(mark, shredded, tuple(_notify(mark, site, known, failed)), tuple(failed))


def _enter(mark: Mark, log: AuditLog, known: Register) -> None:
    notice = mark.notice
    events = [
        Event(
            datetime.now(UTC),
            EventKind.RELEASE_RECALLED,
            f"{notice.request}/{one.release}",
            {"manifest_sha256": one.manifest_sha256, "reason": notice.reason, "notice_sha256": mark.digest},
        )
        for one in notice.releases
        if mark.digest not in known.notices.get(one.manifest_sha256, ())
    ]
    if events:
        log.append_all(events)


def _shred(
    mark: Mark, site: Site, provider: KeyProvider, log: AuditLog, known: Register, failed: list[DeidError]
) -> Iterator[tuple[str, int]]:
    request = mark.notice.request
    try:
        standing = {guard.release for guard in provider.guards()}
    except DeidError as fault:
        failed.append(fault)
        return
    for one in mark.notice.releases:  # whatever form the notice tells: what has a guard key loses it
        name, subject = f"{request}.{one.release}", f"{request}/{one.release}"
        try:
            with _unrotated(site.releases / request / one.release):
                keys = len(shred_release(provider, name).guards) if name in standing else 0
            # Of a release that is shredded already, and of which no entry says so: a killed run came between the two.
            if keys or (one.profile == "columns" and subject not in known.shredded):
                record(log, EventKind.KEY_SHREDDED, subject, purpose="guard", keys=keys)
        except DeidError as fault:  # the others are shredded all the same
            failed.append(fault)
            continue
        if keys:
            yield one.release, keys


def _unrotated(folder: Path) -> AbstractContextManager[None]:
    """Hold off a rotation of the release, which would make a guard key that this run has not seen."""
    return folder_lock(folder) if folder.is_dir() else nullcontext()


def _notify(mark: Mark, site: Site, known: Register, failed: list[DeidError]) -> Iterator[Path]:
    try:
        notice, statement = load(mark.path, Notice)[1], read_statement(mark.path)
    except DeidError as fault:  # a mark that was restored without its statement is a mark
        failed.append(fault)
        return
    digests = {(one.release, one.manifest_sha256) for one in mark.notice.releases}
    for release in known.releases:
        if release.request != mark.notice.request or (release.release, release.sha256) not in digests:
            continue
        folder = folder_of(site, release)
        if folder is None:
            continue
        try:
            # Its statement first: whoever reads the notice finds who signed it.
            changed = [_place(folder, STATEMENT_IN_RELEASE, statement), _place(folder, NOTICE_IN_RELEASE, notice)]
        except DeidError as fault:
            failed.append(fault)
            continue
        if any(changed):
            yield folder


def _place(folder: Path, name: str, data: bytes) -> bool:
    """Put a file into a release's folder, whole or not at all; return whether it was not there as it should be."""
    path, beside = folder / name, folder.with_name(f"{folder.name}.{name}")
    try:
        sweep_staged(beside)
        if path.is_file() and not path.is_symlink() and path.read_bytes() == data:
            return False
    except OSError as error:
        raise StorageError(
            f"the notice in {folder.name} cannot be read: {error.strerror}", hint="check who may read the releases"
        ) from None
    replace_file(path, data, staged_as=beside)
    return True
