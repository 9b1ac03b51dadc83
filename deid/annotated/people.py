"""Names of people: who they are, and every way in which they are written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from deid.annotated.census import given_names, surnames
from deid.annotated.dice import Dice
from deid.annotated.invented import accented, compound, misspelt, syllables
from deid.annotated.scene import Maker, Person, Scene
from deid.annotated.vocabulary import vocabulary

_INITIALS = "ABCDEFGHJKLMNPRSTVW"


def surname(dice: Dice) -> str:
    """A surname: of the census, of a word, of a culture, or invented; some with particles, accents or two parts."""
    lists = vocabulary("people")
    part = dice.random()
    if part < 0.64:
        name = surnames().draw(dice)
    elif part < 0.72:
        name = dice.pick(lists["word_surnames"])
    elif part < 0.74:
        name = dice.pick(lists["month_names"] if dice.random() < 0.3 else lists["city_names"])
    elif part < 0.81:
        name = dice.pick(lists["cultural_surnames"])
    else:
        name = compound(dice) if part < 0.9 else syllables(dice)
    return name if dice.random() < 0.84 else _decorated(dice, name)


def _decorated(dice: Dice, name: str) -> str:
    lists = vocabulary("people")
    part = dice.random()
    if part < 0.2:
        return dice.pick(lists["apostrophes"]) + name
    if part < 0.42:
        return f"{dice.pick(lists['particles'])} {name}"
    if part < 0.65:
        return f"{name}-{surnames().draw(dice)}"
    if part < 0.78:
        return f"{name} {surnames().draw(dice)}"
    if part < 0.93:
        return accented(dice, name)
    return misspelt(dice, name)


def given(dice: Dice) -> str:
    """A given name: of the census, of a word, of a culture, or invented."""
    lists = vocabulary("people")
    part = dice.random()
    if part < 0.76:
        name = given_names().draw(dice)
    elif part < 0.81:
        name = dice.pick(lists["word_given"])
    elif part < 0.89:
        name = dice.pick(lists["cultural_given"])
    elif part < 0.94:
        name = syllables(dice)
    elif part < 0.97:
        name = surname(dice)
    else:
        name = dice.pick(lists["nicknames"])
    part = dice.random()
    if part < 0.94:
        return name
    if part < 0.97:
        return f"{name}{'-' if part < 0.955 else ' '}{given_names().draw(dice)}"
    return accented(dice, name) if part < 0.985 else misspelt(dice, name)


def person(dice: Dice) -> Person:
    """Somebody, born in the last hundred years and more."""
    part = dice.random()
    middle = "" if part < 0.55 else dice.pick(_INITIALS) if part < 0.85 else given(dice)
    suffix = dice.pick(vocabulary("people")["suffixes"]) if dice.random() < 0.05 else ""
    born = date(1916, 1, 1) + timedelta(days=int(dice.random() * 40000))
    first, last = given(dice), surname(dice)
    if dice.random() < 0.015:  # names of synthetic records: "Abe604 Frami345"
        first, last = first + dice.digits(3), last + dice.digits(dice.between(1, 3))
    return Person(first, middle, last, suffix, born)


def of(scene: Scene, letter: str) -> Person:
    """The person of `letter`, or anybody."""
    who: Person = scene.once("person", letter, person)
    if letter != "a":
        scene.others.append(who)
    return who


def cased(scene: Scene, name: str) -> str:
    """`name` in the capitals of the document, or now and then in others."""
    part = scene.dice.random()
    if part > 0.06:
        style = scene.style
        return name if style > 0.07 else name.upper() if style > 0.025 else name.lower()
    if part < 0.035:
        return name.upper()
    return name.lower() if part < 0.055 else " ".join(name.replace(" ", ""))


def _middle(dice: Dice, who: Person) -> str:
    if not who.middle or dice.random() < 0.3:
        return ""
    if len(who.middle) == 1 or dice.random() < 0.4:
        return f" {who.middle[0]}" + ("." if dice.random() < 0.75 else "")
    return f" {who.middle}"


def full(scene: Scene, letter: str) -> str:
    """First name and surname."""
    who = of(scene, letter)
    return cased(scene, f"{who.given} {who.last}")


def name(scene: Scene, letter: str) -> str:
    """A full name in any of the usual forms."""
    who, dice = of(scene, letter), scene.dice
    part = dice.random()
    if part < 0.62:
        text = f"{who.given}{_middle(dice, who)} {who.last}"
        if who.suffix:
            text += f"{',' if dice.random() < 0.4 else ''} {who.suffix}"
    elif part < 0.84:
        text = f"{who.last}{',' if part < 0.83 else ''} {who.given}{_middle(dice, who)}"
        if who.suffix and dice.random() < 0.5:
            text = text.replace(",", f" {who.suffix},", 1)
    else:
        text = dice.pick(_RARE)(dice, who)
    return cased(scene, text)


def _initial(dice: Dice) -> str:
    return dice.pick(_INITIALS)


def _nicknamed(dice: Dice, who: Person) -> str:
    lists = vocabulary("people")
    quotes = dice.pick(lists["quotes"])
    return f"{who.given} {quotes[0]}{dice.pick(lists['nicknames'])}{quotes[1]} {who.last}"


_RARE: tuple[Callable[[Dice, Person], str], ...] = (
    lambda _, who: f"{who.given[0]}. {who.last}",
    lambda _, who: f"{who.given[0]}. {who.last}",
    lambda _, who: f"{who.given[0]} {who.last}",
    lambda _, who: f"{who.last} {who.given[0]}",
    lambda _, who: f"{who.last} {who.given[0]}.",
    lambda _, who: f"{who.last}, {who.given[0]}.",
    lambda dice, who: f"{who.given[0]}.{_initial(dice)}. {who.last}",
    lambda dice, who: f"{who.given[0]}. {_initial(dice)}. {who.last}",
    _nicknamed,
    _nicknamed,
    lambda dice, who: f"{who.given} {who.last} {surname(dice)}",
    lambda _, who: f"{who.last},{who.given}",
    lambda dice, who: f"{who.last},{who.given} {_initial(dice)}",
    lambda dice, who: f"{who.given}{dice.pick(('  ', '_', '.', '-', ' - '))}{who.last}",
    lambda dice, who: f"{who.given[0]}. {given(dice)} {who.last}",
    lambda _, who: f"{who.last.upper()}, {who.given}",
    lambda _, who: f"{who.given} {who.last.upper()}",
    lambda _, who: f"{who.last.upper()} {who.given}",
    lambda _, who: f"{who.last}^{who.given}",
    lambda _, who: f"{who.given} {who.last[0]}.",
    lambda _, who: f"{who.given} {who.last[0]}",
)


def first(scene: Scene, letter: str) -> str:
    """A first name alone."""
    return cased(scene, of(scene, letter).given)


def last(scene: Scene, letter: str) -> str:
    """A surname alone."""
    return cased(scene, of(scene, letter).last)


def initials(scene: Scene, letter: str) -> str:
    """Initials: "J.R.S.", "JS", "J. S."."""
    who = of(scene, letter)
    letters = [who.given[0].upper(), who.last[0].upper()]
    if who.middle and scene.dice.random() < 0.6:
        letters.insert(1, who.middle[0].upper())
    part = scene.dice.random()
    if part < 0.45:
        return ".".join(letters) + "."
    if part < 0.85:
        return "".join(letters)
    return ". ".join(letters) + "." if part < 0.95 else ".".join(letters)


def nick(scene: Scene, letter: str) -> str:
    """What somebody is called."""
    chosen: str = scene.once("nick", letter, lambda dice: dice.pick(vocabulary("people")["nicknames"]))
    return cased(scene, chosen)


def signoff(scene: Scene, letter: str) -> str:
    """What stands under a note: initials or a user's name."""
    who, dice = of(scene, letter), scene.dice
    if dice.random() < 0.34:
        return initials(scene, letter)
    one, two = who.given.lower().replace(" ", ""), who.last.lower().replace(" ", "")
    forms = (
        f"{one[0]}{two}",
        f"{one[0]}{two}",
        f"{one[0]}{two[:5]}{dice.digits(dice.between(1, 3))}",
        f"{two}{one[0]}",
        f"{one}.{two}",
        f"{one[0]}{two[0]}",
        f"{who.given[0]}{two[0]}",
    )
    return dice.pick(forms)


def title(scene: Scene, _letter: str) -> str:
    """A title before a name."""
    return scene.dice.pick(vocabulary("people")["titles" if scene.dice.random() < 0.8 else "rare_titles"])


def provider_title(scene: Scene, _letter: str) -> str:
    """A title of one who works in a clinic."""
    return scene.dice.pick(vocabulary("people")["provider_titles"])


def credential(scene: Scene, _letter: str) -> str:
    """What stands after the name of one who works in a clinic."""
    return scene.dice.pick(vocabulary("people")["credentials"])


MAKERS: dict[str, Maker] = {
    "NAME": name,
    "FULL": full,
    "FIRST": first,
    "LAST": last,
    "INITIALS": initials,
    "NICK": nick,
    "SIGNOFF": signoff,
    "TITLE": title,
    "PROVIDERTITLE": provider_title,
    "CRED": credential,
}
