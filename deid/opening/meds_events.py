"""Events of the Medical Event Data Standard from prepared tables: one for each released cell that tells something.

docs/formats/meds.md specifies codes, times and columns.
"""

# ruff: noqa: S608 - names in statements are ours or numbered, and every text is quoted by `literal`

from __future__ import annotations

from deid.kinds import KINDS
from deid.opening.prepared import Prepared
from deid.opening.roles import Cell, Roles, Use
from deid.opening.vocabularies import coded, part_of
from deid.opening.workbench import literal

BIRTH, DEATH, VISIT, VISIT_END = "MEDS_BIRTH", "MEDS_DEATH", "VISIT", "VISIT_END"

COLUMNS = {
    "subject_id": "BIGINT",
    "time": "TIMESTAMP",
    "code": "VARCHAR",
    "numeric_value": "FLOAT",
    "text_value": "VARCHAR",
    "unit": "VARCHAR",
    "modifier": "VARCHAR",
    "present_on_admission": "VARCHAR",
    "time_precision": "VARCHAR",
    "visit": "VARCHAR",
    "source_table": "VARCHAR",
    "source_column": "VARCHAR",
}
# How events of one instant are ordered, and what codes.parquet tells of them.
_HIDDEN = {
    "rank": "UTINYINT",
    "tab": "USMALLINT",
    "row": "BIGINT",
    "col": "USMALLINT",
    "kind": "VARCHAR",
    "parent": "VARCHAR",
}
ORDER = "subject_id, time NULLS FIRST, rank, tab, row, col, code"
_RANKS = {Use.BIRTH: 0, Use.DEATH: 6}
_STATIC, _BEGIN, _MIDDLE, _END = 1, 2, 3, 4

_WORDS = {
    "sex": "GENDER",
    "encounter_class": "ENCOUNTER_CLASS",
    "admission_type": "ADMISSION",
    "discharge_status": "DISCHARGE",
}
# Words and numbers that mean something only under the name of their column.
_BY_COLUMN = frozenset({"indicator", "visit_flag", "comorbidity", "comorbidity_score", "part_of_year", "unit",
                        "modifier", "present_on_admission", "charge_amount", "count", "lab_value", "clinical_note",
                        "free_text", "code_description"})  # fmt: skip
_SHORT = {
    "charge_amount": "CHARGE",
    "lab_value": "LAB",
    "clinical_note": "NOTE",
    "free_text": "TEXT",
    "code_description": "DESCRIPTION",
}
# What is known of a visit when it ends, and not before.
_AT_END = frozenset({"drg", "discharge_status", "length_of_stay", "readmission", "comorbidity", "comorbidity_score",
                     "visit_flag", "em_level", "charge_amount"})  # fmt: skip
# A double that no 32-bit float holds would be infinite there.
_LARGEST = "3.4e38"


def make_events(made: Prepared) -> None:
    """Make the table `events` of all prepared tables; raise ReleaseError where DuckDB refuses."""
    columns = ", ".join(f"{name} {kind}" for name, kind in (COLUMNS | _HIDDEN).items())
    made.bench.run(f"CREATE TABLE events ({columns})")
    for table in sorted(
        made.tables, key=lambda table: not table.is_person
    ):  # births are told by the people's own table
        for cell in table.cells:
            if cell.use in (Use.BIRTH, Use.DEATH):
                _insert_once(made, table, cell)
            elif cell.use is not Use.CLASS:
                _insert(made, table, cell)
        if table.is_visit:
            _insert_visits(made, table)


def _insert(made: Prepared, table: Roles, cell: Cell) -> None:
    time, precision = made.time_of(cell)
    rank = _STATIC if table.is_person else _MIDDLE
    if table.is_visit and cell.column.kind in _AT_END:
        time, precision = (
            f"coalesce(end_time, {time})",
            f"CASE WHEN end_time IS NOT NULL THEN end_precision ELSE {precision} END",
        )
        rank = _END
    told = f"{_told(table, cell)} IS NOT NULL"
    if cell.value is not None:
        told = f"({told} OR {cell.value.sql} IS NOT NULL)"
    if cell.use is Use.DATE:
        # A day that stood in for the first one tells no more than the row's time does.
        is_start = cell.column in table.starts and cell.column not in table.ends
        told = (
            f"{time} IS DISTINCT FROM r{table.number}.time AND {time} IS NOT NULL"
            if is_start
            else f"{time} IS NOT NULL"
        )
    code, parent = _code(table, cell)
    number, text = _values(cell)
    made.bench.run(
        f"INSERT INTO events SELECT subject_id, {time}, {code}, {number}, {text},"
        f" {_beside(cell)}, {precision}, visit, {literal(table.name)}, {literal(cell.column.name)},"
        f" {rank}, {table.number}, row, {cell.column.index}, {literal(cell.column.kind)}, {parent}"
        f" FROM r{table.number} WHERE subject_id IS NOT NULL AND {told} AND {made.rows_of(table, cell.column)}"
    )


def _told(table: Roles, cell: Cell) -> str:
    """Return what is null where a cell tells nothing: blanks are no word and no code, and concept 0 is none."""
    if cell.use is Use.CODE:
        return coded(cell, table.name).code
    return f"nullif(trim({cell.column.sql}), '')" if cell.use is Use.WORD else cell.column.sql


def _insert_once(made: Prepared, table: Roles, cell: Cell) -> None:
    """Insert births or deaths: they may stand in every row of some tables, and happened once."""
    time, precision = made.time_of(cell)
    code, _ = _code(table, cell)
    made.bench.run(
        f"INSERT INTO events SELECT subject_id, min({time}), {code}, NULL, NULL, NULL, NULL, NULL,"
        f" min_by({precision}, {time}), NULL, {literal(table.name)}, {literal(cell.column.name)}, {_RANKS[cell.use]},"
        f" {table.number}, 0, {cell.column.index}, {literal(cell.column.kind)}, NULL FROM r{table.number}"
        f" WHERE subject_id IS NOT NULL AND {time} IS NOT NULL"
        f" AND subject_id NOT IN (SELECT subject_id FROM events WHERE code = {code}) GROUP BY subject_id"
    )


def _insert_visits(made: Prepared, table: Roles) -> None:
    cell = next((cell for cell in table.cells if cell.use is Use.CLASS), None)
    column = cell.column.name if cell else table.key.name if table.key else ""
    index = cell.column.index if cell else 0
    for code, time, precision, rank, known in (
        (VISIT, "time", "time_precision", _BEGIN, "true"),
        (VISIT_END, "end_time", "end_precision", _END + 1, "end_time IS NOT NULL"),
    ):
        made.bench.run(
            f"INSERT INTO events SELECT subject_id, {time}, {literal(code)} || coalesce('//' || class, ''), NULL, NULL,"
            f" NULL, NULL, NULL, {precision}, visit, {literal(table.name)}, {literal(column)}, {rank}, tab, row,"
            f" {index}, 'encounter_class', NULL FROM visits WHERE tab = {table.number} AND {known}"
        )


def _code(table: Roles, cell: Cell) -> tuple[str, str]:
    """Return the code of a cell's events, and the same code as OMOP users look it up, both in SQL."""
    column = cell.column
    place = f"{table.name}.{column.name}"
    label = _SHORT.get(column.kind) or _WORDS.get(column.kind) or column.kind.upper()
    if cell.use is Use.BIRTH:
        return literal(BIRTH), "NULL"
    if cell.use is Use.DEATH:
        return literal(DEATH), "NULL"
    if cell.use is Use.DATE:
        return literal(f"DATE//{place}"), "NULL"
    if cell.use is Use.CODE:
        return _vocabulary_code(table, cell)
    named = f"{label}//{place}" if column.kind in _BY_COLUMN or column.kind not in KINDS else label
    if cell.use is Use.WORD:
        return f"{literal(named + '//')} || trim({column.sql}::VARCHAR)", "NULL"
    return literal(named), "NULL"


def _vocabulary_code(table: Roles, cell: Cell) -> tuple[str, str]:
    read = coded(cell, table.name)
    part = part_of(cell.column)
    name = f"upper(replace({read.vocabulary}, ' ', '_'))" if cell.column.kind != "local_code" else read.vocabulary
    code = f"{name} || {literal(f'//{part}//' if part else '//')} || {read.code}"
    if cell.value is not None:  # a result without the code of its test is still a result
        code = f"coalesce({code}, {literal(f'LAB//{table.name}.{cell.value.name}')})"
    is_public = part is None and cell.column.kind not in ("local_code", "omop_concept", "betos")
    parent = f"{read.vocabulary} || '/' || {read.code}" if is_public else "NULL"
    return code, parent


def _values(cell: Cell) -> tuple[str, str]:
    """Return numeric_value and text_value of a cell's events."""
    column = cell.value or cell.column
    if cell.use is Use.NUMBER:
        number = f"CASE WHEN abs({column.sql}) <= {_LARGEST} THEN {column.sql}::FLOAT END"
        return number, f"CASE WHEN abs({column.sql}) > {_LARGEST} THEN {column.sql}::VARCHAR END"
    if cell.use is Use.LAB or cell.value is not None:
        if column.is_number:
            return f"{column.sql}::FLOAT", "NULL"
        number = f"TRY_CAST(trim({column.sql}) AS DOUBLE)"
        fits = f"abs({number}) <= {_LARGEST}"
        return f"CASE WHEN {fits} THEN {number}::FLOAT END", f"CASE WHEN {fits} THEN NULL ELSE {column.sql} END"
    return "NULL", column.sql if cell.use is Use.TEXT else "NULL"


def _beside(cell: Cell) -> str:
    unit = f"{cell.unit.sql}::VARCHAR" if cell.unit else "NULL"
    modifiers = (
        f"nullif(concat_ws(',', {', '.join(column.sql for column in cell.modifiers)}), '')"
        if cell.modifiers
        else "NULL"
    )
    present = f"{cell.present.sql}::VARCHAR" if cell.present else "NULL"
    return f"{unit}, {modifiers}, {present}"


def described(made: Prepared) -> dict[str, str]:
    """Return what the codes of a cell mean, by code where it has one code only: those of numbers, texts and days."""
    words = {
        BIRTH: "birth of the patient, at the precision of the event",
        DEATH: "death of the patient, at the precision of the event",
        VISIT: "a visit begins",
        VISIT_END: "a visit ends",
    }
    for table in made.tables:
        for cell in table.cells:
            if cell.use in (Use.NUMBER, Use.LAB, Use.TEXT, Use.DATE):
                words[_code(table, cell)[0][1:-1].replace("''", "'")] = cell.column.meaning
    return words
