"""Dates as people and systems write them, to days since 1970-01-01; the written day is taken, never converted.

The usual layouts are read by position, a whole column at a time; what does not fit is tried once more, trimmed and by
pattern, on distinct values only. One cell's result never depends on the other cells.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import gather, spans, validity
from deid.cells.days import FIRST_DAY, FIRST_YEAR, LAST_DAY, LAST_YEAR, number_of, number_of_day

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
One = Callable[[str], int | None]

_ZONE = r"(?: ?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?))?"
_TIME = rf"[Tt ](?:[01][0-9]|2[0-4]):[0-5][0-9](?::[0-6][0-9](?:[.,][0-9]{{1,9}})?)?{_ZONE}"
_HL7_TIME = (
    r"(?:(?:[01][0-9]|2[0-4])(?:[0-5][0-9](?:[0-5][0-9](?:\.[0-9]{1,9})?)?)?)?"
    r"(?:[+-][0-9]{4})?"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Month by name: three letters as one number in base 26; 0 is no month. English, whatever the process's locale.
_MONTH_OF = np.zeros(26**3, np.int64)
for _number, _name in enumerate(_MONTHS, start=1):
    _MONTH_OF[int(np.dot([ord(letter) - ord("a") for letter in _name], [676, 26, 1]))] = _number
# For each month from January 1800 on: its first day, and at the end the first day after December 2200.
_EDGES = np.array([number_of_day(n // 12, n % 12 + 1, 1) for n in range(FIRST_YEAR * 12, (LAST_YEAR + 1) * 12 + 1)])


@dataclass(frozen=True, slots=True)
class Layout:
    """A fixed layout: its width, where year, month and day begin, where which mark stands, and a pattern.

    `named`: the month is three letters. `with_time` is what a value matches that is longer, for a time follows the day.
    `pattern` is matched against what is not exactly in the layout, trimmed.
    """

    width: int
    year: int
    month: int
    day: int
    marks: tuple[tuple[int, str], ...]
    pattern: re.Pattern[str]
    named: bool = False
    with_time: str = ""


LAYOUTS = {
    "iso": Layout(
        10,
        year=0,
        month=5,
        day=8,
        marks=((4, "-"), (7, "-")),
        pattern=re.compile(rf"(?P<y>[0-9]{{4}})-(?P<m>[0-9]{{2}})-(?P<d>[0-9]{{2}})(?:{_TIME})?"),
        with_time=rf"^[0-9-]{{10}}{_TIME}$",
    ),
    # Eight digits and no other form: with seven it is not known where the month ends.
    "%Y%m%d": Layout(
        8, year=0, month=4, day=6, marks=(), pattern=re.compile(r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})")
    ),
    # HL7 v2.8, chapter 2.A.22: of any precision; what is less than a day is none, and the day is the written one.
    "hl7": Layout(
        8,
        year=0,
        month=4,
        day=6,
        marks=(),
        pattern=re.compile(rf"(?P<y>[0-9]{{4}})(?P<m>[0-9]{{2}})(?P<d>[0-9]{{2}}){_HL7_TIME}"),
        with_time=rf"^[0-9]{{8}}{_HL7_TIME}$",
    ),
    "%m/%d/%Y": Layout(
        10,
        year=6,
        month=0,
        day=3,
        marks=((2, "/"), (5, "/")),
        pattern=re.compile(r"(?P<m>[0-9]{1,2})/(?P<d>[0-9]{1,2})/(?P<y>[0-9]{4})"),
    ),
    "%d-%b-%Y": Layout(
        11,
        year=7,
        month=3,
        day=0,
        marks=((2, "-"), (6, "-")),
        pattern=re.compile(r"(?P<d>[0-9]{1,2})-(?P<m>[A-Za-z]{3})-(?P<y>[0-9]{4})"),
        named=True,
    ),
}


def is_date_format(text: str) -> bool:
    """Whether `text` is `iso` or a strptime pattern that says a whole day, with a year of four digits."""
    if text in LAYOUTS:
        return True
    probe = datetime(1935, 11, 23, tzinfo=UTC)  # two digits of a year come back as 2035
    try:
        return datetime.strptime(probe.strftime(text), text).date() == probe.date()  # noqa: DTZ007 - only its day
    except ValueError:
        return False


def parse_dates(values: pa.StringArray, date_format: str) -> tuple[pa.Array, Flags]:
    """Return a date32 array, and True where a cell is neither null nor blank nor a day from 1800 to 2200."""
    if date_format == "iso" and (at_once := _plain_iso(values)) is not None:
        return at_once, np.zeros(len(values), np.bool_)
    days, good, bad = _days_of_texts(values, date_format)
    return as_dates(days, good), bad


def as_dates(days: Numbers, good: Flags) -> pa.Array:
    """Return day numbers as date32, null where not good."""
    return pa.array(days.astype(np.int32), mask=None if good.all() else ~good).cast(pa.date32())


def _plain_iso(values: pa.StringArray) -> pa.Array | None:
    """Return the dates where every value is exactly 2020-01-31, or 2020-01-31T10:11:12Z; None where one is not.

    Arrow reads these forms some ten times faster. It accepts nothing of these lengths that the layout would refuse,
    and at Z its day is the written one.
    """
    shape = pc.min_max(pc.binary_length(values)).as_py()
    if shape["min"] != shape["max"] or shape["min"] not in (10, 20):
        return None
    try:
        if shape["min"] == 10:
            dates = pc.cast(values, pa.date32())
        elif pc.all(pc.ends_with(values, "Z")).as_py():
            dates = pc.cast(pc.cast(values, pa.timestamp("s", "UTC")), pa.date32())
        else:
            return None
    except pa.ArrowInvalid:  # its message quotes the cell
        return None
    span = pc.min_max(dates.cast(pa.int32())).as_py()
    return dates if span["min"] >= FIRST_DAY and span["max"] <= LAST_DAY else None


def _days_of_texts(values: pa.StringArray, date_format: str) -> tuple[Numbers, Flags, Flags]:
    """Return days since 1970-01-01, which rows are good, and which are bad; null and blank rows are neither."""
    layout = LAYOUTS.get(date_format)
    if layout is None:
        count = len(values)
        days, good, missing = np.zeros(count, np.int64), np.zeros(count, np.bool_), ~validity(values)
        one: One = functools.partial(_by_strptime, date_format=date_format)
    else:
        starts, lengths, data = spans(values, padding=layout.width)
        days, good = _by_position(layout, gather(data, starts, layout.width))
        good &= (lengths == layout.width) | _with_time(values, layout, lengths)
        missing = lengths == 0
        one = functools.partial(_by_pattern, layout=layout)
    left = np.flatnonzero(~good & ~missing)
    if len(left):
        days[left], good[left], missing[left] = _distinct(values.take(pa.array(left)), one)
    return days, good, ~good & ~missing


def _by_position(layout: Layout, text: Bytes) -> tuple[Numbers, Flags]:
    """Read an (n, width) matrix of characters; a row that is not in the layout, or no day at all, is not good."""
    rows = np.ascontiguousarray(text.T)
    good = np.ones(text.shape[0], np.bool_)
    for place, mark in layout.marks:
        good &= rows[place] == ord(mark)

    def number(start: int, length: int) -> Numbers:
        total = np.zeros(text.shape[0], np.int32)
        for row in rows[start : start + length]:
            digit = row - np.uint8(ord("0"))  # wraps around below "0", so one comparison tells a digit
            np.logical_and(good, digit <= 9, out=good)
            total = total * 10 + digit
        return total.astype(np.int64)

    year, day = number(layout.year, 4), number(layout.day, 2)
    month = _named_month(rows[layout.month : layout.month + 3], good) if layout.named else number(layout.month, 2)
    return _days(year, month, day, good)


def _named_month(letters: Bytes, good: Flags) -> Numbers:
    code = np.zeros(letters.shape[1], np.int32)
    for row in letters:
        letter = (row | np.uint8(0x20)) - np.uint8(ord("a"))
        np.logical_and(good, letter < 26, out=good)
        code = code * 26 + np.minimum(letter, 25)
    return _MONTH_OF[code]


def _days(year: Numbers, month: Numbers, day: Numbers, good: Flags) -> tuple[Numbers, Flags]:
    """Return the day numbers, and `good` without impossible days such as 2023-02-30."""
    index = (year - FIRST_YEAR) * 12 + month - 1
    good = good & (month >= 1) & (month <= 12) & (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (day >= 1)
    index *= good  # 0 where there is no such month
    days = _EDGES[index] + day - 1
    return days, good & (days < _EDGES[index + 1])


def _with_time(values: pa.StringArray, layout: Layout, lengths: Numbers) -> Flags | np.bool_:
    if not layout.with_time or not (lengths > layout.width).any():
        return np.False_
    matches = pc.match_substring_regex(values, layout.with_time).fill_null(False)
    return np.asarray(matches.to_numpy(zero_copy_only=False))


def _distinct(values: pa.Array, one: One) -> tuple[Numbers, Flags, Flags]:
    """Return days, good and blank of non-null `values`, calling `one` once for each distinct trimmed text."""
    encoded = pc.utf8_trim_whitespace(values).dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    found = [one(text) if text else None for text in texts]
    rows = encoded.indices.to_numpy(zero_copy_only=False)
    days = np.array([0 if day is None else day for day in found], np.int64)
    good = np.array([day is not None for day in found])
    blank = np.array([not text for text in texts])
    return days[rows], good[rows], blank[rows]


def _by_pattern(text: str, layout: Layout) -> int | None:
    match = layout.pattern.fullmatch(text)
    if match is None:
        return None
    if layout.named:
        name = match["m"].lower()
        month = _MONTHS.index(name) + 1 if name in _MONTHS else 0
    else:
        month = int(match["m"])
    try:
        return _in_calendar(date(int(match["y"]), month, int(match["d"])))
    except ValueError:  # the message is about the cell, so it ends here
        return None


def _by_strptime(text: str, date_format: str) -> int | None:
    try:
        return _in_calendar(datetime.strptime(text, date_format).date())  # noqa: DTZ007 - the written day is taken
    except (ValueError, OverflowError):
        return None


def _in_calendar(day: date) -> int | None:
    return number_of(day) if FIRST_YEAR <= day.year <= LAST_YEAR else None
