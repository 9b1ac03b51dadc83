"""Laws of merging: codes that were judged in parts are counted, and their patients known, as by one judge."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_sources import World

from deid.observing.rows import Rows, TypedRows
from deid.patients.positions import Patients
from deid.quality.findings import BITS, EMPTY
from deid.quality.judge import Judge
from deid.quality.report import to_json
from deid.quality.tally import Counts, Tally, numbered
from deid.schema import DatasetDescription
from deid.sources import load_dataset, open_source

EXAMPLES = int(os.environ.get("DEID_EXAMPLES", "25"))
LAW = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Row = tuple[int, int, int]  # marks, period, patient
MARKS = (0, EMPTY, BITS["malformed"], BITS["unknown"] | BITS["retired"])
ROWS = st.lists(
    st.tuples(st.sampled_from(MARKS), st.sampled_from([0, 24_289, 24_290]), st.integers(0, 25)), max_size=150
)
ENDS = st.lists(st.floats(0, 1), max_size=5)


def cut(rows: Sequence[Any], ends: list[float]) -> Iterator[Sequence[Any]]:
    """Yield the rows in consecutive parts, some of them empty."""
    places = sorted(round(end * len(rows)) for end in ends)
    for start, end in zip([0, *places], [*places, len(rows)], strict=True):
        yield rows[start:end]


def add(tally: Tally, rows: Sequence[Row]) -> None:
    """Count rows in one batch."""
    if rows:
        marks, period, patient = (np.array(column, np.int64) for column in zip(*rows, strict=True))
        tally.add(marks.astype(np.uint32), numbered(period), patient.astype(np.int32))


def told(counts: Counts) -> tuple[Any, ...]:
    """Return what counts tell: of patients all while they are fewer than eleven, then that they are not."""
    few = {at: known for at, known in counts.patients.items() if len(known) < 11}
    return counts.marks.tolist(), counts.periods.tolist(), counts.rows.tolist(), counts.many.tolist(), few


@given(ROWS, ENDS)
def test_tallies_of_parts_come_to_one(rows: list[Row], ends: list[float]) -> None:
    """Every cell has the rows of all parts, and the same patients while they are fewer than eleven."""
    one, merged = Tally(), Tally()
    for part in cut(rows, ends):
        own = Tally()
        add(own, part)
        add(one, part)
        merged.merge(pickle.loads(pickle.dumps(own.state(), protocol=5)))  # noqa: S301 - our own
    assert told(merged.counts()) == told(one.counts())


def test_a_part_that_is_not_merged_is_missed() -> None:
    """The law can fail: rows of another part are not counted before they are merged."""
    one, other = Tally(), Tally()
    add(one, [(0, 0, patient) for patient in range(6)])
    add(other, [(0, 0, patient) for patient in range(5, 11)])
    assert not one.counts().many.any()
    one.merge(other.state())
    assert one.counts().many.all()
    assert one.counts().rows.tolist() == [[12]]


PATIENTS = {"ID": "patient_id", "BIRTH": "birth_date", "SEX": "sex"}
LINES = {"PATIENT": "patient_id", "ENC": "encounter_id", "DAY": "service_date", "DX1": "icd10cm", "DX2": "icd10cm"}
CODES = ("E11.65", "O80", "N40.0", "E1", "-", "C61", "Q00.0", "I10", "E11")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[DatasetDescription, list[TypedRows]]:
    """Return a source of forty patients with lines of diagnoses, and its typed rows by table."""
    world = World(tmp_path_factory.mktemp("judging") / "site")
    people = [f"p{n} {1930 + 2 * n}-01-01 {'FMU'[n % 3]}" for n in range(40)]
    lines = [
        f"p{n % 40} e{n} 202{n % 3}-0{1 + n % 6}-05 {CODES[n % len(CODES)]} {CODES[n // 7 % len(CODES)]}"
        for n in range(200)
    ]
    path: Path = world.source_of(
        {"patients": "\n".join(["ID BIRTH SEX", *people]), "lines": "\n".join([" ".join(LINES), *lines])},
        {"patients": PATIENTS, "lines": LINES},
        population="patients",
    )
    dataset = load_dataset(path)
    rows = Rows(open_source(dataset), dataset, Patients(keeps=frozenset()))
    columns = {"patients": list(PATIENTS), "lines": list(LINES)}
    return dataset, [batch for table in dataset.tables for batch in rows.read(table, columns[table.name])]


@pytest.mark.parametrize("duplicates", [False, True])
@LAW
@given(ends=ENDS, seed=st.integers(0, 2**16))
def test_judges_of_parts_come_to_one(
    seen: tuple[DatasetDescription, list[TypedRows]], duplicates: bool, ends: list[float], seed: int
) -> None:
    """The report on codes is the same, sexes and ages of patients known from another part included."""
    dataset, batches = seen
    columns = {"patients": list(PATIENTS), "lines": list(LINES)}
    one, merged = (Judge(dataset, columns, "month", duplicates=duplicates) for _ in range(2))
    for batch in batches:
        order = np.random.default_rng(seed).permutation(len(batch))
        for rows in cut(order, ends):
            part = batch.without(~np.isin(np.arange(len(batch)), rows))
            own = Judge(dataset, columns, "month", duplicates=duplicates)
            if batch.table.name == "lines":
                own.know(*merged.people())
            own.see(part)
            one.see(part)
            state = own.state()
            assert not any(code in repr(state) for code in CODES if len(code) > 2)
            assert batch.table.name == "patients" or len(state.positions) == 0
            merged.merge(pickle.loads(pickle.dumps(state, protocol=5)))  # noqa: S301 - our own
    assert to_json(merged.report()) == to_json(one.report())
    found = one.report().tables["lines"]["DX{1..2}"].findings
    assert {"sex_conflict", "age_conflict", "malformed"} <= {name for name, line in found.items() if line.total}


def test_a_judge_that_knows_no_patients_finds_no_conflict(seen: tuple[DatasetDescription, list[TypedRows]]) -> None:
    """The law can fail: whoever judges lines without what the population told finds no conflict of sex."""
    dataset, (_, lines) = seen
    judge = Judge(dataset, {"patients": list(PATIENTS), "lines": list(LINES)}, "month")
    judge.see(lines)
    assert "sex_conflict" not in judge.report().tables["lines"]["DX{1..2}"].findings
