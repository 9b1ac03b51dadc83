"""Copies of the crosswalk and its remembered head: what is lost is put back, what is older or foreign is refused."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from deid.crosswalks.checking import verify
from deid.crosswalks.copies import Copied, export_copy, restore_copy, restore_kept
from deid.crosswalks.crosswalk import Crosswalk
from deid.crosswalks.generations import Generations
from deid.crosswalks.locking import lock
from deid.crosswalks.partitions import EMPTY, DomainWriter, Entries
from deid.errors import DeidError, KeyFaultError, StorageError

KEY = bytes(range(32))
PARTY = "study/outcomes/patient_id"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def ids_of(start: int, stop: int) -> pa.Array:
    """Identifiers that are easy to search for."""
    return pa.array([f"PATIENT-{number:07d}" for number in range(start, stop)])


def run(folder: Path, stop: int, *, key: bytes = KEY) -> list[str | None]:
    """Observes identifiers, freezes, and gives their pseudonyms."""
    with Crosswalk.open(folder / "crosswalk", key, spill=folder / "spill") as crosswalk:
        crosswalk.observe(PARTY, ids_of(0, stop))
        given: list[str | None] = crosswalk.freeze().pseudonyms(PARTY, ids_of(0, stop)).to_pylist()
    return given


def copy(folder: Path, name: str = "copy", *, site: str = "north") -> Copied:
    """Takes a copy beside the crosswalk."""
    return export_copy(folder / "crosswalk", KEY, folder / name, site=site, at=NOW)


def restore(folder: Path, name: str = "copy", *, site: str = "north", older: bool = False) -> Copied:
    """Puts a copy back."""
    return restore_copy(folder / "crosswalk", KEY, folder / name, site=site, older=older)


def test_a_lost_crosswalk_is_refused_until_it_is_restored(tmp_path: Path) -> None:
    """A folder that is gone or emptied never begins anew: everybody would be a new person. A copy brings it back."""
    given = run(tmp_path, 30)
    done = copy(tmp_path)
    for lost in (tmp_path / "crosswalk", tmp_path / "crosswalk" / "CURRENT"):
        shutil.move(lost, tmp_path / "lost")
        for attempt in (lambda: run(tmp_path, 30), lambda: verify(tmp_path / "crosswalk", KEY)):
            with pytest.raises(StorageError, match=r"(gone|missing).*\nhint: .*restore"):
                attempt()
        shutil.rmtree(tmp_path / "crosswalk")
        assert restore(tmp_path) == done
        assert run(tmp_path, 30) == given
        shutil.rmtree(tmp_path / "lost") if (tmp_path / "lost").is_dir() else (tmp_path / "lost").unlink()
    assert verify(tmp_path / "crosswalk", KEY).domains == {PARTY: 30}


def test_a_copy_opens_with_the_key_alone(tmp_path: Path) -> None:
    """No identifier, surrogate or domain stands in a copy in clear; another key and another site do not open it."""
    run(tmp_path, 30)
    copy(tmp_path)
    content = (tmp_path / "copy").read_bytes()
    assert b"PATIENT" not in content
    assert PARTY.encode() not in content
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0
    with pytest.raises(KeyFaultError):
        restore_copy(tmp_path / "other" / "crosswalk", bytes(32), tmp_path / "copy", site="north")
    with pytest.raises(StorageError, match="of the site 'north', and this is 'south'"):
        restore_copy(tmp_path / "other" / "crosswalk", KEY, tmp_path / "copy", site="south")


def test_every_changed_byte_of_a_copy_is_noticed(tmp_path: Path) -> None:
    """A copy that was changed, cut or extended anywhere is refused, and the crosswalk stays as it is."""
    given = run(tmp_path, 3)
    copy(tmp_path)
    good = (tmp_path / "copy").read_bytes()
    before = {path: path.read_bytes() for path in (tmp_path / "crosswalk").rglob("*") if path.is_file()}
    changed = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
    for spoiled in [*changed, *(good[:length] for length in (0, 7, 12, 64, len(good) - 1)), good + b"\0"]:
        (tmp_path / "copy").write_bytes(spoiled)
        with pytest.raises(DeidError):
            restore(tmp_path)
    assert {path: path.read_bytes() for path in (tmp_path / "crosswalk").rglob("*") if path.is_file()} == before
    assert run(tmp_path, 3) == given


def test_an_older_copy_is_put_back_only_on_purpose(tmp_path: Path) -> None:
    """Who came since would get another pseudonym: it takes `older`; what lay there is set aside, not removed."""
    first = run(tmp_path, 10)
    copy(tmp_path)
    run(tmp_path, 20)
    with pytest.raises(StorageError, match="generation 1 is older than 2"):
        restore(tmp_path)
    assert restore(tmp_path, older=True).generation == 1
    assert run(tmp_path, 10) == first
    aside = [path.name for path in (tmp_path / "crosswalk").glob("set-aside-*")]
    assert sorted(name[-20:] for name in aside) == ["-generation-00000001", "-generation-00000002"]
    assert run(tmp_path, 30)[:10] == first
    assert verify(tmp_path / "crosswalk", KEY).generation == 2


def test_an_old_folder_and_another_sites_are_refused(tmp_path: Path) -> None:
    """Put back as it was, continued elsewhere, or exchanged with another site's: the remembered head shows it."""
    run(tmp_path, 10)
    shutil.copytree(tmp_path / "crosswalk", tmp_path / "old")
    run(tmp_path, 20)
    shutil.copytree(tmp_path / "crosswalk", tmp_path / "new")

    def swapped(folder: Path) -> None:
        shutil.rmtree(tmp_path / "crosswalk")
        shutil.copytree(folder, tmp_path / "crosswalk")

    swapped(tmp_path / "old")
    with pytest.raises(StorageError, match="an old copy was put back"):
        run(tmp_path, 20)
    head = (tmp_path / "crosswalk.head").read_bytes()
    (tmp_path / "crosswalk.head").unlink()
    run(tmp_path, 25)  # the old copy goes on by itself
    (tmp_path / "crosswalk.head").write_bytes(head)
    with pytest.raises(StorageError, match="not the one that is remembered"):
        run(tmp_path, 25)
    for stop in (10, 20, 30):
        run(tmp_path / "other", stop)
    swapped(tmp_path / "other" / "crosswalk")
    with pytest.raises(StorageError, match="another site's"):
        run(tmp_path, 20)
    (tmp_path / "crosswalk.head").write_bytes((tmp_path / "other" / "crosswalk.head").read_bytes().replace(b"3", b"2"))
    for attempt in (lambda: run(tmp_path, 20), lambda: restore_kept(tmp_path / "crosswalk", KEY, 3)):
        with pytest.raises(StorageError, match="changed, cut, or written by another site"):
            attempt()
    (tmp_path / "crosswalk.head").write_bytes(head)
    swapped(tmp_path / "new")
    assert len(run(tmp_path, 20)) == 20


def test_a_kept_generation_can_be_made_current(tmp_path: Path) -> None:
    """Where the newest generation is damaged the one before is put back, on purpose."""
    first = run(tmp_path, 10)
    run(tmp_path, 20)
    damaged = next((tmp_path / "crosswalk" / "generation-00000002").glob("*.partitions"))
    damaged.write_bytes(bytes(damaged.stat().st_size))
    with pytest.raises(StorageError, match="changed or cut"):
        verify(tmp_path / "crosswalk", KEY)
    for generation in (2, 7):
        with pytest.raises(StorageError):
            restore_kept(tmp_path / "crosswalk", KEY, generation)
    with pytest.raises(StorageError, match="older"):
        restore_kept(tmp_path / "crosswalk", KEY, 1)
    assert restore_kept(tmp_path / "crosswalk", KEY, 1, older=True).entries == 10
    assert run(tmp_path, 10) == first
    assert verify(tmp_path / "crosswalk", KEY).generation == 1


def test_a_copy_is_whole_or_not_there(tmp_path: Path) -> None:
    """A damaged or empty crosswalk is not copied, a name that is taken stays, and nothing is left of an attempt."""
    with pytest.raises(StorageError, match="empty"):
        copy(tmp_path)
    run(tmp_path, 10)
    (tmp_path / "taken").write_bytes(b"something else")
    with pytest.raises(StorageError):
        copy(tmp_path, "taken")
    assert (tmp_path / "taken").read_bytes() == b"something else"
    partitions = next((tmp_path / "crosswalk").rglob("*.partitions"))
    partitions.write_bytes(bytes(partitions.stat().st_size))
    with pytest.raises(StorageError):
        copy(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crosswalk", "crosswalk.head", "taken"]


def test_an_unsound_partition_is_found(tmp_path: Path) -> None:
    """What was sealed with its key all the same, out of order, in the wrong place or with a surrogate twice."""
    tags = np.array([1 << 10, 1 << 20], np.uint64)
    drawn = np.arange(20, dtype=np.uint8).reshape(2, 10)
    for number, entries in enumerate(
        (
            Entries(tags[::-1], tags, drawn),
            Entries(tags[[0, 0]], tags[[0, 0]], drawn),
            Entries(tags, tags, drawn[[0, 0]]),
            Entries(tags + np.uint64(1 << 63), tags, drawn),
        )
    ):
        generations = Generations(tmp_path / f"{number}" / "crosswalk", KEY)
        with lock(generations.folder, wait=1), generations.staging(index := generations.current()) as staging:
            writer = DomainWriter(staging, PARTY, 2, KEY)
            writer.write(entries)
            writer.write(EMPTY)
            generations.commit(index, (writer.finish(),), staging)
            writer.close()
        with pytest.raises(StorageError, match="generation 1: a partition of the crosswalk is unsound"):
            verify(generations.folder, KEY)


STOPPED = """
import errno, io, os, shutil, signal, sys
from pathlib import Path
from datetime import UTC, datetime
from deid.crosswalks.copies import export_copy, restore_copy
from deid.errors import StorageError
base, how, what = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
KEY = bytes(range(32))
POINTS = {"write", "fsync", "replace", "rename", "mkdir", "rmdir", "unlink", "link", "open"}

def act(folder, stop_at):
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
        if what == "restore":
            restore_copy(folder / "crosswalk", KEY, folder / "copy", site="north", older=True)
        else:
            export_copy(folder / "crosswalk", KEY, folder / "new", site="north", at=datetime.now(UTC))
    except StorageError:
        os._exit(3)
    sys.setprofile(None)
    os._exit(3 if count >= stop_at else 0)

for stop_at in range(1, 1000):
    folder = base.parent / f"{base.name}-{stop_at}"
    shutil.copytree(base, folder)
    child = os.fork()
    if not child:
        act(folder, stop_at)
    status = os.waitpid(child, 0)[1]
    stopped = os.WIFSIGNALED(status) if how == "killed" else os.WEXITSTATUS(status) == 3
    if not stopped:
        sys.exit(os.WEXITSTATUS(status))
"""


@pytest.mark.parametrize("how", ["killed", "disk full"])
def test_a_restore_stopped_anywhere_is_refused_or_done(tmp_path: Path, how: str) -> None:
    """Stopped before any call that changes the disk: the old crosswalk, the copy, or a refusal until it is run again."""
    base = tmp_path / "base"
    first = run(base, 10)
    copy(base)
    second = run(base, 20)
    subprocess.run([sys.executable, "-c", STOPPED, base, how, "restore"], check=True, capture_output=True, text=True)
    seen = set()
    for folder in sorted(tmp_path.glob("base-*")):
        try:
            found = run(folder, 10)
        except StorageError:
            seen.add("refused")
            restore(folder, older=True)
            assert run(folder, 10) == first
        else:
            assert found == first
            generation = verify(folder / "crosswalk", KEY).generation
            seen.add(f"generation {generation}")
            assert generation == 1 or run(folder, 20) == second
    assert seen == {"refused", "generation 1", "generation 2"}


@pytest.mark.parametrize("how", ["killed", "disk full"])
def test_a_copy_stopped_anywhere_is_whole_or_not_there(tmp_path: Path, how: str) -> None:
    """Stopped before any call that changes the disk: a whole copy, or none under its name; the crosswalk is as it was."""
    base = tmp_path / "base"
    given = run(base, 10)
    subprocess.run([sys.executable, "-c", STOPPED, base, how, "export"], check=True, capture_output=True, text=True)
    seen, littered = set(), 0
    for folder in sorted(tmp_path.glob("base-*")):
        seen.add(whole := (folder / "new").exists())
        if whole:
            shutil.rmtree(folder / "crosswalk")
            restore(folder, "new")
        left = {path.name for path in folder.iterdir()} - {"crosswalk", "crosswalk.head", "spill", "new"}
        assert all(name.startswith(".new.") for name in left)
        littered += bool(left)
        assert run(folder, 10) == given
    assert seen == {True, False}
    assert how == "killed" or littered == 1  # where the removal itself was what failed


WRITER = """
import sys
from pathlib import Path
import pyarrow as pa
from deid.crosswalks.crosswalk import Crosswalk
folder, seed = Path(sys.argv[1]), int(sys.argv[2])
print("begun", flush=True)
for turn in range(1000):
    ids = pa.array([f"PATIENT-{number:07d}" for number in range(seed * 7 + turn, seed * 7 + turn + 40)])
    with Crosswalk.open(folder / "crosswalk", bytes(range(32)), spill=folder / f"spill{seed}") as crosswalk:
        crosswalk.observe("study/outcomes/patient_id", ids)
        given = crosswalk.freeze().pseudonyms("study/outcomes/patient_id", ids)
    for identifier, pseudonym in zip(ids.to_pylist(), given.to_pylist()):
        sys.stdout.write(f"{identifier} {pseudonym}\\n")
    sys.stdout.flush()
"""


def test_processes_that_write_at_once_and_are_killed_agree(tmp_path: Path) -> None:
    """Four processes grow one crosswalk and are killed in the act: what any of them gave, all of them gave."""
    writers = []
    for seed in range(4):
        with (tmp_path / f"{seed}").open("w") as told:
            writers.append(subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(seed)], stdout=told))
    try:
        while min((tmp_path / f"{seed}").stat().st_size for seed in range(4)) < 8_000:
            assert all(writer.poll() is None for writer in writers)
            time.sleep(0.05)
    finally:
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
    given: dict[str, str] = {}
    shared = 0
    for seed in range(4):
        for line in (tmp_path / f"{seed}").read_text().splitlines(keepends=True):
            if line.endswith("\n") and len(line.split()) == 2:
                identifier, pseudonym = line.split()
                shared += identifier in given
                assert given.setdefault(identifier, pseudonym) == pseudonym
    assert shared > 100
    held = verify(tmp_path / "crosswalk", KEY)
    ids = pa.array(sorted(given))
    with Crosswalk.open(tmp_path / "crosswalk", KEY, spill=tmp_path / "spill") as crosswalk:
        frozen = crosswalk.freeze()
        assert frozen.generation == held.generation
        assert frozen.pseudonyms(PARTY, ids).to_pylist() == [given[name] for name in ids.to_pylist()]
