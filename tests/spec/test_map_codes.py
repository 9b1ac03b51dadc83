"""What a frozen map makes of codes: those it knows, those it never saw, and those that are none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from deid.cells.buffers import plain
from deid.codes.base import CodeSystem
from deid.codes.icd10cm import ICD10CM
from deid.codes.mapped_levels import NAMES, OTHER, mapped_levels, mapped_system
from deid.codes.ndc import NDC
from deid.known_codes.code_numbers import CodeItems, CodeNumbers, items_of
from deid.known_codes.mapped_codes import map_cells, release_cells
from deid.observing.controls import CodeMap, Controls, Emptied


def numbered(codes: list[str], declared: tuple[str, ...] = (), system: CodeSystem = ICD10CM) -> CodeItems:
    """Return what these codes of one system may become."""
    numbers, levels = CodeNumbers(), mapped_levels(system)
    assert levels is not None
    numbers.of(levels, pa.array(codes))
    return items_of(numbers, {system.name: declared} if declared else {})


def a_map(full: list[str], rare: list[str], declared: tuple[str, ...] = (), middle: tuple[str, ...] = ()) -> CodeMap:
    """Return a map that leaves `full` as they are, sends `rare` to their chapters and `middle` to their categories."""
    items = numbered([*full, *rare, *middle], declared)
    chosen = items.tree.items[:, 0].copy()
    chosen[len(full) :] = items.tree.items[len(full) :, -1]
    chosen[len(full) + len(rare) :] = items.tree.items[len(full) + len(rare) :, 1]
    return items.maps(chosen)["icd10cm"]


MAP = a_map(["E11.9", "I10"], ["E10.9", "I21.4", "J18.9"], declared=("C50", "Q*"), middle=("C50.919",))


@pytest.mark.parametrize(
    ("code", "item"),
    [
        ("E11.9", "E11.9"),
        ("e119", "E11.9"),  # a map knows normal forms
        ("I10", "I10"),
        ("E10.9", "IV"),
        ("J18.9", "X"),
        ("E66.01", "IV"),  # never seen, in a chapter that the map writes
        ("A15.0", OTHER),  # never seen, in a chapter that nobody had
        ("C50.912", "C50"),  # never seen, declared, and of a category that the map writes
        ("Q21.0", OTHER),  # never seen, and declared, in a category that the map writes for nobody
        ("C61", OTHER),
        ("E11.ZZZZ", "IV"),
        (None, None),
    ],
)
def test_each_code_becomes_its_item(code: str | None, item: str | None) -> None:
    """Full, at its chapter, or where the map never saw it as coarse as any rare code."""
    assert map_cells(MAP, pa.array([code], pa.string())).to_pylist() == [item]


def test_dictionaries_come_back_as_dictionaries() -> None:
    """Encoded columns stay encoded, each item once and none that no row points to."""
    cells = pa.array(["E10.9", "E66.01", None, "I10", "I21.4"]).dictionary_encode()[:4]
    mapped = map_cells(MAP, cells)
    assert mapped.to_pylist() == ["IV", "IV", None, "I10"]
    assert sorted(mapped.dictionary.to_pylist()) == ["I10", "IV"]


def test_items_of_few_patients_of_a_class_are_left_empty() -> None:
    """Where a class has too few with an item, its cells are empty; other classes show it."""
    emptied = Emptied(pa.array(["I10", "IV"]), np.array([0 * 2 + 1, 3 * 2 + 0]))
    controls = Controls(codes={"icd10cm": MAP}, emptied={"icd10cm": emptied})
    cells = pa.array(["E10.9", "I10", "E10.9", "I10", None])
    shown = release_cells(controls, "icd10cm", cells, np.array([0, 0, 3, 3, 0], np.int32))
    assert plain(shown).to_pylist() == [None, "I10", "IV", None, None]


def test_levels_that_say_the_same_are_one_item() -> None:
    """A category without further characters is its own code: a reader cannot tell which of them was meant."""
    tree = numbered(["I10", "E11.9", "E11.65"]).tree
    assert tree.levels == NAMES
    assert tree.items[0, 0] == tree.items[0, 1]
    assert tree.items[1, 1] == tree.items[2, 1] != tree.items[1, 0]


def test_a_drug_has_no_chapter() -> None:
    """Rare drugs are OTHER, and declared ones their product."""
    items = numbered(["00002143380", "00002143401", "55513019001"], ("00002*",), NDC)
    texts = items.texts.take(pa.array(items.tree.items[:, -1])).to_pylist()
    assert texts == [OTHER, OTHER, OTHER]
    assert items.texts.take(pa.array(items.tree.items[:, 1])).to_pylist()[:2] == ["00002-1433", "00002-1434"]
    assert items.tree.declared.tolist() == [True, True, False]


def test_a_system_without_categories_keeps_what_is_declared() -> None:
    """Where there is no category, a declared code is never coarser than itself."""
    system = mapped_system("loinc").system
    items = numbered(["4548-4", "2345-7"], ("4548-4",), system)
    assert items.tree.items[:, 0].tolist() == items.tree.items[:, 1].tolist()
