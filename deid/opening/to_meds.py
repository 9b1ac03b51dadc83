"""A release as a dataset of the Medical Event Data Standard, version 0.4: one row for each event of a patient.

docs/formats/meds.md specifies what is written; https://medical-event-data-standard.github.io is the standard.
"""

# ruff: noqa: S608 - names in statements are ours or numbered, and every text is quoted by `literal`

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import deid
from deid.opening.in_clear import converted
from deid.opening.meds_events import COLUMNS, ORDER, described, make_events
from deid.opening.opened import OpenedRelease
from deid.opening.prepared import Prepared, prepared
from deid.sealing.private import make_folder, new_file, write_new

MEDS_VERSION = "0.4.1"
SHARD_ROWS = 1_000_000
_EVENTS = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        ("time", pa.timestamp("us")),
        pa.field("code", pa.string(), nullable=False),
        ("numeric_value", pa.float32()),
        ("text_value", pa.large_string()),
        *((name, pa.string()) for name in list(COLUMNS)[5:]),
    ]
)
_CODES = pa.schema(
    [
        pa.field("code", pa.string(), nullable=False),
        ("description", pa.string()),
        ("parent_codes", pa.list_(pa.string())),
        ("kind", pa.string()),
    ]
)
_SPLITS = pa.schema(
    [pa.field("subject_id", pa.int64(), nullable=False), pa.field("split", pa.string(), nullable=False)]
)
_SUBJECTS = pa.schema(
    [pa.field("subject_id", pa.int64(), nullable=False), pa.field("pseudonym", pa.string(), nullable=False)]
)


def convert(release: OpenedRelease, target: Path) -> None:
    """Write `target`/data/*.parquet and `target`/metadata; folders 0700, files 0600.

    Raises ReleaseError where the release holds no patient pseudonyms or decryption fails, StorageError if `target`
    exists or the disk is full; then nothing is left.
    """
    with converted(target) as folder, prepared(release, folder.parent / f"{folder.name}.work", into="MEDS") as made:
        make_events(made)
        metadata = make_folder(folder / "metadata")
        _write_events(made, make_folder(folder / "data"))
        _write(metadata / "codes.parquet", _CODES, _codes(made))
        _write(
            metadata / "subjects.parquet",
            _SUBJECTS,
            made.bench.batches("SELECT subject_id, pseudonym FROM subjects ORDER BY 1"),
        )
        _write(metadata / "subject_splits.parquet", _SPLITS, made.bench.batches(_SPLIT))
        write_new(metadata / "dataset.json", _dataset(release, made))


# By pseudonym, not by number: a patient whose pseudonym stays the same is in the same split of the next release.
_SPLIT = """
SELECT subject_id, CASE WHEN tenth < 8 THEN 'train' WHEN tenth = 8 THEN 'tuning' ELSE 'held_out' END AS split
FROM (SELECT subject_id, ('0x' || sha256(pseudonym)[:8])::BIGINT % 10 AS tenth FROM subjects) ORDER BY subject_id
"""


def _write_events(made: Prepared, folder: Path) -> None:
    batches = made.bench.batches(f"SELECT {', '.join(COLUMNS)} FROM events ORDER BY {ORDER}")
    number = -1
    for number, batch in groupby(_sharded(batches), key=itemgetter(0)):
        _write(folder / f"{number:05d}.parquet", _EVENTS, (piece for _, piece in batch))
    if number < 0:
        _write(folder / "00000.parquet", _EVENTS, ())


def _sharded(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield sorted events with the number of their file; a file ends where a patient ends, so that nobody is in two."""
    shard, rows, last = 0, 0, -1
    for batch in batches:
        rest = batch
        if rows >= SHARD_ROWS:
            end = int(np.searchsorted(batch.column(0).to_numpy(), last, side="right"))
            if end:
                yield shard, batch.slice(0, end)
            rest = batch.slice(end)
            if rest.num_rows:
                shard, rows = shard + 1, 0
        if rest.num_rows:
            rows, last = rows + rest.num_rows, int(rest.column(0)[-1].as_py())
            yield shard, rest


def _codes(made: Prepared) -> Iterator[pa.RecordBatch]:
    words = described(made)
    for batch in made.bench.batches(
        "SELECT code, CASE WHEN min(parent) IS NULL THEN NULL ELSE [min(parent)] END AS parent_codes, min(kind) AS kind"
        " FROM events GROUP BY code ORDER BY code"
    ):
        meanings = pa.array(
            [words.get(code) or words.get(code.partition("//")[0]) for code in batch.column("code").to_pylist()],
            pa.string(),
        )
        yield pa.RecordBatch.from_arrays(
            [batch.column("code"), meanings, batch.column("parent_codes"), batch.column("kind")], names=_CODES.names
        )


def _write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    with pq.ParquetWriter(new_file(path), schema, compression="zstd") as writer:
        for batch in batches:
            if batch.num_rows:
                writer.write_batch(
                    pa.RecordBatch.from_arrays(
                        [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)],
                        schema=schema,
                    )
                )


def _dataset(release: OpenedRelease, made: Prepared) -> bytes:
    manifest = release.manifest
    (lost,) = made.bench.rows(
        "SELECT "
        + " + ".join(f"(SELECT count(*) FROM r{table.number} WHERE subject_id IS NULL)" for table in made.tables)
    )[0]
    content: dict[str, Any] = {
        "dataset_name": manifest.request,
        "dataset_version": manifest.release,
        "etl_name": "deid open --to meds",
        "etl_version": deid.__version__,
        "meds_version": MEDS_VERSION,
        "created_at": f"{manifest.created}T00:00:00+00:00",
        "raw_source_id_columns": ["visit"],
        "code_modifier_columns": ["unit", "modifier", "present_on_admission"],
        "other_extension_columns": ["time_precision", "source_table", "source_column"],
        "time": _TIME,
        "dates_treatment": manifest.dates_treatment,
        "legal_basis": manifest.basis_earned,
        "rows_without_patient": lost,
        "tables_without_patient": list(made.unreached),
        "left_out": {f"{table.name}.{name}": why for table in made.tables for name, why in table.left_out.items()},
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


_TIME = (
    "The time of an event is the first instant of the day, week, month, quarter or year that was released; "
    "time_precision says which, and that a year stands for itself or earlier. Times of one precision may be compared; "
    "the order of events within one unit is unknown. A null time with precision 'unknown' is an event whose day was "
    "not released; a null time without precision is a fact about the patient. The time of day is never known."
)
