"""Names that are also words: Page, Hope, Will and Long, as capitals do not tell the one from the other; all unlabeled.

A note that says "hope" and "Hope" of two things teaches the network to look at what stands around, and not at the word.
"""

from __future__ import annotations

from deid.annotated.dice import Dice
from deid.annotated.people import cased, given, person, surname
from deid.annotated.scene import Maker, Person, Scene
from deid.annotated.vocabulary import vocabulary


def _worded(dice: Dice) -> Person:
    """Somebody both of whose names are words."""
    who = person(dice)
    lists = vocabulary("word_names")
    who.given, who.last = dice.pick(lists["given"]), dice.pick(lists["surname"])
    return who


def _partly_worded(dice: Dice) -> Person:
    who = _worded(dice)
    part = dice.random()
    if part < 0.35:
        who.given = given(dice)
    elif part < 0.7:
        who.last = surname(dice)
    return who


def word_first(scene: Scene, letter: str) -> str:
    """A given name that is a word: "Hope"."""
    who: Person = scene.once("person", letter, _worded)
    return cased(scene, who.given)


def word_last(scene: Scene, letter: str) -> str:
    """A surname that is a word: "Page"."""
    who: Person = scene.once("person", letter, _worded)
    return cased(scene, who.last)


def word_name(scene: Scene, letter: str) -> str:
    """A given name or a surname that is a word, the same of the two for the same letter."""
    who: Person = scene.once("person", letter, _worded)
    by_surname: bool = scene.once("worded part", letter, lambda dice: dice.random() < 0.6)
    return cased(scene, who.last if by_surname else who.given)


def word_full(scene: Scene, letter: str) -> str:
    """A whole name of which one part at least is a word: "Drew Page", "Price, Joy"."""
    who: Person = scene.once("person", letter, _partly_worded)
    turned = scene.dice.random() < 0.2
    return cased(scene, f"{who.last}, {who.given}" if turned else f"{who.given} {who.last}")


def _bare(scene: Scene, letter: str) -> str:
    who: Person = scene.once("person", letter, _partly_worded if scene.dice.random() < 0.5 else person)
    part = scene.dice.random()
    return who.last if part < 0.5 else who.given if part < 0.8 else f"{who.given} {who.last}"


def lower_name(scene: Scene, letter: str) -> str:
    """A name in small letters, as it is typed in haste: "okafor", "drew page"."""
    return _bare(scene, letter).lower()


def upper_name(scene: Scene, letter: str) -> str:
    """A name in capitals, as it stands in a text that has no others: "PAGE", "HOPE ALVAREZ"."""
    return _bare(scene, letter).upper()


MAKERS: dict[str, Maker] = {
    "WORDFIRST": word_first,
    "WORDLAST": word_last,
    "WORDNAME": word_name,
    "WORDFULL": word_full,
    "LOWERNAME": lower_name,
    "UPPERNAME": upper_name,
}
