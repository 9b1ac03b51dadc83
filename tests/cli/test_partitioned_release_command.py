"""A release in folders, as it is typed and read: planned, exported, verified, opened, attacked, reported."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from partitioned import REST, folders_of, study
from reopened import arrow_rows, croissant_issues, croissant_rows, descriptor_faults, package_faults
from sites import PASSPHRASE
from tiny_sources import LIMITED, World

from deid.cli import main
from deid.opening import open_release

YEARS = {2020: 20, 2021: 12, 2022: 6, 2023: 6}
NEXT_YEAR = str((datetime.now(UTC) + timedelta(days=365)).date())


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Deid = Callable[..., Ended]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all tests of this file."""
    return World(tmp_path_factory.mktemp("folders") / "site")


@pytest.fixture(scope="module")
def request_path(world: World) -> Path:
    """Return a request for encounters in folders by year."""
    return study(world, YEARS, request="by-year", expires=NEXT_YEAR)


@pytest.fixture
def deid(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Deid]:
    """Return a function that runs `deid` with arguments in this process, as somebody at the site."""
    monkeypatch.setenv("DEID_SITE", str(world.folder / "site.yaml"))
    monkeypatch.setenv("DEID_PASSPHRASE", PASSPHRASE.decode())
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["deid", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ended(code, *capsys.readouterr())

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def released(world: World, request_path: Path) -> Path:
    """Return the release."""
    world.site.attest(world.site.plan(request_path))
    return world.site.run(request_path).folder


def test_it_is_planned_and_exported(deid: Deid, world: World) -> None:
    """The plan says what stands in clear, and the export makes those folders."""
    request = study(world, YEARS, request="typed", expires=NEXT_YEAR)
    shown = deid("plan", request).out
    assert "read by everybody, beside the files\n  encounters: in folders by START, whose names stand in clear" in shown
    world.site.attest(world.site.plan(request))
    done = deid("export", request)
    assert done.code == 0, done.err
    assert folders_of(world.site.site.releases / "typed" / "all") == {
        "by_START=2020", "by_START=2021", f"by_START={REST}"
    }  # fmt: skip


def test_days_name_no_folders(deid: Deid, world: World) -> None:
    """What the policy leaves as a day is refused with a hint, before anything is read."""
    ended = deid("export", study(world, YEARS, policy=LIMITED, expires=NEXT_YEAR))
    assert ended.code == 12, ended.err
    assert "cannot name folders, which everybody reads" in ended.err
    assert ended.err.count("hint: ") == 1


def test_it_is_verified_and_opened_into_every_format(deid: Deid, world: World, released: Path, tmp_path: Path) -> None:
    """Every reader finds the rows of the release; in Parquet in the same folders, where the column stays whole."""
    key = world.site.researcher
    proven = json.loads(deid("verify", released, "--key", key, "--json").out)
    assert (proven["sound"], proven["files"]) == (True, 4)
    for target in ("csv", "parquet", "duckdb", "meds"):
        opened = deid("open", released, "--key", key, "--to", target, "--out", tmp_path / target)
        assert opened.code == 0, opened.err
    rows = arrow_rows(open_release(released, [key]).read("encounters"))
    assert folders_of(released) == {path.name for path in (tmp_path / "parquet" / "encounters").iterdir()}
    whole = pq.read_table(tmp_path / "parquet" / "encounters")
    assert arrow_rows(whole.drop_columns("by_START")) == rows
    assert Counter(whole.column("by_START").to_pylist()) == {2020: 40, 2021: 24, None: 24}
    assert croissant_issues(tmp_path / "parquet") == []
    assert croissant_rows(tmp_path / "parquet", ["encounters"])["encounters"] == rows
    assert package_faults(tmp_path / "csv") == []
    assert (croissant_issues(released), descriptor_faults(released)) == ([], [])
    with duckdb.connect(str(tmp_path / "duckdb"), read_only=True) as connection:
        assert arrow_rows(connection.sql("SELECT * FROM encounters").to_arrow_table()) == rows


def test_other_readers_leave_the_column_as_it_is(deid: Deid, world: World, released: Path, tmp_path: Path) -> None:
    """DuckDB and Polars take the folders for a column of their own, and the years of the rest are not lost."""
    opened = deid("open", released, "--key", world.site.researcher, "--to", "parquet", "--out", tmp_path / "opened")
    assert opened.code == 0, opened.err
    pattern = tmp_path / "opened" / "encounters" / "**" / "*.parquet"
    found = duckdb.sql(f"SELECT START, by_START FROM read_parquet('{pattern}', hive_partitioning = true)").fetchall()  # noqa: S608 - a path of ours
    read = pl.scan_parquet(tmp_path / "opened" / "encounters").select("START", "by_START").collect().rows()
    expected = {(2020, 2020): 40, (2021, 2021): 24, (2022, None): 12, (2023, None): 12}
    assert Counter(found) == Counter(read) == expected


def test_it_is_attacked_and_reported(deid: Deid, world: World, released: Path, request_path: Path) -> None:
    """The side channels count the folders too; the report is that of the release."""
    attacked = deid(
        "attack", released, "--identity", world.site.researcher, "--request", request_path, "--targets", "20",
        "--only", "side_channels", "--only", "row_order", "--json",
    )  # fmt: skip
    assert attacked.code == 0, attacked.err
    figures = {figure["scenario"]: figure for figure in json.loads(attacked.out)["figures"]}
    assert (figures["folders"]["verdict"], figures["folders"]["found"]) == ("passed", 0)
    assert "failed" not in {figure["verdict"] for figure in figures.values()}
    assert json.loads(deid("report", released, "--json").out)
