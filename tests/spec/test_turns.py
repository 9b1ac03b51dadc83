"""Which parts of a run are done by tasks: what is observed, written and read back, of every table but the population."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from spark_engine import InProcess, cut_small, on, outcome, twins
from tiny_sources import LIMITED, SAFE, World

from deid.engine.processes import processes
from deid.staged_tables import Run

PATIENTS = "ID BIRTH LAST SSN SEX ZIP\n" + "\n".join(
    f"P{n} 19{50 + n % 4}-03-11 Quixwerble 900-00-0001 {'FM'[n % 2]} 02139" for n in range(60)
)
VISITS = "ENC PATIENT START STOP CLASS COST\n" + "\n".join(
    f"E{n} P{n % 60} 2024-03-0{1 + n % 9} 2024-03-1{n % 9} inpatient {n}" for n in range(180)
)
CODES = "PATIENT ENC DX\n" + "\n".join(f"P{n % 60} E{n} {('E11.9', 'I10')[n % 2]}" for n in range(180))
ASKED = {"patients": ["ID", "SEX"], "encounters": ["ENC", "PATIENT", "CLASS"], "diagnoses": ["PATIENT", "ENC", "DX"]}

# Codes under a map and classes of visits in the vector: both are read once more when everything else is known.
OWN: dict[str, Any] = {
    "policy": "own-turns",
    "version": 1,
    "basis": "expert_determination",
    "rules": {
        "patient_id": {"pseudonymize": "random"},
        "encounter_id": {"pseudonymize": "random"},
        "sex": "keep",
        "encounter_class": "keep",
        "icd10cm": "map_codes",
    },
    "limits": {
        "k": 2,
        "suppression": 0.5,
        "quasi_identifiers": ["sex", "encounter_class"],
        "reduced": {"encounters.CLASS": "first"},
        "risk": {"rejoin": 1.0},
        "codes": {"kinds": ["icd10cm"], "ceiling": 0.9},
    },
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all tests of this file."""
    return World(tmp_path_factory.mktemp("turns") / "site")


def source(world: World, **tables: str) -> Path:
    """Write a source whose tables take several tasks each."""
    return world.source(**{"patients": PATIENTS, "encounters": VISITS, "diagnoses": CODES} | tables)


@pytest.mark.parametrize(
    ("policy", "fields", "turns"),
    [
        (LIMITED, {}, ["job", "job", "checking"]),
        (LIMITED, {"cohort": {"rows": {"any": [{"encounter_class": ["inpatient"]}]}}}, ["noting", "job", "job", "checking"]),
        (LIMITED, {"derive": ["readmitted_30d"]}, ["noting", "job", "job", "checking"]),
        (SAFE, {}, ["noting", "job", "job", "checking"]),
        ("own", {"agreement": None}, ["noting", "noting", "job", "job", "checking"]),
    ],
)  # fmt: skip
def test_tables_are_observed_written_and_read_back_by_tasks(
    world: World, policy: str, fields: dict[str, Any], turns: list[str]
) -> None:
    """Each turn is one of several tasks, and what comes out is what one process gives."""
    named = world.policy(OWN) if policy == "own" else policy
    request = world.request(source(world), ASKED, policy=named, **fields)
    outcome(world.site, request, Run, name="first")  # draws the random pseudonyms, which both runs then find
    cluster = InProcess()
    with cut_small(1500):
        alone, together = twins(world.site, request, cluster, name="second")
    assert [name for name, _ in cluster.turns] == turns
    assert all(tasks > 1 for _, tasks in cluster.turns)
    assert (together.refusal, together.rows, together.documents) == (alone.refusal, alone.rows, alone.documents)


def test_a_refusal_waits_for_tasks_that_still_write(world: World) -> None:
    """Where the first part of a table is refused, the tasks after it leave nothing behind."""
    bad = VISITS.replace("E0 P0 2024-03-01", "E0 P0 2024-13-41", 1)
    request = world.request(
        source(world, encounters=bad), ASKED | {"encounters": ["ENC", "PATIENT", "START"]}, policy=LIMITED
    )
    before = world.site.leftovers()
    with processes(2) as pool, cut_small(1500):
        told = outcome(world.site, request, on(pool))
    assert told.refusal is not None
    assert "1 rows: START is not a valid date" in told.refusal[1]
    assert world.site.leftovers() == before
