"""At which level a code is told: as itself, or as the value of a coarser level, by the map or rule of its column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from deid.cells.buffers import plain
from deid.cells.shapes import wellformed
from deid.codes import system_of
from deid.codes.base import UNMAPPED
from deid.codes.mapped_levels import OTHER
from deid.known_codes.mapped_codes import map_cells
from deid.observing.controls import CodeMap
from deid.planning.plan import Step
from deid.transforms import Context, Transform
from deid.transforms.generalize_code import GeneralizeCode
from deid.transforms.roll_up import RollUp

FULL, LEFT_EMPTY, NOT_KNOWN = "full code", "left empty", "other"
JOINED = "joined or left empty"  # of a set: several codes of a row that became one value stand there once
_LEVELS = {"code": FULL, OTHER: NOT_KNOWN}


@dataclass(frozen=True, slots=True)
class Told:
    """Of each distinct source code its normal form, what is released of it, and the name of the level of that."""

    normal: tuple[str | None, ...]
    items: tuple[str | None, ...]
    levels: tuple[str, ...]

    def level_of_items(self) -> dict[str | None, str]:
        """Return the level of each item; one that is a code of its own counts as full."""
        finest: dict[str | None, str] = {UNMAPPED: "unmapped"}
        for item, level in zip(self.items, self.levels, strict=True):
            if item is not None and item != UNMAPPED:
                finest[item] = FULL if FULL in (level, finest.get(item)) else level
        return finest


def map_of(step: Step, maps: Mapping[str, CodeMap]) -> CodeMap | None:
    """Return the code map of a column's system, None where codes are not mapped."""
    system = system_of(step.column.kind.name, step.column.use)
    return maps.get(system.name) if system is not None else None


def told(step: Step, codes: pa.Array, code_map: CodeMap | None) -> Told:
    """Return how distinct source codes of a column, string (n,), are told; `code_map`: the map of their system."""
    system = system_of(step.column.kind.name, step.column.use)
    normal = system.normalize(codes).to_pylist() if system is not None else codes.to_pylist()
    if code_map is not None:
        level_of = dict(zip(code_map.codes.to_pylist(), code_map.levels.to_pylist(), strict=True))
        levels = [str(level_of.get(code) or code_map.otherwise) for code in normal]
        items = plain(map_cells(code_map, wellformed(step.column.kind, codes))).to_pylist()
        return Told(tuple(normal), tuple(items), tuple(_LEVELS.get(level, level) for level in levels))
    items = step.transform.apply(step.column, codes, _no_context(len(codes))).to_pylist()
    name = _level_of(step.transform)
    bare = [None if code is None else code.replace(".", "") for code in normal]
    same = [item is not None and item.replace(".", "") == code for item, code in zip(items, bare, strict=True)]
    return Told(tuple(normal), tuple(items), tuple(FULL if is_same else name for is_same in same))


def _level_of(rule: Transform) -> str:
    if isinstance(rule, RollUp):
        return _LEVELS.get(rule.level, rule.level)
    return f"first {rule.prefix} characters" if isinstance(rule, GeneralizeCode) else FULL


def _no_context(rows: int) -> Context:
    """Return a context for rules that look at nothing but the code."""

    def refuse(*_: object) -> pa.Array:
        raise AssertionError("a rule of codes asked for something of the patient")

    zeros = np.zeros(rows, np.int32)
    return Context(
        patient=zeros,
        offset_days=zeros,
        aged=np.zeros(rows, bool),
        pseudonym=refuse,
        redact=refuse,
        window=None,
        reference_year=0,
    )
