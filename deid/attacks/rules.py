"""What the manifest tells of each column, applied to what an attacker knows: the rules of a release are public.

Where a rule is not known by its name, what was released is taken to stand above what is known: of a code the finest
released code above it, by the hierarchy of its system, which anybody can look up.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from deid.cells.days import NO_DAY, number_of, years_before
from deid.cells.shapes import wellformed
from deid.codes import system_of
from deid.codes.base import UNMAPPED
from deid.documents.period import parse_period
from deid.errors import DeidError
from deid.kinds import KINDS
from deid.release.manifest import ColumnEntry, Manifest
from deid.schema import Column
from deid.transforms import Context, Transform, build
from deid.transforms.keep import Keep

_OLD = 90
# An offset is the patient's own, and a map of codes is told by what it released; the other rules are told in full.
_NOT_FROM_OUTSIDE = frozenset({"drop", "shift_date", "map_codes", "pseudonymize", "redact_note"})
_OTHER = "OTHER"  # what a map may write for a rare code of a system without coarser levels


def rule_of(entry: ColumnEntry) -> Transform | None:
    """Return the rule of a column as its manifest spells it, None for one that is not known by that name."""
    name, _, rest = entry.transform.partition(": ")
    options = {}
    for part in rest.split(", ") if rest else ():
        key, colon, value = part.rpartition(": ")
        options[key if colon else ""] = yaml.safe_load(value)
    try:
        return build(name, options)
    except (ValueError, TypeError):
        return None


def as_released(
    entry: ColumnEntry, manifest: Manifest, values: pa.Array, birth_day: npt.NDArray[np.int32]
) -> pa.Array | None:
    """Return what known values would have become in a column; None where its rule cannot be applied from outside.

    `values` as the source holds them, of the type their kind is parsed to; `birth_day` of the same people.
    """
    rule = rule_of(entry)
    kind = KINDS.get(entry.kind)
    if rule is None or kind is None or rule.name in _NOT_FROM_OUTSIDE:
        return None
    judged = manifest.reference_date or manifest.created
    limit = number_of(years_before(judged, _OLD))
    count = len(values)
    context = Context(
        patient=np.arange(count, dtype=np.int32),
        offset_days=np.zeros(count, np.int32),
        aged=(birth_day <= limit) & (birth_day != NO_DAY),
        pseudonym=_unknown,
        redact=lambda notes: _unknown("notes", notes),
        window=None,
        reference_year=judged.year,
    )
    column = Column(entry.name, kind)
    try:
        told = Keep().apply(column, values, context) if rule.name == "keep" else rule.apply(column, values, context)
    except (_UnknownError, DeidError, pa.ArrowException, AttributeError, TypeError):
        return None
    return told.dictionary_decode() if isinstance(told, pa.DictionaryArray) else told


def finest_above(kind: str, codes: pa.Array, released: pa.Array) -> pa.Array:
    """Return for each code the finest of the released values that stands above it, or is it; null where none does."""
    system = system_of(kind)
    if system is None:
        return pc.if_else(pc.is_in(codes, value_set=released), codes, pa.scalar(None, pa.string()))
    shaped = wellformed(KINDS[kind], codes)
    found = pa.nulls(len(codes), pa.string())
    # From coarse to fine, so that the finest level stands in the end.
    for level in reversed(system.levels):
        above = system.roll_up(shaped, level.name)
        there = pc.and_(pc.is_in(above, value_set=released), pc.not_equal(above, UNMAPPED))
        found = pc.if_else(pc.fill_null(there, False), above, found)
    found = pc.if_else(pc.is_in(codes, value_set=released), codes, found)
    rest = pc.and_(pc.is_null(found), pc.and_(pc.is_valid(codes), pc.is_in(pa.scalar(_OTHER), value_set=released)))
    return pc.if_else(rest, pa.scalar(_OTHER), found)


def last_day(manifest: Manifest) -> int:
    """Return the last day that a release may be about: the end of its period, else the day it was made."""
    last: date = parse_period(manifest.period).last if manifest.period else manifest.created
    return number_of(last)


class _UnknownError(Exception):
    """A rule asked for what only the site knows."""


def _unknown(_kind: str, _values: pa.Array) -> pa.Array:
    raise _UnknownError
