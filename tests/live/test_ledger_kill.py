"""Killed exports of a series under k: no release that the ledger does not know, no entry without its release."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sites import PASSPHRASE
from test_kill import CHILD
from tiny_sources import World

from deid.ledger.site import series_of
from deid.ledger.store import check, open_ledger

NEXT_YEAR = str((datetime.now(UTC) + timedelta(days=365)).date())
KINDS = {
    "patients": {"ID": "patient_id", "SEX": "sex"},
    "visits": {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date"},
}
POLICY: dict[str, Any] = {
    "policy": "own",
    "version": 1,
    "basis": "expert_determination",
    "rules": {"patient_id": {"pseudonymize": "keyed"}, "sex": "keep", "admit_date": {"generalize_date": "year"}},
    "limits": {"k": 11, "quasi_identifiers": ["sex"]},
}


class Clinic:
    """A series that grows from run to run by patients who are enough to be released at once."""

    def __init__(self, folder: Path, patients: int, visits: int = 2) -> None:
        self.world = World(folder / "site")
        self.dataset = self.world.source_of(
            {"patients": "ID SEX", "visits": "ENC PATIENT START"}, KINDS, encounters="visits"
        )
        self.patients, self.visits = patients, visits
        self.request = self.world.site.request(
            self.dataset,
            {"patients": ["ID", "SEX"], "visits": ["PATIENT", "START"]},
            request="clinic",
            policy=str(self.world.policy(POLICY)),
            expires=NEXT_YEAR,
        )
        self._names = (f"run-{n}-x" for n in count())
        self.released = 0
        self.grow()
        self.release()

    def grow(self) -> None:
        """Add newcomers, half of either sex, and let three old patients leave."""
        self.patients += 60
        people = "".join(f"P{n},{'FM'[n % 2]}\n" for n in range(3, self.patients))
        visits = "".join(f"E{n}-{v},P{n},2025-03-04\n" for n in range(3, self.patients) for v in range(self.visits))
        (self.dataset.parent / "patients.csv").write_text("ID,SEX\n" + people)
        (self.dataset.parent / "visits.csv").write_text("ENC,PATIENT,START\n" + visits)

    def release(self) -> None:
        """Release in this process; the ledger was settled before, so this succeeds."""
        name = next(self._names)
        self.world.site.tables(self.request, name=name)
        self.check(name, is_published=True)

    def start(self, point: str = "", nth: int = 0) -> tuple[str, subprocess.Popen[str]]:
        """Start a run that kills itself at a point; return its release's name and the process."""
        name = next(self._names)
        site = str(self.world.folder / "site.yaml")
        arguments = [site, str(self.request), name, PASSPHRASE.decode(), point, str(nth)]
        return name, subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True)

    def check(self, name: str, *, is_published: bool | None = None) -> None:
        """Hold ledger and releases against each other."""
        site = self.world.site
        series = series_of(site.site, site.provider, "clinic", "outcomes")
        held = open_ledger(series)
        check(series, held)
        assert held.book is not None
        lies_there = (series.releases / name / "manifest.json").exists()
        assert lies_there is is_published if is_published is not None else True
        assert (name in {entry.release for entry in held.book.releases}) is lies_there
        assert all(entry.confirmed for entry in held.book.releases)


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """Return a small clinic with one release."""
    return Clinic(tmp_path_factory.mktemp("ledger-kill"), patients=200)


@pytest.mark.parametrize(
    ("point", "nth", "publishes"),
    [
        ("verifying patients", 1, False),
        ("os.mkdir /state/ledger/clinic/outcomes/staging", 1, False),
        ("os.rename /state/ledger/clinic/outcomes/CURRENT.new", 1, False),
        ("os.rename /state/ledger/clinic/outcomes/staging", 1, False),
        ("os.rename /releases/clinic/.staging", 1, False),
        ("os.mkdir /state/ledger/clinic/outcomes/staging", 2, True),
        ("os.rename /state/ledger/clinic/outcomes/CURRENT.new", 2, True),
        ("os.rename /state/ledger/clinic/outcomes/staging", 2, True),
    ],
)
def test_an_export_killed_around_its_rename_is_settled(
    clinic: Clinic, point: str, nth: int, *, publishes: bool
) -> None:
    """Pending, renamed or half confirmed: the next run finds ledger and releases agreeing, and goes on."""
    clinic.grow()
    name, process = clinic.start(point, nth)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    clinic.check(name, is_published=publishes)
    clinic.release()


@pytest.mark.long
def test_exports_of_a_series_killed_at_fifty_random_moments_are_settled(tmp_path: Path) -> None:
    """Wherever the blow falls; half of the moments are drawn from the last fifth of a run, where the ledger commits."""
    clinic = Clinic(tmp_path, patients=2_000)
    chance = random.Random(20261123)
    whole = 0.0
    landed = 0
    for number in range(51):
        clinic.grow()
        name, process = clinic.start()
        assert process.stdout is not None
        process.stdout.readline()
        begun = time.monotonic()
        if number:
            time.sleep(chance.uniform(0.8 * whole, whole) if number % 2 else chance.uniform(0, whole))
            process.kill()
        process.communicate(timeout=120)
        whole = whole or time.monotonic() - begun
        landed += process.returncode == -signal.SIGKILL
        clinic.check(name)
    assert landed > 25
    clinic.release()
