"""kill -9 in the middle of an export: nothing half done, nothing in clear, and the next run goes on as if it never was."""

from __future__ import annotations

import math
import random
import signal
import subprocess
import sys
import time
import zlib
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from sites import PASSPHRASE
from tiny_sources import SAFE, World

from deid.opening import verify_release
from deid.release.manifest import RELEASE_ID
from deid.release.quarantine import read_quarantined

NEXT_YEAR = str((datetime.now(UTC) + timedelta(days=365)).date())
KINDS = {
    "patients": {"ID": "patient_id", "LAST": "person_name", "INCOME": "income"},
    "encounters": {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date", "CLASS": "encounter_class"},
}
TABLES = {"patients": ["ID", "INCOME"], "encounters": ["ENC", "PATIENT", "START", "CLASS"]}
SENTINELS = (b"SENTINEL-PAT-", b"SENTINEL-ENC-", b"Quixwerble", b"2025-07-23")

# Runs an export and kills itself, with the signal that no process can catch, at the n-th event that begins as told:
# what progress says, or what Python's audit says of a file that is about to be renamed or opened.
CHILD = """
import os, signal, sys
from datetime import date
from pathlib import Path
from deid.export import export
from deid.keys import open_provider
from deid.planning.compiler import compile_plan
from deid.documents.policy import load_policy
from deid.documents.request import load_request
from deid.documents.site import load_site
from deid.sources.description import load_dataset

site_path, request_path, name, passphrase, point, nth = sys.argv[1:]
met = 0

def event(what):
    global met
    if point and what.startswith(point):
        met += 1
        if met == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)

def audit(what, arguments):
    if what in ("os.rename", "open", "os.remove", "os.rmdir", "os.mkdir"):
        paths = [str(a).replace(os.path.dirname(site_path), "") for a in arguments if isinstance(a, (str, Path))]
        event(" ".join([what, *paths]))

site = load_site(Path(site_path))
request = load_request(Path(request_path))
plan = compile_plan(request, load_policy(request.policy), load_dataset(request.dataset), release=name, today=date.today())
provider = open_provider(site.keys, passphrase.encode)
sys.addaudithook(audit)
print("ready", flush=True)
export(plan, site, provider, progress=lambda what, rows: event(what))
"""


class Clinic:
    """A site whose population grows from run to run, with one release made before anything is killed."""

    def __init__(self, folder: Path, patients: int, visits: int) -> None:
        self.world = World(folder / "site")
        self.patients, self.visits = patients, visits
        self.dataset = self.world.source_of({"patients": "X", "encounters": "X"}, KINDS)
        self.grow()
        fields = {"expires": NEXT_YEAR, "on_bad_row": "quarantine"}
        self.request = self.world.request(self.dataset, TABLES, policy=SAFE, request="clinic", **fields)
        self._names = (f"run{n}" for n in count())
        self.known = self.codes("first")

    def grow(self) -> None:
        """Add patients whom no release has held yet, so that the crosswalk must grow; one encounter is always bad."""
        self.patients += 20
        people = [f"SENTINEL-PAT-{i},Quixwerble{i},{i}\n" for i in range(self.patients)]
        visits = [
            f"SENTINEL-ENC-{i}-{n},SENTINEL-PAT-{i},2025-07-23,inpatient\n"
            for i in range(self.patients)
            for n in range(self.visits)
        ]
        (self.dataset.parent / "patients.csv").write_text("".join(["ID,LAST,INCOME\n", *people]))
        bad = "SENTINEL-ENC-BAD,SENTINEL-PAT-0,2025-02-30,inpatient\n"
        (self.dataset.parent / "encounters.csv").write_text("".join(["ENC,PATIENT,START,CLASS\n", *visits, bad]))

    def codes(self, name: str) -> dict[float, str]:
        """Run in this process and return the pseudonym of each patient, told by income."""
        rows = self.world.site.tables(self.request, name=name)["patients"].to_pylist()
        assert len(rows) == self.patients
        return {row["INCOME"]: row["ID"] for row in rows}

    def start(self, name: str, point: str, nth: int) -> subprocess.Popen[str]:
        """Start a run that kills itself at a point."""
        self.world.site.attest(self.world.site.plan(self.request, name=name))
        site = self.world.folder / "site.yaml"
        arguments = [str(site), str(self.request), name, PASSPHRASE.decode(), point, str(nth)]
        return subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True)

    def check_after_kill(self, name: str) -> bool:
        """Check what a killed run left, then run again and check what that gives; return whether it had published."""
        self.assert_nothing_in_clear()
        home = self.world.site.site.releases / "clinic"
        published = (home / name).exists()
        if published:
            self.assert_sound(name)
        again = self.codes("again-" + name if published else name)
        self.assert_sound("again-" + name if published else name)
        for income, code in self.known.items():
            assert again[income] == code
        assert len(set(again.values())) == len(again)
        self.known = again
        self.assert_nothing_in_clear()
        assert all(RELEASE_ID.fullmatch(folder.name) and folder.is_dir() for folder in home.iterdir())
        state = self.world.site.site.state
        assert not list((state / "spill").iterdir())
        assert not [path for path in state.rglob("*") if "staging" in path.name or path.name.startswith(".")]
        return published

    def assert_sound(self, name: str) -> None:
        """Check a release, and its quarantined row, with the keys."""
        folder = self.world.site.site.releases / "clinic" / name
        from deid.keys.recipients import load_identity

        found = verify_release(folder, [load_identity(self.world.site.researcher)])
        assert found.is_sound, found.faults
        quarantined = self.world.site.site.state / "quarantine" / "clinic" / name
        assert sum(b.num_rows for b in read_quarantined(quarantined, self.world.site.provider)["encounters"]) == 1

    def assert_nothing_in_clear(self) -> None:
        """Check every byte below releases and state."""
        for place in (self.world.site.site.releases, self.world.site.site.state):
            for file in place.rglob("*"):
                data = file.read_bytes() if file.is_file() else b""
                assert not [word for word in SENTINELS if word in data], file.name


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """Return a clinic of three thousand visits."""
    return Clinic(tmp_path_factory.mktemp("kill"), patients=600, visits=5)


@pytest.mark.parametrize(
    ("point", "nth", "publishes"),
    [
        ("observing patients", 1, False),
        ("observing encounters", 2, False),
        ("os.mkdir /state/crosswalk/staging", 1, False),
        ("os.rename /state/crosswalk/", 1, False),
        ("os.rename /state/crosswalk/", 2, False),
        ("os.mkdir /state/quarantine/clinic/.staging", 1, False),
        ("writing encounters", 2, False),
        ("verifying patients", 1, False),
        ("open /releases/clinic/.staging-", 4, False),
        ("os.rename /state/quarantine/clinic/.staging", 1, False),
        ("os.rename /releases/clinic/.staging", 1, False),
        ("os.remove /releases/clinic/.lock", 1, True),
    ],
)
def test_a_run_killed_at_a_chosen_point_leaves_all_or_nothing(
    clinic: Clinic, point: str, nth: int, publishes: bool
) -> None:
    """No release or a sound one, no cell in clear, and the next run gives known patients their known pseudonyms."""
    clinic.grow()
    # Letters: eight digits might be a date, and a release may not be named after one.
    name = "killed-" + "".join(chr(ord("a") + int(digit)) for digit in str(zlib.crc32(f"{point}{nth}".encode())))
    process = clinic.start(name, point, nth)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert clinic.check_after_kill(name) is publishes


@pytest.mark.long
def test_runs_killed_at_fifty_random_moments_leave_all_or_nothing(tmp_path: Path) -> None:
    """Wherever the blow falls; the moments are drawn over the whole time that a run takes."""
    clinic = Clinic(tmp_path, patients=20_000, visits=5)
    chance = random.Random(20261122)
    whole = 0.0
    landed = 0
    for number in range(51):
        clinic.grow()
        process = clinic.start(f"random-{number}", "", 0)
        assert process.stdout is not None
        process.stdout.readline()
        begun = time.monotonic()
        try:
            process.wait(timeout=chance.uniform(0, whole) if number else None)
        except subprocess.TimeoutExpired:
            process.kill()
        else:
            whole = min(whole or math.inf, time.monotonic() - begun)  # a machine that others slow down no longer
        process.communicate(timeout=120)
        landed += process.returncode == -signal.SIGKILL
        clinic.check_after_kill(f"random-{number}")
    assert landed > 25
