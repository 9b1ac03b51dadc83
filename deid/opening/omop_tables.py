"""The query behind each table of the CDM: what is selected for each field; docs/formats/omop.md specifies them."""

# ruff: noqa: S608 - names in statements are ours or numbered, and every text is quoted by `literal`

from __future__ import annotations

from deid.opening.names import in_sets
from deid.opening.omop_concepts import ALGORITHM, COST_RECORD, EHR, NONE, UTF_8
from deid.opening.omop_domains import DAY, VISIT_OF
from deid.opening.omop_facts import DOMAINS, type_of
from deid.opening.omop_fields import CDM, listed
from deid.opening.prepared import Prepared
from deid.opening.roles import Roles, Use
from deid.opening.workbench import literal

# For each table the expression of each field; under "" what it is selected from.
_PERSON = {
    "": "persons p LEFT JOIN places q ON (p.city, p.state, p.zip, p.county, p.country)"
    " IS NOT DISTINCT FROM (q.city, q.state, q.zip, q.county, q.country) ORDER BY person_id",
    "person_id": "person_id",
    "gender_concept_id": "gender_concept",
    "year_of_birth": "year",
    "month_of_birth": "month",
    "day_of_birth": "day",
    "race_concept_id": "race_concept",
    "ethnicity_concept_id": "ethnicity_concept",
    "location_id": "location_id",
    "person_source_value": "pseudonym",
    "gender_source_value": "gender",
    "race_source_value": "race",
    "ethnicity_source_value": "ethnicity",
    **{f"{name}_source_concept_id": "0" for name in ("gender", "race", "ethnicity")},
}
_LOCATION = {
    "": "places ORDER BY location_id",
    "location_id": "location_id",
    **{  # a name of a state or county that the CDM's field cannot hold would be cut to another one
        field: f"CASE WHEN length({field}) <= {length} THEN {field} END"
        for field, length in (("city", 50), ("state", 2), ("zip", 9), ("county", 20))
    },
    "location_source_value": "concat_ws(', ', city, county, state, zip)",
    "country_source_value": "country",
}
_PROVIDER = {
    "": "providers ORDER BY id",
    "provider_id": "id",
    "npi": "CASE WHEN kind = 'npi' AND regexp_matches(value, '^[0-9]{10}$') THEN value END",
    "provider_source_value": "value",
}
_PERIOD = {
    "observation_period_id": "row_number() OVER (ORDER BY person_id)",
    "person_id": "person_id",
    "observation_period_start_date": "first",
    "observation_period_end_date": "last",
    "period_type_concept_id": str(ALGORITHM),
}
_VISIT = {
    "": "visited ORDER BY id",
    "visit_occurrence_id": "id",
    "person_id": "person_id",
    "visit_concept_id": "concept",
    "visit_start_date": "day",
    "visit_end_date": "end_day",
    "visit_type_concept_id": "type",
    "provider_id": "(SELECT p.id FROM providers p WHERE p.key = provider)",
    "care_site_id": "(SELECT s.id FROM sites s WHERE s.key = site)",
    "visit_source_value": "class",
    "visit_source_concept_id": "0",
    "admitted_from_concept_id": "0",
    "admitted_from_source_value": "admitted",
    "discharged_to_concept_id": "0",
    "discharged_to_source_value": "discharged",
}
_NOTE = {
    "note_id": "note_id",
    "person_id": "person_id",
    "note_date": "day",
    "note_type_concept_id": "type",
    "note_class_concept_id": str(NONE),
    "note_title": "title",
    "note_text": "text",
    "encoding_concept_id": str(UTF_8),
    "language_concept_id": str(NONE),
    "visit_occurrence_id": VISIT_OF,
    "note_source_value": "title",
}
_DEATH = {"person_id": "person_id", "death_date": "day", "death_type_concept_id": str(EHR)}
_MONEY = ("total_charge", "total_cost", "total_paid", "amount_allowed")
_COST = {
    "cost_id": "id",
    "cost_event_id": "event",
    "cost_domain_id": "domain",
    "cost_type_concept_id": str(COST_RECORD),
    **{field: f"CASE WHEN field = '{field}' THEN amount END" for field in _MONEY},
}


def queries(made: Prepared) -> dict[str, str]:
    """Return the query of each table but CDM_SOURCE and METADATA, from what lies on the workbench."""
    tables = {
        "person": _PERSON,
        "location": _LOCATION,
        "provider": _PROVIDER,
        "care_site": {"": "sites ORDER BY id", "care_site_id": "id", "care_site_source_value": "value"},
        "observation_period": {**_PERIOD, "": f"({_periods()}) ORDER BY person_id"},
        "visit_occurrence": _VISIT,
        "note": {**_NOTE, "": f"({_notes(made)}) told ORDER BY note_id"},
        "death": {**_DEATH, "": f"({_deaths(made)}) ORDER BY person_id"},
        "cost": {**_COST, "": f"({_costs(made)}) ORDER BY id"},
    }
    for table in DOMAINS.values():
        tables[table] = {"": f"{table} ORDER BY {table}_id", **{field.name: field.name for field in CDM[table]}}
    return {table: f"SELECT {listed(table, fields)} FROM {fields['']}" for table, fields in tables.items()}


def _periods() -> str:
    """Return the query of each person's first and last day: of visits and of facts, which may lie outside visits."""
    days = [f"SELECT person_id, {DAY[domain]} AS day FROM {table}" for domain, table in DOMAINS.items()]
    days += ["SELECT person_id, day FROM visited", "SELECT person_id, end_day FROM visited"]
    return f"SELECT person_id, min(day) AS first, max(day) AS last FROM ({' UNION ALL '.join(days)}) GROUP BY person_id"


def _notes(made: Prepared) -> str:
    empty = (
        "SELECT 0 AS person_id, NULL::DATE AS day, 0 AS type, '' AS title, '' AS text, '' AS visit,"
        " 0 AS tab, 0 AS row, 0 AS col WHERE false"
    )
    found = [
        f"SELECT subject_id, time::DATE, {type_of(table)}, {literal(f'{table.name}.{cell.column.name}')},"
        f" {cell.column.sql}::VARCHAR, visit, {table.number}, row, {cell.column.index}"
        f" FROM {_dated(table)} AND {cell.column.sql} IS NOT NULL"
        for table in made.tables
        for cell in table.cells
        if cell.use is Use.TEXT
    ]
    return (
        "SELECT row_number() OVER (ORDER BY person_id, day, tab, row, col) AS note_id, *"
        f" FROM ({' UNION ALL '.join([empty, *found])})"
    )


def _dated(table: Roles) -> str:
    return f"r{table.number} WHERE time IS NOT NULL AND subject_id IN (SELECT person_id FROM persons)"


def _deaths(made: Prepared) -> str:
    found = [
        f"SELECT subject_id, ({made.instant(column).time})::DATE FROM r{table.number}"
        for table in made.tables
        for column in table.of("death_date")
    ]
    union = " UNION ALL ".join(["SELECT 0 AS person_id, NULL::DATE AS day WHERE false", *found])
    return (
        f"SELECT person_id, min(day) AS day FROM ({union})"
        " WHERE day IS NOT NULL AND person_id IN (SELECT person_id FROM persons) GROUP BY person_id"
    )


def _costs(made: Prepared) -> str:
    """Return the query of costs, each with its event: the visit, or the first fact of its row, or the row's visit.

    Of codes that stand as a set none is the first.
    """
    sets = sorted((table.number, column.index) for table in made.tables for column in in_sets(table.columns))
    told = f" WHERE (tab, col) NOT IN ({', '.join(map(str, sets))})" if sets else ""
    events = " UNION ALL ".join(
        f"SELECT tab, row, min({{'col': col, 'domain': {literal(domain)}, 'id': {table}_id}}) AS e"
        f" FROM {table}{told} GROUP BY tab, row"
        for domain, table in DOMAINS.items()
    )
    is_visit = "(c.is_visit OR f.e IS NULL)"
    event = f"CASE WHEN {is_visit} THEN coalesce(own.id, v.id) ELSE f.e.id END"
    return (
        f"SELECT row_number() OVER (ORDER BY c.person_id, c.tab, c.row, c.col) AS id, field, amount, {event} AS event,"
        f" CASE WHEN {is_visit} THEN 'Visit' ELSE f.e.domain END AS domain FROM costs c"
        f" LEFT JOIN (SELECT tab, row, min(e) AS e FROM ({events}) GROUP BY tab, row) f USING (tab, row)"
        " LEFT JOIN visited own ON c.is_visit AND own.visit IS NULL AND own.tab = c.tab AND own.row = c.row"
        " LEFT JOIN (SELECT visit, min(id) AS id FROM visited WHERE visit IS NOT NULL GROUP BY visit) v"
        f" ON v.visit = c.visit WHERE {event} IS NOT NULL"
    )
