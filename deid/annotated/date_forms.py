"""Every form in which a day, a month or a range of days is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

Form = Callable[[date], str]

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
SHORT = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SHORT_POINT = ("Jan.", "Feb.", "Mar.", "Apr.", "May", "June", "July", "Aug.", "Sept.", "Oct.", "Nov.", "Dec.")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ONES = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
_TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth",
}  # fmt: skip


def in_words(number: int) -> str:
    """A number from 0 to 199 in words: "fifty-three"."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")
    rest = number % 100
    return "one hundred" + (f" {in_words(rest)}" if rest else "")


def ordinal_words(number: int) -> str:
    """An ordinal number in words: "twenty-first"."""
    head, _, tail = in_words(number).rpartition("-")
    tail = _ORDINALS.get(tail, f"{tail}th")
    return f"{head}-{tail}" if head else tail


def ordinal(number: int) -> str:
    """An ordinal number in digits: "21st"."""
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def year_words(year: int) -> str:
    """A year in words: "nineteen eighty-four", "two thousand twenty-one"."""
    first, rest = divmod(year, 100)
    if 2000 <= year < 2010:
        return "two thousand" + (f" {in_words(rest)}" if rest else "")
    if first == 20:
        return f"{'two thousand' if rest % 3 else 'twenty'} {in_words(rest)}"
    return f"{in_words(first)} {in_words(rest) if rest > 9 else 'hundred' if not rest else 'oh ' + in_words(rest)}"


def _m(day: date) -> str:
    return MONTHS[day.month - 1]


def _b(day: date) -> str:
    return SHORT[day.month - 1]


def _p(day: date) -> str:
    return SHORT_POINT[day.month - 1]


# with day, month and year, and read in one way only
FULL: tuple[Form, ...] = (
    lambda d: f"{d.month:02d}/{d.day:02d}/{d.year}",
    lambda d: f"{d.month:02d}/{d.day:02d}/{d.year}",
    lambda d: f"{d.month:02d}/{d.day:02d}/{d.year}",
    lambda d: f"{d.month}/{d.day}/{d.year}",
    lambda d: f"{d.month}/{d.day}/{d.year}",
    lambda d: f"{d.month}/{d.day}/{d.year % 100:02d}",
    lambda d: f"{d.month:02d}/{d.day:02d}/{d.year % 100:02d}",
    lambda d: f"{d.month}-{d.day}-{d.year}",
    lambda d: f"{d.month:02d}-{d.day:02d}-{d.year}",
    lambda d: f"{d.month}-{d.day}-{d.year % 100:02d}",
    lambda d: f"{d.isoformat()}",
    lambda d: f"{d.isoformat()}",
    lambda d: f"{d.isoformat()}",
    lambda d: f"{d.year}/{d.month:02d}/{d.day:02d}",
    lambda d: f"{d.year}.{d.month:02d}.{d.day:02d}",
    lambda d: f"{d.day:02d}.{d.month:02d}.{d.year}",
    lambda d: f"{d.month}.{d.day}.{d.year}",
    lambda d: f"{d.month:02d}.{d.day:02d}.{d.year % 100:02d}",
    lambda d: f"{d.month}.{d.day}.{d.year % 100:02d}",
    lambda d: f"{d.day}/{d.month}/{d.year}",
    lambda d: f"{d.day:02d}/{d.month:02d}/{d.year}",
    lambda d: f"{_m(d)} {d.day}, {d.year}",
    lambda d: f"{_m(d)} {d.day}, {d.year}",
    lambda d: f"{_m(d)} {d.day}, {d.year}",
    lambda d: f"{_m(d)} {ordinal(d.day)}, {d.year}",
    lambda d: f"{_m(d)} {ordinal(d.day)} {d.year}",
    lambda d: f"{_m(d)} {d.day} {d.year}",
    lambda d: f"{_b(d)} {d.day}, {d.year}",
    lambda d: f"{_b(d)} {d.day} {d.year}",
    lambda d: f"{_p(d)} {d.day}, {d.year}",
    lambda d: f"{_b(d)} {ordinal(d.day)}, {d.year}",
    lambda d: f"{d.day} {_m(d)} {d.year}",
    lambda d: f"{d.day} {_m(d)}, {d.year}",
    lambda d: f"{d.day} {_b(d)} {d.year}",
    lambda d: f"{d.day:02d} {_b(d)} {d.year % 100:02d}",
    lambda d: f"{d.day:02d}-{_b(d)}-{d.year}",
    lambda d: f"{d.day:02d}-{_b(d)}-{d.year % 100:02d}",
    lambda d: f"{d.day:02d}-{_b(d).upper()}-{d.year}",
    lambda d: f"{_b(d)}-{d.day:02d}-{d.year}",
    lambda d: f"{d.day:02d}{_b(d).upper()}{d.year}",
    lambda d: f"{d.day}{_b(d)}{d.year % 100:02d}",
    lambda d: f"{ordinal(d.day)} of {_m(d)} {d.year}",
    lambda d: f"{ordinal(d.day)} of {_m(d)}, {d.year}",
    lambda d: f"{ordinal(d.day)} {_m(d)} {d.year}",
    lambda d: f"the {ordinal(d.day)} of {_m(d)}, {d.year}",
    lambda d: f"{_m(d).upper()} {d.day}, {d.year}",
    lambda d: f"{_b(d).upper()} {d.day} {d.year}",
    lambda d: f"{d.year}{d.month:02d}{d.day:02d}",
    lambda d: f"{d.month:02d}{d.day:02d}{d.year}",
    lambda d: f"{d.year} {_b(d)} {d.day:02d}",
    lambda d: f"{d.year}-{_b(d)}-{d.day:02d}",
    lambda d: f"{WEEKDAYS[d.weekday()]}, {_m(d)} {d.day}, {d.year}",
    lambda d: f"{WEEKDAYS[d.weekday()][:3]} {_b(d)} {d.day} {d.year}",
    lambda d: f"{WEEKDAYS[d.weekday()][:3]}. {d.month}/{d.day}/{d.year % 100:02d}",
    lambda d: f"{d.month}/{d.day}/'{d.year % 100:02d}",
    lambda d: f"{_m(d)} {d.day}, '{d.year % 100:02d}",
    lambda d: f"{_b(d)} {d.day}, \u2019{d.year % 100:02d}",
    lambda d: f"{d.month:02d} / {d.day:02d} / {d.year}",
    lambda d: f"{d.month:02d} {d.day:02d} {d.year}",
    lambda d: f"{d.month:02d}\\{d.day:02d}\\{d.year}",
    lambda d: f"{_m(d).lower()} {d.day} {d.year}",
    lambda d: f"{_b(d).lower()} {d.day}, {d.year}",
    lambda d: f"{d.year}{d.month:02d}{d.day:02d}{d.day % 24:02d}{d.month * 4:02d}",
)

DAY_MONTH: tuple[Form, ...] = (
    lambda d: f"{d.month}/{d.day}",
    lambda d: f"{d.month}/{d.day}",
    lambda d: f"{d.month}/{d.day}",
    lambda d: f"{d.month:02d}/{d.day:02d}",
    lambda d: f"{d.month}-{d.day}",
    lambda d: f"{d.month:02d}-{d.day:02d}",
    lambda d: f"{_m(d)} {d.day}",
    lambda d: f"{_m(d)} {d.day}",
    lambda d: f"{_m(d)} {ordinal(d.day)}",
    lambda d: f"{_b(d)} {d.day}",
    lambda d: f"{_p(d)} {d.day}",
    lambda d: f"{_b(d)} {ordinal(d.day)}",
    lambda d: f"{d.day} {_m(d)}",
    lambda d: f"{d.day} {_b(d)}",
    lambda d: f"{d.day}-{_b(d)}",
    lambda d: f"{d.day:02d}{_b(d).upper()}",
    lambda d: f"the {ordinal(d.day)} of {_m(d)}",
    lambda d: f"{ordinal(d.day)} of {_m(d)}",
    lambda d: f"{_m(d)} the {ordinal(d.day)}",
    lambda d: f"the {ordinal(d.day)}",
    lambda d: f"{_m(d)} {ordinal_words(d.day)}",
    lambda d: f"the {ordinal_words(d.day)} of {_m(d)}",
    lambda d: f"{_m(d).lower()} {ordinal(d.day)}",
    lambda d: f"{_b(d).lower()} {d.day}",
    lambda d: f"{_b(d).upper()} {d.day}",
)

MONTH_YEAR: tuple[Form, ...] = (
    lambda d: f"{_m(d)} {d.year}",
    lambda d: f"{_m(d)} {d.year}",
    lambda d: f"{_m(d)}, {d.year}",
    lambda d: f"{_m(d)} of {d.year}",
    lambda d: f"{_b(d)} {d.year}",
    lambda d: f"{_p(d)} {d.year}",
    lambda d: f"{_b(d)} '{d.year % 100:02d}",
    lambda d: f"{_m(d)} \u2019{d.year % 100:02d}",
    lambda d: f"{_b(d)}-{d.year % 100:02d}",
    lambda d: f"{_b(d)}-{d.year}",
    lambda d: f"{_b(d)}/{d.year % 100:02d}",
    lambda d: f"{d.month}/{d.year}",
    lambda d: f"{d.month:02d}/{d.year}",
    lambda d: f"{d.month}/{d.year % 100:02d}",
    lambda d: f"{d.month:02d}-{d.year}",
    lambda d: f"{d.year}-{d.month:02d}",
    lambda d: f"{_b(d)}{d.year}",
    lambda d: f"{_m(d).upper()} {d.year}",
    lambda d: f"{_m(d).lower()} {d.year}",
)

SPELLED: tuple[Form, ...] = (
    lambda d: f"the {ordinal_words(d.day)} of {_m(d)}, {year_words(d.year)}",
    lambda d: f"the {ordinal_words(d.day)} of {_m(d)} {year_words(d.year)}",
    lambda d: f"{_m(d)} {ordinal_words(d.day)}, {year_words(d.year)}",
    lambda d: f"{_m(d)} {ordinal_words(d.day)} {year_words(d.year)}",
    lambda d: f"{_m(d)} the {ordinal_words(d.day)}, {year_words(d.year)}",
    lambda d: f"{_m(d)} {ordinal_words(d.day)} of {year_words(d.year)}",
    lambda d: f"{_m(d)} {ordinal_words(d.day)}, {d.year}",
    lambda d: f"{in_words(d.month)} {in_words(d.day)} {year_words(d.year)}",
    lambda d: f"{in_words(d.month)} slash {in_words(d.day)} slash {d.year}",
    lambda d: f"the {ordinal_words(d.day)} day of {_m(d)}, {d.year}",
    lambda d: f"{ordinal_words(d.day)} {_m(d).lower()} {year_words(d.year)}",
    lambda d: f"{_m(d)} {in_words(d.day)}, {year_words(d.year)}",
    lambda d: f"{_m(d)} {ordinal_words(d.day)}",
)


def _m2(day: date) -> str:
    return MONTHS[day.month % 12]


# of the first day, the last and what joins them
RANGES: tuple[Callable[[date, date, str], str], ...] = (
    lambda a, b, to: f"{a.month}/{a.day}{to}{b.month}/{b.day}/{b.year}",
    lambda a, b, to: f"{a.month}/{a.day}{to}{b.month}/{b.day}/{b.year % 100:02d}",
    lambda a, b, to: f"{a.month}/{a.day}{to}{b.month}/{b.day}",
    lambda a, b, to: f"{a.month}/{a.day}{to}{b.month}/{b.day}",
    lambda a, b, to: f"{_m(a)} {a.day}{to}{_m(b)} {b.day}",
    lambda a, b, to: f"{_m(a)} {a.day}{to}{_m(b)} {b.day}, {b.year}",
    lambda a, b, to: f"{_m(b)} {min(a.day, b.day)}{to}{max(a.day, b.day) + (a.day == b.day)}, {b.year}",
    lambda a, b, to: f"{_b(b)} {min(a.day, b.day)}{to}{max(a.day, b.day) + (a.day == b.day)}",
    lambda a, _, to: f"{_m(a)}{to}{_m2(a)} {a.year}",
    lambda a, _, to: f"{_m(a)} {a.year}{to}{_m2(a)} {a.year + 1}",
    lambda a, b, to: f"{a.day}{to}{b.day} {_m(b)} {b.year}",
    lambda a, b, to: f"{a.month:02d}/{a.day:02d}/{a.year}{to}{b.month:02d}/{b.day:02d}/{b.year}",
    lambda a, b, to: f"{a.month}/{a.day}/{a.year % 100:02d}{to}{b.month}/{b.day}/{b.year % 100:02d}",
    lambda a, b, to: f"{a.isoformat()}{to}{b.isoformat()}",
    lambda a, b, to: f"{a.day} {_b(a)} {a.year}{to}{b.day} {_b(b)} {b.year}",
)
