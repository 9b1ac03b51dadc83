"""Lift medical codes to a level of their code system's hierarchy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from deid.cells.shapes import wellformed
from deid.codes import CODE_SYSTEMS, system_of
from deid.codes.base import CodeSystem
from deid.errors import PlanError
from deid.schema import Column
from deid.transforms.base import Context, Output


@dataclass(frozen=True, slots=True)
class RollUp:
    """Write the value of a code at `level`, a named level of its code system; `code` is the code's normal form.

    Contract:
    - accepts: kinds whose code system has the level, but no numbers of persons, providers or events;
    - output: string; nulls, and values that have not the shape of their kind or are no code of its system, are null;
      UNMAPPED for a code that the hierarchy does not know, or that can be read in several ways;
    - key: none; linkable wherever the code is known; not reversible, but for the level `code`;
    - source: docs/reference/code-systems.md.
    """

    level: str
    name: ClassVar[str] = "roll_up"
    primary: ClassVar[str | None] = "level"

    def __post_init__(self) -> None:
        levels = dict.fromkeys(level.name for system in CODE_SYSTEMS.values() for level in system.levels)
        if self.level not in levels:
            raise ValueError(f"level is {', '.join(levels)}")

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the person with a key: never."""
        return False

    def output(self, column: Column) -> Output:
        """Return the values of the level; raise PlanError for a kind whose code system has no such level."""
        kind = column.kind
        system = _system(column)
        if system is None:
            raise PlanError(f"roll_up cannot serve kind {kind.name}", hint="only codes of a known system have levels")
        level = next((level for level in system.levels if level.name == self.level), None)
        if level is None:
            names = ", ".join(level.name for level in system.levels)
            raise PlanError(
                f"roll_up to {self.level} cannot serve kind {kind.name}", hint=f"{system.title} has the levels {names}"
            )
        return Output(pa.string(), level.domain, level.meaning)

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return each code at the level."""
        system = _system(column)
        if system is None:
            raise AssertionError(f"roll_up was planned for kind {column.kind.name}, which has no code system")
        # Held to the shape first, as with every transform that lets a part of a value through.
        return system.roll_up(wellformed(column.kind, values), self.level)


def _system(column: Column) -> CodeSystem | None:
    # The number of a provider is an identifier, and its system a check of form: it has nothing to be rolled up to.
    return None if column.kind.is_identifier_code else system_of(column.kind.name, column.use)
