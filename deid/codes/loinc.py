"""LOINC, kept by Regenstrief: a number, a hyphen and Luhn's check digit (LOINC Users' Guide, "LOINC code").

Answers (LA), answer lists (LL), parts (LP) and groups (LG) are known by form alone. No list is shipped.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from deid.codes.check_digits import luhn
from deid.codes.formed import FormedSystem, codes_like, shaped

PATTERN = "[1-9][0-9]{0,6}-[0-9]|L[ALPG][0-9]{1,6}-[0-9]"


def normal(values: pa.Array) -> pa.Array:
    """Return each code, null where the form or, for a term, the check digit is wrong."""
    codes = shaped(values, PATTERN)
    terms = pc.fill_null(pc.match_substring_regex(codes, "^[0-9]"), False)
    right = pa.array(luhn(pc.if_else(terms, pc.replace_substring(codes, "-", ""), "")))
    return pc.if_else(pc.or_(pc.invert(terms), right), codes, pa.scalar(None, codes.type))


LOINC = FormedSystem(
    name="loinc",
    title="LOINC",
    kinds=("loinc",),
    code=codes_like(PATTERN, "LOINC: up to seven digits and a check digit; or an answer, part or group"),
    normal=normal,
)
