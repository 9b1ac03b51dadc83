"""What was published of a dataset before: cells with their true counts, in the terms of one request.

It is written before the tables are, so that what readers have is never more than what is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deid.audit.log import AuditLog
from deid.crosswalks.generations import Index
from deid.documents.limits import TableLimits
from deid.documents.site import Site
from deid.errors import DisclosureError
from deid.tables.beside import Cell, Codes, Section, carried, cells_beside, groups_beside, terms_of
from deid.tables.cube import Address, Cube, Earlier
from deid.tables.linking import Linked
from deid.tables.people import People
from deid.tables.protect import Protected
from deid.tables.store import Book, Opened, Store
from deid.tables.tabulation import Tabulation
from deid.tables.witness import catch_up, witnessed


@dataclass(frozen=True, slots=True)
class Published:
    """Everything that was published before: cells, what was shown of them, labels of dimensions.

    `own`: the cells of this request; the others were published by other requests over the same dataset, whose code
    groups are `groups`.
    """

    cells: Mapping[Address, Earlier] = field(default_factory=dict, repr=False)
    shown: Mapping[Address, int] = field(default_factory=dict, repr=False)
    labels: Mapping[str, list[str]] = field(default_factory=dict, repr=False)
    own: frozenset[Address] = field(default=frozenset(), repr=False)
    groups: Codes = field(default_factory=dict, repr=False)


def remembered(before: Published, cube: Cube, linked: Linked, protected: Protected, people: People) -> Published:
    """Return everything that will have been published once the tables of this run are."""
    system = linked.system
    cells = dict(before.cells)
    shown = dict(before.shown)
    patients = linked.patients.tolist()
    for i, address in enumerate(linked.addresses):
        cells.setdefault(address, Earlier(int(system.counts[i]), patients[i], bool(protected.hidden[i])))
        shown.setdefault(address, int(protected.shown[i]))
    labels = {d: a.labels for d, a in people.attributes.items()}
    return Published(cells, shown, {**labels, **before.labels}, before.own | set(cube.counts))


@dataclass(frozen=True, slots=True)
class Memory:
    """What was published of the dataset of a request, as the runs of that request find it and leave it."""

    asked: Tabulation
    limits: TableLimits
    store: Store

    def load(self, log: AuditLog, site: Site) -> tuple[Published, Opened]:
        """Return what was published, under the store's lock, held against the log.

        Raise StorageError, AuditError or DisclosureError where it is lost, changed, put back or unlike.
        """
        known = witnessed(log, site, self.store.dataset)
        opened = self.store.open(known)
        catch_up(log, self.store.dataset, opened.index, known)
        name, terms = self.asked.name, terms_of(self.asked, self.limits.method, self.limits.base)
        own = opened.book.requests.get(name)
        going_on = terms if own is None else carried(terms, own.terms)
        if going_on is None:
            raise DisclosureError(
                "code groups, age bands, cohort, washout or the way of protection have changed since tables were "
                "published",
                hint="write a request of another name: it is audited together with this one",
            )
        # The officer's word, in the signed policy: nobody else may have tables published that no audit holds together.
        weighed = self.limits.weighed_beside.get(name, ())
        others = {r: section for r, section in opened.book.requests.items() if r != name and r not in weighed}
        found = dict(cells_beside(going_on, others, name))
        mine = {Address(*cell.address): cell for cell in own.cells} if own is not None else {}
        labels: dict[str, list[str]] = {}
        for section in (*others.values(), *([own] if own is not None else [])):
            labels |= section.labels
        found |= mine
        published = Published(
            {a: cell.earlier for a, cell in found.items()},
            {a: cell.shown for a, cell in found.items()},
            labels,
            frozenset(mine),
            groups_beside(terms, others),
        )
        return published, opened

    def save(self, opened: Opened, published: Published, release: str, sha256: str) -> Index:
        """Replace this request's part of the store by what will have been published; raise StorageError.

        Return the index of the new generation.

        `sha256`: that of the `tables.json` of `release`, by which the next run knows the folder.
        """
        cells = [
            Cell(tuple(a), e.count, e.patients, e.hidden, published.shown[a])
            for a, e in sorted(published.cells.items())
            if a in published.own
        ]
        labels = {d: list(kept) for d, kept in published.labels.items()}
        before = opened.book.requests.get(self.asked.name)
        releases = dict(before.releases) if before is not None else {}
        # A run that was killed before its folder appeared leaves its digest: the folder may have appeared after all.
        releases[release] = [*releases.get(release, []), sha256]
        terms = terms_of(self.asked, self.limits.method, self.limits.base)
        going_on = carried(terms, before.terms) if before is not None else terms
        section = Section(going_on or terms, releases, labels, cells)
        return self.store.commit(opened, Book({**opened.book.requests, self.asked.name: section}))
