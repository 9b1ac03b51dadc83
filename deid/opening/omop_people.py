"""PERSON, LOCATION, PROVIDER, CARE_SITE and VISIT_OCCURRENCE from prepared tables; docs/formats/omop.md."""

# ruff: noqa: S608 - names in statements are ours or numbered, and every text is quoted by `literal`

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deid.errors import ReleaseError
from deid.opening.names import Col
from deid.opening.omop_concepts import CMS_RACE, CMS_RACE_COLUMNS, ETHNICITY, GENDER, RACE, VISIT
from deid.opening.omop_facts import actor, type_of
from deid.opening.prepared import Prepared
from deid.opening.roles import Roles, births_of
from deid.opening.workbench import literal

_PLACES = {"city": ("city", 50), "state": ("state", 2), "zip": ("zip_code", 9), "county": ("county", 20)}


def make_people(made: Prepared) -> None:
    """Make `persons`, one row for each patient whose year of birth is known or can be approximated.

    Raises ReleaseError where that is nobody: the CDM requires a year, and its convention is to leave out a person who
    has none (THEMIS, "How to populate year_of_birth when it is missing from the source").
    """
    _births(made)
    known = {
        name: _attribute(made, kind) for name, kind in (("gender", "sex"), ("race", "race"), ("ethnicity", "ethnicity"))
    }
    places = {field: _attribute(made, kind)[0] for field, (kind, _) in _PLACES.items()}
    country = _attribute(made, "country")[0]
    joins, columns = [], []
    for name, (source, concept) in known.items():
        columns += [f"{name}.value AS {name}", f"coalesce({name}_concept.value, 0) AS {name}_concept"]
        joins += [
            f"LEFT JOIN ({source}) {name} USING (subject_id)",
            f"LEFT JOIN ({concept}) {name}_concept USING (subject_id)",
        ]
    for name, source in {**places, "country": country}.items():
        columns.append(f"{name}_at.value AS {name}")
        joins.append(f"LEFT JOIN ({source}) {name}_at USING (subject_id)")
    made.bench.run(
        f"CREATE TABLE persons AS SELECT subject_id AS person_id, pseudonym, year, month, day, {', '.join(columns)}"
        f" FROM subjects JOIN births USING (subject_id) {' '.join(joins)} WHERE year IS NOT NULL"
    )
    if not made.bench.rows("SELECT 1 FROM persons LIMIT 1"):
        raise ReleaseError(
            "no patient of this release has a year of birth, or an age at a visit, and OMOP requires one",
            hint="ask the site for birth dates under its policy, or open the release to meds or parquet",
        )
    place = ", ".join([*_PLACES, "country"])
    made.bench.run(
        f"CREATE TABLE places AS SELECT row_number() OVER (ORDER BY {place}) AS location_id, * FROM"
        f" (SELECT DISTINCT {place} FROM persons WHERE coalesce({place}) IS NOT NULL)"
    )


def _births(made: Prepared) -> None:
    """Make `births`: the released year (of a band, its middle), and month and day where they were released."""
    found = []
    for table in made.tables:
        for column in births_of(table)[:1]:
            told = made.instant(column)
            month = f"month({told.time})" if told.unit in ("day", "month") else "NULL"
            day = f"day({told.time})" if told.unit == "day" else "NULL"
            found.append(
                f"SELECT subject_id, {table.number} AS place, year({told.time}) + {told.years // 2} AS year,"
                f" {month} AS month, {day} AS day FROM r{table.number} WHERE {told.time} IS NOT NULL"
            )
    for table in made.tables:
        found += [
            f"SELECT subject_id, {1000 + table.number}, year(time) - {column.sql}, NULL, NULL"
            f" FROM r{table.number} WHERE time IS NOT NULL AND {column.sql} IS NOT NULL"
            for column in table.of("age")
            if column.is_number
        ]
    empty = "SELECT 0::BIGINT AS subject_id, 0 AS place, 0 AS year, 0 AS month, 0 AS day WHERE false"
    # One struct, so that year, month and day are of one row; nulls come last.
    born = "min({'place': place, 'year': year, 'month': month, 'day': day}) AS b"
    union = " UNION ALL ".join([empty, *found])
    made.bench.run(
        "CREATE TABLE births AS SELECT subject_id, b.year AS year, b.month AS month, b.day AS day"
        f" FROM (SELECT subject_id, {born} FROM ({union}) GROUP BY subject_id)"
    )


def _attribute(made: Prepared, kind: str) -> tuple[str, str]:
    """Return queries (subject_id, value) of what stands in the source, and of its concept, each of the best column."""
    ranked = sorted(
        ((table, column) for table in made.tables for column in table.of(kind)),
        key=lambda pair: (not pair[0].is_person, "birth" not in pair[1].name.lower()),
    )
    empty = "SELECT 0::BIGINT AS subject_id, NULL::VARCHAR AS value WHERE false"
    texts = [pair for pair in ranked if not pair[1].name.endswith("_concept_id")]
    concepts = [pair for pair in ranked if pair[1].name.endswith("_concept_id")]
    source = _smallest(*texts[0]) if texts else empty
    if concepts:
        return source, _smallest(*concepts[0]).replace("::VARCHAR", "::BIGINT")
    words = {"sex": GENDER, "race": RACE, "ethnicity": ETHNICITY}.get(kind)
    if not texts or words is None:
        return source, empty.replace("::VARCHAR", "::BIGINT")
    if texts[0][1].name in CMS_RACE_COLUMNS:
        words = {**words, **CMS_RACE}
    return source, f"SELECT subject_id, {concept_of('value', words)} AS value FROM ({source})"


def _smallest(table: Roles, column: Col) -> str:
    return (
        f"SELECT subject_id, min({column.sql}::VARCHAR) AS value FROM r{table.number}"
        f" WHERE {column.sql} IS NOT NULL GROUP BY subject_id"
    )


def concept_of(value: str, words: Mapping[str, int]) -> str:
    """Return the concept that a word means, in SQL; 0 where it means none."""
    cases = " ".join(f"WHEN {literal(word)} THEN {concept}" for word, concept in words.items())
    return f"CASE lower(trim({value})) {cases} ELSE 0 END"


def make_actors(made: Prepared) -> None:
    """Make `providers` and `sites`: a number for every pseudonym of a provider or facility that rows name."""
    for name, kinds in (("providers", ("npi", "provider_id")), ("sites", ("facility_id",))):
        found = [
            f"SELECT {key} AS key FROM r{table.number}"
            for table in made.tables
            if (key := actor(table, *kinds)) != "NULL"
        ]
        union = " UNION ALL ".join(["SELECT NULL::VARCHAR AS key", *found])
        made.bench.run(
            f"CREATE TABLE {name} AS SELECT row_number() OVER (ORDER BY key) AS id, key,"
            f" split_part(key, ':', 1) AS kind, key[strpos(key, ':') + 1:] AS value"
            f" FROM (SELECT DISTINCT key FROM ({union})) WHERE key IS NOT NULL"
        )


def make_visits(made: Prepared) -> None:
    """Make `visited`: every visit of a person that has a day, with its number."""
    actors = [_actors(table) for table in made.tables if table.is_visit]
    empty = (
        "SELECT 0 AS tab, 0::BIGINT AS row, ''::VARCHAR AS provider, ''::VARCHAR AS site, 0::BIGINT AS concept,"
        " 0 AS type WHERE false"
    )
    made.bench.run(
        "CREATE TABLE visited AS SELECT row_number() OVER (ORDER BY v.subject_id, v.time, v.tab, v.row) AS id,"
        " v.subject_id AS person_id, v.time::DATE AS day,"
        " greatest(v.time, coalesce(v.end_time, v.time))::DATE AS end_day,"
        f" coalesce(a.concept, {concept_of('v.class', VISIT)}) AS concept, v.class, v.admitted, v.discharged, v.visit,"
        " a.provider, a.site, a.type, v.tab, v.row"
        f" FROM visits v LEFT JOIN ({_union([empty, *actors])}) a USING (tab, row)"
        " WHERE v.time IS NOT NULL AND v.subject_id IN (SELECT person_id FROM persons)"
    )


def _actors(table: Roles) -> str:
    concept = next((column for column in table.columns if column.name == "visit_concept_id"), None)
    return (
        f"SELECT {table.number}, row, {actor(table, 'npi', 'provider_id')}, {actor(table, 'facility_id')},"
        f" {f'TRY_CAST({concept.sql} AS BIGINT)' if concept else 'NULL'}, {type_of(table)} FROM r{table.number}"
    )


def _union(parts: Iterable[str]) -> str:
    return " UNION ALL ".join(parts)
