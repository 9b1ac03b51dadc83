"""Small cells: from the totals that stand beside counts of 1 to 10, what linear programming proves of them."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from deid.attacks.base import Belief, Trace
from deid.attacks.knowledge import Knowledge
from deid.attacks.released import Released
from deid.release.small_counts import SMALL

_LOW, _HIGH = 1, 10  # what "1-10" says
_MOST_CELLS = 4_000  # of one system: beyond it, the largest systems take minutes
_TOTALS = frozenset({"total", "all", "sum"})


@dataclass(frozen=True, slots=True)
class Cell:
    """A count that was not shown: between `low` and `high`, as far as its mark says."""

    name: str
    low: float
    high: float


@dataclass(slots=True)
class Sums:
    """Cells, and what is known of sums of them."""

    cells: list[Cell] = field(default_factory=list)
    rows: list[tuple[list[int], float, float]] = field(default_factory=list)  # cells, their sum at least and at most

    def cell(self, value: Any, name: str) -> tuple[int | None, float]:
        """Return (cell, 0) for a count that is not shown, (None, count) for one that is."""
        if isinstance(value, int | float):
            return None, float(value)
        self.cells.append(Cell(name, _LOW if value == SMALL else 0, _HIGH if value == SMALL else np.inf))
        return len(self.cells) - 1, 0.0

    def adds_up(self, parts: Sequence[tuple[int | None, float]], total: tuple[int | None, float]) -> None:
        """Note that parts add up to a total, shown or not."""
        shown = sum(value for _, value in parts)
        hidden = [cell for cell, _ in parts if cell is not None]
        if not hidden:
            return
        if total[0] is None:
            self.rows.append((hidden, total[1] - shown, total[1] - shown))
        else:
            mark = self.cells[total[0]]
            self.rows.append((hidden, mark.low - shown, mark.high - shown))


class SmallCells:
    """Solves, for every count that a release does not show, how small and how great it can be."""

    name: ClassVar[str] = "small_cells"
    asks: ClassVar[str] = "derives counts of 1 to 10 from totals and other counts of manifest, report and tables"

    def attack(self, release: Released, known: Knowledge) -> Iterator[Belief]:
        """Yield how many of the hidden counts are pinned to one number."""
        sums = Sums()
        _manifest(release, sums)
        for document in release.manifest.documents:
            data = (release.opened.folder / document.name).read_bytes()
            if document.name.endswith(".json"):
                with contextlib.suppress(msgspec.DecodeError):
                    _json(msgspec.json.decode(data), sums)
            elif document.name.endswith(".csv"):
                _csv(data, sums)
        low, high = bounds(sums)
        small = np.array([cell.high <= _HIGH for cell in sums.cells], bool)
        small |= (high <= _HIGH) & (low >= _LOW)
        pinned = int((small & (np.floor(high + 1e-6) == np.ceil(low - 1e-6))).sum())
        yield Trace("counts of 1 to 10", pinned, len(sums.cells), "hidden counts that other figures pin to one number")


def bounds(sums: Sums) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the least and the greatest value of every cell that all sums allow, by HiGHS.

    A cell that stands in no sum keeps what its mark says. Sums are solved apart where they share no cell.
    """
    low = np.array([cell.low for cell in sums.cells], float)
    high = np.array([cell.high for cell in sums.cells], float)
    for part in _connected(sums):
        cells = sorted({cell for row in part for cell in sums.rows[row][0]})
        if len(cells) <= _MOST_CELLS:
            _solve(sums, part, cells, low, high)
    return low, high


def _solve(
    sums: Sums, part: Sequence[int], cells: list[int], low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
) -> None:
    from scipy.optimize import linprog  # noqa: PLC0415 - heavy
    from scipy.sparse import csr_matrix  # noqa: PLC0415

    place = {cell: at for at, cell in enumerate(cells)}
    upper, limits = [], []
    for row in part:
        held, least, most = sums.rows[row]
        for sign, limit in ((1.0, most), (-1.0, -least)):
            if np.isfinite(limit):
                upper.append({place[cell]: sign for cell in held})
                limits.append(limit)
    entries = [(r, c, v) for r, line in enumerate(upper) for c, v in line.items()]
    rows, columns, values = zip(*entries, strict=True) if entries else ((), (), ())
    matrix = csr_matrix((values, (rows, columns)), shape=(len(limits), len(cells)))
    box = [(low[cell], None if np.isinf(high[cell]) else high[cell]) for cell in cells]
    for cell in cells:
        for sign, into in ((1.0, low), (-1.0, high)):
            goal = np.zeros(len(cells))
            goal[place[cell]] = sign
            found = linprog(goal, A_ub=matrix, b_ub=limits, bounds=box, method="highs")
            if found.status == 0:
                into[cell] = sign * found.fun


def _connected(sums: Sums) -> Iterator[list[int]]:
    """Yield the sums that share cells, directly or through others."""
    from scipy.sparse import coo_matrix  # noqa: PLC0415 - heavy
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    pairs = [(row, cell) for row, (cells, _, _) in enumerate(sums.rows) for cell in cells]
    if not pairs:
        return
    size = len(sums.rows) + len(sums.cells)
    left, right = np.array([row for row, _ in pairs]), np.array([len(sums.rows) + cell for _, cell in pairs])
    edges = coo_matrix((np.ones(len(pairs)), (left, right)), shape=(size, size))
    _, label = connected_components(edges, directed=False)
    for one in np.unique(label[: len(sums.rows)]):
        yield np.flatnonzero(label[: len(sums.rows)] == one).tolist()


def _manifest(release: Released, sums: Sums) -> None:
    manifest = release.manifest
    for name, table in manifest.tables.items():
        parts = [sums.cell(file.rows, f"{name} file") for file in table.files]
        sums.adds_up(parts, sums.cell(table.rows, name))
        for column in table.columns:
            if column.nulls == SMALL:
                sums.cell(column.nulls, f"{name}.{column.name} empty")
    for held in (manifest.disclosure.patients_released, manifest.disclosure.patients_suppressed):
        if held is not None:
            sums.cell(held, "patients")


def _json(value: Any, sums: Sums) -> None:
    """Note every `{total, periods}` of a document, and every object of counts with a total among them."""
    if isinstance(value, dict):
        if "total" in value and isinstance(value.get("periods"), dict):
            parts = [sums.cell(count, "period") for count in value["periods"].values()]
            sums.adds_up(parts, sums.cell(value["total"], "total"))
            return
        for held in value.values():
            _json(held, sums)
    elif isinstance(value, list):
        for held in value:
            _json(held, sums)


def _csv(data: bytes, sums: Sums) -> None:
    """Note the sums of a table of counts with a row and a column of totals."""
    lines = list(csv.reader(io.StringIO(data.decode("utf-8", "replace"))))
    if len(lines) < 2:
        return
    grid = [[sums.cell(_number(text), "cell") for text in line[1:]] for line in lines[1:]]
    across = next((i for i, name in enumerate(lines[0][1:]) if name.strip().lower() in _TOTALS), None)
    down = next((i for i, line in enumerate(lines[1:]) if line and line[0].strip().lower() in _TOTALS), None)
    if across is not None:
        for row in grid:
            sums.adds_up([cell for i, cell in enumerate(row) if i != across], row[across])
    if down is not None:
        for column in range(len(grid[down])):
            sums.adds_up([row[column] for i, row in enumerate(grid) if i != down], grid[down][column])


def _number(text: str) -> int | str:
    bare = text.strip().replace(",", "")
    return int(bare) if bare.isdigit() else SMALL if bare == SMALL else bare
