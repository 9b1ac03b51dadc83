"""Days of the record in any written form, whole and in part, and what tells an age over 89."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import date

from deid.notes.known.reading import Reading
from deid.notes.span import Span
from deid.notes.words import MONTHS
from deid.notes.written_dates import dates_in, days_alone

OLDEST = 89  # years: an age that may stay, 45 CFR 164.514(b)(2)(i)(C)
_NEAR = 60  # characters between a day and the month that it goes with
_NO_MONTH = 13
_TEENS = "|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_UNITS = "one|two|three|four|five|six|seven|eight|nine"
_AGE = re.compile(
    rf"(?<![\d/.])\b(?P<age>9\d|1[01]\d|ninety(?:[ \-](?:{_UNITS}))?|(?:a |one )?hundred(?:[ \-]and)?"
    rf"(?:[ \-](?:{_UNITS}{_TEENS}))?)(?:[ \t\-]{{0,2}}(?:y\b|y[./ ]?o\b|yo[mfw]?\b|yrs?\b|years?\b)|(?=[ \t]?[mf]\b))"
    rf"|\b(?:aged?|age is|age of)[ \t:=]{{1,3}}(?P<told>9\d|1[01]\d)\b|\b(?:turn(?:s|ed|ing)?|birthday)[ \t]+"
    rf"(?P<turned>9\d|1[01]\d)\b|\b(?P<nth>9\dth|9[123](?:st|nd|rd)|1[01]\d(?:th|st|nd|rd))[ \t]birthday"
    rf"|\b(?P<told_words>(?:early|mid|late)?[ \-]?(?:90s|nineties)\b)"
)


class Days:
    """The days of one record. `on`: the day by which a patient's age is told."""

    __slots__ = ("_days", "_is_aged", "_parts", "_years")

    def __init__(self, days: Iterable[tuple[str, date]], on: date) -> None:
        self._days: dict[tuple[int, int, int], str] = {}
        self._parts: dict[tuple[int, int, int], str] = {}
        self._years: dict[str, str] = {}
        for kind, day in days:
            year, month, number = day.year, day.month, day.day
            self._days.setdefault((year, month, number), kind)
            if year >= 100:
                self._days.setdefault((year % 100, month, number), kind)
            self._parts.setdefault((0, month, number), kind)
            self._parts.setdefault((year, month, 0), kind)
            if year >= 100:
                self._parts.setdefault((year % 100, month, 0), kind)
            if kind == "birth_date" and on.year - year > OLDEST:
                self._years[f"{year:04}"] = kind
        self._is_aged = bool(self._years)

    def find(self, reading: Reading, distinct: AbstractSet[str]) -> Iterator[Span]:
        """Yield where the days stand; `distinct` are the distinct runs of the text."""
        if not self._days:
            return
        whole, parts = self._days, self._parts
        for start, end, year, month, day in dates_in(reading, distinct):
            at = (year, month, day)
            if at in whole:
                yield Span(start, end, whole[at], "known:date")
            elif at in parts:
                yield Span(start, end, parts[at], "known:partial_date")
        if "the" in distinct and not distinct.isdisjoint(MONTHS):
            yield from self._beside_month(reading)
        if self._is_aged:
            yield from self._aged(reading, distinct)

    def _beside_month(self, reading: Reading) -> Iterator[Span]:
        months = [(reading.starts[at], MONTHS[word]) for at, word in enumerate(reading.words) if word in MONTHS]
        for start, end, day in days_alone(reading.lower):
            near = months[bisect_right(months, (start - _NEAR, _NO_MONTH)) : bisect_left(months, (start + _NEAR, 0))]
            kinds = (self._parts.get((0, month, day)) for month in {month for _, month in near})
            kind = next((kind for kind in kinds if kind is not None), None)
            if kind is not None:
                yield Span(start, end, kind, "known:partial_date")

    def _aged(self, reading: Reading, distinct: AbstractSet[str]) -> Iterator[Span]:
        if not distinct.isdisjoint(self._years):
            for word, start, end in zip(reading.words, reading.starts, reading.ends, strict=True):
                if word in self._years:
                    yield Span(start, end, self._years[word], "known:birth_year")
        for match in _AGE.finditer(reading.lower):
            name = match.lastgroup
            if name is not None:
                yield Span(match.start(name), match.end(name), "age", "known:age")
