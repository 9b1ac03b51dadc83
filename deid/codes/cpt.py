"""CPT, kept by the American Medical Association, and columns that hold CPT and HCPCS Level II side by side.

Form and number ranges only: neither codes nor descriptors of CPT are shipped. A site adds the file that it has licensed
(docs/formats/code-list.md). Names of sections and of parts of surgery are plain words for ranges of numbers, which
overlap with nothing and also hold codes that are no longer in use.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import OneOf
from deid.codes import hcpcs
from deid.codes.base import UNMAPPED, Level
from deid.codes.formed import FormedSystem, Rung, codes_like, spelled

# Category I are five digits; F is Category II, T Category III, U proprietary laboratory analyses, M administrative
# codes of multianalyte assays, A the administration of coronavirus vaccines.
_CPT = "[0-9]{4}[0-9FTUMA]"
PATTERN = f"{_CPT}|{hcpcs.PATTERN}"
_BY_LETTER = {
    "F": "Category II: performance measures",
    "T": "Category III: emerging technology",
    "U": "Proprietary laboratory analyses",
    "M": "Multianalyte assays, administrative codes",
    "A": "Medicine",
}
# The first number of each range; a range ends where the next begins, and None begins a gap.
_SECTIONS: tuple[tuple[int, str | None], ...] = (
    (0, None),
    (100, "Anesthesia"),
    (2_000, None),
    (10_000, "Surgery"),
    (70_000, "Radiology"),
    (80_000, "Pathology and laboratory"),
    (90_000, "Medicine"),
    (98_000, "Evaluation and management"),  # telemedicine, since 2025
    (98_017, "Medicine"),
    (99_100, "Anesthesia"),  # qualifying circumstances
    (99_150, "Medicine"),
    (99_200, "Evaluation and management"),
    (99_500, "Medicine"),
)
_SURGERY: tuple[tuple[int, str | None], ...] = (
    (10_000, "general and integumentary"),
    (20_000, "musculoskeletal"),
    (30_000, "respiratory"),
    (33_000, "cardiovascular"),
    (38_000, "hemic and lymphatic"),
    (39_000, "mediastinum and diaphragm"),
    (40_000, "digestive"),
    (50_000, "urinary"),
    (54_000, "male genital"),
    (55_920, "other reproductive"),
    (56_405, "female genital"),
    (59_000, "maternity care"),
    (60_000, "endocrine"),
    (61_000, "nervous"),
    (65_000, "eye"),
    (69_000, "ear"),
    (69_990, "operating microscope"),
)
_SUBSECTIONS = tuple(
    sorted([*_SECTIONS, *((first, f"Surgery: {part}") for first, part in _SURGERY)], key=lambda row: row[0])
)
_SUBSECTIONS = tuple(row for row in _SUBSECTIONS if row[1] != "Surgery")
_HCPCS_FAMILIES = tuple(f"HCPCS {letter}" for letter in hcpcs.LETTERS)


def section(codes: pa.Array) -> pa.Array:
    """Return the section of each CPT code in normal form, `HCPCS` and the letter for HCPCS; null where none has it."""
    return _named(codes, _SECTIONS)


def subsection(codes: pa.Array) -> pa.Array:
    """Return the body system of surgery, and for all other codes what `section` returns."""
    return _named(codes, _SUBSECTIONS)


def _named(codes: pa.Array, ranges: tuple[tuple[int, str | None], ...]) -> pa.Array:
    five = pc.match_substring_regex(codes, "^[0-9]{5}$")
    numbers = pc.fill_null(pc.if_else(five, codes, "0").cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    places = np.searchsorted([first for first, _ in ranges], numbers, side="right") - 1
    by_number = pa.array([name for _, name in ranges], pa.string()).take(pa.array(places))
    last = pc.utf8_slice_codeunits(codes, -1)
    by_letter = pa.array(_BY_LETTER.values(), pa.string()).take(
        pc.index_in(last, value_set=pa.array(_BY_LETTER, pa.string()))
    )
    family = pc.utf8_slice_codeunits(codes, 0, 1)
    level_two = pa.array(_HCPCS_FAMILIES, pa.string()).take(
        pc.index_in(family, value_set=pa.array(hcpcs.LETTERS, pa.string()))
    )
    leads = pc.match_substring_regex(codes, "^[A-Z]")
    return pc.case_when(pc.make_struct(five, leads), by_number, level_two, by_letter)


def _rung(name: str, ranges: tuple[tuple[int, str | None], ...], words: str) -> Rung:
    names = {name for _, name in ranges if name is not None}
    domain = OneOf(frozenset(names | set(_BY_LETTER.values()) | set(_HCPCS_FAMILIES) | {UNMAPPED}), words)
    return Rung(Level(name, domain, words), section if name == "section" else subsection)


CPT = FormedSystem(
    name="cpt",
    title="CPT",
    kinds=("cpt",),
    code=codes_like(PATTERN, "CPT: five characters; or HCPCS: a letter and four digits"),
    normal=spelled(PATTERN),
    rungs=(
        _rung("subsection", _SUBSECTIONS, "section of CPT, surgery by body system; or HCPCS and its letter"),
        _rung("section", _SECTIONS, "section of CPT by number; or HCPCS and its letter"),
    ),
)
