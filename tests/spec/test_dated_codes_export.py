"""Codes known with the dates that the release ties them to, end to end on the opened release: docs/adr/0017.

The attackers are in plain Python and share nothing with the search.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from itertools import combinations, product
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from coded_people import KINDS, Row
from test_code_maps_export import CEILING, Opened, Runs, item_of

from deid.disclosure import dated
from deid.errors import DisclosureError, PlanError, VerificationError
from deid.known_codes import code_decision, dated_steps, tied_entries

JOINED = {"patients": ["ID", "SEX"], "encounters": ["ENC", "PATIENT", "START"], "diagnoses": ["PATIENT", "ENC", "DX"]}
IN_ROWS = {"patients": ["ID", "SEX"], "diagnoses": ["PATIENT", "DX", "SEEN"]}
UNTIED = {"patients": ["ID", "SEX"], "encounters": ["PATIENT", "START"], "diagnoses": ["PATIENT", "DX"]}
QUARTERS = {"admit_date": {"generalize_date": "quarter"}, "service_date": {"generalize_date": "quarter"}}
Dated = tuple[str, str]  # a code, or what is released of it, and a quarter


def quarter_of(row: Row) -> int:
    """Return the quarter in which a visit was, by its number and its patient's."""
    return (int(row.patient) // 7 + int(row.visit.rpartition("-")[2])) % 4


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return a site with coded people, whose diagnoses have days of their own."""

    class Dated(Runs):
        def source_of(self, people: Any) -> Path:
            days = {
                row.visit: f"2024-{1 + 3 * quarter_of(row):02d}-{1 + int(row.patient) % 28:02d}" for row in people.rows
            }
            owner = {row.visit: row.patient for row in people.rows}
            encounters = [f"V{visit} P{owner[visit]} {day}" for visit, day in days.items()]
            diagnoses = [f"P{row.patient} V{row.visit} {row.code} {days[row.visit]}" for row in people.rows]
            tables = people.tables() | {
                "encounters": "\n".join(["ENC PATIENT START", *encounters]),
                "diagnoses": "\n".join(["PATIENT ENC DX SEEN", *diagnoses]),
            }
            kinds = KINDS | {
                "diagnoses": {"PATIENT": "patient_id", "ENC": "encounter_id", "DX": "icd10cm", "SEEN": "service_date"}
            }
            return self.world.source_of(tables, kinds, population="patients", encounters="encounters")

    return Dated(tmp_path_factory.mktemp("dated") / "site")


@pytest.fixture(scope="module")
def released(runs: Runs) -> dict[str, Opened]:
    """Return a release that ties codes to quarters by the number of the visit, and one that does so in their rows."""
    return {
        "joined": runs.run(JOINED, rules=QUARTERS, study_codes=None),
        "rows": runs.run(IN_ROWS, rules=QUARTERS, study_codes=None),
    }


def held_in(release: Opened) -> Iterator[tuple[str, str, str, str]]:
    """Yield patient, item, quarter and visit of every released diagnosis, joined as a researcher would."""
    starts = {row["ENC"]: str(row["START"]) for row in release.tables.get("encounters", ()) if "ENC" in row}
    for row in release.tables["diagnoses"]:
        visit = row.get("ENC", "")
        yield row["PATIENT"], row["DX"], str(row["SEEN"]) if "SEEN" in row else starts[visit], visit


def chance(runs: Runs, release: Opened, *, in_visit: bool = False) -> float:
    """Return the mean chance of who knows sex and two codes, each with the quarter of one of its visits.

    `in_visit`: both codes are of one visit, and are sought in one.
    """
    item = item_of(release)
    sexes = {row["ID"]: row["SEX"] for row in release.tables["patients"]}
    sets: dict[str, dict[str, set[Dated]]] = defaultdict(lambda: defaultdict(set))
    for patient, dx, quarter, visit in held_in(release):
        sets[patient][visit if in_visit else ""].add((dx, quarter))
    quarters = sorted({quarter for _, _, quarter, _ in held_in(release)})

    @cache
    def candidates(sex: str, sought: frozenset[Dated]) -> int:
        return sum(any(sought <= held for held in sets[patient].values()) for patient in sexes if sexes[patient] == sex)

    known: dict[str, dict[str, dict[str, set[str]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(set)))
    for row in runs.people.rows:
        known[row.patient][row.visit if in_visit else ""][row.code].add(quarters[quarter_of(row)])
    means = []
    for patient, groups in known.items():
        sex = runs.people.patients[patient][1]
        of_groups = []
        for codes in groups.values():
            pairs = []
            for one, other in combinations(sorted(codes), 2):
                ways = product(sorted(codes[one]), sorted(codes[other]))
                things = [frozenset({(item(one), first), (item(other), second)}) for first, second in ways]
                pairs.append(fmean(1 / candidates(sex, thing) for thing in things))
            of_groups += [fmean(pairs)] if pairs else []
        means += [fmean(of_groups)] if of_groups else []
    return fmean(means)


@pytest.mark.parametrize("how", ["joined", "rows"])
def test_two_codes_with_their_dates_identify_no_more_than_the_ceiling(
    runs: Runs, released: dict[str, Opened], how: str
) -> None:
    """Plain Python knows the quarter of each code, from its row or from its visit, and stays under the ceiling."""
    told = released[how].manifest["codes"]["adversaries"]["dated"]["mean"]
    found = chance(runs, released[how])
    assert found <= told + 0.0006
    assert told <= CEILING


def test_two_codes_of_a_visit_whose_date_is_known_identify_no_more_than_the_ceiling(
    runs: Runs, released: dict[str, Opened]
) -> None:
    """Who knows two codes of one visit and its quarter seeks them in one visit, and is one of those held."""
    told = released["joined"].manifest["codes"]["adversaries"]["dated"]["mean"]
    assert chance(runs, released["joined"], in_visit=True) <= told + 0.0006


def test_the_worst_of_them_is_what_the_manifest_tells(runs: Runs, released: dict[str, Opened]) -> None:
    """The figure is no bound but that of the adversary who gets most."""
    told = released["rows"].manifest["codes"]["adversaries"]
    assert told["dated"]["mean"] >= max(told["uniform"]["mean"], chance(runs, released["rows"]) - 0.0006)


def test_the_same_attacker_wins_where_ties_are_not_counted(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this adversary the ceiling is broken: the test before can fail."""
    for module in (dated_steps, tied_entries, code_decision):
        monkeypatch.setattr(module, "tied_steps", lambda _: {})
    release = runs.run(JOINED, rules=QUARTERS, study_codes=None)
    assert "dated" not in release.manifest["codes"]["adversaries"]
    assert chance(runs, release) > 1.2 * CEILING


def test_dates_that_no_number_of_a_visit_ties_cost_nothing(runs: Runs) -> None:
    """Codes without dates and without numbers of visits are tied to none, whatever stands in other tables."""
    release = runs.run(UNTIED, rules=QUARTERS, study_codes=None)
    assert set(release.manifest["codes"]["adversaries"]) == {"uniform", "mentions"}


def test_codebook_and_report_tell_the_adversary(released: dict[str, Opened]) -> None:
    """Who reads the release learns what its dates tell beside codes."""
    folder = released["rows"].exported.folder
    assert "each with the dates beside it" in (folder / "codebook.md").read_text()


def test_a_map_that_was_searched_without_dates_is_caught(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack is made again on what was read back, dates and all, and nothing over the ceiling is published."""
    monkeypatch.setattr(dated.DatedAttacker, "bounds", lambda self, *_: iter([0.0] * len(self.adversaries)))
    monkeypatch.setattr(dated.DatedAttacker, "most", lambda *_: False)
    straight = dated.DatedAttacker.risk
    calls = []

    def late(self: Any, *known: Any) -> Any:
        calls.append(known)
        return straight(self, *known) if len(calls) > 1 else None

    monkeypatch.setattr(dated.DatedAttacker, "risk", late)
    with pytest.raises(VerificationError, match="2 known codes identify"):
        runs.run(IN_ROWS, rules=QUARTERS, study_codes=None)


def test_other_dates_than_were_attacked_are_caught(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes are read back with the dates that they are tied to: these must be those of the attack."""
    straight = tied_entries.TiedEntries.add
    calls: list[int] = []

    def first_lost(self: Any, rows: Any, at: Any, *rest: Any) -> None:
        calls.append(len(at))
        straight(self, rows, at[::-1] if len(calls) == 1 else at, *rest)

    monkeypatch.setattr(tied_entries.TiedEntries, "add", first_lost)
    with pytest.raises(VerificationError, match="dates are not those that were attacked with their codes"):
        runs.run(IN_ROWS, rules=QUARTERS, study_codes=None)


def test_days_that_tell_too_much_are_refused_with_the_way_to_untie_them(runs: Runs) -> None:
    """Beside two days no map keeps the ceiling."""
    with pytest.raises(DisclosureError, match="each with the dates that the release ties it to") as refused:
        runs.run(IN_ROWS, rules={"service_date": "keep"}, study_codes=None, ceiling=0.03)
    assert "untie them" in refused.value.hint


@pytest.mark.long
def test_intervals_between_the_shifted_days_of_codes_are_held(runs: Runs) -> None:
    """Of shifted days two codes tell how far they lie apart, and plain Python that seeks it stays under the ceiling."""
    rules = {"service_date": {"shift_date": 100}, "patient_id": {"pseudonymize": "keyed"}}
    window = {"from": "2023-01-01", "to": "2025-12-31"}
    release = runs.run(IN_ROWS, rules=rules, study_codes=None, window=window)
    item, sexes = item_of(release), {row["ID"]: row["SEX"] for row in release.tables["patients"]}
    held: dict[str, dict[str, set[date]]] = defaultdict(lambda: defaultdict(set))
    for row in release.tables["diagnoses"]:
        held[row["PATIENT"]][row["DX"]].add(row["SEEN"])

    holding: dict[tuple[str, str], list[str]] = defaultdict(list)
    for patient, own in held.items():
        for dx in own:
            holding[sexes[patient], dx].append(patient)

    def fits(own: dict[str, set[date]], one: str, other: str, days: int) -> bool:
        return any(day + timedelta(days) in own.get(other, ()) for day in own.get(one, ()))

    @cache
    def candidates(sex: str, one: str, other: str, days: int) -> int:
        return sum(fits(held[patient], one, other, days) for patient in holding[sex, one])

    known: dict[str, dict[str, set[date]]] = defaultdict(lambda: defaultdict(set))
    for row in runs.people.rows:
        known[row.patient][row.code].add(date(2024, 1 + 3 * quarter_of(row), 1 + int(row.patient) % 28))
    means = []
    for patient, codes in known.items():
        sex = runs.people.patients[patient][1]
        pairs = [
            fmean(
                1 / candidates(sex, item(one), item(other), (b - a).days) for a, b in product(codes[one], codes[other])
            )
            for one, other in combinations(sorted(codes), 2)
        ]
        means += [fmean(pairs)] if pairs else []
    told = release.manifest["codes"]["adversaries"]
    assert told["uniform"]["mean"] < fmean(means) <= CEILING
    assert told["dated"]["mean"] <= CEILING


def test_cells_left_empty_are_read_back_with_their_dates(runs: Runs) -> None:
    """What few of a class have leaves an empty cell beside its date, and the attack on what was written agrees."""
    codes = {"kinds": ["icd10cm"], "ceiling": 0.3, "suppress_below": 11}
    release = runs.run(IN_ROWS, rules=QUARTERS, study_codes=None, limits={"codes": codes})
    assert any(row["DX"] is None and row["SEEN"] is not None for row in release.tables["diagnoses"])
    assert release.manifest["codes"]["adversaries"]["dated"]["mean"] <= 0.3


def test_dates_that_are_tied_without_their_patient_are_refused(runs: Runs) -> None:
    """What was released could not be attacked again."""
    with pytest.raises(PlanError) as refused:
        runs.run(JOINED | {"encounters": ["ENC", "START"]}, rules=QUARTERS)
    assert "tie its dates to mapped codes" in str(refused.value)
