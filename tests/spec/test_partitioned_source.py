"""Parquet in folders that are named by the values of columns, as a lake keeps it, read as one table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lakes import PEOPLE, SOME, Row, lake
from refusals import assert_no_sentinel_on_disk, assert_silent
from spark_engine import InProcess, cut_small, outcome, twins
from tiny_sources import LIMITED, World

from deid.describing.describe import draft
from deid.errors import DeidError, DocumentError
from deid.sources import open_source
from deid.sources.description import load_dataset
from deid.staged_tables import Run


def read(dataset: Path, columns: tuple[str, ...] = ("PATIENT", "CLASS", "STATE", "WARD")) -> list[tuple[Any, ...]]:
    """Return every row of the visits."""
    batches = open_source(load_dataset(dataset)).read("visits", list(columns))
    return [row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]


VALUES = st.none() | st.sampled_from(["NY", "a b", "100%", "x=y", "ö/Ä", "2024-01-01", "%41"])
ROWS = st.lists(
    st.tuples(st.sampled_from(PEOPLE), st.sampled_from(["inpatient", "ambulatory"]), VALUES, VALUES), min_size=1
)


@given(rows=ROWS, size=st.sampled_from([1, 10**9]))
@settings(max_examples=40, deadline=None)
def test_folders_give_the_rows_that_one_file_would(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], size: int
) -> None:
    """Whatever the values, each row has those of its folders; its splits hold all rows in order, under one digest."""
    dataset = lake(tmp_path_factory.mktemp("lake"), rows)
    found = read(dataset)
    assert sorted(found, key=repr) == sorted(rows, key=repr)
    assert read(dataset, ("STATE",)) == [row[2:3] for row in found]
    whole, parts = open_source(load_dataset(dataset)), open_source(load_dataset(dataset))
    list(whole.read("visits", ["PATIENT"]))
    with cut_small(size):
        splits = parts.splits("visits")
    cut = [batch for split in splits for batch in parts.read("visits", ["PATIENT", "WARD"], split)]
    assert [p for batch in cut for p in batch.column(0).to_pylist()] == [row[0] for row in found]
    assert [w for batch in cut for w in batch.column(1).to_pylist()] == [row[3] for row in found]
    assert parts.digests["visits"] == whole.digests["visits"]


def test_a_folder_that_is_renamed_is_another_source(tmp_path: Path) -> None:
    """The digest is of what folders say too, and a part that was cut before is refused."""
    dataset = lake(tmp_path, SOME)
    before = open_source(load_dataset(dataset))
    list(before.read("visits", ["PATIENT"]))
    first = next(split for split in before.splits("visits"))
    (tmp_path / "visits" / "STATE=CA").rename(tmp_path / "visits" / "STATE=AL")
    after = open_source(load_dataset(dataset))
    list(after.read("visits", ["PATIENT"]))
    assert after.digests["visits"] != before.digests["visits"]
    with pytest.raises(DeidError, match="changed while it was read"):
        list(after.read("visits", ["PATIENT"], first))


def release(world: World, dataset: Path) -> Any:
    """Return the outcome of an export of the lake."""
    asked = {"patients": ["ID", "SEX"], "visits": ["PATIENT", "CLASS", "STATE"]}
    return world.request(dataset, asked, policy=LIMITED)


def test_a_lake_is_exported_alike_by_one_process_and_by_tasks(tmp_path: Path) -> None:
    """States are released from the names of folders, rule by rule like any column."""
    world = World(tmp_path / "site")
    request = release(world, lake(world.folder / "lake", SOME))
    with cut_small(1):
        alone, together = twins(world.site, request, InProcess())
    assert alone.refusal is None
    assert sum(alone.rows["visits"].values()) == len(SOME)
    assert any("'STATE': 'NY'" in row for row in alone.rows["visits"])
    assert (together.rows, together.documents) == (alone.rows, alone.documents)


Damage = Callable[[Path], object]
WRONG: dict[str, tuple[Damage, str]] = {
    "a level too few": (lambda v: (v / "STATE=NY" / "WARD=w1" / "part-0.parquet").rename(v / "STATE=NY" / "x.parquet"),
                        "another depth"),
    "a level too many": (lambda v: (v / "STATE=NY" / "WARD=w1" / "DAY=SENTINEL-PAT-1").mkdir(), "another depth"),
    "another column": (lambda v: (v / "STATE=NY").rename(v / "MRN=SENTINEL-PAT-1"), "not called STATE="),
    "no column": (lambda v: (v / "STATE=NY").rename(v / "SENTINEL-PAT-1"), "not called STATE="),
    "no text": (lambda v: (v / "STATE=NY").rename(v / "STATE=%FFSENTINEL-PAT-1"), "a value of STATE that is not utf-8"),
    "a link out": (lambda v: (v / "STATE=SENTINEL-PAT-1").symlink_to("/tmp"), "leads out"),
    "a link to nowhere": (lambda v: (v / "STATE=SENTINEL-PAT-1").symlink_to("nowhere"), "leads nowhere"),
    "an empty file": (lambda v: (v / "STATE=NY" / "WARD=w1" / "part-9.parquet").touch(), "is empty"),
    "a damaged file": (lambda v: (v / "STATE=NY" / "WARD=w1" / "part-9.parquet").write_bytes(b"PAR1 no"), "not a whole"),
    "in the file too": (lambda v: pq.write_table(pa.table({"PATIENT": ["p1"], "CLASS": ["x"], "STATE": ["CA"]}),
                                                 v / "STATE=NY" / "WARD=w1" / "part-9.parquet"), "stand in the file too"),
}  # fmt: skip


def refusal(world: World, request: Path) -> str:
    """Return what a run is refused with, when it is planned or later; empty where it is not."""
    try:
        told = outcome(world.site, request, Run)
    except DeidError as error:
        return str(error)
    return told.refusal[1] if told.refusal is not None else ""


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_no_folder_of_the_table_is_refused_without_its_name(tmp_path: Path, fault: str) -> None:
    """Names of folders are cells: no message shows one, and nothing is left."""
    world = World(tmp_path / "site")
    damage, words = WRONG[fault]
    dataset = lake(world.folder / "lake", SOME)
    request = release(world, dataset)
    damage(dataset.parent / "visits")
    said = refusal(world, request)
    assert words in said
    assert_silent(said)
    assert_no_sentinel_on_disk(world)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"partitioned_by": ["YEAR"]}, "described once"),
        ({"partitioned_by": ["STATE", "STATE"]}, "described once"),
        ({"partitioned_by": ["STATE", "PATIENT"]}, "way to the patient"),
        ({"path": "visits/*.parquet"}, "no folder"),
        ({"path": "patients.parquet"}, "no folder"),
        ({"partitioned_by": []}, "holds 3 folders"),
    ],
)
def test_a_description_that_cannot_be_is_refused(tmp_path: Path, table: dict[str, Any], words: str) -> None:
    """One message says which key of the description to mend."""
    with pytest.raises(DeidError, match=words):
        load_dataset(lake(tmp_path, SOME, **table))


def test_only_parquet_is_read_in_folders(tmp_path: Path) -> None:
    """Other formats have no writers that name folders so."""
    path = lake(tmp_path, SOME)
    path.write_text(path.read_text().replace("format: parquet", "format: csv"))
    with pytest.raises(DeidError, match="only Parquet is read in folders"):
        load_dataset(path)


def test_a_draft_proposes_the_folders_of_a_lake(tmp_path: Path) -> None:
    """Columns of folders are drafted like those of files, quoting none of their values, and the draft loads."""
    lake(tmp_path, [*SOME, ("p1", "ambulatory", "NY", "SENTINEL")]).unlink()
    (tmp_path / "visits" / ".crc").touch()
    (tmp_path / "empty").mkdir()
    for asked in ([tmp_path], [tmp_path / "patients.parquet", tmp_path / "visits"]):
        text = draft(asked, name="lake")
        assert "    partitioned_by: [STATE, WARD]\n" in text
        assert "SENTINEL" not in text
        (tmp_path / "d.yaml").write_text(text)
        drafted = load_dataset(tmp_path / "d.yaml")
        assert [table.name for table in drafted.tables] == ["patients", "visits"]
        assert [column.name for column in drafted.table("visits").columns] == ["PATIENT", "CLASS", "STATE", "WARD"]


def test_a_draft_of_folders_that_are_named_by_several_columns_is_refused(tmp_path: Path) -> None:
    """What is half a partition is no table, and the folders' names are not told."""
    lake(tmp_path, SOME)
    (tmp_path / "visits" / "SENTINEL-PAT-1").mkdir()
    with pytest.raises(DocumentError, match="not named by one column") as error:
        draft([tmp_path], name="lake")
    assert_silent(str(error.value))
