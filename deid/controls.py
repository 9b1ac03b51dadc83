"""What disclosure control decided, and in what the release differs by it from the plan.

Made once, in the light of everybody's data, and frozen: for a series with the first release (deid.ledger).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from deid.transforms.base import Output, Transform

Place = tuple[str, str]  # table and column


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
    """

    columns: Mapping[Place, pa.Array] = field(repr=False)
    rules: Mapping[Place, tuple[Transform, Output | None]]
    chosen: tuple[Chosen, ...]


@dataclass(frozen=True, slots=True)
class CodeMap:
    """From the full codes of one kind to what is released of them; global, so it is public and deterministic.

    `codes`: normal forms, string (n,); `items`: what each becomes, string (n,), null where it is left empty;
    `levels`: the name of the level of each item, string (n,). A code that is not among them becomes its item at
    `otherwise`, the coarsest level, or at `declared_at` if it lies under one of the `declared` codes.
    """

    kind: str
    codes: pa.Array = field(repr=False)
    items: pa.Array = field(repr=False)
    levels: pa.Array = field(repr=False)
    otherwise: str
    declared: tuple[str, ...] = ()
    declared_at: str = "category"


@dataclass(frozen=True, slots=True)
class Controls:
    """Everything that disclosure control decided for one release; None where the policy asks for no such control."""

    vectors: Vectors | None = None
    codes: Mapping[str, CodeMap] = field(default_factory=dict)
