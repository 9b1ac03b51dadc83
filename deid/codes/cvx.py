"""CVX, the CDC's codes of vaccines administered: a number of two digits, or of three from 100 on.

No list is shipped: it grows by the month, and a stale one would call new vaccines unknown.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from deid.codes.formed import FormedSystem, codes_like, shaped

PATTERN = "[0-9]{2}|[1-9][0-9]{2}"


def normal(values: pa.Array) -> pa.Array:
    """Return each code as the CDC writes it: 8 and 008 are 08."""
    number = pc.ascii_ltrim(shaped(values, "[0-9]{1,3}"), "0")
    return pc.utf8_lpad(number, 2, "0")


CVX = FormedSystem(
    name="cvx",
    title="CVX",
    kinds=("cvx",),
    code=codes_like(PATTERN, "CVX: two or three digits"),
    normal=normal,
)
