"""Evaluate a cohort's predicates on typed rows.

What each predicate means is specified in docs/formats/request.md, section "cohort".
A null never matches.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.days import NO_DAY
from deid.documents.cohort import Predicate
from deid.schema import Column, Table
from deid.visits.columns import start_of_visit

Flags = npt.NDArray[np.bool_]
Days = npt.NDArray[np.int32]

_HIERARCHICAL = frozenset({"icd10cm", "icd10pcs", "icd10", "icd9cm", "icd_any"})
VISIT = "visit"  # no kind of a column: a period is about the first day of each visit
_SAME_KIND: dict[str, tuple[str, ...]] = {"service_date": ("service_date", "admit_date"), "age": ()}


def carriers(table: Table, predicate: Predicate) -> tuple[Column, ...]:
    """Return the columns of `table` on which `predicate` is evaluated; empty where the table does not carry it.

    A predicate on age is evaluated on the first day of the visit (and the birth date of the patient) where the table
    has one, else on a column of kind age. A period looks at the first day alone: a visit that lasts from one month
    into the next belongs to one of them.
    """
    start = start_of_visit(table)
    if predicate.kind == VISIT:
        return _starts_of_visit(table, start)
    if predicate.kind == "age":
        return (start,) if start is not None else tuple(table.of_kind("age"))
    return tuple(table.of_kind(*_SAME_KIND.get(predicate.kind, (predicate.kind,))))


def _starts_of_visit(table: Table, start: Column | None) -> tuple[Column, ...]:
    """Return the columns of which the first that is filled tells when a visit began.

    FHIR has one element for a day and another for a period, and a resource fills either.
    """
    if start is None:
        return ()
    is_tree = table.resource is not None and start.kind.name == "service_date"
    return tuple(table.of_kind("service_date"))[:3] if is_tree else (start,)


def matches(predicate: Predicate, column: Column, values: pa.Array, birth_days: Days) -> Flags:
    """Return which rows match; `values` typed, length n; `birth_days` int32 of shape (n,), NO_DAY where unknown."""
    if predicate.kind == "age" and column.kind.name != "age":
        ages = whole_years(birth_days, days_of(values))
        return _within(ages, ages >= 0, predicate.low, predicate.high)
    if predicate.codes:
        return code_matches(predicate, values)
    if pa.types.is_temporal(values.type):
        days = days_of(values)
        return _within(days, days != NO_DAY, _day(predicate.low), _day(predicate.high))
    numbers = values.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    return _within(numbers, ~np.isnan(numbers), predicate.low, predicate.high)


def code_matches(predicate: Predicate, values: pa.Array) -> Flags:
    """Return which codes, string array of length n, are one of the predicate's or, of a hierarchy, below one."""
    if isinstance(values, pa.DictionaryArray):
        matching = code_matches(predicate, values.dictionary)
        indices = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return np.asarray(np.append(matching, np.False_)[indices], bool)
    text = pc.utf8_upper(values.cast(pa.string()))
    hierarchical = predicate.kind in _HIERARCHICAL
    if hierarchical:
        text = pc.replace_substring(text, ".", "")
    found: Flags = np.zeros(len(values), bool)
    for code in predicate.codes:
        wanted = code.upper().replace(".", "") if hierarchical else code.upper()
        if hierarchical or wanted.endswith("*"):
            hit = pc.starts_with(text, wanted.rstrip("*"))
        else:
            hit = pc.equal(text, wanted)
        found |= pc.fill_null(hit, False).to_numpy(zero_copy_only=False)
    return found


def days_of(values: pa.Array) -> Days:
    """Return days since 1970-01-01 as int32, NO_DAY for null."""
    days = values.cast(pa.date32()).cast(pa.int32())
    return np.asarray(days.fill_null(NO_DAY).to_numpy(zero_copy_only=False), dtype=np.int32)


def whole_years(birth: Days, day: Days) -> npt.NDArray[np.int32]:
    """Return completed calendar years from `birth` to `day`, -1 where either is unknown or the order is wrong.

    A person born on 29 February completes a year on 1 March of common years.
    """
    born, on = birth.astype("datetime64[D]"), day.astype("datetime64[D]")
    born_month, on_month = born.astype("datetime64[M]"), on.astype("datetime64[M]")
    months = on_month.astype(np.int64) - born_month.astype(np.int64)
    not_yet = (on - on_month).astype(np.int64) < (born - born_month).astype(np.int64)
    years = (months - not_yet) // 12
    known = (birth != NO_DAY) & (day != NO_DAY) & (day >= birth)
    return np.where(known, years, -1).astype(np.int32)


def _within(values: npt.NDArray[Any], known: Flags, low: Any, high: Any) -> Flags:
    inside = known.copy()
    if low is not None:
        inside &= values >= low
    if high is not None:
        inside &= values <= high
    return inside


def _day(value: date | int | None) -> int | None:
    return (value - date(1970, 1, 1)).days if isinstance(value, date) else value
