"""What a run announces to its source is what it reads, no less and no other table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from counting_source import Counting
from tiny_sources import COLUMNS, EXPERT, LIMITED, SAFE, World

from deid import export
from deid.errors import DisclosureError
from deid.schema import DatasetDescription
from deid.sources import open_source

TABLES = {
    "patients": """
        ID BIRTH      LAST       SSN         SEX ZIP
        p1 1987-03-29 Quixwerble 917-66-4242 F   02139
        p2 1950-01-02 Zandobrith 900-00-0001 M   94110
    """,
    "encounters": """
        ENC PATIENT START      STOP       CLASS      COST
        e1  p1      2025-07-23 2025-07-25 inpatient  100.5
        e2  p2      2025-01-10 2025-01-10 ambulatory 20
    """,
    "diagnoses": "PATIENT ENC DX\n p1 e1 E11.9\n p2 e2 I10",
    "claims": "CLM PATIENT DAY\n c1 p1 2025-07-23\n c2 p2 2025-01-10",
    "lines": "CLM HCPCS\n c1 A0428\n c2 G0008",
    "notes": "PATIENT ENC TEXT\n p1 e1 Quixwerble\n p2 e2 well",
    "unasked": "PATIENT PLACE\n p1 11",
}
KINDS = COLUMNS | {
    "claims": {"CLM": "claim_id", "PATIENT": "patient_id", "DAY": "service_date"},
    "lines": {"CLM": "claim_id", "HCPCS": "hcpcs"},
    "notes": {"PATIENT": "patient_id", "ENC": "encounter_id", "TEXT": "free_text"},
    "unasked": {"PATIENT": "patient_id", "PLACE": "place_of_service"},
}
ALL = {
    "patients": ["ID", "BIRTH", "SEX", "ZIP"],
    "encounters": ["ENC", "PATIENT", "START", "CLASS", "COST"],
    "diagnoses": ["PATIENT", "DX"],
    "claims": ["CLM", "PATIENT"],
    "lines": ["CLM", "HCPCS"],
}
FEW = {"encounters": ["ENC", "PATIENT", "COST"]}
BY_CODE = {"patients": {"any": [{"icd10cm": ["E11"]}, {"hcpcs": ["G0008"]}]}}
OLD = {"patients": {"all": [{"age": {"from": 30}}]}}
INPATIENT = {"rows": {"all": [{"encounter_class": ["inpatient"]}]}}
MEASURES = [
    "age_at_visit",
    "length_of_stay",
    "readmitted_30d",
    "charlson",
    "elixhauser_without_poa",
    "emergency",
    "telehealth",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site."""
    return World(tmp_path_factory.mktemp("needs") / "site")


@pytest.fixture(scope="module")
def dataset(world: World) -> Path:
    """Return a source with links, claims and notes."""
    return world.source_of(TABLES, KINDS, links={"lines": {"to": "claims", "on": "CLM"}})


@pytest.mark.in_one_process
@pytest.mark.parametrize("bad_rows", ["refuse", "quarantine"])
@pytest.mark.parametrize(
    ("policy", "tables", "fields"),
    [
        (LIMITED, ALL, {}),
        (LIMITED, FEW, {}),
        (LIMITED, {"patients": ["ID"], "lines": ["CLM"]}, {}),
        (LIMITED, FEW, {"derive": MEASURES}),
        (LIMITED, {"patients": ["ID"]}, {"cohort": BY_CODE}),
        (LIMITED, FEW, {"cohort": OLD}),
        (LIMITED, ALL, {"cohort": INPATIENT, "derive": MEASURES}),
        (LIMITED, ALL, {"period": "2025", "series": "increment"}),
        (LIMITED, FEW, {"cohort": INPATIENT, "period": "2025", "series": "increment"}),
        (SAFE, ALL, {}),
        (SAFE, FEW, {"derive": MEASURES}),
        (SAFE, {"patients": ["ID", "SEX"]}, {"cohort": BY_CODE}),
        (SAFE, {"patients": ["ID", "SEX"]}, {}),
        (SAFE, {"lines": ["CLM", "HCPCS"]}, {"cohort": BY_CODE}),
        (EXPERT, {"patients": ["ID", "BIRTH", "SEX"], "encounters": ["ENC", "PATIENT", "START"]}, {}),
        (EXPERT, {"patients": ["ID", "SEX"], "notes": ["PATIENT", "TEXT"]}, {"derive": []}),
        (EXPERT, FEW | {"patients": ["ID", "SEX"]}, {"cohort": INPATIENT, "derive": ["emergency", "age_at_visit"]}),
    ],
)
def test_every_table_and_column_that_is_read_was_announced(
    world: World,
    dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    tables: dict[str, list[str]],
    fields: dict[str, Any],
    bad_rows: str,
) -> None:
    """Over policies, cohorts, periods, links, notes, measures and quarantine; and no table is announced in vain."""
    below: list[Counting] = []

    def counted(described: DatasetDescription) -> Counting:
        below.append(Counting(open_source(described)))
        return below[-1]

    monkeypatch.setattr(export, "open_source", counted)
    is_refused = False
    try:
        world.released(dataset, tables, policy=policy, on_bad_row=bad_rows, **fields)
    except DisclosureError:
        is_refused = True  # two patients cannot meet k; what is observed was read before that
    assert is_refused is (policy == EXPERT)
    (source,) = below
    read = {(table, column) for tables_ in source.passes for table, columns in tables_.items() for column in columns}
    announced = {(table, column) for table, columns in source.announced.items() for column in columns}
    assert read <= announced
    if not is_refused:
        assert {table for table, _ in read} == set(source.announced)
        assert announced == read
