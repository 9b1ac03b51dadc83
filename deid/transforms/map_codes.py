"""Write codes that many patients have in full, and rare ones at a coarser level, by one map for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from deid.cells.domains import Either
from deid.cells.shapes import wellformed
from deid.codes import system_of
from deid.codes.mapped_levels import MappedLevels, mapped_levels
from deid.errors import PlanError
from deid.schema import Column
from deid.transforms.base import Context, Output


@dataclass(frozen=True, slots=True)
class MapCodes:
    """Write what the run's map of the column's code system makes of each code; docs/adr/0017.

    The map is chosen once, in the light of everybody's codes, under the ceiling of `limits.codes`
    (deid.documents.limits), and is the same for every patient.

    Contract:
    - accepts: kinds whose code system is in deid.codes.mapped_levels, but no numbers of persons, providers or events;
    - output: string; nulls, and values that have not the shape of their kind or are no code of its system, are null;
      else the code's normal form, its value at a coarser level, UNMAPPED where the level does not know it, or OTHER;
    - key: none; linkable and reversible as far as the code stays whole: never more than the ceiling, on average;
    - source: docs/adr/0017, docs/reference/code-systems.md.
    """

    name: ClassVar[str] = "map_codes"
    primary: ClassVar[str | None] = None

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the person with a key: never."""
        return False

    def output(self, column: Column) -> Output:
        """Return the values of every level; raise PlanError for a kind that no map serves."""
        levels = levels_of(column)
        if levels is None:
            raise PlanError(
                f"map_codes cannot serve kind {column.kind.name}", hint="only codes of a known system can be mapped"
            )
        # Either rung of rare codes may be chosen by `limits.codes.rare`, of which this rule knows nothing.
        other = mapped_levels(levels.system, "ccsr") or levels
        domain = levels.domain()
        both = Either(tuple(dict.fromkeys((*domain.parts, *other.domain().parts))), domain.words)
        return Output(pa.string(), both, "in full where many patients have it, else coarser")

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return what each code becomes."""
        levels = levels_of(column)
        if levels is None:
            raise AssertionError(f"map_codes was planned for kind {column.kind.name}, which no map serves")
        # Held to the shape first, as with every transform that lets a part of a value through.
        return context.map_codes(levels.system.name, wellformed(column.kind, values))


def levels_of(column: Column) -> MappedLevels | None:
    """Return the levels between which the codes of a column may be mapped, None where they are not."""
    system = None if column.kind.is_identifier_code else system_of(column.kind.name, column.use)
    return mapped_levels(system) if system is not None else None
