"""A tabulation: read, count, protect, prove, publish; all or nothing. The one place that wires tables together."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from deid.audit.site import site_log
from deid.choices.screen import Screen
from deid.choices.screening import screened_alone
from deid.choices.subject import Subject
from deid.documents.period import Period
from deid.documents.policy import Policy, load_policy
from deid.documents.site import Site
from deid.errors import DocumentError, PlanError, SourceError
from deid.keys.base import KeyProvider
from deid.papers.paper import require_not_withdrawn
from deid.papers.trust import load_trust
from deid.recall.gate import SeriesGate
from deid.release.manifest import RELEASE_ID
from deid.release.staging import staged
from deid.sealing.private import make_folder, sync_folder, write_new
from deid.segments.obstacles import untold_in
from deid.sources import open_source
from deid.sources.description import load_dataset
from deid.sources.once import ReadOnce
from deid.tables import release
from deid.tables.counted import counted, periods_of
from deid.tables.counting import Reader
from deid.tables.denominators import Denominators, check_covered
from deid.tables.entries import PublicationEntries
from deid.tables.gate import authorize
from deid.tables.linking import link
from deid.tables.page import Facts, audit_of
from deid.tables.people import People, places_inside, settled
from deid.tables.primary import telling_totals
from deid.tables.proposal import own_denominators, propose, require
from deid.tables.protect import Protected, protect, refuse_empty
from deid.tables.published import Memory, Published, remembered
from deid.tables.shown import shown_cells
from deid.tables.store import Store
from deid.tables.tabulation import PLACES, Tabulation
from deid.tables.tallies import Counter
from deid.tables.witness import witnessed

Progress = Callable[[str, int], None]
SPILL = "spill"
_SHARED = 24 * 2**20
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Tabulated:
    """What came of a run: the folder, and for each table its cells and how many of them are marked.

    `gaps`: differences and totals of published cells that are small themselves, and are protected as cells are.
    `begin`, `passed_over`: from when on the source tells visits, and how many visits incidence did not look back to;
    None and 0 where no table is of incidence.
    """

    folder: Path
    cells: Mapping[str, tuple[int, int]]
    protected: Protected
    primary: int
    gaps: int
    telling: int
    left_out: int
    unaudited: tuple[str, ...]
    begin: date | None
    passed_over: int


def tabulate(
    asked: Tabulation,
    site: Site,
    provider: KeyProvider,
    *,
    progress: Progress,
    period: Period | None = None,
    name: str | None = None,
    now: datetime | None = None,
) -> Tabulated:
    """Make the tables of a request and publish them below the site's releases; raise DeidError and leave nothing.

    `period`: only what lies within it. The request must be signed and approved, as for an export; what is about to be
    published, and that it was, is entered in the audit log.
    """
    now = now or datetime.now(UTC)
    name = name or (period.label if period else "all")
    if not RELEASE_ID.fullmatch(name):
        raise DocumentError("the release's name is no folder name", hint="use letters, digits, dots and hyphens")
    policy, dataset = load_policy(asked.policy), load_dataset(asked.dataset)
    own = own_denominators(asked)
    whole, asked = asked, _within(asked, period, now.date())
    require(whole, policy, dataset, on=now.date())
    log, trust = site_log(site, provider), load_trust(site.trust)
    authorized = authorize(propose(whole, policy, dataset, own), site, trust, at=now, log=log)
    home = site.releases / asked.name
    limits = policy.limits.tables
    memory = Memory(asked, limits, store_of(dataset.name, site, provider))
    entries = PublicationEntries(log, f"{asked.name}/{name}", asked.digest, dataset.name, authorized.statements)
    with SeriesGate(asked.name, "", policy.digest, site, trust, log, now) as gate, ExitStack() as stack:
        stack.enter_context(memory.store.held())
        before, opened = memory.load(log, site)
        folder = stack.enter_context(staged(home / name))
        spill = make_folder(site.state / SPILL)
        source = stack.enter_context(ReadOnce(dataset, open_source(dataset), folder=spill, budget=_SHARED))
        reader = Reader(
            asked, dataset, source, spill, stack, progress, frozenset(a.level for a in before.cells if a.level)
        )
        reader.screen = _screen(asked, name, policy, reader, site, provider, stack, now.date())
        people, visits = reader.read()
        people = _settled(asked, people, limits.smallest, before, own)
        progress("counting", 0)
        counter = Counter(people, visits, asked.bands, asked.washout)
        tables, cube = counted(asked, counter)
        if own is not None:
            check_covered(own, [(t, cube.of_table[t.name]) for t in tables], cube.counts)
        known = own.of if own is not None else lambda _: None
        linked = link(
            cube,
            before.cells,
            smallest=limits.smallest,
            groups={**before.groups, **asked.groups},
            people_of=known,
            inside=places_inside(people),
        )
        progress("protecting small cells", 0)
        earlier_shown = linked.spread([before.shown.get(a, -1) for a in linked.addresses])
        protected = protect(linked.system, limits, secrets.randbits(48), earlier_shown)
        place = {address: i for i, address in enumerate(linked.addresses)}
        refuse_empty(tables, cube, protected, place)
        cells = shown_cells(asked, tables, cube, protected, place, own)
        begin = date.fromordinal(_EPOCH + visits.begin) if asked.tells_incidence and visits.begin is not None else None
        facts = Facts(
            policy, dataset.name, now.date(), name, audit_of(asked, policy, linked, protected), opened.next, begin,
            authorized.statements,
        )  # fmt: skip
        written = release.files(asked, facts, {t.name: (t, cells[t.name]) for t in tables})
        release.verify(written, {a: bool(protected.hidden[i]) for a, i in place.items()})
        for file, data in written.items():
            write_new(folder / file, data)
        sync_folder(folder)
        require_not_withdrawn(authorized.held, site, trust, at=datetime.now(UTC), log=log)
        gate.close()
        # Remembered first: tables that are remembered and not published cost cells, the reverse costs patients.
        told = hashlib.sha256(written[release.TABLES]).hexdigest()
        index = memory.save(opened, remembered(before, cube, linked, protected, people), name, told)
        entries.prepared(told, index)
    entries.published(len(cells))
    return Tabulated(
        home / name,
        {t.name: (len(cells[t.name]), sum(c.count is None for c in cells[t.name])) for t in tables},
        protected,
        linked.primary,
        linked.gaps,
        telling_totals(linked.system, protected.hidden),
        reader.left_out,
        limits.weighed_beside.get(asked.name, ()),
        begin,
        counter.passed_over() if asked.tells_incidence else 0,
    )


def _screen(
    asked: Tabulation,
    name: str,
    policy: Policy,
    reader: Reader,
    site: Site,
    provider: KeyProvider,
    stack: ExitStack,
    on: date,
) -> Screen | None:
    """Return what is left out of tables as it is out of exports; raise PlanError where the description cannot tell."""
    read = frozenset(reader.columns())
    tables = [table for table in reader.dataset.tables if table.name in read]
    if problems := list(untold_in(policy, reader.dataset, tables)):
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise PlanError(
            f"tables {asked.name} cannot be counted under policy {policy.name}:{listed}",
            hint="docs/formats/choices.md, section Policy",
        )
    subject = Subject(asked.name, name, None, policy, reader.dataset, read - {reader.dataset.population}, read)
    return screened_alone(subject, site, provider, stack, reader.progress, on=on)


def store_of(dataset: str, site: Site, provider: KeyProvider) -> Store:
    """Return the store of what a site has published of a dataset."""
    return Store(dataset, site.state, site.releases, provider.subkey("published-tables", dataset))


def restore(asked: Tabulation, site: Site, provider: KeyProvider) -> int:
    """Put back the newest kept generation of what was published of a request's dataset; return its number.

    Raises StorageError where none knows every published table and the audit log.
    """
    dataset = load_dataset(asked.dataset).name
    store = store_of(dataset, site, provider)
    with store.held():
        return store.restore(witnessed(site_log(site, provider), site, dataset))


def _within(asked: Tabulation, period: Period | None, today: date) -> Tabulation:
    """Return the request for one period of it, without tables whose periods are longer; raise DocumentError."""
    if period is not None:
        asked = replace(asked, first=max(asked.first, period.first), last=min(asked.last, period.last))
    asked = replace(asked, last=min(asked.last, date.fromordinal(today.toordinal() - 1)))
    tables = tuple(t for t in asked.tables if periods_of(asked, t)) if asked.first <= asked.last else ()
    if not tables:
        raise DocumentError(
            "no table has a whole period that is over within the days that are asked for",
            hint="a quarter is told when it is over; lengthen `from` and `to`, or take shorter periods",
        )
    return replace(asked, tables=tables)


def _settled(asked: Tabulation, people: People, smallest: int, before: Published, own: Denominators | None) -> People:
    if not len(people):
        raise SourceError("the population table holds no patients", hint="check the source and its description")
    allowed = dict(before.labels)
    for dimension in people.attributes:
        told = own.labels(dimension) if own is not None else None
        if told is not None and dimension not in allowed:
            allowed[dimension] = told
    least = {d: max(smallest, asked.least_place) if d in PLACES else smallest for d in people.attributes}
    return settled(people, least=least, allowed=allowed)
