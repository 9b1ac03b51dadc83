"""Codes side by side in a row leave as a set: each once, in the order of their text, whatever their places were."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from attack.weak_releases import figure, silent
from coded_people import KINDS, People, chapter_of, coded_people, known_pairs, mean_chance
from hypothesis import given
from hypothesis import strategies as st
from tiny_sources import World

from deid import pipeline
from deid.attacks import ATTACKERS
from deid.errors import VerificationError
from deid.known_codes.code_sets import as_sets, not_sets
from deid.red_team import attack

CEILING = 0.09
SERVICES = ("99213", "99285", "93000")
COLUMNS = ("DX1", "DX2", "DX3", "DX4")
ASKED = {"patients": ["ID", "SEX"], "claims": ["PATIENT", *COLUMNS]}
POLICY: dict[str, Any] = {
    "policy": "own", "version": 1, "basis": "expert_determination",
    "rules": {"patient_id": {"pseudonymize": "keyed"}, "claim_id": {"pseudonymize": "keyed"}, "sex": "keep",
              "icd10cm": "map_codes", "cpt": "map_codes"},
    "limits": {
        "k": 11, "quasi_identifiers": ["sex"], "suppression": 0.05, "risk": {"rejoin": 1.0},
        "codes": {"kinds": ["icd10cm", "cpt"], "ceiling": CEILING},
    },
}  # fmt: skip
TEXT = st.one_of(st.none(), st.sampled_from(["A", "a", "B2", "B10", "é", "", "Z"]))


@dataclass
class Wide:
    """A source with the codes of a visit in one row, and what is asked of it."""

    world: World
    people: People

    @property
    def visits(self) -> dict[tuple[str, str], list[str]]:
        """The codes of each visit in their order, by patient and visit."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in self.people.rows:
            found[row.patient, row.visit].append(row.code)
        return found

    def request(self, *beside: str, **codes: Any) -> Path:
        """Describe the wide table and ask for it, with the columns `beside` the codes."""
        lines = [
            " ".join([f"P{who}", f"V{number}", SERVICES[number % 3], *codes, *["-"] * (4 - len(codes))])
            for number, ((who, _), codes) in enumerate(self.visits.items())
        ]
        head = {"PATIENT": "patient_id", "CLAIM": "claim_id", "SERVICE": "cpt"} | dict.fromkeys(COLUMNS, "icd10cm")
        tables = {"patients": self.people.tables()["patients"], "claims": "\n".join([" ".join(head), *lines])}
        kinds = {"patients": KINDS["patients"], "claims": head}
        source = self.world.source_of(tables, kinds, population="patients", encounters="claims")
        limits = POLICY["limits"] | {"codes": POLICY["limits"]["codes"] | codes}
        asked = ASKED | {"claims": [*ASKED["claims"], *beside]}
        return self.world.request(source, asked, policy=self.world.policy(POLICY | {"limits": limits}), agreement=None)

    def released(self, **codes: Any) -> tuple[dict[str, list[dict[str, Any]]], Path]:
        """Release the wide table, and return what the researcher reads with the folder of the release."""
        exported = self.world.site.run(self.request(**codes))
        opened = self.world.site.open(exported)
        return {name: opened.read(name).to_pylist() for name in opened.tables}, exported.folder


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Wide:
    """Return 1,500 people with up to four codes in a row."""
    return Wide(World(tmp_path_factory.mktemp("sets") / "site"), coded_people(1500))


def sets_in(rows: list[dict[str, Any]]) -> list[tuple[str | None, ...]]:
    """Return the codes of each row in the order of the columns."""
    return [tuple(row[name] for name in COLUMNS) for row in rows]


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=30), st.booleans())
def test_a_row_is_its_distinct_values_in_order(rows: list[tuple[str | None, ...]], encoded: bool) -> None:
    """Against plain Python: sorted by bytes, repeats gone, nulls last; and what is read back is found to be so."""
    columns = [pa.array([row[place] for row in rows], pa.string()) for place in range(3)]
    done = as_sets([column.dictionary_encode() for column in columns] if encoded else columns)
    expected = [sorted({v for v in row if v is not None}, key=str.encode) for row in rows]
    assert [
        list(row) for row in zip(*(column.to_pylist() for column in done), strict=True)
    ] == [[*row, *[None] * (3 - len(row))] for row in expected]  # fmt: skip
    assert not_sets(done) == 0
    assert all(set(column.dictionary.to_pylist()) == set(column.drop_null().to_pylist()) for column in done)
    wrong = sum([*row] != [*own, *[None] * (3 - len(own))] for row, own in zip(rows, expected, strict=True))
    assert not_sets(columns) == wrong


def test_what_leaves_is_a_function_of_the_set_alone(wide: Wide) -> None:
    """Each row shows what its codes become, each once and in order; the places of the source are gone."""
    tables, _ = wide.released()
    rows = sets_in(tables["claims"])
    there = {value for row in rows for value in row if value is not None}
    item = {code: next(v for v in (code, chapter_of(code), "OTHER") if v in there) for code in codes_of(wide)}
    expected = Counter(tuple(sorted({item[code] for code in codes})) for codes in wide.visits.values())
    assert Counter(tuple(v for v in row if v is not None) for row in rows) == expected
    assert all(row == (*sorted(v for v in row if v), *[None] * row.count(None)) for row in rows)
    assert max(len(own) for own in expected) == 4
    assert sum(sorted(codes) != codes for codes in wide.visits.values()) > 1000  # in the source it was told


def codes_of(wide: Wide) -> set[str]:
    """Return every code of the source."""
    return {row.code for row in wide.people.rows}


def test_two_codes_of_a_row_identify_no_more_than_the_ceiling(wide: Wide) -> None:
    """An attacker in plain Python who knows two codes of one row seeks them in one row, and gets what is told."""
    tables, folder = wide.released()
    there = {value for row in sets_in(tables["claims"]) for value in row if value is not None}
    held: dict[str, list[frozenset[str]]] = defaultdict(list)
    for row in tables["claims"]:
        held[row["PATIENT"]].append(frozenset(row[name] for name in COLUMNS if row[name]))
    groups: dict[Any, list[list[frozenset[str]]]] = defaultdict(list)
    for row in tables["patients"]:
        groups[row["SEX"]].append(held[row["ID"]])
    known: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for (who, _), codes in wide.visits.items():
        if pairs := known_pairs(set(codes)):
            known[who] += pairs * (60 // len(pairs))  # a visit is drawn first, then two of its codes
    found = mean_chance(
        known,
        lambda who: wide.people.patients[who][1],
        lambda code: next((v for v in (code, chapter_of(code), "OTHER") if v in there), None),
        groups,
    )
    codes = json.loads((folder / "manifest.json").read_text())["codes"]
    assert codes["tells_visits"] is True
    assert found <= CEILING
    assert found == pytest.approx(codes["adversaries"]["visit"]["mean"], abs=0.001)


def test_the_red_team_finds_what_the_manifest_says(wide: Wide) -> None:
    """From outside, codes are sought in all columns of a set, and in one visit beside codes of another system."""
    request = wide.request("CLAIM", "SERVICE")
    site = wide.world.site
    opened, plan = site.open(site.run(request)), site.plan(request)
    scored = attack(
        opened, plan, site.site, site.provider, progress=silent, targets=1500, attackers=[ATTACKERS["acquaintance"]]
    )
    told = opened.manifest.codes
    assert told is not None
    for scenario, adversary in (("0d2c", "uniform"), ("one visit, two codes", "visit")):
        low, high = figure(scored, "acquaintance", scenario).expected_interval or (0, 1)
        assert low <= told.adversaries[adversary].mean <= high
        assert high - low < 0.05


def test_what_is_left_empty_in_a_class_leaves_no_gap(wide: Wide) -> None:
    """An item that few of a class have is left out of its rows, whose others move up."""
    tables, _ = wide.released(suppress_below=40)
    rows = sets_in(tables["claims"])
    assert all(row == (*sorted(v for v in row if v), *[None] * row.count(None)) for row in rows)
    holders: dict[tuple[str, str], set[str]] = defaultdict(set)
    sex = {row["ID"]: row["SEX"] for row in tables["patients"]}
    for row in tables["claims"]:
        for name in COLUMNS:
            if row[name]:
                holders[sex[row["PATIENT"]], row[name]].add(row["PATIENT"])
    assert min(map(len, holders.values())) >= 40
    assert sum(v is not None for row in rows for v in row) < sum(map(len, map(set, wide.visits.values())))


def test_manifest_and_codebook_tell_that_the_number_means_nothing(wide: Wide) -> None:
    """Every column of a set says so where a program and where a person reads of it."""
    _, folder = wide.released()
    columns = json.loads((folder / "manifest.json").read_text())["tables"]["claims"]["columns"]
    told = {column["name"] for column in columns if "alphabetical order" in column["meaning"]}
    assert told == set(COLUMNS)
    lines = (folder / "codebook.md").read_text().splitlines()
    assert sum("which of the columns one stands in means nothing" in line for line in lines) == len(COLUMNS)


def test_the_report_counts_what_sets_join(wide: Wide) -> None:
    """Columns of a set are told together: at which level codes stand, and how many became one with another of a row."""
    tables, folder = wide.released()
    (use,) = json.loads((folder / "report.json").read_text())["utility"]["codes"]
    mentions = sum(map(len, wide.visits.values()))
    shown = [value for row in sets_in(tables["claims"]) for value in row if value is not None]
    assert len(tables["patients"]) == len(wide.people.patients)
    assert use["column"] == "claims.4 columns of icd10cm"
    assert use["levels"]["joined or left empty"] == pytest.approx(1 - len(shown) / mentions, abs=0.001)
    assert use["levels"]["full code"] == pytest.approx(sum(v in codes_of(wide) for v in shown) / mentions, abs=0.001)
    assert sum(use["levels"].values()) == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("broken", ["source order", "twice"])
def test_rows_that_are_no_sets_are_caught(wide: Wide, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """Rows in the order of the source, or with a code twice, are found in what was written, and nothing is published."""
    before = wide.world.site.leftovers()
    sound = as_sets
    twice = lambda columns: (own := sound(columns)) and [own[0], *own[:-1]]  # noqa: E731
    monkeypatch.setattr(pipeline, "as_sets", list if broken == "source order" else twice)
    with pytest.raises(VerificationError, match="DX1 to DX4"):
        wide.released()
    assert wide.world.site.leftovers() == before
