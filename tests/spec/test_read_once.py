"""Files that hold many tables are read once a run, and what is kept of them lies sealed on disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from counting_source import Counting
from refusals import refused
from sites import REPOSITORY
from tiny_sources import SAFE, World

from deid import export
from deid.errors import SourceError
from deid.schema import DatasetDescription
from deid.sealing.sealed_batches import SealedBatches
from deid.sources import load_dataset, open_source
from deid.sources.once import ReadOnce

SHARED = ("x12_837", "hl7v2", "fhir_bulk", "fhir_json", "ccda")
LARGE = 1 << 40


def _everything(dataset: DatasetDescription) -> dict[str, list[str]]:
    return {table.name: [column.name for column in table.columns] for table in dataset.tables}


def _rows(batches: Iterator[pa.RecordBatch]) -> pa.Table:
    """Return rows with dictionaries as text; how they are cut into batches does not count."""
    table = pa.Table.from_batches(batches)
    return table.cast(pa.schema([(name, pa.string()) for name in table.schema.names])).combine_chunks()


def _copied(sample: str, folder: Path) -> DatasetDescription:
    shutil.copytree(REPOSITORY / "samples" / sample, folder / sample)
    return load_dataset(folder / sample / "dataset.yaml")


def _sealed_bytes(folder: Path) -> bytes:
    """Return what this process wrote to files without a name that lay in a folder."""
    found = b""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
            if target.startswith(f"{folder}/spill-"):
                found += os.pread(int(entry.name), os.fstat(int(entry.name)).st_size, 0)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("sample", SHARED)
@pytest.mark.parametrize("budget", [1, LARGE])
def test_every_read_gives_what_the_source_gives(tmp_path: Path, sample: str, budget: int) -> None:
    """Whatever was kept in memory or sealed, every table has its rows in order, in the first reading and the second."""
    dataset = load_dataset(REPOSITORY / "samples" / sample / "dataset.yaml")
    asked = _everything(dataset)
    plain = open_source(dataset)
    expected = {name: _rows(plain.read(name, columns)) for name, columns in asked.items()}
    below = Counting(open_source(dataset))
    with ReadOnce(dataset, below, folder=tmp_path, budget=budget) as source:
        source.check(asked)
        for _ in range(2):
            for name, columns in asked.items():
                assert _rows(source.read(name, columns)).equals(expected[name]), name
                turned = columns[::-2]
                assert _rows(source.read(name, turned)).equals(expected[name].select(turned)), name
        assert bool(source.spilled_bytes) is (budget == 1)
        assert (source.digests, source.unread, source.withheld) == (plain.digests, plain.unread, plain.withheld)
    shared = {table.path for table in dataset.tables}
    assert sum(len(tables) > 1 for tables in below.passes) == len(
        {path for path in shared if sum(table.path == path for table in dataset.tables) > 1}
    )
    again = [table for tables in below.passes for table in tables]
    paths = [dataset.table(table).path for table in again if again.count(table) > 1]  # type: ignore[union-attr]
    assert all(sum(table.path == path for table in dataset.tables) == 1 for path in paths)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are not told here")
@pytest.mark.parametrize("sample", ["x12_837", "hl7v2", "fhir_json", "ccda"])
def test_nothing_stands_in_clear_on_disk_and_nothing_is_left(tmp_path: Path, sample: str) -> None:
    """No cell of six letters or more is found in what was spilled, which has no name and is gone with the source."""
    dataset = load_dataset(REPOSITORY / "samples" / sample / "dataset.yaml")
    asked = _everything(dataset)
    cells: set[str] = set()
    with ReadOnce(dataset, open_source(dataset), folder=tmp_path / "spill", budget=1) as source:
        source.check(asked)
        for name, columns in asked.items():
            for column in _rows(source.read(name, columns)).columns:
                cells |= {cell for cell in column.unique().to_pylist() if cell is not None and len(cell) >= 6}
        sealed = _sealed_bytes(tmp_path / "spill")
        assert len(sealed) == source.spilled_bytes > 0
        assert not list((tmp_path / "spill").iterdir())
    assert len(cells) > 100
    assert not [cell for cell in cells if cell.encode() in sealed]
    assert not [name for name in (b"ARROW1", b"birth_date", b"patient_id") if name in sealed]
    assert not _sealed_bytes(tmp_path / "spill")


def test_a_column_that_was_not_announced_is_read_by_a_pass_of_its_own(tmp_path: Path) -> None:
    """Its rows are right, its digest must be the first reading's, and a changed source is refused."""
    dataset = _copied("x12_837", tmp_path)
    below = Counting(open_source(dataset))
    with ReadOnce(dataset, below, folder=tmp_path / "spill", budget=LARGE) as source:
        source.check({"patients": ["patient_id"], "claims": ["claim_id"]})
        first = _rows(source.read("claims", ["claim_id"]))
        assert _rows(source.read("claims", ["claim_id", "patient_id"])).select(["claim_id"]).equals(first)
        assert [len(tables) for tables in below.passes] == [2, 1]
        for file in (tmp_path / "x12_837").iterdir():
            if file.suffix != ".yaml":
                file.write_bytes(file.read_bytes() + b"\n")
        # What was kept is still what the first reading saw.
        assert _rows(source.read("claims", ["claim_id"])).equals(first)
        with pytest.raises(SourceError, match="changed"):
            _rows(source.read("claims", ["patient_id"]))


@pytest.mark.parametrize("sample", ["x12_837", "fhir_json"])
def test_a_source_that_changes_after_the_check_is_read_as_it_is_then(tmp_path: Path, sample: str) -> None:
    """The check keeps nothing: the pass reads the bytes whose digest it gives."""
    dataset = _copied(sample, tmp_path)
    asked = _everything(dataset)
    with ReadOnce(dataset, open_source(dataset), folder=tmp_path / "spill", budget=LARGE) as source:
        source.check(asked)
        file = max((tmp_path / sample).iterdir(), key=lambda path: path.suffix != ".yaml" and path.stat().st_size)
        file.write_bytes(file.read_bytes() + b"\n")
        fresh = open_source(dataset)
        for name, columns in asked.items():
            assert _rows(source.read(name, columns)).equals(_rows(fresh.read(name, columns)))
        assert source.digests == fresh.digests


@pytest.mark.parametrize("budget", [1, LARGE])
def test_a_read_that_is_given_up_keeps_nothing_and_the_next_one_is_whole(tmp_path: Path, budget: int) -> None:
    """Half a pass is no pass."""
    dataset = load_dataset(REPOSITORY / "samples" / "hl7v2" / "dataset.yaml")
    asked = _everything(dataset)
    below = Counting(open_source(dataset))
    with ReadOnce(dataset, below, folder=tmp_path, budget=budget) as source:
        source.check(asked)
        reading = source.read("patients", ["patient_id"])
        next(reading)
        # While a pass goes on, another table is read by itself.
        assert _rows(source.read("diagnoses", asked["diagnoses"])).num_rows
        reading.close()  # type: ignore[attr-defined]
        plain = open_source(dataset)
        for name, columns in asked.items():
            assert _rows(source.read(name, columns)).equals(_rows(plain.read(name, columns))), name
    assert [len(tables) for tables in below.passes] == [len(asked), 1, len(asked)]


def _broken_late(folder: Path) -> DatasetDescription:
    """Return messages of which one in the second block is broken, where a check does not look."""
    dataset = _copied("hl7v2", folder)
    file = folder / "hl7v2" / "adt.hl7"
    data = file.read_bytes()
    many = data * (3 * 2**20 // len(data))
    at = many.rindex(b"\rPID", 0, len(many) * 9 // 10)
    file.write_bytes(many[:at] + b"\rQuixwerble was here" + many[at:])
    return dataset


def test_a_broken_line_in_the_middle_names_the_table_that_is_read_and_stops_every_later_read(tmp_path: Path) -> None:
    """A fault of a shared file is told of the asked table, without a cell, as often as it is asked for."""
    dataset = _broken_late(tmp_path)
    asked = {"patients": ["patient_id", "sex"], "diagnoses": ["patient_id", "icd10cm"]}
    with ReadOnce(dataset, open_source(dataset), folder=tmp_path / "spill", budget=1) as source:
        source.check(asked)
        for name in ("diagnoses", "patients", "diagnoses"):
            with pytest.raises(SourceError, match=f"{name}: adt.*segment") as caught:
                _rows(source.read(name, asked[name]))
            assert "Quixwerble" not in str(caught.value)
            assert caught.value.hint


def test_an_export_from_a_broken_source_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in the middle of the pass, with batches spilled, ends the run as if it had never begun."""
    monkeypatch.setattr(export, "_SHARED", 1)
    world = World(tmp_path / "site")
    _broken_late(tmp_path)
    asked = {"patients": ["patient_id", "sex"], "diagnoses": ["patient_id", "icd10cm"]}
    request = world.request(tmp_path / "hl7v2" / "dataset.yaml", asked, policy=SAFE)
    with refused(world, SourceError, "patients: adt.hl7.*segment", caplog):
        world.site.run(request)


@pytest.mark.parametrize("sample", ["x12_837", "hl7v2", "fhir_bulk"])
def test_an_export_passes_over_shared_files_once_and_tells_beforehand_what_it_reads(
    tmp_path: Path, sample: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under Safe Harbor every table is read twice, and the files of several tables are passed over once."""
    below: list[Counting] = []

    def counted(dataset: DatasetDescription) -> Counting:
        below.append(Counting(open_source(dataset)))
        return below[-1]

    monkeypatch.setattr(export, "open_source", counted)
    world = World(tmp_path / "site")
    dataset = REPOSITORY / "samples" / sample / "dataset.yaml"
    described = load_dataset(dataset)
    kinds = ("patient_id", "encounter_id", "claim_id", "sex", "birth_date", "icd10cm", "hcpcs")
    asked = {table.name: [c.name for c in table.of_kind(*kinds)] for table in described.tables}
    asked = {table: columns for table, columns in asked.items() if columns}
    assert world.released(dataset, asked, policy=SAFE)
    (source,) = below
    shared = [tables for tables in source.passes if len(tables) > 1]
    together = [table for tables in shared for table in tables]
    alone = [table for tables in source.passes if len(tables) == 1 for table in tables]
    assert len(shared) == {"x12_837": 1, "hl7v2": 1, "fhir_bulk": 2}[sample]
    assert len(together) == len(set(together))
    assert not set(together) & set(alone)
    assert {*together, *alone} == set(source.announced)


KILLED = """
import os, signal, sys
from pathlib import Path
from deid.sources import load_dataset, open_source
from deid.sources.once import ReadOnce

dataset = load_dataset(Path(sys.argv[1]))
source = ReadOnce(dataset, open_source(dataset), folder=Path(sys.argv[2]), budget=1)
source.check({table.name: [column.name for column in table.columns] for table in dataset.tables})
reading = source.read(dataset.population, [dataset.tables[0].columns[0].name])
next(reading)
assert source.spilled_bytes
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_that_is_killed_in_its_pass_leaves_no_file(tmp_path: Path) -> None:
    """What was spilled has no name, so that nothing is left to find."""
    dataset = REPOSITORY / "samples" / "x12_837" / "dataset.yaml"
    done = subprocess.run([sys.executable, "-c", KILLED, str(dataset), str(tmp_path / "spill")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list((tmp_path / "spill").iterdir()) == []


def test_frames_are_authenticated_with_their_table_and_place(tmp_path: Path) -> None:
    """Batches of several tables, dictionaries among them, come back in order from many frames; what is closed is gone."""
    batches = [
        pa.record_batch(
            [pa.array([f"cell {at}", None]).dictionary_encode(), pa.array(["x", f"{at}"])], names=["a", "b"]
        )
        for at in range(50)
    ]
    with SealedBatches(folder=tmp_path, budget=700) as kept:
        for at, batch in enumerate(batches):
            kept.add("odd" if at % 2 else "even", batch)
        assert kept.spilled_bytes
        for table, expected in (("odd", batches[1::2]), ("even", batches[::2])):
            assert list(kept.read(table, ["a", "b"])) == expected
            assert list(kept.read(table, ["b"])) == [batch.select(["b"]) for batch in expected]
        kept.forget(["odd"])
        assert list(kept.read("odd", ["a"])) == []
        assert len(list(kept.read("even", ["a"]))) == 25
    assert list(kept.read("even", ["a"])) == []
