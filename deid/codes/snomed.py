"""SNOMED CT concepts: an identifier of 6 to 18 digits with a partition and Verhoeff's check digit.

SNOMED International, Release File Specification, "SCTID": the two digits before the check digit are 00 for a concept of
the core and 10 for one of an extension, whose seven digits of namespace stand before them. Descriptions (01, 11) and
relationships (02, 12) are no concepts, so their identifiers are malformed here. No list is shipped.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import Matching
from deid.codes.base import Level
from deid.codes.check_digits import verhoeff
from deid.codes.formed import FormedSystem, Rung, codes_like, shaped

# Partition 00 after at least three digits; partition 10 after an item of at least one digit and a namespace of seven.
PATTERN = "[1-9][0-9]{2,14}00[0-9]|[1-9][0-9]{7,14}10[0-9]"
CORE = "core"


def normal(values: pa.Array) -> pa.Array:
    """Return each concept's identifier, null where form, partition or check digit is wrong."""
    codes = shaped(values, PATTERN)
    return pc.if_else(pa.array(verhoeff(codes)), codes, pa.scalar(None, codes.type))


def _namespace(codes: pa.Array) -> pa.Array:
    extension = pc.equal(pc.utf8_slice_codeunits(codes, -3, -1), "10")
    return pc.if_else(extension, pc.utf8_slice_codeunits(codes, -10, -3), CORE)


SNOMED = FormedSystem(
    name="snomed",
    title="SNOMED CT",
    kinds=("snomed",),
    code=codes_like(PATTERN, "SNOMED CT: six to eighteen digits that number a concept"),
    normal=normal,
    rungs=(
        Rung(
            Level(
                "namespace",
                Matching(f"[0-9]{{7}}|{CORE}", "seven digits, or core"),
                "who issued the concept: core, or the seven digits of an extension's namespace",
            ),
            _namespace,
        ),
    ),
)
