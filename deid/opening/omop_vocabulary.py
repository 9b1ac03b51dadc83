"""Concepts of the codes of a release, from the vocabulary files that a user downloaded from Athena.

CONCEPT.csv and, for standard concepts of codes that are none themselves, CONCEPT_RELATIONSHIP.csv: tab-separated,
without quotes (https://athena.ohdsi.org). Nothing of a licensed vocabulary is part of this project.
"""

# ruff: noqa: S608 - names in statements are ours or numbered, and every text is quoted by `literal`

from __future__ import annotations

from pathlib import Path

from deid.errors import ReleaseError
from deid.opening.omop_facts import DOMAINS
from deid.opening.prepared import Prepared
from deid.opening.workbench import literal

_CONCEPT = {"concept_id", "vocabulary_id", "concept_code", "domain_id", "standard_concept"}
_RELATIONSHIP = {"concept_id_1", "concept_id_2", "relationship_id", "invalid_reason"}
_VERSION = {"vocabulary_id", "vocabulary_version"}


def resolve(made: Prepared, vocabulary: Path | None) -> str | None:
    """Make `resolved` (vocabulary, code, source, standard, domain, ordinal) of the codes in `facts`.

    Returns the version of the vocabularies, None where none were given. Raises ReleaseError for a folder that holds no
    CONCEPT.csv as Athena writes it.
    """
    made.bench.run(
        "CREATE TABLE resolved (vocabulary VARCHAR, code VARCHAR, source BIGINT, standard BIGINT, domain VARCHAR,"
        " ordinal BIGINT)"
    )
    if vocabulary is None:
        return None
    concepts = _file(vocabulary, "CONCEPT.csv", _CONCEPT)
    if concepts is None:
        raise ReleaseError(
            f"there is no CONCEPT.csv in {vocabulary.name}",
            hint="give the folder into which the download of athena.ohdsi.org was unpacked",
        )
    made.bench.run(
        "CREATE TABLE wanted AS SELECT DISTINCT vocabulary, code FROM facts WHERE lookup AND code IS NOT NULL"
    )
    made.bench.run(
        "CREATE TABLE sources AS SELECT w.vocabulary, w.code, c.concept_id::BIGINT AS id,"
        f" c.standard_concept = 'S' AS is_standard, c.domain_id AS domain FROM {concepts} c"
        " JOIN wanted w ON c.vocabulary_id = w.vocabulary AND upper(c.concept_code) = upper(w.code)"
    )
    relations = _file(vocabulary, "CONCEPT_RELATIONSHIP.csv", _RELATIONSHIP)
    mapped = "SELECT NULL::BIGINT AS source, NULL::BIGINT AS id WHERE false"
    if relations is not None:
        mapped = (
            f"SELECT concept_id_1::BIGINT AS source, concept_id_2::BIGINT AS id FROM {relations}"
            " WHERE relationship_id = 'Maps to' AND coalesce(invalid_reason, '') = ''"
            " AND concept_id_1::BIGINT IN (SELECT id FROM sources)"
        )
    made.bench.run(f"CREATE TABLE mapped AS {mapped}")
    made.bench.run(
        f"CREATE TABLE targets AS SELECT concept_id::BIGINT AS id, domain_id AS domain FROM {concepts}"
        " WHERE concept_id::BIGINT IN (SELECT id FROM mapped) AND standard_concept = 'S'"
    )
    # A code with two standard concepts becomes two facts (CDM, "one record for each concept it maps to").
    made.bench.run(
        "INSERT INTO resolved SELECT s.vocabulary, s.code, s.id,"
        " coalesce(t.id, CASE WHEN s.is_standard THEN s.id END, 0), coalesce(t.domain, s.domain),"
        " row_number() OVER (PARTITION BY s.vocabulary, s.code ORDER BY s.id, t.id)"
        " FROM sources s LEFT JOIN (mapped m JOIN targets t ON t.id = m.id) ON m.source = s.id"
    )
    return _version(made, vocabulary)


def domain_of(column: str, otherwise: str) -> str:
    """Return the domain under which a fact is written, in SQL: the vocabulary's where it has a table."""
    known = ", ".join(literal(domain) for domain in DOMAINS)
    return (
        f"CASE WHEN {column} IN ({known}) THEN {column} WHEN {column} IS NULL THEN {otherwise} ELSE 'Observation' END"
    )


def _version(made: Prepared, vocabulary: Path) -> str:
    versions = _file(vocabulary, "VOCABULARY.csv", _VERSION)
    found = (
        made.bench.rows(f"SELECT vocabulary_version FROM {versions} WHERE vocabulary_id = 'None'") if versions else []
    )
    return str(found[0][0]) if found and found[0][0] else "not told"


def _file(folder: Path, name: str, columns: set[str]) -> str | None:
    """Return how a file is read in SQL, None where there is none; raise ReleaseError if it has other columns."""
    path = next((path for path in (folder / name, folder / name.lower()) if path.is_file()), None)
    if path is None:
        return None
    with path.open(encoding="utf-8", errors="replace") as file:
        header = set(file.readline(100_000).rstrip("\r\n").split("\t"))
    if missing := sorted(columns - header):
        raise ReleaseError(
            f"{path.name} has no column {missing[0]}",
            hint="give the vocabulary files as athena.ohdsi.org writes them: tab-separated, with a header",
        )
    return f"read_csv({literal(str(path))}, delim = '\\t', quote = '', escape = '', header = true, all_varchar = true)"
