"""How a ledger lies on disk: generations of sealed parts, and a release that is pending until it surely lies there.

docs/formats/ledger.md is the specification; `deid.crosswalks.generations` is what survives kill -9.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from deid.crosswalks.generations import Generations, Index
from deid.crosswalks.locking import lock
from deid.crosswalks.partitions import DomainWriter, storage
from deid.errors import DisclosureError, KeyFaultError, ReleaseError, StorageError
from deid.keys.prf import derive_key
from deid.ledger.book import Book, decode, digest, encode
from deid.release.manifest import MANIFEST, Manifest, from_bytes

WHAT = "ledger"
KEPT = 6  # generations: each release makes two
_MAGIC = b"deidldg1"
_PIECE = 8 << 20
_RESTORE = "`deid ledger restore` takes the newest kept generation that is whole; docs/formats/ledger.md, last section"
_END = (
    "restore the ledger's folder from a backup: nothing else knows what the party has. Until then no request that its "
    "recipients can read is released, under whatever name; docs/formats/ledger.md, last section"
)
_WAIT = 60.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Series:
    """Where the ledger of a series lies, where its releases do, and under which key of the site."""

    request: str
    party: str
    folder: Path
    releases: Path
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, request: str, party: str, *, state: Path, releases: Path, key: bytes) -> Series:
        """Return the series of a request and a party at a site; `key` is the site's subkey ("ledger")."""
        own = derive_key(key, "series", request, party)
        return cls(request, party, state / "ledger" / request / party, releases / request, own)

    def generations(self) -> Generations:
        """Return the folder's generations."""
        return Generations(self.folder, self.key, what=WHAT, magic=_MAGIC, keep=KEPT)

    def digest_of(self, book: Book) -> str:
        """Return the keyed digest of a book that its release's manifest tells."""
        return digest(book, derive_key(self.key, "ledger", "digest"))


@dataclass(frozen=True, slots=True)
class Held:
    """A generation that was opened: its number, the digest of its index, and its book, None before any release."""

    generation: int
    digest: str
    book: Book | None


def open_ledger(series: Series, *, wait: float = _WAIT) -> Held:
    """Open the ledger of a series, settle a pending release, and hold the ledger against the published releases.

    Raises:
        KeyFaultError: Another key.
        DisclosureError: The ledger is lost, was rolled back, or releases lie there that it does not know.
        StorageError: It is damaged, or another run holds it.
    """
    published = _published(series)
    is_known = (series.folder / "CURRENT").exists() or any(series.folder.glob("generation-*"))
    if published and not is_known:
        raise lost(series)
    with lock(series.folder, wait=wait, what=WHAT), _told():
        held = _settled(series, series.generations())
    check(series, held, published)
    return held


def read(series: Series, generation: int) -> Held:
    """Open one kept generation as it is, pending or not; StorageError where it is damaged."""
    generations = series.generations()
    with _told():
        return _held(generations, generations.at(generation))


def lost(series: Series) -> DisclosureError:
    """Return the error of a series that has releases and no ledger."""
    return DisclosureError(f"request {series.request} has releases, and no ledger that knows who is in them", hint=_END)


def check(series: Series, held: Held, published: Mapping[str, tuple[str, Manifest]] | None = None) -> None:
    """Raise DisclosureError unless the ledger knows every published release by its manifest, and none is newer."""
    published = _published(series) if published is None else published
    if published and held.book is None:
        raise lost(series)
    known = {entry.release: entry for entry in held.book.releases} if held.book else {}
    for name, (sha256, manifest) in published.items():
        told = manifest.ledger
        if told is None:
            raise DisclosureError(
                f"release {name} of request {series.request} was made without a ledger, so nothing knows who is in it",
                hint="the party has it, and nothing can be held against it: ask for patients who are not in it",
            )
        if told.generation > held.generation:
            raise DisclosureError(
                f"the ledger of request {series.request} is at generation {held.generation}, and release {name} names "
                f"generation {told.generation}: an older copy was put back",
                hint=_RESTORE + "; or restore its folder from a newer backup",
            )
        if name not in known or known[name].manifest_sha256 != sha256:
            raise DisclosureError(
                f"the ledger of request {series.request} does not know release {name} by its manifest: two ledgers "
                "were continued from one, or the manifest was changed",
                hint="restore the ledger that made this release; or " + _END,
            )
        is_newest = held.book is not None and known[name] is held.book.newest
        if is_newest and held.book is not None and series.digest_of(held.book) != told.sha256:
            raise DisclosureError(
                f"the ledger of request {series.request} is not the one that its newest release names", hint=_RESTORE
            )


class Publication:
    """Brackets the rename of a release: pending before it, confirmed after it; a context manager.

    Enter it before the release is staged, so that it ends after the rename. What it finds then decides: the release
    lies there with its manifest, or it does not. The lock is held from `prepare` to the end.
    """

    def __init__(self, series: Series) -> None:
        self._series = series
        self._open = ExitStack()
        self._is_prepared = False

    def __enter__(self) -> Self:
        return self

    def enter(self, context: AbstractContextManager[T]) -> T:
        """Enter what is to be held until the release is published or not."""
        return self._open.enter_context(context)

    def prepare(self, book: Book, held: Held, manifest: bytes) -> int:
        """Commit `book`, whose newest release is not there yet, as pending; return the generation.

        `held`: what the book was made from. Raises StorageError where another run has committed since.
        """
        self._open.enter_context(lock(self._series.folder, wait=_WAIT, what=WHAT))
        generations = self._series.generations()
        index = generations.current()
        if index.digest != held.digest:
            raise StorageError(
                f"another release of request {self._series.request} was made during this run", hint="run this again"
            )
        sha256 = hashlib.sha256(manifest).hexdigest()
        newest = msgspec.structs.replace(book.newest, manifest_sha256=sha256, confirmed=False)
        self._is_prepared = True
        return _commit(generations, index, replace(book, releases=(*book.releases[:-1], newest))).generation

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if self._is_prepared:
                with contextlib.suppress(StorageError) if kind is not None else contextlib.nullcontext():
                    # Where this fails, the next run settles it.
                    _settled(self._series, self._series.generations())


def restore(series: Series, generation: int | None = None) -> Held:
    """Make the newest kept generation that is whole and knows every published release the current one.

    `generation`: this one instead of the newest. Later ones, and a damaged CURRENT, are set aside, not removed.
    Raises DisclosureError where there is none.
    """
    with lock(series.folder, wait=_WAIT, what=WHAT):
        generations = series.generations()
        kept = generations.kept()
        wanted = [generation] if generation is not None else kept[::-1]
        for number in wanted:
            with contextlib.suppress(StorageError, DisclosureError):
                index = generations.at(number)
                _check_pending(series, _held(generations, index))
                generations.restore(index)
                held = _settled(series, generations)
                check(series, held)
                return held
    raise DisclosureError(
        f"no kept generation of the ledger of request {series.request} is whole and knows all its releases", hint=_END
    )


def _check_pending(series: Series, held: Held) -> None:
    """Hold a generation against the releases before anything is switched."""
    if held.book is None or held.book.newest.confirmed:
        check(series, held)
        return
    published = _published(series)
    if held.book.newest.release not in published:
        # It would be discarded, and what remains is in the generation before, which is tried on its own.
        raise lost(series)
    check(series, held, published)


def _settled(series: Series, generations: Generations) -> Held:
    index = generations.current()
    held = _held(generations, index)
    if held.book is None or held.book.newest.confirmed:
        return held
    newest = held.book.newest
    try:
        found = hashlib.sha256((series.releases / newest.release / MANIFEST).read_bytes()).hexdigest()
    except OSError:
        found = ""
    if found == newest.manifest_sha256:
        return _held(generations, _commit(generations, index, held.book.confirmed()))
    before = generations.at(index.generation - 1)
    if before.digest != index.previous:
        raise StorageError("the generation before a pending release is another one", hint=_RESTORE)
    return _held(generations, _commit(generations, index, _held(generations, before).book))


def _commit(generations: Generations, index: Index, book: Book | None) -> Index:
    """Write every part anew: a state that is damaged in one generation is whole in the other."""
    with generations.staging(index) as staging:
        domains = []
        for name, data in (encode(book) if book is not None else {}).items():
            pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)] or [b""]
            writer = DomainWriter(staging, name, len(pieces), generations.key, what=WHAT)
            with contextlib.closing(writer), storage("writing the ledger"):
                for piece in pieces:
                    writer.write_plain(piece, len(piece))
                domains.append(writer.finish())
        return generations.commit(index, tuple(domains), staging)


def _held(generations: Generations, index: Index) -> Held:
    parts = {}
    for entry in index.domains:
        file = generations.open_domain(index, entry)
        with contextlib.closing(file):
            parts[entry.name] = b"".join(file.plain(number) for number in range(len(entry.partitions)))
    try:
        book = decode(parts) if parts else None
    except ValueError:
        raise StorageError(
            "the ledger is of another version", hint="use the deid that wrote it, or a later one"
        ) from None
    return Held(index.generation, index.digest, book)


def _published(series: Series) -> dict[str, tuple[str, Manifest]]:
    """Return the manifests of the published releases, by release, with their SHA-256."""
    found: dict[str, tuple[str, Manifest]] = {}
    if not series.releases.is_dir():
        return found
    for folder in sorted(series.releases.iterdir()):
        path = folder / MANIFEST
        if folder.name.startswith(".") or not path.is_file():
            continue
        try:
            data = path.read_bytes()
            found[folder.name] = (hashlib.sha256(data).hexdigest(), from_bytes(data))
        except (OSError, ReleaseError):
            raise StorageError(
                f"the manifest of release {folder.name} cannot be read, so the ledger cannot be held against it",
                hint="restore the release, or move it away where somebody damaged it",
            ) from None
    return found


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Add to a damaged ledger's error how the series can go on."""
    try:
        yield
    except KeyFaultError:
        raise
    except StorageError as fault:
        raise StorageError(fault.message, hint=f"{fault.hint}; {_RESTORE}") from None
