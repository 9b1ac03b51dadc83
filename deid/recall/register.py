"""What the audit log knows of releases: which there are, in their order, where they went, what became of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deid.audit.entries import Entry
from deid.audit.events import EventKind
from deid.audit.log import AuditLog
from deid.audit.site import manifest_digest, set_aside_entries
from deid.documents.site import Site
from deid.errors import StorageError
from deid.release.manifest import MANIFEST


@dataclass(frozen=True, slots=True)
class Known:
    """A release, or a publication of tables, by the log; `sha256` is that of its manifest, or of its tables.json.

    `number`: its place among the entries of this log and those set aside. `was_found`: it lay there when the log began;
    then nothing tells its party. `is_surely_there`: its publication was entered; else the run ended around its rename.
    """

    request: str
    release: str
    sha256: str
    number: int
    party: str = ""
    was_found: bool = False
    is_tables: bool = False
    is_surely_there: bool = True

    @property
    def subject(self) -> str:
        """Its name in the audit log."""
        return f"{self.request}/{self.release}"


@dataclass(frozen=True, slots=True)
class Register:
    """What a whole log tells, and those set aside before it.

    A log that was renewed forgets no release and no recall; but of those before it nothing is verified, so what they
    say lists and refuses, and allows nothing. `notices`: by manifest digest, the digests of the notices of its recall,
    as this log has them. `recalled`: manifest digests that any log calls recalled; `recalled_requests`: by request, the
    digests of their notices.
    `certificates`: by manifest digest, the digests of certificates of destruction.
    `places`: by manifest digest, for each place in a store whether the notice was brought there.
    `shredded`: subjects whose shred was entered.
    """

    releases: tuple[Known, ...]
    notices: Mapping[str, frozenset[str]]
    recalled: frozenset[str]
    recalled_requests: Mapping[str, frozenset[str]]
    certificates: Mapping[str, frozenset[str]]
    places: Mapping[str, Mapping[str, bool]]
    shredded: frozenset[str]

    def of(self, request: str, release: str) -> Known | None:
        """Return what is known of the newest release of that name."""
        found = [known for known in self.releases if (known.request, known.release) == (request, release)]
        return found[-1] if found else None


@dataclass(slots=True)
class _Walk:
    entries: int = 0
    known: dict[tuple[str, str], Known] = field(default_factory=dict)
    parties: dict[str, str] = field(default_factory=dict)
    notices: dict[str, set[str]] = field(default_factory=dict)
    recalled: set[str] = field(default_factory=set)
    requests: dict[str, set[str]] = field(default_factory=dict)
    certificates: dict[str, set[str]] = field(default_factory=dict)
    places: dict[str, dict[str, bool]] = field(default_factory=dict)
    shredded: set[str] = field(default_factory=set)

    def see(self, entry: Entry, _hash: str) -> None:
        """Take an entry of the log itself, which was verified."""
        self.see_older(entry)
        kind, told, sha256 = entry.kind, entry.details, _manifest(entry)
        if kind == EventKind.RELEASE_RECALLED:
            self.notices.setdefault(sha256, set()).add(str(told.get("notice_sha256", "")))
        elif kind == EventKind.DESTRUCTION_RECEIVED:
            self.certificates.setdefault(sha256, set()).add(str(told["certificate_sha256"]))
        elif kind == EventKind.KEY_SHREDDED:
            self.shredded.add(entry.subject)

    def see_older(self, entry: Entry) -> None:
        """Take what an entry lists or refuses."""
        kind, told, sha256 = entry.kind, entry.details, _manifest(entry)
        self.entries += 1
        if kind == EventKind.RUN_STARTED:
            self.parties[entry.subject] = str(told.get("party", ""))
        elif kind in _MADE:
            self._made(entry, sha256)
        elif kind == EventKind.RELEASE_RECALLED:
            self.recalled.add(sha256)
            self.requests.setdefault(entry.subject.partition("/")[0], set()).add(str(told.get("notice_sha256", "")))
        elif kind in _DELIVERED and "place" in told:
            self.places.setdefault(sha256, {})[str(told["place"])] = kind == EventKind.RECALL_DELIVERED

    def _made(self, entry: Entry, sha256: str) -> None:
        request, _, release = entry.subject.partition("/")
        is_surely_there = entry.kind not in (EventKind.RELEASE_PREPARED, EventKind.TABLES_PREPARED)
        before = self.known.get((entry.subject, sha256))
        if before is not None and before.is_surely_there:
            return
        self.known[entry.subject, sha256] = Known(
            request,
            release,
            sha256,
            self.entries,
            self.parties.get(entry.subject, ""),
            entry.kind in (EventKind.RELEASE_FOUND, EventKind.TABLES_FOUND),
            entry.kind in (EventKind.TABLES_FOUND, EventKind.TABLES_PREPARED, EventKind.TABLES_PUBLISHED),
            is_surely_there,
        )


_MADE = frozenset(
    {
        EventKind.RELEASE_FOUND,
        EventKind.RELEASE_PREPARED,
        EventKind.RELEASE_PUBLISHED,
        EventKind.TABLES_FOUND,
        EventKind.TABLES_PREPARED,
        EventKind.TABLES_PUBLISHED,
    }
)
_DELIVERED = frozenset({EventKind.DELIVERY_STARTED, EventKind.RELEASE_DELIVERED, EventKind.RECALL_DELIVERED})
_TABLES = "tables.json"


def register(log: AuditLog, site: Site) -> Register:
    """Walk the whole log, which has to hold, and those set aside; return what they tell. Raises AuditError."""
    walk = _Walk()
    for entry in set_aside_entries(site):
        walk.see_older(entry)
    log.verify(seen=walk.see)
    # What was prepared and of which nothing says more: whether the run came to its rename is seen from what lies there.
    there = [known for known in walk.known.values() if known.is_surely_there or folder_of(site, known) is not None]
    there += _unnamed_tables(site, {(known.subject, known.sha256) for known in there})
    return Register(
        tuple(sorted(there, key=lambda known: known.number)),
        {sha256: frozenset(found) for sha256, found in walk.notices.items()},
        frozenset(walk.recalled),
        {request: frozenset(found) for request, found in walk.requests.items()},
        {sha256: frozenset(found) for sha256, found in walk.certificates.items()},
        walk.places,
        frozenset(walk.shredded),
    )


def folder_of(site: Site, known: Known) -> Path | None:
    """Return where a release lies at the site; None if it does not, or another one does under its name."""
    folder = site.releases / known.request / known.release
    try:
        if known.is_tables:
            return folder if _digest(folder / _TABLES) == known.sha256 else None
        return folder if (folder / MANIFEST).is_file() and manifest_digest(folder) == known.sha256 else None
    except (OSError, StorageError):
        return None


def _unnamed_tables(site: Site, known: set[tuple[str, str]]) -> list[Known]:
    """Return the tables that lie there and that no entry names as they are: they can be recalled all the same."""
    found = []
    for path in sorted(site.releases.glob(f"[!.]*/[!.]*/{_TABLES}")):
        one = Known(path.parent.parent.name, path.parent.name, _digest(path), 0, was_found=True, is_tables=True)
        found += [one] if (one.subject, one.sha256) not in known else []
    return found


def _manifest(entry: Entry) -> str:
    return str(entry.details.get("manifest_sha256", entry.details.get("sha256", "")))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
