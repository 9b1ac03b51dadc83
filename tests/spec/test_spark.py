"""What the engine on Spark stands on, without Spark: parts, attempts, shipments, faults, and which settings it asks for."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pytest

from deid.codes import CODE_SYSTEMS
from deid.errors import DeidError, DocumentError, KeyFaultError, SourceError, StorageError, VerificationError
from deid.keys.parquet_kms import FOOTER
from deid.keys.prf import BatchCmac
from deid.sealing.sealed import SealedMap
from deid.sinks.encrypted_parquet import TableWriter
from deid.sinks.release_keys import ReleaseKeys
from deid.sources.splits import Split
from deid.spark.cluster import require_sealed
from deid.tasks import shipping
from deid.tasks.attempts import begin_attempt, end_attempts, make_tasks_folder, take
from deid.tasks.faults import error_of, fault_of
from deid.tasks.parts import grouped
from deid.tasks.shipping import Shipment, open_answer, seal_answer, ship, unship
from deid.tasks.task_keys import TaskKeys

KEY = bytes(range(32))
SECRET = "SENTINEL-cell-4711"
SCHEMA = pa.schema([("N", pa.int64())])


def splits_of(*sizes: int) -> tuple[Split, ...]:
    """Return one split for each file of these sizes."""
    return tuple(Split("t", n, n, 0, None, (size, 1)) for n, size in enumerate(sizes))


def test_small_files_are_read_by_one_task_so_that_none_of_them_is_a_file_of_the_release() -> None:
    """Consecutive splits are joined until they are enough, and a small rest joins the group before it."""
    found = grouped(splits_of(4, 4, 4, 20, 4, 4, 4), 10)
    assert [[split.number for split in group] for group in found] == [[0, 1, 2], [3], [4, 5, 6]]
    assert [len(group) for group in grouped(splits_of(9, 9, 9), 10)] == [3]
    assert [len(group) for group in grouped(splits_of(1, 1, 1), 10)] == [3]


def test_every_group_but_a_whole_table_is_large_enough() -> None:
    """Whatever the sizes, no group is smaller than asked for unless it is all there is, and all splits are in order."""
    dice = np.random.default_rng(7)
    for _ in range(200):
        sizes = dice.integers(1, 30, dice.integers(1, 12)).tolist()
        found = grouped(splits_of(*sizes), 25)
        assert [split.number for group in found for split in group] == list(range(len(sizes)))
        weights = [sum(sizes[split.number] for split in group) for group in found]
        assert len(found) == 1 or min(weights) >= 25


def test_a_table_that_cannot_be_cut_has_no_parts() -> None:
    """One split that covers everything is left to the driver."""
    assert grouped((Split("t"),), 10) == []


def test_text_is_measured_by_the_bytes_of_its_splits() -> None:
    """Two halves of a large file are two groups, not one for each is as large as the file."""
    halves = (Split("t", 0, 0, 0, 60_000, (120_000, 1)), Split("t", 1, 0, 60_000, None, (120_000, 1)))
    assert len(grouped(halves, 60_000)) == 2
    assert len(grouped(halves, 100_000)) == 1


def write_attempt(tasks: Path, number: int, keys: ReleaseKeys, rows: list[int]) -> tuple[str, tuple[object, ...]]:
    """Write one attempt of a task, and return its name and files."""
    attempt = begin_attempt(tasks, number)
    with TableWriter(attempt, "visits", SCHEMA, keys, first=number) as writer:
        writer.write(pa.record_batch([pa.array(rows)], schema=SCHEMA))
        return attempt.name, writer.close()


def test_one_attempt_of_each_task_is_taken_and_the_others_leave_nothing(tmp_path: Path) -> None:
    """Of two attempts the one that is taken stands under the name its encryption binds; the other is gone."""
    keys, tasks = ReleaseKeys.portable("r"), make_tasks_folder(tmp_path)
    write_attempt(tasks, 3, keys, [1, 2])
    name, files = write_attempt(tasks, 3, keys, [1, 2])
    take(tasks, name, files, tmp_path)  # type: ignore[arg-type]
    end_attempts(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == [
        "data/visits/part-00003.parquet"
    ]
    import pyarrow.parquet as pq

    properties = keys.file_decryption_properties("visits", "part-00003.parquet")
    read = pq.read_table(tmp_path / "data/visits/part-00003.parquet", decryption_properties=properties)
    assert sorted(read["N"].to_pylist()) == [1, 2]


def test_a_part_is_never_taken_twice(tmp_path: Path) -> None:
    """A second attempt of a part that stands is refused, so no row can be in a release twice."""
    keys, tasks = ReleaseKeys.portable("r"), make_tasks_folder(tmp_path)
    first, second = (write_attempt(tasks, 0, keys, [1]) for _ in range(2))
    take(tasks, *first, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="stands twice"):
        take(tasks, *second, tmp_path)  # type: ignore[arg-type]


def test_a_file_that_another_file_system_holds_is_refused(tmp_path: Path) -> None:
    """Where the driver does not see what a task wrote, nothing is published."""
    keys, tasks = ReleaseKeys.portable("r"), make_tasks_folder(tmp_path)
    name, files = write_attempt(tasks, 0, keys, [1])
    (tasks / name / "data/visits/part-00000.parquet").unlink()
    with pytest.raises(StorageError, match="cannot take"):
        take(tasks, name, files, tmp_path)  # type: ignore[arg-type]


def test_an_attempt_that_comes_late_cannot_begin(tmp_path: Path) -> None:
    """After the commit the folder of attempts is gone, and a late attempt does not make it again."""
    tasks = make_tasks_folder(tmp_path)
    (tmp_path / "data").mkdir()
    end_attempts(tmp_path)
    with pytest.raises(StorageError, match="cannot write"):
        begin_attempt(tasks, 0)
    assert not tasks.exists()


def test_tasks_get_the_keys_of_files_and_nothing_that_proves_a_manifest() -> None:
    """In the columns profile every group has one key for all tasks, and the manifest key stays with the driver."""
    keys = ReleaseKeys.columns(None, "r", {"visits.N": "dates"}, series="s/p")  # type: ignore[arg-type]
    given = TaskKeys.of(keys)
    assert given.key == b""
    assert set(given.keks) == {"dates", FOOTER}
    assert keys.column_keys is not None
    assert keys.column_keys.fresh is not None
    assert keys.column_keys.fresh.made == given.keks
    opened = given.opened()
    with pytest.raises(KeyFaultError):
        opened.keys_file()
    assert SECRET not in repr(given)


def test_what_is_shipped_is_sealed_and_comes_back(tmp_path: Path) -> None:
    """Large and small shipments come back as they were, and neither a frame nor a file holds a word in clear."""
    with pytest.MonkeyPatch.context() as patch:
        for limit in (1 << 20, 0):
            patch.setattr(shipping, "TRAVELS", limit)
            content = {"cell": SECRET, "more": list(range(1000)), "codes": CODE_SYSTEMS["icd10cm"]}
            sent = ship(content, KEY, f"job{limit}", tmp_path)
            assert (sent.path is None) is bool(limit)
            back = unship(sent, KEY)
            assert back == content
            assert back["codes"] is CODE_SYSTEMS["icd10cm"]
            raw = b"".join(sent.frames) if sent.path is None else Path(sent.path).read_bytes()
            assert SECRET.encode() not in raw
            assert SECRET not in repr(sent)


def test_a_shipment_in_many_frames_is_whole_or_refused(tmp_path: Path) -> None:
    """Frames that are cut, swapped or changed are refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipping, "FRAME", 512)
        sent = ship(np.arange(1000), KEY, "job", tmp_path)
        assert len(sent.frames) > 3
        assert np.array_equal(unship(sent, KEY), np.arange(1000))
        changed = bytearray(sent.frames[1])
        changed[20] ^= 1
        first, second, *rest = sent.frames
        for frames in (sent.frames[:-1], (second, first, *rest), (first, bytes(changed), *rest)):
            with pytest.raises(StorageError, match="changed or cut"):
                unship(Shipment("job", tuple(frames)), KEY)


def test_a_shipment_opens_under_its_own_name_and_run_only(tmp_path: Path) -> None:
    """Neither another run's key nor another shipment's name opens it."""
    sent = ship([1], KEY, "job", tmp_path)
    for shipment, key in ((sent, bytes(32)), (Shipment("known", sent.frames), KEY)):
        with pytest.raises(StorageError):
            unship(shipment, key)


@pytest.mark.parametrize("limit", [1 << 20, 0])
def test_an_answer_opens_for_its_task_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """The answer of one task, by Spark or in its folder, is not another's; what no task of this run sealed is refused."""
    monkeypatch.setattr(shipping, "ANSWERED", limit)
    attempt = begin_attempt(tmp_path, 5)
    told = seal_answer({"rows": 3, "cell": SECRET}, KEY, 5, attempt)
    assert len(list(attempt.iterdir())) == (not limit)
    assert not any(SECRET.encode() in found for found in (told, *(path.read_bytes() for path in attempt.iterdir())))
    assert open_answer(told, KEY, 5, tmp_path) == {"rows": 3, "cell": SECRET}
    strange = b"t../../../etc/passwd"
    for wrong, key, number in (
        (told, KEY, 6),
        (told, bytes(32), 5),
        (b"h" + pickle.dumps(print), KEY, 5),
        (strange, KEY, 5),
    ):
        with pytest.raises(StorageError):
            open_answer(wrong, key, number, tmp_path)


def test_maps_and_keys_answer_in_a_task_as_in_the_driver(tmp_path: Path) -> None:
    """A sealed map, spilled or not, and a keyed function give the same after shipping; proxies stay read-only."""
    cmac, tags = BatchCmac(KEY), np.arange(1, 5000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for budget in (1 << 20, 3000):
        with SealedMap(pa.schema([("n", pa.int64())]), folder=tmp_path, budget=budget) as held:
            held.add(tags, pa.record_batch([pa.array(range(len(tags)), pa.int64())], names=["n"]))
            held.freeze()
            assert bool(held.spilled_bytes) is (budget == 3000)
            back = unship(ship((cmac, held, MappingProxyType({"a": 1})), KEY, f"j{budget}", tmp_path), KEY)
            asked = np.append(tags[::7], np.uint64(12345))
            for mine, theirs in zip(held.find(asked), back[1].find(asked), strict=True):
                assert np.array_equal(mine, theirs) if isinstance(mine, np.ndarray) else mine.equals(theirs)
    ids = pa.array(["a", None, "some longer identifier"])
    assert np.array_equal(back[0].digest(ids), cmac.digest(ids))
    assert isinstance(back[2], MappingProxyType)


def test_a_key_that_never_leaves_its_token_stops_the_run(tmp_path: Path) -> None:
    """What would need such a key in a task is refused with a hint, and nothing is shipped."""

    class InToken:
        def each(self, blocks: memoryview) -> bytes:
            return bytes(blocks)

        def chained(self, blocks: memoryview) -> bytes:
            return bytes(blocks[-16:])

    with pytest.raises(KeyFaultError, match="never leaves"):
        ship(BatchCmac(InToken()), KEY, "job", tmp_path)
    assert not list(tmp_path.iterdir())


def test_faults_of_tasks_come_back_as_the_errors_they_were_and_hold_no_cell() -> None:
    """A DeidError keeps class, words and hint; anything else is a defect that names its place and no more."""
    met = error_of(fault_of(SourceError("visits holds bad rows", hint="mend them")))
    assert type(met) is SourceError
    assert str(met) == "visits holds bad rows\nhint: mend them"
    try:
        int(SECRET)
    except ValueError as error:
        told = error_of(fault_of(error))
    assert isinstance(told, VerificationError)
    assert "ValueError" in str(told)
    assert SECRET not in str(told)


@dataclass
class Context:
    """As much of a Spark context as the check of settings looks at."""

    master: str
    settings: dict[str, str]

    @property
    def sparkContext(self) -> Context:  # noqa: N802 - Spark's name
        """The context."""
        return self

    def getConf(self) -> dict[str, str]:  # noqa: N802 - Spark's name
        """Return the settings."""
        return self.settings


SEALED = {"spark.io.encryption.enabled": "true", "spark.authenticate": "true", "spark.network.crypto.enabled": "true"}


@pytest.mark.parametrize("missing", SEALED)
def test_a_cluster_that_would_send_or_keep_keys_in_clear_is_refused(missing: str) -> None:
    """Each of the settings is required of a cluster, and the hint names it; one process needs the one about disks."""
    require_sealed(Context("spark://head:7077", SEALED))  # type: ignore[arg-type]
    held = {name: value for name, value in SEALED.items() if name != missing}
    with pytest.raises(DocumentError) as refused:
        require_sealed(Context("spark://head:7077", held))  # type: ignore[arg-type]
    assert missing in refused.value.hint
    if missing == "spark.io.encryption.enabled":
        with pytest.raises(DeidError):
            require_sealed(Context("local[2]", held))  # type: ignore[arg-type]
    else:
        require_sealed(Context("local[2]", held))  # type: ignore[arg-type]
        with pytest.raises(DeidError):
            require_sealed(Context("local-cluster[2,1,1024]", held))  # type: ignore[arg-type]
