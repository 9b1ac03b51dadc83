"""Columns of days: when codes were billable, and when they were headings over finer codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date

import pyarrow as pa

from deid.codes.building.medicare import NEXT_DAY

Days = tuple[date, date]


def headings(billable: Mapping[str, tuple[Days, ...]], above: Callable[[str], Iterable[str]]) -> dict[str, Days]:
    """Return for each heading the first day on which any code under it was billable, and the last."""
    found: dict[str, Days] = {}
    for code, spans in billable.items():
        first, last = spans[0][0], spans[-1][1]
        for heading in above(code):
            known = found.get(heading, (first, last))
            found[heading] = (min(known[0], first), max(known[1], last))
    return found


def day_columns(
    codes: list[str], billable: Mapping[str, tuple[Days, ...]], above: Mapping[str, Days]
) -> dict[str, pa.Array]:
    """Return first, last, gap and heading columns for `codes`; raise ValueError for a code with two gaps."""
    if any(len(spans) > 2 for spans in billable.values()):
        raise ValueError("a code was interrupted twice, which no column holds")
    gaps = {
        code: (spans[0][1] + NEXT_DAY, spans[1][0] - NEXT_DAY) for code, spans in billable.items() if len(spans) > 1
    }
    whole = {code: (spans[0][0], spans[-1][1]) for code, spans in billable.items()}
    columns = _pair("first", "last", codes, whole)
    if gaps:
        columns |= _pair("gap_first", "gap_last", codes, gaps)
    return columns | (_pair("heading_first", "heading_last", codes, above) if above else {})


def _pair(first: str, last: str, codes: list[str], spans: Mapping[str, Days]) -> dict[str, pa.Array]:
    found = [spans.get(code, (None, None)) for code in codes]
    return {
        first: pa.array([pair[0] for pair in found], pa.date32()),
        last: pa.array([pair[1] for pair in found], pa.date32()),
    }


def words(values: Iterable[str | None]) -> pa.Array:
    """Return strings, dictionary-encoded, for columns of few values."""
    return pa.array(values, pa.string()).dictionary_encode()
