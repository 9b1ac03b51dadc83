"""What a release says of itself: manifest, codebook and data package, true and free of small cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from frictionless import Package
from tiny_sources import SAFE, World

from deid.export import Exported
from deid.release.empties import EmptyCells
from deid.release.manifest import from_bytes
from deid.release.small_counts import shown

REQUESTED = {
    "patients": ["ID", "BIRTH", "SEX", "ZIP"],
    "encounters": ["ENC", "PATIENT", "START", "CLASS", "COST"],
    "diagnoses": ["PATIENT", "ENC", "DX"],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A site with its sources, shared by the tests of this file."""
    return World(tmp_path_factory.mktemp("documents") / "site")


@pytest.fixture(scope="module")
def released(world: World) -> Exported:
    """A Safe Harbor release of a small cohort."""
    cohort = {"patients": {"any": [{"sex": ["F"]}]}}
    return world.site.run(world.request(world.source(), REQUESTED, policy=SAFE, cohort=cohort))


def package(released: Exported) -> dict[str, Any]:
    """The data package as JSON."""
    loaded: dict[str, Any] = json.loads((released.folder / "datapackage.json").read_bytes())
    return loaded


def test_the_data_package_is_valid(released: Exported) -> None:
    """Frictionless finds nothing wrong with the descriptor, and its schemas name the columns that were released."""
    descriptor = package(released)
    checked = Package.validate_descriptor(descriptor)
    assert checked.valid, checked.flatten(["type", "note"])
    named = {r["path"].split("/")[1]: [f["name"] for f in r["schema"]["fields"]] for r in descriptor["resources"]}
    assert named == REQUESTED


def test_a_broken_data_package_is_not_valid(released: Exported) -> None:
    """The validator that is relied on does refuse a descriptor with a resource that has no path."""
    descriptor = package(released)
    del descriptor["resources"][0]["path"]
    assert not Package.validate_descriptor(descriptor).valid


def test_digests_of_the_data_package_are_those_of_the_files(released: Exported) -> None:
    """Every resource's hash and size are its file's, as the manifest has them."""
    manifest = from_bytes((released.folder / "manifest.json").read_bytes())
    files = {file.name: (f"sha256:{file.sha256}", file.bytes) for file in manifest.files()}
    assert {r["path"]: (r["hash"], r["bytes"]) for r in package(released)["resources"]} == files


def test_the_manifest_tells_what_was_done(world: World, released: Exported) -> None:
    """Policy, basis, census vintage, dates, pseudonyms, cohort and reference date stand in the manifest."""
    manifest = from_bytes((released.folder / "manifest.json").read_bytes())
    plan = world.site.plan(world.request(world.source(), REQUESTED, policy=SAFE))
    assert manifest.policy_sha256 == plan.policy.digest
    assert (manifest.basis_claimed, manifest.basis_earned) == ("safe_harbor", "safe_harbor")
    assert manifest.method == ("HHS_SAFE_HARBOR_DETERMINISTIC_METHOD",)
    assert manifest.census_vintage == "2020"
    assert manifest.pseudonyms == "random"
    assert manifest.dates_treatment == "generalize_date: year, floor_age: 90"
    assert manifest.cohort == "patients with any of: sex in F"
    assert set(manifest.source_hmac) == set(REQUESTED)


def test_no_small_cell_is_told(released: Exported) -> None:
    """Counts of one to ten rows, patients or empty cells are never written out in manifest or codebook."""
    manifest = from_bytes((released.folder / "manifest.json").read_bytes())
    counts = [manifest.disclosure.patients_released, *(table.rows for table in manifest.tables.values())]
    counts += [file.rows for file in manifest.files()]
    counts += [column.nulls for table in manifest.tables.values() for column in table.columns]
    assert [count for count in counts if isinstance(count, int) and 1 <= count <= 10] == []
    assert "1-10 rows" in (released.folder / "codebook.md").read_text()


@pytest.mark.parametrize(
    ("filled", "malformed", "empty", "nulls", "told"),
    [
        (range(50), range(0), range(0), 0, {}),
        (range(50), range(0), range(11), 11, {}),
        (range(50), range(0), range(10), None, {}),
        (range(10), range(0), range(50), None, {}),
        (range(50), range(11), range(11), 22, {"c": 11}),
        (range(50), [0] * 40, range(11), None, {"c": "1-10"}),
        (range(50), range(11), [0] * 40, None, {"c": None}),
        ([0] * 40, range(11), range(0), None, {"c": None}),
        (range(0), range(30), range(0), 30, {"c": 30}),
    ],
)
def test_empty_cells_are_counted_by_patients(
    filled: Sequence[int],
    malformed: Sequence[int],
    empty: Sequence[int],
    nulls: int | None,
    told: dict[str, int | str | None],
) -> None:
    """Nulls and malformed cells are told only where they, the other and the rest belong to eleven patients or nobody."""
    cells = EmptyCells()
    patient = np.array([*filled, *malformed, *empty], np.int32)
    flags = np.arange(len(patient)) >= len(filled)
    batch = pa.record_batch([pa.array(["x"] * len(patient), mask=flags)], names=["c"])
    wrong = flags & (np.arange(len(patient)) < len(filled) + len(malformed))
    for half in (slice(0, 20), slice(20, None)):
        cells.see(batch[half], patient[half], {"c": wrong[half]} if wrong[half].any() else {})
    assert cells.nulls() == {"c": nulls}
    assert cells.malformed() == told


def test_zero_is_told() -> None:
    """Zero is no small cell, one to ten are one class, eleven is told."""
    assert [shown(n) for n in (0, 1, 10, 11)] == [0, "1-10", "1-10", 11]


def test_the_codebook_names_every_column(released: Exported) -> None:
    """A person finds each released column with its rule, and what the cohort was."""
    text = (released.folder / "codebook.md").read_text()
    for columns in REQUESTED.values():
        for column in columns:
            assert f"| `{column}` |" in text
    assert "Cohort: patients with any of: sex in F" in text


def test_documents_hold_no_path(world: World, released: Exported, tmp_path: Path) -> None:
    """Neither the site's folder nor a file name of the source stands in a document."""
    for name in ("manifest.json", "codebook.md", "datapackage.json"):
        text = (released.folder / name).read_text()
        assert str(world.site.folder) not in text
        assert ".csv" not in text
