"""What disclosure control decided, and in what the release differs by it from the plan.

Made once, in the light of everybody's data, and frozen: for a series with the first release (deid.ledger).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.transforms.base import Output, Transform

Place = tuple[str, str]  # table and column
Rule = tuple[Transform, Output | None]  # a rule with what it writes, None where it drops the column


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rung of its recoding that a kind, or a column of its own, was given: `rungs[level]`, from fine to coarse."""

    name: str
    rungs: tuple[str, ...]
    level: int


@dataclass(frozen=True, slots=True)
class Vectors:
    """What each class of patients shows, instead of what its rows say.

    `columns`: for each released column of the vector, one value a class, of the type of the column's output; the row
    of a patient gets the value of the patient's class, so that nothing finer than the class can leave.
    `rules`: the rule that was chosen for a column whose rule was searched, with its output; None where it is dropped.
    `loss`: of information, from 0 to 1: the mean over patients and columns of the share of the other leaves that the
    value shown stands for, and 1 for who is withheld.
    """

    columns: Mapping[Place, pa.Array] = field(repr=False)
    rules: Mapping[Place, Rule]
    chosen: tuple[Chosen, ...]
    loss: float = 0.0


@dataclass(frozen=True, slots=True)
class CodeMap:
    """From the full codes of one kind to what is released of them; global, so it is public and deterministic.

    `kind`: the name of the code system, which is that of its kind, or of ICD procedures in a column of the same kind.
    `codes`: normal forms, string (n,); `items`: what each becomes, string (n,), null where it is left empty;
    `levels`: the name of the level of each item, string (n,). A code that is not among them becomes its item at
    `otherwise`, the coarsest level, or at `declared_at` if it lies under one of the `declared` codes and the map has
    this item already.
    """

    kind: str
    codes: pa.Array = field(repr=False)
    items: pa.Array = field(repr=False)
    levels: pa.Array = field(repr=False)
    otherwise: str
    declared: tuple[str, ...] = ()
    declared_at: str = "category"


@dataclass(frozen=True, slots=True)
class Emptied:
    """The items of one code system that are left empty in some classes, where too few of the class have them.

    `items`: string (m,); `keys`: int64 (n,), sorted: the class times m, and the place of the item.
    """

    items: pa.Array = field(repr=False)
    keys: npt.NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Controls:
    """Everything that disclosure control decided for one release; None where the policy asks for no such control.

    `codes`, `emptied`: by the name of the code system (deid.codes).
    """

    vectors: Vectors | None = None
    codes: Mapping[str, CodeMap] = field(default_factory=dict)
    emptied: Mapping[str, Emptied] = field(default_factory=dict)
