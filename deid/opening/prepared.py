"""Released tables made ready for events: every row with its patient's number, its time and its visit.

Tables on the workbench: `subjects` (pseudonym, subject_id), `visits` and, for each table of the release, `r0`, `r1` ...
docs/formats/meds.md specifies numbers, times and visits.
"""

# ruff: noqa: S608 - names in statements are ours or numbered, and every text is quoted by `literal`

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from deid.errors import ReleaseError
from deid.opening.instants import UNKNOWN, Instant, instant
from deid.opening.names import Col
from deid.opening.opened import OpenedRelease
from deid.opening.roles import Cell, Roles, Use, roles_of
from deid.opening.workbench import Workbench, literal
from deid.sealing.private import make_folder

_NO_TIME, _NO_TEXT = "NULL::TIMESTAMP", "NULL::VARCHAR"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A workbench on which the tables of a release lie ready.

    `unreached` are tables that tell no patient; `repeated` are columns of visits that say the same in every line of
    every visit, as a claim's diagnoses do in a file of claim lines: they are told once for each visit.
    """

    bench: Workbench
    tables: tuple[Roles, ...]
    unreached: tuple[str, ...]
    reference: date | None
    repeated: dict[str, frozenset[Col]] = field(default_factory=dict)

    def rows_of(self, table: Roles, column: Col) -> str:
        """Return what rows of r<n> tell a column's cells, in SQL: all, or one of each visit where lines repeat them."""
        return "first" if column in self.repeated.get(table.name, ()) else "true"

    def instant(self, column: Col) -> Instant:
        """Return how a column of dates is read."""
        return instant(column, self.reference)

    def time_of(self, cell: Cell) -> tuple[str, str]:
        """Return time and precision of a cell's event in SQL over the prepared rows: its own day, or the row's."""
        if cell.use in (Use.DATE, Use.BIRTH, Use.DEATH):
            told = self.instant(cell.column)
            return told.time, told.precision
        if cell.day is not None:
            own = self.instant(cell.day)
            return (
                f"coalesce({own.time}, time)",
                f"CASE WHEN {own.time} IS NOT NULL THEN {own.precision} ELSE time_precision END",
            )
        return "time", "time_precision"


@contextmanager
def prepared(release: OpenedRelease, folder: Path, *, into: str) -> Iterator[Prepared]:
    """Yield the release, made ready in the private folder `folder`; `into` names the format in messages.

    Raises ReleaseError where no table tells patients apart, or decryption fails.
    """
    roles = roles_of(release.manifest.tables)
    if not any(table.patient for table in roles):
        raise ReleaseError(
            f"this release holds no patient pseudonyms, and {into} is about patients",
            hint="open it to parquet, or ask the site for a release with the patient's pseudonym in its tables",
        )
    reached = tuple(table for table in roles if table.patient or table.key)
    with Workbench(make_folder(folder)) as bench:
        made = Prepared(
            bench,
            reached,
            tuple(table.name for table in roles if table not in reached),
            release.manifest.reference_date,
        )
        for table in reached:
            bench.load(release, table.name, f"s{table.number}")
        _subjects(made)
        _keys(made)
        for table in reached:
            _rows(made, table)
            if table.is_visit:
                made.repeated[table.name] = _repeated(made, table)
        _visits(made)
        yield made


def _subjects(made: Prepared) -> None:
    """Number the patients by the order of their pseudonyms, which tells nothing: pseudonyms are random or keyed."""
    known = " UNION ALL ".join(
        f"SELECT {table.patient.sql}::VARCHAR AS pseudonym FROM s{table.number}"
        for table in made.tables
        if table.patient
    )
    made.bench.run(
        "CREATE TABLE subjects AS SELECT pseudonym, row_number() OVER (ORDER BY pseudonym) AS subject_id"
        f" FROM (SELECT DISTINCT pseudonym FROM ({known})) WHERE pseudonym IS NOT NULL"
    )


def _keys(made: Prepared) -> None:
    """Make `keys`: whose an encounter or claim is, and when it began, for the rows of other tables."""
    found = []
    for table in made.tables:
        if table.patient is None:
            continue
        time, precision = _first_told(made, table.starts)
        for kind, key in (("encounter", table.encounter), ("claim", table.claim)):
            # An encounter begins when its own table says so; rows of other tables tell days within it.
            dated = key is not None and (kind == "claim" or table.is_visit)
            if key is not None:
                found.append(
                    f"SELECT {literal(kind)} AS kind, {key.sql}::VARCHAR AS key, subject_id,"
                    f" {time if dated else _NO_TIME} AS time, {precision if dated else _NO_TEXT} AS time_precision"
                    f" FROM s{table.number} JOIN subjects ON pseudonym = {table.patient.sql}::VARCHAR"
                    f" WHERE {key.sql} IS NOT NULL"
                )
    empty = (
        f"SELECT ''::VARCHAR AS kind, ''::VARCHAR AS key, 0::BIGINT AS subject_id, {_NO_TIME} AS time,"
        f" {_NO_TEXT} AS time_precision WHERE false"
    )
    made.bench.run(
        "CREATE TABLE keys AS SELECT kind, key, min(subject_id) AS subject_id, min(time) AS time,"
        " min_by(time_precision, (time, time_precision)) AS time_precision"
        f" FROM ({' UNION ALL '.join([empty, *found])}) GROUP BY kind, key"
    )


def _rows(made: Prepared, table: Roles) -> None:
    """Make r<n> of s<n>: the patient's number, visit, times with their precision, and the columns; drop s<n>."""
    joins, times, precisions, owners = [], [], [], []
    if table.starts and not table.is_person:
        time, precision = _first_told(made, table.starts)
        times, precisions = [time], [precision]
    if table.patient is not None:
        joins.append(f"LEFT JOIN subjects s ON s.pseudonym = {table.patient.sql}::VARCHAR")
        owners.append("s.subject_id")
    for kind, key in (("encounter", table.encounter), ("claim", table.claim)):
        if key is not None:
            joins.append(f"LEFT JOIN keys {kind} ON {kind}.kind = {literal(kind)} AND {kind}.key = {key.sql}::VARCHAR")
            owners.append(f"{kind}.subject_id")
            times.append(f"{kind}.time")
            precisions.append(f"{kind}.time_precision")
    time = _coalesced(times, _NO_TIME)
    precision = _coalesced(precisions, _NO_TEXT)
    if not table.is_person:
        precision = f"coalesce({precision}, {literal(UNKNOWN)})"
    end, end_precision = _first_told(made, table.ends)
    first = "row_number() OVER (PARTITION BY visit ORDER BY row) = 1 OR visit IS NULL" if table.is_visit else "true"
    made.bench.run(
        f"CREATE TABLE r{table.number} AS SELECT *, {first} AS first FROM"
        f" (SELECT {_coalesced(owners, 'NULL::BIGINT')} AS subject_id,"
        f" {f'{table.key.sql}::VARCHAR' if table.key else _NO_TEXT} AS visit,"
        f" {time} AS time, {precision} AS time_precision, {end} AS end_time, {end_precision} AS end_precision,"
        f" x.row, {', '.join(f'x.{column.sql}' for column in table.columns)}"
        f" FROM s{table.number} x {' '.join(joins)})"
    )
    made.bench.run(f"DROP TABLE s{table.number}")


def _repeated(made: Prepared, table: Roles) -> frozenset[Col]:
    """Return the columns that are equal in all rows of each visit of several rows; none where no visit has several."""
    columns = [cell.column for cell in table.cells]
    differs = ", ".join(
        f"min({c.sql}) IS DISTINCT FROM max({c.sql}) OR count({c.sql}) NOT IN (0, count(*)) AS {c.sql}" for c in columns
    )
    if not columns:
        return frozenset()
    ((*varies,),) = made.bench.rows(
        f"SELECT {', '.join(f'bool_or({c.sql})' for c in columns)} FROM (SELECT {differs} FROM r{table.number}"
        " WHERE visit IS NOT NULL GROUP BY visit HAVING count(*) > 1)"
    )
    return frozenset(column for column, does in zip(columns, varies, strict=True) if does is False)


def _visits(made: Prepared) -> None:
    """Make `visits`: one row for each visit, in claims of several lines one for all of them."""
    selects = [
        f"SELECT {table.number} AS tab, min(row) AS row, min(subject_id) AS subject_id, visit, min(time) AS time,"
        " min_by(time_precision, (time, time_precision)) AS time_precision, max(end_time) AS end_time,"
        " max_by(end_precision, (end_time, end_precision)) AS end_precision,"
        f" {_smallest(table, 'encounter_class')} AS class,"
        f" {_smallest(table, 'admission_type')} AS admitted, {_smallest(table, 'discharge_status')} AS discharged"
        f" FROM r{table.number} WHERE subject_id IS NOT NULL"
        f" GROUP BY visit, CASE WHEN visit IS NULL THEN row END"
        for table in made.tables
        if table.is_visit
    ]
    empty = (
        f"SELECT 0 AS tab, 0::BIGINT AS row, 0::BIGINT AS subject_id, {_NO_TEXT} AS visit, {_NO_TIME} AS time,"
        f" {_NO_TEXT} AS time_precision, {_NO_TIME} AS end_time, {_NO_TEXT} AS end_precision, {_NO_TEXT} AS class,"
        f" {_NO_TEXT} AS admitted, {_NO_TEXT} AS discharged WHERE false"
    )
    made.bench.run(f"CREATE TABLE visits AS {' UNION ALL '.join([empty, *selects])}")


def _smallest(table: Roles, kind: str) -> str:
    column = next(iter(table.of(kind)), None)
    return f"min({column.sql}::VARCHAR)" if column is not None else _NO_TEXT


def _first_told(made: Prepared, columns: Sequence[Col]) -> tuple[str, str]:
    """Return time and precision of the first of these columns that tells one."""
    told = [made.instant(column) for column in columns]
    if not told:
        return _NO_TIME, _NO_TEXT
    return _coalesced([one.time for one in told], ""), _coalesced([one.precision for one in told], "")


def _coalesced(parts: Sequence[str], empty: str) -> str:
    return f"coalesce({', '.join(parts)})" if parts else empty
