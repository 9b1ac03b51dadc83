"""Sealed maps that other processes look up: one file beside what is shipped, opened where it is asked."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spark_engine import InProcess, cut_small, outcome, twins
from test_turns import ASKED, source
from tiny_sources import LIMITED, World

from deid.errors import StorageError
from deid.observing import workshop
from deid.sealing.sealed import SealedMap, SharedMap
from deid.staged_tables import Run

SCHEMA = pa.schema([("number", pa.int32())])


def filled(folder: Path, tags: np.ndarray[tuple[int], np.dtype[np.uint64]], budget: int = 4_000) -> SealedMap:
    """Return a frozen map from tags to their places, which outgrew its memory where there are many."""
    made = SealedMap(SCHEMA, folder=folder, budget=budget)
    for start in range(0, len(tags), 500):
        part = tags[start : start + 500]
        numbers = pa.array(np.arange(start, start + len(part), dtype=np.int32))
        made.add(part, pa.record_batch([numbers], schema=SCHEMA))
    made.freeze()
    return made


@given(seed=st.integers(0, 2**16), size=st.integers(2_000, 6_000))
@settings(max_examples=20, deadline=None)
def test_a_shared_map_answers_as_the_one_it_was_made_of(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: int
) -> None:
    """Known and unknown tags are found alike by whoever opens the copy."""
    folder = tmp_path_factory.mktemp("shared")
    rng = np.random.default_rng(seed)
    tags = rng.integers(0, 2**63, size, dtype=np.uint64)
    made = filled(folder, tags)
    shared = made.shared(folder / "one.map")
    assert shared is not None
    asked = np.concatenate([rng.permutation(tags)[:700], rng.integers(0, 2**63, 300, dtype=np.uint64)])
    with SealedMap.opened(pickle.loads(pickle.dumps(shared))) as there:  # noqa: S301 - our own
        (known, rows), (expected, wanted) = there.find(asked), made.find(asked)
    assert known[:700].all()
    assert np.array_equal(known, expected)
    assert rows.equals(wanted)
    made.close()


def test_what_fits_in_memory_is_not_shared_as_a_file(tmp_path: Path) -> None:
    """A small map goes with the shipment, and leaves no file."""
    made = filled(tmp_path, np.arange(100, dtype=np.uint64), budget=1 << 20)
    assert made.shared(tmp_path / "one.map") is None
    assert list(tmp_path.iterdir()) == []


def test_a_copy_holds_no_key_is_never_written_and_is_not_believed_when_changed(tmp_path: Path) -> None:
    """The file is noise without the key, refuses further frames, and a changed byte or a missing file is an error."""
    made = filled(tmp_path, np.arange(4_000, dtype=np.uint64))
    shared = made.shared(tmp_path / "one.map")
    assert shared is not None
    path = tmp_path / "one.map"
    assert path.stat().st_mode & 0o077 == 0
    assert shared.copy.key not in path.read_bytes()
    assert shared.copy.key.hex() not in repr(shared)
    assert str(shared.copy.key) not in repr(shared)
    there = SealedMap.opened(shared)
    with pytest.raises(ValueError, match="takes no more rows"):
        there.add(np.zeros(1, np.uint64), pa.record_batch([pa.array([1], pa.int32())], schema=SCHEMA))
    with pytest.raises(ValueError, match="written by the process that made it"):
        there._file.append(pa.py_buffer(b"x"), context=b"")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(StorageError, match="was changed or cut"):
        SealedMap.opened(shared).find(np.arange(4_000, dtype=np.uint64))
    path.unlink()
    with pytest.raises(StorageError, match="opening temporary sealed rows"):
        SealedMap.opened(shared)


def test_tasks_look_up_what_is_too_large_to_be_in_each_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Visits, stays and links that outgrew memory are found in tasks as they are here, and no file of them is left."""
    files: list[Path] = []
    real = SealedMap.shared

    def shared(self: SealedMap, path: Path) -> SharedMap | None:
        files.append(path)
        return real(self, path)

    monkeypatch.setattr(SealedMap, "shared", shared)
    monkeypatch.setattr(workshop, "_SEALED", 600)
    world = World(tmp_path / "site")
    fields = {"derive": ["readmitted_30d"], "cohort": {"rows": {"any": [{"encounter_class": ["inpatient"]}]}}}
    request = world.request(source(world), ASKED, policy=LIMITED, **fields)
    outcome(world.site, request, Run, name="first")
    with cut_small(1500):
        alone, together = twins(world.site, request, InProcess(), name="second")
    assert len(files) > 1
    assert not any(path.exists() for path in files)
    assert (together.refusal, together.rows, together.documents) == (alone.refusal, alone.rows, alone.documents)
    assert not list(world.site.folder.rglob("*.map"))
