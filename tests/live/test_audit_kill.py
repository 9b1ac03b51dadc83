"""Many processes append to one audit log and are killed at random: nothing that was committed is lost, or stands twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from audit_logs import KEY, entries_of, log_of, numbers_of

from deid.audit import AuditLog, EventKind, verify

# Appends its numbers one by one and says so each time, after the append has returned.
CHILD = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[4:]
from audit_logs import KEY, event
from deid.audit import AuditLog
folder, begin, end = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
log = AuditLog.open(folder, key=KEY)
for number in range(begin, end):
    log.append(event(number))
    print(number, flush=True)
"""


class Writer:
    """A process with numbers of its own to append; what it said is what was committed for sure."""

    def __init__(self, folder: Path, begin: int, end: int) -> None:
        self.folder, self.end, self.said = folder, end, begin
        self.log = folder.parent / f"said-{begin}"
        self.log.touch()
        self.start(begin)

    def start(self, begin: int) -> None:
        """Go on from a number."""
        with self.log.open("ab") as file:
            arguments = [str(self.folder), str(begin), str(self.end), *sys.path]
            self.process = subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=file)

    def kill(self) -> None:
        """Kill -9; what was said last, if its line is whole, was committed."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def committed(self) -> list[int]:
        """The numbers whose append returned."""
        return [int(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def survive(folder: Path, writers: int, each: int, kills: int, pause: float) -> int:
    """Let processes append, kill them at random, and check the log after each kill; return how many kills there were."""
    log_of(folder, range(0))
    drawn = random.Random(7)
    running = [Writer(folder, writer * each, (writer + 1) * each) for writer in range(writers)]
    done = 0
    while any(writer.process.poll() is None for writer in running):
        time.sleep(drawn.uniform(0.2, 1) * pause)
        alive = [writer for writer in running if writer.process.poll() is None]
        if not alive or done >= kills:
            continue
        victim = drawn.choice(alive)
        victim.kill()
        done += 1
        held = set(numbers_of(folder))
        assert held.issuperset(victim.committed)
        own = range(victim.end - each, victim.end)
        rest = [number for number in own if number not in held]
        if rest:
            # An entry that was not acknowledged may be there; who goes on looks first.
            assert rest == list(range(rest[0], victim.end))
            victim.start(rest[0])
    assert all(writer.process.wait() == 0 for writer in running if writer.process.returncode != -signal.SIGKILL)
    held_in_order = numbers_of(folder)
    assert sorted(held_in_order) == list(range(writers * each))
    for writer in range(writers):
        own_order = [number for number in held_in_order if number // each == writer]
        assert own_order == sorted(own_order)
    verified = AuditLog.open(folder, key=KEY).verify()
    healed = sum(entry.kind == EventKind.LOG_HEALED for entry in entries_of(folder))
    assert verified.head.entries == 1 + writers * each + healed
    return done


def test_appends_from_several_processes_are_all_there(tmp_path: Path) -> None:
    """Three processes, a few kills: every committed entry once, each process's in its order."""
    assert survive(tmp_path / "audit", writers=3, each=60, kills=2, pause=0.4) == 2


@pytest.mark.long
def test_a_thousand_appends_from_each_of_four_processes_survive_fifty_kills(tmp_path: Path) -> None:
    """Four processes with a thousand appends each, killed up to fifty times in all: nothing lost, nothing twice."""
    assert survive(tmp_path / "audit", writers=4, each=1000, kills=50, pause=0.15) >= 30


TEAR = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from audit_logs import KEY, event
from deid.audit import AuditLog, log as log_module, segments
folder, cut = Path(sys.argv[1]), int(sys.argv[2])
log = AuditLog.open(folder, key=KEY)
real = os.pwrite
def torn(descriptor, data, at):
    done = real(descriptor, bytes(data)[:cut], at)
    os.kill(os.getpid(), signal.SIGKILL)
    return done
os.pwrite = torn
log.append(event(77))
"""


@pytest.mark.parametrize("cut", [0, 1, 100, 330, 10_000])
def test_a_process_killed_in_the_middle_of_its_write_costs_its_own_entry_at_most(tmp_path: Path, cut: int) -> None:
    """Kill -9 after some bytes of a line: the line is kept if it is whole, else cut off and told."""
    folder = tmp_path / "audit"
    log_of(folder, range(5))
    done = subprocess.run([sys.executable, "-c", TEAR, str(folder), str(cut), *sys.path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert verify(folder, key=KEY).torn == (cut if cut < 10_000 else 0)
    log_of(folder, range(5, 7))
    assert numbers_of(folder) == [0, 1, 2, 3, 4, *([77] if cut == 10_000 else []), 5, 6]
    healed = [entry.details["bytes"] for entry in entries_of(folder) if entry.kind == EventKind.LOG_HEALED]
    assert healed == ([cut] if 0 < cut < 10_000 else [])


# Kills a child before its k-th call to the file system, for every k, in three situations; the parent then goes on.
EVERY = """
import fcntl, os, shutil, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from audit_logs import KEY, entries_of, event, log_of, numbers_of
from deid.audit import AuditLog, log as log_module, verify
root = Path(sys.argv[1])
CALLS = [(os, name) for name in ("open", "fstat", "ftruncate", "pwrite", "pread", "fsync", "close", "mkdir")]
CALLS.append((fcntl, "flock"))

def dying_at(number):
    left = [number]
    for module, name in CALLS:
        def call(*arguments, real=getattr(module, name), **named):
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return real(*arguments, **named)
        setattr(module, name, call)

def attempt(folder, number, acknowledged):
    child = os.fork()
    if child == 0:
        dying_at(number)
        AuditLog.open(folder, key=KEY).append(event(77))
        os.write(acknowledged, b"x")
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

def new(folder):
    return []

def torn(folder):
    log_of(folder, range(3))
    with max(folder.glob("segment-*")).open("ab") as file:
        file.write(b"{torn")
    return [0, 1, 2]

def full(folder):
    log_of(folder, range(3))
    log_module.MAX_SEGMENT = 1200
    return [0, 1, 2]

for name, prepare in (("new", new), ("torn", torn), ("full", full)):
    number, killed = 0, True
    while killed:
        folder = root / f"{name}-{number}" / "audit"
        held = prepare(folder)
        reader, writer = os.pipe()
        killed = attempt(folder, number, writer)
        os.close(writer)
        acknowledged = os.read(reader, 1) == b"x"
        os.close(reader)
        log_of(folder, range(5, 7))
        after = [n for n in numbers_of(folder) if n != 77]
        assert after == [*held, 5, 6], (name, number, after)
        assert numbers_of(folder).count(77) <= 1
        assert 77 in numbers_of(folder) or not acknowledged, (name, number)
        verify(folder, key=None)
        if name == "full":
            assert len(list(folder.glob("segment-*"))) > 1
        shutil.rmtree(folder.parent)
        number += 1
    print(name, number)
"""


def test_a_kill_before_any_call_to_the_file_system_costs_at_most_the_entry_in_the_making(tmp_path: Path) -> None:
    """A log is begun, healed and continued in a new segment, and killed before every single call on the way."""
    # In memory, where there is such a file system: hundreds of logs are forced to disk, and no power is cut.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        command = [sys.executable, "-c", EVERY, folder, *sys.path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    steps = {name: int(count) for name, count in (line.split() for line in done.stdout.splitlines())}
    assert set(steps) == {"new", "torn", "full"}
    assert min(steps.values()) > 15
