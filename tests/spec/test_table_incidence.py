"""New patients: one stray early date neither makes a source look back further nor its patient an old case for ever."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.cells.days import NO_DAY, number_of
from deid.errors import DocumentError, PlanError
from deid.tables.coverage import Coverage
from deid.tables.incidence import new_cases, plausible
from deid.tables.run import Tabulated
from tests.sites import TestSite, make_site
from tests.spec.test_table_counts import BLOCK, DESCRIPTION

BEGIN = date(2021, 1, 1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """A site with the shipped policy for tables."""
    return make_site(tmp_path_factory.mktemp("site"))


def _run(site: TestSite, name: str, strays: Sequence[tuple[str, date]] = (), **block: Any) -> Tabulated:
    """Publish the new diabetics of 2024: forty patients without the code before, all seen every four weeks since 2021."""
    folder = site.folder / name
    folder.mkdir(exist_ok=True)
    people = [(f"P{i}", date(1960, 1, 1), "F", "MA", "Kent") for i in range(60)]
    days = [(f"P{i}", f"V{i}-{month}", BEGIN + timedelta(28 * month)) for i in range(60) for month in range(52)]
    days += [(who, f"S{i}", day) for i, (who, day) in enumerate(strays)]
    codes = [(f"P{i}", f"V{i}-40", "E11.9") for i in range(40)]
    codes += [(who, f"S{i}", "E11.9") for i, (who, _) in enumerate(strays)]
    for file, header, rows in (
        ("people", ("id", "born", "sex", "state", "county"), people),
        ("visits", ("id", "visit", "day"), days),
        ("codes", ("id", "visit", "code"), codes),
    ):
        with (folder / f"{file}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([header, *rows])
    content = {
        "request": name,
        "requester": "Somebody",
        "purpose": "A test",
        "policy": str(site.folder / "policies" / "public-tables.yaml"),
        "dataset": str(site.write(f"{name}/dataset.yaml", {**DESCRIPTION, "dataset": name})),
        "expires": "2027-12-31",
        "tabulate": {
            **BLOCK,
            "from": "2024-01-01",
            "to": "2024-12-31",
            "washout": 365,
            "codes": {"diabetes": {"icd10cm": ["E11"]}},
            "tables": {"t": {"measure": "incidence", "by": ["year", "codes"]}},
            **block,
        },
    }
    return site.tabulate(site.write(f"{name}.yaml", content))


def _new(done: Tabulated) -> int:
    with (done.folder / "t.csv").open() as file:
        return int(next(csv.DictReader(file))["incidence"])


@pytest.mark.parametrize(
    "stray", [date(1900, 1, 1), date(1959, 12, 31), date(2012, 3, 4), date(2021, 2, 3)], ids=lambda day: f"{day}"
)
def test_a_stray_early_date_makes_nobody_an_old_case(site: TestSite, stray: date) -> None:
    """Before birth, before the source begins, or long before the clean window: all forty are new in 2024."""
    done = _run(site, f"stray-{stray}", [("P3", stray)])
    assert _new(done) == 40
    assert done.begin == BEGIN
    assert done.passed_over == (stray < BEGIN)


def test_a_code_within_the_clean_window_is_an_old_case(site: TestSite) -> None:
    """A year without the code must come before a new one."""
    assert _new(_run(site, "within", [("P3", date(2024, 1, 2)), ("P4", date(2023, 12, 31))])) == 39


def test_a_stray_date_makes_no_source_look_back_further(site: TestSite) -> None:
    """Six years of washout are not there because one row says 1900."""
    with pytest.raises(PlanError, match="does not look back 2190 days") as fault:
        _run(site, "century", [("P3", date(1900, 1, 1))], washout=2190)
    assert "since" in fault.value.hint


def test_a_person_may_say_when_the_source_begins(site: TestSite) -> None:
    """Where months are too thin to tell, the epidemiologist knows; what is before it is passed over."""
    done = _run(site, "told", [("P3", date(2022, 1, 1))], since="2022-06-01")
    assert (done.begin, done.passed_over, _new(done)) == (date(2022, 6, 1), 1, 40)
    assert "begins on 2022-06-01" in (done.folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("block", "message"), [({"washout": 30}, "washout is 0 or"), ({"since": "2024-02-01"}, "begin")]
)
def test_a_washout_that_lets_people_be_new_twice_is_refused(
    site: TestSite, block: dict[str, Any], message: str
) -> None:
    """A window shorter than the period, and tables before the source, count what nobody means."""
    with pytest.raises(DocumentError, match=message):
        _run(site, "short", **block)


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1500)), max_size=30),
    washout=st.sampled_from([0, 365, 500]),
    begin=st.one_of(st.none(), st.integers(0, 800)),
)
def test_new_cases_are_those_of_a_naive_reading(rows: list[tuple[int, int]], washout: int, begin: int | None) -> None:
    """The first visit of each patient with no other in the days of washout before it, all within the source."""
    rows = sorted(row for row in rows if begin is None or row[1] >= begin)
    expected = set()
    for patient in {one for one, _ in rows}:
        days = sorted({day for one, day in rows if one == patient})
        for day in days[:1] if washout == 0 else days:
            window = range(day - washout, day)
            if not any(other in window for other in days) and (begin is None or day - washout >= begin):
                expected.add((patient, day))
                break
    who, when = (np.array([row[i] for row in rows], np.int32) for i in (0, 1))
    found = new_cases(who, when, begin, washout)
    assert [(int(w), int(d)) for w, d in zip(who[found], when[found], strict=True)] == sorted(expected)


def test_an_unknown_birth_keeps_a_visit() -> None:
    """Nobody's visit is before a birth that nobody knows."""
    who, when = np.array([0, 1, 2]), np.array([10, 10, 10])
    born = np.array([NO_DAY, 11, 10])
    assert plausible(who, when, born, None).tolist() == [True, False, True]


def test_a_gap_ends_what_a_source_covers() -> None:
    """A stray decade before, and a month without visits, are no look-back; one thin month of a holiday is."""
    coverage = Coverage()
    for year, month, visits in [(1999, 5, 3), (2020, 1, 50), (2020, 3, 50), (2020, 4, 6), (2020, 5, 50), (2020, 6, 55)]:
        coverage.see(np.full(visits, number_of(date(year, month, 9)), np.int32))
    assert coverage.begin(date(2020, 5, 1), date(2020, 6, 30)) == date(2020, 3, 1)
    assert coverage.begin(date(2020, 2, 1), date(2020, 2, 28)) is None
