"""How far a reader of delimited text runs ahead of the run: a few blocks, whatever the run waits for."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from deid.sources import delimited, open_source
from deid.sources.description import load_dataset
from deid.sources.streams import HashingFile, Pace

BLOCK = 1 << 16
HEAD = 1 << 20  # what is looked at for the header


def test_a_reader_waits_for_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file of many blocks few are read while the first batch is worked on, and in the end all of them are."""
    lines = [f"p{n:07d},{n % 90}" for n in range(120 * BLOCK // 12)]
    (tmp_path / "patients.csv").write_text("ID,AGE\n" + "\n".join(lines) + "\n")
    (tmp_path / "dataset.yaml").write_text(
        "dataset: d\nformat: csv\npopulation: patients\ntables:\n  patients:\n    path: patients.csv\n"
        "    patient: ID\n    columns: {ID: patient_id, AGE: age}\n"
    )
    read = []
    real = HashingFile.read

    def counted(self: HashingFile, size: int = -1, /) -> bytes:
        data = real(self, size)
        read.append(len(data))
        return data

    monkeypatch.setattr(HashingFile, "read", counted)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", BLOCK)
    batches = open_source(load_dataset(tmp_path / "dataset.yaml")).read("patients", ["ID", "AGE"])
    rows = next(batches).num_rows
    time.sleep(1)
    assert sum(read) < HEAD + 12 * BLOCK
    rows += sum(batch.num_rows for batch in batches)
    assert rows == len(lines)


def test_a_reader_goes_on_where_no_batch_comes_of_what_is_there() -> None:
    """Who waits for a batch gets one block more after a moment, so that nothing waits for itself."""
    pace = Pace(most=2)
    read = 0
    for _ in range(4):
        pace.before_reading()
        read += 1
    assert read == 4


def test_whoever_waits_is_let_go_at_the_end() -> None:
    """A run that stops reading leaves no thread behind."""
    pace = Pace(most=1)
    pace.made()
    for _ in range(2):
        pace.before_reading()
    waiting = threading.Thread(target=pace.before_reading)
    waiting.start()
    waiting.join(1)
    assert waiting.is_alive()
    pace.end()
    waiting.join(5)
    assert not waiting.is_alive()
