"""Names that no list holds: put together from the syllables of many languages, or from English stems and tails."""

from __future__ import annotations

from functools import cache

from deid.annotated.dice import Dice
from deid.annotated.vocabulary import vocabulary

_ACCENTS = str.maketrans("aeiouncszylg", "áéíöüñçšžýłğ")
_OTHER_ACCENTS = str.maketrans("aeiouncszylg", "àèïóûńćşźÿľģ")


@cache
def _ways() -> tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...]:
    parts = vocabulary("invented")
    return tuple(
        (firsts, parts.get(f"{way}.mid", ()), parts[f"{way}.end"])
        for way, firsts in parts.items()
        if f"{way}.end" in parts
    )


def syllables(dice: Dice) -> str:
    """A name in the manner of one of some thirty languages."""
    firsts, middles, ends = dice.pick(_ways())
    name = dice.pick(firsts)
    if middles:
        name += dice.pick(middles)
    elif dice.random() < 0.12:
        name += dice.pick(firsts).lower()
    name += dice.pick(ends)
    return name if name[-1] != " " else name.rstrip()


def compound(dice: Dice) -> str:
    """A surname or a place of two English parts: "Thornwick", "Maplecrest"."""
    parts = vocabulary("invented")
    return dice.pick(parts["stems"]) + dice.pick(parts["tails"])


def accented(dice: Dice, name: str) -> str:
    """`name` with an accent on one letter."""
    if len(name) < 4:
        return name
    at = dice.between(1, len(name) - 1)
    letters = _ACCENTS if dice.random() < 0.6 else _OTHER_ACCENTS
    return name[:at] + name[at].translate(letters) + name[at + 1 :]


def misspelt(dice: Dice, name: str) -> str:
    """`name` with one letter doubled, left out, swapped with its neighbor or changed."""
    if len(name) < 4:
        return name
    at = dice.between(1, len(name) - 2)
    way = dice.between(0, 3)
    if way == 0:
        return name[:at] + name[at] + name[at:]
    if way == 1:
        return name[:at] + name[at + 1 :]
    if way == 2:
        return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    return name[:at] + dice.pick("aeiourstnlmk") + name[at + 1 :]
