"""What was published of a dataset before: cells with their true counts, sealed, below the site's state.

It is written before the tables are, so that what readers have is never more than what is remembered.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from deid.errors import DisclosureError, StorageError
from deid.keys.base import KeyProvider, seal, unseal
from deid.private import FILE, make_folder, sync_folder, write_new
from deid.request import NAME
from deid.staging import storage_fault
from deid.tables.beside import Cell, Codes, Section, cells_beside, groups_beside, terms_of
from deid.tables.cube import Address, Cube, Earlier
from deid.tables.linking import Linked
from deid.tables.people import People
from deid.tables.protect import Protected
from deid.tables.tabulation import Tabulation

FOLDER = "tables"


class _Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    requests: dict[str, Section]


@dataclass(frozen=True, slots=True)
class Published:
    """Everything that was published before: cells, what was shown of them, labels of dimensions, and releases.

    `own`: the cells of this request; the others were published by other requests over the same dataset, whose code
    groups are `groups`.
    """

    cells: Mapping[Address, Earlier] = field(default_factory=dict, repr=False)
    shown: Mapping[Address, int] = field(default_factory=dict, repr=False)
    labels: Mapping[str, list[str]] = field(default_factory=dict, repr=False)
    releases: tuple[str, ...] = ()
    own: frozenset[Address] = field(default=frozenset(), repr=False)
    groups: Codes = field(default_factory=dict, repr=False)


def remembered(
    before: Published, cube: Cube, linked: Linked, protected: Protected, people: People, name: str
) -> Published:
    """Return everything that will have been published once the tables of this run are."""
    system = linked.system
    cells = dict(before.cells)
    shown = dict(before.shown)
    patients = linked.patients.tolist()
    for i, address in enumerate(linked.addresses):
        cells.setdefault(address, Earlier(int(system.counts[i]), patients[i], bool(protected.hidden[i])))
        shown.setdefault(address, int(protected.shown[i]))
    labels = {d: a.labels for d, a in people.attributes.items()}
    releases, own = (*before.releases, name), before.own | set(cube.counts)
    return Published(cells, shown, {**labels, **before.labels}, releases, own)


@dataclass(frozen=True, slots=True)
class Memory:
    """The sealed store of one dataset, by its name; `home` is where the tables of this request are published."""

    asked: Tabulation
    dataset: str
    state: Path
    home: Path
    provider: KeyProvider

    @property
    def path(self) -> Path:
        """The file of the store."""
        return self.state / FOLDER / f"{self._stem}.sealed"

    @property
    def _stem(self) -> str:
        """A file name for any name of a dataset."""
        plain = NAME.fullmatch(self.dataset) is not None
        return self.dataset if plain else hashlib.sha256(self.dataset.encode()).hexdigest()[:32]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs over this dataset out: two at once could publish together what no audit saw."""
        try:
            folder = make_folder(self.path.parent)
            handle = os.open(folder / f".{self._stem}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE)
        except OSError as error:
            raise storage_fault(error) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise StorageError(
                f"another run makes tables of {self.dataset}", hint="wait until it is over, and try again"
            ) from None
        finally:
            os.close(handle)

    def load(self, *, method: str, base: int) -> Published:
        """Return what was published; raise StorageError or DisclosureError where it is lost, changed or unlike."""
        there = {p.name for p in self.home.iterdir() if not p.name.startswith(".")} if self.home.is_dir() else set()
        store, name = self._read(), self.asked.name
        own = store.requests.get(name) if store is not None else None
        if store is None or own is None:
            if there:
                raise self._lost("tables of this request are published, and what is known of them is gone")
        elif there - set(own.releases):
            raise self._lost("what is known of earlier tables is older than the tables")
        terms = terms_of(self.asked, method, base)
        if own is not None and own.terms != terms:
            raise DisclosureError(
                "code groups, age bands, cohort or the way of protection have changed since tables were published",
                hint="write a request of another name: it is audited together with this one",
            )
        kept = {} if store is None else {r: s for r, s in store.requests.items() if r not in self.asked.weighed_beside}
        others = {request: section for request, section in kept.items() if request != name}
        found = dict(cells_beside(terms, others))
        mine = {Address(*cell.address): cell for cell in own.cells} if own is not None else {}
        labels: dict[str, list[str]] = {}
        for section in (*others.values(), *([own] if own is not None else [])):
            labels |= section.labels
        found |= mine
        return Published(
            {a: cell.earlier for a, cell in found.items()},
            {a: cell.shown for a, cell in found.items()},
            labels,
            tuple(own.releases) if own is not None else (),
            frozenset(mine),
            groups_beside(terms, others),
        )

    def save(self, published: Published, *, method: str, base: int) -> None:
        """Replace this request's part of the store by what will have been published; raise StorageError."""
        cells = [
            Cell(tuple(a), e.count, e.patients, e.hidden, published.shown[a])
            for a, e in sorted(published.cells.items())
            if a in published.own
        ]
        labels = {d: list(kept) for d, kept in published.labels.items()}
        section = Section(terms_of(self.asked, method, base), sorted(published.releases), labels, cells)
        store = self._read()
        requests = {**(store.requests if store is not None else {}), self.asked.name: section}
        sealed = seal(self._key(), msgspec.json.encode(_Store(requests)), self._bound())
        try:
            folder = make_folder(self.path.parent)
            fresh = self.path.with_suffix(f".{os.getpid()}.new")
            fresh.unlink(missing_ok=True)
            write_new(fresh, sealed)
            fresh.replace(self.path)
            sync_folder(folder)
        except OSError as error:
            raise storage_fault(error) from None

    def _read(self) -> _Store | None:
        if not self.path.exists():
            return None
        try:
            sealed = self.path.read_bytes()
        except OSError as error:
            raise storage_fault(error) from None
        plain = unseal(self._key(), sealed, self._bound())
        if plain is None:
            raise self._lost("what is known of earlier tables was changed, or belongs to another site")
        try:
            return msgspec.json.decode(plain, type=_Store)
        except msgspec.MsgspecError:
            raise self._lost("what is known of earlier tables cannot be read") from None

    def _key(self) -> bytes:
        return self.provider.subkey("published-tables", self.dataset)

    def _bound(self) -> bytes:
        return b"deid-published-tables/2"

    def _lost(self, problem: str) -> StorageError:
        return StorageError(
            problem,
            hint=f"bring {FOLDER}/{self.path.name} of the site's state back from a backup",
        )
