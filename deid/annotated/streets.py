"""Lines of addresses: streets, boxes, rural routes, highways, the armed forces, and streets abroad."""

from __future__ import annotations

from collections.abc import Callable

from deid.annotated.dice import Dice, Table
from deid.annotated.forms import written
from deid.annotated.invented import compound, syllables
from deid.annotated.people import given, surname
from deid.annotated.towns import town
from deid.annotated.vocabulary import vocabulary

_SIDES = ("N ", "S ", "E ", "W ", "North ", "West ", "South ", "N. ", "S.E. ", "SW ", "NE ", "NW ", "E. ", "No. ")
_AFTER = (" N", " NW", " S.W.", " South", " SE", " East", " W.", " NE")
_TENTHS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth", "Eleventh")
_CODES = (
    "#####",
    "#####",
    "####",
    "######",
    "### ##",
    "##-###",
    "@@# #@@",
    "@#@ #@#",
    "#####-###",
    "CP #####",
    "#### @@",
)
_GAPS = (", ", ", ", " ", " ", "\n", " - ", ",")


def ordinal_end(number: int) -> str:
    """The letters after an ordinal number: st, nd, rd or th."""
    if 10 <= number % 100 <= 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _numbered(dice: Dice) -> str:
    number = dice.between(1, 240)
    return f"{number}{ordinal_end(number)}"


def _two_stems(dice: Dice) -> str:
    stems = vocabulary("invented")["stems"]
    return f"{dice.pick(stems)} {dice.pick(stems)}"


_NAMES: Table[Callable[[Dice], str]] = Table.of(
    (
        (surname, 0.25),
        (compound, 0.09),
        (given, 0.08),
        (town, 0.08),
        (lambda dice: dice.pick(vocabulary("places")["trees"]), 0.25),
        (_numbered, 0.11),
        (lambda dice: dice.pick(_TENTHS), 0.04),
        (lambda dice: f"{compound(dice)} {dice.pick(vocabulary('places')['city_tails'])}", 0.05),
        (_two_stems, 0.05),
    )
)


def plain_street(dice: Dice) -> str:
    """A number, a name and a type of street, with or without a direction."""
    part = dice.random()
    if part < 0.02:
        return written(dice, "grid")
    name = dice.weighted(_NAMES)(dice)
    number = "" if part > 0.965 else f"{written(dice, 'house')} "
    if part < 0.045:
        return f"{number}{name}"
    side = dice.pick(_SIDES) if part > 0.74 else ""
    after = dice.pick(_AFTER) if 0.66 < part < 0.74 else ""
    return f"{number}{side}{name} {dice.pick(vocabulary('places')['types'])}{after}"


def _highway(dice: Dice) -> str:
    road = dice.pick(vocabulary("places")["highways"])
    side = dice.pick(("", "", "", " N", " South", " E"))
    return f"{written(dice, 'house')} {road}{dice.pick((' ', ' ', '-'))}{dice.between(1, 999)}{side}"


def street_abroad(dice: Dice) -> str:
    """One line of an address outside the United States."""
    words = vocabulary("places")
    who, number = dice.pick((surname, surname, syllables, compound))(dice), dice.between(1, 400)
    head = dice.pick(words["foreign"])
    forms = (
        f"{head} {who} {number}",
        f"{number} {head} {who}",
        f"{head} {who}, {number}",
        f"{head} {who} #{number}-{dice.between(1, 99)}",
        f"{who.split()[-1]}{dice.pick(words['foreign_ends'])} {number}{dice.pick(('', '', 'a', ' B'))}",
        f"{number} bis, {head} {who}",
        f"{head} {who} {number}, {dice.between(1, 9)}\u00ba {dice.pick('ABCD')}",
    )
    return dice.pick(forms)


_LINES: Table[Callable[[Dice], str]] = Table.of(
    (
        (plain_street, 0.78),
        (_highway, 0.05),
        (lambda dice: written(dice, "box"), 0.05),
        (lambda dice: written(dice, "rural"), 0.04),
        (street_abroad, 0.05),
        (lambda dice: written(dice, "military line"), 0.03),
    )
)


def street_line(dice: Dice) -> str:
    """One line of an address, or two where the unit stands on its own."""
    line = dice.weighted(_LINES)(dice)
    return line if dice.random() > 0.23 else f"{line}{dice.pick(_GAPS)}{written(dice, 'unit')}"


def address_abroad(dice: Dice) -> str:
    """A whole address outside the United States: the code before the city, or behind it."""
    words = vocabulary("places")
    city, code = dice.pick(words["world_cities"]), dice.shape(dice.pick(_CODES))
    gap = dice.pick((", ", ", ", "\n", " "))
    middle = f"{code} {city}" if dice.random() < 0.65 else f"{city}{dice.pick((' ', ', '))}{code}"
    land = "" if dice.random() < 0.4 else f"{gap}{dice.pick(words['countries']).removeprefix('the ')}"
    return f"{street_abroad(dice)}{gap}{middle}{land}"


def military_address(dice: Dice) -> str:
    """A whole address of the armed forces."""
    office = written(dice, "military office")
    return office if dice.random() < 0.2 else f"{written(dice, 'military line')}{dice.pick(_GAPS)}{office}"
