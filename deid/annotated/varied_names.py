"""Names in the forms that are easily missed: an initial and a surname, particles before the comma, two given names."""

from __future__ import annotations

from deid.annotated.census import given_names, surnames
from deid.annotated.dice import Dice
from deid.annotated.invented import accented, compound, syllables
from deid.annotated.people import cased, given, person, surname
from deid.annotated.scene import Maker, Person, Scene
from deid.annotated.vocabulary import vocabulary


def _surname(dice: Dice) -> str:
    part = dice.random()
    if part < 0.35:
        name = syllables(dice)
    elif part < 0.6:
        name = compound(dice)
    else:
        name = surname(dice)
    return accented(dice, name) if dice.random() < 0.2 else name


def _listed(dice: Dice) -> str:
    return surnames().draw(dice)


def _particled(dice: Dice) -> str:
    lists = vocabulary("people")
    name = dice.pick((compound, syllables, _listed))(dice)
    if dice.random() < 0.25:
        return dice.pick(lists["apostrophes"]) + name
    return f"{dice.pick(lists['particles'])} {name}"


def _two_given(dice: Dice) -> str:
    part = dice.random()
    first = given_names().draw(dice) if part < 0.6 else syllables(dice)
    second = given_names().draw(dice) if part < 0.75 else syllables(dice)
    if part > 0.9:
        return f"{first}-{second.lower()}"
    return f"{first}{'-' if part < 0.75 else ' '}{second}"


def _unlisted(dice: Dice) -> Person:
    who = person(dice)
    who.last = _surname(dice)
    return who


def _composed(dice: Dice) -> Person:
    who = person(dice)
    part = dice.random()
    who.last = _particled(dice) if part < 0.65 else _surname(dice)
    who.given = _two_given(dice) if part > 0.35 else given(dice)
    return who


def short_name(scene: Scene, letter: str) -> str:
    """An initial and a surname: "E. Thornwick"."""
    who: Person = scene.once("person", letter, _unlisted)
    dice = scene.dice
    head = f"{who.given[0]}."
    part = dice.random()
    if part < 0.12 and "-" in who.given[1:-1]:
        head += f"-{who.given.partition('-')[2][0].upper()}."
    elif part < 0.25:
        head += f"{dice.pick(('', ' '))}{dice.pick('ABCDEFGHJKLMNPRSTVW')}."
    elif part < 0.32:
        head = head[0]
    return cased(scene, f"{head}{'' if part > 0.97 else ' '}{who.last}")


def last_first(scene: Scene, letter: str) -> str:
    """Surname first: "von der Lahn, Anne-Marie"."""
    who: Person = scene.once("person", letter, _composed)
    dice = scene.dice
    last = who.last.upper() if dice.random() < 0.12 else who.last
    part = dice.random()
    tail = who.given[0] + "." if part < 0.1 else f"{who.given} {who.middle[0]}." if who.middle else who.given
    return cased(scene, f"{last}{dice.pick((', ', ', ', ', ', ', ', ','))}{tail}")


def composed_name(scene: Scene, letter: str) -> str:
    """Given names of two parts or surnames with particles: "Ji-woo Marris", "Tomas de Varnen"."""
    who: Person = scene.once("person", letter, _composed)
    return cased(scene, f"{who.given} {who.last}")


MAKERS: dict[str, Maker] = {"SHORTNAME": short_name, "LASTFIRST": last_first, "COMPOSEDNAME": composed_name}
