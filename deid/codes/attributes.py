"""What lists say of diagnosis codes beside their validity, for reports on the quality of coding.

`sex`, `age_low`, `age_high`, `manifestation` and `not_principal` are those of the Medicare Code Editor (CMS,
Definitions of Medicare Code Edits) on the last day on which the code was valid. CMS retired the sex edit with
2024-10-01: what it said until then is kept, and codes made since have no sex. `unspecified` is what the description of
a billable code says. `laterality_missing` are codes whose description leaves the side open while another code says the
same of the right or the left, and those of the Editor's edit of unspecified codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.codes.formed import entries_of, flags
from deid.codes.tabled import TabledSystem
from deid.codes.tables import NOWHERE

Flags = npt.NDArray[np.bool_]
OLDEST = 32_767  # `age_high` of a code without a limit


@dataclass(frozen=True, slots=True, eq=False)
class Attributes:
    """Arrays of shape (n,), one entry for each code; a null, malformed or unknown code has no attribute.

    `sex`: "F" or "M" where a code is for one sex alone, else "". `age_low`, `age_high`: whole years at the visit, both
    included, int16. `not_principal`: unacceptable as a principal diagnosis, external causes among them, which are
    `external` as well.
    """

    unspecified: Flags = field(repr=False)
    laterality_missing: Flags = field(repr=False)
    manifestation: Flags = field(repr=False)
    not_principal: Flags = field(repr=False)
    external: Flags = field(repr=False)
    sex: npt.NDArray[np.str_] = field(repr=False)
    age_low: npt.NDArray[np.int16] = field(repr=False)
    age_high: npt.NDArray[np.int16] = field(repr=False)


@runtime_checkable
class Attributed(Protocol):
    """A code system of whose codes lists say more."""

    def attributes(self, values: pa.Array) -> Attributes:
        """Return what the lists say of each code."""
        ...


@dataclass(frozen=True, slots=True)
class AttributedSystem(TabledSystem):
    """A code system whose table has the columns of Attributes; `external`: how codes of external causes begin (RE2)."""

    external: str = field(default="^$", repr=False)

    def attributes(self, values: pa.Array) -> Attributes:
        """Return what the table says of each code."""
        entries, rows = entries_of(values)
        codes = self.normal(entries)
        places = np.append(self.table.find(self.key(codes)), NOWHERE)[rows]
        external = np.append(flags(pc.fill_null(pc.match_substring_regex(codes, self.external), False)), np.False_)[
            rows
        ]
        return Attributes(
            self._flags("unspecified", places),
            self._flags("laterality_missing", places),
            self._flags("manifestation", places),
            self._flags("not_principal", places),
            external & (places != NOWHERE),
            np.where(places == NOWHERE, "", _sexes(self.table.numbers("sex"))[places]),
            self._ages("age_low", places, 0),
            self._ages("age_high", places, OLDEST),
        )

    def _flags(self, column: str, places: npt.NDArray[np.int64]) -> Flags:
        return np.asarray(self.table.numbers(column)[places] & (places != NOWHERE), np.bool_)

    def _ages(self, column: str, places: npt.NDArray[np.int64], unlimited: int) -> npt.NDArray[np.int16]:
        ages = pc.fill_null(self.table.rows.column(column).chunk(0), pa.scalar(unlimited, pa.int16()))
        return np.where(places == NOWHERE, unlimited, ages.to_numpy(zero_copy_only=False)[places]).astype(np.int16)


def _sexes(numbers: npt.NDArray[np.generic]) -> npt.NDArray[np.str_]:
    return np.array(["", "F", "M"])[numbers.astype(np.int64)]


def joined(said: Sequence[Attributes], rows: npt.NDArray[np.int64]) -> Attributes:
    """Return what several lists say of distinct codes of which each knows at most one, spread over `rows`.

    `said` is of shape (m,) each; a row of m is null.
    """

    def any_of(name: str) -> Flags:
        return np.append(np.logical_or.reduce([getattr(each, name) for each in said]), np.False_)[rows]

    sexes = said[0].sex
    for each in said[1:]:
        sexes = np.where(sexes == "", each.sex, sexes)
    return Attributes(
        any_of("unspecified"),
        any_of("laterality_missing"),
        any_of("manifestation"),
        any_of("not_principal"),
        any_of("external"),
        np.append(sexes, "")[rows],
        np.append(np.maximum.reduce([each.age_low for each in said]), np.int16(0))[rows],
        np.append(np.minimum.reduce([each.age_high for each in said]), np.int16(OLDEST))[rows],
    )
