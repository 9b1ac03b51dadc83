"""ICD-10-PCS, procedures of hospitals in the United States since 2015-10-01, kept by CMS.

Normal form: seven capitals and digits, without dot. Every character is an axis of its own, so a prefix is a heading by
construction and there are no codes of headings. An unknown code keeps the prefixes that some code of the list has.
"""

from __future__ import annotations

import functools

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import Matching
from deid.codes.base import Level
from deid.codes.formed import shaped
from deid.codes.tabled import Lift, TabledSystem, TableRung, shape_of
from deid.codes.tables import CodeTable

NORMAL = "[0-9A-HJ-NP-Z]{7}"
_SHAPE = shape_of("icd10pcs")


@functools.cache
def prefixes(table: CodeTable, length: int) -> frozenset[str]:
    """Return the first `length` characters of every code of the table."""
    codes = table.rows.column("code").chunk(0)
    return frozenset(pc.unique(pc.utf8_slice_codeunits(codes, 0, length)).to_pylist())


def _cut(length: int) -> Lift:
    def lift(table: CodeTable, codes: pa.Array) -> pa.Array:
        cut = pc.utf8_slice_codeunits(codes, 0, length)
        known = pc.is_in(cut, value_set=pa.array(sorted(prefixes(table, length)), cut.type))
        return pc.if_else(known, cut, pa.scalar(None, cut.type))

    return lift


def _rung(name: str, length: int, meaning: str) -> TableRung:
    words = f"{length} leading characters of ICD-10-PCS codes, or UNMAPPED"
    return TableRung(name, meaning, words, _cut(length), lambda table: prefixes(table, length))


ICD10PCS = TabledSystem(
    name="icd10pcs",
    title="ICD-10-PCS",
    kinds=("icd10pcs",),
    table_name="icd10pcs",
    code=Level("code", Matching(NORMAL, "an ICD-10-PCS code"), "the code itself"),
    normal=lambda values: shaped(values, _SHAPE),
    rungs=(
        _rung("operation", 3, "section, body system and root operation (or type): the first three characters"),
        _rung("body_system", 2, "section and body system: the first two characters"),
        _rung("section", 1, "section: the first character"),
    ),
    ladder=("operation", "body_system", "section"),
)
