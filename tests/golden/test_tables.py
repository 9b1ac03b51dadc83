"""The tables of the shipped example do not change unnoticed, and say what the samples hold."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.sites import REPOSITORY, TestSite, make_site

GOLDEN = Path(__file__).parent / "tables"
CLAIMS = REPOSITORY / "samples" / "claims"


def _run(site: TestSite) -> Path:
    content = yaml.safe_load((REPOSITORY / "exports" / "diabetes-by-county.yaml").read_text())
    content |= {"policy": str(site.folder / "policies" / "public-tables.yaml"), "dataset": str(CLAIMS / "dataset.yaml")}
    request = site.write("example.yaml", content)
    return site.tabulate(request).folder


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published folder of the example."""
    return _run(make_site(tmp_path_factory.mktemp("site")))


@pytest.mark.parametrize(
    "name",
    [
        "incidence-by-year.csv",
        "prevalence-by-age-population.csv",
        "prevalence-by-county.csv",
        "visits-by-quarter-wide.csv",
        "visits-by-quarter.csv",
    ],
)
def test_tables_without_marks_are_the_golden_ones(tables: Path, name: str) -> None:
    """Byte for byte; tables with marks may choose other secondary cells under another solver."""
    assert (tables / name).read_text() == (GOLDEN / name).read_text()


def test_two_sites_publish_the_same_bytes(tables: Path, tmp_path: Path) -> None:
    """Nothing but the source, the request and the day decides what is written."""
    again = _run(make_site(tmp_path / "site"))
    for path in sorted(tables.iterdir()):
        if path.name != "tables.json":  # it names the digest of the request, in which paths differ
            assert path.read_bytes() == (again / path.name).read_bytes()


def test_most_of_the_example_stays(tables: Path) -> None:
    """The example is one that an epidemiologist would publish: all but a few cells are shown, and every county is."""
    record = json.loads((tables / "tables.json").read_text())
    cells = [cell for table in record["tables"].values() for cell in table["cells"]]
    marked = sum(cell["count"] is None for cell in cells)
    assert 0 < marked <= len(cells) / 50
    adjusted = [c for c in record["tables"]["prevalence-by-age"]["cells"] if c.get("standardized") is not None]
    assert len(adjusted) == 6  # both groups: women, men, everybody


def test_shown_counts_are_those_of_the_samples(tables: Path) -> None:
    """Diabetes by county and by race over five years, counted by hand from the sample's files."""
    with gzip.open(CLAIMS / "patients.csv.gz", "rt") as file:
        rows = {row["patient_id"]: row for row in csv.DictReader(file)}
    with gzip.open(CLAIMS / "encounters.csv.gz", "rt") as file:
        year = {row["encounter_id"]: row["admit_date"][:4] for row in csv.DictReader(file)}
    seen = set()
    with gzip.open(CLAIMS / "diagnoses.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if row["icd10cm"].startswith(("E10", "E11", "E13")) and "2021" <= year[row["encounter_id"]] <= "2025":
                seen.add(row["patient_id"])
    record = json.loads((tables / "tables.json").read_text())
    for table, dimension, least in (("prevalence-by-county", "county", 9), ("prevalence-by-race", "race", 3)):
        counts = Counter(
            f"{rows[who]['state']}/{rows[who]['county']}" if dimension == "county" else rows[who]["race"]
            for who in seen
        )
        cells = [c for c in record["tables"][table]["cells"] if c["codes"] == "diabetes"]
        named = [c for c in cells if c[dimension] not in (None, "other", "unknown")]
        shown = [c for c in named if c["count"] is not None]
        assert len(shown) >= least
        assert all(c["count"] == counts[c[dimension]] >= 11 for c in shown)
        assert all(counts[c[dimension]] > 0 for c in named if c["count"] is None)
