"""Times of day, alone and with their day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from deid.annotated.date_forms import FULL
from deid.annotated.dice import Dice

_ZONES = ("", "Z", "Z", "+00:00", "-05:00", "-06:00", ".000Z", "-0800", " EST", " UTC")
_GAPS = (" ", " ", ", ", " at ", " @ ", " @", "/", " - ", " (", "T")
_CLOCKS: tuple[Callable[[int, int, str], str], ...] = (
    lambda hour, minute, _: f"{hour:02d}:{minute:02d}",
    lambda hour, minute, _: f"{hour:02d}:{minute:02d}",
    lambda hour, minute, _: f"{hour:02d}:{minute:02d}",
    lambda hour, minute, _: f"{hour:02d}{minute:02d}",
    lambda hour, minute, _: f"{hour:02d}{minute:02d} hrs",
    lambda hour, minute, _: f"{hour:02d}{minute:02d}h",
    lambda hour, minute, half: f"{_twelve(hour)}:{minute:02d} {half}M",
    lambda hour, minute, half: f"{_twelve(hour)}:{minute:02d} {half}M",
    lambda hour, minute, half: f"{_twelve(hour)}:{minute:02d}{half.lower()}m",
    lambda hour, minute, half: f"{_twelve(hour)}:{minute:02d} {half.lower()}.m.",
    lambda hour, minute, half: f"{_twelve(hour)}:{minute:02d}{half.lower()}",
    lambda hour, minute, _: f"{hour:02d}:{minute:02d}:{(hour * 7 + minute) % 60:02d}",
    lambda hour, _, half: f"{_twelve(hour)} {half}M",
    lambda hour, _, half: f"{_twelve(hour)}{half.lower()}m",
    lambda hour, minute, _: f"{hour:02d}.{minute:02d}",
)


def _twelve(hour: int) -> int:
    return (hour - 1) % 12 + 1


def time_of_day(dice: Dice) -> str:
    """A time of day."""
    hour = dice.between(0, 23)
    return dice.pick(_CLOCKS)(hour, dice.between(0, 59), "P" if hour > 11 else "A")


def clocked(dice: Dice, day: date) -> str:
    """A day with its time."""
    part = dice.random()
    if part < 0.4:
        stamp = f"{dice.between(0, 23):02d}:{dice.between(0, 59):02d}:{dice.between(0, 59):02d}"
        return f"{day.isoformat()}{'T' if part < 0.3 else ' '}{stamp}{dice.pick(_ZONES)}"
    gap = dice.pick(_GAPS)
    return f"{dice.pick(FULL)(day)}{gap}{time_of_day(dice)}{')' if '(' in gap else ''}"
