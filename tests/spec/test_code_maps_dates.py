"""Dates beside codes, empty items and the strict mode, end to end on the opened release: docs/adr/0017.

The attackers are in plain Python and share nothing with the search.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from test_code_maps_export import CEILING, SETS, Opened, Runs, attacked, item_of, pairs_of

from deid.checks import code_check
from deid.errors import DisclosureError, PlanError, VerificationError
from deid.known_codes.date_entries import DateEntries

DATED = {"patients": ["ID", "SEX"], "diagnoses": ["PATIENT", "DX"], "encounters": ["PATIENT", "START"]}
MONTHS = {"admit_date": {"generalize_date": "month"}}
K = 11


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return a site with coded people."""
    return Runs(tmp_path_factory.mktemp("codes") / "site")


def known(codes: int, dates: int, **more: Any) -> dict[str, Any]:
    """Return limits under which so many codes and dates are known."""
    return {"codes": {"kinds": ["icd10cm"], "ceiling": CEILING, "known": codes, "known_dates": dates} | more}


def months_of(runs: Runs) -> dict[str, set[str]]:
    """Return the months in which each patient was seen, from the source."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in runs.people.tables()["encounters"].splitlines()[1:]:
        _, patient, day = line.split()
        found[patient[1:]].add(day[:7])
    return found


def by_class(release: Opened) -> dict[tuple[str, ...], list[set[str]]]:
    """Return the released items of every patient by what the patient's row shows."""
    held: dict[str, set[str]] = defaultdict(set)
    for row in release.tables["diagnoses"]:
        held[row["PATIENT"]] |= {row["DX"]} - {None}
    found: dict[tuple[str, ...], list[set[str]]] = defaultdict(list)
    for row in release.tables["patients"]:
        found[tuple(str(value) for name, value in row.items() if name != "ID")].append(held[row["ID"]])
    return found


def test_one_code_and_one_month_identify_what_the_manifest_says(runs: Runs) -> None:
    """Exactly: every code with every month of every patient, by the public map, is what plain Python counts."""
    release = runs.run(DATED, rules=MONTHS, limits=known(1, 1))
    item, months, codes = item_of(release), months_of(runs), runs.people.codes()
    crowd: Counter[tuple[str, str, str]] = Counter()
    for key, own in codes.items():
        sex = runs.people.patients[key][1]
        crowd.update((sex, thing, month) for thing in {item(code) for code in own} for month in months[key])
    means = []
    for key, own in codes.items():
        sex = runs.people.patients[key][1]
        chances = [1 / crowd[sex, item(code), month] for code in own for month in months[key]]
        means.append(sum(chances) / len(chances))
    found = sum(means) / len(means)
    assert found <= CEILING
    assert found == pytest.approx(release.manifest["codes"]["with_dates"]["uniform"]["mean"], abs=0.0006)


def test_known_dates_move_the_map(runs: Runs) -> None:
    """Under a low ceiling fewer codes stay in full where a month is known beside a code; a year known adds nothing."""
    limits = known(1, 1, ceiling=0.02)
    by_month = runs.run(DATED, rules=MONTHS, limits=limits).manifest["codes"]
    by_year = runs.run(DATED, limits=limits).manifest["codes"]
    assert by_month["mentions"]["icd10cm"]["code"] < by_year["mentions"]["icd10cm"]["code"]
    assert max(each["mean"] for each in by_month["with_dates"].values()) <= 0.02


def test_intervals_of_shifted_days_are_attacked(runs: Runs) -> None:
    """Two shifted days tell their interval, and what is cut at the ends of the window is not counted."""
    shifted = {"admit_date": {"shift_date": 40}, "patient_id": {"pseudonymize": "keyed"}}
    window = {"from": "2024-01-01", "to": "2024-12-31"}
    release = runs.run(DATED, rules=shifted, limits=known(1, 2, ceiling=0.5), window=window)
    found = release.manifest["codes"]
    assert found["adversaries"]["uniform"]["mean"] < found["with_dates"]["uniform"]["mean"] <= 0.5
    assert any(row["START"] is None for row in release.tables["encounters"])


def test_dates_that_were_not_counted_are_caught(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dates are read back with their patients: a release with others than were attacked is not published."""
    straight = DateEntries.note
    monkeypatch.setattr(DateEntries, "note", lambda self, planned, rows, kept: straight(self, planned, rows, kept[::2]))
    with pytest.raises(VerificationError, match="dates are not those"):
        runs.run(DATED, rules=MONTHS, limits=known(1, 1))


def test_dates_without_their_patient_are_refused(runs: Runs) -> None:
    """What cannot be laid beside its patient could not be attacked again."""
    tables = {**DATED, "encounters": ["ENC", "START"], "diagnoses": ["PATIENT", "ENC", "DX"]}
    with pytest.raises(PlanError, match="counts dates by patient"):
        runs.run(tables, rules=MONTHS, limits=known(1, 1))


def test_few_of_a_class_with_an_item_are_left_empty(runs: Runs) -> None:
    """With `suppress_below`, no class of the release shows an item that fewer patients have, and the share is told."""
    release = runs.run(SETS, limits=known(2, 0, suppress_below=K))
    for patients in by_class(release).values():
        assert min(Counter(item for own in patients for item in own).values()) >= K
    rows = [row["DX"] for row in release.tables["diagnoses"]]
    assert 0 < rows.count(None) < len(rows) / 4
    told = release.manifest["codes"]["mentions"]["icd10cm"]["empty"]
    assert told == pytest.approx(rows.count(None) / len(rows), abs=0.0006)


def test_cells_that_should_be_empty_are_caught(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell of few that was written in spite of the limit is found in what was read back."""
    from deid.known_codes import code_decision

    monkeypatch.setattr(code_decision, "left_empty", lambda _suppressed, _items: {})
    with pytest.raises(VerificationError, match="map makes of each patient"):
        runs.run(SETS, limits=known(2, 0, suppress_below=K))


def test_in_strict_mode_every_pair_of_the_release_has_k_candidates(runs: Runs) -> None:
    """No two released items of a patient are had by fewer than k of the class, counted on the opened release."""
    release = runs.run(SETS, limits=known(2, 0, strict=True))
    pairs = 0
    for patients in by_class(release).values():
        counts = Counter(pair for own in patients for pair in combinations(sorted(own), 2))
        assert min(counts.values(), default=K) >= K
        pairs += len(counts)
    assert pairs > 0
    assert all(each["below_k"] == 0 for each in release.manifest["codes"]["adversaries"].values())


def test_figures_are_those_of_the_attack_on_what_was_written(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifest, codebook and report tell what the attack on the decrypted release found, not what was decided."""
    straight = code_check.attacked

    def another(*args: Any, **options: Any) -> Any:
        risk = straight(*args, **options)
        return replace(risk, by=tuple(replace(each, mean=0.0123) for each in risk.by))

    monkeypatch.setattr(code_check, "attacked", another)
    release = runs.run(SETS)
    assert {each["mean"] for each in release.manifest["codes"]["adversaries"].values()} == {0.012}
    assert "1.2 %" in (release.exported.folder / "codebook.md").read_text()
    report = json.loads((release.exported.folder / "report.json").read_text())
    assert {cell["chance"] for cell in report["codes"]["grid"] if cell["codes"] == 2} == {0.0123}


def test_the_report_names_subgroups_by_what_they_show(runs: Runs) -> None:
    """Subgroups at most risk are told by the values of their class, with three codes and the tail beside."""
    release = runs.run(SETS)
    report = json.loads((release.exported.folder / "report.json").read_text())["codes"]
    shown = {(str(row["BIRTH"]), row["SEX"]) for row in release.tables["patients"]}
    names = [group["group"] for group in report["subgroups"]]
    assert names
    assert set(names) <= {f"BIRTH {birth}, SEX {sex}" for birth, sex in shown}
    chances = [group["chance"] for group in report["subgroups"]]
    assert chances == sorted(chances, reverse=True)
    assert any(cell["codes"] == 3 and cell["ceiling"] is None for cell in report["grid"])
    assert all(cell["few"] is not None and cell["worst"] is not None for cell in report["grid"])


def test_two_codes_and_two_months_are_refused_where_no_map_does(runs: Runs) -> None:
    """The refusal names both kinds of knowledge and what would do."""
    with pytest.raises(DisclosureError, match="2 known codes and 2 known dates identify") as caught:
        runs.run(DATED, rules=MONTHS, limits=known(2, 2, ceiling=0.01))
    assert "coarser dates" in (caught.value.hint or "")


def test_the_ceiling_on_codes_alone_holds_beside_dates(runs: Runs) -> None:
    """Who has no date known is held to the ceiling as well: both attacks are made on every map."""
    release = runs.run(SETS | {"encounters": ["PATIENT", "START"]}, limits=known(2, 1))
    assert attacked(runs, release, SETS, pairs_of(runs)) <= CEILING
