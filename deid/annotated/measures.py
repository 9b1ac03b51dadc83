"""Laboratory values and scores; many of them look like dates, ages or codes."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from deid.annotated.dice import Dice
from deid.annotated.vocabulary import vocabulary

_JOINS = (" ", " ", " ", " ", " ", ": ", ": ", " of ", " was ", " = ", " is ", "=", " (", "-", "\t", " - ")
_FLAGS = (" (H)", " (L)", " H", " L", " ↑", " ↓", "*", " (high)", " (low)", " (nl)", " critical", " (prev 1.1)")
_SCORE_JOINS = (" ", " ", " ", " of ", ": ", " score ", " = ", " score of ", " was ", " is ", ", ", " - ", "=")


class _Lab(NamedTuple):
    name: str
    low: float
    high: float
    places: int
    unit: str


@cache
def _labs() -> tuple[_Lab, ...]:
    return tuple(_as_lab(*row.split(";")) for row in vocabulary("measures")["labs"])


def _as_lab(name: str, low: str, high: str, unit: str) -> _Lab:
    return _Lab(name, float(low), float(high), len(low.partition(".")[2]), unit)


@cache
def _scores() -> tuple[tuple[str, int, tuple[str, ...]], ...]:
    """Each score with its highest value, or with the values it takes where they are not counted from 0."""
    rows = (row.partition(";") for row in vocabulary("measures")["scores"])
    return tuple((name, int(form) if form.isdigit() else 0, tuple(form.split(","))) for name, _, form in rows)


def lab(dice: Dice) -> str:
    """A laboratory value with or without its unit."""
    which = dice.pick(_labs())
    value = f"{which.low + dice.random() * (which.high - which.low):.{which.places}f}"
    if dice.random() < 0.05:
        value = dice.pick(("<", ">", "≤", "< ")) + value
    join = dice.pick(_JOINS)
    text = f"{which.name}{join}{value}"
    if which.unit and dice.random() < 0.35:
        text += f" {which.unit}"
    if join == " (":
        text += ")"
    return text if dice.random() < 0.9 else text + dice.pick(_FLAGS)


def score(dice: Dice) -> str:
    """A score or scale with a value of its own form."""
    name, most, values = dice.pick(_scores())
    if not most:
        return f"{name} {dice.pick(values)}"
    value = dice.between(0, most)
    text = f"{name}{dice.pick(_SCORE_JOINS)}{value}"
    part = dice.random()
    if part < 0.55:
        return f"{text}/{most}"
    if part < 0.65:
        return f"{text} out of {most}"
    return f"{text} -> {dice.between(0, most)}" if part < 0.72 else text


def number(dice: Dice) -> str:
    """A count from 1 to 300."""
    return str(dice.between(1, 300) if dice.random() < 0.3 else dice.between(1, 30))


def percent(dice: Dice) -> str:
    """A share in per cent."""
    part = dice.random()
    value = str(dice.between(0, 100))
    if part > 0.5:
        value = f"{value}.{dice.digits(1)}" if part < 0.8 else f"{dice.between(5, 60)}-{dice.between(61, 95)}"
    return value + dice.pick(("%", "%", "%", " %", " percent"))
