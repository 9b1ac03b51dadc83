"""ICD-10 of the World Health Organization.

Normal form: capitals, with the dot after the third character where more follow; the marks of the dagger and asterisk
system, and the hyphen that stands for a missing fourth character, are no part of the code and fall away (`E11.-`).
The WHO licenses its lists for reproduction without change (CC BY-ND 3.0 IGO), so none is shipped: only the form is
judged, and every well-formed code is UNKNOWN. Chapters need no list, for each is a range of categories.

The place of other systems of this family:

- A national variant (ICD-10-GM, -CA, -AM, -TM, ...) is one more `FormedSystem` in a file of its own, with its pattern,
  the chapters below and its list, and a line in deid/codes/__init__.py; its codes need a kind of their own only where
  one dataset holds both. ICD-10-CM, which has its list here, is deid/codes/icd10cm.py.
- ICD-11 shares neither codes nor chapters with ICD-10: its stem codes (`1A00`, `CA40.0Z`) and clusters
  (`2C25.2&XH9P11`) are a system, a kind and a shape of their own.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import Matching, OneOf
from deid.codes.base import UNMAPPED, Level
from deid.codes.formed import FormedSystem, Rung, codes_like, leading, shaped
from deid.codes.tabled import dotted, shape_of

NORMAL = r"[A-Z][0-9]{2}(?:\.[0-9]{1,3})?"
_SHAPE = shape_of("icd10")
# First and last category of each chapter: WHO, ICD-10, Volume 1, List of three-character categories.
CHAPTERS: tuple[tuple[str, str, str], ...] = (
    ("I", "A00", "B99"),
    ("II", "C00", "D48"),
    ("III", "D50", "D89"),
    ("IV", "E00", "E90"),
    ("V", "F00", "F99"),
    ("VI", "G00", "G99"),
    ("VII", "H00", "H59"),
    ("VIII", "H60", "H95"),
    ("IX", "I00", "I99"),
    ("X", "J00", "J99"),
    ("XI", "K00", "K93"),
    ("XII", "L00", "L99"),
    ("XIII", "M00", "M99"),
    ("XIV", "N00", "N99"),
    ("XV", "O00", "O99"),
    ("XVI", "P00", "P96"),
    ("XVII", "Q00", "Q99"),
    ("XVIII", "R00", "R99"),
    ("XIX", "S00", "T98"),
    ("XX", "V01", "Y98"),
    ("XXI", "Z00", "Z99"),
    ("XXII", "U00", "U99"),
)


def _normal(values: pa.Array) -> pa.Array:
    return dotted(pc.replace_substring_regex(shaped(values, _SHAPE), r"[^0-9A-Z]", ""), 3)


def _chapter(codes: pa.Array) -> pa.Array:
    category = leading(3)(codes)
    found = pa.nulls(len(codes), pa.string())
    for name, first, last in CHAPTERS:
        inside = pc.and_(pc.greater_equal(category, first), pc.less_equal(category, last))
        found = pc.if_else(pc.fill_null(inside, False), name, found)
    return found


ICD10 = FormedSystem(
    name="icd10",
    title="ICD-10 (WHO)",
    kinds=("icd10",),
    code=codes_like(NORMAL, "an ICD-10 code, with its dot"),
    normal=_normal,
    rungs=(
        Rung(
            Level(
                "category",
                Matching("[A-Z][0-9]{2}", "a letter and two digits"),
                "category: the first three characters",
            ),
            leading(3),
        ),
        Rung(
            Level(
                "chapter",
                OneOf(frozenset(name for name, _, _ in CHAPTERS) | {UNMAPPED}, "an ICD-10 chapter, or UNMAPPED"),
                "chapter, I to XXII",
            ),
            _chapter,
        ),
    ),
)
