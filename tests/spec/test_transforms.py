"""What each transform does to a cell, drawn as tables."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml

from deid.cells.values import parse
from deid.errors import PlanError
from deid.kinds import KINDS
from deid.schema import Column
from deid.transforms import TRANSFORMS, Context, GeneralizeDate, Pseudonymize, RedactNote, ShiftDate, Transform, build

WINDOW = (dt.date(2020, 1, 1), dt.date(2024, 12, 31))

# Rule | kind | who (the patient: aged, or the offset in days) | cell | value; - is null. The reference year is 2026.
CELLS = """
keep                                            | sex          |      | F          | F
keep                                            | service_date |      | 2026-10-31 | 2026-10-31
{generalize_date: year}                         | service_date |      | 2026-10-31 | 2026
{generalize_date: year}                         | service_date | aged | 2026-10-31 | 2026
{generalize_date: year}                         | service_date |      |            | -
{generalize_date: year}                         | birth_date   | aged | 1920-01-01 | 1920
{generalize_date: year, floor_age: 90}          | birth_date   |      | 1987-03-04 | 1987
{generalize_date: year, floor_age: 90}          | birth_date   |      | 1937-01-01 | 1937
{generalize_date: year, floor_age: 90}          | birth_date   |      | 1936-12-31 | 1936
{generalize_date: year, floor_age: 90}          | birth_date   |      | 1920-01-01 | 1936
{generalize_date: year, floor_age: 90}          | birth_date   | aged | 1936-01-01 | 1936
{generalize_date: year, floor_age: 90}          | birth_date   | aged | 1937-06-01 | 1936
{generalize_date: year, floor_age: 90}          | birth_date   | aged |            | -
{generalize_date: year, floor_age: 90}          | service_date | aged | 2020-01-01 | 2020
{generalize_date: year, floor_age: 90}          | service_date | aged | 1929-01-01 | 1936
{generalize_date: year, floor_age: 85}          | birth_date   |      | 1941-01-01 | 1941
{generalize_date: year, floor_age: 85}          | birth_date   |      | 1939-01-01 | 1941
{generalize_date: year, width: 5}               | service_date |      | 2024-12-31 | 2020
{generalize_date: year, width: 5}               | service_date |      | 2025-01-01 | 2025
{generalize_date: year, width: 5, floor_age: 90} | birth_date  |      | 1941-01-01 | 1940
{generalize_date: year, width: 5, floor_age: 90} | birth_date  |      | 1939-12-31 | 1935
{generalize_date: year, width: 5, floor_age: 90} | birth_date  |      | 1935-01-01 | 1935
{generalize_date: year, width: 5, floor_age: 90} | birth_date  |      | 1911-01-01 | 1935
{generalize_date: year, width: 5, floor_age: 90} | birth_date  | aged | 1941-01-01 | 1935
{generalize_date: year}                         | year         |      | 1999       | 1999
{generalize_date: year, width: 10}              | year         |      | 1999       | 1990
{generalize_date: year, floor_age: 90}          | year         |      | 1911       | 1936
{generalize_date: year}                         | year         |      | 19         | -
{generalize_date: quarter}                      | service_date |      | 2026-03-31 | 2026-Q1
{generalize_date: quarter}                      | service_date |      | 2026-04-01 | 2026-Q2
{generalize_date: quarter}                      | service_date |      | 2026-12-31 | 2026-Q4
{generalize_date: month}                        | service_date |      | 2026-10-31 | 2026-10
{generalize_date: month}                        | service_date |      | 1899-02-28 | 1899-02
{generalize_date: week}                         | service_date |      | 2026-02-15 | 2026-W07
{generalize_date: week}                         | service_date |      | 2026-02-16 | 2026-W08
{generalize_date: week}                         | service_date |      | 2024-12-30 | 2025-W01
{generalize_date: week}                         | service_date |      | 2021-01-03 | 2020-W53
{generalize_date: week}                         | service_date |      | 2023-01-01 | 2022-W52
{generalize_date: month, floor_age: 90}         | birth_date   |      | 1936-03-01 | 1936-12
{generalize_date: month, floor_age: 90}         | birth_date   |      | 1937-01-01 | 1937-01
{generalize_date: quarter, floor_age: 90}       | birth_date   |      | 1911-03-01 | 1936-Q4
{generalize_date: week, floor_age: 90}          | birth_date   | aged | 1937-06-01 | 1936-W53
shift_date                                      | service_date | +10  | 2022-02-25 | 2022-03-07
shift_date                                      | service_date | -10  | 2022-03-07 | 2022-02-25
shift_date                                      | service_date | +0   | 2022-03-07 | 2022-03-07
shift_date                                      | service_date | +0   | 2020-12-31 | 2020-12-31
shift_date                                      | service_date | +0   | 2020-12-30 | -
shift_date                                      | service_date | +1   | 2020-12-30 | 2020-12-31
shift_date                                      | service_date | -1   | 2020-12-31 | -
shift_date                                      | service_date | +0   | 2024-01-01 | 2024-01-01
shift_date                                      | service_date | +1   | 2024-01-01 | -
shift_date                                      | death_date   | +10  | 2026-01-01 | -
shift_date                                      | service_date | +10  |            | -
shift_date                                      | birth_date   | +10  | 1944-02-25 | 1944-03-06
{shift_date: 7}                                 | service_date | +7   | 2020-01-01 | 2020-01-08
{shift_date: 7}                                 | service_date | -7   | 2020-01-14 | -
generalize_age                                  | age          |      | 89         | 89
generalize_age                                  | age          |      | 90         | 90
generalize_age                                  | age          |      | 104        | 90
generalize_age                                  | age          | aged | 85         | 90
generalize_age                                  | age          | aged |            | -
generalize_age                                  | age          |      | 0          | 0
generalize_age                                  | age          |      | -1         | -
generalize_age                                  | age          |      | 131        | -
{generalize_age: {top: 85, width: 10}}          | age          |      | 84         | 80
{generalize_age: {top: 85, width: 10}}          | age          |      | 85         | 85
{generalize_age: {top: 85, width: 10}}          | age          | aged | 60         | 85
{generalize_age: {top: 120}}                    | age          | aged | 95         | 95
{generalize_zip: zip3}                          | zip_code     |      | 33001-1234 | 330
{generalize_zip: zip3}                          | zip_code     |      | 03601      | 000
{generalize_zip: zip5}                          | zip_code     |      | 1730       | 01730
{generalize_code: 3}                            | icd10cm      |      | E11.65     | E11
{generalize_code: 4}                            | icd10cm      |      | e11.65     | E116
{generalize_code: 3}                            | icd10cm      |      | I10        | I10
{generalize_code: 5}                            | icd10cm      |      | I10        | I10
{generalize_code: 3}                            | icd9cm       |      | 250.00     | 250
{generalize_code: 3}                            | icd10cm      |      | .          | -
{top_code: 100}                                 | count        |      | 100.5      | 100
{top_code: 100}                                 | length_of_stay |    | 101        | 100
{top_code: 100}                                 | length_of_stay |    | -5         | -5
{bottom_code: 0}                                | charge_amount |     | -20.25     | 0
{bottom_code: 0}                                | charge_amount |     | 20.25      | 20.25
{bottom_code: 1}                                | length_of_stay |    |            | -
{round: 10}                                     | length_of_stay |    | 14         | 10
{round: 10}                                     | length_of_stay |    | 15         | 20
{round: 10}                                     | length_of_stay |    | -15        | -20
{round: 7}                                      | length_of_stay |    | 3          | 0
{round: 7}                                      | length_of_stay |    | 4          | 7
{round: 100}                                    | charge_amount |     | 150        | 200
{round: 100}                                    | charge_amount |     | -149.99    | -100
{round: 0.1}                                    | charge_amount |     | 0.29       | 0.3
{round: 0.25}                                   | charge_amount |     | 1.4        | 1.5
{round: 2000, top: 50000}                       | charge_amount |     | 999.99     | 0
{round: 2000, top: 50000}                       | charge_amount |     | 51000.5    | 50000
{round: 7, top: 28}                             | length_of_stay |    | 30         | 28
"""
REFUSED_OPTIONS = """
{generalize_date: day}                     | generalize_date is year or quarter or month or week
{generalize_date: {width: 5}}              | generalize_date needs to
{generalize_date: year, width: 0}          | width is a whole number from 1 to 100
{generalize_date: year, width: true}       | width is a whole number from 1 to 100
{generalize_date: month, width: 2}         | width counts years
{generalize_date: year, floor_age: 91}     | floor_age is a whole number from 1 to 90
{generalize_date: year, floor_age: true}   | floor_age is a whole number
{generalize_date: year, flor_age: 90}      | generalize_date has no option 'flor_age'
{generalize_age: {top: true}}              | top is a whole number from 1 to 130
{generalize_age: {top: 90.5}}              | top is a whole number
{generalize_age: {top: 50, width: 51}}     | width is a whole number from 1 to 50
{generalize_zip: zip4}                     | generalize_zip is zip3 or zip5
{generalize_code: true}                    | prefix is a whole number from 1 to 20
{generalize_code: 0}                       | prefix is a whole number
generalize_code                            | generalize_code needs prefix
{shift_date: {max_days: 0}}                | max_days is a whole number from 1 to 3650
{shift_date: {max_days: 7, multiple_of: 8}} | multiple_of is a whole number from 1 to 7
{shift_date: {max_days: true}}             | max_days is a whole number
{pseudonymize: hash}                       | pseudonymize is random or keyed
pseudonymize                               | pseudonymize needs method
{top_code: many}                           | at is a number
{top_code: true}                           | at is a number
{top_code: .nan}                           | at is a number
{bottom_code: .inf}                        | at is a number
{round: 0}                                 | to is larger than 0
{round: 10, top: 25}                       | top is a multiple of to
{round: 10, top: 0}                        | top is larger than 0
{round: -5}                                | to is larger than 0
{round: 100000000000000000000}             | to is at most 2 to the power of 53
{keep: year}                               | keep takes no value
{redact_note: all}                         | redact_note takes no value
shred                                      | there is no transform 'shred'
"""
# Rule | a kind that it cannot serve.
REFUSED_KINDS = """
{generalize_date: year}  | age
{generalize_date: month} | year
shift_date               | year
generalize_age           | length_of_stay
{generalize_zip: zip3}   | facility_place
{generalize_code: 3}     | sex
{pseudonymize: random}   | person_name
{pseudonymize: keyed}    | icd10cm
{top_code: 10}           | icd10cm
{bottom_code: 10}        | service_date
{round: 10}              | zip_code
{round: 0.5}             | age
{top_code: 9.5}          | length_of_stay
redact_note              | code_description
"""


def rule(text: str) -> Transform:
    """Build a transform from a rule as a policy writes it."""
    raw = yaml.safe_load(text)
    if isinstance(raw, str):
        return build(raw, {})
    (name, first), *rest = raw.items()
    options: dict[str, Any] = dict(rest)
    return build(name, options | first if isinstance(first, dict) else {"": first, **options})


def context(rows: int, who: str = "", window: tuple[dt.date, dt.date] | None = WINDOW) -> Context:
    """Return a context of `rows` rows of one patient: aged, or with an offset such as +10."""
    return Context(
        patient=np.zeros(rows, np.int32),
        offset_days=np.full(rows, int(who) if who[:1] in "+-" and who else 0, np.int32),
        aged=np.full(rows, who == "aged"),
        pseudonym=lambda kind, ids: pa.array(
            [None if i is None else f"{kind}:{i}" for i in ids.to_pylist()], pa.string()
        ),
        redact=lambda notes: pa.array(
            [None if n is None else n.replace("Smith", "[name]") for n in notes.to_pylist()], pa.string()
        ),
        window=window,
        reference_year=2026,
    )


def table(text: str) -> list[list[str]]:
    """Return the cells of a drawn table."""
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


@pytest.mark.parametrize("row", table(CELLS), ids=" ".join)
def test_cells_come_out_as_drawn(row: list[str]) -> None:
    """Each cell of the table becomes the value beside it, also beside a null and in a dictionary."""
    written, kind, who, cell, value = row
    column = Column("c", KINDS[kind])
    for texts in (pa.array([cell, None]), pa.array([cell, None]).dictionary_encode()):
        values, bad = parse(column, texts)
        assert not bad.any()
        out = rule(written).apply(column, values, context(2, who))
        shown = pc.cast(out, pa.string()).to_pylist()
        assert shown == [None if value == "-" else value, None]


@pytest.mark.parametrize("row", table(REFUSED_OPTIONS), ids=" ".join)
def test_impossible_options_are_refused(row: list[str]) -> None:
    """A rule that makes no sense is refused when the policy is read, with what it should be."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        rule(row[0])
    assert row[1] in str(caught.value)


@pytest.mark.parametrize("row", table(REFUSED_KINDS), ids=" ".join)
def test_kinds_that_a_transform_cannot_serve_are_refused(row: list[str]) -> None:
    """A rule for a kind that it cannot serve is refused when the plan is made."""
    with pytest.raises(PlanError) as caught:
        rule(row[0]).output(Column("c", KINDS[row[1]]))
    assert row[1] in caught.value.message


def test_the_shifted_days_that_are_shown_do_not_tell_the_offset() -> None:
    """A patient seen on every day of the window shows the same days whatever the offset, and every one of them."""
    column, transform = Column("c", KINDS["service_date"]), ShiftDate(max_days=100)
    days = pa.array([WINDOW[0] + dt.timedelta(days=n) for n in range((WINDOW[1] - WINDOW[0]).days + 1)])
    shown = [
        transform.apply(column, days, context(len(days), f"{offset:+d}")).drop_null().to_pylist()
        for offset in (-100, -1, 0, 57, 100)
    ]
    assert shown[0] == days[100:-100].to_pylist()
    assert all(other == shown[0] for other in shown)


def test_intervals_survive_a_shift() -> None:
    """Dates of one patient stay as far apart as they were, and move in multiples of the step."""
    column = Column("c", KINDS["service_date"])
    days = pa.array([dt.date(2022, 1, 3), dt.date(2022, 3, 1), dt.date(2022, 3, 1)])
    out = ShiftDate(max_days=70, multiple_of=7).apply(column, days, context(3, "-63")).to_pylist()
    assert [(b - a).days for a, b in itertools.pairwise(out)] == [57, 0]
    assert out[0].weekday() == 0


def test_shifting_without_a_window_is_refused() -> None:
    """Both ends of an unknown window cannot be cut, so nothing is shifted; birth dates need none."""
    day = pa.array([dt.date(2022, 1, 3)])
    with pytest.raises(PlanError, match="window"):
        ShiftDate().apply(Column("c", KINDS["service_date"]), day, context(1, "+5", window=None))
    ShiftDate().apply(Column("c", KINDS["birth_date"]), day, context(1, "+5", window=None))


def test_offsets_beyond_the_step_are_refused() -> None:
    """An offset larger than the cut would show at the ends, so it stops the run."""
    with pytest.raises(PlanError, match="larger"):
        ShiftDate(max_days=7).apply(Column("c", KINDS["birth_date"]), pa.array([dt.date(1944, 1, 3)]), context(1, "+8"))


def test_pseudonyms_are_asked_for_by_kind_and_row() -> None:
    """The context gets the kind and the rows as they stand, because a patient's pseudonym goes by its row."""
    column = Column("c", KINDS["claim_id"])
    for values in (pa.array(["7", None, "7"]), pa.array(["7", None, "7"]).dictionary_encode()):
        out = Pseudonymize("random").apply(column, values, context(3))
        assert out.to_pylist() == ["claim_id:7", None, "claim_id:7"]


def test_notes_go_through_the_redactor_row_by_row() -> None:
    """Equal notes of two patients are redacted apart: a dictionary is taken to rows first."""
    seen: list[pa.Array] = []
    base = context(2)
    spy = Context(
        base.patient,
        base.offset_days,
        base.aged,
        base.pseudonym,
        lambda n: seen.append(n) or base.redact(n),
        None,
        2026,
    )
    notes = pa.array(["Smith came", "Smith came"]).dictionary_encode()
    out = RedactNote().apply(Column("c", KINDS["clinical_note"]), notes, spy)
    assert out.to_pylist() == ["[name] came", "[name] came"]
    assert seen[0].type == pa.string()


def test_whether_an_output_is_derived_is_said() -> None:
    """Keyed pseudonyms and shifted dates are computed from the person; random pseudonyms and years are not."""
    assert Pseudonymize("keyed").derived
    assert ShiftDate().derived
    assert not ShiftDate(method="random").derived
    assert not Pseudonymize("random").derived
    assert not GeneralizeDate("year").derived


def test_every_transform_states_its_contract() -> None:
    """The docstring of each part of the shelf holds the contract that readers of a policy rely on."""
    assert all("Contract:" in (transform.__doc__ or "") for transform in TRANSFORMS.values())
