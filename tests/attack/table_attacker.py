"""An attacker on published tables, who has tables.json and nothing else, and shares no code with deid.tables.

Every marked count is a variable from 1 up; every total that is published ties its parts; the same cell in two tables is
one variable. Linear programs of plain scipy then give the least and the greatest count that each mark can stand for.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from scipy.optimize import linprog

PERIODS = ("years", "year", "quarter", "month")
PLACES = ("state", "county", "zip3")
Key = tuple[tuple[str, str], ...]


def cells_of(record: dict[str, Any]) -> dict[Key, int | None]:
    """Return every published cell, by measure and the dimensions that are told, None for a mark."""
    found: dict[Key, int | None] = {}
    for table in record["tables"].values():
        for cell in table["cells"]:
            told = {d: cell[d] for d in table["by"] if cell[d] is not None}
            key = tuple(sorted({"measure": table["measure"], **told}.items()))
            if key in found and found[key] != cell["count"]:
                raise AssertionError("one cell is shown in two ways")
            found[key] = cell["count"]
    return found


def equations(cells: dict[Key, int | None]) -> list[tuple[list[Key], Key, str]]:
    """Return (parts, total, relation) for everything that the published addresses imply."""
    found = []
    by_parent: dict[tuple[Key, str], list[Key]] = {}
    for key in cells:
        for dimension, _ in key:
            if dimension not in ("measure", "codes", *PERIODS):
                by_parent.setdefault((tuple(i for i in key if i[0] != dimension), dimension), []).append(key)
    for (parent, _), parts in by_parent.items():
        if parent in cells:
            found.append((parts, parent, "="))
    for key in cells:
        told = dict(key)
        if "year" in told:
            quarters = [_with(told, "year", "quarter", f"{told['year']}-Q{q}") for q in range(1, 5)]
            there = [q for q in quarters if q in cells]
            adds_up = told["measure"] in ("visits", "incidence")
            if there and adds_up:
                found.append((there, key, "=" if len(there) == 4 else "<="))
            elif there and "age" not in told:
                found += [([q], key, "<=") for q in there]
            if len(there) == 4 and not adds_up:
                found.append((there, key, ">="))
        for low, high in itertools.pairwise(("incidence", "prevalence", "visits")):
            other = tuple(sorted({**told, "measure": high}.items()))
            if told["measure"] == low and other in cells:
                found.append(([key], other, "<="))
    return found


def unseen_totals(cells: dict[Key, int | None]) -> set[Key]:
    """Return totals that are not published, and that cells along two dimensions add up to."""
    along: dict[Key, set[str]] = {}
    for key in cells:
        for dimension, _ in key:
            if dimension not in ("measure", "codes", *PERIODS):
                along.setdefault(tuple(i for i in key if i[0] != dimension), set()).add(dimension)
    return {parent for parent, dimensions in along.items() if parent not in cells and len(dimensions) > 1}


def _with(told: dict[str, str], old: str, new: str, value: str) -> Key:
    return tuple(sorted({**{d: v for d, v in told.items() if d != old}, new: value}.items()))


class Attacker:
    """Works out what each mark can stand for."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.cells = cells_of(record)
        self.unseen = unseen_totals(self.cells)
        self.cells |= dict.fromkeys(self.unseen)
        self.marks = [key for key, count in self.cells.items() if count is None]
        place = {key: i for i, key in enumerate(self.marks)}
        rows: dict[str, list[np.ndarray]] = {"=": [], "<=": []}
        ends: dict[str, list[float]] = {"=": [], "<=": []}
        for parts, total, relation in equations(self.cells):
            sign = -1.0 if relation == ">=" else 1.0
            row, known = np.zeros(len(self.marks)), 0.0
            for key, factor in [*((part, sign) for part in parts), (total, -sign)]:
                if self.cells[key] is None:
                    row[place[key]] += factor
                else:
                    known += factor * float(self.cells[key] or 0)
            if row.any():
                rows["=" if relation == "=" else "<="].append(row)
                ends["=" if relation == "=" else "<="].append(-known)
        self._eq = (np.array(rows["="]), np.array(ends["="])) if rows["="] else (None, None)
        self._ub = (np.array(rows["<="]), np.array(ends["<="])) if rows["<="] else (None, None)

    def interval(self, key: Key, bounds: dict[Key, tuple[float, float | None]] | None = None) -> tuple[float, float]:
        """Return the least and greatest count of one mark; `bounds` is what else the attacker knows of marks."""
        at = self.marks.index(key)
        limits = [(bounds or {}).get(mark, (0 if mark in self.unseen else 1, None)) for mark in self.marks]
        ends = []
        for sign in (1.0, -1.0):
            objective = np.zeros(len(self.marks))
            objective[at] = sign
            found = linprog(
                objective, A_eq=self._eq[0], b_eq=self._eq[1], A_ub=self._ub[0], b_ub=self._ub[1], bounds=limits
            )
            if found.status == 3:
                ends.append(-sign * np.inf)
            elif found.status == 0:
                ends.append(sign * found.fun)
            else:
                raise AssertionError("what was published contradicts itself")
        return ends[0], ends[1]
