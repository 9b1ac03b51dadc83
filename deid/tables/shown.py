"""From marks to cells as they are published, with the rates that may stand beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from deid.tables import rates
from deid.tables.cube import Address, Cube
from deid.tables.denominators import Denominators
from deid.tables.protect import Protected
from deid.tables.sheets import Shown
from deid.tables.standards import weights
from deid.tables.tabulation import Measure, TableRequest, Tabulation
from deid.tables.tallies import UNKNOWN_AGE


@dataclass(frozen=True, slots=True)
class _View:
    """What readers see: every figure that is computed here is computed of this, so none can tell more."""

    protected: Protected
    place: Mapping[Address, int] = field(repr=False)
    own: Denominators | None

    def count(self, address: Address) -> int | None:
        i = self.place[address]
        return None if self.protected.hidden[i] else int(self.protected.shown[i])

    def people(self, address: Address) -> int | None:
        if self.own is not None:
            return self.own.of(address)
        population = address._replace(measure=Measure.POPULATION.value, group="", period="")
        return self.count(population) if population in self.place else None


def shown_cells(
    asked: Tabulation,
    tables: Sequence[TableRequest],
    cube: Cube,
    protected: Protected,
    place: Mapping[Address, int],
    own: Denominators | None,
) -> dict[str, list[Shown]]:
    """Return the cells of each table as they are published, in canonical order."""
    view = _View(protected, place, own)
    found = {}
    for table in tables:
        addresses = cube.of_table[table.name]
        extra = _rates(asked, table, addresses, view) if table.rates and asked.denominators else {}
        found[table.name] = [Shown(a, view.count(a), extra.get(a, {})) for a in addresses]
    return found


def _rates(
    asked: Tabulation, table: TableRequest, addresses: Sequence[Address], view: _View
) -> dict[Address, dict[str, float | None]]:
    found: dict[Address, dict[str, float | None]] = {a: {"population": view.people(a)} for a in addresses}
    known = [a for a in addresses if view.count(a) is not None and view.people(a)]
    counts = np.array([view.count(a) for a in known], float)
    people = np.array([view.people(a) for a in known], float)
    for a, *figures in zip(known, *rates.crude(counts, people, asked.per), strict=True):
        found[a] |= dict(zip(("rate", "rate_low", "rate_high"), map(float, figures), strict=True))
    if asked.standard is not None and "age" in table.by:
        names = ("standardized", "standardized_low", "standardized_high")
        for a, adjusted in _standardized(asked, addresses, view).items():
            found[a] |= dict(zip(names, adjusted, strict=True))
    return found


def _standardized(
    asked: Tabulation, addresses: Sequence[Address], view: _View
) -> dict[Address, tuple[float, float, float]]:
    """Return standardized rates of totals over age all of whose bands are shown.

    A standardized rate is a weighted sum of the bands' counts with known weights: one figure more that a hidden band
    would have to be consistent with, and as exact as it is precise. So it never rests on a hidden count.
    """
    labels = [band.label for band in asked.bands]
    share = weights(asked.standard or "", asked.bands)
    chosen: list[Address] = []
    rows: list[tuple[list[int], list[int]]] = []
    for a in addresses:
        if a.age:
            continue
        counts = [view.count(a._replace(age=label)) for label in labels]
        people = [view.people(a._replace(age=label)) for label in labels]
        unknown = a._replace(age=UNKNOWN_AGE)
        is_known = unknown not in view.place or view.count(unknown) == 0
        is_whole = is_known and all(n is not None for n in counts) and all(people)
        if is_whole:
            chosen.append(a)
            rows.append(([n or 0 for n in counts], [n or 0 for n in people]))
    if not rows:
        return {}
    found = rates.standardized(
        np.array([c for c, _ in rows], float), np.array([p for _, p in rows], float), share, asked.per
    )
    return {a: (float(r), float(low), float(high)) for a, r, low, high in zip(chosen, *found, strict=True)}
