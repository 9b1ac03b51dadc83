"""A request for tables as it is asked: measures, dimensions, tables; `document` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path

from deid.documents.cohort import Cohort
from deid.tables.bands import Band

PERIODS, PLACES = ("years", "year", "quarter", "month"), ("state", "county", "zip3")
PEOPLE = ("age", "sex", "race", "ethnicity")
CODES = "codes"
DIMENSIONS = (*PERIODS, *PLACES, *PEOPLE, CODES)
PATIENTS = "patients"  # denominators counted from the source


class Measure(StrEnum):
    """What a table counts; docs/formats/tabulate.md defines each."""

    INCIDENCE = "incidence"
    PREVALENCE = "prevalence"
    VISITS = "visits"
    POPULATION = "population"


@dataclass(frozen=True, slots=True)
class TableRequest:
    """One table: its measure, its dimensions in order, those of which totals are published, and whether rates are."""

    name: str
    measure: Measure
    by: tuple[str, ...]
    margins: tuple[str, ...]
    rates: bool

    def dimension(self, among: tuple[str, ...]) -> str | None:
        """Return the dimension of this table that is one of `among`, or None."""
        return next((d for d in self.by if d in among), None)


@dataclass(frozen=True, slots=True)
class Tabulation:
    """A parsed request for tables; paths are absolute; `digest` is the SHA-256 (hex) of its file.

    `groups`: for each code group the codes by kind. `level`: instead of groups, a kind and a level of its code system.
    `washout`: days without the code before a patient counts as incident. `since`: the day from which on the source
    tells every visit, None to find it. `least_place`: the patients of the source that a place must have to be told by
    its name. `denominators`: a file, "patients", or None.
    """

    name: str
    requester: str
    purpose: str
    policy: Path
    dataset: Path
    cohort: Cohort | None
    expires: date
    leave_out_bad_rows: bool
    first: date
    last: date
    bands: tuple[Band, ...]
    groups: Mapping[str, Mapping[str, tuple[str, ...]]] = field(repr=False)
    level: tuple[str, str] | None
    washout: int
    since: date | None
    least_place: int
    tables: tuple[TableRequest, ...]
    denominators: Path | str | None
    standard: str | None
    per: int
    path: Path
    digest: str

    @property
    def dimensions(self) -> frozenset[str]:
        """Every dimension that some table uses."""
        return frozenset(d for table in self.tables for d in table.by)

    @property
    def tells_incidence(self) -> bool:
        """Whether some table counts new patients."""
        return any(table.measure is Measure.INCIDENCE for table in self.tables)
