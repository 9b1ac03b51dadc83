"""Laws of merging: what is noted of rows in parts, by fresh objects, comes to what one object notes of all of them.

Rows are those of real runs, in any order and cut anywhere. States are pickled, as between processes, and merged in the
order of parts.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from recodings import people, recoding_policy
from recorded import CUTS, Cuts, Recorded, parts_of, recorded
from tiny_sources import World

from deid.ledger.joins import Prints
from deid.patients.positions import Tagger
from deid.quality.judge import Judge
from deid.release.empties import EmptyCells
from deid.reports.build import report
from deid.reports.release_side import ReleaseSide
from deid.reports.source_side import SourceSide

pytestmark = pytest.mark.in_one_process  # what a run shows is kept, and shown again in parts
EXAMPLES = int(os.environ.get("DEID_EXAMPLES", "25"))
LAW = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PATIENTS = {"ID": "patient_id", "BIRTH": "birth_date", "SEX": "sex", "RACE": "race", "STATE": "state"}
VISITS = {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date", "DX": "icd10cm"}
CODES = ("E11.9", "I10", "J45.909", "O80", "N40.0", "E1", "-", "C61", "Q00.0")
CELLS = {
    ("1935", "F", "White", "NY"): 70,
    ("1970", "M", "White", "NY"): 60,
    ("1970", "M", "Black", "NJ"): 12,
    ("1990", "F", "Asian", "NY"): 7,
    ("1950", "U", "-", "NJ"): 9,
}
RULES = {
    "patient_id": {"pseudonymize": "keyed"},
    "encounter_id": {"pseudonymize": "keyed"},
    "birth_date": {"generalize_date": "year", "floor_age": 90},
    "sex": "keep",
    "race": "keep",
    "state": "keep",
    "admit_date": {"generalize_date": "year", "floor_age": 90},
    "icd10cm": {"roll_up": "category"},
}
NAMES = ["withheld", "nobody withheld", "series", "reduced"]


def through(state: Any) -> Any:
    """Return a state as another process would have it; its repr holds no cell of the sources."""
    shown = repr(state)
    assert not any(cell in shown for cell in ("E11.9", "J45", "Asian", "White", "1970", "inpatient"))
    return pickle.loads(pickle.dumps(state, protocol=5))  # noqa: S301 - our own


def demographics(world: World, k: int | None, **fields: Any) -> Path:
    """Return a request for 158 patients, of whom 16 are withheld under k = 11, with one to three visits each."""
    patients, visits, number = ["ID BIRTH SEX RACE STATE"], ["ENC PATIENT START DX"], 0
    for (year, sex, race, state), count in CELLS.items():
        for _ in range(count):
            number += 1
            patients.append(f"P{number} {year}-0{1 + number % 9}-11 {sex} {race} {state}")
            for visit in range(1 + number % 3):
                day, code = f"202{number % 5}-03-0{1 + number % 9}", CODES[(number + visit) % len(CODES)]
                visits.append(f"E{number}-{visit} P{number} {day} {code}")
    kinds = ["birth_date", "sex", "race", "state"]
    limits = {"k": k, "quasi_identifiers": kinds, "suppression": 0.5, "risk": {"rejoin": 1.0}} if k else {}
    content = {"policy": "own", "version": 1, "basis": "expert_determination", "rules": RULES, "limits": limits}
    source = world.source_of(
        {"patients": "\n".join(patients), "visits": "\n".join(visits)},
        {"patients": PATIENTS, "visits": VISITS},
        population="patients",
        encounters="visits",
    )
    tables = {"patients": list(PATIENTS), "visits": list(VISITS)}
    return world.request(source, tables, policy=world.policy(content), agreement=None, **fields)


def reduced(world: World) -> Path:
    """Return a request with a column of visits that counts as one value of the patient."""
    kinds = ("emergency", "inpatient", "ambulatory")
    visits = "\n".join(
        f"e{patient}{visit} p{patient} 2025-0{1 + visit}-01 - {kinds[(patient // 12 + visit) % 3]} {patient}"
        for patient in range(60)
        for visit in range(1 + patient % 3)
    )
    source = people(world, [("1981-05-05", "MF"[number % 2]) for number in range(60)], visits)
    policy = recoding_policy(world, quasi_identifiers=["sex"], recoding=None, reduced={"encounters.CLASS": "first"})
    tables = {"patients": ["ID", "SEX"], "encounters": ["ENC", "PATIENT", "CLASS", "COST"]}
    return world.request(source, tables, policy=policy, agreement=None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recorded]:
    """Return what four runs showed: with withheld patients, without, of a series, and with a reduced column."""
    world = World(tmp_path_factory.mktemp("merging") / "site")
    return {
        "withheld": recorded(world, demographics(world, 11)),
        "nobody withheld": recorded(world, demographics(world, None)),
        "series": recorded(world, demographics(world, 11, schedule="monthly")),
        "reduced": recorded(world, reduced(world)),
    }


def source_of(run: Recorded, tagger: Tagger | None = None) -> SourceSide:
    """Return a fresh source side of a run."""
    side = SourceSide(*run.source_side, tagger=tagger)
    side.is_continued = run.is_continued
    return side


def source_in_parts(run: Recorded, parts: list[Any], *, keeps: bool = True) -> SourceSide:
    """Return the source side merged from those of parts; `keeps`: else what the parts noted is forgotten."""
    whole = source_of(run)
    for part in parts:
        own = source_of(run, whole.tagger)
        own.lost = whole.lost if part[0][0].table.name != own.population else 0
        for seen in part:
            own.see(*seen)
        if keeps:
            whole.merge(through(own.state()))
    return whole


def release_in_parts(run: Recorded, source: SourceSide, parts: list[Any]) -> ReleaseSide:
    """Return the release side merged from those of parts, each beside a source side of its own."""
    plan, _, maps = run.release_side
    whole = ReleaseSide(plan, source, maps)
    for part in parts:
        beside = source_of(run, source.tagger)
        beside.merge(through(source.state()))
        own = ReleaseSide(plan, beside, maps)
        if part[0][0].table.name != source.population:
            own.know(through(whole.people()))
        for seen in part:
            own.see(*seen)
        whole.merge(through(own.state()))
    return whole


def judge_in_parts(run: Recorded, parts: list[Any]) -> Judge:
    """Return the judge merged from those of parts."""
    whole = Judge(*run.judge)
    for part in parts:
        own = Judge(*run.judge)
        if part[0][0].table.name != run.source_side[0].dataset.population:
            own.know(*whole.people())
        for _, _, rows, done in part:
            own.see(rows, done.kept)
        whole.merge(through(own.state()))
    return whole


def told(run: Recorded, source: SourceSide, back: ReleaseSide, judge: Judge) -> Any:
    """Return the report of a run from what was gathered."""
    given, named = run.report
    return report(*given, **named | {"source": source, "back": back, "quality": judge.report()})


def same(one: Any, other: Any) -> bool:
    """Whether two tuples of arrays are equal."""
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", NAMES)
@LAW
@given(cuts=CUTS, back_cuts=CUTS)
def test_a_report_is_the_same_from_any_parts(runs: dict[str, Recorded], name: str, cuts: Cuts, back_cuts: Cuts) -> None:
    """Source side, release side and judge of parts give the report, figure by figure, that the run itself gave."""
    run = runs[name]
    parts, back_parts = parts_of(run.seen, cuts), parts_of(run.read_back, back_cuts)
    source = source_in_parts(run, parts)
    back = release_in_parts(run, source, back_parts)
    assert told(run, source, back, judge_in_parts(run, parts)) == run.told


@pytest.mark.parametrize("name", NAMES)
@LAW
@given(cuts=CUTS, back_cuts=CUTS)
def test_both_sides_number_as_one_object_does(
    runs: dict[str, Recorded], name: str, cuts: Cuts, back_cuts: Cuts
) -> None:
    """Values, vectors, codes and patients have the numbers and counts that one object gives that saw all batches."""
    run = runs[name]
    parts, back_parts = parts_of(run.seen, cuts), parts_of(run.read_back, back_cuts)
    one = source_of(run)
    for part in parts:
        for seen in part:
            one.see(*seen)
    merged = source_in_parts(run, parts)
    assert merged.lost == one.lost
    assert [v.texts for v in merged.values] == [v.texts for v in one.values]
    assert same((merged.vectors.rows, merged.vectors.counts), (one.vectors.rows, one.vectors.counts))
    assert same(merged.patients(), one.patients())
    assert {p: dict(zip(t.values.texts, t.counts.tolist(), strict=True)) for p, t in merged.codes.items()} == {
        p: dict(zip(t.values.texts, t.counts.tolist(), strict=True)) for p, t in one.codes.items()
    }
    assert {p: (few.is_open, few.is_small) for p, few in merged.emptied.items()} == {
        p: (few.is_open, few.is_small) for p, few in one.emptied.items()
    }
    for place in range(len(one.steps)):
        assert np.array_equal(np.sort(merged.pairs(place).counts, 0), np.sort(one.pairs(place).counts, 0))
    plan, _, maps = run.release_side
    alone = ReleaseSide(plan, one, maps)
    for part in back_parts:
        for shown in part:
            alone.see(*shown)
    back = release_in_parts(run, merged, back_parts)
    assert (back.released, back.knows_patients) == (alone.released, alone.knows_patients)
    assert same(back.patients(), alone.patients())
    assert np.array_equal(back.sizes(), alone.sizes())
    assert {p: (v.texts, c.tolist()) for p, (v, c) in back.reduced().items()} == {
        p: (v.texts, c.tolist()) for p, (v, c) in alone.reduced().items()
    }
    for place in alone.codes:
        levels, expected = back.levels(place), alone.levels(place)
        assert (levels is None) == (expected is None)
        if levels is not None and expected is not None:
            assert {n: (m, f.is_open, f.is_small) for n, (m, f) in levels.items()} == {
                n: (m, f.is_open, f.is_small) for n, (m, f) in expected.items()
            }


@LAW
@given(cuts=CUTS)
def test_states_of_states_merge(runs: dict[str, Recorded], cuts: Cuts) -> None:
    """Parts may be merged in groups before the groups are: nothing is lost, and nothing counted twice."""
    run = runs["withheld"]
    population = [part for part in parts_of(run.seen, cuts) if part[0][0].table.name == "patients"]
    half = len(population) // 2
    whole = source_of(run)
    for group in (population[:half], population[half:]):
        own = source_of(run, whole.tagger)
        for part in group:
            each = source_of(run, whole.tagger)
            for seen in part:
                each.see(*seen)
            own.merge(through(each.state()))
        whole.merge(through(own.state()))
    one = source_in_parts(run, population)
    assert whole.lost == one.lost == 16
    assert same((whole.vectors.rows, whole.vectors.counts), (one.vectors.rows, one.vectors.counts))


@pytest.mark.parametrize("name", NAMES)
@LAW
@given(cuts=CUTS)
def test_empty_cells_are_counted_the_same_from_any_parts(runs: dict[str, Recorded], name: str, cuts: Cuts) -> None:
    """Of each table, what may be told of empty and malformed cells is the same."""
    run = runs[name]
    one: dict[str, EmptyCells] = {}
    merged: dict[str, EmptyCells] = {}
    for part in parts_of(run.seen, cuts):
        table, own = part[0][0].table.name, EmptyCells()
        for _, _, rows, done in part:
            for cells in (own, one.setdefault(table, EmptyCells())):
                cells.see(done.batch, rows.patient[done.kept], done.malformed)
        merged.setdefault(table, EmptyCells()).merge(through(own.state()))
    for table, cells in one.items():
        assert (merged[table].nulls(), merged[table].malformed()) == (cells.nulls(), cells.malformed())


@LAW
@given(cuts=CUTS)
def test_fingerprints_are_the_same_from_any_parts(runs: dict[str, Recorded], cuts: Cuts) -> None:
    """What two series could be joined by is the same to the bit, and names the same kinds."""
    run = runs["withheld"]
    key, patients = run.prints.key, run.prints.patients
    merged = Prints(key, patients)
    for part in parts_of(run.seen, cuts):
        own = Prints(key, patients)
        for planned, _, rows, done in part:
            own.see(planned, done.batch, rows.patient[done.kept])
        merged.merge(through(own.state()))
    everybody = np.arange(patients)
    expected, found = run.prints.of(everybody), merged.of(everybody)
    assert list(found) == list(expected)
    assert same(found.values(), expected.values())


def test_parts_that_are_not_merged_are_missed(runs: dict[str, Recorded]) -> None:
    """The laws can fail: without its parts' states a source side knows of nobody."""
    run = runs["withheld"]
    parts = parts_of(run.seen, (0, [0.5], [True] * 6))
    kept, forgotten = source_in_parts(run, parts), source_in_parts(run, parts, keeps=False)
    assert (kept.lost, forgotten.lost) == (16, 0)
    assert len(kept.vectors) > len(forgotten.vectors) == 0
    without = source_in_parts(run, parts[:1] + parts[2:])
    back = release_in_parts(run, kept, parts_of(run.read_back, (0, [], [])))
    judge = judge_in_parts(run, parts)
    assert told(run, kept, back, judge) == run.told
    assert told(run, without, back, judge) != run.told
    assert told(run, kept, back, judge_in_parts(run, parts[:-1])) != run.told
