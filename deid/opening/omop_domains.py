"""The tables of the CDM's clinical domains, from facts and from rows that were the CDM's own; docs/formats/omop.md."""

# ruff: noqa: S608 - names in statements are ours or numbered, and every text is quoted by `literal`

from __future__ import annotations

from deid.opening.omop_facts import DOMAINS, actor, passed_through, type_of
from deid.opening.omop_fields import CDM, listed
from deid.opening.omop_vocabulary import domain_of
from deid.opening.prepared import Prepared
from deid.opening.roles import Roles
from deid.opening.workbench import literal

VISIT_OF = "(SELECT min(id) FROM visited v WHERE v.visit = told.visit)"
_PLACE = "tab, row, col, ordinal"
_END = "CASE WHEN end_day >= day THEN end_day END"
_SUPPLIED = "CASE WHEN supply BETWEEN 1 AND 3660 THEN day + (supply - 1)::INTEGER END"
# The day of each domain's facts, and what its table tells beside that, over `told`: a fact with its concepts.
DAY = {
    "Condition": "condition_start_date",
    "Procedure": "procedure_date",
    "Drug": "drug_exposure_start_date",
    "Device": "device_exposure_start_date",
    "Measurement": "measurement_date",
    "Observation": "observation_date",
}
_TOLD = {
    "Condition": {"condition_end_date": _END},
    "Procedure": {
        "procedure_end_date": _END,
        "quantity": "round(quantity)::BIGINT",
        "modifier_source_value": "modifier",
    },
    "Drug": {
        "drug_exposure_end_date": f"coalesce({_END}, {_SUPPLIED}, day)",
        "verbatim_end_date": "end_day",
        "quantity": "quantity",
        "days_supply": "supply",
    },
    "Device": {
        "device_exposure_end_date": _END,
        "quantity": "round(quantity)::BIGINT",
        "unit_source_value": "unit",
    },
    "Measurement": {"value_as_number": "number", "unit_source_value": "unit", "value_source_value": "text"},
    "Observation": {
        "value_as_number": "number",
        "value_as_string": "text",
        "value_as_concept_id": "CASE WHEN vocabulary = 'OMOP' THEN TRY_CAST(code AS BIGINT) END",
        "unit_source_value": "unit",
        "value_source_value": "text",
        "qualifier_source_value": "modifier",
    },
}


def make_domains(made: Prepared) -> None:
    """Make a table for each domain, its rows numbered by person, day and place in the release."""
    for domain, table in DOMAINS.items():
        parts = [_facts(domain, table)]
        for roles, given in passed_through(made):
            if roles.name == table:
                parts.append(_own(roles, given, domain))
        made.bench.run(
            f"CREATE TABLE {table} AS"
            f" SELECT row_number() OVER (ORDER BY person_id, {DAY[domain]}, {_PLACE}) AS {table}_id, *"
            f" FROM ({' UNION ALL '.join(parts)})"
        )


def _facts(domain: str, table: str) -> str:
    stem = domain.lower()
    fields = {
        "person_id": "person_id",
        "provider_id": "(SELECT id FROM providers WHERE key = provider)",
        "visit_occurrence_id": VISIT_OF,
        DAY[domain]: "day",
        f"{stem}_concept_id": "coalesce(standard, 0)",
        f"{stem}_source_concept_id": "coalesce(source, 0)",
        f"{stem}_source_value": "code",
        f"{stem}_type_concept_id": "type",
        **_TOLD[domain],
    }
    told = (
        "SELECT f.*, r.source, r.standard, coalesce(r.ordinal, 1) AS ordinal FROM facts f"
        " LEFT JOIN resolved r ON f.lookup AND r.vocabulary = f.vocabulary AND r.code = f.code"
        f" WHERE {domain_of('r.domain', 'f.domain')} = {literal(domain)} AND f.day IS NOT NULL"
    )
    return f"SELECT {listed(table, fields, without=f'{table}_id')}, {_PLACE} FROM ({told}) told"


def _own(roles: Roles, given: dict[str, str], domain: str) -> str:
    """Return the rows of a released table that is the CDM's own: what it tells stays, numbers are new."""
    stem, day = domain.lower(), DAY[domain]
    fields = {
        "person_id": "subject_id",
        "provider_id": f"(SELECT id FROM providers WHERE key = {actor(roles, 'npi', 'provider_id')})",
        "visit_occurrence_id": VISIT_OF,
        f"{stem}_type_concept_id": str(type_of(roles)),
        f"{stem}_concept_id": "0",
        day: "time::DATE",
        **given,
    }
    for field in CDM[roles.name]:
        if field.is_required and field.name.endswith("_concept_id"):
            fields[field.name] = f"coalesce({fields[field.name]}, 0)"
    if domain == "Drug":
        fields["drug_exposure_end_date"] = f"coalesce({fields.get('drug_exposure_end_date', 'NULL')}, {fields[day]})"
    return (
        f"SELECT {listed(roles.name, fields, without=f'{roles.name}_id')},"
        f" {roles.number} AS tab, row, 0 AS col, 1 AS ordinal FROM r{roles.number} told"
        f" WHERE subject_id IN (SELECT person_id FROM persons) AND {fields[day]} IS NOT NULL"
    )
