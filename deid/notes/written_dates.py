"""Dates as people write them: from the record to a day, and from a text back to every day it may mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from deid.notes.words import MONTHS

_ORDINALS = frozenset({"st", "nd", "rd", "th", "of", "the"})
_DATE_GAP = re.compile(r"\s{0,3}[/.,\-]?\s{0,3}'?")
_WRITTEN_DATES = ("%Y-%m-%d", "%Y%m%d", "%m/%d/%Y", "%d-%b-%Y")


class Tokens(NamedTuple):
    """A folded text in runs: what they are in lower case, the same with street words in one spelling, and where."""

    plain: str
    words: list[str]
    spelled: list[str]
    starts: list[int]
    ends: list[int]


def parse_date(value: str) -> date | None:
    """Return the day that `value` writes (ISO 8601 with or without a time, yyyymmdd, m/d/yyyy, dd-Mon-yyyy) or None."""
    head = value.strip().replace("T", " ").split(" ")[0]
    for form in _WRITTEN_DATES:
        try:
            return datetime.strptime(head, form).date()  # noqa: DTZ007 - a calendar day has no zone
        except ValueError:
            continue
    return None


def dates_at(tokens: Tokens, at: int) -> Iterable[tuple[int, int, int, int]]:
    """Yield (end, year, month, day) for every way to read a full date that begins at run `at`.

    A year of two digits is given as such.
    """
    word = tokens.words[at]
    if word.isdigit() and len(word) in (6, 8):
        return _compact_dates(word, tokens.ends[at])
    parts, marks, end = _three_parts(tokens, at)
    numbers = [MONTHS.get(part, int(part) if part.isdigit() and len(part) <= 4 else -1) for part in parts]
    if len(numbers) < 3 or min(numbers) < 0:
        return ()
    a, b, c = numbers
    # Without the name of a month in front, one mark between all three: "3/4, 1950" is no date.
    even = marks[0] == marks[1] and marks[0] in ("", "/", "-", ".")
    if len(parts[0]) == 4 and parts[0].isdigit():
        return ((end, a, b, c),) if even else ()
    if not (len(parts[2]) in (2, 4) and parts[2].isdigit()):
        return ()
    month_first, day_first = (end, c, a, b), (end, c, b, a)
    if parts[0].isalpha() or parts[1].isalpha():
        return (month_first,) if parts[0].isalpha() else (day_first,)
    return (month_first, day_first) if even else ()


def _three_parts(tokens: Tokens, at: int) -> tuple[list[str], list[str], int]:
    """Return up to three runs from `at` on, ordinal endings passed over, the marks between them, and their end."""
    parts: list[str] = []
    marks: list[str] = []
    mark, end = "", tokens.ends[at]
    for k in range(at, min(at + 6, len(tokens.words))):
        gap = tokens.plain[tokens.ends[k - 1] : tokens.starts[k]] if k > at else ""
        if len(parts) == 3 or not _DATE_GAP.fullmatch(gap):
            break
        mark += gap.strip()
        if not (parts and tokens.words[k] in _ORDINALS):
            marks += [mark] if parts else []
            parts.append(tokens.words[k])
            mark, end = "", tokens.ends[k]
    return parts, marks, end


def _compact_dates(word: str, end: int) -> Iterable[tuple[int, int, int, int]]:
    if len(word) == 8:
        yield end, int(word[:4]), int(word[4:6]), int(word[6:])
        yield end, int(word[4:]), int(word[:2]), int(word[2:4])
    else:
        yield end, int(word[4:]), int(word[:2]), int(word[2:4])


def date_triggers(dates: Iterable[tuple[int, int, int]]) -> Iterable[str]:
    """Yield every run with which one of `dates` (year, month, day) can begin in a text."""
    for year, month, day in dates:
        yield from (f"{month}", f"{month:02}", f"{day}", f"{day:02}", f"{year:04}", f"{year % 100:02}")
        yield from (name for name, number in MONTHS.items() if number == month)
        yield from (
            f"{year:04}{month:02}{day:02}",
            f"{month:02}{day:02}{year:04}",
            f"{month:02}{day:02}{year % 100:02}",
        )
