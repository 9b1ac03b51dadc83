"""What the report says of columns: what was done to each, how those that identify were weighed, and what notes hold."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from deid.release.small_counts import Count


class Grade(StrEnum):
    """A grade of a quasi-identifier; HHS guidance on de-identification of 2012, question 2.6."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was done to one released column; `rung` of `rungs` where the run chose its rule, from 1, the finest."""

    table: str
    name: str
    kind: str
    role: str
    rule: str
    holds: str
    citation: str
    nulls: Count | None
    rung: int | None = None
    rungs: int | None = None


class QuasiIdentifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column that may identify together with others, and how it was weighed.

    `counted`: by which control. `values` is the effective number of released values: one over the chance that two
    patients share one (Simpson 1949); None where it was not measured.
    """

    column: str
    kind: str
    rule: str
    rungs: tuple[str, ...]
    counted: str
    replicability: Grade
    availability: Grade
    distinguishability: Grade
    why: str
    values: float | None


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Notes: which columns, texts withheld, and what a search for the patients' own identifiers found afterwards."""

    columns: tuple[str, ...]
    rule: str
    withheld: Count
    identifiers_left: int
    note: str
