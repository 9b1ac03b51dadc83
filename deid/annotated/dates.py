"""Dates, their parts and ranges; times, years and durations, which may stay; ages."""

from __future__ import annotations

from datetime import date, timedelta

from deid.annotated import people
from deid.annotated.clocks import clocked, time_of_day
from deid.annotated.date_forms import (
    DAY_MONTH,
    FULL,
    MONTH_YEAR,
    MONTHS,
    RANGES,
    SHORT,
    SHORT_POINT,
    SPELLED,
    WEEKDAYS,
    Form,
    in_words,
    ordinal,
)
from deid.annotated.dice import Dice, Table
from deid.annotated.scene import Maker, Scene
from deid.annotated.vocabulary import vocabulary

_JOINS = ("-", "-", " - ", "\u2013", " to ", " through ", " \u2013 ", " thru ", " until ")
_SHORT_SPANS = ("d", " d", "wk", " wks", " mos", " mo", "y", " yrs", "h", " hrs", " min")
_SPANS = ("day", "week", "month", "year", "hour", "minute")


def _written(scene: Scene, forms: tuple[Form, ...], day: date) -> str:
    """One of `forms`; half of all documents keep to one form throughout."""
    if scene.style > 0.5:
        return forms[int((scene.style - 0.5) * 2 * len(forms))](day)
    return scene.dice.pick(forms)(day)


def full_date(scene: Scene, letter: str) -> str:
    """Day, month and year in digits or with the month's name."""
    return _written(scene, FULL, scene.some_day(letter))


def any_date(scene: Scene, letter: str) -> str:
    """A date in any form, most with the year."""
    return scene.dice.weighted(_ANY)(scene, letter)


def _part_of_month(scene: Scene, letter: str) -> str:
    text = f"{scene.dice.pick(vocabulary('dates')['parts'])} {MONTHS[scene.some_day(letter).month - 1]}"
    return text.replace("- ", "-")


def day_month(scene: Scene, letter: str) -> str:
    """A day without its year; a third of all are month and day with a slash, as most notes write them."""
    if scene.dice.random() < 0.33:
        return slashed(scene, letter)
    return _written(scene, DAY_MONTH, scene.some_day(letter))


def slashed(scene: Scene, letter: str) -> str:
    """Month and day in digits, which are written like scores and fractions."""
    day = scene.some_day(letter)
    return f"{day.month:02d}/{day.day:02d}" if scene.dice.random() < 0.15 else f"{day.month}/{day.day}"


def month_year(scene: Scene, letter: str) -> str:
    """A month with its year."""
    return _written(scene, MONTH_YEAR, scene.some_day(letter))


def month(scene: Scene, letter: str) -> str:
    """A month alone."""
    at, part = scene.some_day(letter).month - 1, scene.dice.random()
    if part < 0.8:
        return MONTHS[at]
    return MONTHS[at].lower() if part < 0.84 else (SHORT if part < 0.92 else SHORT_POINT)[at]


def birth_date(scene: Scene, letter: str) -> str:
    """The birth date of somebody."""
    born = people.of(scene, letter).born
    if scene.dice.random() < 0.05:
        return scene.dice.pick(SPELLED[:-1])(born)
    return _written(scene, FULL, born)


def spelled(scene: Scene, letter: str) -> str:
    """A date in words."""
    return scene.dice.pick(SPELLED)(scene.some_day(letter))


def date_range(scene: Scene, letter: str) -> str:
    """Two days and what joins them."""
    dice, first = scene.dice, scene.some_day(letter)
    return dice.pick(RANGES)(first, first + timedelta(days=dice.between(1, 40)), dice.pick(_JOINS))


def date_time(scene: Scene, letter: str) -> str:
    """A day with a time of day."""
    return clocked(scene.dice, scene.some_day(letter))


def clock(scene: Scene, _letter: str) -> str:
    """A time of day."""
    if scene.dice.random() < 0.06:
        return scene.dice.pick(vocabulary("dates")["hours"])
    return time_of_day(scene.dice)


def year(scene: Scene, _letter: str) -> str:
    """A year alone."""
    dice = scene.dice
    number = scene.day.year - dice.between(0, 3) if dice.random() < 0.4 else dice.between(1940, 2031)
    return str(number) if dice.random() < 0.96 else f"'{number % 100:02d}"


def weekday(scene: Scene, _letter: str) -> str:
    """A day of the week."""
    dice = scene.dice
    name = dice.pick(WEEKDAYS)
    part = dice.random()
    if part < 0.75:
        return name
    return name[:3] if part < 0.87 else f"{name}s" if part < 0.93 else name.lower()


def duration(scene: Scene, _letter: str) -> str:
    """How long something lasted."""
    dice = scene.dice
    span, count = dice.pick(_SPANS), dice.between(1, 14) if dice.random() < 0.7 else dice.between(1, 90)
    ending = "" if count == 1 else "s"
    forms = (
        f"{count} {span}{ending}",
        f"{count} {span}{ending}",
        f"{count} {span}{ending}",
        f"{count}-{count + dice.between(1, 4)} {span}s",
        f"{in_words(count)} {span}{ending}",
        f"{count}{dice.pick(_SHORT_SPANS)}",
        f"{'an' if span == 'hour' else 'a'} {span}",
        f"{dice.pick(('several', 'a few', 'a couple of', 'many'))} {span}s",
        f"the {dice.pick(('past', 'last', 'next'))} {count} {span}{ending}",
        f"x{dice.pick((' ', ''))}{count} {span}{ending}",
    )
    return dice.pick(forms)


def age(scene: Scene, letter: str) -> str:
    """An age under 90."""
    return str(scene.once("age", letter, _age))


def _age(dice: Dice) -> int:
    return dice.between(1, 89) if dice.random() < 0.5 else dice.between(18, 89)


def old_age(scene: Scene, letter: str) -> str:
    """An age of 90 or more, in digits or words."""
    dice = scene.dice
    number: int = scene.once("old", letter, lambda dice: dice.between(90, 101 if dice.random() < 0.8 else 114))
    words = in_words(number)
    if dice.random() < 0.8:
        return str(number)
    decade = number // 10 * 10
    rare = (
        words,
        words,
        words,
        words.replace("-", " "),
        words.title(),
        f"{number}.{dice.between(1, 9)}",
        ordinal(number),
        f"{dice.pick(('early', 'mid', 'late'))}{dice.pick((' ', '-'))}{decade}s",
        f"{dice.pick(('early', 'mid', 'late'))} {'nineties' if number < 100 else 'hundreds'}",
    )
    return dice.pick(rare)


_ANY: Table[Maker] = Table.of(
    (
        (full_date, 0.6),
        (day_month, 0.2),
        (month_year, 0.1),
        (date_time, 0.03),
        (spelled, 0.02),
        (month, 0.02),
        (_part_of_month, 0.03),
    )
)

MAKERS: dict[str, Maker] = {
    "DATE": any_date,
    "FULLDATE": full_date,
    "DAYMONTH": day_month,
    "SLASHDAY": slashed,
    "MONTHYEAR": month_year,
    "MONTH": month,
    "DATERANGE": date_range,
    "DATETIME": date_time,
    "SPELLEDDATE": spelled,
    "HOLIDAY": lambda scene, _letter: scene.dice.pick(vocabulary("dates")["holidays"]),
    "DOB": birth_date,
    "YEAR": year,
    "WEEKDAY": weekday,
    "TIME": clock,
    "DURATION": duration,
    "SEASON": lambda scene, _letter: scene.dice.pick(vocabulary("dates")["seasons"]),
    "AGE": age,
    "AGEWORDS": lambda scene, letter: in_words(scene.once("age", letter, _age)),
    "AGE90": old_age,
}
