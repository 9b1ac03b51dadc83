"""The transform roll_up: what it writes, what it refuses, and that nothing but codes gets through it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from tiny_sources import World

from deid.codes import CODE_SYSTEMS, system_of
from deid.errors import PlanError
from deid.kinds import KINDS
from deid.schema import Column
from deid.transforms import TRANSFORMS, Context, build

NOTHING = Context(
    patient=np.zeros(0, np.int32),
    offset_days=np.zeros(0, np.int32),
    aged=np.zeros(0, np.bool_),
    pseudonym=lambda _kind, ids: ids,
    redact=lambda notes: notes,
    window=None,
    reference_year=2027,
)
IDENTIFYING = [
    "John Smith", "SMITH, JOHN", "123-45-6789", "555-867-5309", "1961-03-04", "03/04/1961", "john@example.org",
    "12 Main St", "Pt John Smith", "MRN 12345", "Smith", "dead", "99213 John", "E11.9 John Smith", "20; died at home",
]  # fmt: skip
# kind | level | value | written, - for null
WRITTEN = """
cpt              | section        | 33533         | Surgery
cpt              | code           | g0439         | G0439
hcpcs            | family         | J1885         | J
ndc              | product        | 0002-8215-01  | 00002-8215
ndc              | labeler        | 00002821501   | 00002
ndc              | product        | 0002821501    | UNMAPPED
ndc              | code           | 0002821501    | UNMAPPED
loinc            | code           | 8480-6        | 8480-6
loinc            | code           | 8480-7        | -
snomed           | namespace      | 22298006      | core
revenue_code     | category       | 450           | 045X
revenue_code     | code           | 450           | 0450
place_of_service | setting        | 02            | telehealth
place_of_service | setting        | 2             | UNMAPPED
place_of_service | code           | 28            | 28
place_of_service | setting        | 28            | UNMAPPED
place_of_service | code           | 0131          | -
discharge_status | group          | 1             | home
provider_specialty | grouping     | 207RC0000X    | allopathic and osteopathic physician
provider_specialty | grouping     | cardiology    | -
"""
REFUSED = """
cpt | labeler | CPT has the levels code, subsection, section
rxnorm | family | RxNorm has the levels code
local_code | code | only codes of a known system have levels
sex | code | only codes of a known system have levels
npi | code | only codes of a known system have levels
"""


def rows(table: str) -> list[list[str]]:
    """Return the cells of a drawn table."""
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


@pytest.mark.parametrize("row", rows(WRITTEN), ids=" ".join)
def test_codes_are_written_as_drawn(row: list[str]) -> None:
    """Each value becomes what the table says: a value of the level, UNMAPPED, or null."""
    kind, level, value, written = row
    transform = build("roll_up", {"": level})
    out = transform.apply(Column("c", KINDS[kind]), pa.array([value, None]), NOTHING)
    assert out.to_pylist() == [None if written == "-" else written, None]


@pytest.mark.parametrize(
    ("kind", "code", "category", "of_procedure"),
    [
        ("icd9cm", "4019", "401", "40"),
        ("icd9cm", "0066", "006", "00"),
        ("icd_any", "4019", "401", "40"),
        ("icd_any", "0DTJ4ZZ", "PCS-0DT", "PCS-0DT"),
        ("icd_any", "E1165", "E11", None),
    ],
)
def test_codes_of_procedures_are_read_as_nothing_else(kind: str, code: str, category: str, of_procedure: str) -> None:
    """Digits that are a diagnosis and a procedure are what the description says that the column holds."""
    transform = build("roll_up", {"": "category"})
    for use, expected in ((None, category), ("procedure", of_procedure)):
        column = Column("c", KINDS[kind], use=use)
        assert transform.apply(column, pa.array([code]), NOTHING).to_pylist() == [expected]
        assert transform.output(column).domain is not None


@pytest.mark.parametrize("row", rows(REFUSED), ids=" ".join)
def test_kinds_without_the_level_are_refused(row: list[str]) -> None:
    """A kind whose system has no such level, or that has no system, is refused with what there is."""
    kind, level, hint = row
    with pytest.raises(PlanError) as fault:
        build("roll_up", {"": level}).output(Column("c", KINDS[kind]))
    assert fault.value.hint == hint


def test_levels_that_no_system_has_are_refused() -> None:
    """A level that does not exist is refused when the policy is read, with those that do."""
    for options in ({"": "chaptre"}, {"": 3}, {"": None}):
        with pytest.raises(ValueError, match="level is code, "):
            build("roll_up", options)
    with pytest.raises(ValueError, match="roll_up needs level"):
        build("roll_up", {})
    assert TRANSFORMS["roll_up"].primary == "level"


@pytest.mark.parametrize("kind", sorted(kind for system in CODE_SYSTEMS.values() for kind in system.kinds))
def test_what_tells_a_person_is_rolled_up_to_nothing(kind: str) -> None:
    """Names, numbers, dates and addresses become null at every level of every kind, never UNMAPPED or a part."""
    system = system_of(kind)
    assert system is not None
    values = pa.array(IDENTIFYING)
    for level in system.levels if not KINDS[kind].is_identifier_code else ():
        transform = build("roll_up", {"": level.name})
        for array in (values, values.dictionary_encode()):
            assert set(transform.apply(Column("c", KINDS[kind]), array, NOTHING).to_pylist()) == {None}


def test_a_release_holds_levels_and_counts_what_is_no_code(tmp_path: Path) -> None:
    """Exported codes are those of the level; an unknown one is UNMAPPED, a malformed one is empty and counted."""
    world = World(tmp_path / "site")
    rules = {"patient_id": {"pseudonymize": "keyed"}, "cpt": {"roll_up": "section"}, "ndc": {"roll_up": "product"}}
    policy = world.policy({"policy": "own", "version": 1, "basis": "expert_determination", "rules": rules})
    source = tmp_path / "source"
    source.mkdir()
    (source / "lines.csv").write_text("ID,CPT,NDC\np1,33533,0002-8215-01\np2,00050,0002821501\np3,Smith,12-34\np4,,\n")
    (source / "patients.csv").write_text("ID\np1\np2\np3\np4\n")
    columns = {"ID": "patient_id", "CPT": "cpt", "NDC": "ndc"}
    tables = {
        "patients": {"path": "patients.csv", "patient": "ID", "columns": {"ID": "patient_id"}},
        "lines": {"path": "lines.csv", "patient": "ID", "columns": columns},
    }
    dataset = source / "dataset.yaml"
    dataset.write_text(yaml.safe_dump({"dataset": "own", "format": "csv", "tables": tables}))
    request = world.site.request(dataset, {"lines": ["ID", "CPT", "NDC"]}, policy=str(policy), agreement=None)
    done = world.site.run(request)
    lines = world.site.open(done).read("lines")
    assert Counter(lines["CPT"].to_pylist()) == {"Surgery": 1, "UNMAPPED": 1, None: 2}
    assert Counter(lines["NDC"].to_pylist()) == {"00002-8215": 1, "UNMAPPED": 1, None: 2}
    assert done.malformed == {"lines.CPT": "1-10", "lines.NDC": "1-10"}
