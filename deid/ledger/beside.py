"""The other series of a site, against which a release is held: their books, their readers, and what was lost.

A series of which nobody has a release any more would bind nobody. One whose destruction is proven is to be passed over
in `Beside.books` and in `require_known`; until there is such a proof, what lies here stands for what is out there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from deid.crosswalks.locking import lock
from deid.errors import DeidError, DisclosureError, ReleaseError, StorageError
from deid.ledger.book import Book
from deid.ledger.records import NEWEST
from deid.ledger.store import WHAT, Series, open_ledger
from deid.release.manifest import MANIFEST, Manifest, from_bytes

_WAIT = 60.0
Name = tuple[str, str]  # of a request, and of a party


def names(home: Path) -> list[Name]:
    """Return request and party of every series that has a ledger below `home`, in order."""
    found = (path.parent for path in home.glob("*/*/CURRENT")) if home.is_dir() else iter(())
    return sorted((path.parent.name, path.name) for path in found)


@dataclass(slots=True)
class Beside:
    """The other series of a site, as they were when a run began.

    `home`: the folder of all ledgers. `series`: from request and party to a series. `must`: the policy limits joins, so
    a ledger that does not open stops the run.
    """

    home: Path
    own: Series
    series: Callable[[str, str], Series] = field(repr=False)
    must: bool
    books: Sequence[Book] = field(init=False, repr=False)
    _marks: dict[Name, bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Open the ledgers."""
        self._marks = self._now()
        self.books = self._open()

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Keep other runs of the site from publishing, and yield whether one has since this run began.

        Then `books` are new. Two runs that began together would else both be published, each without the other.
        """
        with lock(self.home, wait=_WAIT, what=WHAT):
            marks = self._now()
            has_changed = marks != self._marks
            if has_changed:
                self._marks = marks
                self.books = self._open()
            yield has_changed

    def _now(self) -> dict[Name, bytes]:
        found = {}
        for name in names(self.home):
            if name != (self.own.request, self.own.party):
                try:
                    found[name] = (self.home.joinpath(*name) / "CURRENT").read_bytes()
                except OSError:
                    found[name] = b""
        return found

    def _open(self) -> list[Book]:
        """Return the books of the other series; a damaged one stops the run where the policy limits joins.

        Whoever reads the releases of a series whose ledger does not open may be the party of this one, by a key.
        """
        books = []
        for request, party in self._marks:
            series = self.series(request, party)
            try:
                book = open_ledger(series).book
            except DeidError as fault:
                if self.must or party == self.own.party:
                    raise DisclosureError(
                        f"the ledger of request {request} for {party} cannot be held against this release: "
                        f"{fault.message}",
                        hint=fault.hint,
                    ) from None
                continue
            if book is not None and book.version != NEWEST:
                # Version 1 did not write down who reads the releases; their manifests do, where they lie here.
                book = replace(book, readers=tuple(sorted(_readers(series.releases))))
            books += [book] if book is not None else []
        return books


def require_same_request(series: Series, book: Book, digest: str) -> None:
    """Raise DisclosureError unless a series of version 1 goes on by the very request of its newest release.

    `digest`: SHA-256 (hex) of the request that is to be run.
    """
    asked = [each.request_sha256 for each in _manifests(series.releases, book.newest.release)]
    if asked != [digest]:
        raise DisclosureError(
            f"the ledger of request {series.request} is of version 1 and does not say which cohort was asked for; "
            "the request is not that of the newest release, or that release does not lie here",
            hint="run once with the request as it was, byte for byte, with the releases in their folder: from then on "
            "the ledger knows what was asked for",
        )


def require_known(home: Path, releases: Path, readers: Sequence[str]) -> None:
    """Raise DisclosureError where these recipients can read releases of a series that has no ledger any more.

    `releases`: of the whole site. Whose they are is told by the keys in their manifests.
    """
    if not releases.is_dir():
        return
    known = {request for request, _ in names(home)}
    for folder in sorted(releases.iterdir()):
        if folder.name not in known and not _readers(folder).isdisjoint(readers):
            raise DisclosureError(
                f"releases of request {folder.name} under k lie here, which a recipient of this one can read, and "
                "their ledger is lost: nobody knows which patients could be joined",
                hint="restore the ledger's folder from a backup; docs/formats/ledger.md, last section",
            )


def _readers(releases: Path) -> set[str]:
    """Return the digests of the keys that releases with a ledger below a folder were sealed to."""
    return {reader for manifest in _manifests(releases) if manifest.ledger for reader in manifest.recipients}


def _manifests(releases: Path, name: str = "*") -> Iterator[Manifest]:
    """Yield the manifests of the releases of a request; raise StorageError for one that cannot be read."""
    for path in sorted(releases.glob(f"{name}/{MANIFEST}")):
        if not path.parent.name.startswith("."):
            try:
                yield from_bytes(path.read_bytes())
            except (OSError, ReleaseError):
                raise StorageError(
                    f"the manifest of release {path.parent.name} of request {releases.name} cannot be read, so nobody "
                    "knows who has it",
                    hint="restore the release's folder",
                ) from None
