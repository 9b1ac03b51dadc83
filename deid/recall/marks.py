"""What lies in `state/recalls/`: a folder for each recall, put there by one rename; docs/formats/recall.md."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deid.crosswalks.locking import lock
from deid.documents.site import Site
from deid.errors import DocumentError, StorageError, TrustError
from deid.papers.signing import statement_path
from deid.papers.statements import MAX_BYTES
from deid.recall.papers import NOTICE, Notice, digest_of, load
from deid.sealing.private import make_folder, sync_folder, write_new

CERTIFICATES = "certificates"
_STAGED = ".staged-"
_WAIT = 120.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A recall that was marked: its folder, its notice, and the SHA-256 (hex) of that."""

    folder: Path
    notice: Notice
    digest: str

    @property
    def path(self) -> Path:
        """Where the notice lies."""
        return self.folder / NOTICE


@contextlib.contextmanager
def alone(site: Site) -> Iterator[Path]:
    """Hold the lock of the site's recalls, and yield their folder; whoever publishes holds it over the rename."""
    folder = site.state / "recalls"
    with lock(folder, wait=_WAIT, what="recalls"):
        yield folder


def marks(site: Site) -> tuple[Mark, ...]:
    """Return what was marked, by name; raise StorageError where one cannot be read: it may be about anything."""
    folder = site.state / "recalls"
    try:
        names = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StorageError(
            f"the recalls cannot be read: {error.strerror}", hint="check who may read the state"
        ) from None
    return tuple(map(_read, names))


def named(site: Site, recall: str) -> Mark:
    """Return one recall; raise DocumentError where there is none of that name."""
    for mark in marks(site):
        if mark.notice.recall == recall:
            return mark
    raise DocumentError(f"there is no recall {recall} at this site", hint="see `deid recall list`")


@contextlib.contextmanager
def staged_mark(home: Path, source: Path) -> Iterator[Mark]:
    """Copy a notice and its statement into a staged folder, and yield it; it becomes the mark if the block ends well.

    What is judged inside is what will lie there, whatever becomes of `source`. The caller holds the lock. Raises
    DocumentError or TrustError where they cannot be read, StorageError where they cannot be written.
    """
    sweep(home)
    notice, data = load(source, Notice)
    statement = read_statement(source)
    folder = home / f"{_STAGED}{secrets.token_hex(8)}"
    try:
        make_folder(folder)
        try:
            write_new(folder / NOTICE, data)
            write_new(statement_path(folder / NOTICE), statement)
            sync_folder(folder)
            yield Mark(folder, notice, digest_of(data))
            folder.rename(home / notice.recall)
            sync_folder(home)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"the recall cannot be marked: {error.strerror}", hint="nothing was done; make room, and run it again"
        ) from None


def sweep(home: Path) -> None:
    """Remove what killed runs staged; the caller holds the lock."""
    for left in home.glob(f"{_STAGED}*"):
        shutil.rmtree(left, ignore_errors=True)


def read_statement(document: Path) -> bytes:
    """Return the statement beside a document, not verified; raise TrustError where none can be read."""
    path = statement_path(document)
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError:
        raise TrustError(
            f"{document.name} is not signed: there is no {path.name} that can be read beside it",
            hint="have it read and signed, and bring both files: `deid recall sign`, `deid recall destroyed`",
        ) from None


def _read(folder: Path) -> Mark:
    try:
        notice, data = load(folder / NOTICE, Notice)
    except DocumentError:
        notice, data = None, b""
    if notice is None or notice.recall != folder.name:
        raise StorageError(
            f"the recall {folder.name} in the site's state cannot be read, so nobody knows what it takes back",
            hint="restore its folder from a backup, or its notice and statement from whoever signed it",
        )
    return Mark(folder, notice, digest_of(data))
