"""Numbers in the forms that `words/forms.txt` lists: `BP <78-210>/<40-120>`, `(<201-989>) <200-999>-<#4>`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from deid.annotated.census import surnames
from deid.annotated.date_forms import SHORT
from deid.annotated.dice import Dice
from deid.annotated.vocabulary import vocabulary

_Hole = Callable[[Dice], str]

_HOLE = re.compile(r"<([^<>]+)>")
_RANGE = re.compile(r"(\d+)-(\d+)")
_MARKS: dict[str, Callable[[Dice, int], str]] = {
    "#": Dice.digits,
    "@": Dice.letters,
    "&": Dice.mixed,
    "%": lambda dice, count: dice.mixed(count, "0123456789abcdef"),
}


def written(dice: Dice, name: str) -> str:
    """One of the forms of section `name`, with its holes filled."""
    parts = dice.pick(_forms(name))
    return "".join([part if isinstance(part, str) else part(dice) for part in parts])


@cache
def _forms(name: str) -> tuple[tuple[str | _Hole, ...], ...]:
    found: list[tuple[str | _Hole, ...]] = []
    for entry in vocabulary("forms")[name]:
        text, _, times = entry.partition(" ;; ")
        found.extend([_compiled(text)] * int(times or 1))
    return tuple(found)


def _compiled(text: str) -> tuple[str | _Hole, ...]:
    # split by one group: literals and holes by turns
    return tuple(_hole(part) if at % 2 else part for at, part in enumerate(_HOLE.split(text)) if part)


def _hole(text: str) -> _Hole:
    ranged = _RANGE.fullmatch(text)
    if ranged is not None:
        low, high = int(ranged[1]), int(ranged[2])
        return lambda dice: str(dice.between(low, high))
    if text[0] in _MARKS and text[1:].isdigit():
        make, count = _MARKS[text[0]], int(text[1:])
        return lambda dice: make(dice, count)
    if text[0] == ":":
        return _listed(text[1:])
    options = tuple(text.split("~"))
    return lambda dice: dice.pick(options)


def _listed(name: str) -> _Hole:
    if name == "surname":
        return lambda dice: surnames().draw(dice)
    if name == "months":
        return lambda dice: dice.pick(SHORT)
    if name in vocabulary("forms"):
        return lambda dice: written(dice, name)
    words = vocabulary("places")["units"] if name == "unit words" else vocabulary("clinical")[name]
    return lambda dice: dice.pick(words)
