"""How a dataset description is spelled: its fields, its column patterns, and the built-in description below it."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec

from deid.documents.reading import Document, parse
from deid.schema import Use

GUESS = "?"  # a kind written with this mark is a guess of `deid describe` that nobody has decided
MAX_COLUMNS = 5_000
BUILT_IN = {
    "synthea_csv": "csv",
    "x12_837": "x12",
    "cms_rif": "csv",
    "cms_idr": "csv",
    "desynpuf": "csv",
    "omop_cdm": "csv",
    "omop_cdm_parquet": "parquet",
    "us_core_bulk": "fhir_bulk",
    "us_core_json": "fhir_json",
    "carin_eob": "fhir_json",
    "hl7v2_messages": "hl7v2",
    "ccda_r21": "ccda",
}
FORMATS = ("csv", "parquet", "fhir_bulk", "fhir_json", "x12", "hl7v2", "ccda", *BUILT_IN)
# Tables that come in files of one format or of another have one description; only the file names differ.
_TWINS = {"omop_cdm_parquet": "omop_cdm", "us_core_json": "us_core_bulk"}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_BRACES = re.compile(r"\{([^{}]+)\}")
_RANGE = re.compile(r"(\d{1,4})\.\.(\d{1,4})")
_TEXT_FIELDS = ("delimiter", "quote", "encoding", "nulls", "date_format", "case")
_OWN_FIELDS = ("resource", "each", "optional_columns", "repeats", "partitioned_by")


class RawColumn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A column: its kind, or its kind with what else is to be said of it."""

    kind: str
    date_format: str | None = None
    path: str | None = None
    whole: bool = False
    parts: list[str] = []
    use: Use | None = None


class RawLink(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A link; `key` is `on` where it is left out."""

    to: str
    on: str
    key: str | None = None
    others: Literal["refuse", "leave_out"] = "refuse"


class _Text(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    nulls: list[str] | None = None
    date_format: str | None = None
    case: Literal["exact", "any"] | None = None


class RawTable(_Text, forbid_unknown_fields=True, kw_only=True):
    """A table as written, or as merged from the user's document and the built-in description below it."""

    path: str | None = None
    patient: str | None = None
    link: RawLink | None = None
    reference: bool | None = None
    columns: dict[str, str | RawColumn] = {}
    resource: str | None = None
    each: str | None = None
    optional: bool | None = None
    optional_columns: bool | None = None
    repeats: Literal["refuse", "first"] | None = None
    partitioned_by: list[str] | None = None


class RawDataset(_Text, forbid_unknown_fields=True, kw_only=True):
    """A whole description as written."""

    dataset: str
    format: str
    root: str = "."
    files: str | None = None
    confirmed: bool = True
    population: str | None = None
    encounters: str | None = None
    part2_programs: list[str] = []
    part2_marks: Literal["complete", "positive"] = "complete"
    tables: dict[str, RawTable] = {}


@dataclass(frozen=True, slots=True)
class Spelled:
    """One document, what it says, and the columns of each table with every pattern written out."""

    document: Document
    raw: RawDataset
    columns: dict[str, dict[str, RawColumn]]


def spell(document: Document) -> Spelled:
    """Return what a document says; raise DocumentError for unknown fields, names, patterns and doubled columns."""
    raw = document.into(RawDataset)
    columns = {}
    for name, table in raw.tables.items():
        at = f"$.tables.{name}"
        if not _NAME.fullmatch(name):
            raise document.fault(
                "a table's name is small letters, digits and underscores", at=at, hint="names become file names"
            )
        columns[name] = _columns(document, table, f"{at}.columns")
    return Spelled(document, raw, columns)


@cache
def built_in(name: str) -> Spelled:
    """Return the built-in description of a format that the world knows: one for all, which nobody changes."""
    own = _TWINS.get(name, name)
    file = resources.files("deid.sources") / "descriptions" / f"{own}.yaml"
    spelled = spell(parse(Path(f"{own}.yaml"), file.read_bytes()))
    if BUILT_IN[name] == "parquet":
        for table in spelled.raw.tables.values():
            table.path = f"{table.path}".removesuffix(".csv") + ".parquet"
    return spelled


def lay_over(own: Spelled, shelf: Spelled | None) -> Spelled:
    """Return the user's description with the built-in one below it: what the user writes counts first.

    A built-in table that the user does not name may be absent from the dataset; one that is named may not.
    """
    names = dict.fromkeys([*(shelf.raw.tables if shelf else ()), *own.raw.tables])
    tables = {name: _merged(name, own, shelf) for name in names}
    below = shelf.columns if shelf else {}
    columns = {name: below.get(name, {}) | own.columns.get(name, {}) for name in names}
    raw = msgspec.structs.replace(
        own.raw,
        tables=tables,
        population=own.raw.population or (shelf.raw.population if shelf else None),
        encounters=own.raw.encounters or (shelf.raw.encounters if shelf else None),
    )
    return Spelled(own.document, raw, columns)


def _merged(name: str, own: Spelled, shelf: Spelled | None) -> RawTable:
    mine = own.raw.tables.get(name, RawTable())
    below = shelf.raw.tables.get(name, RawTable()) if shelf else RawTable()
    levels = [mine, own.raw, below, *([shelf.raw] if shelf else [])]
    merged = RawTable(optional=mine.optional if name in own.raw.tables else bool(below.optional))
    for field in _TEXT_FIELDS:
        setattr(merged, field, next((v for level in levels if (v := getattr(level, field)) is not None), None))
    for field in _OWN_FIELDS:
        setattr(merged, field, next((v for level in (mine, below) if (v := getattr(level, field)) is not None), None))
    # Where all tables lie in the same files, the user names these once for all of them.
    paths = (mine.path, own.raw.files, below.path, shelf.raw.files if shelf else None)
    merged.path = next((path for path in paths if path is not None), None)
    # The way to the patient is taken as a whole: half of one and half of another would be neither.
    way = mine if mine.patient or mine.link or mine.reference else below
    merged.patient, merged.link, merged.reference = way.patient, way.link, way.reference
    return merged


def _columns(document: Document, table: RawTable, at: str) -> dict[str, RawColumn]:
    written: dict[str, RawColumn] = {}
    for pattern, given in table.columns.items():
        column = RawColumn(given) if isinstance(given, str) else given
        try:
            names = expand(pattern)
        except ValueError as error:
            raise document.fault(str(error), at=f"{at}.{pattern}", hint="write `{1..25}` or `{JAN,FEB}`") from None
        for name in names:
            if name in written:
                raise document.fault(f"column {name} is described twice", at=f"{at}.{pattern}", hint="remove one")
            written[name] = column
        if len(written) > MAX_COLUMNS:
            raise document.fault(f"more than {MAX_COLUMNS:,} columns", at=f"{at}.{pattern}", hint="narrow the pattern")
    return written


def expand(pattern: str) -> list[str]:
    """Return the names that `A{1..3}_{X,Y}` stands for, in order; raise ValueError for none or too many."""
    choices: list[list[str]] = []
    size = 1
    for index, part in enumerate(_BRACES.split(pattern)):
        if index % 2 == 0:
            choices.append([part])
        elif (span := _RANGE.fullmatch(part)) is not None:
            choices.append([str(number) for number in range(int(span[1]), int(span[2]) + 1)])
        else:
            choices.append([word.strip() for word in part.split(",")])
        size *= len(choices[-1])
        if not 0 < size <= MAX_COLUMNS:
            raise ValueError(f"a pattern stands for no name, or for more than {MAX_COLUMNS:,}")
    return ["".join(words) for words in itertools.product(*choices)]
