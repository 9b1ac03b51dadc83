"""National Provider Identifier: ten digits, the first 1 or 2, the last Luhn's check digit over 80840 and the number.

45 CFR 162.406; the prefix is that of ISO/IEC 7812 for health in the United States, and adds 24 to Luhn's sum.
A failed check is a finding of quality and nothing else: public test data and typing errors fail it, and a number that
fails still stands for a provider. Nothing that removes or pseudonymizes numbers may ask this module first.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from deid.codes.check_digits import luhn
from deid.codes.formed import FormedSystem, codes_like, shaped

PATTERN = "[12][0-9]{9}"
_PREFIX = 24


def normal(values: pa.Array) -> pa.Array:
    """Return each number, null where the form or the check digit is wrong."""
    numbers = shaped(values, PATTERN)
    return pc.if_else(pa.array(luhn(numbers, prefix=_PREFIX)), numbers, pa.scalar(None, numbers.type))


NPI = FormedSystem(
    name="npi",
    title="National Provider Identifier",
    kinds=("npi",),
    code=codes_like(PATTERN, "NPI: ten digits"),
    normal=normal,
)
