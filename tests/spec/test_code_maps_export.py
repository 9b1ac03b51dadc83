"""Codes leave under one map for everybody, chosen so that two known ones identify few: docs/adr/0017.

The references are in plain Python (coded_people): they count sets and pairs, and share nothing with the search.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from coded_people import KINDS, People, Row, chapter_of, coded_people, known_pairs, mean_chance
from tiny_sources import World

from deid.errors import DisclosureError, VerificationError
from deid.export import Exported
from deid.known_codes import code_decision, mapped_codes

CEILING = 0.09
RULES: dict[str, Any] = {
    "patient_id": {"pseudonymize": "keyed"},
    "encounter_id": {"pseudonymize": "keyed"},
    "birth_date": {"generalize_date": {"to": "year", "width": 20, "floor_age": 90}},
    "sex": "keep",
    "admit_date": {"generalize_date": "year", "floor_age": 90},
    "icd10cm": "map_codes",
    "sequence_number": "keep",
}
SETS = {"patients": ["ID", "BIRTH", "SEX"], "diagnoses": ["PATIENT", "DX"]}
VISITS = {"patients": ["ID", "SEX"], "diagnoses": ["PATIENT", "ENC", "DX"]}
STUDY = ("E11",)


def policy_of(ceiling: float | None = CEILING, **limits: Any) -> dict[str, Any]:
    """Return a policy with k = 11 and a ceiling on known codes, or with codes as they are where there is none."""
    kept = RULES | ({"icd10cm": "keep"} if ceiling is None else {})
    own: dict[str, Any] = {
        "k": 11,
        "quasi_identifiers": ["birth_date", "sex"],
        "suppression": 0.05,
        "risk": {"rejoin": 1.0},
    }
    if ceiling is not None:
        own["codes"] = {"kinds": ["icd10cm"], "ceiling": ceiling}
    return {
        "policy": "own", "version": 1, "basis": "expert_determination", "rules": kept, "limits": own | limits,
    }  # fmt: skip


@dataclass
class Opened:
    """A release as its researcher reads it."""

    tables: dict[str, list[dict[str, Any]]]
    exported: Exported

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest as it lies on disk."""
        found: dict[str, Any] = json.loads((self.exported.folder / "manifest.json").read_text())
        return found

    @property
    def items(self) -> Counter[str]:
        """How often each item stands in the release."""
        return Counter(row["DX"] for row in self.tables["diagnoses"])


class Runs:
    """One site, and the releases that tests share."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.people = coded_people(2000)
        self.source = self.source_of(self.people)
        self.sets = cache(lambda: self.run(SETS))
        self.visits = cache(lambda: self.run(VISITS))
        self.whole = cache(lambda: self.run(SETS, ceiling=None))

    def source_of(self, people: People) -> Path:
        """Write a source of these people."""
        return self.world.source_of(people.tables(), KINDS, population="patients", encounters="encounters")

    def run(
        self, tables: dict[str, list[str]], *, ceiling: float | None = CEILING, source: Path | None = None, **f: Any
    ) -> Opened:
        """Release tables under a ceiling, with the study's codes declared."""
        content = policy_of(ceiling, **f.pop("limits", {}))
        content["rules"] |= f.pop("rules", {})
        policy = self.world.policy(content)
        fields = {"agreement": None, "study_codes": {"icd10cm": list(STUDY)}} | f
        period = fields.pop("period", None)
        request = self.world.request(source or self.source, tables, policy=policy, **fields)
        exported = self.world.site.run(request, period=period)
        opened = self.world.site.open(exported)
        return Opened({name: opened.read(name).to_pylist() for name in opened.tables}, exported)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return a site with 3,000 coded people."""
    return Runs(tmp_path_factory.mktemp("codes") / "site")


def class_of(runs: Runs, key: str, tables: dict[str, list[str]]) -> tuple[str, ...]:
    """Return what a release shows of a patient, as somebody knows it who knows birth date and sex."""
    birth, sex = runs.people.patients[key]
    return (str(int(birth[:4]) // 20 * 20), sex) if "BIRTH" in tables["patients"] else (sex,)


def item_of(release: Opened) -> Any:
    """Return the public map as an attacker reads it off the release: the finest value of a code that stands there."""
    there = set(release.items)
    return lambda code: next((v for v in (code, code[:3], chapter_of(code), "OTHER") if v in there), None)


def attacked(
    runs: Runs, release: Opened, tables: dict[str, list[str]], pairs: dict[str, list[tuple[str, str]]]
) -> float:
    """Return the mean chance of an attacker who knows the class and these pairs, on the opened release."""
    shown = {row["ID"]: row for row in release.tables["patients"]}
    held: dict[str, dict[Any, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in release.tables["diagnoses"]:
        held[row["PATIENT"]][row.get("ENC")].add(row["DX"])
    groups: dict[Any, list[list[frozenset[str]]]] = defaultdict(list)
    for key, row in shown.items():
        klass = (str(row["BIRTH"]), row["SEX"]) if "BIRTH" in row else (row["SEX"],)
        groups[klass].append([frozenset(items) for items in held[key].values()])
    return mean_chance(pairs, lambda key: class_of(runs, key, tables), item_of(release), groups)


def pairs_of(runs: Runs, wanted: str = "") -> dict[str, list[tuple[str, str]]]:
    """Return every pair of codes of every patient, of those that begin with `wanted`."""
    return {key: known_pairs(codes, lambda c: c.startswith(wanted)) for key, codes in runs.people.codes().items()}


def pairs_in_visits(runs: Runs) -> dict[str, list[tuple[str, str]]]:
    """Return every pair of codes of every visit of one patient, visits drawn evenly by repeating each to one weight."""
    visits: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in runs.people.rows:
        visits[row.patient][row.visit].add(row.code)
    found: dict[str, list[tuple[str, str]]] = {}
    for key, own in visits.items():
        each = [pairs for codes in own.values() if (pairs := known_pairs(codes))]
        found[key] = [pair for pairs in each for pair in pairs * (60 // len(pairs))]  # 1, 3 or 6 pairs a visit
    return found


def test_two_known_codes_identify_no_more_than_the_ceiling(runs: Runs) -> None:
    """An attacker in plain Python on the opened release gets at most the ceiling, and as much as the manifest says."""
    found = attacked(runs, runs.sets(), SETS, pairs_of(runs))
    assert found <= CEILING
    assert found == pytest.approx(runs.sets().manifest["codes"]["adversaries"]["uniform"]["mean"], abs=0.001)


def test_the_same_attacker_wins_on_codes_that_are_not_mapped(runs: Runs) -> None:
    """The control: k = 11 with codes as they are loses several times the ceiling to the same attacker."""
    assert attacked(runs, runs.whole(), SETS, pairs_of(runs)) > 3 * CEILING


def test_two_declared_codes_identify_no_more_than_the_ceiling(runs: Runs) -> None:
    """Somebody who knows two of the study's own codes is held to the same ceiling."""
    found = attacked(runs, runs.sets(), SETS, pairs_of(runs, "E11"))
    assert found <= CEILING
    assert found == pytest.approx(runs.sets().manifest["codes"]["adversaries"]["declared"]["mean"], abs=0.001)


def test_two_codes_of_one_visit_identify_no_more_than_the_ceiling(runs: Runs) -> None:
    """A release that tells which codes stand in one visit is held to the ceiling by who knows two codes of a visit."""
    release = runs.visits()
    found = attacked(runs, release, VISITS, pairs_in_visits(runs))
    assert release.manifest["codes"]["tells_visits"] is True
    assert found <= CEILING
    assert found == pytest.approx(release.manifest["codes"]["adversaries"]["visit"]["mean"], abs=0.001)


def test_visits_are_no_attack_where_the_release_does_not_tell_them(runs: Runs) -> None:
    """Sets of codes without numbers or days of visits are not attacked by visits."""
    codes = runs.sets().manifest["codes"]
    assert codes["tells_visits"] is False
    assert set(codes["adversaries"]) == {"uniform", "mentions", "declared"}


def test_the_map_is_one_for_everybody(runs: Runs) -> None:
    """Each code becomes the same item in every row: itself, its category if the study declares it, or a pool."""
    release, source = runs.sets(), Counter(row.code for row in runs.people.rows)
    item = item_of(release)
    expected: Counter[str] = Counter()
    for code, mentions in source.items():
        expected[item(code)] += mentions
    assert release.items == expected
    for code in source:
        allowed = {code, code[:3]} if code.startswith(STUDY) else {code, chapter_of(code), "OTHER"}
        assert item(code) in allowed


def test_codes_that_stay_are_shared_by_many(runs: Runs) -> None:
    """A code that stays whole is one of at least k patients, and the manifest tells of how many at least."""
    release = runs.sets()
    holders = Counter(code for codes in runs.people.codes().values() for code in codes)
    items = release.items
    whole = [holders[code] for code in holders if code in items and not code.startswith(STUDY)]
    assert min(whole) == release.manifest["codes"]["thresholds"]["codes"] >= 11
    assert sum(row.code in items for row in runs.people.rows) > len(runs.people.rows) / 2


def test_the_cohorts_codes_are_declared_where_the_request_declares_none(runs: Runs) -> None:
    """A study of a cohort by codes can count these codes, whatever else becomes of them."""
    cohort = {"patients": {"any": [{"icd10cm": ["N39.0"]}, {"icd10cm": ["I10"]}, {"icd10cm": ["E78"]}]}}
    tables = {**SETS, "patients": ["ID", "SEX"]}
    release = runs.run(tables, cohort=cohort, study_codes=None)
    assert {"N39", "N39.0"} & set(release.items)
    assert "declared" in release.manifest["codes"]["adversaries"]


def test_a_declared_code_of_few_patients_leaves_as_any_rare_one(runs: Runs) -> None:
    """Nobody's rare diagnosis leaves because a study named it: below k patients neither code nor category stands."""
    people = coded_people(300)
    holders = Counter(code for codes in people.codes().values() for code in codes)
    of_category = Counter(found for codes in people.codes().values() for found in {code[:3] for code in codes})
    few = sorted(code for code in holders if holders[code] < 11 and of_category[code[:3]] < 11)
    many = next(code for code in holders if holders[code] > 50)
    tables = {"patients": ["ID", "SEX"], "diagnoses": ["PATIENT", "DX"]}
    study = {"icd10cm": [many, *few]}
    release = runs.run(tables, source=runs.source_of(people), study_codes=study, ceiling=0.5)
    assert len(few) > 10
    assert not {found for code in few for found in (code, code[:3])} & set(release.items)
    assert many in release.items
    assert release.manifest["codes"]["declared_pooled"] == len(few)
    assert f"declares {len(few)} went the way of rare codes" in (release.exported.folder / "codebook.md").read_text()


def test_rows_that_are_not_released_do_not_count(runs: Runs) -> None:
    """Codes outside of the period neither raise a threshold nor stand in the shares."""
    people = coded_people(1500, seed=3)
    early = People(people.patients, people.rows)
    tables = early.tables()
    # A second visit of everybody, a year before the period, with a code that stands nowhere else.
    tables["encounters"] += "".join(f"\nX{key} P{key} 2023-05-05" for key in people.patients)
    tables["diagnoses"] += "".join(f"\nP{key} X{key} L40.1 1" for key in people.patients)
    source = runs.world.source_of(tables, KINDS, population="patients", encounters="encounters")
    release = runs.run(
        {**SETS, "encounters": ["ENC", "PATIENT", "START"]}, source=source, period="2024", series="increment"
    )
    assert "L40.1" not in release.items
    assert sum(release.items.values()) == len(people.rows)
    assert sum(release.manifest["codes"]["mentions"]["icd10cm"].values()) == pytest.approx(1, abs=0.004)


def test_patients_who_are_withheld_leave_no_codes(runs: Runs) -> None:
    """A patient in a class below k is withheld with every code, and is no candidate of an attack."""
    people = coded_people(1500, seed=5)
    patients = {**people.patients, "lone": ("1901-01-01", "F")}
    rows = [*people.rows, Row("lone", "lone-1", "I10"), Row("lone", "lone-1", "E78.5")]
    release = runs.run(SETS, source=runs.source_of(People(patients, rows)))
    assert len(release.tables["patients"]) == len(people.patients)
    assert sum(release.items.values()) == len(people.rows)


def test_known_dates_are_held_to_the_ceiling_as_released(runs: Runs) -> None:
    """Two months of visits beside two codes tell too much; two years, all the same, add nothing."""
    tables = {**SETS, "encounters": ["PATIENT", "START"]}
    codes = {"codes": {"kinds": ["icd10cm"], "ceiling": CEILING, "known_dates": 2}}
    years = runs.run(tables, limits=codes)
    assert max(each["mean"] for each in years.manifest["codes"]["adversaries"].values()) <= CEILING
    with pytest.raises(DisclosureError, match="2 known dates identify") as caught:
        runs.run(tables, limits=codes, rules={"admit_date": {"generalize_date": "month"}})
    assert "coarser dates" in (caught.value.hint or "")


def test_a_ceiling_that_no_map_meets_is_refused_and_leaves_nothing(runs: Runs) -> None:
    """Where even the coarsest map tells too much, nothing is released, and the error says what would do."""
    before = runs.world.site.leftovers()
    people = coded_people(60, seed=2)
    with pytest.raises(DisclosureError) as caught:
        runs.run(SETS, source=runs.source_of(people), ceiling=0.001, limits={"suppression": 0.5})
    assert caught.value.hint
    assert runs.world.site.leftovers() == before


def test_nobody_with_a_code_is_no_error(runs: Runs) -> None:
    """A release without a single code has nothing to map and nothing to attack."""
    people = People(coded_people(200).patients, [])
    release = runs.run(SETS, source=runs.source_of(people), limits={"suppression": 0.5})
    assert release.tables["diagnoses"] == []
    assert "codes" not in release.manifest


def test_a_code_finer_than_its_map_is_caught(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes that pass by the map are found in what was written, and nothing is published."""
    before = runs.world.site.leftovers()
    monkeypatch.setattr(mapped_codes, "map_cells", lambda _map, cells: cells)
    with pytest.raises(VerificationError, match=r"diagnoses\.DX"):
        runs.run(SETS)
    assert runs.world.site.leftovers() == before


def test_codes_of_another_patient_are_caught(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items that the map makes, beside the wrong patients, are not the release that was attacked."""
    straight = mapped_codes.map_cells
    monkeypatch.setattr(mapped_codes, "map_cells", lambda code_map, cells: straight(code_map, cells)[::-1])
    with pytest.raises(VerificationError, match="map makes of each patient"):
        runs.run(SETS)


def test_a_release_over_the_ceiling_is_caught(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack is made again on what was written: a map that was chosen under a looser ceiling does not leave."""
    straight = code_decision.choose

    def loose(*args: Any, **options: Any) -> Any:
        *rest, limits = args
        from dataclasses import replace

        return straight(*rest, replace(limits, ceiling=0.5), **options)

    monkeypatch.setattr(code_decision, "choose", loose)
    with pytest.raises(VerificationError, match="known codes identify"):
        runs.run(SETS)


def test_rows_of_a_visit_do_not_stand_in_source_order(runs: Runs) -> None:
    """Within a row group rows are shuffled, so that the first diagnosis of a visit does not stand first."""
    order: dict[str, list[str]] = defaultdict(list)
    for row in runs.people.rows:
        order[row.visit].append(row.code)
    item = item_of(runs.visits())
    source = Counter(tuple(map(item, codes)) for codes in order.values() if len({item(c) for c in codes}) > 1)
    released: dict[str, list[str]] = defaultdict(list)
    for row in runs.visits().tables["diagnoses"]:
        released[row["ENC"]].append(row["DX"])
    shown = Counter(tuple(items) for items in released.values() if len(set(items)) > 1)
    assert sum((shown & source).values()) < sum(source.values())  # a release in source order would have them all
    places = [
        place for place, row in enumerate(runs.visits().tables["diagnoses"]) if row["ENC"] == next(iter(released))
    ]
    assert places != list(range(places[0], places[0] + len(places))) or len(places) < 2


def test_the_codebook_tells_what_was_done(runs: Runs) -> None:
    """The codebook shows shares of mentions and what an attacker gets, as an average."""
    text = (runs.sets().exported.folder / "codebook.md").read_text()
    assert "## Mapped codes" in text
    assert "mean chance of at most 9 %" in text
    assert "codes that the study declares" in text
