"""What one document is about: its people, places and days by letter, so that what is said twice agrees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from deid.annotated.dice import Dice

Maker = Callable[["Scene", str], str]

_FIRST_VISIT = date(1998, 1, 1).toordinal()
_LAST_VISIT = date(2031, 12, 31).toordinal()


@dataclass(slots=True)
class Person:
    """One person of a document, in the parts that names are written from."""

    given: str
    middle: str
    last: str
    suffix: str
    born: date


class Scene:
    """The dice and the memory of one document.

    `day` is the day of the visit, about which most other dates lie; `style` decides what a document does alike
    throughout: how dates are written and names are cased.
    """

    __slots__ = ("day", "days", "dice", "kept", "others", "style")

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.kept: dict[tuple[str, str], Any] = {}
        self.others: list[Person] = []
        self.days: list[date] = []
        self.style = dice.random()
        # most notes are of these years, some of any
        low = _FIRST_VISIT if dice.random() < 0.4 else _FIRST_VISIT + 20 * 365
        self.day = date.fromordinal(dice.between(low, _LAST_VISIT))

    def once(self, kind: str, letter: str, make: Callable[[Dice], Any]) -> Any:
        """What `letter` names, made when it is asked for first; anew each time where there is no letter."""
        if not letter:
            return make(self.dice)
        found = self.kept.get((kind, letter))
        if found is None:
            found = self.kept[kind, letter] = make(self.dice)
        return found

    def some_day(self, letter: str) -> date:
        """A day near the visit, or any day of a life."""
        day: date = self.once("day", letter, self._near)
        self.days.append(day)
        return day

    def _near(self, dice: Dice) -> date:
        part = dice.random()
        if part < 0.25:
            return self.day
        if part < 0.75:
            return self.day + timedelta(days=dice.between(-400, 60))
        return self.day - timedelta(days=dice.between(0, 365 * 60))
