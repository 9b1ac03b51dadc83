"""ICD-10-CM, diagnoses of the United States since 2015-10-01, kept by NCHS and CMS.

Normal form: capitals, with the dot after the third character where more follow (`E11.65`, `I10`).
An unknown code, such as one with a seventh character that its category does not take, keeps what is true of its
category: category, block and chapter are given where the first three characters are a category, else UNMAPPED.
CCSR is the first category of the Clinical Classifications Software Refined; headings and unknown codes have none.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import Matching
from deid.codes.attributes import AttributedSystem
from deid.codes.base import Level
from deid.codes.formed import shaped
from deid.codes.tabled import (
    TableRung,
    before_dot,
    dotted,
    if_known,
    in_column,
    of_category,
    of_code,
    shape_of,
    shortened,
    without_dots,
)

NORMAL = r"[A-Z][0-9A][0-9AB](?:\.[0-9A-Z]{1,4})?"
_SHAPE = shape_of("icd10cm")


def _normal(values: pa.Array) -> pa.Array:
    return dotted(pc.replace_substring(shaped(values, _SHAPE), ".", ""), 3)


ICD10CM = AttributedSystem(
    name="icd10cm",
    title="ICD-10-CM",
    kinds=("icd10cm",),
    table_name="icd10cm",
    code=Level("code", Matching(NORMAL, "an ICD-10-CM code, with its dot"), "the code itself"),
    normal=_normal,
    rungs=(
        TableRung(
            "category",
            "category: the first three characters",
            "an ICD-10-CM category, or UNMAPPED",
            lambda table, codes: if_known(table, before_dot(codes)),
            without_dots,
        ),
        TableRung(
            "block",
            "block of categories, such as E08-E13",
            "an ICD-10-CM block, or UNMAPPED",
            of_category("block"),
            in_column("block"),
        ),
        TableRung(
            "chapter",
            "chapter, I to XXII",
            "an ICD-10-CM chapter, or UNMAPPED",
            of_category("chapter"),
            in_column("chapter"),
        ),
        TableRung(
            "ccsr",
            "first category of the Clinical Classifications Software Refined (AHRQ)",
            "a CCSR category, or UNMAPPED",
            of_code("ccsr"),
            in_column("ccsr"),
        ),
    ),
    shorter=shortened,
    ladder=("block", "chapter"),
    external="^[V-Y]",
)

attributes = ICD10CM.attributes
