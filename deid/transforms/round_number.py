"""Round numbers to a multiple, and large ones to one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import validity
from deid.cells.domains import Between
from deid.schema import Column
from deid.transforms.base import Context, Output
from deid.transforms.code_limits import number_type
from deid.transforms.options import number

_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Round:
    """Write the nearest multiple of `to`; half way between two, the one away from zero. `top` stands for all above it.

    Contract:
    - accepts: integer and decimal kinds; output: int64 or float64; nulls stay null;
    - half way is judged on the number as stored, so a decimal fraction that binary cannot hold may fall either way;
    - key: none; linkable wherever the number is known; not reversible;
    - `top` is a multiple of `to`;
    - source: ISO/IEC 20889, 8.4.2 (rounding), 8.4.3 (top coding).
    """

    to: float
    top: float | None = None
    name: ClassVar[str] = "round"
    primary: ClassVar[str | None] = "to"

    def __post_init__(self) -> None:
        number("to", self.to, above=0)
        if self.top is not None:
            number("top", self.top, above=0)
            if self.top % self.to:
                raise ValueError("top is a multiple of to")

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the person with a key: never."""
        return False

    def output(self, column: Column) -> Output:
        """Return the multiples of `to`; raise PlanError for a kind that is no number."""
        kind = number_type(self.name, column, self.to)
        words = f"rounded to a multiple of {self.to:g}"
        if self.top is not None:
            words += f"; {self.top:g} stands for {self.top:g} and more"
        return Output(kind, Between(high=self.top, multiple_of=self.to), words)

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return the nearest multiple of each number."""
        raw = values.fill_null(0).to_numpy(zero_copy_only=False)
        rounded = self._whole(raw) if raw.dtype.kind == "i" else self._fractions(raw)
        if self.top is not None:
            rounded = np.minimum(rounded, rounded.dtype.type(self.top))
        return pa.array(rounded, values.type, mask=~validity(values))

    def _whole(self, raw: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        step = np.uint64(int(self.to))
        size = np.abs(raw).astype(np.uint64)  # the magnitude of the smallest int64 wraps to itself, which is 2^63
        count, rest = np.divmod(size, step)
        up = (rest >= step - rest) & (rest > 0) & (count < np.uint64(_LARGEST) // step)  # no multiple beyond int64
        nearest = ((count + up) * step).astype(np.int64)
        return np.where(raw < 0, -nearest, nearest)

    def _fractions(self, raw: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        huge = np.abs(raw) >= self.to * 2.0**52  # neighboring doubles are further apart than `to`: nothing to round
        small = np.where(huge, 0.0, raw)
        inverse = round(1 / self.to) if self.to < 1 else 0
        if inverse and abs(inverse * self.to - 1) < 1e-12:
            # Dividing by 10 gives the double nearest to 0.3; multiplying by 0.1 gives 0.30000000000000004.
            rounded = np.copysign(np.floor(np.abs(small) * inverse + 0.5), small) / inverse
        else:
            rounded = np.copysign(np.floor(np.abs(small) / self.to + 0.5), small) * self.to
        return np.where(huge, raw, rounded)
