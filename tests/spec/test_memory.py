"""Freed memory goes back to the system, so that what a run holds is what it needs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from tiny_sources import REQUESTED, World

from deid.errors import SourceError, StorageError
from deid.export import export
from deid.patients import positions

_HELD = """
import sys
import numpy as np
from deid.engine.memory import give_back_large_arrays

def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")) // 1024

if sys.argv[1] == "yes":
    assert give_back_large_arrays()
for size in range(16, 33):  # each freed array raises the size up to which the C library keeps arrays
    np.ones(size << 17)
before = resident()
kept = [np.ones(3 << 19) for _ in range(8)]
top = np.ones(16)
del kept
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_freed_arrays_leave_the_process() -> None:
    """After the setting, freed arrays of 12 MiB are not held any more, whatever was freed before them."""
    held = {
        told: int(subprocess.run([sys.executable, "-c", _HELD, told], check=True, capture_output=True).stdout)
        for told in ("yes", "no")
    }
    assert held["yes"] < 12 < held["no"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system does not tell what a process holds")
def test_a_run_that_holds_more_than_its_site_allows_ends_with_nothing_left_behind(tmp_path: Path) -> None:
    """A run over `memory_mib` is refused, naming both figures and the remedy; the same run under it publishes."""
    world = World(tmp_path / "site")
    plan = world.site.plan(world.request(world.source(), REQUESTED))
    site = world.site.site
    with pytest.raises(StorageError, match="and the site allows 10") as refused:
        export(plan, replace(site, memory_mib=10), world.site.provider, progress=lambda _w, _r: None)
    assert "memory_mib" in refused.value.hint
    assert world.site.leftovers() == []
    done = export(plan, replace(site, memory_mib=100_000), world.site.provider, progress=lambda _w, _r: None)
    assert done.folder.is_dir()


def test_more_patients_than_pseudonyms_can_stand_beside_each_other_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Offsets of 32 bits never wrap around: a population beyond them is refused with the figure and the remedy."""
    assert positions.MOST * 16 < 2**31 <= (positions.MOST + 1) * 16
    monkeypatch.setattr(positions, "MOST", 1500)
    patients = positions.Patients(keeps=frozenset({"pseudonym"}))
    patients.admit(pa.array([f"p{number}" for number in range(1500)]))
    assert len(patients.pseudonyms()) == 1500
    with pytest.raises(SourceError, match="more than 1,500 patients"):
        patients.admit(pa.array(["one more"]))
