"""Tables of drawn people, made by everything of deid.tables but the reader, for laws about what is published."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml

from deid.documents.limits import TableLimits
from deid.documents.policy import load_policy
from deid.tables import release
from deid.tables.counted import counted
from deid.tables.cube import Address, Cube, Earlier
from deid.tables.document import load_tabulation
from deid.tables.linking import Linked, link
from deid.tables.page import Facts
from deid.tables.people import Attribute, People, Visits
from deid.tables.protect import Protected, protect
from deid.tables.published import Published, remembered
from deid.tables.shown import shown_cells
from deid.tables.tabulation import TableRequest, Tabulation
from deid.tables.tallies import Counter
from tests.sites import POLICIES

BASE: dict[str, Any] = {
    "request": "drawn",
    "requester": "Somebody",
    "purpose": "A test",
    "policy": "policy.yaml",
    "dataset": "dataset.yaml",
    "expires": "2027-12-31",
}


@dataclass(frozen=True)
class Made:
    """Everything that came of one tabulation of drawn people."""

    asked: Tabulation
    tables: list[TableRequest]
    cube: Cube
    linked: Linked
    protected: Protected
    record: dict[str, Any]

    @property
    def primary(self) -> set[Address]:
        """The small cells: what an attacker must not learn."""
        return {a for a, is_small in zip(self.linked.addresses, self.linked.system.primary, strict=False) if is_small}

    def remembered(self, before: Published) -> Published:
        """What a site would keep of this run."""
        return remembered(
            before, self.cube, self.linked, self.protected, People({}, np.zeros(0, np.int32), np.zeros(0, bool))
        )


def asked_for(folder: Path, block: dict[str, Any]) -> Tabulation:
    """Write and read a request with this `tabulate` block."""
    path = folder / "request.yaml"
    path.write_text(yaml.safe_dump({**BASE, "tabulate": block}))
    return load_tabulation(path)


def drawn_people(
    seed: int, size: int, visits: int, *, counties: int, groups: tuple[str, ...], first: date, last: date
) -> tuple[People, Visits]:
    """Draw patients of counties of very different sizes, and their visits, evenly over the days."""
    random = np.random.default_rng(seed)
    share = random.dirichlet(np.full(counties, 0.7))
    county = random.choice(counties, size, p=share).astype(np.int32)
    sex = random.integers(0, 2, size).astype(np.int32)
    birth = random.integers(-20_000, 15_000, size).astype(np.int32)
    attributes = {
        "county": Attribute("county", [f"C{i:02d}" for i in range(counties)], county),
        "sex": Attribute("sex", ["F", "M"], sex),
    }
    low, high = (day.toordinal() - date(1970, 1, 1).toordinal() for day in (first, last))
    who = random.integers(0, max(size, 1), visits if size else 0).astype(np.int32)
    when = random.integers(low, high + 1, len(who)).astype(np.int32)
    group = random.integers(1, len(groups) + 1, len(who)).astype(np.int32)
    everything = (np.tile(who, 2), np.tile(when, 2), np.concatenate([group, np.zeros(len(who), np.int32)]))
    return People(attributes, birth, np.ones(size, bool)), Visits(*everything, ("", *groups))


def make(
    asked: Tabulation,
    people: People,
    visits: Visits,
    limits: TableLimits,
    *,
    before: Published | None = None,
    seed: int = 0,
) -> Made:
    """Count, protect and write as a run does."""
    before = before or Published()
    tables, cube = counted(asked, Counter(people, visits, asked.bands, asked.washout))
    linked = link(cube, before.cells, smallest=limits.smallest, groups=asked.groups)
    shown = linked.spread([before.shown.get(a, -1) for a in linked.addresses])
    protected = protect(linked.system, limits, seed, shown, seconds=1.0)
    return Made(asked, tables, cube, linked, protected, publish(asked, tables, cube, linked, protected, limits))


def publish(
    asked: Tabulation, tables: list[TableRequest], cube: Cube, linked: Linked, protected: Protected, limits: TableLimits
) -> dict[str, Any]:
    """Return tables.json as it would be published."""
    place = {address: i for i, address in enumerate(linked.addresses)}
    cells = shown_cells(asked, tables, cube, protected, place, None)
    policy = load_policy(POLICIES / "public-tables.yaml")
    policy = replace(policy, limits=replace(policy.limits, tables=limits))
    facts = Facts(policy, "d", date(2026, 1, 1), "all", {})
    files = release.files(asked, facts, {t.name: (t, cells[t.name]) for t in tables})
    release.verify(files, {a: bool(protected.hidden[i]) for a, i in place.items()})
    record: dict[str, Any] = msgspec.json.decode(files[release.TABLES])
    return record


def earlier(made: Made) -> dict[Address, Earlier]:
    """Return the cells of a run as a later one finds them."""
    return dict(made.remembered(Published()).cells)
