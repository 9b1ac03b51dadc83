"""OMOP CDM, CMS IDR, RIF and DE-SynPUF as sites write them: any case, floats for numbers, birth days in three columns."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny_sources import LIMITED, SAFE, World, rows_of

from deid.cells.values import parse
from deid.errors import DocumentError, SourceError
from deid.kinds import KINDS
from deid.schema import Column, Table
from deid.sources import load_dataset, open_source
from deid.sources.composed import _cells
from deid.sources.spelling import BUILT_IN, built_in

CELL = "Zzyzx-7731"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One site for the runs of this module."""
    return World(tmp_path_factory.mktemp("tabular") / "site")


def described(folder: Path, content: dict[str, Any]) -> Path:
    """Write a description; return its path."""
    path = folder / "d.yaml"
    path.write_text(json.dumps({"dataset": "d", **content}))
    return path


def files(folder: Path, tables: dict[str, str], *, delimiter: str = ",", mark: str = "") -> None:
    """Write drawn tables as text; names of tables are names of files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in tables.items():
        lines = [delimiter.join(row) for row in rows_of(text)]
        (folder / name).write_text(mark + "\n".join(lines) + "\n", encoding="utf-8")


def read(path: Path, table: str, columns: list[str]) -> list[dict[str, Any]]:
    """Return the parsed rows of a table."""
    dataset = load_dataset(path)
    source = open_source(dataset)
    source.check({table: columns})
    kinds = dataset.table(table)
    assert kinds is not None
    batches = list(source.read(table, columns))
    assert all(batch.schema.names == columns for batch in batches)
    parsed = {n: [v for b in batches for v in parse(kinds.column(n), b.column(n))[0].to_pylist()] for n in columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*parsed.values(), strict=True)]


# Names in any case

PEOPLE = {"id": "patient_id", "sex": "sex", "zip": "zip_code"}
HEADERS = {
    "as described": "id,sex,zip",
    "capitals": "ID,SEX,ZIP",
    "mixed, another order": "Zip,iD,Sex",
    "blanks": "id ,sex, zip",
    "byte order mark": "\ufeffID,SEX,ZIP",
}


def people(folder: Path, *, path: str = "people.csv", case: str = "any", kind: str = "csv") -> Path:
    """Describe one table of people."""
    table = {"path": path, "patient": "id", "columns": PEOPLE}
    return described(folder, {"format": kind, "case": case, "tables": {"patients": table}})


@pytest.mark.parametrize("form", sorted(HEADERS))
@pytest.mark.parametrize("file", ["people.csv", "PEOPLE.CSV", "People.csv"])
def test_names_of_files_and_columns_are_matched_in_any_case(tmp_path: Path, form: str, file: str) -> None:
    """With `case: any` letters may be large or small; what comes bears the described names in the asked order."""
    header = HEADERS[form]
    cells = {"id": "p1", "sex": "F", "zip": "02139"}
    row = ",".join(cells[name.strip("\ufeff ").lower()] for name in header.split(","))
    (tmp_path / file).write_text(f"{header}\n{row}\n", encoding="utf-8")
    assert read(people(tmp_path), "patients", ["zip", "id", "sex"]) == [{"zip": "02139", "id": "p1", "sex": "F"}]


def test_parquet_names_are_matched_in_any_case(tmp_path: Path) -> None:
    """So are the columns of a Parquet file, and its name."""
    pq.write_table(pa.table({"SEX": ["F"], "Id": [12], "ZIP": ["02139"]}), tmp_path / "People.PARQUET")
    path = people(tmp_path, path="people.parquet", kind="parquet")
    assert read(path, "patients", ["id", "zip"]) == [{"id": "12", "zip": "02139"}]


def test_without_the_option_case_counts(tmp_path: Path) -> None:
    """Names are compared letter by letter where the description does not say otherwise."""
    (tmp_path / "people.csv").write_text("ID,sex,zip\np1,F,02139\n")
    with pytest.raises(SourceError, match="id is missing"):
        read(people(tmp_path, case="exact"), "patients", ["id"])


def test_a_header_with_one_name_in_two_cases_is_refused(tmp_path: Path) -> None:
    """Which of `id` and `ID` was meant nobody can tell; no cell is shown."""
    (tmp_path / "people.csv").write_text(f"id,ID,sex,zip\n{CELL},{CELL},F,02139\n")
    with pytest.raises(SourceError, match="more than once: id") as caught:
        read(people(tmp_path), "patients", ["id"])
    assert CELL not in str(caught.value)


def test_two_files_whose_names_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    """Either could be the table's."""
    for name in ("people.csv", "People.csv"):
        (tmp_path / name).write_text("id,sex,zip\n")
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system knows no case")
    with pytest.raises(DocumentError, match="two files"):
        load_dataset(people(tmp_path))


def test_a_pattern_of_files_is_matched_in_any_case(tmp_path: Path) -> None:
    """`*` in a name and large letters go together, and files whose names differ elsewhere are all read."""
    for name in ("PEOPLE-1.csv", "people-2.CSV"):
        (tmp_path / name).write_text(f"id,sex,zip\n{name[7]},F,02139\n")
    rows = read(people(tmp_path, path="people-*.csv"), "patients", ["id"])
    assert rows == [{"id": "1"}, {"id": "2"}]


def test_described_columns_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    """What a user writes over a built-in column in other letters would be a second column."""
    table = {"columns": {"CONDITION_SOURCE_VALUE": "icd10cm"}}
    (tmp_path / "person.csv").write_text("person_id\n1\n")
    content = {"format": "omop_cdm", "tables": {"condition_occurrence": table}}
    with pytest.raises(DocumentError, match="differ in case only") as caught:
        load_dataset(described(tmp_path, content))
    assert "as that spells it" in (caught.value.hint or "")


# Whole numbers

WHOLE = """
written      read
12           12
12.0         12
12.          12
12.000       12
-1000006.0   -1000006
012          012
12.5         12.5
1.2.0        1.2.0
A12.0        A12.0
"""


@pytest.mark.parametrize(("written", "meant"), rows_of(WHOLE)[1:])
def test_a_whole_number_written_as_a_float_is_the_whole_number(written: str, meant: str) -> None:
    """A key is one key however a data frame wrote it; what is no whole number stays as it is."""
    column = Column("id", KINDS["encounter_id"], whole=True)
    for cells in (pa.array([written, None]), pa.array([written, None]).dictionary_encode()):
        assert parse(column, cells)[0].to_pylist() == [meant, None]
    assert parse(Column("id", KINDS["encounter_id"]), pa.array([written]))[0].to_pylist() == [written]


def test_concepts_are_whole_and_codes_are_not() -> None:
    """A concept id 8507.0 is 8507; the ICD-9 code 250.0 is another code than 250."""
    assert parse(Column("c", KINDS["omop_concept"]), pa.array(["8507.0"]))[0].to_pylist() == ["8507"]
    assert parse(Column("c", KINDS["icd9cm"]), pa.array(["250.0"]))[0].to_pylist() == ["250.0"]


# Columns of several parts


def composed(kind: str, cells: list[pa.Array], kinds: list[str]) -> list[Any]:
    """Return the cells of a column put together of these, parsed; "bad" where one is bad."""
    names = [f"part{n}" for n in range(len(cells))]
    made = Column("made", KINDS[kind], parts=tuple(names))
    parts = [Column(name, KINDS[each]) for name, each in zip(names, kinds, strict=True)]
    table = Table("t", "t.csv", (made, *parts))
    values, bad = parse(made, _cells(table, "made", pa.RecordBatch.from_arrays(cells, names=names)))
    return ["bad" if flag else value for value, flag in zip(values.to_pylist(), bad, strict=True)]


BORN = ["year", "part_of_year", "part_of_year"]
DAYS = st.dates(date(1800, 1, 1), date(2200, 12, 31))


@settings(max_examples=40, deadline=None)
@given(st.lists(DAYS, min_size=1, max_size=5), st.sampled_from(["text", "dictionary", "int", "float"]))
def test_a_day_of_birth_in_three_columns_is_that_day(days: list[date], form: str) -> None:
    """Years, months and days, as text or numbers, give the date that they were taken from."""
    numbers = [pa.array([getattr(day, part) for day in days]) for part in ("year", "month", "day")]
    forms = {
        "text": lambda cells: cells.cast(pa.string()),
        "dictionary": lambda cells: cells.cast(pa.string()).dictionary_encode(),
        "int": lambda cells: cells,
        "float": lambda cells: cells.cast(pa.float64()),
    }
    assert composed("birth_date", [forms[form](cells) for cells in numbers], BORN) == days


PARTS = """
year   month  day  is
1950   2      28   1950-02-28
1950   -      -    1950-01-01
1950   7      -    1950-07-01
1950   -      15   1950-01-01
1950.0 7.0    3.0  1950-07-03
-      7      3    -
1950   2      30   bad
1950   13     1    bad
1950   x      1    bad
abc    1      1    bad
50     1      1    bad
"""


@pytest.mark.parametrize("row", rows_of(PARTS)[1:], ids=" ".join)
def test_an_unknown_day_of_birth_is_the_earliest_that_it_can_be(row: list[str]) -> None:
    """Nobody is taken for younger than he or she may be; what is no day makes a bad cell."""
    cells = [pa.array([cell or None], pa.string()) for cell in row[:3]]
    (found,) = composed("birth_date", cells, BORN)
    assert str(found or "") == row[3]


TEXTS = st.text(st.sampled_from("a1|\\"), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(st.tuples(TEXTS, TEXTS), st.tuples(TEXTS, TEXTS))
@example(("a|", "b"), ("a", "|b"))
@example(("a\\", "|b"), ("a", "\\|b"))
def test_different_parts_never_give_one_key(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Two claims have one key only where all parts are the same."""
    cells = [pa.array(pair) for pair in zip(one, other, strict=True)]
    first, second = composed("claim_id", cells, ["unique_id", "unique_id"])
    assert (first == second) == (one == other)


def test_a_key_with_a_missing_part_is_no_key() -> None:
    """Null where one part is null or blank, so that such rows never join each other."""
    cells = [pa.array(["1", "1", None]), pa.array(["2", " ", "2"])]
    assert composed("claim_id", cells, ["unique_id", "unique_id"]) == ["1|2", None, None]


WRONG_PARTS = {
    "two parts of a date": ({"kind": "birth_date", "parts": ["y", "m"]}, "three: year, month, day"),
    "one part of a key": ({"kind": "claim_id", "parts": ["y"]}, "at least two"),
    "of a kind that is neither": ({"kind": "sex", "parts": ["y", "m"]}, "make a date"),
    "not described": ({"kind": "birth_date", "parts": ["y", "m", "nowhere"]}, "another described column"),
    "itself": ({"kind": "claim_id", "parts": ["y", "made"]}, "another described column"),
    "twice the same": ({"kind": "birth_date", "parts": ["y", "m", "m"]}, "stands twice"),
    "with a date format": ({"kind": "birth_date", "date_format": "%Y%m%d", "parts": ["y", "m", "e"]}, "no date_format"),
}


@pytest.mark.parametrize("case", sorted(WRONG_PARTS))
def test_parts_that_cannot_be_put_together_are_refused(tmp_path: Path, case: str) -> None:
    """The description is refused, with the place and what to read."""
    column, said = WRONG_PARTS[case]
    columns = {"id": "patient_id", "y": "year", "m": "part_of_year", "e": "part_of_year", "made": column}
    table = {"path": "t.csv", "patient": "id", "columns": columns}
    with pytest.raises(DocumentError, match=said) as caught:
        load_dataset(described(tmp_path, {"format": "csv", "tables": {"patients": table}}))
    assert "patients.made" in caught.value.message
    assert caught.value.hint


def test_a_file_that_holds_a_composed_column_is_refused(tmp_path: Path) -> None:
    """A column of that name in the file is nothing that anybody described."""
    columns = {"id": "patient_id", "y": "year", "m": "part_of_year", "e": "part_of_year"}
    columns |= {"made": {"kind": "birth_date", "parts": ["y", "m", "e"]}}  # type: ignore[dict-item]
    (tmp_path / "t.csv").write_text("id,y,m,e,made\n1,1950,1,1,1950-01-01\n")
    table = {"path": "t.csv", "patient": "id", "columns": columns}
    with pytest.raises(SourceError, match="not described: made"):
        read(described(tmp_path, {"format": "csv", "tables": {"patients": table}}), "patients", ["made"])


# OMOP CDM

OMOP = {
    "PERSON.csv": """
        PERSON_ID  GENDER_CONCEPT_ID YEAR_OF_BIRTH MONTH_OF_BIRTH DAY_OF_BIRTH BIRTH_DATETIME RACE_CONCEPT_ID LOCATION_ID PERSON_SOURCE_VALUE
        1000001    8532.0            1987          3              29           -              8527.0          50.0        SENTINEL-MRN-1
        1000002    8507              1930          -              -            -              2000000008      -           SENTINEL-MRN-2
        -1000003   8532              1960          5              6            1960-05-06     38003572        -           SENTINEL-MRN-3
    """,
    "VISIT_OCCURRENCE.csv": """
        visit_occurrence_id person_id visit_concept_id visit_start_date visit_end_date visit_source_value
        7000001             1000001   9201             2024-07-23       2024-07-25     SENTINEL-CSN-1
        7000002             1000002   9202             2024-01-10       2024-01-10     SENTINEL-CSN-2
    """,
    "condition_occurrence.csv": """
        condition_occurrence_id person_id visit_occurrence_id condition_concept_id condition_start_date condition_source_value
        1                       1000001   7000001.0           201826.0             2024-07-23           Quixwerble
        2                       1000002   7000002             2000000001           2024-01-10           E11.9
        3                       1000002   -                   0                    2023-02-10           I10
    """,
    "death.csv": """
        person_id death_date
        1000002   1929-12-31
    """,
    "location.csv": """
        location_id address_1     city   state zip   county
        50          12_Elm_Street Boston MA    2139  Suffolk
        51          1_Care_Way    Salem  MA    01970 Essex
    """,
}
ASKED = {
    "person": ["person_id", "birth_date", "year_of_birth", "gender_concept_id", "race_concept_id", "location_id"],
    "visit_occurrence": [
        "visit_occurrence_id",
        "person_id",
        "visit_concept_id",
        "visit_start_date",
        "visit_source_value",
    ],
    "condition_occurrence": ["person_id", "visit_occurrence_id", "condition_concept_id", "condition_source_value"],
    "death": ["person_id", "death_date"],
    "location": ["location_id", "state", "zip", "city"],
}


def omop(world: World, name: str, *, parquet: bool = False, **fields: Any) -> Path:
    """Write the drawn OMOP tables into a folder of their own, and describe them."""
    folder = world.folder / name
    files(folder, {**OMOP, **fields.pop("changed", {})}, mark="\ufeff")
    if parquet:
        _as_parquet(folder)
    return described(folder, {"format": "omop_cdm_parquet" if parquet else "omop_cdm", **fields})


def _as_parquet(folder: Path) -> None:
    """Turn text into Parquet as data frames would: whole numbers, and floats where a cell is missing."""
    for path in folder.glob("*.csv"):
        names, *rows = (line.split(",") for line in path.read_text(encoding="utf-8-sig").splitlines())
        columns = [_typed(list(values)) for values in zip(*rows, strict=True)]
        pq.write_table(pa.table(dict(zip(names, columns, strict=True))), path.with_suffix(".parquet"))
        path.unlink()


def _typed(values: list[str]) -> pa.Array:
    try:
        numbers = [float(value) if value else None for value in values]
    except ValueError:
        return pa.array([value or None for value in values])
    has_nulls = any(number is None for number in numbers)
    return pa.array(numbers, pa.float64()) if has_nulls else pa.array([int(number or 0) for number in numbers])


def by(rows: list[dict[str, Any]], column: str) -> dict[Any, list[dict[str, Any]]]:
    """Return rows by the value of a column."""
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row[column], []).append(row)
    return found


@pytest.mark.parametrize("parquet", [False, True], ids=["text", "parquet"])
def test_omop_is_released_whatever_the_case_and_the_spelling_of_numbers(world: World, parquet: bool) -> None:
    """Keys join across `7000001`, `7000001.0` and whole numbers of Parquet, and nothing identifying is left."""
    path = omop(world, f"omop-{parquet}", parquet=parquet)
    out = world.released(path, ASKED, policy=LIMITED)
    persons = by(out["person"], "birth_date")
    assert set(persons) == {date(1987, 3, 29), date(1930, 1, 1), date(1960, 5, 6)}
    first, second = persons[date(1987, 3, 29)][0], persons[date(1930, 1, 1)][0]
    assert [first["gender_concept_id"], first["race_concept_id"]] == ["8532", "8527"]
    assert [second["gender_concept_id"], second["race_concept_id"]] == ["8507", None]  # a local concept
    visits = by(out["visit_occurrence"], "person_id")
    assert set(visits) == {first["person_id"], second["person_id"]}  # the third has none
    conditions = by(out["condition_occurrence"], "visit_occurrence_id")
    assert len(conditions) == 3
    at_visit = conditions[visits[first["person_id"]][0]["visit_occurrence_id"]][0]
    assert at_visit["person_id"] == first["person_id"]
    assert at_visit["condition_concept_id"] == "201826"
    assert {row["condition_concept_id"] for row in out["condition_occurrence"]} == {"201826", None, "0"}
    assert out["death"][0]["death_date"] == date(1929, 12, 31)  # before birth: a fault of the source, not of ours
    # Where nobody lives is a care site, and left out.
    assert out["location"] == [{"location_id": first["location_id"], "state": "MA", "zip": "02139", "city": "Boston"}]
    assert "SENTINEL" not in json.dumps(out, default=str)


@pytest.mark.parametrize("policy", [SAFE, LIMITED])
def test_a_source_value_of_no_named_system_does_not_leave(world: World, policy: str) -> None:
    """What a site typed is free text until somebody says of which system it is, and then has its shape."""
    plain = omop(world, f"omop-plain-{policy}")
    assert "condition_source_value" not in world.released(plain, ASKED, policy=policy)["condition_occurrence"][0]
    described = {"condition_occurrence": {"columns": {"condition_source_value": "icd10cm"}}}
    named = omop(world, f"omop-named-{policy}", tables=described)
    out = world.released(named, ASKED, policy=policy)
    assert {row["condition_source_value"] for row in out["condition_occurrence"]} == {"E11.9", "I10", None}


def test_who_is_over_89_is_closed_by_a_birth_day_of_three_columns(world: World) -> None:
    """Safe Harbor writes the floor year for birth date and year of birth alike; month and day do not leave."""
    asked = ASKED | {"person": [*ASKED["person"], "month_of_birth", "day_of_birth", "birth_datetime"]}
    out = world.released(omop(world, "omop-old"), asked, policy=SAFE)
    persons = {row["birth_date"]: row for row in out["person"]}
    assert set(persons) == {1987, 1937}  # the third person has no visit
    assert persons[1937]["year_of_birth"] == 1937
    assert persons[1937]["birth_datetime"] is None
    assert not {"month_of_birth", "day_of_birth"} & set(persons[1937])


def test_the_age_of_a_visit_comes_of_a_birth_day_of_three_columns(world: World) -> None:
    """Ages are computed where `birth_datetime` is empty, and closed at 90."""
    out = world.released(omop(world, "omop-age"), ASKED, policy=SAFE, derive=["age_at_visit"])
    assert sorted(row["age_at_visit"] for row in out["visit_occurrence"]) == [37, 90]


def test_a_second_row_for_one_person_is_refused(world: World) -> None:
    """OMOP has one row for each person; which of two is true nobody can tell."""
    twice = OMOP["PERSON.csv"] + "\n        1000001.0  8507 1950 1 1 - 8527 50 SENTINEL-MRN-9"
    with pytest.raises(SourceError, match="second row for one patient") as caught:
        world.released(omop(world, "omop-twice", changed={"PERSON.csv": twice}), ASKED)
    assert "SENTINEL" not in str(caught.value)


def test_a_location_that_two_persons_share_is_refused(world: World) -> None:
    """Its row would be one person's, and go or stay with that one; without the location the rest is released."""
    shared = OMOP["PERSON.csv"].replace("2000000008      - ", "2000000008      50")
    path = omop(world, "omop-shared", changed={"PERSON.csv": shared})
    with pytest.raises(SourceError, match="1 keys, by which location reaches its patient"):
        world.released(path, ASKED)
    out = world.released(path, {name: columns for name, columns in ASKED.items() if name != "location"})
    assert len(out["person"]) == 3


def test_readmissions_are_found_where_visits_are_classes(world: World) -> None:
    """`visit_concept_id` as encounter_class: 9201 and 262 are inpatient, and another concept than 262 and 9201-9203 is null."""
    visits = """
        visit_occurrence_id person_id visit_concept_id visit_start_date visit_end_date
        1                   1000001   9201             2024-07-20       2024-07-25
        2                   1000001   262              2024-08-10       2024-08-12
        3                   1000001   581476           2024-09-01       2024-09-01
    """
    path = omop(
        world,
        "omop-readmitted",
        changed={"VISIT_OCCURRENCE.csv": visits},
        tables={"visit_occurrence": {"columns": {"visit_concept_id": "encounter_class"}}},
    )
    asked = {"person": ["person_id"], "visit_occurrence": ["person_id", "visit_concept_id", "visit_start_date"]}
    out = world.released(path, asked, derive=["readmitted_30d"])
    found = {str(row["visit_start_date"]): row for row in out["visit_occurrence"]}
    assert [found[day]["visit_concept_id"] for day in sorted(found)] == ["9201", "262", None]
    assert [found[day]["readmitted_30d"] for day in sorted(found)][:2] == ["yes", "no"]


def test_both_omop_formats_have_the_same_tables() -> None:
    """Text and Parquet are one description; only the names of files differ."""
    text, parquet = built_in("omop_cdm"), built_in("omop_cdm_parquet")
    assert text.columns == parquet.columns
    assert [table.path for table in parquet.raw.tables.values()] == [
        str(table.path).replace(".csv", ".parquet") for table in text.raw.tables.values()
    ]
    assert BUILT_IN["omop_cdm"], BUILT_IN["omop_cdm_parquet"] == ("csv", "parquet")


# CMS

IDR = {
    "BENE_HSTRY.csv": """
        BENE_SK BENE_LAST_NAME BENE_BRTH_DT BENE_SEX_CD GEO_ZIP5_CD BENE_RACE_CD IDR_TRANS_OBSLT_TS
        900001  Quixwerble     1950-03-04   2           2351        1            9999-12-31T00:00:00.000000
        900001  Zandobrith     1950-03-04   2           10001       1            2024-12-25T00:00:00.000000
        900002  Zandobrith     1960-03-04   1           77551       ~            9999-12-31T00:00:00.000000
    """,
    "CLM.csv": """
        GEO_BENE_SK CLM_DT_SGNTR_SK CLM_TYPE_CD CLM_NUM_SK CLM_UNIQ_ID BENE_SK CLM_FROM_DT CLM_BLG_PRVDR_NPI_NUM
        02351       8001            60          1          0000000001  900001  2024-03-01  1548226988.0
        02351       8001            1041        1          0000000002  900001  2024-03-05  1548226988
        77551       8001            60          1          0000000003  900002  2026-03-01  1548226988
    """,
    "CLM_PROD.csv": """
        GEO_BENE_SK CLM_DT_SGNTR_SK CLM_TYPE_CD CLM_NUM_SK CLM_DGNS_CD CLM_PRCDR_CD CLM_PRCDR_PRFRM_DT CLM_POA_IND
        02351       8001            60          1          E119        -            -                  ~
        02351       8001            60          1          -           5A1D70Z      2024-03-02         Y
        02351       8001            1041        1          I10         -            -                  N
        77551       8001            60          1          J449        -            -                  Y
    """,
}
IDR_ASKED = {
    "beneficiaries": ["BENE_SK", "BENE_BRTH_DT", "BENE_SEX_CD", "BENE_RACE_CD", "GEO_ZIP5_CD", "IDR_TRANS_OBSLT_TS"],
    "claims": ["BENE_SK", "claim_key", "CLM_UNIQ_ID", "CLM_TYPE_CD", "CLM_FROM_DT", "CLM_BLG_PRVDR_NPI_NUM"],
    "claim_codes": ["claim_key", "CLM_DGNS_CD", "CLM_PRCDR_CD", "CLM_POA_IND"],
}


def idr(world: World, name: str, **changed: str) -> Path:
    """Write the drawn IDR tables, and describe them."""
    files(world.folder / name, {**IDR, **{f"{table}.csv": text for table, text in changed.items()}})
    return described(world.folder / name, {"format": "cms_idr"})


def test_codes_of_a_claim_are_found_by_its_four_columns(world: World) -> None:
    """Codes go with the claim whose signature, type, place and number they bear; of two versions of one the first counts."""
    out = world.released(idr(world, "idr"), IDR_ASKED)
    assert sorted(str(row["GEO_ZIP5_CD"]) for row in out["beneficiaries"]) == ["02351", "77551"]
    assert {row["IDR_TRANS_OBSLT_TS"] for row in out["beneficiaries"]} == {None}  # never obsolete
    types = {row["claim_key"]: row["CLM_TYPE_CD"] for row in out["claims"]}
    assert sorted(types.values()) == ["1041", "60", "60"]
    codes = by(out["claim_codes"], "claim_key")
    assert set(codes) == set(types)
    assert sorted((types[key], row["CLM_DGNS_CD"] or row["CLM_PRCDR_CD"]) for key in codes for row in codes[key]) == [
        ("1041", "I10"), ("60", "5A1D70Z"), ("60", "E119"), ("60", "J449"),
    ]  # fmt: skip
    assert {row["CLM_BLG_PRVDR_NPI_NUM"] for row in out["claims"]} == {"1548226988"}


def test_codes_without_a_day_wait_with_their_claim(world: World) -> None:
    """Safe Harbor leaves out a claim of the running year and its undated codes, and no other."""
    out = world.released(idr(world, "idr-safe"), IDR_ASKED, policy=SAFE)
    assert sorted(row["CLM_FROM_DT"] for row in out["claims"]) == [2024, 2024]
    assert sorted(row["CLM_DGNS_CD"] or row["CLM_PRCDR_CD"] for row in out["claim_codes"]) == ["5A1D70Z", "E119", "I10"]
    assert [row["GEO_ZIP5_CD"] for row in out["beneficiaries"]] == ["023"]


def test_codes_whose_claim_is_not_there_are_refused(world: World) -> None:
    """A key that differs in one of its columns leads to nobody; the message counts and shows no cell."""
    astray = IDR["CLM_PROD.csv"] + f"\n        02351 {CELL} 60 1 I10 - - Y"
    with pytest.raises(SourceError, match="no such patient") as caught:
        world.released(idr(world, "idr-astray", CLM_PROD=astray), IDR_ASKED)
    assert CELL not in str(caught.value)


PUF = {
    "DE1_0_2008_Beneficiary_Summary_File_Sample_1.csv": """
        DESYNPUF_ID BENE_BIRTH_DT BENE_DEATH_DT BENE_SEX_IDENT_CD BENE_HI_CVRAGE_TOT_MONS
        00AA        19230501      -             1                 12
        00AB        19400601      20080801      2                 8
    """,
    "DE1_0_2009_Beneficiary_Summary_File_Sample_1.csv": """
        DESYNPUF_ID BENE_BIRTH_DT BENE_DEATH_DT BENE_SEX_IDENT_CD BENE_HI_CVRAGE_TOT_MONS
        00AA        19230501      20090301      1                 3
        00AC        19500101      -             2                 12
    """,
    "DE1_0_2008_to_2010_Prescription_Drug_Events_Sample_1.csv": """
        DESYNPUF_ID PDE_ID   SRVC_DT  PROD_SRVC_ID QTY_DSPNSD_NUM DAYS_SUPLY_NUM
        00AA        99000001 20080203 00378043201  30.000         30
        00AC        99000002 20090707 00378043201  10.000         10
    """,
}


def test_one_beneficiary_stands_in_the_summaries_of_several_years(world: World) -> None:
    """The first year's row is the population's; later years are tables of their own; days are written yyyymmdd."""
    files(world.folder / "puf", PUF)
    path = described(world.folder / "puf", {"format": "desynpuf"})
    asked = {
        "beneficiaries": ["DESYNPUF_ID", "BENE_BIRTH_DT", "BENE_DEATH_DT"],
        "summary_2009": ["DESYNPUF_ID", "BENE_DEATH_DT"],
        "prescriptions": ["DESYNPUF_ID", "SRVC_DT", "PROD_SRVC_ID"],
    }
    out = world.released(path, asked)
    assert {row["BENE_BIRTH_DT"]: row["BENE_DEATH_DT"] for row in out["beneficiaries"]} == {
        date(1923, 5, 1): None,
        date(1940, 6, 1): date(2008, 8, 1),
        date(1950, 1, 1): None,
    }
    assert [row["BENE_DEATH_DT"] for row in out["summary_2009"]] in ([date(2009, 3, 1), None], [None, date(2009, 3, 1)])
    closed = world.released(path, asked, policy=SAFE)
    assert {row["BENE_BIRTH_DT"] for row in closed["beneficiaries"]} == {1937, 1950}
    assert {row["SRVC_DT"] for row in closed["prescriptions"]} == {2008, 2009}


def test_every_column_of_the_public_codebooks_is_described() -> None:
    """The numbers of variables of DE-SynPUF are those of its codebook, and OMOP has the tables of version 5.4."""
    columns = built_in("desynpuf").columns
    counted = {name: len(found) for name, found in columns.items()}
    assert counted == {
        "beneficiaries": 32, "summary_2009": 32, "summary_2010": 32, "inpatient": 81, "outpatient": 76, "carrier": 142,
        "prescriptions": 8,
    }  # fmt: skip
    omop_tables = built_in("omop_cdm").columns
    assert len(omop_tables) == 39
    assert sum(len(found) for found in omop_tables.values()) == 433
