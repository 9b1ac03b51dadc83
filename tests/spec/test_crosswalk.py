"""The crosswalk of docs/formats/crosswalk.md: stable, random, sealed, and either the old or the new generation."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from deid.crosswalks.crosswalk import Crosswalk
from deid.crosswalks.frozen import FrozenCrosswalk
from deid.errors import DeidError, KeyFaultError, StorageError
from deid.keys.prf import derive_key

KEY = bytes(range(32))
PARTY = "outcomes/patient_id"


def ids_of(start: int, stop: int) -> pa.Array:
    """Identifiers that are easy to search for."""
    return pa.array([f"PATIENT-{number:07d}" for number in range(start, stop)])


def run(
    folder: Path, ids: pa.Array, *, domain: str = PARTY, key: bytes = KEY, budget: int = 1 << 22
) -> list[str | None]:
    """Observes identifiers, freezes, and gives their pseudonyms."""
    with Crosswalk.open(folder / "crosswalk", key, spill=folder / "spill", budget=budget) as crosswalk:
        crosswalk.observe(domain, ids)
        return crosswalk.freeze().pseudonyms(domain, ids).to_pylist()


def names(folder: Path) -> set[str]:
    """What lies in the crosswalk folder."""
    return {path.name for path in (folder / "crosswalk").iterdir()}


def test_same_identifier_same_pseudonym_across_runs(tmp_path: Path) -> None:
    """Later runs give what earlier ones gave, whatever was added in between; pseudonyms are 16 characters, unique."""
    first = run(tmp_path, ids_of(0, 50))
    run(tmp_path, ids_of(40, 90))
    assert run(tmp_path, ids_of(0, 90))[:50] == first
    everyone = run(tmp_path, ids_of(0, 90))
    assert len(set(everyone)) == 90
    assert {len(text) for text in everyone if text} == {16}


def test_parties_never_share(tmp_path: Path) -> None:
    """The same identifiers have other pseudonyms in every domain."""
    given = [run(tmp_path, ids_of(0, 100), domain=domain) for domain in ("a/patient_id", "b/patient_id", "a/claim_id")]
    assert len({text for texts in given for text in texts}) == 300


def test_random_and_not_derived(tmp_path: Path) -> None:
    """Two fresh crosswalks under one key give the same identifiers unrelated pseudonyms: nothing is computed."""
    one, two = run(tmp_path / "one", ids_of(0, 200)), run(tmp_path / "two", ids_of(0, 200))
    assert not set(one) & set(two)


def test_nulls_repeats_and_opaque_text(tmp_path: Path) -> None:
    """Null stays null, a repeat is the same, and texts that only look alike are different people."""
    ids = pa.array(["1", None, "001", "1", "", " 1", "a", "A", None, "é", "e\u0301", "x" * 300])
    given = run(tmp_path, ids)
    assert given[1] is None
    assert given[8] is None
    assert given[0] == given[3]
    assert len(set(given) - {None}) == 9


def test_dictionary_arrays(tmp_path: Path) -> None:
    """Dictionary-encoded identifiers count as their texts; entries that no row points to are not observed."""
    plain = run(tmp_path, pa.array(["p", "q", None]))
    entries = pa.array(["unused", "q", None, "p"])
    encoded = pa.DictionaryArray.from_arrays(pa.array([3, 1, None, 2, 3], pa.int32()), entries)
    assert run(tmp_path, encoded) == [plain[0], plain[1], None, None, plain[0]]
    with Crosswalk.open(tmp_path / "crosswalk", KEY, spill=tmp_path / "spill") as crosswalk:
        frozen = crosswalk.freeze()
        assert frozen.count(PARTY) == 2
        assert frozen.pseudonyms(PARTY, pa.array(["q"], pa.large_string())).to_pylist() == [plain[1]]


def test_unobserved_is_a_fault(tmp_path: Path) -> None:
    """Looking up what was never observed fails, names no identifier, and draws nothing."""
    run(tmp_path, ids_of(0, 5))
    with Crosswalk.open(tmp_path / "crosswalk", KEY, spill=tmp_path / "spill") as crosswalk:
        frozen = crosswalk.freeze()
        for domain in (PARTY, "nobody/patient_id"):
            with pytest.raises(StorageError) as fault:
                frozen.pseudonyms(domain, ids_of(4, 7))
            assert "PATIENT" not in str(fault.value)
        assert frozen.count(PARTY) == 5


def test_grows_from_one_partition_to_many_through_a_spill(tmp_path: Path) -> None:
    """More partitions, and a spill because the budget is small, change no pseudonym; the spill is gone afterwards."""
    first = run(tmp_path, ids_of(0, 20_000), budget=1 << 18)
    with Crosswalk.open(tmp_path / "crosswalk", KEY, spill=tmp_path / "spill", budget=1 << 18) as crosswalk:
        for start in range(0, 60_000, 6_000):
            crosswalk.observe(PARTY, ids_of(start, start + 6_000))
        assert crosswalk._rows.spilled_bytes > 0
        frozen = crosswalk.freeze()
        assert len(frozen._index.domain(PARTY).partitions) == 2
        shuffled = np.random.default_rng(5).permutation(60_000)
        given = np.empty(60_000, dtype=object)
        given[shuffled] = frozen.pseudonyms(PARTY, ids_of(0, 60_000).take(pa.array(shuffled))).to_pylist()
        assert given[:20_000].tolist() == first
        assert len(set(given.tolist())) == frozen.count(PARTY) == 60_000
    assert list((tmp_path / "spill").iterdir()) == []


def test_nothing_new_commits_nothing(tmp_path: Path) -> None:
    """A run that only meets known identifiers leaves the folder byte for byte as it was."""
    run(tmp_path, ids_of(0, 10))
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    run(tmp_path, ids_of(3, 8))
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before


def test_keeps_the_generation_before_and_untouched_domains(tmp_path: Path) -> None:
    """Two generations stand; a domain to which nothing was added goes over with its file."""
    other = run(tmp_path, ids_of(0, 10), domain="other/patient_id")
    for stop in (5, 10, 15):
        run(tmp_path, ids_of(0, stop))
    assert names(tmp_path) == {"LOCK", "CURRENT", "generation-00000003", "generation-00000004"}
    assert run(tmp_path, ids_of(0, 10), domain="other/patient_id") == other
    with Crosswalk.open(tmp_path / "crosswalk", KEY, spill=tmp_path / "spill") as crosswalk:
        assert crosswalk.freeze().generation == 4


def test_workers_read_a_generation_by_number(tmp_path: Path) -> None:
    """Another process finds the same pseudonyms by generation, and is told when it is gone."""
    given = run(tmp_path, ids_of(0, 10))
    assert (
        FrozenCrosswalk.at(tmp_path / "crosswalk", KEY, generation=1).pseudonyms(PARTY, ids_of(0, 10)).to_pylist()
        == given
    )
    run(tmp_path, ids_of(0, 20))
    run(tmp_path, ids_of(0, 30))
    with pytest.raises(StorageError):
        FrozenCrosswalk.at(tmp_path / "crosswalk", KEY, generation=1)


def test_nothing_identified_on_disk(tmp_path: Path) -> None:
    """No identifier, pseudonym, surrogate or domain name stands in the folder in clear; all is the owner's alone."""
    given = run(tmp_path, ids_of(0, 30))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in files)
    assert len(content) > 30 * 31
    assert b"PATIENT" not in content
    assert PARTY.encode() not in content
    assert not any(base64.b32decode(text.upper()) in content for text in given if text)
    assert {path.stat().st_mode & 0o077 for path in [*files, *(tmp_path / "crosswalk").iterdir()]} == {0}


def test_follows_the_format_page(tmp_path: Path) -> None:
    """A reader written from the format page alone finds the surrogate of an identifier."""
    given = run(tmp_path, ids_of(0, 3))
    raw = (tmp_path / "crosswalk" / "CURRENT").read_bytes()
    assert raw[:8] == b"deidxwi1"
    assert int.from_bytes(raw[8:16]) == 1
    assert raw[16:32] == derive_key(KEY, "crosswalk", "key check")[:16]
    cipher = AESGCM(derive_key(KEY, "crosswalk", "index", raw[32:64].hex()))
    domain = json.loads(cipher.decrypt(bytes(12), raw[64:], raw[:64]))["domains"][0]
    part = domain["partitions"][0]
    sealed = (tmp_path / "crosswalk" / "generation-00000001" / domain["file"]).read_bytes()
    assert hashlib.sha256(sealed).hexdigest() == part["sha256"]
    cipher = AESGCM(derive_key(KEY, "crosswalk", "partitions", PARTY, domain["salt"]))
    plain = cipher.decrypt(bytes(12), sealed, (1).to_bytes(8) + (3).to_bytes(8))
    mac = CMAC(AES(derive_key(KEY, "crosswalk", "tags", PARTY)))
    mac.update(b"PATIENT-0000001")
    tags = [plain[16 * row : 16 * row + 16] for row in range(3)]
    assert tags == sorted(tags)
    row = tags.index(mac.finalize())
    assert base64.b32encode(plain[48 + 10 * row : 58 + 10 * row]).decode().lower() == given[1]


def test_another_key_is_refused(tmp_path: Path) -> None:
    """A wrong key is a key fault, and changes nothing."""
    run(tmp_path, ids_of(0, 3))
    with pytest.raises(KeyFaultError):
        run(tmp_path, ids_of(0, 3), key=bytes(32))
    with pytest.raises(KeyFaultError):
        run(tmp_path / "fresh", ids_of(0, 3), key=b"short")


def spoiled(path: Path, change: Callable[[bytes], bytes], whole: Path) -> bool:
    """Whether a run notices that a file was changed; the file is put back."""
    good = path.read_bytes()
    path.write_bytes(change(good))
    try:
        run(whole, ids_of(0, 5))
    except (StorageError, KeyFaultError):
        return True
    finally:
        path.write_bytes(good)
    return False


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    """No byte of any file of the current generation can change unnoticed."""
    run(tmp_path, ids_of(0, 3))
    run(tmp_path, ids_of(0, 5))
    files = [tmp_path / "crosswalk" / "CURRENT", *(tmp_path / "crosswalk" / "generation-00000002").iterdir()]
    assert len(files) == 3
    for path in files:
        for at in range(path.stat().st_size):
            change = lambda raw, at=at: raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]  # noqa: E731
            assert spoiled(path, change, tmp_path), (path.name, at)
        for length in (0, 7, 63, 64, 80, path.stat().st_size - 1):
            assert spoiled(path, lambda raw, length=length: raw[:length], tmp_path), (path.name, length)
        assert spoiled(path, lambda raw: raw + b"\0", tmp_path), path.name
    assert not spoiled(files[0], lambda raw: raw, tmp_path)


def test_missing_and_exchanged_files_are_noticed(tmp_path: Path) -> None:
    """An old CURRENT, an old file, and lost files are refused; none of them begins a new crosswalk."""
    run(tmp_path, ids_of(0, 3))
    old = (tmp_path / "crosswalk" / "CURRENT").read_bytes()
    run(tmp_path, ids_of(0, 5))
    crosswalk, current = tmp_path / "crosswalk", tmp_path / "crosswalk" / "generation-00000002"
    partitions = next(current.glob("*.partitions"))
    earlier = next((crosswalk / "generation-00000001").glob("*.partitions")).read_bytes()
    assert spoiled(crosswalk / "CURRENT", lambda _: old, tmp_path)
    assert spoiled(current / "index", lambda _: old, tmp_path)
    assert spoiled(partitions, lambda _: earlier, tmp_path)
    assert spoiled(crosswalk / "generation-00000001" / "index", lambda raw: raw[:-1] + b"?", tmp_path)
    for path in (crosswalk / "CURRENT", current, current / "index", partitions):
        away = path.rename(tmp_path / "away")
        with pytest.raises(StorageError):
            run(tmp_path, ids_of(0, 5))
        assert not path.exists()
        away.rename(path)
    assert len(run(tmp_path, ids_of(0, 5))) == 5


def test_older_folder_is_refused_by_at_least(tmp_path: Path) -> None:
    """A whole folder put back is older than the audit log knows."""
    run(tmp_path, ids_of(0, 3))
    shutil.copytree(tmp_path / "crosswalk", tmp_path / "copy")
    run(tmp_path, ids_of(0, 5))
    with Crosswalk.open(tmp_path / "crosswalk", KEY, spill=tmp_path, at_least=2):
        pass
    with pytest.raises(StorageError, match="2 is known to exist"):
        Crosswalk.open(tmp_path / "copy", KEY, spill=tmp_path, at_least=2)


STOPPED = """
import errno, io, os, shutil, signal, sys
from pathlib import Path
import pyarrow as pa
from deid.crosswalks.crosswalk import Crosswalk
from deid.errors import StorageError
base, how = Path(sys.argv[1]), sys.argv[2]
ids = pa.array([f"PATIENT-{number:07d}" for number in range(30)])
POINTS = {"write", "fsync", "replace", "rename", "mkdir", "rmdir", "unlink", "link", "open"}

def commit(folder, stop_at):
    count = 0
    def watch(frame, event, call):
        nonlocal count
        if event != "c_call" or call.__name__ not in POINTS:
            return
        if call.__module__ in ("posix", "_io", "io") or isinstance(call.__self__, io.IOBase):
            count += 1
            if count == stop_at and how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if count == stop_at:
                sys.setprofile(None)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    sys.setprofile(watch)
    try:
        with Crosswalk.open(folder / "crosswalk", bytes(range(32)), spill=folder / "spill") as crosswalk:
            crosswalk.observe("outcomes/patient_id", ids)
            crosswalk.freeze()
    except StorageError:
        os._exit(3)
    sys.setprofile(None)
    os._exit(3 if count >= stop_at else 0)  # a fault while tidying up may be passed over

for stop_at in range(1, 1000):
    folder = base.parent / f"{base.name}-{stop_at}"
    shutil.copytree(base, folder)
    child = os.fork()
    if not child:
        commit(folder, stop_at)
    status = os.waitpid(child, 0)[1]
    stopped = os.WIFSIGNALED(status) if how == "killed" else os.WEXITSTATUS(status) == 3
    if not stopped:
        sys.exit(os.WEXITSTATUS(status))
"""


@pytest.mark.parametrize(("before", "how"), [(0, "killed"), (2, "killed"), (2, "disk full")])
def test_stopped_anywhere_leaves_old_or_new(tmp_path: Path, before: int, how: str) -> None:
    """Stopped before any one of its calls that change the disk, a commit leaves the old generation or the new one."""
    base = tmp_path / "base"
    (base / "crosswalk").mkdir(parents=True)
    old: list[str | None] = []
    for generation in range(before):
        old = run(base, ids_of(0, 10 * (generation + 1)))
    subprocess.run([sys.executable, "-c", STOPPED, base, how], check=True, capture_output=True, text=True)
    left: set[int] = set()
    for folder in tmp_path.glob("base-*"):
        with Crosswalk.open(folder / "crosswalk", KEY, spill=folder / "spill") as crosswalk:
            frozen = crosswalk.freeze()
            left.add(frozen.generation)
            assert frozen.count(PARTY) == (30 if frozen.generation > before else 10 * before)
        allowed = {f"generation-{number:08d}" for number in (frozen.generation, frozen.generation - 1)}
        assert names(folder) <= allowed | {"LOCK", "CURRENT"}
        after = run(folder, ids_of(0, 40))
        assert after[: len(old)] == old
        assert len(set(after)) == 40
    assert left == {before, before + 1}
    assert len(list(tmp_path.glob("base-*"))) > 20  # so many places where it was stopped


FULL_DISK = """
import resource, sys
from pathlib import Path
import pyarrow as pa
from deid.crosswalks.crosswalk import Crosswalk
from deid.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
folder = Path(sys.argv[1])
ids = pa.array([f"PATIENT-{number:07d}" for number in range(10_000)])
try:
    with Crosswalk.open(folder / "crosswalk", bytes(range(32)), spill=folder / "spill") as crosswalk:
        crosswalk.observe("outcomes/patient_id", ids)
        crosswalk.freeze()
except StorageError as fault:
    print(fault)
"""


def test_full_disk_leaves_the_old_generation(tmp_path: Path) -> None:
    """A commit that finds no room is a StorageError with a hint, leaves no file, and the crosswalk as it was."""
    first = run(tmp_path, ids_of(0, 100))
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run([sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, check=True)
    assert "hint: check the space" in done.stdout
    assert "PATIENT" not in done.stdout + done.stderr
    assert sorted(tmp_path.rglob("*")) == before
    assert run(tmp_path, ids_of(0, 100)) == first


def test_overlapping_runs_agree(tmp_path: Path) -> None:
    """Of two runs that observe at once, the second to freeze builds on the first: shared patients agree."""
    openings = [Crosswalk.open(tmp_path / "crosswalk", KEY, spill=tmp_path / f"spill{n}") for n in range(2)]
    openings[0].observe(PARTY, ids_of(0, 20))
    openings[1].observe(PARTY, ids_of(10, 30))
    first, second = openings[0].freeze(), openings[1].freeze()
    assert (first.generation, second.generation) == (1, 2)
    assert first.pseudonyms(PARTY, ids_of(10, 20)) == second.pseudonyms(PARTY, ids_of(10, 20))
    run(tmp_path, ids_of(0, 40))
    run(tmp_path, ids_of(0, 50))
    # Its files have no names any more, but this run still reads them.
    assert first.pseudonyms(PARTY, ids_of(10, 20)) == second.pseudonyms(PARTY, ids_of(10, 20))
    for opening in openings:
        opening.close()


HOLDER = """
import sys, time
from pathlib import Path
from deid.crosswalks.locking import lock
with lock(Path(sys.argv[1]), wait=1):
    print("held", flush=True)
    time.sleep(60)
"""


def test_lock_waits_then_refuses_and_dies_with_its_process(tmp_path: Path) -> None:
    """While another run commits, opening waits briefly and gives up with a hint; killing that run frees the lock."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "crosswalk"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StorageError, match="hint: wait until it has ended"):
            Crosswalk.open(tmp_path / "crosswalk", KEY, spill=tmp_path / "spill", wait=0.1)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert len(run(tmp_path, ids_of(0, 3))) == 3


def test_messages_are_for_users(tmp_path: Path) -> None:
    """A folder that cannot be used is a user's error with its family, not a traceback."""
    (tmp_path / "crosswalk").write_bytes(b"not a folder")
    with pytest.raises(DeidError) as fault:
        run(tmp_path, ids_of(0, 3))
    assert isinstance(fault.value, StorageError)
