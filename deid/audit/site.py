"""The audit log of a site: where it lies, what is entered in it, and which releases it must know."""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from deid.audit.chain import Head
from deid.audit.entries import Entry, decode
from deid.audit.events import SUBJECT, Detail, Event, EventKind
from deid.audit.faults import Fault, damaged
from deid.audit.log import AuditLog
from deid.audit.receipts import SUFFIX, Receipt, load_receipt, receipt_path, write_receipt
from deid.audit.remembered import head_path
from deid.audit.segments import lines_of, lock, read, read_set_aside, segments
from deid.audit.verifying import Verified, as_it_lies, followed, verify, walk
from deid.documents.site import Site
from deid.errors import AuditError, KeyFaultError, StorageError
from deid.keys.base import KeyProvider
from deid.keys.officers import SigningKey
from deid.papers.trust import TrustRoot
from deid.release.manifest import MANIFEST, Manifest
from deid.sealing.private import sync_folder

_ASIDE = "audit-set-aside-"
_TABLES = "tables.json"
_DEEP = 64 * 2**20  # a manifest is read in one piece; a larger file is none


def audit_folder(site: Site) -> Path:
    """Return where the site's audit log lies."""
    return site.state / "audit"


def site_log(site: Site, provider: KeyProvider) -> AuditLog:
    """Open the site's audit log; a new one begins with the releases that lie there already.

    Raises AuditError where it is damaged, KeyFaultError for another provider, StorageError.
    """
    key = provider.subkey("audit")
    # Asked by whoever begins the log, so that a kill after setting one aside does not lose what it follows.
    return AuditLog.open(
        audit_folder(site), key=key, after=partial(_last_held, site, key), entries=partial(_found, site)
    )


def record(log: AuditLog, what: EventKind, subject: str, **details: Detail) -> Head:
    """Enter an event at this moment; raise AuditError or StorageError."""
    return log.append(Event(datetime.now(UTC), what, subject, details))


def record_release(log: AuditLog, what: EventKind, release: Path, manifest: Manifest, **details: Detail) -> Head:
    """Enter what was done with the release in this folder; raise AuditError or StorageError."""
    subject = f"{manifest.request}/{manifest.release.removeprefix(f'{manifest.request}.')}"
    return record(log, what, subject, manifest_sha256=manifest_digest(release), **details)


def known_receipts(site: Site, trust: TrustRoot, more: Sequence[Path] = ()) -> list[Receipt]:
    """Read the receipts beside the releases, and `more`; raise AuditError or TrustError for one that does not hold."""
    now = datetime.now(UTC)
    beside = [load_receipt(path, trust, at=now) for path in sorted(site.releases.glob(f"*/*{SUFFIX}"))]
    return [replace(found, is_beside=True) for found in beside] + [load_receipt(path, trust, at=now) for path in more]


def verify_site(site: Site, key: bytes | None, receipts: Sequence[Receipt]) -> Verified:
    """Verify the site's log, and that it knows every release that lies there; raise AuditError.

    `key`: the provider's subkey ("audit"); None verifies chain, receipts and releases alone. Receipts beside releases
    that are of a log which was set aside are counted, and not held against this one.
    """
    before = _before(site)
    older = [receipt for receipt in receipts if receipt.is_beside and receipt.head.log in before]
    receipts = [receipt for receipt in receipts if receipt not in older]
    # Listed first: a release that comes while the log is read is not held against it.
    lying, published = list(_manifests(site.releases)), list(_tables(site.releases))
    names = _Manifests()
    verified = verify(audit_folder(site), receipts, key=key, seen=names.see)
    for subject, digest in lying:
        if not names.know(subject, digest):
            raise damaged(Fault.UNKNOWN_RELEASE, f"release {subject} lies there under a manifest that it does not name")
    for subject, digest in published:
        if not names.know(subject, digest):
            raise damaged(Fault.UNKNOWN_RELEASE, f"tables {subject} lie there with bytes that it does not name")
    return replace(verified, older_receipts=len(older))


def _before(site: Site) -> frozenset[str]:
    """Return the names of the logs before this one; none where its first entry names none."""
    found = segments(audit_folder(site))
    first = decode(read(found[0]).partition(b"\n")[0]) if found else None
    if first is None or (follows := followed(first)) is None:
        return frozenset()  # a log that began by itself excuses no receipt of another
    names = {follows.log}
    for aside in set_aside(site):
        with contextlib.suppress(AuditError):
            names.add(as_it_lies(aside, None).name)
    return frozenset(names)


_STANDS = frozenset(
    {EventKind.RELEASE_FOUND, EventKind.RELEASE_PUBLISHED, EventKind.TABLES_FOUND, EventKind.TABLES_PUBLISHED}
)


class _Manifests:
    """Which manifest each release, and which tables.json, must lie there: the last published or found, or prepared."""

    def __init__(self) -> None:
        self._stands: dict[str, str] = {}
        self._prepared: dict[str, str] = {}

    def see(self, entry: Entry, _hash: str) -> None:
        """Take an entry."""
        digest = str(entry.details.get("manifest_sha256", entry.details.get("sha256")))
        if entry.kind in (EventKind.RELEASE_PREPARED, EventKind.TABLES_PREPARED):
            self._prepared[entry.subject] = digest
        elif entry.kind in _STANDS:
            self._stands[entry.subject] = digest
            self._prepared.pop(entry.subject, None)
        elif entry.kind == EventKind.RUN_REFUSED:
            self._prepared.pop(entry.subject, None)

    def know(self, subject: str, digest: str) -> bool:
        """Whether a release may lie there under this manifest."""
        # A run that was killed may have come to its rename, or not.
        return digest in (self._stands.get(subject), self._prepared.get(subject))


def sign_head(
    log: AuditLog, key: SigningKey, path: Path, site: Site, *, subject: str = "audit", at: datetime | None = None
) -> Receipt:
    """Sign the head of the log into a receipt at `path`, and enter that it was signed."""
    head = log.head
    receipt = write_receipt(path, head, key, site=site.name, at=at or datetime.now(UTC))
    record(log, EventKind.HEAD_SIGNED, subject, entries=head.entries, head=head.hash, signers=key.keyid)
    return receipt


def sign_release(log: AuditLog, key: SigningKey, site: Site, request: str, release: str) -> Receipt:
    """Sign the head beside a release that was just published."""
    path = receipt_path(site.releases, request, release)
    return sign_head(log, key, path, site, subject=f"{request}/{release}")


def renew(site: Site, provider: KeyProvider) -> tuple[AuditLog, Path]:
    """Set a damaged log aside and begin another, which names it; return it, and where the old one lies now.

    A log that another key was made for, or whose first entry was changed, is set aside too: nothing of it holds.
    """
    folder = audit_folder(site)
    if not segments(folder) and not head_path(folder).exists():
        raise AuditError("there is no audit log to set aside", hint="the first run of the site begins one")
    with lock(folder):
        aside = folder.with_name(f"{_ASIDE}{_next_number(site):04d}")
        try:
            if (head := head_path(folder)).exists():
                head.rename(head_path(aside))
            folder.rename(aside)
            sync_folder(folder.parent)
        except OSError as error:
            raise StorageError(
                f"the audit log cannot be set aside: {error.strerror}", hint="check who may write to the state"
            ) from None
    return site_log(site, provider), aside


def set_aside_entries(site: Site) -> Iterator[Entry]:
    """Give every entry that can still be read of the logs that were set aside, oldest first; nothing of it is verified.

    For what refuses on a mere doubt: that these logs are damaged is why they were set aside. Raises StorageError.
    """
    for aside in set_aside(site):
        for segment in segments(aside):
            yield from filter(None, map(decode, lines_of(read_set_aside(segment) + b"\n")))


def set_aside(site: Site) -> list[Path]:
    """Return the logs that were set aside, in order."""
    return sorted(path for path in site.state.glob(f"{_ASIDE}*") if path.is_dir())


def _next_number(site: Site) -> int:
    """Return the number of the next log that is set aside: earlier ones may have been moved away to be examined."""
    numbers = (path.name.removeprefix(_ASIDE).partition(".")[0] for path in site.state.glob(f"{_ASIDE}*"))
    return 1 + max((int(number) for number in numbers if number.isdecimal()), default=0)


def _last_held(site: Site, key: bytes) -> Head | None:
    """Return up to where the log held that was set aside last, None where there is none, or nothing of it holds."""
    if not (aside := set_aside(site)):
        return None
    held: deque[Head] = deque(maxlen=1)
    with contextlib.suppress(AuditError, KeyFaultError, StorageError):  # that it is damaged is why it was set aside
        log = as_it_lies(aside[-1], key)
        walk(log, (), lambda entry, found: held.append(Head(log.name, entry.n, found)))
    return held[-1] if held else None


def _found(site: Site) -> list[Event]:
    now = datetime.now(UTC)
    releases = [(EventKind.RELEASE_FOUND, "manifest_sha256", *found) for found in _manifests(site.releases)]
    tables = [(EventKind.TABLES_FOUND, "sha256", *found) for found in _tables(site.releases)]
    return [
        Event(now, kind, subject, {detail: digest})
        for kind, detail, subject, digest in (*releases, *tables)
        if SUBJECT.fullmatch(subject)  # a folder that somebody put there by hand; verification names it
    ]


def manifest_digest(release: Path) -> str:
    """Return the SHA-256 (hex) of the manifest of the release in this folder; raise StorageError."""
    try:
        with (release / MANIFEST).open("rb") as file:
            return hashlib.sha256(file.read(_DEEP)).hexdigest()
    except OSError as error:
        raise StorageError(
            f"the manifest of release {release.name} cannot be read: {error.strerror}", hint="check who may read it"
        ) from None


def _manifests(releases: Path) -> Iterator[tuple[str, str]]:
    """Give each release that lies there, as the subject of entries, with the SHA-256 of its manifest."""
    for path in sorted(releases.glob(f"[!.]*/[!.]*/{MANIFEST}")):
        yield f"{path.parent.parent.name}/{path.parent.name}", manifest_digest(path.parent)


def _tables(releases: Path) -> Iterator[tuple[str, str]]:
    """Give all tables that lie there, as the subject of entries, with the SHA-256 of their tables.json."""
    for path in sorted(releases.glob(f"[!.]*/[!.]*/{_TABLES}")):
        subject = f"{path.parent.parent.name}/{path.parent.name}"
        try:
            with path.open("rb") as file:
                yield subject, hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise StorageError(
                f"the tables {subject} cannot be read: {error.strerror}", hint="check who may read them"
            ) from None
