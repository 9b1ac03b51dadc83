"""Laws of what a report on coding quality may show, held against plain sets of patients."""

from __future__ import annotations

from collections import Counter
from itertools import chain, combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deid.quality.findings import BITS, EMPTY
from deid.quality.suppress import CODES, Shown, shown_lines
from deid.quality.tally import Counts, Tally, numbered

# Marks that rows can have: no code, a sound code, and findings alone, one within another, or across.
NAMES = ("malformed", "two_codes", "unknown", "retired", "unspecified", "principal_missing")
KINDS = {
    "empty": EMPTY,
    "empty first": EMPTY | BITS["principal_missing"],
    "sound": 0,
    "malformed": BITS["malformed"],
    "two codes": BITS["malformed"] | BITS["two_codes"],
    "unknown": BITS["unknown"],
    "retired": BITS["retired"],
    "unspecified": BITS["unspecified"],
    "retired and unspecified": BITS["retired"] | BITS["unspecified"],
}
PERIODS = (0, *(year * 12 + month for year in (2023, 2024) for month in (1, 2, 3)))
Row = tuple[int, int, int]  # marks, period, patient


@st.composite
def some_rows(draw: st.DrawFn) -> list[Row]:
    """Draw rows so that cells of few and of many patients stand beside each other, in any order."""
    rows: list[Row] = []
    for period in draw(st.lists(st.sampled_from(PERIODS), min_size=1, max_size=5, unique=True)):
        for kind in draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5, unique=True)):
            first = draw(st.integers(0, 15))
            size = draw(st.sampled_from([1, 4, 10, 11, 14, 30]))
            rows += [(KINDS[kind], period, patient) for patient in range(first, first + size)] * draw(st.integers(1, 2))
    return draw(st.permutations(rows))


ROWS = some_rows()


def counted(rows: list[Row], batch: int) -> Counts:
    """Return the counts of rows that came in batches of a size."""
    tally = Tally()
    for start in range(0, len(rows), batch):
        marks, period, patient = (
            np.array(column, np.int64) for column in zip(*rows[start : start + batch], strict=True)
        )
        tally.add(marks.astype(np.uint32), numbered(period), patient.astype(np.int32))
    return tally.counts()


def of_line(name: str, marks: int) -> bool:
    """Whether a line counts rows of these marks."""
    return not marks & EMPTY if name == CODES else bool(marks & BITS[name])


def is_small(patients: set[int]) -> bool:
    """Whether one to ten patients stand behind a count."""
    return 0 < len(patients) < 11


def told(shown: Shown, periods: set[int]) -> list[set[int]]:
    """Return the sets of periods for which a line's count can be had: each shown one, and all others together."""
    if not isinstance(shown.total, int) or not shown.total:
        return []
    hidden = {period for period in periods if shown.periods.get(period, 0) is None}
    return [periods, hidden, *({period} for period in periods - hidden)]


@given(ROWS, st.integers(1, 200))
def test_nothing_small_is_shown_or_can_be_subtracted(rows: list[Row], batch: int) -> None:
    """No count that is shown, or had by subtracting counts that are parts of each other, is of one to ten patients."""
    shown = shown_lines(counted(rows, batch), NAMES)
    every = {period for _, period, _ in rows}
    known: dict[frozenset[int], set[str]] = {}
    for name, line in shown.items():
        for periods in told(line, every):
            known.setdefault(frozenset(periods), set()).add(name)
    for periods, names in known.items():
        inside = [(marks, patient) for marks, period, patient in rows if period in periods]

        def patients(
            has: set[str], lacks: set[str], *, of_codes: bool = True, inside: list[tuple[int, int]] = inside
        ) -> set[int]:
            return {
                patient
                for marks, patient in inside
                if all(of_line(name, marks) for name in has)
                and not any(of_line(name, marks) for name in lacks)
                and (not of_codes or of_line(CODES, marks))
            }

        for name in names:
            assert not is_small(patients({name}, set(), of_codes=False)), name
            assert not is_small(patients(set(), {name}, of_codes=name not in (CODES, "principal_missing"))), name
        if {"malformed", "two_codes"} <= names:
            assert not is_small(patients({"malformed"}, {"two_codes"}))
        if {CODES, "principal_missing"} <= names:
            assert not is_small(patients(set(), {CODES, "principal_missing"}, of_codes=False))
        verdicts = names & {"malformed", "unknown", "retired"}
        for some in chain.from_iterable(combinations(sorted(verdicts), count) for count in range(1, 4)):
            assert not is_small(patients(set(), set(some))), some
        if "unspecified" in names:
            assert not is_small(patients(set(), (verdicts - {"retired"}) | {"unspecified"}))


@given(ROWS, st.integers(1, 200))
def test_what_is_shown_is_what_was_counted(rows: list[Row], batch: int) -> None:
    """Totals and periods are counts of rows; what is hidden for good reason is never a wrong number."""
    shown = shown_lines(counted(rows, batch), NAMES)
    for name, line in shown.items():
        times = Counter(period for marks, period, _ in rows if of_line(name, marks))
        if isinstance(line.total, int):
            assert line.total == times.total()
            assert {p: n for p, n in line.periods.items() if n is not None}.items() <= times.items() | set()
            assert times.keys() <= line.periods.keys()
        else:
            assert not line.periods
            assert line.total is None or is_small({patient for marks, _, patient in rows if of_line(name, marks)})


@given(ROWS, st.integers(1, 200))
def test_months_tell_nothing_that_years_hide(rows: list[Row], batch: int) -> None:
    """Of a report by months and one by years of the same rows no small year or month can be had together."""
    by_month = shown_lines(counted(rows, batch), NAMES)
    yearly = [(marks, (period - 1) // 12 if period else 0, patient) for marks, period, patient in rows]
    by_year = shown_lines(counted(yearly, batch), NAMES)
    for name, line in by_month.items():
        assert line.total == by_year[name].total
        for year in {period for _, period, _ in yearly}:
            months = {period for _, period, _ in rows if period and (period - 1) // 12 == year}
            hidden = {month for month in months if line.periods.get(month, 0) is None}
            if year and isinstance(line.total, int) and line.total:
                if by_year[name].periods.get(year, 0) is None:
                    assert hidden == months
                left = {patient for marks, p, patient in rows if p in hidden and of_line(name, marks)}
                assert hidden == months or not is_small(left)


@given(ROWS, st.integers(1, 50), st.integers(51, 400))
def test_batches_do_not_matter(rows: list[Row], one: int, other: int) -> None:
    """What is shown does not depend on how rows came in batches."""
    assert shown_lines(counted(rows, one), NAMES) == shown_lines(counted(rows, other), NAMES)
