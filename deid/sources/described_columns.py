"""The columns of a description: the kind, date format, path and use of each, and whether they fit together."""

from __future__ import annotations

from deid.cells.date_text import LAYOUTS
from deid.documents.reading import Document
from deid.kinds import KINDS, Role, Value
from deid.schema import Column, Table
from deid.sources.composed import fault_of
from deid.sources.paths import PathError
from deid.sources.spelling import GUESS, RawColumn, RawTable
from deid.sources.trees import Grammar

ICD_KINDS = frozenset({"icd10cm", "icd10", "icd9cm", "icd_any"})  # may hold more than diagnoses of the visit


def check_columns(document: Document, table: Table, at: str) -> None:
    """Refuse columns that cannot be put together, and two that a header in any case could not tell apart."""
    for column in table.columns:
        if (fault := fault_of(column, table)) is not None:
            raise document.fault(
                f"{table.name}.{column.name}: {fault}",
                at=f"{at}.columns.{column.name}",
                hint="docs/formats/dataset.md, columns of several parts",
            )
    spelled = {column.name.lower(): column.name for column in table.columns}
    twice = next((column.name for column in table.columns if spelled[column.name.lower()] != column.name), None)
    if table.any_case and twice is not None:
        raise document.fault(
            f"{table.name}: {twice} and {spelled[twice.lower()]} differ in case only",
            at=f"{at}.columns.{twice}",
            hint="write a column of a built-in description as that spells it, or `case: exact`",
        )


def column_of(
    document: Document, table: str, name: str, spec: RawColumn, raw: RawTable, tree: Grammar | None
) -> Column:
    """Return the column `name` of a table; raise DocumentError for whatever is unknown, missing or impossible."""
    at = f"$.tables.{table}.columns.{name}"
    kind = KINDS.get(spec.kind.removesuffix(GUESS))
    if kind is None:
        raise document.fault(
            f"{table}.{name}: there is no kind {spec.kind!r}", at=at, hint="docs/reference/kinds.md lists every kind"
        )
    date_format = spec.date_format or (raw.date_format if kind.value is Value.DATE else None) or "iso"
    is_none = "%" not in date_format and date_format not in LAYOUTS
    if date_format != "iso" and (is_none or kind.value is not Value.DATE):
        raise document.fault(
            f"{table}.{name}: date_format is `iso`, `hl7` or a pattern such as %d-%b-%Y, and stands at dates only",
            at=at,
            hint="remove it, or describe the column as a date",
        )
    if (tree is not None) != (spec.path is not None):
        raise document.fault(
            f"{table}.{name}: path is written for every column of a tree-shaped format, and only there",
            at=at,
            hint=f"write `{tree.example}`" if tree else "remove it",
        )
    if spec.path is not None and tree is not None:
        try:
            joins = tree.check_path(spec.path)
        except PathError as error:
            raise document.fault(f"{table}.{name}: {error}", at=at, hint="docs/formats/dataset.md, paths") from None
        if joins and kind.role is not Role.DIRECT:
            raise document.fault(
                f"{table}.{name}: `|join` makes one value of several, and is for direct identifiers only",
                at=at,
                hint="write `each:` to get one row for each element",
            )
    if spec.use is not None and kind.name not in ICD_KINDS:
        raise document.fault(
            f"{table}.{name}: `use` is written for ICD codes, and only there",
            at=at,
            hint="remove it, or describe the column as icd10cm, icd10, icd9cm or icd_any",
        )
    return Column(name, kind, date_format, spec.path, spec.whole, tuple(spec.parts), spec.use)
