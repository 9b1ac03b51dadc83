"""Names of cities, towns and villages: listed, invented, and of the world."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from deid.annotated.dice import Dice, Table
from deid.annotated.invented import compound, syllables
from deid.annotated.natural_towns import natural_town
from deid.annotated.people import given, surname
from deid.annotated.vocabulary import vocabulary
from deid.notes.lists import load


@cache
def listed(what: str) -> tuple[str, ...]:
    """The cities or the counties of the United States."""
    return tuple(load().cities() if what == "cities" else load().counties())


def stem(dice: Dice) -> str:
    """What a place may be named after."""
    return dice.pick((surname, compound, compound, given, syllables))(dice)


def _with_ending(dice: Dice) -> str:
    return stem(dice).split()[-1].rstrip("'\u2019") + dice.pick(vocabulary("places")["city_ends"])


_WAYS: Table[Callable[[Dice], str]] = Table.of(
    (
        (lambda dice: dice.pick(listed("cities")), 0.4),
        (lambda dice: dice.pick(vocabulary("places")["world_cities"]), 0.1),
        (lambda dice: f"{dice.pick(vocabulary('places')['city_firsts'])} {stem(dice)}", 0.12),
        (lambda dice: f"{stem(dice)} {dice.pick(vocabulary('places')['city_tails'])}", 0.12),
        (_with_ending, 0.08),
        (natural_town, 0.3),
        (stem, 0.06),
    )
)


def town(dice: Dice) -> str:
    """A city, town or village."""
    return dice.weighted(_WAYS)(dice)
