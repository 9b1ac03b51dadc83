"""Dates as people write them: from the record to a day, and from a text back to every day it may mean.

Forms are read without knowing whose they are; what is no date at all may be among them. Whoever asks knows the days.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import NamedTuple, Protocol

from deid.notes.words import MONTHS

_WRITTEN_DATES = ("%Y-%m-%d", "%Y%m%d", "%m/%d/%Y", "%d-%b-%Y", "%Y/%m/%d", "%d %b %Y", "%b %d, %Y", "%B %d, %Y")
_GAP = re.compile(r"\s{0,3}[/.,\-]?\s{0,3}'?")
_WORDS_BETWEEN = frozenset({"st", "nd", "rd", "th", "of", "the", "day"})
_MARKED = re.compile(r"(?<!\d)(?=((\d{1,4})\s{0,3}([/.\-])\s{0,3}(\d{1,2})\s{0,3}\3\s{0,3}'?(\d{4}|\d{2})(?!\d)))")
_SPACED = re.compile(r"(?<!\d)(?=((\d{1,4})\s{1,3}(\d{1,2})\s{1,3}'?(\d{4}|\d{2})(?!\d)))")
_MONTH_YEAR = re.compile(r"(?<![\d/.\-])(\d{1,2})[ ]?[/\-][ ]?(\d{4})(?![\d/]|-\d)")
_MONTH_DAY = re.compile(r"(?<![\d/.\-])(\d{1,2})([/\-])(\d{1,2})(?![\d/]|[.\-]\d)")
_BEFORE_DAY = re.compile(
    r"\b(?:on|since|from|until|till|til|by|through|thru|dated?|dob|born|birth|birthday|birthdate|admit(?:ted)?|"
    r"discharged?|seen|visit|before|after|was|due|as of|between|and|to|appt|appointment)[ \t:=(\"']{1,3}$"
)
_SCORED = re.compile(r"[ \t]*(?:scale|pain|strength|points?|score|systolic|diastolic|murmur|reflex|power|%|of\b)")
_THE_DAY = re.compile(r"\bthe[ \t]+(\d{1,2})[ \t]?(?:st|nd|rd|th)\b")

_ORDINALS = """
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
    sixteenth seventeenth eighteenth nineteenth twentieth
"""
_CARDINALS = """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen
"""
_DAYS = {**{name: at for at, name in enumerate(_ORDINALS.split(), start=1)}, "thirtieth": 30}
_NUMBERS = {name: at for at, name in enumerate(_CARDINALS.split(), start=1)}
_ROUND = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_TENS = {name: at * 10 for at, name in enumerate(_ROUND, start=2)}


class Runs(Protocol):
    """A text in runs of letters and of digits: see deid.notes.known.reading."""

    @property
    def lower(self) -> str:
        """The text in lower case."""
        ...

    @property
    def words(self) -> list[str]:
        """The runs in lower case."""
        ...

    @property
    def starts(self) -> list[int]:
        """Where each begins."""
        ...

    @property
    def ends(self) -> list[int]:
        """Where each ends."""
        ...


class Reading(NamedTuple):
    """One way to read characters [start, end): a year below 100 is of two digits; 0 for what is not written."""

    start: int
    end: int
    year: int
    month: int
    day: int


class Number(NamedTuple):
    """A number in words or digits: what it is, and the run after it."""

    value: int
    after: int


def parse_date(value: str) -> date | None:
    """Return the day that `value` writes (ISO 8601 with or without a time, yyyymmdd, m/d/yyyy, dd-Mon-yyyy) or None."""
    whole = value.strip()
    try:
        return date.fromisoformat(whole[:10])  # what most sources hold, and quick
    except ValueError:
        pass
    head = whole.replace("T", " ").split(" ")[0]
    for text in dict.fromkeys((head, whole)):
        for form in _WRITTEN_DATES:
            try:
                return datetime.strptime(text, form).date()  # noqa: DTZ007 - a calendar day has no zone
            except ValueError:
                continue
    return None


def dates_in(runs: Runs, distinct: AbstractSet[str]) -> Iterator[Reading]:
    """Yield every way to read a date in a text; `distinct` are its distinct runs."""
    if not distinct.isdisjoint(MONTHS):
        for at, word in enumerate(runs.words):
            if word in MONTHS:
                yield from _around_month(runs, at)
    yield from _in_numbers(runs.lower)
    if any(len(word) in (6, 8, 12, 14) and word.isdigit() for word in distinct):
        yield from _compact(runs)


def days_alone(lower: str) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, day) of each "the 14th"."""
    for match in _THE_DAY.finditer(lower):
        yield match.start(1), match.end(), int(match.group(1))


def _in_numbers(lower: str) -> Iterator[Reading]:
    for match in _MARKED.finditer(lower):
        yield from _ordered(match.start(1), match.end(1), match.group(2), match.group(4), match.group(5))
    for match in _SPACED.finditer(lower):
        yield from _ordered(match.start(1), match.end(1), match.group(2), match.group(3), match.group(4))
    for match in _MONTH_YEAR.finditer(lower):
        yield Reading(match.start(), match.end(), int(match.group(2)), int(match.group(1)), 0)
    for match in _MONTH_DAY.finditer(lower):
        first, _, second = match.groups()
        start, end = match.span()
        is_padded = len(first) == len(second) == 2 and "0" in (first[0], second[0])
        is_introduced = _BEFORE_DAY.search(lower, max(0, start - 16), start) is not None
        if (is_padded or is_introduced) and not _SCORED.match(lower, end):
            yield Reading(start, end, 0, int(first), int(second))
            if int(first) > 12:
                yield Reading(start, end, 0, int(second), int(first))


def _ordered(start: int, end: int, first: str, second: str, third: str) -> Iterator[Reading]:
    a, b, c = int(first), int(second), int(third)
    if len(first) == 4:
        if len(third) == 2:
            yield Reading(start, end, a, b, c)
    elif len(first) <= 2:
        yield Reading(start, end, c, a, b)
        yield Reading(start, end, c, b, a)
        if len(third) == 2:
            yield Reading(start, end, a, b, c)


def _compact(runs: Runs) -> Iterator[Reading]:
    for word, start, end in zip(runs.words, runs.starts, runs.ends, strict=True):
        if not word.isdigit():
            continue
        if len(word) in (8, 12, 14):
            yield Reading(start, end, int(word[:4]), int(word[4:6]), int(word[6:8]))
        if len(word) == 8:
            yield Reading(start, end, int(word[4:]), int(word[:2]), int(word[2:4]))
            yield Reading(start, end, int(word[4:]), int(word[2:4]), int(word[:2]))
        elif len(word) == 6:
            yield Reading(start, end, int(word[4:]), int(word[:2]), int(word[2:4]))
            yield Reading(start, end, int(word[:2]), int(word[2:4]), int(word[4:]))


def _around_month(runs: Runs, at: int) -> Iterator[Reading]:
    month = MONTHS[runs.words[at]]
    before = _day_before(runs, at)
    after = _number_after(runs, at)
    year = _year_after(runs, at)
    start, end = runs.starts[at], runs.ends[at]
    if year is not None:
        yield Reading(start, runs.ends[year.after - 1], year.value, month, 0)
    if after is not None:
        last = runs.ends[after.after - 1]
        yield Reading(start, last, 0, month, after.value)
        ahead = _year_before(runs, at)
        if ahead is not None:
            yield Reading(runs.starts[ahead.after], last, ahead.value, month, after.value)
        later = _year_after(runs, after.after - 1, short=True)
        if later is not None:
            yield Reading(start, runs.ends[later.after - 1], later.value, month, after.value)
    if before is not None:
        first = runs.starts[before.after]
        yield Reading(first, end, 0, month, before.value)
        later = _year_after(runs, at, short=True)
        if later is not None:
            yield Reading(first, runs.ends[later.after - 1], later.value, month, before.value)


def _near(runs: Runs, at: int) -> bool:
    """Return whether run `at` belongs with the one before it."""
    return 0 < at < len(runs.words) and _GAP.fullmatch(runs.lower, runs.ends[at - 1], runs.starts[at]) is not None


def _day_before(runs: Runs, at: int) -> Number | None:
    """Return the day that stands before run `at`; `after` is the run it begins with."""
    back = at
    for _ in range(3):
        if not _near(runs, back):
            return None
        back -= 1
        if runs.words[back] not in _WORDS_BETWEEN:
            break
    word = runs.words[back]
    if word.isdigit() and len(word) <= 2:
        return Number(int(word), back)
    if word in _DAYS and 1 <= _DAYS[word] < 10 and _near(runs, back) and runs.words[back - 1] in ("twenty", "thirty"):
        return Number(_TENS[runs.words[back - 1]] + _DAYS[word], back - 1)
    return Number(_DAYS[word], back) if word in _DAYS else None


def _number_after(runs: Runs, at: int) -> Number | None:
    """Return the day that stands after run `at`."""
    ahead = at + 1
    while ahead < min(at + 3, len(runs.words)) and runs.words[ahead] in ("the", "day") and _near(runs, ahead):
        ahead += 1
    if not _near(runs, ahead):
        return None
    word = runs.words[ahead]
    if word.isdigit() and len(word) <= 2:
        has_ending = _near(runs, ahead + 1) and runs.words[ahead + 1] in ("st", "nd", "rd", "th")
        return Number(int(word), ahead + 2 if has_ending else ahead + 1)
    if word in ("twenty", "thirty") and _near(runs, ahead + 1) and 0 < _DAYS.get(runs.words[ahead + 1], 0) < 10:
        return Number(_TENS[word] + _DAYS[runs.words[ahead + 1]], ahead + 2)
    return Number(_DAYS[word], ahead + 1) if word in _DAYS else None


def _year_after(runs: Runs, at: int, *, short: bool = False) -> Number | None:
    """Return the year that stands after run `at`; of two digits only where `short` or behind an apostrophe."""
    ahead = at + 1
    if ahead < len(runs.words) and runs.words[ahead] in ("of", "in") and _near(runs, ahead):
        ahead += 1
    if not _near(runs, ahead):
        return None
    word = runs.words[ahead]
    if word.isdigit():
        is_year = len(word) == 4 or (len(word) == 2 and (short or runs.lower[runs.starts[ahead] - 1] == "'"))
        return Number(int(word), ahead + 1) if is_year else None
    return _year_in_words(runs.words, ahead)


def _year_before(runs: Runs, at: int) -> Number | None:
    if not _near(runs, at) or len(runs.words[at - 1]) != 4 or not runs.words[at - 1].isdigit():
        return None
    return Number(int(runs.words[at - 1]), at - 1)


def _year_in_words(words: Sequence[str], at: int) -> Number | None:
    """Return a year such as "nineteen fifty-two", "two thousand and five" or "twenty twenty-four"."""
    head = list(words[at : at + 2])
    if head == ["two", "thousand"]:
        following = at + 3 if list(words[at + 2 : at + 3]) == ["and"] else at + 2
        rest = _below_hundred(words, following)
        return Number(2000 + rest.value, rest.after) if rest is not None else Number(2000, at + 2)
    century = {"eighteen": 1800, "nineteen": 1900, "twenty": 2000}.get(words[at])
    rest = _below_hundred(words, at + 1) if century else None
    return Number(century + rest.value, rest.after) if century and rest is not None else None


def _below_hundred(words: Sequence[str], at: int) -> Number | None:
    word = words[at] if at < len(words) else ""
    following = words[at + 1] if at + 1 < len(words) else ""
    if word in ("oh", "o") and following in _NUMBERS:
        return Number(_NUMBERS[following], at + 2)
    if word in _TENS:
        unit = _NUMBERS.get(following, 0)
        return Number(_TENS[word] + unit, at + 2) if 0 < unit < 10 else Number(_TENS[word], at + 1)
    return Number(_NUMBERS[word], at + 1) if word in _NUMBERS else None
