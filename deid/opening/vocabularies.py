"""Of which vocabulary a released code is, and how that vocabulary writes it, as SQL over one column.

Vocabularies have the names of the OMOP standardized vocabularies (https://athena.ohdsi.org, VOCABULARY_ID), for both
MEDS and OMOP users look codes up there. Nothing is checked: a code that is not well formed stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deid.opening.names import Col, is_procedure
from deid.opening.roles import Cell
from deid.opening.workbench import literal

_NAMED = {
    "icd10cm": "ICD10CM",
    "icd10pcs": "ICD10PCS",
    "icd10": "ICD10",
    "icd9cm": "ICD9CM",
    "hcpcs": "HCPCS",
    "ndc": "NDC",
    "rxnorm": "RxNorm",
    "cvx": "CVX",
    "loinc": "LOINC",
    "snomed": "SNOMED",
    "drg": "DRG",
    "revenue_code": "Revenue Code",
    "betos": "BETOS",
    "omop_concept": "OMOP",
}
# The first characters of ICD-10-PCS that no ICD-10-CM code of the same length has (tables of ICD-10-PCS, sections).
_PCS = "^(?:[0-9][0-9A-HJ-NP-Z]{2}|[0-9A-HJ-NP-Z]{7})$"


@dataclass(frozen=True, slots=True)
class Coded:
    """A coded column in SQL: the vocabulary's name, and the code as the vocabulary writes it; null where no code is."""

    vocabulary: str
    code: str


def coded(cell: Cell, table: str) -> Coded:
    """Return how the codes of a column read."""
    column = cell.column
    bare = f"nullif(upper(trim({column.sql}::VARCHAR)), '')"
    if column.kind == "local_code":  # the letters of a local system may differ in case
        return Coded(literal(local(table, column)), f"nullif(trim({column.sql}::VARCHAR), '')")
    vocabulary = _vocabulary(cell, bare)
    return Coded(vocabulary, _written(column, vocabulary, bare))


def local(table: str, column: Col) -> str:
    """Return the name under which the codes of a table's own system go."""
    return f"LOCAL//{table}.{column.name}"


def part_of(column: Col) -> str | None:
    """Return what a policy left of a code (`CATEGORY`, `PREFIX3`), None where it left all of it."""
    if column.transform in ("keep", "roll_up: code"):
        return None
    name, _, options = column.transform.partition(": ")
    if name == "generalize_code" and options.isdigit():
        return f"PREFIX{options}"
    return re.sub(r"[^0-9A-Z]+", "_", (options if name == "roll_up" else column.transform).upper()).strip("_")


def means_code(column: Col) -> bool:
    """Whether what is left of a code can be looked up: by chance, the first characters of a code may be another one."""
    part = part_of(column)
    return part is None or (column.kind in _CUT_MEANS_CODE and (part in _LEVELS or part.startswith("PREFIX")))


# Categories of ICD and products of NDC are codes of their systems.
_CUT_MEANS_CODE = frozenset({"icd10cm", "icd10", "icd9cm", "icd_any", "ndc"})
_LEVELS = frozenset({"CATEGORY", "PRODUCT"})


def _vocabulary(cell: Cell, bare: str) -> str:
    column = cell.column
    if column.kind == "cpt":  # every CPT code begins with a digit, every HCPCS Level II code with a letter
        return f"CASE WHEN regexp_matches({bare}, '^[A-Z]') THEN 'HCPCS' ELSE 'CPT4' END"
    if column.kind == "icd9cm" and is_procedure(column):
        return "'ICD9Proc'"
    if column.kind == "icd_any":
        return _revision(cell, bare)
    return literal(_NAMED[column.kind])


def _revision(cell: Cell, bare: str) -> str:
    """Return the vocabulary of a code whose revision another column tells (CMS RIF: 9 for ICD-9, 0 for ICD-10)."""
    nine = literal("ICD9Proc" if is_procedure(cell.column) else "ICD9CM")
    ten = (
        literal("ICD10PCS")
        if is_procedure(cell.column)
        else (f"CASE WHEN regexp_matches({bare}, {literal(_PCS)}) THEN 'ICD10PCS' ELSE 'ICD10CM' END")
    )
    if cell.version is None:
        return "'ICD'"
    told = f"regexp_extract({cell.version.sql}::VARCHAR, '(10|11|9|0)', 1)"
    return f"CASE {told} WHEN '9' THEN {nine} WHEN '0' THEN {ten} WHEN '10' THEN {ten} ELSE 'ICD' END"


def _written(column: Col, vocabulary: str, bare: str) -> str:
    part = part_of(column)
    if column.kind == "omop_concept":
        return f"nullif({bare}, '0')"  # "No matching concept"
    if part is not None and not part.startswith("PREFIX"):
        return f"nullif(trim({column.sql}::VARCHAR), '')"  # the name of a level is no code
    if column.kind in ("icd10cm", "icd10", "icd9cm", "icd_any"):
        return _dotted(vocabulary, bare)
    return _padded(column, bare) if part is None else bare


def _padded(column: Col, bare: str) -> str:
    """Return a whole code with the digits that its system has: NDC 5-4-2, revenue codes four, DRGs three."""
    if column.kind == "ndc":
        parts = [f"split_part({bare}, '-', {part})" for part in (1, 2, 3)]
        eleven = " || ".join(f"lpad({part}, {length}, '0')" for part, length in zip(parts, (5, 4, 2), strict=True))
        return f"CASE WHEN {bare} LIKE '%-%-%' THEN {eleven} ELSE {bare} END"
    if column.kind in ("revenue_code", "drg"):
        length = 4 if column.kind == "revenue_code" else 3
        is_digits = f"regexp_matches({bare}, '^[0-9]{{1,{length}}}$')"
        return f"CASE WHEN {is_digits} THEN lpad({bare}, {length}, '0') ELSE {bare} END"
    return bare


def _dotted(vocabulary: str, bare: str) -> str:
    """Return ICD codes with the dot behind the category: three characters, four of E-codes, two of ICD-9 procedures."""
    plain = f"replace({bare}, '.', '')"
    length = (
        f"CASE {vocabulary} WHEN 'ICD9Proc' THEN 2 WHEN 'ICD10PCS' THEN 9"
        f" WHEN 'ICD9CM' THEN CASE WHEN {plain} LIKE 'E%' THEN 4 ELSE 3 END ELSE 3 END"
    )
    dotted = f"{plain}[:{length}] || '.' || {plain}[{length} + 1:]"
    return f"CASE WHEN length({plain}) > {length} THEN {dotted} ELSE {plain} END"
