"""National Drug Code, assigned by the FDA: labeler, product and package.

The normal form is that of HIPAA transactions, eleven digits without hyphens (5-4-2). Codes with hyphens are padded
segment by segment: 4-4-2, 5-3-2 and 5-4-1 (21 CFR 207.33). Ten digits without hyphens may be any of the three, so they
are never padded: they are well formed, UNKNOWN, without a normal form, and UNMAPPED at every level. An asterisk, which
older files of the FDA write for a padded digit, is read as 0 where a 5-4-2 code would be padded, and nowhere else.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import Matching
from deid.codes.base import UNMAPPED, Level
from deid.codes.formed import FormedSystem, Rung, shaped

_HYPHENS = "[0-9]{4,5}-[0-9]{4}-[0-9]{2}|[0-9]{5}-[0-9]{3}-[0-9]{2}|[0-9]{5}-[0-9]{4}-[0-9]"
_ASTERISK = "|".join(
    f"[*][0-9]{{4}}{mark}[0-9]{{4}}{mark}[0-9]{{2}}"
    f"|[0-9]{{5}}{mark}[*][0-9]{{3}}{mark}[0-9]{{2}}"
    f"|[0-9]{{5}}{mark}[0-9]{{4}}{mark}[*][0-9]"
    for mark in ("", "-")
)


def normal(values: pa.Array) -> pa.Array:
    """Return eleven digits for each code that can be read in one way, null otherwise."""
    text = shaped(values, f"[0-9]{{11}}|{_HYPHENS}|{_ASTERISK}")
    whole = pc.replace_substring(text, "*", "0")
    parts = pc.extract_regex(whole, "^(?P<labeler>[0-9]+)-(?P<product>[0-9]+)-(?P<package>[0-9]+)$")
    padded = pc.binary_join_element_wise(
        pc.utf8_lpad(pc.struct_field(parts, "labeler"), 5, "0"),
        pc.utf8_lpad(pc.struct_field(parts, "product"), 4, "0"),
        pc.utf8_lpad(pc.struct_field(parts, "package"), 2, "0"),
        "",
    )
    return pc.coalesce(padded, whole)


def _ambiguous(values: pa.Array) -> pa.Array:
    return pc.is_valid(shaped(values, "[0-9]{10}"))


def _product(codes: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(_labeler(codes), pc.utf8_slice_codeunits(codes, 5, 9), "-")


def _labeler(codes: pa.Array) -> pa.Array:
    return pc.utf8_slice_codeunits(codes, 0, 5)


def _level(name: str, pattern: str, words: str) -> Level:
    return Level(name, Matching(f"{pattern}|{UNMAPPED}", f"{words}, or UNMAPPED"), words)


NDC = FormedSystem(
    name="ndc",
    title="National Drug Code",
    kinds=("ndc",),
    code=_level("code", "[0-9]{11}", "NDC in eleven digits: labeler, product, package"),
    normal=normal,
    rungs=(
        Rung(_level("product", "[0-9]{5}-[0-9]{4}", "labeler and product of the NDC, without the package"), _product),
        Rung(_level("labeler", "[0-9]{5}", "labeler of the NDC: who makes, packs or distributes the drug"), _labeler),
    ),
    unsure=_ambiguous,
)
