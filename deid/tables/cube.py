"""The cells of all tables of a request, each of them once.

Terms: the *address* of a cell says what it counts; an empty text in it is a total. Cells of two tables may be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from deid.tables.tabulation import PEOPLE, PLACES, TableRequest
from deid.tables.tallies import Tally


class Address(NamedTuple):
    """What a cell counts. `level` is that of `place`, both empty where places are not told apart."""

    measure: str
    group: str
    period: str
    level: str
    place: str
    age: str
    sex: str
    race: str
    ethnicity: str


@dataclass(slots=True)
class Cube:
    """Cells by address; `patients` are those behind each, `of_table` the addresses of each table in canonical order."""

    counts: dict[Address, int] = field(default_factory=dict, repr=False)
    patients: dict[Address, int] = field(default_factory=dict, repr=False)
    of_table: dict[str, list[Address]] = field(default_factory=dict, repr=False)

    def add(self, table: TableRequest, tally: Tally, dimensions: Sequence[str]) -> None:
        """Take in the counts of one table; totals over dimensions that are no margins stay out."""
        keeps = [
            len(axis) if d in table.margins else len(axis) - 1
            for d, axis in zip(dimensions, tally.labels[2:], strict=True)
        ]
        addresses = []
        for at in product(*(range(n) for n in (len(tally.labels[0]), len(tally.labels[1]), *keeps))):
            told = {d: tally.labels[i + 2][at[i + 2]] for i, d in enumerate(dimensions)}
            level = next((d for d in dimensions if d in PLACES), "")
            place = told.get(level, "")
            of_people = [told.get(d, "") for d in PEOPLE]
            address = Address(
                table.measure.value,
                tally.labels[0][at[0]],
                tally.labels[1][at[1]],
                level if place else "",
                place,
                *of_people,
            )
            self.counts[address] = int(tally.counts[at])
            self.patients[address] = int(tally.patients[at])
            addresses.append(address)
        self.of_table[table.name] = addresses


@dataclass(frozen=True, slots=True)
class Earlier:
    """A cell as it was published before: its true count, the patients behind it, and whether it was hidden."""

    count: int = field(repr=False)
    patients: int = field(repr=False)
    hidden: bool
