"""Keep a column as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from deid.kinds import Value
from deid.schema import Column
from deid.transforms.base import Context, Output
from deid.transforms.domains import Anything

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

    Contract: any kind; output the type of the kind; nulls stay; no key; linkable wherever the value is known.
    """

    name: ClassVar[str] = "keep"
    primary: ClassVar[str | None] = None

    def output(self, column: Column) -> Output:
        """Return the kind's own type with no restriction on its values."""
        return Output(ARROW_TYPES[column.kind.value], Anything(), "as in the source")

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return `values`."""
        return values
