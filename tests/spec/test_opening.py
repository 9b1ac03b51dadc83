"""What a recipient does: open, read, verify, convert; and the manifest that proves what arrived."""

from __future__ import annotations

import gc
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_releases import CANARY, Made, columns, in_order, make, portable, publish, tables, visits

from deid.errors import KeyFaultError, ReleaseError, StorageError
from deid.keys.key_file import SMALLEST_N
from deid.keys.local import LocalProvider, generate_provider
from deid.keys.recipients import Recipient, generate_identity, seal_envelope
from deid.opening import CONVERTERS, OpenedRelease, Verification, open_release, open_with, verify_release
from deid.opening.in_clear import converted
from deid.release.manifest import ENVELOPE, MANIFEST, RECALL, from_bytes, to_bytes
from deid.release.small_counts import shown
from deid.sinks.release_keys import ReleaseKeys


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return one sound portable release that no test changes."""
    return portable(tmp_path_factory.mktemp("releases") / "r")


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> LocalProvider:
    """Return a real local key provider."""
    return generate_provider(tmp_path_factory.mktemp("site") / "site.key", b"open sesame", scrypt_n=SMALLEST_N)


@pytest.fixture(scope="module")
def opened(made: Made) -> OpenedRelease:
    """Return the release, opened."""
    return open_with(made.folder, [made.identity])


def test_a_recipient_opens_with_a_key_file(made: Made) -> None:
    """The private key file is all that a portable release needs."""
    opened = open_release(made.folder, [made.identity_path])
    assert opened.tables == ("encounters", "patients")
    assert opened.manifest == made.manifest
    assert in_order(opened.read("encounters")).equals(tables()["encounters"])


def test_a_dataset_is_lazy_and_outlives_the_release_object(made: Made) -> None:
    """A dataset reads again and again, filtered or not, after everything else was let go."""
    dataset = open_with(made.folder, [made.identity]).dataset("encounters")
    gc.collect()
    assert dataset.count_rows() == 100
    assert in_order(dataset.to_table()).equals(visits())
    assert dataset.to_table(columns=["age"], filter=pa.compute.field("age") == 5).num_rows == 2


def test_a_columns_dataset_outlives_the_release_object(tmp_path: Path, provider: LocalProvider) -> None:
    """The keys of a `columns` dataset live as long as the dataset."""
    made = columns(tmp_path / "r", provider)
    dataset = open_with(made.folder, [made.identity], provider=provider).dataset("encounters")
    folder = made.folder
    del made
    gc.collect()
    assert dataset.count_rows() == 100
    assert in_order(dataset.to_table()).equals(visits())
    assert folder.is_dir()


def test_columns_opens_with_the_provider_alone(tmp_path: Path, provider: LocalProvider) -> None:
    """The site itself opens a `columns` release without any recipient's key."""
    made = columns(tmp_path / "r", provider)
    opened = open_with(made.folder, [], provider=provider)
    assert in_order(opened.read("encounters", ["patient_id", "admit_date"])).equals(
        visits().select(["patient_id", "admit_date"])
    )


def test_columns_without_the_provider_proves_but_does_not_read(tmp_path: Path, provider: LocalProvider) -> None:
    """A recipient without access to the key provider may check the manifest, and is told what is missing."""
    made = columns(tmp_path / "r", provider)
    opened = open_with(made.folder, [made.identity])
    with pytest.raises(KeyFaultError, match="none was given"):
        opened.read("encounters")


def test_columns_does_not_open_with_another_provider(tmp_path: Path, provider: LocalProvider) -> None:
    """Another site's keys open nothing."""
    made = columns(tmp_path / "r", provider)
    other = generate_provider(tmp_path / "other.key", b"open sesame", scrypt_n=SMALLEST_N)
    with pytest.raises(KeyFaultError):
        open_with(made.folder, [], provider=other)
    with pytest.raises(KeyFaultError):
        open_with(made.folder, [made.identity], provider=other).read("encounters")


def test_another_recipients_key_opens_nothing(tmp_path: Path, made: Made) -> None:
    """Who was not named cannot open; the error is about the key."""
    generate_identity(tmp_path / "other.key", tmp_path / "other.pub", None)
    with pytest.raises(KeyFaultError, match="none of the private keys"):
        open_release(made.folder, [tmp_path / "other.key"])


def test_unknown_tables_and_columns_are_named(opened: OpenedRelease) -> None:
    """A wrong name is answered with the right ones."""
    with pytest.raises(ReleaseError, match="encounters, patients"):
        opened.read("visits")
    with pytest.raises(ReleaseError, match="no column zip"):
        opened.read("patients", ["zip"])


def test_a_folder_that_is_no_release_is_named(tmp_path: Path, made: Made) -> None:
    """Pointing at the wrong folder is a mistake that happens; the hint says which folder is meant."""
    for folder in (tmp_path, tmp_path / "nowhere", made.folder / "data"):
        with pytest.raises(ReleaseError, match=r"no manifest\.json"):
            open_with(folder, [made.identity])


def test_verify_with_a_key_decrypts_everything(made: Made) -> None:
    """Every column of every file is read to the end, and counted."""
    report = verify_release(made.folder, [made.identity])
    assert report.is_sound
    assert (report.integrity_proven, report.tables, report.files, report.rows) == (True, 2, 3, 130)
    assert report.decrypted == 2 * 5 + 2


def test_verify_without_a_key_compares_digests(made: Made) -> None:
    """Without a key the report says that nobody's authorship was proven."""
    report = verify_release(made.folder)
    assert report.is_sound
    assert (report.integrity_proven, report.decrypted) == (False, 0)


def test_verify_finds_a_manifest_that_describes_other_columns(tmp_path: Path) -> None:
    """A proven manifest that does not fit its files is unsound: types, nulls and rows are compared."""
    made = portable(tmp_path / "r")
    for change, words in (
        ({"type": "string"}, "other columns"),
        ({"name": "years"}, "other columns"),
        ({"nulls": 3}, "number of nulls"),
    ):
        table = made.manifest.tables["encounters"]
        changed = tuple(msgspec.structs.replace(c, **change) if c.name == "age" else c for c in table.columns)
        content = {**made.manifest.tables, "encounters": msgspec.structs.replace(table, columns=changed)}
        publish(made.folder, made.keys, msgspec.structs.replace(made.manifest, tables=content))
        (fault,) = verify_release(made.folder, [made.identity]).faults
        assert words in str(fault)


def test_to_parquet_gives_plain_files(tmp_path: Path, opened: OpenedRelease) -> None:
    """Every table is a folder of Parquet files that open without a key."""
    CONVERTERS["parquet"](opened, tmp_path / "plain")
    assert in_order(pq.read_table(tmp_path / "plain/encounters")).equals(visits())
    assert sorted(p.name for p in (tmp_path / "plain/encounters").iterdir()) == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]


def test_to_csv_keeps_nulls_and_codes(tmp_path: Path, opened: OpenedRelease) -> None:
    """CSV holds the same values; a null is nothing between two commas."""
    CONVERTERS["csv"](opened, tmp_path / "tables")
    options = pcsv.ConvertOptions(column_types=visits().schema, strings_can_be_null=True, null_values=[""])
    found = pcsv.read_csv(tmp_path / "tables/encounters.csv", convert_options=options)
    assert in_order(found).equals(visits())


def test_csv_tells_empty_text_from_null(tmp_path: Path) -> None:
    """Empty text is two quotes, a null is nothing, and quotes are doubled."""
    table = pa.table({"patient_id": ["a", "b", "c"], "text": ["", None, 'say "x", y']})
    made = make(tmp_path / "r", ReleaseKeys.portable("r1"), {"t": table})
    CONVERTERS["csv"](open_with(made.folder, [made.identity]), tmp_path / "csv")
    lines = (tmp_path / "csv/t.csv").read_text().splitlines()
    assert lines[0] == '"patient_id","text"'
    assert sorted(lines[1:]) == ['"a",""', '"b",', '"c","say ""x"", y"']


def test_csv_refuses_lists(tmp_path: Path) -> None:
    """A column of lists has no place in CSV; the hint names formats that take it, and nothing is left."""
    made = make(tmp_path / "r", ReleaseKeys.portable("r1"), {"t": pa.table({"patient_id": ["a"], "codes": [["E11"]]})})
    opened = open_with(made.folder, [made.identity])
    with pytest.raises(ReleaseError, match=r"t\.codes"):
        CONVERTERS["csv"](opened, tmp_path / "csv")
    assert not (tmp_path / "csv").exists()
    CONVERTERS["duckdb"](opened, tmp_path / "r.duckdb")
    with duckdb.connect(str(tmp_path / "r.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT codes FROM t").fetchall() == [(["E11"],)]


def test_to_duckdb_gives_one_database(tmp_path: Path, opened: OpenedRelease) -> None:
    """Every table is a table, with filters and types working."""
    CONVERTERS["duckdb"](opened, tmp_path / "r.duckdb")
    with duckdb.connect(str(tmp_path / "r.duckdb"), read_only=True) as connection:
        assert in_order(connection.table("encounters").to_arrow_table()).cast(visits().schema).equals(visits())
        assert connection.execute("SELECT count(*) FROM patients WHERE age < 5").fetchone() == (4,)
    assert [path.name for path in tmp_path.iterdir()] == ["r.duckdb"]


@pytest.mark.parametrize("form", sorted(CONVERTERS))
def test_nothing_is_overwritten(tmp_path: Path, opened: OpenedRelease, form: str) -> None:
    """What stands at the target stays as it was."""
    (tmp_path / "target").write_text("mine")
    with pytest.raises(StorageError, match="already exists"):
        CONVERTERS[form](opened, tmp_path / "target")
    assert (tmp_path / "target").read_text() == "mine"
    with pytest.raises(StorageError, match="cannot make"):
        CONVERTERS[form](opened, tmp_path / "nowhere" / "target")


@pytest.mark.parametrize("form", sorted(CONVERTERS))
def test_a_failed_conversion_leaves_nothing(tmp_path: Path, form: str) -> None:
    """A file that changes after opening stops the conversion with our own error, and no part of the output stays."""
    made = portable(tmp_path / "r")
    opened = open_with(made.folder, [made.identity])
    last = made.folder / made.manifest.files()[-1].name
    raw = bytearray(last.read_bytes())
    raw[60] ^= 1
    last.write_bytes(raw)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ReleaseError, match="cannot be decrypted") as caught:
        CONVERTERS[form](opened, tmp_path / "target")
    assert CANARY not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Set the umask of the process for a while."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Return what below `folder` others than its owner may reach: nothing below a folder that they may not enter."""
    found = []
    for path in folder.iterdir():
        if path.stat().st_mode & 0o077:
            found.append(path.name)
            found += [f"{path.name}/{name}" for name in (open_to_others(path) if path.is_dir() else [])]
    return found


class Watched(OpenedRelease):
    """A release that looks, whenever a converter asks for a table, whether what it wrote so far is private."""

    def schema(self, table: str) -> pa.Schema:
        """Return the schema as the release does."""
        out = next((self.folder.parent / "out").glob(".target.partial-*"))
        assert open_to_others(out.parent) == []
        if table != self.tables[0]:  # the first table is written by now
            assert [path for path in out.rglob("*") if path.is_file()]
        return super().schema(table)


@pytest.mark.parametrize("mask", [0o022, 0o000])
@pytest.mark.parametrize("form", sorted(CONVERTERS))
def test_what_is_opened_is_for_its_owner_alone(tmp_path: Path, form: str, mask: int) -> None:
    """Clear data is never readable by others, neither while it is written nor after, whatever the umask."""
    made = portable(tmp_path / "r")
    (tmp_path / "out").mkdir()
    with umask(mask):
        CONVERTERS[form](Watched(made.folder, made.manifest, made.keys), tmp_path / "out" / "target")
    paths = [tmp_path / "out" / "target", *(tmp_path / "out" / "target").rglob("*")]
    assert len(paths) == {"csv": 4, "duckdb": 1, "meds": 8, "omop": 22, "parquet": 8}[form]
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path.name
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["target"]


def test_a_killed_conversion_is_swept_by_the_next_to_the_same_place(tmp_path: Path, opened: OpenedRelease) -> None:
    """What kill -9 left in clear under a hidden name goes; what merely looks like it, or is being written, stays."""
    code = """
import os, signal, sys
from pathlib import Path
from deid.opening.in_clear import converted
with converted(Path(sys.argv[1])) as file:
    file.write_text("clear")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "tables")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.read_text() for path in tmp_path.glob(".tables.partial-*/*")] == ["clear"]
    mine = {".tables.partial-notes", ".others.partial-0123456789abcdef"}
    for name in mine:
        (tmp_path / name).mkdir()

    def overtaken() -> None:
        with converted(tmp_path / "tables") as living:
            living.write_text("being written")
            CONVERTERS["csv"](opened, tmp_path / "tables")
            assert living.exists()

    with pytest.raises(StorageError, match="already exists"):
        overtaken()
    assert {path.name for path in tmp_path.iterdir()} == {"tables", *mine}
    assert (tmp_path / "tables" / "encounters.csv").exists()


@pytest.mark.parametrize("notice", [lambda path: path.write_text("{}"), lambda path: path.symlink_to("nowhere")])
def test_a_recalled_release_is_not_opened(tmp_path: Path, notice: Callable[[Path], object]) -> None:
    """A notice of recall stops `open` and `verify`, with a key and without, whatever stands in it."""
    made = portable(tmp_path / "r")
    notice(made.folder / RECALL)
    for look in (
        lambda: open_with(made.folder, [made.identity]),
        lambda: verify_release(made.folder, [made.identity]),
        lambda: verify_release(made.folder),
    ):
        with pytest.raises(ReleaseError, match="recalled") as caught:
            look()
        assert "do not use the data" in caught.value.hint
    (made.folder / RECALL).unlink()
    assert verify_release(made.folder, [made.identity]).is_sound


def test_a_key_does_not_prove_who_made_a_release(tmp_path: Path, made: Made) -> None:
    """Another site can seal a release to the same public key: it verifies, so `Verification` claims integrity only."""
    other = portable(tmp_path / "other")
    public = Recipient("researcher", made.identity.public)
    (other.folder / ENVELOPE).write_bytes(seal_envelope(other.keys.payload(), [public]))
    report = verify_release(other.folder, [made.identity])
    assert (report.is_sound, report.integrity_proven) == (True, True)
    assert not [field for field in Verification.__slots__ if "authentic" in field or "sender" in field]


def test_the_manifest_survives_the_trip(made: Made) -> None:
    """Writing and reading a manifest is the identity, and equal manifests have equal bytes."""
    data = to_bytes(made.manifest)
    assert from_bytes(data) == made.manifest
    assert to_bytes(from_bytes(data)) == data
    assert json.loads(data)["disclosure"] == {"k": 11, "patients_released": 100, "patients_suppressed": "1-10"}


@given(st.integers(0, 10**9))
def test_small_counts_are_never_shown(patients: int) -> None:
    """One to ten patients are written as a range; no patients, and eleven or more, as they are."""
    assert shown(patients) == ("1-10" if 0 < patients < 11 else patients)


def edited(made: Made, edit: str) -> bytes:
    """Return the manifest's bytes after one edit."""
    content = json.loads((made.folder / MANIFEST).read_bytes())
    file = content["tables"]["encounters"]["files"][0]
    match edit:
        case "unknown field":
            content["extra"] = 1
        case "missing field":
            del content["policy"]
        case "wrong type":
            file["rows"] = "many"
        case "climbing name":
            file["name"] = "data/encounters/../../../etc/part-00000.parquet"
        case "absolute name":
            file["name"] = "/etc/passwd"
        case "another table's file":
            file["name"] = "data/patients/part-00000.parquet"
        case "a file twice":
            content["tables"]["encounters"]["files"][1] = file
        case "rows that do not add up":
            content["tables"]["encounters"]["rows"] = 7
        case "a document outside":
            content["documents"][0]["name"] = "../codebook.md"
        case "another format":
            content["format"] = "deid-release/9"
        case "a small count":
            content["disclosure"]["patients_suppressed"] = "1-9"
        case "no object":
            content = [content]
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "edit",
    [
        "unknown field",
        "missing field",
        "wrong type",
        "climbing name",
        "absolute name",
        "another table's file",
        "a file twice",
        "rows that do not add up",
        "a document outside",
        "another format",
        "a small count",
        "no object",
    ],
)
def test_a_manifest_that_does_not_follow_its_format_is_refused(made: Made, edit: str) -> None:
    """Each departure from the format is an error with a hint, whoever wrote it."""
    from_bytes(json.dumps(json.loads((made.folder / MANIFEST).read_bytes())).encode())
    with pytest.raises(ReleaseError) as caught:
        from_bytes(edited(made, edit))
    assert caught.value.hint


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"{" * 100_000, b"null", b'{"format": "deid-release/1"}'])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    """Noise, nesting and emptiness end in the same clear error."""
    with pytest.raises(ReleaseError):
        from_bytes(data)


class Denying:
    """A key provider that guards one column group from its user, as a KMS policy would."""

    def __init__(self, provider: LocalProvider, group: str) -> None:
        self._provider, self._group = provider, group

    def __getattr__(self, name: str) -> Any:
        """Do everything else as the real one does."""
        return getattr(self._provider, name)

    def unwrap_under(self, guard: str, name: str, wrapped: bytes) -> bytes:
        """Unwrap, but for the guarded group."""
        if f"/{self._group}/" in name:
            raise KeyFaultError("this user may not use the key", hint="ask the site")
        return self._provider.unwrap_under(guard, name, wrapped)


def test_a_group_that_is_denied_hides_its_columns_only(tmp_path: Path, provider: LocalProvider) -> None:
    """Without the key of one column group the other columns read, and the guarded one is an error, not a crash."""
    made = columns(tmp_path / "r", provider)
    opened = open_with(made.folder, [made.identity], provider=Denying(provider, "dates"))
    assert in_order(opened.read("encounters", ["patient_id", "age"])).equals(visits().select(["patient_id", "age"]))
    with pytest.raises(KeyFaultError, match="may not use"):
        opened.read("encounters", ["admit_date"])


def test_verify_with_a_provider_decrypts_everything(tmp_path: Path, provider: LocalProvider) -> None:
    """The site verifies a `columns` release with its own keys."""
    made = columns(tmp_path / "r", provider)
    report = verify_release(made.folder, provider=provider)
    assert report.is_sound
    assert (report.integrity_proven, report.decrypted) == (True, 12)
