"""Keep a column as it is, where its values are what their kind says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from deid.cells.domains import Anything
from deid.cells.shapes import SHAPES, wellformed
from deid.kinds import Value
from deid.schema import Column
from deid.transforms.base import Context, Output

ARROW_TYPES: dict[Value, pa.DataType] = {
    Value.TEXT: pa.string(),
    Value.CODE: pa.string(),
    Value.NOTE: pa.string(),
    Value.DATE: pa.date32(),
    Value.INTEGER: pa.int64(),
    Value.DECIMAL: pa.float64(),
}


@dataclass(frozen=True, slots=True)
class Keep:
    """Write the parsed value unchanged.

    Contract:
    - accepts: any kind;
    - output: the type of the kind; nulls stay; a value that has not the shape of its kind becomes null;
    - key: none; linkable wherever the value is known;
    - source: docs/reference/shapes.md.
    """

    name: ClassVar[str] = "keep"
    primary: ClassVar[str | None] = None

    def output(self, column: Column) -> Output:
        """Return the kind's own type, and its shape as the domain where it has one."""
        return Output(ARROW_TYPES[column.kind.value], SHAPES.get(column.kind.name, Anything()), "as in the source")

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return `values` without what is malformed."""
        return wellformed(column.kind, values)
