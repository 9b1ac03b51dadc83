"""The due check with a thousand standing requests of which nothing is due, as a process of its own and inside one.

Run `python benchmarks/schedule.py [--requests N] [--months M] [--folder DIR]`. Each request has M releases that lie
there; then the same with all releases moved away, so that the audit log is what knows them.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from audit_logs import KEY

from deid.audit import AuditLog
from deid.audit.events import Event, EventKind
from deid.documents.site import Site, load_site
from deid.schedule.calendar import Every, label_of
from deid.schedule.due import check
from deid.schedule.record import Happened, What, append

ROUNDS = 5
EXPIRES = date(datetime.now(UTC).year + 1, 12, 31)
TARGET = 2.0  # seconds


def labels(months: int) -> list[str]:
    """Return the labels of the last complete months, oldest first."""
    day, found = datetime.now(UTC).date(), []
    for _ in range(months):
        day = day.replace(day=1) - timedelta(days=1)
        found.append(label_of(Every.MONTH, day).label)
    return found[::-1]


def fill(folder: Path, requests: int, months: int) -> Site:
    """Make a site with standing requests, all of whose releases lie there, are in the log and in the records."""
    (folder / "exports").mkdir()
    (folder / "site.yaml").write_text("site: bench\nkeys: local:keys/site.key\ntrust: trust.yaml\n")
    site, periods = load_site(folder / "site.yaml"), labels(months)
    log = AuditLog.open(site.state / "audit", key=KEY)
    for number in range(requests):
        name = f"request-{number:04d}"
        (folder / "exports" / f"{name}.yaml").write_text(yaml.safe_dump(request(name, periods[0]), sort_keys=False))
        for label in periods:
            release = site.releases / name / label
            release.mkdir(parents=True)
            (release / "manifest.json").write_bytes(b"{}")
            told = {"manifest_sha256": f"{number:064x}"}
            log.append(Event(datetime.now(UTC), EventKind.RELEASE_PUBLISHED, f"{name}/{label}", told))
        append(site.state / "runs", name, Happened(datetime.now(UTC), periods[-1], What.PUBLISHED))
    return site


def request(name: str, first: str) -> dict[str, object]:
    """Return a request of the usual length."""
    return {
        "request": name, "requester": "Outcomes group", "purpose": "Research on readmission after hospital stays",
        "policy": "../policies/expert-k11.yaml", "dataset": "../samples/claims/dataset.yaml",
        "tables": {
            "patients": ["patient_id", "sex", "birth_date", "zip_code"],
            "encounters": ["patient_id", "encounter_id", "encounter_class", "admit_date", "drg", "total_charge"],
            "diagnoses": ["patient_id", "icd10cm"],
        },
        "study_codes": {"icd10cm": ["E10", "E11", "E13"]},
        "cohort": {"patients": {"any": [{"icd10cm": ["E10", "E11", "E13"]}]}},
        "party": f"party-{name}", "recipients": ["keys/researcher.pub"], "expires": str(EXPIRES),
        "schedule": {
            "every": "month", "first": first, "time_zone": "America/New_York", "delay": 10, "late": "next",
        },
    }  # fmt: skip


def took(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def command(folder: Path) -> None:
    """Run `deid due` in a process of its own."""
    site = str(folder / "site.yaml")
    subprocess.run([sys.executable, "-m", "deid", "due", "--site", site, "--json"], check=True, capture_output=True)


def measured(site: Site, folder: Path) -> dict[str, float]:
    """Return the medians of a check in this process and of the command."""
    now = datetime.now(UTC)

    def look() -> None:
        found = check(site, [folder / "exports"], now, now=now)
        if found.due or found.problems or not found.standing:
            raise AssertionError("something is due")

    return {
        "in process": statistics.median(took(look) for _ in range(ROUNDS)),
        "`deid due`": statistics.median(took(lambda: command(folder)) for _ in range(ROUNDS)),
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        site = fill(folder, options.requests, options.months)
        first = took(lambda: command(folder))
        there = measured(site, folder)
        site.releases.rename(folder / "moved")
        moved = measured(site, folder)
    print(f"{options.requests} requests, {options.months} releases each, nothing due; {platform.machine()}, ", end="")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; median of {ROUNDS}; target {TARGET} s")
    print(f"first check of these files   `deid due` {first:.2f} s")
    for what, figures in (("releases lie there", there), ("releases moved away", moved)):
        print(f"{what:<28} " + ", ".join(f"{way} {seconds:.2f} s" for way, seconds in figures.items()))


if __name__ == "__main__":
    main()
