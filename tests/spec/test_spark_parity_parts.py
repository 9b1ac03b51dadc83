"""What is shipped to tasks beside rows does there what it does here: notes, lists of choices, segments, links, a series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from choices import ASKED, crowd, policy
from sites import answering_for_rejoins
from spark_engine import InProcess, Outcome, cut_small, on, outcome, twins
from tiny_sources import EXPERT, LIMITED, REQUESTED, SAFE, World

from deid.export import export
from deid.opening import open_release
from deid.staged_tables import Run
from deid.tasks import transforming, worker


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all tests of this file."""
    return World(tmp_path_factory.mktemp("parts") / "site")


def equal(world: World, request: Path, *, size: int = 60, **options: Any) -> Outcome:
    """Run a request on both engines, hold one outcome to the other, and return it."""
    with cut_small(size):
        local, spark = twins(world.site, request, InProcess(), **options)
    assert spark == Outcome(local.rows, local.documents, local.counts, local.refusal, spark.files)
    assert local.refusal is None, local.refusal
    assert spark.files > local.files
    return local


def test_lists_of_choices_and_segments_leave_out_the_same_rows(world: World) -> None:
    """Who opted out, and the visits of programs, are absent from both, and are counted alike."""
    dataset = crowd(world, opted_out=12)
    request = world.request(dataset, ASKED, policy=policy(world, {"part2": "exclude"}))
    found = equal(world, request)
    assert 0 < found.counts[0]["patients"] < 60


def test_notes_hold_the_same_surrogates_and_moved_dates(world: World) -> None:
    """The same words stand in the notes, under the same keys."""
    lines = [
        f"p{n},MEYERBEER{n},19{50 + n}-02-03,2021-03-0{n + 1},Seen Mr. MEYERBEER{n} on 2021-03-0{n + 1}."
        for n in range(6)
    ]
    kinds = {
        "patients": {"ID": "patient_id", "LAST": "person_name", "BIRTH": "birth_date"},
        "notes": {"PATIENT": "patient_id", "DAY": "service_date", "NOTE": "clinical_note"},
    }
    dataset = world.source_of(dict.fromkeys(kinds, "X"), kinds)
    cells = [line.split(",") for line in lines]
    (dataset.parent / "patients.csv").write_text("ID,LAST,BIRTH\n" + "".join(f"{c[0]},{c[1]},{c[2]}\n" for c in cells))
    (dataset.parent / "notes.csv").write_text("PATIENT,DAY,NOTE\n" + "".join(f"{c[0]},{c[3]},{c[4]}\n" for c in cells))
    rules: dict[str, Any] = {"patient_id": {"pseudonymize": "random"}}
    rules |= {kind: {"shift_date": 30} for kind in ("birth_date", "service_date")}
    own = {
        "basis": "expert_determination",
        "rules": rules | {"clinical_note": {"redact_note": {"replace": "surrogates", "dates": "shift"}}},
    }
    request = world.request(
        dataset, {"patients": ["ID", "BIRTH"], "notes": ["PATIENT", "DAY", "NOTE"]},
        policy=world.policy({"policy": "own-notes"} | own), agreement=None,
        window={"from": "1940-01-01", "to": "2024-12-31"},
    )  # fmt: skip
    outcome(world.site, request, Run, name="before")  # draws the pseudonyms for both
    found = equal(world, request)
    assert "MEYERBEER" not in str(found.rows)


def test_the_columns_profile_is_opened_by_the_same_provider(world: World) -> None:
    """Tasks write under the keys that the driver made, so that keys.json opens every part."""
    request = world.request(world.source(), REQUESTED, policy=LIMITED, profile="columns")
    plan = world.site.plan(request)
    with cut_small():
        done = export(plan, world.site.site, world.site.provider, progress=lambda *_: None, engine=on(InProcess()))
    opened = open_release(done.folder, [world.site.researcher], provider=world.site.provider)
    assert sorted(opened.read("diagnoses")["DX"].to_pylist()) == ["E11.9", "I10"]
    assert len(list((done.folder / "data" / "encounters").iterdir())) == 2


def test_linked_tables_find_their_patients(world: World) -> None:
    """A table that reaches its patients over another one is joined in tasks as here."""
    kinds = {
        "patients": {"ID": "patient_id", "SEX": "sex"},
        "claims": {"CLAIM": "claim_id", "PATIENT": "patient_id", "DAY": "service_date"},
        "lines": {"CLAIM": "claim_id", "COST": "charge_amount"},
    }
    rows = {
        "patients": "ID SEX\n" + "\n".join(f"p{n} {'FM'[n % 2]}" for n in range(9)),
        "claims": "CLAIM PATIENT DAY\n" + "\n".join(f"c{n} p{n % 9} 2024-03-1{n % 9}" for n in range(18)),
        "lines": "CLAIM COST\n" + "\n".join(f"c{n % 18} {n}" for n in range(40)),
    }
    links = {"lines": {"to": "claims", "on": "CLAIM", "key": "CLAIM"}}
    dataset = world.source_of(rows, kinds, links=links)
    asked = {"patients": ["ID", "SEX"], "claims": ["CLAIM", "PATIENT", "DAY"], "lines": ["CLAIM", "COST"]}
    found = equal(world, world.request(dataset, asked, policy=LIMITED))
    assert found.counts[0]["lines"] == 40


def test_a_later_release_of_a_series_is_held_to_the_first_alike(world: World) -> None:
    """Increments under k, with the ledger's fingerprints, come out alike; what the first showed was the same."""
    answering_for_rejoins(world.site, EXPERT)
    dataset = crowd(world, dataset="series")
    asked = {"patients": ["ID", "BIRTH", "SEX"], "diagnoses": ["PATIENT", "ENC", "DX"]}
    request = world.request(dataset, asked, policy=EXPERT, agreement=None)
    assert outcome(world.site, request, Run, name="first").refusal is None
    equal(world, request, size=300, name="second")


def test_refusals_name_the_same_rows(world: World) -> None:
    """Bad rows of several parts are refused in one message with their sum."""
    dataset = world.source(
        encounters="ENC PATIENT START STOP CLASS COST\n"
        + "\n".join(f"e{n} nobody{n} 2025-01-01 - inpatient 1" for n in range(30))
    )
    request = world.request(dataset, REQUESTED, policy=SAFE, agreement=None)
    with cut_small(100):
        local, spark = twins(world.site, request, InProcess())
    assert local.refusal is not None
    assert "30 rows" in local.refusal[1]
    assert spark.refusal == local.refusal


def test_a_task_that_meets_a_defect_says_where_and_nothing_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a library says of a cell reaches neither the answer nor the error of the task."""

    def broken(*_: object) -> None:
        raise ValueError("SENTINEL-PAT-1 is no number")

    monkeypatch.setattr(transforming, "transform", broken)
    request = world.request(world.source(), REQUESTED, policy=LIMITED)
    with cut_small(), pytest.raises(worker.TaskDefectError) as met:
        outcome(world.site, request, on(InProcess()))
    assert "ValueError" in str(met.value)
    assert "SENTINEL" not in str(met.value)
    assert met.value.__suppress_context__ or met.value.__context__ is None
