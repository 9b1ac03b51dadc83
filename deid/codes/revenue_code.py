"""Revenue codes of the UB-04, kept by the National Uniform Billing Committee: four digits, the first zero often lost.

The first three digits are the category, which the committee writes with an X. No list is shipped: it is licensed.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import Matching
from deid.codes.base import Level
from deid.codes.formed import FormedSystem, Rung, codes_like, shaped

PATTERN = "[0-9]{4}"


def normal(values: pa.Array) -> pa.Array:
    """Return each code in four digits."""
    return pc.utf8_lpad(shaped(values, "[0-9]{1,4}"), 4, "0")


def _category(codes: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pc.utf8_slice_codeunits(codes, 0, 3), "X", "")


REVENUE_CODE = FormedSystem(
    name="revenue_code",
    title="UB-04 revenue code",
    kinds=("revenue_code",),
    code=codes_like(PATTERN, "four digits"),
    normal=normal,
    rungs=(
        Rung(
            Level("category", Matching("[0-9]{3}X", "three digits and X"), "category of the revenue code, as 045X"),
            _category,
        ),
    ),
)
