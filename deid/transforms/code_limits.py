"""Top-code and bottom-code numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import Between
from deid.errors import PlanError
from deid.kinds import Value
from deid.schema import Column
from deid.transforms.base import Context, Output
from deid.transforms.options import number

_TYPES = {Value.INTEGER: pa.int64(), Value.DECIMAL: pa.float64()}


def number_type(transform: str, column: Column, option: float) -> pa.DataType:
    """Return the Arrow type of a numeric column; raise PlanError for another kind or a fraction on whole numbers."""
    kind = column.kind
    if kind.value not in _TYPES:
        raise PlanError(f"{transform} cannot serve kind {kind.name}", hint="only numbers have limits and multiples")
    if kind.value is Value.INTEGER and option != int(option):
        raise PlanError(f"{transform} of kind {kind.name} needs a whole number", hint="remove the fraction")
    return _TYPES[kind.value]


@dataclass(frozen=True, slots=True)
class TopCode:
    """Write `at` for every number above it.

    Contract:
    - accepts: integer and decimal kinds; output: int64 or float64; nulls stay null;
    - key: none; linkable wherever the number is known; not reversible above `at`;
    - source: ISO/IEC 20889, 8.4.3 (top coding).
    """

    at: float
    name: ClassVar[str] = "top_code"
    primary: ClassVar[str | None] = "at"

    def __post_init__(self) -> None:
        number("at", self.at)

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the person with a key: never."""
        return False

    def output(self, column: Column) -> Output:
        """Return numbers up to `at`; raise PlanError for a kind that is no number."""
        kind = number_type(self.name, column, self.at)
        return Output(kind, Between(high=self.at), f"{self.at:g} stands for {self.at:g} and more")

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return the smaller of each number and `at`."""
        limit = pa.scalar(self.at, pa.float64()).cast(values.type)
        return pc.min_element_wise(values, limit, skip_nulls=False)


@dataclass(frozen=True, slots=True)
class BottomCode:
    """Write `at` for every number below it.

    Contract:
    - accepts: integer and decimal kinds; output: int64 or float64; nulls stay null;
    - key: none; linkable wherever the number is known; not reversible below `at`;
    - source: ISO/IEC 20889, 8.4.3 (bottom coding).
    """

    at: float
    name: ClassVar[str] = "bottom_code"
    primary: ClassVar[str | None] = "at"

    def __post_init__(self) -> None:
        number("at", self.at)

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the person with a key: never."""
        return False

    def output(self, column: Column) -> Output:
        """Return numbers from `at`; raise PlanError for a kind that is no number."""
        kind = number_type(self.name, column, self.at)
        return Output(kind, Between(low=self.at), f"{self.at:g} stands for {self.at:g} and less")

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return the larger of each number and `at`."""
        limit = pa.scalar(self.at, pa.float64()).cast(values.type)
        return pc.max_element_wise(values, limit, skip_nulls=False)
