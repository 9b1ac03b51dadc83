"""Towns that stand on no map: named after plants, birds, stones and trades, in one word or in two."""

from __future__ import annotations

from collections.abc import Callable

from deid.annotated.dice import Dice, Table
from deid.annotated.invented import compound, syllables
from deid.annotated.vocabulary import vocabulary

_MIDDLES = ("-on-the-", "-in-", "-le-", " on ", " by the ", "-upon-", " under ", "-next-the-")


def _natural(dice: Dice) -> str:
    return dice.pick(vocabulary("towns")["natural"])


def _second(dice: Dice) -> str:
    return dice.pick(vocabulary("towns")["second"])


def _joined(dice: Dice) -> str:
    ending = dice.pick(vocabulary("towns")["joined"])
    name = _natural(dice)
    return name[:-1] + ending if name[-1] in "ey" and ending[0] in "aeiouy" else name + ending


_FIRSTS: tuple[Callable[[Dice], str], ...] = (_natural, _natural, _natural, compound, syllables, _joined)


def _two_words(dice: Dice) -> str:
    return f"{dice.pick(_FIRSTS)(dice)} {_second(dice)}"


def _possessive(dice: Dice) -> str:
    return f"{dice.pick((_natural, compound, syllables))(dice)}{dice.pick(chr(39) + chr(0x2019))}s {_second(dice)}"


_WAYS: Table[Callable[[Dice], str]] = Table.of(
    (
        (_two_words, 0.5),
        (_joined, 0.18),
        (_natural, 0.12),
        (lambda dice: f"{dice.pick(vocabulary('towns')['before'])} {dice.pick((_natural, _joined))(dice)}", 0.1),
        (lambda dice: f"{_natural(dice)} {_natural(dice)}", 0.02),
        (_possessive, 0.03),
        (lambda dice: f"{_joined(dice)}{dice.pick(_MIDDLES)}{_second(dice)}", 0.02),
        (lambda dice: f"{_natural(dice)}-{_second(dice)}", 0.03),
    )
)


def natural_town(dice: Dice) -> str:
    """A town of plain words: "Sumac", "Kestrel Quay", "Nether Flintwick"."""
    return dice.weighted(_WAYS)(dice)
