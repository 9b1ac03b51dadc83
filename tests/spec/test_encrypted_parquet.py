"""The sink: what it writes, what it never writes, and that every reader we promise really opens it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_releases import CANARY, columns, in_order, portable, tables, visits

from deid.errors import StorageError, VerificationError
from deid.keys.key_file import SMALLEST_N
from deid.keys.local import LocalProvider, generate_provider
from deid.opening import open_with
from deid.sinks.encrypted_parquet import Sizes, TableWriter, WrittenFile, stored_schema
from deid.sinks.read_back import read_back
from deid.sinks.release_keys import ReleaseKeys
from deid.sinks.row_groups import combine, random_order


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> LocalProvider:
    """Return a real local key provider."""
    return generate_provider(tmp_path_factory.mktemp("site") / "site.key", b"open sesame", scrypt_n=SMALLEST_N)


def write(
    folder: Path, *batches: pa.RecordBatch | pa.Table, keys: ReleaseKeys | None = None, **options: object
) -> tuple[ReleaseKeys, tuple[WrittenFile, ...]]:
    """Write batches as table `t` and return keys and files."""
    keys = keys or ReleaseKeys.portable("r1")
    writer = TableWriter(folder, "t", batches[0].schema, keys, **options)  # type: ignore[arg-type]
    for batch in batches:
        writer.write(batch)
    return keys, writer.close()


def back(folder: Path, keys: ReleaseKeys, files: tuple[WrittenFile, ...]) -> pa.Table:
    """Read everything back, dictionaries decoded."""
    found = pa.Table.from_batches(read_back(folder, files, keys))
    return pa.table(
        {name: found[name].cast(stored_schema(found.schema).field(name).type) for name in found.column_names}
    )


def opened_file(folder: Path, keys: ReleaseKeys, file: WrittenFile) -> pq.ParquetFile:
    """Open one part with pyarrow."""
    return pq.ParquetFile(
        folder / file.name, decryption_properties=keys.file_decryption_properties("t", Path(file.name).name)
    )


def test_all_rows_come_back_and_only_their_order_changes(tmp_path: Path) -> None:
    """What is written is read back row for row, whole rows together, in another order."""
    table = visits(5000)
    keys, files = write(tmp_path, table)
    found = back(tmp_path, keys, files)
    assert in_order(found).equals(table)
    assert not found.equals(table)
    assert sum(file.rows for file in files) == 5000


def test_without_shuffle_order_stays(tmp_path: Path) -> None:
    """The shuffle can be switched off."""
    table = visits(100)
    keys, files = write(tmp_path, table, shuffle=False)
    assert back(tmp_path, keys, files).equals(table)


def test_row_groups_and_files_end_at_their_limits(tmp_path: Path) -> None:
    """Row groups hold at most the stated rows whatever the batches, and a file ends at the stated rows."""
    table = visits(1000)
    keys, files = write(
        tmp_path, *table.to_batches(max_chunksize=37), table, sizes=Sizes(group_rows=300, file_rows=600)
    )
    assert [(file.name, file.rows, file.row_groups) for file in files] == [
        ("data/t/part-00000.parquet", 600, 2),
        ("data/t/part-00001.parquet", 600, 2),
        ("data/t/part-00002.parquet", 600, 2),
        ("data/t/part-00003.parquet", 200, 1),
    ]
    assert back(tmp_path, keys, files).num_rows == 2000


@pytest.mark.parametrize("encoded", [False, True])
def test_row_groups_end_at_their_bytes(tmp_path: Path, encoded: bool) -> None:
    """Long texts make row groups end early, even within one batch and even as a dictionary."""
    notes = pa.array(["n" * 1000 + str(i) for i in range(512)])
    batch = pa.record_batch({"note": notes.dictionary_encode() if encoded else notes})
    keys, (file,) = write(tmp_path, batch, sizes=Sizes(group_bytes=100_000))
    assert 5 <= file.row_groups <= 16
    assert sorted(back(tmp_path, keys, (file,))["note"].to_pylist()) == sorted(notes.to_pylist())


def test_dictionary_pages_hold_only_released_values(tmp_path: Path) -> None:
    """A value that stands in a dictionary but in no row is not written: its patient was withheld."""
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0] * 50, pa.int32()), ["E11", "I10", "WITHHELD"])
    keys, (file,) = write(tmp_path, pa.record_batch({"code": values}))
    assert file.dictionaries == ("code",)
    with pq.ParquetFile(
        tmp_path / file.name,
        decryption_properties=keys.file_decryption_properties("t", "part-00000.parquet"),
        read_dictionary=["code"],
    ) as parquet:
        column = parquet.read()["code"].chunk(0)
    assert sorted(column.dictionary.to_pylist()) == ["E11", "I10"]


def test_differing_and_doubled_dictionaries_become_one(tmp_path: Path) -> None:
    """Batches with their own dictionaries, doubled entries and null entries are written as one dictionary column."""
    first = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2] * 40, pa.int8()), ["021", "021", None])
    second = pa.DictionaryArray.from_arrays(pa.array([1, 0, None] * 40, pa.int8()), ["100", "021"])
    batches = [pa.record_batch({"zip": column}) for column in (first, second)]
    keys, files = write(tmp_path, *batches)
    expected = [value for batch in batches for value in batch["zip"].to_pylist()]
    assert sorted(back(tmp_path, keys, files)["zip"].to_pylist(), key=str) == sorted(expected, key=str)
    parquet = opened_file(tmp_path, keys, files[0])
    assert parquet.schema_arrow.field("zip").type == pa.string()
    assert parquet.metadata.row_group(0).column(0).has_dictionary_page


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=0, max_size=30),
            st.booleans(),
            st.integers(0, 5),
        ),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_combining_keeps_every_value(parts: list[tuple[list[str | None], bool, int]], as_dictionary: bool) -> None:
    """Combining chunks of any encoding, sliced anyhow, in a given order, is the same as taking from their values."""
    chunks = []
    for values, encoded, cut in parts:
        whole = pa.array(values, pa.string())
        chunks.append((whole.dictionary_encode() if encoded else whole).slice(cut))
    expected = [value for chunk in chunks for value in chunk.to_pylist()]
    order = random_order(len(expected))
    found = combine(chunks, as_dictionary=as_dictionary, order=order)
    assert found.to_pylist() == [expected[i] for i in order]
    if as_dictionary:
        assert set(found.dictionary.to_pylist()) == {value for value in expected if value is not None}


@pytest.mark.parametrize("length", [0, 1, 2, 3, 1000])
def test_random_order_is_a_permutation(length: int) -> None:
    """Every position stands exactly once."""
    assert sorted(random_order(length).tolist()) == list(range(length))


def test_random_order_has_no_favorite() -> None:
    """Over many draws each position comes first about equally often."""
    firsts = np.bincount([random_order(4)[0] for _ in range(2000)], minlength=4)
    assert firsts.min() > 400


def test_nothing_readable_stands_on_disk(tmp_path: Path) -> None:
    """No value and no column name is found in the bytes of a file, encrypted footer and all."""
    made = portable(tmp_path / "r")
    for file in made.manifest.files():
        raw = (made.folder / file.name).read_bytes()
        assert raw[:4] == raw[-4:] == b"PARE"
        for word in (CANARY, "P000001", "patient_id", "admit_date", "charge", "ARROW:schema", "pandas"):
            assert word.encode() not in raw
    plain = pa.BufferOutputStream()
    pq.write_table(tables()["encounters"], plain, compression="none")
    assert CANARY.encode() in plain.getvalue().to_pybytes()  # the search can find what it looks for


def test_columns_profile_leaves_nothing_readable_either(tmp_path: Path, provider: LocalProvider) -> None:
    """With key groups, a column that was given no group is encrypted too, and its name does not show."""
    made = columns(tmp_path / "r", provider)
    for file in made.manifest.files():
        raw = (made.folder / file.name).read_bytes()
        for word in (CANARY, "P000001", "patient_id", "admit_date", "charge"):
            assert word.encode() not in raw


def test_files_are_written_as_the_format_says(tmp_path: Path) -> None:
    """zstd, no statistics, no metadata of Arrow or pandas, plain strings."""
    table = visits(200).replace_schema_metadata({"pandas": "{}", "source": CANARY})
    keys, (file,) = write(tmp_path, table)
    parquet = opened_file(tmp_path, keys, file)
    assert parquet.metadata.metadata is None
    assert parquet.schema_arrow.metadata is None
    for position in range(5):
        column = parquet.metadata.row_group(0).column(position)
        assert (column.compression, column.is_stats_set) == ("ZSTD", False)


def test_statistics_are_written_for_named_columns_only(tmp_path: Path) -> None:
    """A minimum and maximum is written where the plan says that they reveal nothing."""
    keys, (file,) = write(tmp_path, visits(50), statistics=("age",))
    group = opened_file(tmp_path, keys, file).metadata.row_group(0)
    assert [group.column(i).is_stats_set for i in range(5)] == [False, False, False, True, False]


def test_an_empty_table_still_has_its_columns(tmp_path: Path) -> None:
    """A table without rows is one file without row groups."""
    keys, (file,) = write(tmp_path, visits(0))
    assert (file.rows, file.row_groups) == (0, 0)
    assert opened_file(tmp_path, keys, file).schema_arrow.names == visits(0).column_names
    assert list(read_back(tmp_path, (file,), keys)) == []


def test_stored_schema_is_what_readers_see(tmp_path: Path) -> None:
    """The schema that the codebook states is the schema on disk."""
    table = pa.table(
        {
            "s": pa.array(["a"]).dictionary_encode(),
            "t": pa.array([0], pa.timestamp("s")),
            "l": pa.array([["x"]]),
            "b": pa.array([True]),
        }
    )
    keys, (file,) = write(tmp_path, table)
    assert opened_file(tmp_path, keys, file).schema_arrow.equals(stored_schema(table.schema))


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    """A column that is missing or of another type is a fault of the pipeline and stops the run."""
    writer = TableWriter(tmp_path, "t", visits(1).schema, ReleaseKeys.portable("r1"))
    with pytest.raises(VerificationError, match="expected patient_id as string"):
        writer.write(visits(1).select(["age"]))
    with pytest.raises(VerificationError, match="expected age as int64"):
        writer.write(visits(1).set_column(3, "age", pa.array([CANARY])))
    writer.abort()


@pytest.mark.parametrize("name", ["../t", "a/b", "", ".", "..", ".hidden", "a b", "t\n"])
def test_table_names_cannot_climb_out(tmp_path: Path, name: str) -> None:
    """A table's name is a folder's name, and only that."""
    with pytest.raises(StorageError):
        TableWriter(tmp_path, name, visits(1).schema, ReleaseKeys.portable("r1"))


def _write_good_then_bad(writer: TableWriter) -> None:
    writer.write(visits(25))
    writer.write(visits(25).select(["age"]))


def test_an_exception_closes_the_handles(tmp_path: Path) -> None:
    """After a fault no file stays open, and nothing more is written."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    writer = TableWriter(tmp_path, "t", visits(1).schema, ReleaseKeys.portable("r1"), sizes=Sizes(group_rows=10))
    with pytest.raises(VerificationError), writer:
        _write_good_then_bad(writer)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert (tmp_path / "data/t/part-00000.parquet").read_bytes()[-4:] != b"PARE"


FULL_DISK = """
import resource, sys
from pathlib import Path
from made_releases import visits
from deid.errors import StorageError
from deid.sinks.encrypted_parquet import TableWriter, Sizes
from deid.sinks.release_keys import ReleaseKeys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    with TableWriter(Path(sys.argv[1]), "t", visits(1).schema, ReleaseKeys.portable("r1"), sizes=Sizes(group_rows=int(sys.argv[2]))) as writer:
        for _ in range(3):
            writer.write(visits(30_000))
except StorageError as error:
    print(error)
"""


@pytest.mark.parametrize("group_rows", [1000, 500_000])
def test_a_full_disk_is_a_storage_error(tmp_path: Path, group_rows: int) -> None:
    """When no more can be written, while a row group or at the very end, the error says so and quotes nothing."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL_DISK, str(tmp_path), str(group_rows)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "the disk is full" in done.stdout
    assert "hint: " in done.stdout
    assert CANARY not in done.stdout
    assert done.stderr == ""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000


def test_read_back_notices_a_changed_disk(tmp_path: Path) -> None:
    """A byte that changed between writing and verifying is found before a row is read."""
    keys, files = write(tmp_path, visits(100))
    path = tmp_path / files[0].name
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(VerificationError, match="SHA-256 differs"):
        next(read_back(tmp_path, files, keys))


def test_read_back_reads_chosen_columns(tmp_path: Path) -> None:
    """Verification can read the columns it needs."""
    keys, files = write(tmp_path, visits(100))
    assert {tuple(batch.schema.names) for batch in read_back(tmp_path, files, keys, columns=["age"])} == {("age",)}


def test_pyarrow_opens_portable_with_the_key_alone(tmp_path: Path) -> None:
    """Batches, threads and a whole-folder dataset: pyarrow needs the key and nothing else."""
    made = portable(tmp_path / "r")
    import pyarrow.parquet.encryption as pe

    properties = pe.create_decryption_properties(made.keys.key)
    options = ds.ParquetFragmentScanOptions(decryption_properties=properties)
    dataset = ds.dataset(
        made.folder / "data/encounters", format=ds.ParquetFileFormat(default_fragment_scan_options=options)
    )
    assert in_order(dataset.to_table(use_threads=True)).equals(tables()["encounters"])
    part = pq.ParquetFile(made.folder / "data/encounters/part-00000.parquet", decryption_properties=properties)
    assert sum(batch.num_rows for batch in part.iter_batches(7, use_threads=True)) == 80


def test_polars_opens_portable_with_the_key_alone(tmp_path: Path) -> None:
    """Polars' own reader decrypts every part and pushes a filter down."""
    made = portable(tmp_path / "r")
    key = pl.ParquetDecryptionProperties(footer_key=made.keys.key)
    frame = pl.scan_parquet(str(made.folder / "data/encounters/*.parquet"), decryption=key)
    assert in_order(frame.collect().to_arrow().cast(visits().schema)).equals(tables()["encounters"])
    assert frame.filter(pl.col("age") < 5).collect().height == 9


def test_pyarrow_opens_columns_through_the_provider(tmp_path: Path, provider: LocalProvider) -> None:
    """A `columns` release opens for who holds the private key and may use the key provider."""
    made = columns(tmp_path / "r", provider)
    opened = open_with(made.folder, [made.identity], provider=provider)
    assert in_order(opened.read("encounters")).equals(tables()["encounters"])
    assert in_order(opened.dataset("encounters").to_table()).equals(tables()["encounters"])


@pytest.mark.parametrize("profile", ["portable", "columns"])
def test_duckdb_reads_through_a_dataset(tmp_path: Path, provider: LocalProvider, profile: str) -> None:
    """DuckDB filters and groups over the dataset of either profile."""
    made = portable(tmp_path / "r") if profile == "portable" else columns(tmp_path / "r", provider)
    encounters = open_with(made.folder, [made.identity], provider=provider).dataset("encounters")
    with duckdb.connect() as connection:
        connection.register("encounters", encounters)
        query = "SELECT drg, count(*), max(charge) FROM encounters WHERE age < 50 AND drg <> '470' GROUP BY drg ORDER BY drg"
        found = connection.execute(query).fetchall()
    plain = visits()  # noqa: F841 - named in the query
    with duckdb.connect() as connection:
        connection.register("encounters", visits())
        assert found == connection.execute(query).fetchall()


def test_keys_show_and_pickle_nothing(provider: LocalProvider) -> None:
    """Neither repr nor pickle gives a secret away."""
    import pickle

    for keys in (ReleaseKeys.portable("r1"), ReleaseKeys.columns(provider, "r1", {}, series="s/p")):
        assert keys.key.hex() not in repr(keys)
        assert repr(keys.key) not in repr(keys)
        with pytest.raises(TypeError):
            pickle.dumps(keys)
