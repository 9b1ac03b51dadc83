"""The laws of folders: no row is lost or told otherwise, and no folder tells of few patients."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from legal_plans import plan

from deid.pipeline import output_schema
from deid.release.manifest import FILE_NAME, REST
from deid.release.partitions import Holders, choose, in_folders
from deid.sinks.encrypted_parquet import Sizes, TableWriter
from deid.sinks.read_back import read_back
from deid.sinks.release_keys import ReleaseKeys

EXAMPLES = int(os.environ.get("DEID_EXAMPLES", "40"))
PLAN = plan(visits={"pid": "patient_id", "start": "service_date", "sex": "sex"}, partition_by={"visits": "start"})
LEAST = 11
# Patients share years, one year is of few, some are of no list (1800 has no folder) or null.
VISITS = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from([2019, 2020, 2020, 2021, 2021, 2021, 1800, None])), max_size=400
)


def pseudonym(patient: int) -> str:
    """Return 16 characters a-z and 2-7 for a patient."""
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[patient * (7 + 4 * at) % 32] for at in range(14)) + "".join(
        "abcdefghijklmnopqrstuvwxyz234567"[one] for one in divmod(patient, 32)
    )


def batches(rows: list[tuple[int, int | None]], schema: pa.Schema, size: int) -> list[pa.RecordBatch]:
    """Return rows in batches, their texts as dictionaries, as the pipeline gives them."""
    made = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        columns = {
            "pid": pa.array([pseudonym(patient) for patient, _ in part], pa.string()).dictionary_encode(),
            "start": pa.array([year for _, year in part], pa.int32()),
            "sex": pa.array([(None, "F", "M")[patient % 3] for patient, _ in part], pa.string()),
        }
        made.append(pa.RecordBatch.from_arrays([columns[name] for name in schema.names], names=schema.names))
    return made


@given(rows=VISITS, size=st.integers(1, 200), group=st.integers(1, 120))
@settings(max_examples=EXAMPLES)
def test_folders_hold_the_rows_of_the_table_and_tell_of_no_few(
    rows: list[tuple[int, int | None]], size: int, group: int
) -> None:
    """Each row is there once, in the folder of its value or the rest; each folder is of enough patients."""
    planned = PLAN.tables[1]
    schema, keys = output_schema(planned), ReleaseKeys.portable("laws")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with TableWriter(folder, "visits", schema, keys, sizes=Sizes(group_rows=group, file_rows=2 * group)) as writer:
            for batch in batches(rows, schema, size):
                writer.write(batch)
        first = writer.close()
        files = in_folders(planned, folder, first, keys, lambda _what, _rows: None)
        there = {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")}
        assert there == {file.name for file in files}
        found: list[tuple[str, int | None]] = []
        by_folder: dict[str | None, list[tuple[str, int | None]]] = {}
        for file in files:
            match = FILE_NAME.fullmatch(file.name)
            assert match is not None
            for batch in read_back(folder, [file], keys, columns=["pid", "start"]):
                own = list(zip(batch.column("pid").to_pylist(), batch.column("start").to_pylist(), strict=True))
                found += own
                by_folder.setdefault(match["value"], []).extend(own)
    assert Counter(found) == Counter((pseudonym(patient), year) for patient, year in rows)
    for value, own in by_folder.items():
        if value is None:
            continue
        assert len({patient for patient, _ in own}) >= LEAST
        years = {year for _, year in own}
        assert len(years) >= 2 if value == REST else years == {int(value)}


@given(pairs=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 100)), max_size=300), least=st.integers(1, 15))
@settings(max_examples=5 * EXAMPLES)
def test_values_are_chosen_as_a_naive_reader_would(pairs: list[tuple[int, int]], least: int) -> None:
    """Patients are counted once per value, and the smallest folders are given up until the rest hides its values."""
    holders = Holders(100)
    for start in range(0, len(pairs), 7):
        part = pairs[start : start + 7]
        tags = np.array([patient for patient, _ in part], np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
        holders.add(tags, np.array([value for _, value in part], np.int64))
    people: dict[int, set[int]] = {}
    for patient, value in pairs:
        people.setdefault(value, set()).add(patient)
    own = sorted(
        (value for value in people if value < 100 and len(people[value]) >= least),
        key=lambda value: (len(people[value]), value),
    )
    while own:
        rest = [value for value in people if value not in own]
        if not rest or (len(rest) > 1 and len(set().union(*(people[value] for value in rest))) >= least):
            break
        own.pop(0)
    assert choose(holders, least) == tuple(sorted(own))
