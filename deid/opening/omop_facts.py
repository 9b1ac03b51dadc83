"""What released cells become in the OMOP Common Data Model: facts of a domain, each with its day, visit and value.

docs/formats/omop.md specifies the domains and what is left out.
"""

# ruff: noqa: S608 - names in statements are ours or numbered, and every text is quoted by `literal`

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deid.opening.names import Col, is_procedure
from deid.opening.omop_concepts import CLAIM, EHR
from deid.opening.omop_fields import CDM
from deid.opening.prepared import Prepared
from deid.opening.roles import Cell, Roles, Use
from deid.opening.vocabularies import coded, means_code
from deid.opening.workbench import literal

DOMAINS = {
    "Condition": "condition_occurrence",
    "Procedure": "procedure_occurrence",
    "Drug": "drug_exposure",
    "Device": "device_exposure",
    "Measurement": "measurement",
    "Observation": "observation",
}
FACTS = {
    "domain": "VARCHAR", "person_id": "BIGINT", "day": "DATE", "end_day": "DATE", "vocabulary": "VARCHAR",
    "code": "VARCHAR", "lookup": "BOOLEAN", "number": "DOUBLE", "text": "VARCHAR", "unit": "VARCHAR",
    "modifier": "VARCHAR", "quantity": "DOUBLE", "supply": "BIGINT", "visit": "VARCHAR", "provider": "VARCHAR",
    "site": "VARCHAR", "type": "BIGINT", "tab": "USMALLINT", "row": "BIGINT", "col": "USMALLINT",
}  # fmt: skip

# The domain of a code whose vocabulary is not at hand; the vocabulary itself knows better (`--vocabulary`).
_OF_KIND = {"icd10cm": "Condition", "icd10": "Condition", "icd9cm": "Condition", "icd10pcs": "Procedure",
            "cpt": "Procedure", "hcpcs": "Procedure", "ndc": "Drug", "rxnorm": "Drug", "cvx": "Drug"}  # fmt: skip
_OF_NAME = (
    (re.compile(r"reason|condition|diagnos|dgns|problem", re.IGNORECASE), "Condition"),
    (re.compile(r"procedure|prcdr|surg", re.IGNORECASE), "Procedure"),
    (re.compile(r"medication|drug|prescri|immuni|vaccin", re.IGNORECASE), "Drug"),
    (re.compile(r"device|suppl|implant", re.IGNORECASE), "Device"),
)
_PEOPLE = frozenset({"sex", "race", "ethnicity", "zip_code", "city", "county", "state", "country"})
_DAYS_NAME = re.compile(r"day|supply", re.IGNORECASE)
_QUANTITY_NAME = re.compile(r"unit|qty|quantity|dispens|cnt|count", re.IGNORECASE)
_COSTS = (
    (re.compile(r"allow", re.IGNORECASE), "amount_allowed"),
    (re.compile(r"paid|pmt|payment|coverage", re.IGNORECASE), "total_paid"),
    (re.compile(r"charge|chrg|submitted|sbmtd|total|net|claim_cost|unitamount", re.IGNORECASE), "total_charge"),
    (re.compile(r"cost", re.IGNORECASE), "total_cost"),
)


@dataclass(frozen=True, slots=True)
class Left:
    """A released column that has no place in the CDM, and why."""

    table: str
    column: str
    why: str


def is_cdm(table: Roles) -> bool:
    """Whether a released table is one of the CDM itself, by its name and its concept."""
    return table.name in DOMAINS.values() and any(column.name.endswith("_concept_id") for column in table.columns)


def make_facts(made: Prepared) -> list[Left]:
    """Make the tables `facts` and `costs`; return what of the release has no place in them."""
    made.bench.run(f"CREATE TABLE facts ({', '.join(f'{name} {kind}' for name, kind in FACTS.items())})")
    made.bench.run(
        "CREATE TABLE costs (person_id BIGINT, field VARCHAR, amount DOUBLE, visit VARCHAR, is_visit BOOLEAN,"
        " tab USMALLINT, row BIGINT, col USMALLINT)"
    )
    left: list[Left] = []
    for table in made.tables:
        if is_cdm(table):
            continue
        for cell in table.cells:
            why = _place(made, table, cell)
            if why is not None:
                left.append(Left(table.name, cell.column.name, why))
    return left


def _place(made: Prepared, table: Roles, cell: Cell) -> str | None:
    """Write the facts of one column; return why there are none, where the CDM has no place for them."""
    kind = cell.column.kind
    if cell.use in (Use.BIRTH, Use.DEATH, Use.CLASS, Use.TEXT) or kind in _PEOPLE:
        return None  # PERSON, DEATH, VISIT_OCCURRENCE, NOTE, LOCATION
    if kind == "omop_concept" and cell.column.name.endswith("_concept_id"):
        # Of VISIT_OCCURRENCE, NOTE and others of an OMOP source, which are made anew.
        return None if cell.column.name == "visit_concept_id" else "a concept of a field that is made anew"
    if table.is_person and cell.use is not Use.DATE:
        return "a fact without a day, which OBSERVATION needs"
    if cell.use is Use.DATE:
        return None if cell.column in table.ends[:1] else "a day for which the CDM has no field"
    if table.is_visit and cell.column in (*table.of("admission_type")[:1], *table.of("discharge_status")[:1]):
        return None  # VISIT_OCCURRENCE
    if kind == "charge_amount":
        made.bench.run(_cost(made, table, cell.column))
    elif cell.use is Use.CODE:
        made.bench.run(_code(made, table, cell))
    elif cell.column not in _quantities(table):
        made.bench.run(_value(made, table, cell))
    return None


def _code(made: Prepared, table: Roles, cell: Cell) -> str:
    read = coded(cell, table.name)
    vocabulary = "'local'" if cell.column.kind == "local_code" else read.vocabulary
    number, text, code, told = "NULL", "NULL", read.code, f"{read.code} IS NOT NULL"
    domain = _domain(table, cell, vocabulary)
    if cell.value is not None:  # a result is a measurement, whether its test has a code in this row or not
        number, text = f"TRY_CAST(trim({cell.value.sql}::VARCHAR) AS DOUBLE)", f"{cell.value.sql}::VARCHAR"
        code = f"coalesce({code}, {literal(f'{table.name}.{cell.value.name}')})"
        told = f"({told} OR {cell.value.sql} IS NOT NULL)"
        domain = f"CASE WHEN {cell.value.sql} IS NOT NULL THEN 'Measurement' ELSE {domain} END"
    return _insert(made, table, cell, domain=domain, vocabulary=vocabulary, code=code,
                   lookup=str(means_code(cell.column)), number=number, text=text, told=told)  # fmt: skip


def _value(made: Prepared, table: Roles, cell: Cell) -> str:
    """Return the statement for numbers and words: observations under the name of their column."""
    column = cell.column
    is_number = column.is_number or cell.use is Use.LAB
    number = f"TRY_CAST(trim({column.sql}::VARCHAR) AS DOUBLE)" if is_number else "NULL"
    text = "NULL" if column.is_number else f"{column.sql}::VARCHAR"
    domain = "'Measurement'" if cell.use is Use.LAB else "'Observation'"
    told = f"nullif(trim({column.sql}::VARCHAR), '') IS NOT NULL"
    return _insert(made, table, cell, domain=domain, vocabulary="'local'", code=literal(f"{table.name}.{column.name}"),
                   lookup="false", number=number, text=text, told=told)  # fmt: skip


def _insert(
    made: Prepared, table: Roles, cell: Cell, *, domain: str, vocabulary: str, code: str, lookup: str, number: str,
    text: str, told: str,
) -> str:  # fmt: skip
    time, _ = made.time_of(cell)
    end = "NULL" if table.is_visit else "end_time::DATE"  # a visit's end is not the end of what was found at it
    supply = next((column for column in _quantities(table) if _DAYS_NAME.search(column.name)), None)
    quantity = next((column for column in _quantities(table) if column is not supply), None)
    modifiers = f"nullif(concat_ws(',', {', '.join(c.sql for c in cell.modifiers)}), '')" if cell.modifiers else "NULL"
    return (
        f"INSERT INTO facts SELECT {domain}, subject_id, ({time})::DATE, {end}, {vocabulary}, {code}, {lookup},"
        f" {number}, {text}, {f'{cell.unit.sql}::VARCHAR' if cell.unit else 'NULL'}, {modifiers},"
        f" {f'{quantity.sql}::DOUBLE' if quantity else 'NULL'}, {f'round({supply.sql})::BIGINT' if supply else 'NULL'},"
        f" visit, {actor(table, 'npi', 'provider_id')}, {actor(table, 'facility_id')}, {type_of(table)},"
        f" {table.number}, row, {cell.column.index}"
        f" FROM {_of_persons(made, table, cell.column)} AND {told}"
    )


def _domain(table: Roles, cell: Cell, vocabulary: str) -> str:
    column = cell.column
    if column.kind == "icd9cm" and is_procedure(column):
        return "'Procedure'"
    if column.kind == "icd_any":
        return f"CASE WHEN {vocabulary} IN ('ICD10PCS', 'ICD9Proc') THEN 'Procedure' ELSE 'Condition' END"
    if column.kind in _OF_KIND:
        return literal(_OF_KIND[column.kind])
    if column.kind in ("snomed", "omop_concept", "local_code"):
        for name in (column.name, table.name):
            found = next((domain for pattern, domain in _OF_NAME if pattern.search(name)), None)
            if found:
                return literal(found)
    return "'Observation'"


def _cost(made: Prepared, table: Roles, column: Col) -> str:
    field = next((field for pattern, field in _COSTS if pattern.search(column.name)), "total_charge")
    return (
        f"INSERT INTO costs SELECT subject_id, {literal(field)}, {column.sql}::DOUBLE, visit, {table.is_visit},"
        f" {table.number}, row, {column.index} FROM {_of_persons(made, table, column)} AND {column.sql} IS NOT NULL"
    )


def _of_persons(made: Prepared, table: Roles, column: Col) -> str:
    return f"r{table.number} WHERE subject_id IN (SELECT person_id FROM persons) AND {made.rows_of(table, column)}"


def _quantities(table: Roles) -> tuple[Col, ...]:
    """Return the counts of a table that are a quantity or days of supply of its codes: one of each at most."""
    coded_kinds = table.of("ndc", "rxnorm", "cvx", "cpt", "hcpcs", "icd10pcs")
    if table.is_visit or not coded_kinds:
        return ()
    counts = table.of("count")
    supply = next((column for column in counts if _DAYS_NAME.search(column.name)), None)
    amount = next((c for c in counts if c is not supply and _QUANTITY_NAME.search(c.name)), None)
    return tuple(column for column in (supply, amount) if column is not None)


def actor(table: Roles, *kinds: str) -> str:
    """Return the first column of these kinds as a key that is the same in every table: kind and pseudonym."""
    column = next((column for kind in kinds for column in table.of(kind)), None)
    return f"{literal(f'{column.kind}:')} || {column.sql}::VARCHAR" if column is not None else "NULL"


def type_of(table: Roles) -> int:
    """Return where a table's rows come from, a concept of type: a claim where they have only a claim's number."""
    return CLAIM if table.encounter is None and table.claim is not None else EHR


def passed_through(made: Prepared) -> Iterator[tuple[Roles, dict[str, str]]]:
    """Yield the tables that are the CDM's own, and for each field of the CDM its expression over r<n>."""
    for table in made.tables:
        if is_cdm(table):
            yield table, dict(_fields(made, table))


def _fields(made: Prepared, table: Roles) -> Iterator[tuple[str, str]]:
    columns = {column.name: column for column in table.columns}
    for field in CDM[table.name]:
        column = columns.get(field.name)
        if column is None or field.name.endswith(("_event_id", "visit_detail_id")):
            continue
        kind = str(field.type)
        if kind == "date32[day]":
            yield field.name, f"({made.instant(column).time})::DATE"
        elif kind == "int64" and (field.name.endswith("_concept_id") or not field.name.endswith("_id")):
            yield field.name, f"TRY_CAST({column.sql} AS BIGINT)"
        elif kind == "double":
            yield field.name, f"TRY_CAST({column.sql} AS DOUBLE)"
        elif kind == "string" and field.name != "unique_device_id":
            yield field.name, f"{column.sql}::VARCHAR"
