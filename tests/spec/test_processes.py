"""The engine of several processes on one machine: what one process would have published."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from spark_engine import cut_small, on, outcome, twins
from tiny_sources import EXPERT, LIMITED, REQUESTED, SAFE, World

from deid.engine.processes import Processes, processes
from deid.errors import StorageError
from deid.staged_tables import Run

MANY = {
    "patients": "\n".join(
        ["ID BIRTH LAST SSN SEX ZIP"]
        + [f"P{n} 19{50 + n % 4}-03-11 Quixwerble 900-00-0001 {'FM'[n % 2]} 02139" for n in range(120)]
    ),
    "encounters": "\n".join(
        ["ENC PATIENT START STOP CLASS COST"]
        + [f"E{n} P{n % 120} 2024-03-0{1 + n % 9} 2024-03-20 inpatient {n}" for n in range(360)]
    ),
    "diagnoses": "\n".join(["PATIENT ENC DX"] + [f"P{n % 120} E{n} {('E11.9', 'I10')[n % 2]}" for n in range(360)]),
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Processes]:
    """Two processes."""
    with processes(2) as made:
        yield made


@pytest.mark.parametrize("policy", [LIMITED, SAFE, EXPERT])
def test_several_processes_publish_what_one_does(tmp_path: Path, pool: Processes, policy: str) -> None:
    """Rows, manifest, report and counts are the same, whichever process read which part."""
    world = World(tmp_path / "site")
    request = world.request(world.source(**MANY), REQUESTED, policy=policy)
    outcome(world.site, request, Run, name="first")  # draws the random pseudonyms, which both runs then find
    with cut_small(1500):
        alone, together = twins(world.site, request, pool, name="second")
    assert together.refusal is None
    assert together.files > len(together.rows)
    assert (alone.rows, alone.documents, alone.counts) == (together.rows, together.documents, together.counts)


def test_a_process_that_is_killed_ends_the_run_and_leaves_nothing(tmp_path: Path) -> None:
    """Where the system ends a process, the run is refused with the remedy, and there is no release and no staging."""
    world = World(tmp_path / "site")
    request = world.request(world.source(**MANY), REQUESTED)
    with processes(1) as pool:
        os.kill(pool.pool.submit(os.getpid).result(), signal.SIGKILL)

        with cut_small(1500):
            told = outcome(world.site, request, on(pool))
    assert told.refusal is not None
    assert told.refusal[0] == StorageError.__name__
    assert "fewer workers" in told.refusal[1]
    assert world.site.leftovers() == []
