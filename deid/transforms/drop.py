"""Leave a column out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from deid.schema import Column
from deid.transforms.base import Context


@dataclass(frozen=True, slots=True)
class Drop:
    """Write nothing; the column's cells are not even read.

    Contract: any kind; no output; meets every basis.
    """

    name: ClassVar[str] = "drop"
    primary: ClassVar[str | None] = None

    def output(self, column: Column) -> None:
        """Return None: there is no output column."""
        return

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Never called: a dropped column is not read."""
        raise AssertionError("a dropped column was read")
