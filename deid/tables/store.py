"""Where everything that was published of a dataset is remembered: sealed generations below the site's state.

It lies on disk as a ledger does (`deid.crosswalks.generations`): authenticated under a key of the site, the last
generations kept. It is held against every folder of tables of the dataset, whichever request made it, and against the
audit log, which names the newest generation: a store that does not know one of the folders, or that the log knows a
later one of, is lost, forked or an older copy, and what it forgot is what an audit would miss.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from deid.crosswalks.generations import Generations, Index
from deid.crosswalks.locking import lock
from deid.crosswalks.partitions import DomainWriter, storage
from deid.documents.request import NAME
from deid.errors import KeyFaultError, StorageError
from deid.sealing.private import make_folder
from deid.tables.beside import Section
from deid.tables.release import TABLES
from deid.tables.witness import Witnessed

FOLDER = WHAT = "tables"
KEPT = 6  # generations: one for each run that publishes
_MAGIC = b"deidtbl1"
_PART = "published"
_PIECE = 8 << 20
_RESTORE = (
    "`deid tabulate REQUEST --restore` takes the newest kept generation that knows every published table and the "
    "audit log; or bring the folder back from a backup; docs/formats/tabulate.md, section Earlier publications"
)


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every request has published of one dataset; the repr holds no count."""

    requests: dict[str, Section] = {}

    @property
    def known(self) -> frozenset[str]:
        """SHA-256 of every `tables.json` that was or may have been published."""
        return frozenset(
            sha for section in self.requests.values() for some in section.releases.values() for sha in some
        )


class _Told(msgspec.Struct):
    """What the store wants to know of a published `tables.json`."""

    format: str
    dataset: str
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A generation of the store, and what it holds."""

    index: Index
    book: Book = field(repr=False)

    @property
    def next(self) -> int:
        """The number that the next publication will have."""
        return self.index.generation + 1


@dataclass(frozen=True, slots=True)
class Store:
    """The store of one dataset, by its name; `key` is the site's subkey for it, `releases` where tables lie."""

    dataset: str
    state: Path
    releases: Path
    key: bytes = field(repr=False)

    @property
    def folder(self) -> Path:
        """Where the generations lie; a file name for any name of a dataset."""
        plain = NAME.fullmatch(self.dataset) is not None
        name = self.dataset if plain else hashlib.sha256(self.dataset.encode()).hexdigest()[:32]
        return self.state / FOLDER / name

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs over this dataset out: two at once could publish together what no audit saw."""
        with storage("opening what was published"):
            make_folder(self.folder.parent)
        with lock(self.folder, wait=0.0, what=WHAT):
            yield

    def open(self, known: Witnessed) -> Opened:
        """Return the current generation, under the lock; `known`: what the audit log names.

        Raise StorageError where it is lost, changed, older than the log knows it, or does not know tables that are
        published; KeyFaultError for another site's.
        """
        with _with_way_back():
            generations = self._generations()
            opened = self._read(generations, generations.current())
        self._check(opened)
        self._check_log(generations, opened.index, known)
        return opened

    def commit(self, opened: Opened, book: Book) -> Index:
        """Make `book` the next generation, and return its index; raise StorageError."""
        generations = self._generations()
        data = msgspec.json.encode(book)
        pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
        with generations.staging(opened.index) as staging:
            writer = DomainWriter(staging, _PART, len(pieces), self.key, what=WHAT)
            with contextlib.closing(writer), storage("writing what was published"):
                for piece in pieces:
                    writer.write_plain(piece, len(piece))
                domains = (writer.finish(),)
            return generations.commit(opened.index, domains, staging)

    def restore(self, known: Witnessed) -> int:
        """Make the newest kept generation that is whole, and knows every published table and the log, the current one.

        Under the lock. Return its number; later ones are set aside. Raise StorageError where there is none.
        """
        generations = self._generations()
        for number in generations.kept()[::-1]:
            with contextlib.suppress(StorageError):
                opened = self._read(generations, generations.at(number))
                self._check(opened)
                self._check_log(generations, opened.index, known)
                generations.restore(opened.index)
                return number
        raise StorageError(
            f"no kept generation of what was published of {self.dataset} is whole, knows every published table and is "
            "the one that the audit log names, or follows it",
            hint=f"bring {FOLDER}/{self.folder.name} of the site's state back from a backup",
        )

    def _generations(self) -> Generations:
        return Generations(self.folder, self.key, what=WHAT, magic=_MAGIC, keep=KEPT)

    def _read(self, generations: Generations, index: Index) -> Opened:
        entry = index.domain(_PART)
        if entry is None:
            return Opened(index, Book())
        with contextlib.closing(generations.open_domain(index, entry)) as file:
            data = b"".join(file.plain(number) for number in range(len(entry.partitions)))
        try:
            return Opened(index, msgspec.json.decode(data, type=Book))
        except msgspec.MsgspecError:
            raise StorageError("what is known of earlier tables is of another version", hint=_RESTORE) from None

    def _check_log(self, generations: Generations, index: Index, known: Witnessed) -> None:
        """Raise StorageError unless this generation is the newest that the log names, or follows it."""
        if index.generation < known.generation:
            raise StorageError(
                f"what is known of earlier tables is at generation {index.generation}, and the audit log names "
                f"generation {known.generation}: it is lost, or an older copy was put back",
                hint=_RESTORE,
            )
        while index.generation > known.generation > 0:
            # A run that was killed between store and log: what follows the log's generation was made of it.
            with _with_way_back():
                before = generations.at(index.generation - 1)
            if before.digest != index.previous:
                break
            index = before
        if known.generation and (index.generation, index.digest) != (known.generation, known.sha256):
            raise StorageError(
                "what is known of earlier tables does not follow the generation that the audit log names: two stores "
                "were continued from one",
                hint=_RESTORE,
            )

    def _check(self, opened: Opened) -> None:
        known = opened.book.known
        for path in sorted(self.releases.glob(f"*/[!.]*/{TABLES}")):
            try:
                data = path.read_bytes()
                told = msgspec.json.decode(data, type=_Told)
            except (OSError, msgspec.MsgspecError):
                raise StorageError(
                    f"{TABLES} of {path.parent.parent.name}/{path.parent.name} cannot be read, so what is known of "
                    "earlier tables cannot be held against it",
                    hint="restore that folder, or move it away where somebody damaged it",
                ) from None
            if told.dataset != self.dataset or hashlib.sha256(data).hexdigest() in known:
                continue
            where = f"the tables {path.parent.parent.name}/{path.parent.name}"
            if not known:
                raise StorageError(f"what is known of earlier tables is gone, and {where} are published", hint=_RESTORE)
            if told.generation > opened.index.generation:
                raise StorageError(
                    f"what is known of earlier tables is at generation {opened.index.generation}, and {where} name "
                    f"generation {told.generation}: an older copy was put back",
                    hint=_RESTORE,
                )
            raise StorageError(
                f"what is known of earlier tables does not hold {where}: two stores were continued from one, or the "
                "tables were changed",
                hint=_RESTORE,
            )


@contextlib.contextmanager
def _with_way_back() -> Iterator[None]:
    try:
        yield
    except KeyFaultError:
        raise
    except StorageError as fault:
        raise StorageError(f"what is known of earlier tables cannot be used: {fault.message}", hint=_RESTORE) from None
