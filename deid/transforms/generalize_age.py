"""Top-code and band ages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from deid.cells.buffers import validity
from deid.cells.domains import OneOfNumbers
from deid.errors import PlanError
from deid.schema import Column
from deid.transforms.base import Context, Output
from deid.transforms.options import whole

OLDEST = 130
AGED_FROM = 90


@dataclass(frozen=True, slots=True)
class GeneralizeAge:
    """Write the first age of the band that holds the age; ages from `top` are one class.

    Contract:
    - accepts: kind `age`;
    - output: int32, multiples of `width` below `top`, and `top` for everybody at or above it and, where `top` is at
      most 90, for every age of a patient who is or will be 90: an age of 85 in 2019 tells of 92 in 2026;
    - nulls stay null; a negative age or one above 130 becomes null;
    - key: none; linkable wherever the age is known; not reversible;
    - source: 45 CFR 164.514(b)(2)(i)(C): ages over 89 may be aggregated into a single category of age 90 or older.
    """

    top: int = AGED_FROM
    width: int = 1
    name: ClassVar[str] = "generalize_age"
    primary: ClassVar[str | None] = "top"

    def __post_init__(self) -> None:
        whole("top", self.top, low=1, high=OLDEST)
        whole("width", self.width, low=1, high=self.top)

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the person with a key: never."""
        return False

    def output(self, column: Column) -> Output:
        """Return the bands; raise PlanError for another kind than age."""
        if column.kind.name != "age":
            raise PlanError(
                f"generalize_age cannot serve kind {column.kind.name}", hint="use top_code, bottom_code or round"
            )
        bands = frozenset({*range(0, self.top, self.width), self.top})
        words = f"ages from 0 to {self.top}" if self.width == 1 else f"bands of {self.width} years from 0 to {self.top}"
        return Output(pa.int32(), OneOfNumbers(bands, words), f"{self.top} stands for {self.top} and older")

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return the first age of each band."""
        ages = values.fill_null(0).to_numpy(zero_copy_only=False)
        null = ~validity(values) | (ages < 0) | (ages > OLDEST)
        small = np.where(null, 0, ages).astype(np.int32)
        top = small >= self.top
        if self.top <= AGED_FROM:
            top |= context.aged
        bands = small if self.width == 1 else small - small % self.width
        return pa.array(np.where(top, np.int32(self.top), bands), mask=null)
