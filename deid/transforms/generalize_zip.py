"""Write a ZIP code as its three-digit prefix where the census allows it, or as five clean digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from deid.cells.domains import Matching, OneOf
from deid.cells.places import CENSUS_VINTAGE, WITHHELD, releasable, zip3, zip5
from deid.errors import PlanError
from deid.schema import Column
from deid.transforms.base import Context, Output
from deid.transforms.options import choice

UNITS = ("zip3", "zip5")


@dataclass(frozen=True, slots=True)
class GeneralizeZip:
    """Write the first three digits if more than 20,000 people live there, else "000"; or all five digits.

    Contract:
    - accepts: kind `zip_code`;
    - output: string; nulls stay null; what is no ZIP becomes "000" with `zip3`, null with `zip5`;
    - key: none; linkable wherever the place is known; not reversible;
    - source: 45 CFR 164.514(b)(2)(i)(B) with the 2020 Census for `zip3`, by allow-list: a prefix without census
      population has not been shown to hold 20,000 people; 164.514(e)(2)(ii) lets `zip5` into a Limited Data Set.
    """

    to: str
    name: ClassVar[str] = "generalize_zip"
    primary: ClassVar[str | None] = "to"

    def __post_init__(self) -> None:
        choice("generalize_zip", self.to, UNITS)

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the person with a key: never."""
        return False

    def output(self, column: Column) -> Output:
        """Return the allow-list or five digits; raise PlanError for another kind than zip_code."""
        if column.kind.name != "zip_code":
            raise PlanError(
                f"generalize_zip cannot serve kind {column.kind.name}", hint="only ZIP codes have ZIP prefixes; drop it"
            )
        if self.to == "zip5":
            return Output(pa.string(), Matching(r"\d{5}", "five digits"), "five-digit ZIP")
        allowed = releasable() | {WITHHELD}
        words = f"{len(allowed) - 1} three-digit prefixes with more than 20,000 people, or {WITHHELD}"
        return Output(pa.string(), OneOf(allowed, words), f"three-digit ZIP, {CENSUS_VINTAGE} Census")

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return the prefix or the five digits of each ZIP."""
        return zip3(values) if self.to == "zip3" else zip5(values)
