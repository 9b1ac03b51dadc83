"""Which dates a release ties to codes, and what it makes of them: docs/formats/policy.md, "Dates of codes"."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from legal_plans import EXPERT, plan, ruled

from deid.cells.days import NO_DAY
from deid.documents.limits import Adversary
from deid.known_codes.code_decision import limits_of
from deid.known_codes.dated_steps import all_moved, tied_steps
from deid.known_codes.tied_dates import VisitDates, set_prints
from deid.known_codes.tied_entries import TiedEntries
from deid.planning.plan import Plan
from deid.transforms import build

COUNTED = {"pid": "patient_id", "born": "birth_date", "sex": "sex"}
CODES = {"pid": "patient_id", "dx": "icd10cm"}
KEEP = build("keep", {})


def of(lines: dict[str, str], visits: dict[str, str] | None = None, **more: object) -> Plan:
    """Return a plan over a population, visits and a table of codes."""
    return plan(EXPERT, patients=COUNTED, visits={"pid": "patient_id"} | (visits or {}), lines=CODES | lines, **more)


@pytest.mark.parametrize(
    ("lines", "visits", "tied"),
    [
        ({}, {"start": "service_date"}, []),
        ({"seen": "record_date"}, {}, ["lines.seen"]),
        ({"seen": "year"}, {}, ["lines.seen"]),
        ({"vid": "encounter_id"}, {"vid": "encounter_id", "start": "admit_date"}, ["visits.start"]),
        ({"vid": "encounter_id"}, {"start": "admit_date"}, []),
        ({}, {"vid": "encounter_id", "start": "admit_date"}, []),
        ({"cid": "claim_id"}, {"vid": "encounter_id", "cid": "claim_id", "start": "admit_date"}, ["visits.start"]),
        ({"died": "death_date"}, {}, []),
        ({"vid": "encounter_id", "seen": "record_date"}, {"vid": "encounter_id"}, ["lines.seen"]),
    ],
)
def test_a_code_is_tied_by_its_row_and_by_the_number_of_its_visit(
    lines: dict[str, str], visits: dict[str, str], tied: list[str]
) -> None:
    """Either adds the adversary; a date elsewhere, or one of the patient's own, does not."""
    compiled = of(lines, visits)
    steps = tied_steps(compiled)
    assert [f"{table}.{step.column.name}" for table, own in steps.items() for step in own.dates] == tied
    assert (Adversary.DATED in limits_of(compiled)[0].adversaries) is bool(tied)


def test_days_are_moved_only_where_all_are() -> None:
    """A year beside a shifted day makes days that somebody knows."""
    shift = build("shift_date", {"max_days": 30})
    rules = ruled(EXPERT, record_date=shift)
    window = (date(2024, 1, 1), date(2024, 12, 31))
    visits = {"pid": "patient_id"}
    moved = plan(rules, patients=COUNTED, visits=visits, lines=CODES | {"seen": "record_date"}, window=window)
    assert all_moved(tied_steps(moved))
    assert not all_moved(tied_steps(moved) | {"visits": tied_steps(of({"seen": "record_date"}))["lines"]})


def test_visits_have_one_print_where_they_have_the_same_dates() -> None:
    """Order and repeats mean nothing; a claim and its encounter, which name one another in a row, are one."""
    dates = VisitDates()
    for visit, unit in ([0, 0, 1, 1, 1, 2], [7, 8, 8, 7, 7, 7]), ([4], [9]):
        dates.add(np.array(visit, np.int32), np.array(unit, np.uint64))
    asked = np.array([0, 1, 2, 3, 4, -1], np.int32)
    prints, _ = dates.prints(asked, moved=False)
    assert prints[0] == prints[1] != prints[2]
    assert prints[3] == prints[5] == 0
    dates.join(np.array([3, 2], np.int32), np.array([4, 0], np.int32))
    joined, _ = dates.prints(asked, moved=False)
    assert joined[3] == joined[4] == prints[4]
    assert joined[2] == joined[0] == prints[0]


def test_shifted_dates_are_known_by_how_far_they_lie_apart() -> None:
    """The same stays of two patients have one print, whatever their offsets, and each its first day."""
    days = np.array([3, 10, 103, 110, 5, 13], np.int64).view(np.uint64)
    prints, begins = set_prints(np.array([0, 0, 1, 1, 2, 2]), days, 4, moved=True)
    assert prints[0] == prints[1] != prints[2]
    assert begins.tolist() == [3, 103, 5, NO_DAY]


def test_codes_are_numbered_with_the_dates_of_row_and_visit() -> None:
    """Two codes of a visit have its dates, a third one of no visit has its own, and mentions are counted."""
    compiled = of({"vid": "encounter_id", "seen": "record_date"}, {"vid": "encounter_id", "start": "admit_date"})
    ties = TiedEntries(compiled)
    patient = np.array([0, 0, 1, 1], np.int32)
    ids, years = pa.array(["a", "a", "b", None]), pa.array([2020, 2020, 2020, 2020])
    for table, cells, whose in (
        ("visits", {"vid": pa.array(["b"]), "start": pa.array([2021])}, np.array([1], np.int32)),
        ("lines", {"vid": ids, "seen": years}, patient),
    ):
        note = ties.note(table, cells, whose)
        assert note is not None
        rows = ties.take(note)
    ties.add(rows, np.arange(4), patient, np.array([5, 5, 5, 5], np.int32), np.full(4, -1, np.int32))
    tied = ties.found(2)
    assert tied is not None
    assert len(tied.prints) == 3  # 2020 in a visit of 2020, in one of 2020 and 2021, in none
    assert tied.coded.mentions.tolist() == [2, 1, 1]
    assert set(tied.of_code.tolist()) == {5}
