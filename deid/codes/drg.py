"""MS-DRG, the groups of Medicare's inpatient payment, kept by CMS, and their Major Diagnostic Categories.

Normal form: three digits (`005`), with the version (`470V38`) or severity (`194-2`) that the source puts behind them.
A version from 25 on is an MS-DRG and is looked up by its three digits; an earlier one is a CMS-DRG, a severity an
APR-DRG, and both are other systems: UNKNOWN and UNMAPPED. `OTH` stands in some files for what is no group.
Numbers were given anew over the years, so a group is judged on the day of discharge; fiscal years before the first of
the list are judged as that one.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import Matching
from deid.codes.base import Level
from deid.codes.formed import shaped
from deid.codes.tabled import TabledSystem, TableRung, in_column, of_code, shape_of

NORMAL = r"[0-9]{3}(?:V[0-9]{1,2}|-[0-4])?|OTH"
_SHAPE = shape_of("drg")
_MEDICARE = "^[0-9]{3}(?:V(?:2[5-9]|[3-9][0-9]))?$"  # MS-DRGs began with version 25, fiscal year 2008


def _normal(values: pa.Array) -> pa.Array:
    text = shaped(values, _SHAPE)
    number = pc.utf8_lpad(pc.replace_substring_regex(text, "[^0-9].*", ""), 3, "0")
    whole = pc.binary_join_element_wise(number, pc.replace_substring_regex(text, "^[0-9]*", ""), "")
    return pc.if_else(pc.equal(text, "OTH"), text, whole)


def _group(codes: pa.Array) -> pa.Array:
    """Return the three digits of MS-DRGs, null for groups of other systems."""
    medicare = pc.match_substring_regex(codes, _MEDICARE)
    return pc.if_else(medicare, pc.utf8_slice_codeunits(codes, 0, 3), pa.scalar(None, pa.string()))


DRG = TabledSystem(
    name="drg",
    title="MS-DRG",
    kinds=("drg",),
    table_name="drg",
    code=Level("code", Matching(NORMAL, "a DRG of three digits, or OTH"), "the group itself"),
    normal=_normal,
    key=_group,
    rungs=(
        TableRung(
            "mdc",
            "Major Diagnostic Category 01 to 25; PRE of groups that go before all, ALL of groups that any may reach",
            "a Major Diagnostic Category, PRE, ALL, or UNMAPPED",
            of_code("mdc"),
            in_column("mdc"),
        ),
        TableRung(
            "type",
            "whether the group is medical or surgical; UNMAPPED for 998 and 999, which are neither",
            "medical, surgical, or UNMAPPED",
            of_code("type"),
            in_column("type"),
        ),
    ),
    ladder=("mdc",),
)
