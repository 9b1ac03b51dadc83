"""The law of what is left out: a release is the one of a source that never held it.

The reference removes rows from the drawn source itself, one at a time, by rules written out here; the release of what
is left, under a policy that leaves out nothing, must have the same rows, manifest and derived measures.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from choices import choose, forget
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_sources import World, write_csv

from deid.errors import DisclosureError
from deid.release.manifest import MANIFEST, from_bytes

EXAMPLES = int(os.environ.get("DEID_EXAMPLES", "6"))
KINDS = {
    "patients": {"ID": "patient_id", "BIRTH": "birth_date", "SEX": "sex"},
    "encounters": {
        "ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date", "STOP": "discharge_date",
        "CLASS": "encounter_class", "PROGRAM": "part2",
    },
    "diagnoses": {"PATIENT": "patient_id", "ENC": "encounter_id", "DX": "icd10cm"},
    "claims": {"PATIENT": "patient_id", "ENC": "encounter_id", "CLAIM": "claim_id", "DRUG": "hcpcs"},
}  # fmt: skip
ASKED = {
    "patients": ["ID", "BIRTH", "SEX"],
    "encounters": ["ENC", "PATIENT"],
    "diagnoses": ["PATIENT", "DX"],
    "claims": ["PATIENT", "CLAIM", "DRUG"],
}
RULES = {
    "patient_id": {"pseudonymize": "keyed"}, "encounter_id": {"pseudonymize": "keyed"},
    "claim_id": {"pseudonymize": "keyed"},
    "birth_date": {"generalize_date": {"to": "year", "width": 40, "floor_age": 90}}, "sex": "keep",
    "icd10cm": {"generalize_code": 3}, "hcpcs": "keep", "comorbidity": "keep", "readmission": "keep",
    "length_of_stay": "keep", "visit_flag": "keep",
}  # fmt: skip
DERIVED = ["charlson", "readmitted_30d", "length_of_stay", "inpatient"]
CODES = {"B20": "hiv", "Z21": "hiv", "F11.20": "substance_use", "F32.9": "mental_health", "I50.9": "", "E11.9": ""}
DRUGS = {"J0741": "hiv", "J2315": "substance_use", "A4250": ""}
Row = dict[str, str]
Tables = dict[str, list[Row]]


@dataclass(frozen=True)
class Case:
    """A drawn source, who opted out, what a policy leaves out, and of whom the request is."""

    tables: Tables
    opted_out: tuple[str, ...]
    segments: dict[str, str]
    cohort: dict[str, Any] | None
    k: int | None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a source of a few patients, some with many visits, joined by claims that name two of them."""
    people = [f"p{n}" for n in range(draw(st.integers(4, 9)))]
    birth = st.sampled_from(["1950-01-01", "1980-02-02", "2015-03-03"])
    patients = [{"ID": p, "BIRTH": draw(birth), "SEX": draw(st.sampled_from("FM"))} for p in people]
    visits: list[Row] = []
    for n in range(draw(st.integers(4, 16))):
        day = draw(st.integers(1, 20))
        program = draw(st.sampled_from(["no", "no", "no", "no", "yes", ""]))
        visits.append({"ENC": f"e{n}", "PATIENT": draw(st.sampled_from([*people, *people[:2] * 3])), "START": f"2025-01-{day:02d}",
                       "STOP": f"2025-01-{day + draw(st.integers(0, 8)):02d}", "CLASS": "inpatient",
                       "PROGRAM": program})  # fmt: skip
    owner = {visit["ENC"]: visit["PATIENT"] for visit in visits}
    named = st.sampled_from([*owner, *owner, *[""] * 4])
    diagnoses: list[Row] = []
    claims: list[Row] = []
    for _ in range(draw(st.integers(6, 24))):
        visit = draw(named)
        who = owner.get(visit) or draw(st.sampled_from(people))
        if draw(st.booleans()):
            diagnoses.append({"PATIENT": who, "ENC": visit, "DX": draw(st.sampled_from(list(CODES)))})
        else:
            number = f"{who}-{draw(st.integers(0, 1))}"
            claims.append({"PATIENT": who, "ENC": visit, "CLAIM": number, "DRUG": draw(st.sampled_from(list(DRUGS)))})
    segments = draw(st.dictionaries(st.sampled_from(["hiv", "substance_use", "mental_health", "minors"]),
                                    st.sampled_from(["visits", "patients"]), max_size=2))  # fmt: skip
    cohort = draw(st.sampled_from([None, None, {"patients": {"any": [{"icd10cm": ["I50", "E11", "B20"]}]}}]))
    opted_out = tuple(draw(st.lists(st.sampled_from(people), max_size=3, unique=True)))
    tables = {"patients": patients, "encounters": visits, "diagnoses": diagnoses, "claims": claims}
    return Case(tables, opted_out, segments, cohort, draw(st.sampled_from([None, 2])))


def tells(segment: str, table: str, row: Row, births: dict[str, str]) -> bool:
    """Whether a row belongs to a segment by itself."""
    if segment == "part2":
        return table == "encounters" and row["PROGRAM"] != "no"
    if segment == "minors":
        return table == "encounters" and births[row["PATIENT"]] == "2015-03-03"
    return segment in (CODES.get(row.get("DX", "")), DRUGS.get(row.get("DRUG", "")))


def without(case: Case) -> Tables:
    """Return the source as it would be, had it never held what is left out."""
    births = {row["ID"]: row["BIRTH"] for row in case.tables["patients"]}
    rows = [(t, row) for t, some in case.tables.items() if t != "patients" for row in some]
    people, seen = set(case.opted_out), set()
    gone: set[int] = set()
    for segment, unit in ({"part2": "visits"} | case.segments).items():
        for at, (table, row) in enumerate(rows):
            if tells(segment, table, row, births):
                gone.add(at)
                people |= {row["PATIENT"]} if unit == "patients" else set()
        if segment in ("part2", "minors"):  # encounters alone tell them: a diagnosis of no known visit may be of one
            told = {row["PATIENT"] for table, row in rows if tells(segment, table, row, births)}
            gone |= {at for at, (_, row) in enumerate(rows)
                     if row["PATIENT"] in told and not row["ENC"] and not row.get("CLAIM")}  # fmt: skip
    while True:
        marked = {(rows[at][1]["PATIENT"], key, rows[at][1].get(key)) for at in gone for key in ("ENC", "CLAIM")}
        more = {at for at, (_, row) in enumerate(rows)
                if any(row.get(key) and (row["PATIENT"], key, row[key]) in marked for key in ("ENC", "CLAIM"))}  # fmt: skip
        if more <= gone:
            break
        gone |= more
    for at, (_, row) in enumerate(rows):
        seen |= {row["PATIENT"]} if at not in gone else set()
    people |= {rows[at][1]["PATIENT"] for at in gone} - seen
    kept: Tables = {"patients": [row for row in case.tables["patients"] if row["ID"] not in people]}
    for table in ("encounters", "diagnoses", "claims"):
        kept[table] = [row for at, (t, row) in enumerate(rows)
                       if t == table and at not in gone and row["PATIENT"] not in people]  # fmt: skip
    return kept


def released(
    world: World, case: Case, tables: Tables, segments: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return rows with their numbers by table, and what the manifest tells; a refusal is told in its first words."""
    site = world.site
    for name in ("releases", "state/ledger"):
        shutil.rmtree(world.folder / name, ignore_errors=True)
    dataset = world.source_of({t: " ".join(kinds) for t, kinds in KINDS.items()}, KINDS, encounters="encounters")
    for table, kinds in KINDS.items():
        rows = [[row[column] for column in kinds] for row in tables[table]]
        write_csv(dataset.parent / f"{table}.csv", [list(kinds), *rows])
    limits = {"k": case.k, "quasi_identifiers": ["birth_date", "sex"], "suppression": 1.0} if case.k else {}
    chosen = world.policy({"policy": "own", "version": 1, "basis": "expert_determination", "rules": RULES,
                           "limits": limits, "segments": segments})  # fmt: skip
    request = world.request(dataset, ASKED, policy=chosen, derive=DERIVED, cohort=case.cohort, request="law",
                            agreement=None)  # fmt: skip
    try:
        done = site.run(request)
    except DisclosureError as error:
        return {"refused": error.message}, {}
    opened = site.open(done)
    rows = {t: Counter(tuple(row.items()) for row in opened.read(t).to_pylist()) for t in opened.tables}
    told = msgspec.to_builtins(from_bytes((done.folder / MANIFEST).read_bytes()))
    same = {"tables", "disclosure", "malformed", "quarantined"}
    manifest = {key: told.get(key) for key in same}
    for table in manifest["tables"].values():
        table.pop("files")  # their bytes are encrypted anew
    return rows, manifest


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One site for all examples."""
    return World(tmp_path_factory.mktemp("choices"))


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(case=cases())
def test_what_is_left_out_cannot_be_told_from_what_was_never_there(world: World, case: Case) -> None:
    """Rows, pseudonyms, DRG-like measures, classes and counts are those of the source without it."""
    forget(world)
    absent = without(case)
    unmarked = [row | {"PROGRAM": "no"} for row in absent["encounters"]]
    expected = released(world, case, absent | {"encounters": unmarked}, {"part2": {"include": "deidentified"}})
    choose(world.site, "opted-out", case.opted_out)
    exclusions = {name: {"exclude": unit} for name, unit in case.segments.items()}
    assert released(world, case, case.tables, exclusions) == expected
