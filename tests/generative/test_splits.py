"""Laws of splits: their rows, in their order, are the rows of the table, wherever it is cut."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import SourceError
from deid.sources import delimited, load_dataset, open_source, parquet, splits
from deid.sources.base import Source

COLUMNS = ("id", "said", "zip")
CELLS = st.text(st.sampled_from('ab,"\n é'), max_size=12)
ROWS = st.lists(st.tuples(st.integers(0, 999).map(str), CELLS, st.sampled_from(["02138", "", "94110"])), max_size=60)


def _source(folder: Path, file: str, form: str, **text: str) -> Source:
    columns = {"id": "patient_id", "said": "free_text", "zip": "zip_code"}
    table = {"path": file, "patient": "id", "columns": columns}
    (folder / "dataset.yaml").write_text(
        json.dumps({"dataset": "d", "format": form, "population": "t", "tables": {"t": table}, **text})
    )
    return open_source(load_dataset(folder / "dataset.yaml"))


def _rows(source: Source, split: splits.Split | None = None) -> list[dict[str, str | None]]:
    return [row for batch in source.read("t", list(COLUMNS), split) for row in batch.to_pylist()]


def _in_parts(source: Source) -> tuple[int, list[dict[str, str | None]]]:
    parts = source.splits("t")
    return len(parts), [row for part in parts for row in _rows(source, part)]


@settings(deadline=None)
@given(rows=ROWS, size=st.integers(1, 80), piece=st.integers(1, 40), ends=st.sampled_from(["\n", "\r\n"]))
def test_the_splits_of_a_text_file_give_its_rows(
    rows: list[tuple[str, str, str]], size: int, piece: int, ends: str
) -> None:
    """Whatever stands in quotes, the rows of the splits of a text file are its rows, in order, each once."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator=ends).writerows([COLUMNS, *rows])
        patch.setattr(splits, "CHUNK", piece)
        patch.setattr(delimited, "SPLIT_BYTES", size)
        source = _source(folder, "t.csv", "csv")
        count, found = _in_parts(source)
        assert found == _rows(source)
        assert count > 1 or len(rows) < 3 or size + piece > 40


@settings(deadline=None)
@given(groups=st.lists(st.integers(1, 5), min_size=1, max_size=8), size=st.integers(1, 400))
def test_the_splits_of_a_parquet_file_give_its_rows(groups: list[int], size: int) -> None:
    """The rows of the splits of a Parquet file are its rows, in order, each once, and no row group is cut."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        schema = pa.schema([(column, pa.string()) for column in COLUMNS])
        with pq.ParquetWriter(folder / "t.parquet", schema) as writer:
            for place, rows in enumerate(groups):
                cells = [[f"{place}-{row}" for row in range(rows)]] * 3
                writer.write_table(pa.table(dict(zip(COLUMNS, cells, strict=True)), schema=schema))
        patch.setattr(parquet, "SPLIT_BYTES", size)
        source = _source(folder, "t.parquet", "parquet")
        count, found = _in_parts(source)
        assert found == _rows(source)
        assert count == len(groups) or size > 1


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_that_changed_after_it_was_cut_is_refused(tmp_path: Path, form: str) -> None:
    """A split of a file that was written anew is refused, and no message holds a cell of it."""

    def write(last: str) -> None:
        cells = [["1", last], ["said", "more"], ["02138", "94110"]]
        if form == "csv":
            lines = [",".join(COLUMNS), *(",".join(row) for row in zip(*cells, strict=True))]
            (tmp_path / f"t.{form}").write_text("\n".join(lines))
        else:
            pq.write_table(pa.table(dict(zip(COLUMNS, cells, strict=True))), tmp_path / f"t.{form}")

    write("2")
    source = _source(tmp_path, f"t.{form}", form)
    (split,) = source.splits("t")
    assert len(_rows(source, split)) == 2
    write("SENTINEL")
    with pytest.raises(SourceError, match="changed") as refused:
        _rows(source, split)
    assert "SENTINEL" not in str(refused.value)


def test_a_cell_that_a_stray_quote_cuts_in_two_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a quote in a plain cell makes a cut fall inside of a quoted one, its halves are refused as ragged rows."""
    monkeypatch.setattr(splits, "CHUNK", 8)
    monkeypatch.setattr(delimited, "SPLIT_BYTES", 8)
    (tmp_path / "t.csv").write_text('id,said,zip\n1,5" nail,02138\n2,"two\nlines",02138\n3,6" nail,02138\n')
    source = _source(tmp_path, "t.csv", "csv")
    with pytest.raises(SourceError):
        _in_parts(source)
