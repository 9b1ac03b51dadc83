"""Write a date as its year, a band of years, its quarter, month or week."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import validity
from deid.cells.days import (
    FIRST_YEAR,
    LAST_YEAR,
    clip_to_calendar,
    day_numbers,
    iso_weeks,
    labels,
    months,
    number_of_day,
)
from deid.cells.domains import Between, Matching
from deid.errors import PlanError
from deid.kinds import Value
from deid.schema import Column
from deid.transforms.base import Context, Output
from deid.transforms.options import choice, whole

UNITS = ("year", "quarter", "month", "week")
_FORMS = {
    "quarter": Matching(r"\d{4}-Q[1-4]", "quarters such as 2026-Q3"),
    "month": Matching(r"\d{4}-(?:0[1-9]|1[0-2])", "months such as 2026-10"),
    "week": Matching(r"\d{4}-W(?:0[1-9]|[1-4]\d|5[0-3])", "ISO 8601 weeks such as 2026-W07"),
}


@dataclass(frozen=True, slots=True)
class GeneralizeDate:
    """Write the unit of time that holds the date.

    Contract:
    - accepts: date kinds; also kind `year`, with `to: year`;
    - output: `year` int32, the first year of the band when `width` is above 1 (year - year % width); `quarter`
      "2026-Q3", `month` "2026-10", `week` the ISO week "2026-W07", all string; nulls stay null;
    - `floor_age` closes old age: every day up to the end of the floor year, which is the reference year minus
      `floor_age`, and every birth date of a patient who is or will be 90, is written as the last unit that begins in
      the floor year: "1936" then means "1936 or earlier". With bands, the floor year's band means that or earlier;
    - key: none; linkable wherever the date is known; not reversible;
    - source: 45 CFR 164.514(b)(2)(i)(C): years only, and no element, year included, that indicates an age over 89.
    """

    to: str
    width: int = 1
    floor_age: int | None = None
    name: ClassVar[str] = "generalize_date"
    primary: ClassVar[str | None] = "to"

    def __post_init__(self) -> None:
        choice("generalize_date", self.to, UNITS)
        whole("width", self.width, low=1, high=100)
        if self.width > 1 and self.to != "year":
            raise ValueError("width counts years, so it goes with year only")
        if self.floor_age is not None:
            whole("floor_age", self.floor_age, low=1, high=90)

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the person with a key: never."""
        return False

    def output(self, column: Column) -> Output:
        """Return the unit's type and form; raise PlanError for a kind that is no date."""
        is_year = column.kind.name == "year" and self.to == "year"
        if column.kind.value is not Value.DATE and not is_year:
            raise PlanError(
                f"generalize_date to {self.to} cannot serve kind {column.kind.name}",
                hint="only dates are generalized to units of time; choose another rule for this kind",
            )
        floor = f"; the earliest stands for all who reach {self.floor_age}" if self.floor_age is not None else ""
        if self.to == "year":
            low = FIRST_YEAR - FIRST_YEAR % self.width
            band = "year" if self.width == 1 else f"first year of a band of {self.width}"
            return Output(pa.int32(), Between(low, LAST_YEAR, self.width if self.width > 1 else None), band + floor)
        return Output(pa.string(), _FORMS[self.to], self.to + floor)

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return the unit that holds each date."""
        null = ~validity(values)
        if column.kind.value is Value.INTEGER:
            return self._years_of_years(values, null, context)
        days = day_numbers(values)
        if self.floor_age is not None:
            floor = context.reference_year - self.floor_age
            old = days <= number_of_day(floor, 12, 31)
            if column.kind.name == "birth_date":
                old |= context.aged
            # 28 December lies in the last year, quarter, month and ISO week that begin in its year.
            days = np.where(old, number_of_day(floor, 12, 28), days)
        days = clip_to_calendar(days)
        if self.to == "week":
            year, week = iso_weeks(days)
            return labels(year, "-W", week, digits=2, null=null)
        year, month = months(days)
        if self.to == "year":
            return self._bands(year, null)
        if self.to == "quarter":
            return labels(year, "-Q", (month + 2) // 3, digits=1, null=null)
        return labels(year, "-", month, digits=2, null=null)

    def _bands(self, year: npt.NDArray[np.int64], null: npt.NDArray[np.bool_]) -> pa.Array:
        return pa.array((year - year % self.width).astype(np.int32), mask=null)

    def _years_of_years(self, values: pa.Array, null: npt.NDArray[np.bool_], context: Context) -> pa.Array:
        """Serve kind `year`; a number that is no year of the calendar becomes null."""
        year = values.fill_null(FIRST_YEAR).to_numpy(zero_copy_only=False).astype(np.int64)
        null = null | (year < FIRST_YEAR) | (year > LAST_YEAR)
        if self.floor_age is not None:
            year = np.maximum(year, context.reference_year - self.floor_age)
        return self._bands(np.clip(year, FIRST_YEAR, LAST_YEAR), null)
