"""`deid.sealing.sealed`: what was added is found again, in memory or spilled, and nothing stands on disk in clear."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import StorageError
from deid.sealing.sealed import RECORD, SealedMap, SealedRows
from deid.sealing.spill import SpillFile

SCHEMA = pa.schema([("number", pa.int32()), ("flag", pa.bool_()), ("digest", pa.binary(3)), ("name", pa.string())])
TAGS = st.one_of(st.integers(0, 6), st.integers(0, 15).map(lambda top: top << 60), st.integers(0, 2**64 - 1))
ROWS = st.tuples(
    TAGS,
    st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)),
    st.one_of(st.none(), st.booleans()),
    st.one_of(st.none(), st.binary(min_size=3, max_size=3)),
    st.one_of(st.none(), st.text(max_size=5)),
)
BATCHES = st.lists(st.lists(ROWS, max_size=30), max_size=6)
BUDGETS = st.sampled_from([1, 600, 3000, 1 << 20])


def payload(rows: list[tuple]) -> pa.RecordBatch:
    """The payload columns of generated rows."""
    return pa.record_batch([pa.array([r[c + 1] for r in rows], f.type) for c, f in enumerate(SCHEMA)], schema=SCHEMA)


def tags_of(rows: list[tuple]) -> np.ndarray:
    """The tags of generated rows."""
    return np.array([row[0] for row in rows], dtype=np.uint64)


def wide(tags: np.ndarray) -> np.ndarray:
    """128-bit tags of which the first halves often agree."""
    return np.stack([tags >> np.uint64(1), tags], axis=1)


@given(
    batches=st.lists(st.lists(st.tuples(TAGS, st.sampled_from(["", "a", "b", "ab", "ä"])), max_size=30), max_size=6),
    budget=BUDGETS,
    bits=st.sampled_from([64, 128]),
)
@settings(max_examples=60, deadline=None)
def test_gathered_texts_are_all_there_once(
    batches: list[list[tuple[int, str]]], budget: int, bits: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of the texts of each tag every different one is found, in the order in which they were added."""
    model: dict[int, dict[str, None]] = {}
    shape = wide if bits == 128 else np.asarray
    schema = pa.schema([("text", pa.string())])
    with SealedMap(schema, folder=tmp_path_factory.mktemp("spill"), budget=budget, bits=bits) as sealed:
        for batch in batches:
            texts = pa.record_batch([pa.array([text for _, text in batch], pa.string())], schema=schema)
            sealed.add(shape(tags_of(batch)), texts)
            for tag, text in batch:
                model.setdefault(tag, {})[text] = None
        sealed.freeze("gathered")
        asked = np.array([*model, 12345], dtype=np.uint64)
        found = sealed.find(shape(asked))[1].column(0).to_pylist()
    absent = [None] if 12345 not in model else [RECORD.join(model[12345])]
    assert found == [RECORD.join(texts) for texts in model.values()] + absent


@given(batches=BATCHES, budget=BUDGETS, bits=st.sampled_from([64, 128]))
@settings(max_examples=120, deadline=None)
def test_map_agrees_with_a_dictionary(
    batches: list[list[tuple]], budget: int, bits: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The first row of each tag is found, in the order asked, and nulls where a tag was never added."""
    model: dict[int, list[tuple]] = {}
    shape = wide if bits == 128 else np.asarray
    folder = tmp_path_factory.mktemp("spill")
    with SealedMap(SCHEMA, folder=folder, budget=budget, bits=bits) as sealed:
        for batch in batches:
            sealed.add(shape(tags_of(batch)), payload(batch))
            for row in batch:
                model.setdefault(row[0], []).append(row[1:])
        policy = ("first", "error-count", "all equal")[len(batches) % 3]
        expected = {
            "first": 0,
            "error-count": sum(len(rows) > 1 for rows in model.values()),
            "all equal": sum(len(set(rows)) > 1 for rows in model.values()),
        }
        assert sealed.freeze(policy) == expected[policy]
        asked = [*model, 1, 2, 3, *reversed(model), 2**64 - 1]
        for _ in range(2):
            found, rows = sealed.find(shape(np.array(asked, dtype=np.uint64)))
            assert found.tolist() == [tag in model for tag in asked]
            got = [tuple(row.values()) for row in rows.to_pylist()]
            assert got == [model[tag][0] if tag in model else (None,) * 4 for tag in asked]
    assert list(folder.iterdir()) == []


@given(batches=BATCHES, budget=BUDGETS, bits=st.sampled_from([64, 128]))
@settings(max_examples=80, deadline=None)
def test_rows_come_grouped_and_in_order(
    batches: list[list[tuple]], budget: int, bits: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every row comes back once; tags ascend over all tables, none is split; rows of a tag keep their order."""
    shape = wide if bits == 128 else np.asarray
    with SealedRows(SCHEMA, folder=tmp_path_factory.mktemp("spill"), budget=budget, bits=bits) as sealed:
        for batch in batches:
            sealed.add(shape(tags_of(batch)), payload(batch))
        sealed.freeze()
        tables = list(sealed.partitions())
    got = [tuple(row.values()) for table in tables for row in table.to_pylist()]
    added = sorted((row for batch in batches for row in batch), key=lambda row: row[0])
    key = (lambda tag: (tag >> 1, tag)) if bits == 128 else (lambda tag: (tag,))
    assert got == [(*key(row[0]), *row[1:]) for row in added]
    last = [table["tag"].to_pylist()[-1] for table in tables]
    first = [table["tag"].to_pylist()[0] for table in tables]
    assert all(before < after for before, after in zip(last, first[1:], strict=False))


def test_memory_only_where_it_fits(tmp_path: Path) -> None:
    """What fits in the budget makes no file, nor even the folder."""
    with SealedMap(SCHEMA, folder=tmp_path / "never", budget=1 << 20) as sealed:
        sealed.add(np.arange(1000, dtype=np.uint64), payload([(0, 1, True, b"abc", "x")] * 1000))
        sealed.freeze()
        assert sealed.spilled_bytes == 0
        assert not (tmp_path / "never").exists()


def test_nothing_on_disk_in_clear(tmp_path: Path) -> None:
    """No canary, nor its tag, is in the spill, read through the open descriptor as the name is already gone."""
    tags = np.arange(4000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    rows = payload([(0, 7, True, b"abc", f"CANARY-{row:06d}") for row in range(4000)])
    with SealedRows(SCHEMA, folder=tmp_path / "spill", budget=1 << 16) as sealed:
        sealed.add(tags, rows)
        sealed.freeze()
        assert sealed.spilled_bytes > rows.nbytes
        content = os.pread(sealed._file._descriptor, sealed.spilled_bytes, 0)
        assert len(content) == sealed.spilled_bytes
        # The same search finds them in what would be written without sealing: it can fail.
        assert b"CANARY" in rows.serialize().to_pybytes()
        assert b"CANARY" not in content
        assert not any(tag.tobytes() in content for tag in tags[1:])
        assert list((tmp_path / "spill").iterdir()) == []
        assert stat.S_IMODE((tmp_path / "spill").stat().st_mode) == 0o700


@pytest.mark.parametrize("spoil", ["flip", "swap", "cut"])
def test_altered_spill_is_noticed(tmp_path: Path, spoil: str) -> None:
    """A flipped bit, two swapped frames or a cut file end in StorageError, not in other data."""
    frames = [b"first frame of two", b"other frame of two"]
    spill = SpillFile(tmp_path)
    for number, frame in enumerate(frames):
        spill.append(pa.py_buffer(frame), context=bytes([number]))
    assert [spill.read(n, context=bytes([n])) for n in range(2)] == frames
    half = spill.size // 2
    whole = os.pread(spill._descriptor, spill.size, 0)
    changed = {"flip": bytes([whole[0] ^ 1]) + whole[1:], "swap": whole[half:] + whole[:half], "cut": whole[: half - 1]}
    os.ftruncate(spill._descriptor, 0)
    os.pwrite(spill._descriptor, changed[spoil], 0)
    with pytest.raises(StorageError):
        spill.read(0, context=b"\0")
    spill.close()


def test_frame_of_another_partition_is_refused(tmp_path: Path) -> None:
    """A frame opens only as what it was sealed as."""
    spill = SpillFile(tmp_path)
    spill.append(pa.py_buffer(b"frame"), context=b"one")
    with pytest.raises(StorageError):
        spill.read(0, context=b"two")
    spill.close()


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np, pyarrow as pa
from deid.errors import StorageError
from deid.sealing.sealed import SealedMap
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    with SealedMap(pa.schema([("a", pa.int64())]), folder=Path(sys.argv[1]), budget=30_000) as sealed:
        for start in range(0, 50_000, 500):
            numbers = np.arange(start, start + 500)
            sealed.add(numbers.astype(np.uint64) << np.uint64(50), pa.record_batch({"a": pa.array(numbers)}))
except StorageError as fault:
    print(fault)
"""


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A file that cannot grow ends in StorageError with a hint and without a file."""
    run = subprocess.run([sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, check=True)
    assert "hint: free space in the temporary folder" in run.stdout
    assert list(tmp_path.iterdir()) == []


def test_small_slices_do_not_hold_large_batches(tmp_path: Path) -> None:
    """A slice is copied, so that one row of a large batch does not keep the batch in memory."""
    large = pa.record_batch({"name": pa.array(["x" * 100] * 100_000)})
    with SealedRows(pa.schema([("name", pa.string())]), folder=tmp_path) as sealed:
        sealed.add(np.zeros(1, np.uint64), large.slice(50_000, 1))
        assert sealed._buffer[0].get_total_buffer_size() < 10_000


def test_refuses_misuse(tmp_path: Path) -> None:
    """Looking up before freezing, adding after it, and rows that do not match their tags are faults of the caller."""
    one = pa.record_batch({"a": pa.array([1])})
    sealed = SealedMap(one.schema, folder=tmp_path)
    with pytest.raises(ValueError, match="after freeze"):
        sealed.find(np.zeros(1, np.uint64))
    with pytest.raises(ValueError, match="2 tags"):
        sealed.add(np.zeros(2, np.uint64), one)
    sealed.freeze()
    with pytest.raises(ValueError, match="no more rows"):
        sealed.add(np.zeros(1, np.uint64), one)
    sealed.close()
