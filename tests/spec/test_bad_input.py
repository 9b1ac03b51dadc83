"""Bad input: one clear error with a hint and an exit code, no cell value anywhere, and nothing left behind.

Sentinels stand in the cells around every fault; no message, log, file or printed object may hold one of them.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from refusals import assert_no_sentinel_on_disk, assert_silent, refused
from tiny_sources import LIMITED, PATIENTS, REQUESTED, SAFE, SENTINELS, SOUND, World, write_csv

from deid.errors import (
    KeyFaultError,
    ReleaseError,
    SourceError,
    StorageError,
)
from deid.export import export
from deid.release.quarantine import read_quarantined

TABLES = REQUESTED | {"encounters": [*REQUESTED["encounters"], "COST"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all tests of this file."""
    return World(tmp_path_factory.mktemp("bad") / "site")


# Delimited sources


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    """Return a change to the text of one table."""

    def apply(folder: Path) -> None:
        path = folder / f"{name}.csv"
        path.write_text(change(path.read_text()))

    return apply


def put(name: str, data: bytes) -> Callable[[Path], None]:
    """Return a change that puts other bytes in the place of a table."""

    def apply(folder: Path) -> None:
        (folder / f"{name}.csv").write_bytes(data)

    return apply


def swap(old: str, new: str, table: str = "patients") -> Callable[[Path], None]:
    """Return a change of one text in a table; the text must be there."""

    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return edit(table, change)


def cut_gzip(folder: Path) -> None:
    """Compress a table and cut the file."""
    path = folder / "patients.csv"
    path.write_bytes(gzip.compress(path.read_bytes())[:-12])


def damaged_gzip(folder: Path) -> None:
    """Compress a table and flip a bit in the middle."""
    path = folder / "patients.csv"
    data = bytearray(gzip.compress(path.read_bytes() * 50))
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def folder_for_a_file(folder: Path) -> None:
    """Put an empty folder where a table was."""
    (folder / "patients.csv").unlink()
    (folder / "patients.csv").mkdir()


def without_column(text: str) -> str:
    """Leave the second column out."""
    return "".join(",".join(cells[:1] + cells[2:]) + "\n" for cells in (line.split(",") for line in text.splitlines()))


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing column": (edit("patients", without_column), "BIRTH is missing"),
    "extra column": (edit("patients", lambda text: re.sub("(?m)$", ",Quixwerble", text).replace("ZIP,Quixwerble", "ZIP,ALIAS", 1).removesuffix(",Quixwerble")), "not described: ALIAS"),
    "renamed column": (swap("BIRTH,", "BIRTHDATE,"), "BIRTH is missing .renamed to BIRTHDATE"),
    "doubly named column": (swap("LAST,", "BIRTH,"), "named more than once: BIRTH"),
    "no header": (edit("patients", lambda text: text.split("\n", 1)[1]), "first line is not the described header"),
    "other delimiter": (edit("patients", lambda text: text.replace(",", ";")), "single column"),
    "text for a number": (swap("100.5", "Quixwerble", "encounters"), r"1 rows: COST is not a valid decimal"),
    "impossible date": (swap("1987-03-29", "1987-02-30"), "1 rows: BIRTH is not a valid date"),
    "every date impossible": (edit("patients", lambda text: re.sub(r"\d{4}-\d\d-\d\d", "1987-02-30", text)), "2 rows: BIRTH is not a valid date"),
    "date in another order": (swap("1987-03-29", "03/29/1987"), "BIRTH is not a valid date"),
    "too many cells": (swap("Quixwerble", "Quixwerble,Zandobrith"), "1 rows with more or fewer cells"),
    "too few cells": (swap("Quixwerble,", ""), "1 rows with more or fewer cells"),
    "invalid UTF-8": (lambda folder: put("patients", (folder / "patients.csv").read_bytes().replace(b",F,", b",Quixwerble\xff,"))(folder), "not utf-8 text"),
    "invalid UTF-8 in a key": (lambda folder: put("encounters", (folder / "encounters.csv").read_bytes().replace(b"SENTINEL-ENC-1", b"SENTINEL-ENC-1\xe9"))(folder), "not utf-8 text"),
    "NUL bytes": (swap("Quixwerble", "Quix\0werble"), "NUL bytes"),
    "open quote": (swap("Quixwerble", '"Quixwerble'), "quote"),
    "line break in a cell": (swap(",F,", ',"F\nQuixwerble",'), "line break inside a cell"),
    "cut gzip": (cut_gzip, "cut or damaged"),
    "damaged gzip": (damaged_gzip, "cut or damaged"),
    "empty file": (put("patients", b""), "is empty"),
    "blank file": (put("patients", b"\xef\xbb\xbf \r\n"), "is empty"),
    "missing file": (lambda folder: (folder / "patients.csv").unlink(), "found no file"),
    "a folder for a file": (folder_for_a_file, "found no file"),
    "a second row for one patient": (swap("SENTINEL-PAT-2", "SENTINEL-PAT-1"), "1 rows: a second row for one patient"),
    "a patient without a key": (swap("SENTINEL-PAT-1", ""), "1 rows: the patient key is empty"),
    "a patient whose key is blank": (swap("SENTINEL-PAT-1", "  "), "1 rows: the patient key is empty"),
    "an encounter without a patient": (swap("SENTINEL-PAT-1", "SENTINEL-PAT-9", "encounters"), "1 rows: no such patient"),
    "an encounter without a key to a patient": (swap("SENTINEL-PAT-1", "", "encounters"), "1 rows: the patient key is empty"),
    "a diagnosis without a patient": (swap("SENTINEL-PAT-1", "SENTINEL-PAT-9", "diagnoses"), "1 rows: no such patient"),
    "nobody in the population": (put("patients", b"ID,BIRTH,LAST,SSN,SEX,ZIP\n"), "2 rows: no such patient"),
}  # fmt: skip


@pytest.mark.parametrize("policy", [LIMITED, SAFE])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_is_refused(world: World, caplog: pytest.LogCaptureFixture, fault: str, policy: str) -> None:
    """Whatever is wrong with a delimited file, in one reading of it or in two, is one error that holds no cell."""
    change, pattern = FAULTS[fault]
    dataset = world.source()
    change(dataset.parent)
    request = world.request(dataset, TABLES, policy=policy)
    with refused(world, SourceError, pattern, caplog):
        world.site.run(request)


@pytest.mark.parametrize("fault", ["impossible date", "a second row for one patient", "an encounter without a patient"])
def test_bad_rows_of_tables_that_are_not_requested_are_refused_too(
    world: World, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """A population and encounters that are only read to choose and to count are held to the same rules."""
    change, pattern = FAULTS[fault]
    dataset = world.source()
    change(dataset.parent)
    cohort = {"patients": {"any": [{"age": {"from": 1}}, {"birth_date": {"from": "1900-01-01"}}]}}
    request = world.request(dataset, {"diagnoses": ["PATIENT", "DX"]}, cohort=cohort)
    with refused(world, SourceError, pattern, caplog):
        world.site.run(request)


def test_a_birth_date_that_is_only_observed_is_read_as_strictly_as_one_that_is_released(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A patient with an impossible birth date does not silently go missing when only ages are asked for."""
    dataset = world.source()
    FAULTS["impossible date"][0](dataset.parent)
    tables = {"patients": ["ID"], "encounters": ["ENC", "PATIENT"]}
    cohort = {"patients": {"any": [{"encounter_class": ["inpatient", "ambulatory"]}]}}
    request = world.request(dataset, tables, derive=["age_at_visit"], cohort=cohort)
    with refused(world, SourceError, "1 rows: BIRTH is not a valid date", caplog):
        world.site.run(request)


# Parquet sources


def parquet_source(world: World, **tables: pa.Table) -> Path:
    """Return the sound source with some tables as Parquet and the rest left out."""
    kinds = {name: {c: k for c, k in PATIENTS.items() if c in table.column_names} for name, table in tables.items()}
    dataset = world.source_of(dict.fromkeys(tables, "X"), kinds, format="parquet")
    dataset.write_text(dataset.read_text().replace(".csv", ".parquet"))
    for name, table in tables.items():
        pq.write_table(table, dataset.parent / f"{name}.parquet")
    return dataset


def people(count: int, **changed: Any) -> pa.Table:
    """Return so many patients."""
    columns = {"ID": [f"P{i}" for i in range(count)], "SEX": ["F"] * count, "LAST": ["Quixwerble"] * count} | changed
    return pa.table(columns)


PARQUET_FAULTS: dict[str, tuple[Callable[[], pa.Table], str]] = {
    "a second row in another batch": (
        lambda: people(70_000, ID=[f"P{i}" for i in range(69_999)] + ["P5"]),
        "1 rows: a second row for one patient",
    ),
    "a nested column": (lambda: people(2, SEX=[["Quixwerble"], []]), "SEX holds nested values"),
    "a number for a code": (lambda: people(2, BIRTH=[1.5, 2.5]), "BIRTH"),
    "a truth value for a date": (lambda: people(2, BIRTH=[True, False]), "BIRTH of kind birth_date holds bool"),
    "a day beyond the calendar": (
        lambda: people(2, BIRTH=pa.array([10_000_000, 5], pa.int32()).cast(pa.date32())),
        "1 rows: BIRTH is not a valid date",
    ),
    "bytes that are no text": (
        lambda: people(2, SEX=pa.array([b"F", b"Quixwerble\xff"], pa.binary())),
        "1 rows: SEX is not a valid code",
    ),
}


@pytest.mark.parametrize("policy", [LIMITED, SAFE])
@pytest.mark.parametrize("fault", PARQUET_FAULTS)
def test_a_faulty_parquet_file_is_refused(
    world: World, caplog: pytest.LogCaptureFixture, fault: str, policy: str
) -> None:
    """Types, days, keys and bytes that cannot be the described kind are refused without a cell."""
    make, pattern = PARQUET_FAULTS[fault]
    table = make()
    dataset = parquet_source(world, patients=table)
    requested = [name for name in table.column_names if name != "LAST"]
    request = world.request(dataset, {"patients": requested}, policy=policy)
    with refused(world, SourceError, pattern, caplog):
        world.site.run(request)


def test_a_cut_parquet_file_is_refused(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A Parquet file without its end is not read."""
    dataset = parquet_source(world, patients=people(100))
    file = dataset.parent / "patients.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with refused(world, SourceError, "not a whole Parquet file", caplog):
        world.site.run(world.request(dataset, {"patients": ["ID", "SEX"]}))


# A source that does not hold still


CHANGES: dict[str, Callable[[Path], None]] = {
    "a cell": swap("E11.9", "E11.8", "diagnoses"),
    "one more row": edit("encounters", lambda text: text + "NEW,SENTINEL-PAT-1,2025-07-23,2025-07-25,inpatient,7\n"),
    "one more patient": edit("patients", lambda text: text + "NEW,1987-03-29,Quixwerble,917-66-4242,F,02139\n"),
    "fewer patients": edit("patients", lambda text: text.rsplit("\n", 2)[0] + "\n"),
    "another header": swap("BIRTH,", "BIRTHDATE,"),
    "a file that is gone": lambda folder: (folder / "encounters.csv").unlink(),
    "cells that went bad": swap("1987-03-29", "1987-02-30"),
}


@pytest.mark.in_one_process
@pytest.mark.parametrize("change", CHANGES)
def test_a_source_that_changes_between_its_readings_is_refused(
    world: World, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    """What was decided on the first reading is not applied to other bytes in the second."""
    dataset = world.source()
    request = world.request(dataset, TABLES, policy=SAFE)
    plan = world.site.plan(request)
    world.site.attest(plan)
    done: list[str] = []

    def rewrite(what: str, _rows: int) -> None:
        if what.startswith("writing") and not done:
            done.append(what)
            CHANGES[change](dataset.parent)

    family = StorageError if change == "one more row" else SourceError
    with refused(world, family, "", caplog):
        export(plan, world.site.site, world.site.provider, progress=rewrite)
    assert done


# The disk


def test_a_release_that_is_already_there_stands(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A release is never overwritten, and a file or link in its place is not followed."""
    request = world.request(world.source(), TABLES)
    done = world.site.run(request)
    before = {file: file.read_bytes() for file in done.folder.rglob("*") if file.is_file()}
    with refused(world, ReleaseError, "already there", caplog):
        world.site.run(request)
    assert before == {file: file.read_bytes() for file in done.folder.rglob("*") if file.is_file()}
    (done.folder.parent / "other").write_text("a file")
    with refused(world, ReleaseError, "already there", caplog):
        world.site.run(request, name="other")


@contextmanager
def disk_of(limit: int) -> Iterator[None]:
    """Let no file grow beyond `limit` bytes: writing fails as on a full disk, wherever it first hits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("stage", ["", "observing", "writing", "verifying"])
def test_a_full_disk_leaves_nothing_wherever_it_strikes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stage: str
) -> None:
    """In log, crosswalk, data, manifest or quarantine: one error about the disk, nothing published, nothing left."""
    world = World(tmp_path)
    bad = SOUND["encounters"].rstrip() + "\nBAD SENTINEL-PAT-1 1987-02-30 2025-07-25 inpatient 1"
    request = world.request(world.source(encounters=bad), TABLES, policy=SAFE, on_bad_row="quarantine")
    plan = world.site.plan(request)
    world.site.attest(plan)
    met: list[str] = []

    def full_from_here(what: str, _rows: int) -> None:
        if what.startswith(stage):
            met.append(what)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    with refused(world, StorageError, "disk|crosswalk|writing|audit log", caplog), disk_of(0 if not stage else 2**20):
        export(plan, world.site.site, world.site.provider, progress=full_from_here)
    assert bool(met) is bool(stage)
    world.site.run(request)  # and with room, the same run works


def test_a_full_disk_under_the_spill_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sealed spill that cannot grow ends the run, and no trace of it stays."""
    world = World(tmp_path / "site")  # whose audit log is still smaller than the disk
    monkeypatch.setattr("deid.observing.workshop._SEALED", 3_000)  # so that a small source spills
    encounters = [f"e{i} SENTINEL-PAT-1 2025-07-23 2025-07-25 inpatient 1" for i in range(3_000)]
    dataset = world.source(encounters="\n".join(["ENC PATIENT START STOP CLASS COST", *encounters]))
    request = world.request(dataset, TABLES, cohort={"rows": {"any": [{"encounter_class": ["inpatient"]}]}})
    with refused(world, StorageError, "temporary sealed rows", caplog), disk_of(20_000):
        world.site.run(request)
    world.site.run(request)


# Quarantine


def test_quarantined_rows_are_sealed_counted_and_not_released(world: World, tmp_path: Path) -> None:
    """Bad rows land encrypted below the site's state, open with its keys alone, and are not in the release."""
    dataset = world.source(
        patients=SOUND["patients"].rstrip()
        + "\nSENTINEL-PAT-2 1950-01-02 Zandobrith 900-00-0001 M 94110"
        + "\nSENTINEL-PAT-3 1987-02-30 Quixwerble 900-00-0001 M 94110",
        encounters=SOUND["encounters"].rstrip()
        + "\nSENTINEL-ENC-3 SENTINEL-PAT-3 2025-01-10 2025-01-10 ambulatory 20"
        + "\nSENTINEL-ENC-4 SENTINEL-PAT-1 2025-99-10 2025-01-10 ambulatory 20"
        + "\nSENTINEL-ENC-5 - 2025-01-10 2025-01-10 ambulatory 20"
        + "\nSENTINEL-ENC-6 SENTINEL-PAT-1 2025-01-10 2025-01-10 ambulatory Quixwerble",
    )
    for policy in (LIMITED, SAFE):
        request = world.request(dataset, TABLES, policy=policy, on_bad_row="quarantine")
        done = world.site.run(request)
        opened = world.site.open(done)
        assert done.quarantined == {"patients": 2, "encounters": 4}
        assert opened.manifest.quarantined == {"patients": "1-10", "encounters": "1-10"}
        assert {name: opened.read(name).num_rows for name in opened.tables} == dict.fromkeys(TABLES, 2)
        folder = world.site.site.state / "quarantine" / done.folder.parent.name / done.folder.name
        found = {
            name: sum(b.num_rows for b in rows) for name, rows in read_quarantined(folder, world.site.provider).items()
        }
        assert found == {"patients": 2, "encounters": 4}
        cells = str([batch.to_pylist() for batch in read_quarantined(folder, world.site.provider)["encounters"]])
        assert {"SENTINEL-ENC-4", "2025-99-10", "Quixwerble"} <= set(re.findall(r"[\w-]+", cells))
        for file in folder.rglob("*.parquet"):
            with pytest.raises((OSError, pa.ArrowException)):
                pq.read_table(file)
        stranger = World(tmp_path / policy).site.provider
        with pytest.raises(KeyFaultError):
            read_quarantined(folder, stranger)
    assert_no_sentinel_on_disk(world)


def test_rows_of_tables_that_are_only_read_are_quarantined_too(world: World) -> None:
    """A bad row of the population is set aside and counted where only encounters are released."""
    bad = SOUND["patients"].rstrip() + "\nSENTINEL-PAT-2 1950-01-02 Zandobrith 900-00-0001 M 94110"
    tables = {"encounters": ["ENC", "PATIENT", "START"]}
    request = world.request(world.source(patients=bad), tables, on_bad_row="quarantine")
    done = world.site.run(request)
    assert done.quarantined == {"patients": 1}
    assert world.site.open(done).manifest.quarantined == {"patients": "1-10"}
    assert done.rows == {"encounters": 2}


@pytest.mark.parametrize("policy", [LIMITED, SAFE])
def test_a_patient_who_is_bad_when_written_is_bad_when_observed(world: World, policy: str) -> None:
    """A patient with a bad cell in a column that decides nothing leaves no rows of other tables in the release."""
    columns = {
        "patients": {"ID": "patient_id", "INCOME": "income"},
        "encounters": {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date"},
    }
    tables = {
        "patients": "ID INCOME\n p1 100\n p2 Quixwerble",
        "encounters": "ENC PATIENT START\n e1 p1 2024-01-01\n e2 p2 2024-01-01",
    }
    cohort = {"patients": {"any": [{"service_date": {"from": "2024-01-01"}}]}}
    dataset = world.source_of(tables, columns)
    requested = {name: list(kinds) for name, kinds in columns.items()}
    done = world.site.run(world.request(dataset, requested, policy=policy, cohort=cohort, on_bad_row="quarantine"))
    assert done.quarantined == {"patients": 1, "encounters": 1}
    assert done.rows == {"patients": 1, "encounters": 1}


def test_bytes_that_are_no_text_can_be_quarantined(world: World) -> None:
    """A cell that is bad because it is no text is kept in base 16."""
    table = people(2, SEX=pa.array([b"F", b"\xff\xfe"], pa.binary()))
    request = world.request(parquet_source(world, patients=table), {"patients": ["ID", "SEX"]}, on_bad_row="quarantine")
    done = world.site.run(request)
    folder = world.site.site.state / "quarantine" / done.folder.parent.name / done.folder.name
    (batch,) = read_quarantined(folder, world.site.provider)["patients"]
    assert batch.to_pylist() == [{"ID": "P1", "SEX": "fffe"}]


def test_a_run_that_fails_leaves_no_quarantine(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Rows set aside before a later fault go with the run; those of an earlier release stay."""
    bad = SOUND["patients"].rstrip() + "\nSENTINEL-PAT-2 1950-01-02 Zandobrith 900-00-0001 M 94110"
    dataset = world.source(patients=bad)
    request = world.request(dataset, TABLES, on_bad_row="quarantine")
    world.site.run(request, name="first")
    FAULTS["too few cells"][0](dataset.parent)
    FAULTS["cut gzip"][0](dataset.parent)
    with refused(world, SourceError, "cut or damaged", caplog):
        world.site.run(request, name="second")


def test_a_quarantine_that_a_killed_run_left_is_replaced(world: World) -> None:
    """What lies where this run's bad rows go belongs to no release, and does not hinder the run."""
    bad = SOUND["patients"].rstrip() + "\nSENTINEL-PAT-2 1950-01-02 Zandobrith 900-00-0001 M 94110"
    request = world.request(world.source(patients=bad), TABLES, on_bad_row="quarantine")
    folder = world.site.site.state / "quarantine" / request.stem / "all"
    (folder / "data" / "patients").mkdir(parents=True)
    (folder / "data" / "patients" / "part-00000.parquet").write_bytes(os.urandom(100))
    (folder.parent / ".staging-0123456789abcdef").mkdir()
    world.site.run(request)
    assert sum(batch.num_rows for batch in read_quarantined(folder, world.site.provider)["patients"]) == 1
    assert [path.name for path in folder.parent.iterdir()] == ["all"]


def test_what_a_test_looks_for_can_be_found(world: World) -> None:
    """The sentinels stand in the sources, so that finding none of them elsewhere means something."""
    folder = world.source().parent
    held = "".join(file.read_text() for file in folder.glob("*.csv"))
    assert all(sentinel in held for sentinel in SENTINELS)
    leak = world.site.site.releases / "leak"
    leak.parent.mkdir(exist_ok=True)
    write_csv(leak, [["x", SENTINELS[0]]])
    try:
        with pytest.raises(AssertionError):
            assert_no_sentinel_on_disk(world)
    finally:
        leak.unlink()
    with pytest.raises(AssertionError):
        assert_silent(io.StringIO(f"cannot parse {SENTINELS[2]}").getvalue())
