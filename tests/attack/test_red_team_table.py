"""The table of attackers and policies, in small: what the page of the benchmark shows is complete."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from types import ModuleType

import pytest
from sites import REPOSITORY

from deid.attacks import ATTACKERS

PATIENTS, TARGETS = 2_000, 300


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """Return the benchmark as a module."""
    path = REPOSITORY / "benchmarks" / "disclosure_attackers.py"
    spec = importlib.util.spec_from_file_location("disclosure_attackers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table(benchmark: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """Return the cells of the table on a small population, its first row the heads."""
    folder = tmp_path_factory.mktemp("table")
    told = argparse.Namespace(patients=PATIENTS, voters=20_000, targets=TARGETS)
    text = benchmark._section(benchmark._data(folder, told)[0], folder, TARGETS)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]


def test_every_attacker_meets_every_policy(benchmark: ModuleType, table: list[list[str]]) -> None:
    """Each row has a cell for each policy, the rows are those of the shelf, and no attacker is left out."""
    heads, rows = table[0], table[1:]
    assert heads == ["attack", *benchmark.TITLES.values()]
    assert {len(row) for row in rows} == {len(benchmark.POLICIES) + 1}
    names = [row[0].partition(":")[0] for row in rows]
    told = {name.replace("_", " ") for name in ATTACKERS}
    assert told <= {one for name in names for one in name.split(", ")}
    assert [row[0] for row in rows] == [
        *(f"{attacker.replace('_', ' ')}: {scenario}" for attacker, scenario in benchmark.ROWS),
        "row order, side channels, small cells: what failed",
        "all attackers",
    ]


def test_the_table_tells_strong_attacks_from_weak_ones(benchmark: ModuleType, table: list[list[str]]) -> None:
    """The Limited Data Set is linked, the last policy is not, and nothing that must never be found is found."""
    cells = {row[0]: dict(zip(benchmark.POLICIES, row[1:], strict=True)) for row in table[1:]}
    linked = cells["voter list: voter list"]
    assert float(linked["limited-data-set"].split(" ")[0]) >= 90
    assert float(linked["expert-k11"].split(" ")[0]) < 1
    assert set(cells["row order, side channels, small cells: what failed"].values()) <= {"none", "refused"}
    assert cells["parrot: missed names in notes.note_text"]["expert-k11"].startswith(("0 of ", "1-10 of "))
    assert cells["parrot: missed names in notes.note_text"]["safe-harbor"] == ""
    assert cells["months: intersection: fits in both months"]["limited-data-set"] != ""
