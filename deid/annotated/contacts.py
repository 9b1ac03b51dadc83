"""Phones, faxes, pagers, e-mail, addresses of networks, and the names people go by in them."""

from __future__ import annotations

import re

from deid.annotated import people
from deid.annotated.date_forms import in_words
from deid.annotated.dice import Dice
from deid.annotated.forms import written
from deid.annotated.invented import compound, syllables
from deid.annotated.scene import Maker, Person, Scene
from deid.annotated.vocabulary import vocabulary

_NOT_LETTERS = re.compile(r"[^a-z0-9]+")


def _from(section: str, dice: Dice) -> str:
    return dice.pick(vocabulary("contacts")[section])


def _said(dice: Dice) -> str:
    """A number read aloud."""
    zero = dice.pick(("zero", "oh", "oh"))
    return " ".join(in_words(int(mark)) if mark != "0" else zero for mark in dice.digits(dice.pick((7, 10))))


def telephone(dice: Dice) -> str:
    """A telephone number in any form."""
    part = dice.random()
    if part < 0.1:
        return written(dice, "phone") + written(dice, "extension")
    if part < 0.9:
        return written(dice, "phone")
    if part < 0.97:
        return written(dice, "phone abroad")
    return _said(dice) if part < 0.985 else written(dice, "vanity phone")


def phone(scene: Scene, letter: str) -> str:
    """A telephone number; that of a person where a letter names one."""
    text: str = scene.once("phone", letter, telephone)
    return text


def fax(scene: Scene, letter: str) -> str:
    """A fax number."""
    text: str = scene.once("fax", letter, telephone)
    return text


def _plain(name: str) -> str:
    return _NOT_LETTERS.sub("", name.lower()) or "info"


def user_name(dice: Dice, who: Person) -> str:
    """What somebody might be called by a machine."""
    one, two = _plain(who.given), _plain(who.last)
    if dice.random() < 0.06:
        return f"{_plain(syllables(dice))}{dice.between(1, 99)}"
    short = dice.pick((one, one[0], one[0], one))
    join = dice.pick((".", ".", "", "", "_", "-"))
    parts = (short, two) if dice.random() < 0.75 else (two, short) if dice.random() < 0.7 else (one, "")
    name = join.join(part for part in parts if part)
    ending = dice.between(0, 9)
    if ending > 3:
        return name
    if ending == 0:
        return f"{name}+{_from('plus', dice)}"
    return f"{name}{(who.born.year, who.born.year % 100, dice.between(1, 9999))[ending - 1]}"


def host(dice: Dice) -> str:
    """The name of a machine or company on the network."""
    stem = _plain(dice.pick((compound, compound, syllables, people.surname))(dice))
    return stem + _from("host ends", dice)


def email(scene: Scene, letter: str) -> str:
    """An e-mail address, mostly made of a name."""
    text: str = scene.once("email", letter, lambda dice: _mail(dice, people.of(scene, letter)))
    return text


def _mail(dice: Dice, who: Person) -> str:
    local, domain = user_name(dice, who), _from("mail hosts", dice) if dice.random() < 0.6 else host(dice)
    part = dice.random()
    if part < 0.94:
        return f"{local}@{domain}"
    if part < 0.96:
        return f"{local}@{domain}".upper()
    return f"{local}{_from('at signs', dice)}{domain.replace('.', ' dot ') if part < 0.975 else domain}"


def url(scene: Scene, letter: str) -> str:
    """An address on the web."""
    dice = scene.dice
    start = _from("web starts", dice) if dice.random() < 0.85 else ""
    text = f"{start}{_from('web heads', dice)}.{host(dice)}"
    part = dice.random()
    if part < 0.3:
        return text
    if part < 0.4:
        return text + _from("plain paths", dice)
    tails = (dice.digits(dice.between(4, 9)), dice.mixed(8).lower(), user_name(dice, people.of(scene, letter)))
    return f"{text}{_from('paths', dice)}{dice.pick(tails)}"


def mac(scene: Scene, _letter: str) -> str:
    """The hardware address of a network card."""
    dice = scene.dice
    text = dice.pick((":", ":", "-")).join([dice.mixed(2, "0123456789ABCDEF") for _ in range(6)])
    return text if dice.random() < 0.6 else text.lower()


def handle(scene: Scene, letter: str) -> str:
    """The name somebody bears in a network of people."""
    name = user_name(scene.dice, people.of(scene, letter))
    return name if scene.dice.random() < 0.25 else f"@{name}"


def _written(form: str) -> Maker:
    return lambda scene, _letter: written(scene.dice, form)


MAKERS: dict[str, Maker] = {
    "PHONE": phone,
    "FAX": fax,
    "PAGER": _written("pager"),
    "EXT": _written("extension alone"),
    "SHORTPHONE": _written("short phone"),
    "EMAIL": email,
    "URL": url,
    "IP": _written("ip"),
    "MAC": mac,
    "HANDLE": handle,
}
