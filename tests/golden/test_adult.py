"""The public Adult data set with its usual nine quasi-identifiers, held to the optimum that optimal tools find."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from deid.disclosure.grouping import numbered
from deid.disclosure.lattice import Lattice
from deid.disclosure.vectors import Ladder, Tally
from tests.sites import SHARED

ADULT = SHARED / "reference" / "adult"
pytestmark = pytest.mark.skipif(not ADULT.is_dir(), reason="the Adult data set is not beside the project")


def adult(folder: Path) -> tuple[list[Ladder], Tally]:
    """Return the ladders and the tally of Adult; its hierarchies lie beside it, from leaf to `*`."""
    with (folder / "adult.csv").open() as file:
        head, *people = csv.reader(file, delimiter=";")
    ladders, columns = [], []
    for path in sorted(folder.glob("adult_hierarchy_*.csv")):
        with path.open() as file:
            rows = [row for row in csv.reader(file, delimiter=";") if row]
        name = path.stem.removeprefix("adult_hierarchy_")
        lookups = []
        for level in range(len(rows[0])):
            numbers: dict[str, int] = {}
            lookups.append(np.array([numbers.setdefault(row[level], len(numbers)) for row in rows], np.int32))
        ladders.append(Ladder(name, tuple(map(str, range(len(lookups)))), tuple(lookups)))
        leaf = {row[0]: i for i, row in enumerate(rows)}
        at = head.index(name)
        columns.append(np.array([leaf[person[at]] for person in people], np.int32))
    vector, count = numbered(columns, len(people))
    first = np.zeros(count, np.int64)
    first[vector] = np.arange(len(vector))
    tally = Tally(tuple(column[first] for column in columns), np.bincount(vector).astype(np.int64))
    return ladders, tally


@pytest.mark.parametrize(
    ("k", "suppression", "loss", "levels", "suppressed", "classes"),
    [
        (5, 0.0, 0.6355, (4, 3, 1, 2, 1, 1, 0, 0, 2), 0, 24),
        (5, 0.05, 0.2696, (3, 2, 0, 1, 2, 0, 0, 0, 1), 1346, 397),
        (5, 1.0, 0.2277, (3, 2, 0, 1, 1, 0, 0, 0, 1), 2553, 602),
        (11, 0.05, 0.3295, (4, 2, 1, 1, 1, 0, 0, 0, 1), 1507, 186),
        (11, 1.0, 0.2744, (3, 2, 0, 1, 1, 0, 0, 0, 1), 4223, 357),
    ],
)
def test_the_optimum_of_adult_is_found(
    k: int, suppression: float, loss: float, levels: tuple[int, ...], suppressed: int, classes: int
) -> None:
    """The recoding of least loss is the one that an optimal search finds: at k = 11 and 5 %, 0.330, not 0.406."""
    ladders, tally = adult(ADULT)
    assert tally.total == 30_162
    node = Lattice(ladders, tally, k=k, suppression=suppression).best()
    assert (node.levels, node.suppressed, node.classes) == (levels, suppressed, classes)
    assert node.loss == pytest.approx(loss, abs=1e-4)
