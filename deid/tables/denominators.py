"""Denominators of rates from the user's own population table, a CSV file with one row for each group of people."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from deid.errors import DocumentError
from deid.tables.cube import Address
from deid.tables.people import BETWEEN, OTHER, UNKNOWN
from deid.tables.periods import years_of
from deid.tables.tabulation import PEOPLE, PLACES, TableRequest, Tabulation

YEAR, POPULATION = "year", "population"
_COLUMNS = (YEAR, *PLACES, *PEOPLE, POPULATION)
_MAX_ROWS = 1_000_000
_MAX_BYTES = 128 * 2**20
_HINT = f"columns are {', '.join(_COLUMNS)}; docs/formats/tabulate.md, section Denominators"


@dataclass(frozen=True, slots=True)
class Denominators:
    """People by year, place, age, sex, race and ethnicity, as far as the file tells them apart.

    `digest`: SHA-256 (hex) of the bytes that were read.
    """

    columns: tuple[str, ...]
    rows: dict[tuple[str, ...], int] = field(repr=False)
    digest: str = ""
    _sums: dict[tuple[str, ...], Counter[tuple[str, ...]]] = field(default_factory=dict, repr=False)

    def labels(self, dimension: str) -> list[str] | None:
        """Return the labels that the file knows of a dimension, None where it does not tell it."""
        if dimension not in self.columns:
            return None
        at = self.columns.index(dimension)
        places = {key[at] for key in self.rows}
        if dimension == "county" and "state" in self.columns:
            state = self.columns.index("state")
            places = {f"{key[state]}{BETWEEN}{key[at]}" for key in self.rows}
        return sorted(places)

    def of(self, address: Address) -> int | None:
        """Return the people that a cell is a share of, None where the file does not have them."""
        years = years_of(address.period)
        if YEAR in self.columns and len(years) > 1:
            return None  # the people of several years are no sum of each year's
        wanted = {YEAR: years[0]} if YEAR in self.columns else {}
        wanted |= {d: value for d in PEOPLE if (value := getattr(address, d))}
        if address.place:
            wanted[address.level] = address.place
            if address.level == "county" and "state" in self.columns and BETWEEN in address.place:
                wanted["state"], wanted["county"] = address.place.split(BETWEEN, 1)
        names = tuple(wanted)
        if not set(names) <= set(self.columns):
            return None
        if names not in self._sums:
            at = [self.columns.index(name) for name in names]
            sums: Counter[tuple[str, ...]] = Counter()
            for key, people in self.rows.items():
                sums[tuple(key[i] for i in at)] += people
            self._sums[names] = sums
        return self._sums[names].get(tuple(wanted.values()))


def load_denominators(path: Path, asked: Tabulation) -> Denominators:
    """Read a population table; raise DocumentError for one that is unreadable, contradicts itself or lacks a group."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        # Parsed from the bytes that the digest is of, so that no file exchanged in between is taken for another.
        text = io.StringIO(data.decode("utf-8-sig"), newline="")
        reader = csv.reader(line for line in text if not line.startswith("#"))
        header = next(reader, [])
        body = [row for row, _ in zip(reader, range(_MAX_ROWS + 1), strict=False)]
    except (OSError, UnicodeDecodeError, csv.Error):
        raise DocumentError(f"cannot read the denominators {path.name}", hint="give a CSV file in UTF-8") from None
    if len(body) > _MAX_ROWS or len(data) > _MAX_BYTES:
        raise DocumentError(
            f"{path.name} has more than {_MAX_ROWS:,} rows, or {_MAX_BYTES:,} bytes",
            hint="sum what is finer than the tables",
        )
    unknown = set(header) - set(_COLUMNS)
    if unknown or POPULATION not in header or len(set(header)) != len(header):
        raise DocumentError(f"the header of {path.name} is not that of denominators", hint=_HINT)
    columns = tuple(name for name in header if name != POPULATION)
    rows: dict[tuple[str, ...], int] = {}
    for line, row in enumerate(body, 2):
        if len(row) != len(header) or not row[header.index(POPULATION)].isdigit():
            raise DocumentError(f"{path.name}:{line}: the population is no whole number", hint=_HINT)
        cells = dict(zip(header, row, strict=True))
        key = tuple(cells[name] for name in columns)
        if key in rows:
            raise DocumentError(
                f"{path.name}:{line}: these people stand twice", hint="write one row for each group of people"
            )
        rows[key] = int(cells[POPULATION])
    _check(path, asked, columns, rows)
    return Denominators(columns, rows, hashlib.sha256(data).hexdigest())


def _check(path: Path, asked: Tabulation, columns: tuple[str, ...], rows: dict[tuple[str, ...], int]) -> None:
    for table in asked.tables:
        if not table.rates:
            continue
        if "years" in table.by and YEAR in columns:
            raise DocumentError(
                f"{path.name} tells people by year, and {table.name} has rates of several years together",
                hint="give a population table without years (that of the middle, or their mean), or rates by year",
            )
        missing = [d for d in table.by if d in (*PLACES, *PEOPLE) and d not in columns]
        if missing:
            raise DocumentError(
                f"{path.name} does not tell {missing[0]}, by which {table.name} has rates",
                hint="add the column, or make the table without rates",
            )
    if "age" in columns:
        told = {key[columns.index("age")] for key in rows}
        bands = {band.label for band in asked.bands}
        if bands and told != bands:
            raise DocumentError(
                f"the ages of {path.name} are not the age bands of the request", hint="write the same bands in both"
            )


def check_covered(
    found: Denominators, tables: Iterable[tuple[TableRequest, list[Address]]], counts: dict[Address, int]
) -> None:
    """Raise DocumentError where a group of a table has no people, or fewer than patients in it."""
    for table, addresses in tables:
        if not table.rates:
            continue
        people = {a: found.of(a) for a in addresses}
        lacking = sum(n is None and not {OTHER, UNKNOWN} & set(a) for a, n in people.items())
        if lacking:
            raise DocumentError(
                f"the denominators lack {lacking} groups of people that {table.name} tells apart",
                hint="every year, place, age, sex and race of the table needs a row",
            )
        more = sum(n is not None and counts[a] > n and a.measure != "visits" for a, n in people.items())
        if more:
            raise DocumentError(
                f"the denominators contradict the source: {table.name} has more patients than people in {more} cells",
                hint="check years, bands and places of the population table",
            )
