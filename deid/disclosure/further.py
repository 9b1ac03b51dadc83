"""What somebody gains who knows one or two more things of a patient beside the released quasi-identifiers.

The target is known to be in the release (prosecutor; El Emam 2013): everybody in it belongs to the cohort, so that
membership is no further knowledge. The chance of a patient is 1/f, where f patients of the same class show the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Cells = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One thing that may be known of a patient.

    `columns`: where it stands, as `table.column`, or the table whose rows are counted. `is_held`: whether it counts
    against the ceiling, or is reported alone. `values`: uint64 (patients,), equal where the release shows the same.
    """

    name: str
    columns: tuple[str, ...]
    is_held: bool
    values: npt.NDArray[np.uint64] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gain:
    """What knowing some things comes to: `mean` chance over patients; patients of whom fewer than so many fit, one."""

    names: tuple[str, ...]
    columns: tuple[str, ...]
    is_held: bool
    mean: float
    few: int
    unique: int


@dataclass(frozen=True, slots=True)
class FurtherRisk:
    """What every single thing comes to, worst first, and the worst pair of two; `vector`: that of knowing nothing more.

    `fewer`: below how many candidates a patient counts as one of few.
    """

    patients: int
    fewer: int
    vector: float
    single: tuple[Gain, ...]
    pair: Gain | None

    @property
    def held(self) -> Gain | None:
        """The worst of what is held to the ceiling, None where nothing is."""
        return next((gain for gain in self.single if gain.is_held), None)


def further_risk(klass: npt.NDArray[np.uint64], known: Sequence[Knowledge], *, fewer: int) -> FurtherRisk | None:
    """Return what each thing, and the worst pair, comes to; None without patients.

    `klass`: uint64 (patients,), equal for patients of one class. Every pair is counted: a sort of int64 (patients,).
    """
    if not len(klass):
        return None
    classes = _numbered(klass)
    values = [_numbered(each.values) for each in known]
    cells = [_numbered(_crossed(classes, value)) for value in values]
    single = [_gain((each,), cell, fewer) for each, cell in zip(known, cells, strict=True)]
    worst: tuple[int, int, int] | None = None
    for first, second in itertools.combinations(range(len(known)), 2):
        # The mean of 1/f over patients is the number of cells over that of patients.
        found = len(_sizes(_crossed(cells[first], values[second])))
        if worst is None or found > worst[0]:
            worst = (found, first, second)
    pair = None
    if worst is not None:
        _, first, second = worst
        pair = _gain((known[first], known[second]), _crossed(cells[first], values[second]), fewer)
    ordered = tuple(sorted(single, key=lambda gain: (-gain.mean, gain.names)))
    return FurtherRisk(len(klass), fewer, (int(classes.max()) + 1) / len(klass), ordered, pair)


def worst_mean(klass: npt.NDArray[np.uint64], known: Sequence[Knowledge]) -> float:
    """Return the largest mean chance of somebody who knows one of these things; that of the class where none is."""
    classes = _numbered(klass)
    cells = [classes, *(_crossed(classes, _numbered(each.values)) for each in known)]
    return max(len(_sizes(each)) for each in cells) / max(1, len(klass))


def _gain(known: tuple[Knowledge, ...], cells: Cells, fewer: int) -> Gain:
    sizes = _sizes(cells)
    return Gain(
        names=tuple(each.name for each in known),
        columns=tuple(dict.fromkeys(column for each in known for column in each.columns)),
        is_held=all(each.is_held for each in known),
        mean=len(sizes) / len(cells),
        few=int(sizes[sizes < fewer].sum()),
        unique=int((sizes == 1).sum()),
    )


def _numbered(values: npt.NDArray[np.generic]) -> Cells:
    """Return small numbers from 0, equal where the values are; below 2^31, so that a product of two fits int64."""
    return np.asarray(np.unique(values, return_inverse=True)[1], np.int64).reshape(-1)


def _crossed(cells: Cells, values: Cells) -> Cells:
    return np.asarray(cells * (int(values.max()) + 1) + values, np.int64)


def _sizes(cells: Cells) -> Cells:
    """Return how many patients each cell has."""
    ordered = np.sort(cells)
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    return np.diff(ends, prepend=-1).astype(np.int64)
