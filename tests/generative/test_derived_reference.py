"""The law of measures read from codes: an export gives each visit what a naive reading of its own rows gives.

The reference is written for reading, one visit and one code at a time, from the published tables alone.
"""

from __future__ import annotations

import csv
import functools
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from sites import REPOSITORY, TODAY
from tiny_sources import LIMITED, SAFE, World, write_csv

from deid.sealing.sealed import SealedMap
from deid.visits.derive import DERIVED, GROUPS

EXAMPLES = int(os.environ.get("DEID_EXAMPLES", "20"))
LAST_COMPLETE_DAY = date(TODAY.year - 1, 12, 31)
KINDS: dict[str, dict[str, str]] = {
    "patients": {"ID": "patient_id"},
    "encounters": {
        "ENC": "encounter_id",
        "PATIENT": "patient_id",
        "START": "admit_date",
        "CLASS": "encounter_class",
        "POS": "place_of_service",
        "COST": "charge_amount",
    },
    "diagnoses": {
        "PATIENT": "patient_id",
        "ENC": "encounter_id",
        "DX": "icd_any",
        "REVISION": "icd_version",
        "SEQ": "sequence_number",
        "POA": "present_on_admission",
    },
    "lines": {
        "PATIENT": "patient_id",
        "ENC": "encounter_id",
        "DAY": "service_date",
        "CPT": "cpt",
        "MOD": "modifier",
        "REV": "revenue_code",
        "SPEC": "provider_specialty",
    },
}
MEASURES = [*GROUPS["charlson"], "charlson_score", "charlson_score_2011", *GROUPS["elixhauser"]]
FLAGS = ["telehealth", "emergency", "inpatient", "em_level", "specialty"]
ASKED = ["charlson", "charlson_score", "charlson_score_2011", "elixhauser", *FLAGS]

Row = dict[str, str]


# Drawing

CODES = st.sampled_from([
    "E11.9", "e1122", "E11.65", "I50.9", "I63.9", "I69.351", "I69.30", "N18.6", "N1831", "C50.911", "C78.7", "D05.11",
    "K70.30", "K76.6", "I10", "I11.9", "I13.2", "B20", "Z21", "Z94.0", "Q23.1", "F11.20", "B2111ZZ", "V43.41XA",
    "428.0", "250.40", "25000", "042", "404.03", "V43.4", "E849", "39.95", "Pt Smith", "", "Z00.00",
])  # fmt: skip
DAYS = st.sampled_from(["2024-03-05", "2025-12-31", "2026-01-02", ""])


@st.composite
def sources(draw: st.DrawFn) -> dict[str, list[list[str]]]:
    """Draw up to four patients, ten visits, some with the same number, and the codes of each."""
    people = [f"p{i}" for i in range(draw(st.integers(1, 4)))]
    numbers = [f"e{i}" for i in range(draw(st.integers(1, 6)))]
    somebody, visit = st.sampled_from(people), st.sampled_from([*numbers, ""])
    encounters = []
    for i, (person, number) in enumerate(
        dict.fromkeys((draw(somebody), draw(visit)) for _ in range(draw(st.integers(1, 10))))
    ):
        start = draw(st.sampled_from(["2024-03-05", "2025-12-30"]))
        klass = draw(st.sampled_from(["IMP", "emergency", "AMB", "virtual", ""]))
        encounters.append([number, person, start, klass, draw(st.sampled_from(["11", "23", "02", "111", ""])), str(i)])
    diagnoses = [
        [
            draw(somebody), draw(visit), draw(CODES), draw(st.sampled_from(["9", "0", "10", ""])),
            draw(st.sampled_from(["1", "2", "3", ""])), draw(st.sampled_from(["Y", "N", "U", "W", "1", ""])),
        ]
        for _ in range(draw(st.integers(0, 25)))
    ]  # fmt: skip
    lines = [
        [
            draw(somebody), draw(visit), draw(DAYS), draw(st.sampled_from(["99213", "99285", "G2012", "99223", "80053", ""])),
            draw(st.sampled_from(["95", "25", ""])), draw(st.sampled_from(["0450", "456", "0120", ""])),
            draw(st.sampled_from(["207RC0000X", "207R00000X", "6", "06", "internal medicine", ""])),
        ]
        for _ in range(draw(st.integers(0, 10)))
    ]  # fmt: skip
    drawn = {
        "patients": [[person] for person in people],
        "encounters": encounters,
        "diagnoses": diagnoses,
        "lines": lines,
    }
    return {name: [list(KINDS[name]), *rows] for name, rows in drawn.items()}


# The reference


@functools.cache
def published(name: str) -> list[Row]:
    """Return the rows of a published table."""
    text = (REPOSITORY / "deid" / "codes" / "data" / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in text if not line.startswith("#")))


AHRQ = {
    "AIDS": "aids", "ALCOHOL": "alcohol_abuse", "ANEMDEF": "deficiency_anemia", "AUTOIMMUNE": "autoimmune_conditions",
    "BLDLOSS": "blood_loss_anemia", "CANCER_LEUK": "leukemia", "CANCER_LYMPH": "lymphoma",
    "CANCER_METS": "metastatic_cancer", "CANCER_NSITU": "solid_tumor_in_situ", "CANCER_SOLID": "solid_tumor",
    "CBVD": "cerebrovascular_disease", "COAG": "coagulopathy", "DEMENTIA": "dementia", "DEPRESS": "depression",
    "DIAB_CX": "diabetes_with_complications", "DIAB_UNCX": "diabetes_without_complications", "DRUG_ABUSE": "drug_abuse",
    "HF": "heart_failure", "HTN_CX": "complicated_hypertension", "HTN_UNCX": "uncomplicated_hypertension",
    "LIVER_MLD": "mild_liver_disease", "LIVER_SEV": "severe_liver_disease", "LUNG_CHRONIC": "chronic_pulmonary_disease",
    "NEURO_MOVT": "movement_disorders", "NEURO_OTH": "other_neurological_disorders", "NEURO_SEIZ": "seizures",
    "OBESE": "obesity", "PARALYSIS": "paralysis", "PERIVASC": "peripheral_vascular_disease", "PSYCHOSES": "psychoses",
    "PULMCIRC": "pulmonary_circulation_disease", "RENLFL_MOD": "moderate_renal_failure",
    "RENLFL_SEV": "severe_renal_failure", "THYROID_HYPO": "hypothyroidism", "THYROID_OTH": "other_thyroid_disorders",
    "ULCER_PEPTIC": "peptic_ulcer", "VALVE": "valvular_disease", "WGHTLOSS": "weight_loss",
}  # fmt: skip
ANY_POA = {
    "AIDS", "ALCOHOL", "AUTOIMMUNE", "LUNG_CHRONIC", "DEMENTIA", "DEPRESS", "DIAB_UNCX", "DIAB_CX", "DRUG_ABUSE",
    "HTN_UNCX", "HTN_CX", "THYROID_HYPO", "THYROID_OTH", "CANCER_LYMPH", "CANCER_LEUK", "CANCER_METS", "OBESE",
    "PERIVASC", "CANCER_SOLID", "CANCER_NSITU",
}  # fmt: skip


def revision(row: Row) -> tuple[str, int] | None:
    """Return the code of a row of diagnoses without its dot, and its revision; None for what is no diagnosis."""
    code = row["DX"].upper().replace(".", "")
    if not code or " " in code or row["DX"][2:3] == "." or code == "B2111ZZ":
        return None
    if code[0].isdigit() or (code[0] == "V" and len(code) <= 5):
        return code, 9
    return code, 9 if code[0] == "E" and len(code) in (4, 5) and code[1:].isdigit() and "9" in row["REVISION"] else 10


def charlson(rows: list[Row]) -> dict[str, Any]:
    """Return Charlson's conditions and scores of one visit."""
    read = [found for row in rows if (found := revision(row))]
    if not read:
        return dict.fromkeys([*GROUPS["charlson"], "charlson_score", "charlson_score_2011"])
    table = published("charlson_quan_2005.csv")
    shown = {
        line["condition"]
        for line in table
        for code, nine in read
        if any(code.startswith(begin) for begin in line["icd9cm" if nine == 9 else "icd10"].split())
    }
    for severer, milder in (
        ("diabetes_with_complications", "diabetes_without_complications"),
        ("moderate_or_severe_liver_disease", "mild_liver_disease"),
        ("metastatic_solid_tumor", "malignancy"),
    ):
        shown -= {milder} if severer in shown else set()
    weights = {
        name: sum(int(line[column]) for line in table if line["condition"] in shown)
        for name, column in (("charlson_score", "weight_1987"), ("charlson_score_2011", "weight_2011"))
    }
    return {f"charlson_{line['condition']}": yes_no(line["condition"] in shown) for line in table} | weights


def elixhauser(rows: list[Row]) -> dict[str, Any]:
    """Return AHRQ's conditions of one visit, step by step as its program goes."""
    read = [(row, found) for row in rows if (found := revision(row))]
    codes = {line["code"]: line for line in published("elixhauser_icd10cm.csv")}
    measures: set[str] = set()
    for row, (code, nine) in read:
        if nine == 9 or row["SEQ"] == "1" or code not in codes:
            continue
        exempt = codes[code]["exempt"] == "1"
        for measure in codes[code]["measures"].split():
            if measure in ANY_POA or exempt or row["POA"] in ("Y", "W"):
                measures.add(measure)
            elif measure == "CBVD_POA" and row["POA"] in ("N", "U"):
                measures.add("CBVD_NPOA")
    if "CBVD_POA" in measures or ("CBVD_SQLA" in measures and "CBVD_NPOA" not in measures):
        measures.add("CBVD")
    for severer, milder in (
        ("DIAB_CX", "DIAB_UNCX"), ("HTN_CX", "HTN_UNCX"), ("CANCER_SOLID", "CANCER_NSITU"), ("CANCER_METS", "CANCER_NSITU"),
        ("CANCER_METS", "CANCER_SOLID"), ("LIVER_SEV", "LIVER_MLD"), ("RENLFL_SEV", "RENLFL_MOD"),
    ):  # fmt: skip
        measures -= {milder} if severer in measures else set()
    covered = any(nine == 10 for _, (_, nine) in read) and not any(nine == 9 for _, (_, nine) in read)
    marked = any(row["POA"] in ("Y", "W", "N", "U") for row, _ in read)
    return {
        f"elixhauser_{name}": "yes"
        if measure in measures
        else ("no" if covered and (marked or measure in ANY_POA) else None)
        for measure, name in AHRQ.items()
    }


def flags(visit: Row, lines: list[Row]) -> dict[str, Any]:
    """Return the flags of one visit."""
    klass, pos = visit["CLASS"], visit["POS"]
    cpt, rev = [line["CPT"] for line in lines if line["CPT"]], [line["REV"] for line in lines if line["REV"]]
    mod = [line["MOD"] for line in lines if line["MOD"]]
    places = klass or pos
    level = max(({"99213": 3, "99285": 5, "99223": 3}.get(code, 0) for code in cpt), default=0)
    spelled = {"207RC0000X": "207R00000X", "207R00000X": "207R00000X", "6": "06", "06": "06"}
    specialties = {spelled[line["SPEC"]] for line in lines if line["SPEC"] in spelled}
    return {
        "telehealth": told(klass == "virtual" or pos == "02" or "95" in mod or "G2012" in cpt, places or cpt or mod),
        "emergency": told(klass == "emergency" or pos == "23" or "0450" in rev or "99285" in cpt, places or cpt or rev),
        "inpatient": told(klass == "IMP" or pos == "111" or "0120" in rev, places or rev),
        "em_level": str(level) if level else None,
        "specialty": specialties.pop() if len(specialties) == 1 else None,
    }


def told(yes: bool, asked: Any) -> str | None:
    """Return yes, no where something could have told, else nothing."""
    return "yes" if yes else "no" if asked else None


def yes_no(yes: bool) -> str:
    """Return the word."""
    return "yes" if yes else "no"


def of_the_visit(visit: Row, rows: list[list[str]], name: str, policy: str) -> Iterator[Row]:
    """Yield the rows of another table that belong to a visit and, by their own day, may count."""
    for cells in rows:
        row = dict(zip(KINDS[name], cells, strict=True))
        over = policy != SAFE or not row.get("DAY") or date.fromisoformat(row["DAY"]) <= LAST_COMPLETE_DAY
        if row["PATIENT"] == visit["PATIENT"] and row["ENC"] and row["ENC"] == visit["ENC"] and over:
            yield row


# The law


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site."""
    return World(tmp_path_factory.mktemp("derived") / "site")


@given(tables=sources(), policy=st.sampled_from([LIMITED, SAFE]))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if "DEID_EXAMPLES" in os.environ else [])],
    derandomize="DEID_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_each_visit_is_given_what_its_own_codes_show(
    world: World, tables: dict[str, list[list[str]]], policy: str
) -> None:
    """Conditions, scores, flags, levels and specialties agree with a naive reading, for tables that are not asked for too."""
    dataset = world.source_of(dict.fromkeys(KINDS, "X"), KINDS)
    for name, rows in tables.items():
        write_csv(dataset.parent / f"{name}.csv", rows)
    asked = {"patients": ["ID"], "encounters": ["PATIENT", "ENC", "COST"]}
    released = world.released(dataset, asked, policy=policy, derive=ASKED)["encounters"]
    found = {str(int(row["COST"])): {name: row[name] for name in [*MEASURES, *FLAGS]} for row in released}
    assert len(found) == len(tables["encounters"]) - 1
    for cells in tables["encounters"][1:]:
        visit = dict(zip(KINDS["encounters"], cells, strict=True))
        diagnoses = list(of_the_visit(visit, tables["diagnoses"][1:], "diagnoses", policy))
        lines = list(of_the_visit(visit, tables["lines"][1:], "lines", policy))
        expected = charlson(diagnoses) | elixhauser(diagnoses) | flags(visit, lines)
        assert found[visit["COST"]] == expected
        event(f"{policy}: {sum(answer == 'yes' for answer in expected.values()) > 3 and 'many conditions'}")
    assert set(expected) == {name for name, measure in DERIVED.items() if measure.family}


@given(
    added=st.lists(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2**64 - 1)), min_size=1), min_size=1),
    budget=st.sampled_from([300, 1 << 20]),
)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bits_of_a_tag_are_united_whether_they_spilled_or_not(
    tmp_path_factory: pytest.TempPathFactory, added: list[list[tuple[int, int]]], budget: int
) -> None:
    """A sealed map frozen as `united` gives all bits that any row of a tag had, and nothing for others."""
    folder: Path = tmp_path_factory.mktemp("united")
    united: dict[int, int] = {}
    with SealedMap(pa.schema([("bits", pa.uint64())]), folder=folder, budget=budget) as store:
        for batch in added:
            tags, bits = (np.array(column, np.uint64) for column in zip(*batch, strict=True))
            store.add(tags * np.uint64(2**57), pa.record_batch([pa.array(bits)], names=["bits"]))
            for tag, some in batch:
                united[tag] = united.get(tag, 0) | some
        assert store.freeze("united") == 0
        known, found = store.find(np.arange(42, dtype=np.uint64) * np.uint64(2**57))
        event(f"spilled: {store.spilled_bytes > 0}")
    assert known.tolist() == [tag in united for tag in range(42)]
    assert found.column(0).to_pylist() == [united.get(tag) for tag in range(42)]
