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

from deid.cells.days import NO_DAY
from deid.cells.text_cells import without_fraction
from deid.schema import Column

VERSION = "2026.2"
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
    "modifier": ("modifier",),
    "place_of_service": ("place_of_service",),
    "discharge_status": ("discharge_status",),
}
_LONGEST = {"icd9cm": 5, "icd9cm_procedure": 4}
_PCS = 7  # characters of every code of ICD-10-PCS
# Numbers whose leading zeros get lost: HIV was 042 in ICD-9-CM.
_WIDTHS = {"drg": 3, "revenue_code": 4, "icd9cm": 3, "icd10cm": 3, "icd_any": 3, "place_of_service": 2}
_BETWEEN = r"[|;,/^:~\s-]+"  # what stands between the codes of one cell, and behind the name of a system


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


def told(segment: str, column: Column, values: pa.Array, first: Days | None, last: Days | None = None) -> Bools:
    """Return which codes, string array (n,), belong to a segment on a day of their visits, NO_DAY where unknown.

    `first`, `last`: the days from which to which visits were, int32 (n,); one of them alone stands for both, for stays
    are coded by the rules of their last day and other visits by those of their first. Without days a code belongs only
    by ranges that mean the segment on any day.
    """
    days = None if first is None else _both(first, last if last is not None else first)
    is_listed = isinstance(values, pa.DictionaryArray)
    entries = (values.dictionary if is_listed else values).cast(pa.string())
    texts, (several, parts) = _plain_codes(column, entries), _parts(column, entries)
    found = np.zeros(len(values), bool)
    for held in ranges_of(segment, column):
        among = _within(held, column, texts)
        among[several[_within(held, column, parts)]] = True
        if is_listed:
            among = np.append(among, np.False_)[values.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        found |= among & _in_force(held, days, len(values))
    return found


def _parts(column: Column, entries: pa.Array) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Return the codes of cells that hold several, or other words beside one, and the place of each one's cell."""
    several = np.flatnonzero(pc.fill_null(pc.match_substring_regex(entries, _BETWEEN), False).to_numpy(False))
    lists = pc.split_pattern_regex(entries.take(pa.array(several)), _BETWEEN)
    parents = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    return several[parents], _plain_codes(column, pc.list_flatten(lists))


def _plain_codes(column: Column, values: pa.Array) -> pa.Array:
    kind, texts = column.kind.name, pc.utf8_upper(values)
    width = _WIDTHS.get(kind)
    if kind == "drg":  # 897V38, 0897 and MS-DRG 897 are one
        texts = pc.replace_substring_regex(texts, "^[^0-9]*0*([0-9]*).*$", r"\1")
    elif width is not None and column.use != "procedure":
        texts = without_fraction(texts)
    texts = pc.replace_substring_regex(texts, "[^A-Z0-9]", "")
    if width is None or column.use == "procedure":
        return texts
    return pc.if_else(pc.match_substring_regex(texts, "^[0-9]+$"), pc.utf8_lpad(texts, width, "0"), texts)


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
    return np.array(pc.fill_null(pc.and_(whole, pc.and_(low, high)), False).to_numpy(zero_copy_only=False), bool)


def _both(first: Days, last: Days) -> tuple[Days, Days]:
    """Return the first and last days, the one in the place of the other where it is unknown or they are exchanged."""
    first, last = np.where(first == NO_DAY, last, first), np.where(last == NO_DAY, first, last)
    return np.minimum(first, last), np.maximum(first, last)


def _in_force(held: Range, days: tuple[Days, Days] | None, rows: int) -> Bools:
    if days is None:
        return np.full(rows, not held.is_dated, bool)
    first, last = days
    return np.asarray((first == NO_DAY) | ((held.since <= last) & (first <= held.until)), bool)


def _day(text: str, without: int) -> int:
    return date.fromisoformat(text).toordinal() - _EPOCH if text else without
