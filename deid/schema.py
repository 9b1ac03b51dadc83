"""What a source looks like: its tables, the kind of every column, and how each table reaches the patient.

Terms are those of docs/formats/dataset.md, which is the specification of the document these objects are read from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deid.kinds import Kind

if TYPE_CHECKING:
    from deid.stores.files import StoreFolder

Use = Literal["principal", "admitting", "reason", "external", "procedure"]


@dataclass(frozen=True, slots=True)
class Column:
    """One described column.

    `date_format` is a strptime pattern, or `iso` (the default: ISO 8601 dates, with or without a time).
    `path` is where the value lies in a tree-shaped record (FHIR); None for tables.
    `whole` says that the text is a whole number, which other programs may have written as 12.0.
    `parts` are the columns of the same table that this one is put together of; empty for a column of the file.
    `use` says what an ICD code says of its visit; None for a diagnosis, of which the principal one is told apart.
    """

    name: str
    kind: Kind
    date_format: str = "iso"
    path: str | None = None
    whole: bool = False
    parts: tuple[str, ...] = ()
    use: Use | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """How a table without a patient column reaches the patient: one step, through another table.

    `on` is the column of this table that holds the key; `key` is the column of table `to` that it equals.
    `others` says what a row whose key leads to no patient is: a bad row (`refuse`), or one about somebody or something
    else that is no part of the dataset (`leave_out`).
    """

    to: str
    on: str
    key: str
    others: Literal["refuse", "leave_out"] = "refuse"


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How a delimited text file is written; compression is told by its first bytes, never by its name."""

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    nulls: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True)
class Table:
    """One described table; exactly one of `patient` (a column) and `link` is set.

    `optional_columns` lets described columns that nobody asks for be absent from the file.
    `resource` is the type of record of a tree-shaped table, `each` the repeating element that gives one row apiece.
    `repeats` says what a second row for one patient of the population means: `refuse` (a bad row) or `first` (a patient
    stands in several records, and the first row counts).
    `any_case` says that names of files and columns are matched whatever the case of their letters.
    `partitioned_by` names the columns whose values stand in the names of folders, from the outermost to the innermost.
    """

    name: str
    path: str
    columns: tuple[Column, ...]
    patient: str | None = None
    link: Link | None = None
    text: TextFormat = field(default_factory=TextFormat)
    resource: str | None = None
    each: str | None = None
    optional_columns: bool = False
    repeats: Literal["refuse", "first"] = "refuse"
    any_case: bool = False
    partitioned_by: tuple[str, ...] = ()

    def column(self, name: str) -> Column | None:
        """Return the column called `name`, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def of_kind(self, *kinds: str) -> Iterator[Column]:
        """Yield the columns whose kind is one of `kinds`, in the order of the description."""
        return (column for column in self.columns if column.kind.name in kinds)


@dataclass(frozen=True, slots=True)
class DatasetDescription:
    """A whole source: format, root folder and tables.

    `population` is the table with exactly one row for each patient; `encounters` the one with one row for each
    encounter, where derived measures are added (None when the source has none).
    `part2_marks`: whether an empty cell of kind `part2` may be a yes (`complete`) or is a no (`positive`).
    `part2_programs`: numbers of providers and facilities whose rows are of a program under 42 CFR Part 2.
    `confirmed` is False for a draft that no person has edited; nothing runs on a draft.
    `digest` is the SHA-256 (hex) of the document's bytes; where it stands on a built-in description, of both digests.
    """

    name: str
    format: str
    root: Path | StoreFolder
    tables: tuple[Table, ...]
    population: str
    encounters: str | None
    confirmed: bool
    digest: str
    part2_programs: tuple[str, ...] = ()
    part2_marks: Literal["complete", "positive"] = "complete"

    def table(self, name: str) -> Table | None:
        """Return the table called `name`, or None."""
        return next((table for table in self.tables if table.name == name), None)
