"""What breaks a scheduled run from outside: kill -9, two at once, a full disk. Nothing lost, nothing made twice."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from schedules import Clinic, faults, make_clinic, month, told
from sites import PASSPHRASE

from deid.keys.recipients import load_identity
from deid.opening import verify_release

# Makes what is due of one request and kills itself, with the signal that no process can catch, at the n-th event that
# begins as told: what progress says, or what Python's audit says of a file that is about to be opened or renamed.
CHILD = """
import os, signal, sys
from pathlib import Path
from deid.keys import open_provider
from deid.schedule.running import Keys, Runner
from deid.documents.site import load_site

site_path, request, passphrase, point, nth = sys.argv[1:]
met = 0

def event(what):
    global met
    if point and what.startswith(point):
        met += 1
        if met == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)

def audit(what, arguments):
    if what in ("os.rename", "open", "os.remove", "os.mkdir"):
        if what == "open":
            what = "write" if arguments[2] & (os.O_WRONLY | os.O_RDWR) else "read"
            arguments = arguments[:1]
        paths = [str(a).replace(os.path.dirname(site_path), "") for a in arguments if isinstance(a, (str, Path))]
        event(" ".join([what, *paths]))

site = load_site(Path(site_path))
provider = open_provider(site.keys, passphrase.encode)
sys.addaudithook(audit)
print("ready", flush=True)
Runner(site, Keys(lambda: provider), lambda what, rows: event(what)).run([Path(request)])
"""
RECORD = "write /state/runs/{}.jsonl"


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    """Return a site without requests."""
    return make_clinic(tmp_path)


def start(clinic: Clinic, request: Path, point: str = "", nth: int = 0) -> subprocess.Popen[str]:
    """Start a run that kills itself at a point, or never."""
    arguments = [str(clinic.world.folder / "site.yaml"), str(request), PASSPHRASE.decode(), point, str(nth)]
    return subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True)


def command(clinic: Clinic, *options: str, limit: int | None = None) -> subprocess.Popen[bytes]:
    """Start `deid run-due`; `limit`: bytes that a file may grow to, where writing fails as on a full disk."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deid", "run-due", "--site", str(clinic.world.folder / "site.yaml"), *options],
        env=os.environ | {"DEID_PASSPHRASE": PASSPHRASE.decode()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if limit:  # long before it has loaded its modules
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    return process


def assert_sound(clinic: Clinic, name: str, ago: int = 1) -> None:
    """Check that a month of a request lies there whole and once, and that nothing else of it does."""
    home = clinic.releases / name
    months = {month(n) for n in range(1, ago + 1)}
    # The lock of a dead run may lie there until the next run of the series: empty, and held by nobody.
    left = [path for path in home.iterdir() if path.name not in months]
    assert all(path.name.startswith(".lock-") and not path.stat().st_size for path in left)
    for label in sorted(months):
        found = verify_release(home / label, [load_identity(clinic.world.site.researcher)])
        assert found.is_sound, found.faults
    assert all(count <= 1 for count in map(clinic.published().count, clinic.made()))


def test_runs_killed_at_five_points_lose_nothing_and_make_nothing_twice(clinic: Clinic) -> None:
    """Five series at once, each killed elsewhere; those after their rename stand, the others are made by the next."""
    # The first line of a record says that the month is begun, and the second that it is published.
    points = {
        "begun": (RECORD.format("begun"), 1, False),
        "written": ("writing encounters", 1, False),
        "unnamed": ("os.rename /releases/unnamed/.staging", 1, False),
        "named": ("os.remove /releases/named/.lock", 1, True),
        "unsaid": (RECORD.format("unsaid"), 2, True),
    }
    requests = {name: clinic.standing(name) for name in points}
    killed = {name: start(clinic, requests[name], *points[name][:2]) for name in points}
    for process in killed.values():
        process.communicate(timeout=60)
    assert {name: process.returncode for name, process in killed.items()} == dict.fromkeys(points, -signal.SIGKILL)
    assert clinic.in_clear() == []
    assert clinic.made() == [f"{name}/{month(1)}" for name in ("named", "unsaid")]
    again = clinic.run()
    assert faults(again) == []
    assert told(again) == [(name, month(1), "published") for name in sorted(points) if not points[name][2]]
    for name in points:
        assert_sound(clinic, name)
    assert told(clinic.run()) == []
    assert clinic.in_clear() == []
    # Even where the run was killed before the log had it: the next one entered what it found.
    clinic.releases.rename(clinic.releases.with_name("archive"))
    assert clinic.due() == []


def test_two_runs_at_once_make_each_month_once(clinic: Clinic) -> None:
    """Two commands over the same requests, each with two missed months, share the work and both end well."""
    for name in ("heart", "lungs"):
        clinic.standing(name, ago=2)
    both = [command(clinic), command(clinic)]
    ends = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    clinic.run()  # what one left to the other, which was already past it
    for name in ("heart", "lungs"):
        assert_sound(clinic, name, 2)
    assert clinic.published() == clinic.made()


def test_a_full_disk_leaves_nothing_and_the_next_run_makes_it(clinic: Clinic) -> None:
    """The command ends with an alert, no release and no cell lies anywhere, and the month is made once there is room."""
    clinic.standing("heart")
    alerts = clinic.world.folder / "alerts.json"
    full = command(clinic, "--alerts", str(alerts), limit=1 << 14)
    told_ = full.communicate(timeout=60)[1].decode()
    assert full.returncode == 24, told_
    assert "the disk is full" in told_
    assert '"error": "StorageError"' in alerts.read_text()
    assert clinic.made() == []
    assert clinic.in_clear() == []
    assert told(clinic.run(again=True)) == [("heart", month(1), "published")]
    assert_sound(clinic, "heart")


@pytest.mark.long
def test_runs_killed_at_fifty_random_moments_make_each_month_once(tmp_path: Path) -> None:
    """Two missed months of a series, killed wherever the blow falls, until all are made: each once, and sound."""
    clinic = make_clinic(tmp_path)
    clinic.patients = 2_000
    clinic.fill()
    chance = random.Random(20261123)
    landed = number = 0
    whole = 0.0
    while landed < 51:
        name = f"random-{number}"
        request = clinic.standing(name, ago=2)
        process = start(clinic, request)
        assert process.stdout is not None
        process.stdout.readline()
        begun = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=chance.uniform(0, whole) if whole else None)
        if process.poll() is None:
            process.kill()
        elif not whole:
            whole = time.monotonic() - begun
        process.communicate(timeout=120)
        landed += process.returncode == -signal.SIGKILL
        assert clinic.in_clear() == []
        again = clinic.runner().run([request])
        assert faults(again) == [], [each.fault.message for each in again.problems]
        assert_sound(clinic, name, 2)
        assert told(clinic.runner().run([request])) == []
        request.unlink()
        number += 1
        assert number < 200
