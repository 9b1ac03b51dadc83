"""Shift every date of a patient by the patient's own offset."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import validity
from deid.cells.days import FIRST_DAY, LAST_DAY, day_numbers, number_of
from deid.cells.domains import Anything
from deid.errors import PlanError
from deid.kinds import Value
from deid.schema import Column
from deid.transforms.base import Context, Output
from deid.transforms.options import choice, whole

MAX_DAYS = 3650
METHODS = ("keyed", "random")


@dataclass(frozen=True, slots=True)
class ShiftDate:
    """Add the patient's offset, at most `max_days` either way, in multiples of `multiple_of`; cut both ends.

    Contract:
    - accepts: date kinds;
    - output: date32; nulls stay null;
    - becomes null: a shifted day that is not at least `max_days` inside the data window (birth dates are exempt:
      they do not show where the data begins);
    - key: `keyed`, the offset comes from a PRF of the patient, or `random`, from the crosswalk; needs the request's
      window;
    - linkable: intervals are kept exactly, and three known dates identify nearly everybody;
    - reversible: by whoever knows one true date of the patient;
    - source: SANT, Hripcsak et al. 2016. Never Safe Harbor: 45 CFR 164.514(b)(2)(i)(C) takes years only.
    """

    max_days: int = 365
    multiple_of: int = 1
    method: str = "keyed"
    name: ClassVar[str] = "shift_date"
    primary: ClassVar[str | None] = "max_days"

    def __post_init__(self) -> None:
        whole("max_days", self.max_days, low=1, high=MAX_DAYS)
        whole("multiple_of", self.multiple_of, low=1, high=self.max_days)
        choice("method", self.method, METHODS)

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the person with a key."""
        return self.method == "keyed"

    def output(self, column: Column) -> Output:
        """Return a shifted day; raise PlanError for a kind that is no date."""
        if column.kind.value is not Value.DATE:
            raise PlanError(
                f"shift_date cannot serve kind {column.kind.name}", hint="only dates are shifted; choose another rule"
            )
        return Output(pa.date32(), Anything(), f"shifted by the patient's own offset of at most {self.max_days} days")

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return the shifted days; raise PlanError without a window, or if the offsets are not this step's."""
        offsets = context.offset_days
        if len(offsets) and int(np.abs(offsets).max()) > self.max_days:
            # The cut below hides offsets up to max_days and no further.
            raise PlanError(
                "date offsets are larger than this step allows",
                hint="give every shift_date rule of the policy the same max_days and multiple_of",
            )
        shifted = day_numbers(values) + offsets
        shown = validity(values)
        if column.kind.name != "birth_date":
            first, last = self._cut(context)
            # The cut is on the shifted day. On the original day it would end at (edge + offset) for every patient
            # with records up to the edge, and so publish the offset; this way all records end on the same two days.
            shown &= (shifted >= first) & (shifted <= last)
        else:
            shown &= (shifted >= FIRST_DAY) & (shifted <= LAST_DAY)
        return pc.cast(pa.array(shifted, pa.int32(), mask=~shown), pa.date32())

    def _cut(self, context: Context) -> tuple[int, int]:
        """Return the first and last shifted day that is shown, as day numbers."""
        if context.window is None:
            raise PlanError(
                "dates are shifted but the request has no window",
                hint="add `window: {from: ..., to: ...}` to the request: the data's first and last day",
            )
        margin = timedelta(days=self.max_days)
        first, last = context.window
        return number_of(first + margin), number_of(last - margin)
