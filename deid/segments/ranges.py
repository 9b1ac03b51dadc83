"""The ranges of codes by which a row belongs to a segment, and matching whole columns against them.

Matching forgives more than code systems do: dots, blanks and case do not matter, and a column of one revision of ICD
is held against the ranges of both, for columns lie about the revision. Lengths tell the revisions apart where letters
do not: V22 is a pregnancy in ICD-9-CM, and V22.0XXA a motorcycle in ICD-10-CM.
"""

from __future__ import annotations

import csv
import functools
import hashlib
from dataclasses import dataclass
from datetime import date
from importlib import resources

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.days import NO_DAY
from deid.schema import Column

VERSION = "2026.1"
_TABLE = "segments.csv"
_EPOCH = date(1970, 1, 1).toordinal()
_ALWAYS = (np.iinfo(np.int32).min + 1, np.iinfo(np.int32).max)
Bools = npt.NDArray[np.bool_]
Days = npt.NDArray[np.int32]

# Which ranges a column of a kind is held against; procedures of ICD-9-CM are told by the column's use alone.
_DIAGNOSES, _PROCEDURES = ("icd10cm", "icd9cm"), ("icd10pcs", "icd9cm_procedure")
_HELD_AGAINST = {
    "icd10cm": _DIAGNOSES,
    "icd10": ("icd10cm",),
    "icd9cm": _DIAGNOSES,
    "icd_any": _DIAGNOSES,
    "icd10pcs": ("icd10pcs",),
    "cpt": ("cpt",),
    "hcpcs": ("cpt",),
    "drg": ("drg",),
    "revenue_code": ("revenue_code",),
}
_LONGEST = {"icd9cm": 5, "icd9cm_procedure": 4}
_PCS = 7  # characters of every code of ICD-10-PCS
_WIDTHS = {"drg": 3, "revenue_code": 4}  # numbers whose leading zeros get lost


@dataclass(frozen=True, slots=True)
class Range:
    """Codes of a system whose first characters lie from `first` to `last`; `since` and `until`: days since 1970."""

    system: str
    first: str
    last: str
    since: int
    until: int
    what: str

    @property
    def is_dated(self) -> bool:
        """Whether it means its segment on some days only."""
        return (self.since, self.until) != _ALWAYS


@functools.cache
def _bytes() -> bytes:
    return resources.files("deid.data").joinpath(_TABLE).read_bytes()


@functools.cache
def segments() -> dict[str, tuple[Range, ...]]:
    """Return the ranges of each segment that is told by codes, in the order of the file."""
    rows = csv.DictReader(line for line in _bytes().decode().splitlines() if not line.startswith("#"))
    found: dict[str, tuple[Range, ...]] = {}
    for row in rows:
        days = (_day(row["since"], _ALWAYS[0]), _day(row["until"], _ALWAYS[1]))
        one = Range(row["system"], row["first"], row["last"], *days, row["what"])
        found[row["segment"]] = (*found.get(row["segment"], ()), one)
    return found


def segment_names() -> tuple[str, ...]:
    """Return the names of the segments that are told by codes, sorted."""
    return tuple(sorted(segments()))


def digest() -> str:
    """Return the SHA-256 (hex) of the ranges."""
    return hashlib.sha256(_bytes()).hexdigest()


def ranges_of(segment: str, column: Column) -> tuple[Range, ...]:
    """Return the ranges of a segment that a column is held against, none where it cannot tell."""
    systems = _HELD_AGAINST.get(column.kind.name, ())
    if column.use == "procedure" and column.kind.name in ("icd9cm", "icd_any"):
        systems = _PROCEDURES
    return tuple(r for r in segments().get(segment, ()) if r.system in systems)


def told(segment: str, column: Column, values: pa.Array, on: Days | None) -> Bools:
    """Return which codes, string array (n,), belong to a segment on their days, int32 (n,), NO_DAY where unknown.

    Without days a code belongs only by ranges that mean the segment on any day.
    """
    if isinstance(values, pa.DictionaryArray):
        places = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        found = np.zeros(len(values), bool)
        texts = _plain_codes(column, values.dictionary)
        for held in ranges_of(segment, column):
            among = np.append(_within(held, column, texts), np.False_)[places]
            found |= among & _in_force(held, on, len(values))
        return found
    texts = _plain_codes(column, values)
    found = np.zeros(len(values), bool)
    for held in ranges_of(segment, column):
        found |= _within(held, column, texts) & _in_force(held, on, len(values))
    return found


def _plain_codes(column: Column, values: pa.Array) -> pa.Array:
    texts = pc.replace_substring_regex(pc.utf8_upper(values.cast(pa.string())), "[^A-Z0-9]", "")
    width = _WIDTHS.get(column.kind.name)
    if width is None:
        return texts
    short = pc.utf8_lpad(texts, width, "0")
    return pc.utf8_slice_codeunits(short, -width) if column.kind.name == "drg" else short


def _within(held: Range, column: Column, texts: pa.Array) -> Bools:
    low = pc.greater_equal(pc.utf8_slice_codeunits(texts, 0, len(held.first)), held.first)
    high = pc.less_equal(pc.utf8_slice_codeunits(texts, 0, len(held.last)), held.last)
    # A shorter code than the range begins with is a heading above it, and may be of something else.
    length = pc.utf8_length(texts)
    whole = pc.greater_equal(length, len(held.first))
    if held.system in _LONGEST:
        whole = pc.and_(whole, pc.less_equal(length, _LONGEST[held.system]))
    if held.system == "icd10pcs" and column.kind.name != "icd10pcs":
        whole = pc.and_(whole, pc.equal(length, _PCS))
    return np.asarray(pc.fill_null(pc.and_(whole, pc.and_(low, high)), False).to_numpy(zero_copy_only=False), bool)


def _in_force(held: Range, on: Days | None, rows: int) -> Bools:
    if on is None:
        return np.full(rows, not held.is_dated, bool)
    return np.asarray((on == NO_DAY) | ((held.since <= on) & (on <= held.until)), bool)


def _day(text: str, without: int) -> int:
    return date.fromisoformat(text).toordinal() - _EPOCH if text else without
