"""A date in a text, with the form it is written in: read as a day, and written again as another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from deid.notes.words import MONTHS

FULL_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DOT = r"(?P<dot>\.)?"
_DAY = r"(?P<day>[0-9]{1,2})(?P<nth>[ \t]?(?:st|nd|rd|th))?"
_YEAR = r"(?P<year>(?:1[89]|2[01])[0-9]{2}|[0-9]{2})"
_LONG_YEAR = r"(?P<year>(?:1[89]|2[01])[0-9]{2})"
_WEEKDAY = (
    r"(?:(?P<weekday>(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?)\.?,?[ \t]+(?:the[ \t]+)?)?"
)
_CLOCK = (
    r"(?P<clock>(?:T|,?[ \t]+(?:at[ \t]+)?)[0-9]{1,2}:?[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"[ \t]?(?:[ap]\.?m\.?|hours|hrs?\.?|h|Z|[+\-][0-9]{2}:?[0-9]{2})?)?"
)
_APART = r"(?<![0-9])"  # "1421" is no 14th of the year 21
_GAP = r"[ \t]{0,2}[/\-.,]?[ \t]{0,2}'?"
_NUMBER_DAY, _NUMBER_MONTH = r"(?P<day>[0-9]{1,2})", r"(?P<month>[0-9]{1,2})"
_OF = rf"(?:[ \t]+(?:day[ \t]+)?of[ \t]+|{_GAP})"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"{_WEEKDAY}{_LONG_YEAR}(?P<mark>[\-/.]){_NUMBER_MONTH}(?P=mark){_NUMBER_DAY}{_CLOCK}",
        rf"{_WEEKDAY}{_NUMBER_MONTH}[ ]?(?P<mark>[\-/.])[ ]?{_NUMBER_DAY}[ ]?(?P=mark)[ ]?{_YEAR}{_CLOCK}",
        rf"{_LONG_YEAR}(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}})(?P<clock>[0-9]{{4}}(?:[0-9]{{2}})?)?",
        rf"{_MONTH}{_DOT}(?:{_GAP}|[ \t]+of[ \t]+){_LONG_YEAR}",
        rf"{_WEEKDAY}{_MONTH}{_DOT}(?:{_GAP}(?:the[ \t]+)?){_DAY}(?:{_GAP}{_APART}{_YEAR})?{_CLOCK}",
        rf"{_WEEKDAY}{_DAY}{_OF}{_MONTH}{_DOT}(?:{_GAP}(?:of[ \t]+)?{_YEAR})?{_CLOCK}",
        rf"{_NUMBER_MONTH}[/\-]{_LONG_YEAR}",
        rf"{_NUMBER_MONTH}/{_NUMBER_DAY}",
        rf"{_LONG_YEAR}",
    )
)
_DAY_FIRST = 1  # the form in which "14/3/21" can only mean the 14th


@dataclass(frozen=True, slots=True, repr=False)
class Written:
    """A date as it stands in a text; what is not written is None. A year is of four digits."""

    match: re.Match[str]
    year: int | None
    month: int | None
    day: int | None
    swapped: bool

    def on(self, year: int | None = None) -> date | None:
        """Return the day, in `year` where none is written; None where it is no day of the calendar."""
        year = self.year if self.year is not None else year
        if year is None or self.month is None or self.day is None:
            return None
        try:
            return date(year, self.month, self.day)
        except ValueError:
            return None

    def near(self, anchor: date) -> date | None:
        """Return the day; where no year is written, that of the three years around `anchor` which is nearest to it."""
        if self.year is not None:
            return self.on()
        days = [day for year in (-1, 0, 1) if (day := self.on(anchor.year + year)) is not None]
        return min(days, key=lambda day: abs((day - anchor).days), default=None)

    def rewritten(self, day: date) -> str:
        """Return the text with another day in it, every part in the form that it had."""
        groups = self.match.groupdict()
        parts: dict[str, str] = {}
        month, number = ("day", "month") if self.swapped else ("month", "day")
        parts[number] = _number(groups[number], day.day, pads=_is_tight(self.match))
        if groups["month"].isalpha():
            parts["month"] = _month(groups["month"], day.month, self.match)
            if groups.get("dot") and (day.month == 5 or len(parts["month"]) > 3):
                parts["dot"] = ""  # "May." is no abbreviation
        else:
            parts[month] = _number(groups[month], day.month, pads=True)
        if groups.get("year"):
            parts["year"] = f"{day.year:04}"[-len(groups["year"]) :]
        if groups.get("nth"):
            gap = groups["nth"][: len(groups["nth"]) - 2]
            parts["nth"] = gap + _cased(groups["nth"][-2:], _nth(day.day))
        if groups.get("weekday"):
            long = WEEKDAYS[day.weekday()]
            written = groups["weekday"]
            parts["weekday"] = _cased(written, long if written.lower().endswith("day") else long[:3])
        return _spliced(self.match, parts)


def read(text: str, *, latest_year: int) -> Written | None:
    """Return the date that `text` is, the whole of it, or None where it is none or in no form that is known.

    A year of two digits is the last such year up to `latest_year`. Of numbers alone the month comes first, as it is
    written in the United States, unless it can only be the day.
    """
    for at, form in enumerate(_FORMS):
        match = form.fullmatch(text)
        found = _read(match, latest_year, may_swap=at == _DAY_FIRST) if match is not None else None
        if found is not None:
            return found
    return None


def _read(match: re.Match[str], latest_year: int, *, may_swap: bool) -> Written | None:
    groups = match.groupdict()
    year = int(groups["year"]) if groups.get("year") else None
    if year is not None and len(groups["year"]) == 2:
        year += latest_year - latest_year % 100
        year -= 100 if year > latest_year else 0
    written, day = groups.get("month"), int(groups["day"]) if groups.get("day") else None
    month = None if written is None else MONTHS.get(written.lower()) or (int(written) if written.isdigit() else 0)
    swapped = may_swap and month is not None and day is not None and month > 12 >= day
    if swapped:
        month, day = day, month
    if month is not None and not 1 <= month <= 12:
        return None
    # 2000 had a 29 February, so that one without a year is read too.
    return _in_calendar(Written(match, year, month, day, swapped))


def _in_calendar(written: Written) -> Written | None:
    return written if written.day is None or written.on(2000) is not None else None


def unit_of(written: Written, unit: str) -> str | None:
    """Return the year, quarter, month or ISO week that holds a date, as the tables write it; None if it is not told."""
    if written.year is None:
        return None
    if unit == "year":
        return f"{written.year:04}"
    if unit == "week":
        day = written.on()
        return None if day is None else "{:04}-W{:02}".format(*day.isocalendar()[:2])
    if written.month is None:
        return None
    return f"{written.year:04}-" + (f"Q{(written.month + 2) // 3}" if unit == "quarter" else f"{written.month:02}")


def moved(day: date, days: int) -> date | None:
    """Return the day `days` later, or None beyond the calendar."""
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return None


def _is_tight(match: re.Match[str]) -> bool:
    """Whether nothing but marks stands between the parts: 03/14/21, 14-MAR-2021, and not March 14, 2021."""
    return not match["month"].isalpha() or not re.search(
        r"\s", match.group().removesuffix(match.groupdict().get("clock") or "")
    )


def _number(written: str, number: int, *, pads: bool) -> str:
    """Return a number as wide as the written one; behind the name of a month only where that began with a zero."""
    return f"{number:0{len(written)}}" if pads or written.startswith("0") else str(number)


def _month(written: str, month: int, match: re.Match[str]) -> str:
    full = FULL_MONTHS[month - 1]
    # "May" is both its name and its abbreviation: between marks, or run together with numbers, it is the latter.
    is_long = written.lower() in ("june", "july") or (written.lower() == "may" and not _is_tight(match))
    is_short = len(written) <= 4 and not is_long
    return _cased(written, full[:3] if is_short else full)


def _nth(number: int) -> str:
    return "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _cased(like: str, text: str) -> str:
    if like.isupper():
        return text.upper()
    return text.lower() if like.islower() else text


def _spliced(match: re.Match[str], parts: dict[str, str]) -> str:
    out, at = [], match.start()
    for name in sorted(parts, key=match.start):
        out += [match.string[at : match.start(name)], parts[name]]
        at = match.end(name)
    return "".join(out) + match.string[at : match.end()]
