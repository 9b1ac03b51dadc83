"""Numbers and codes that identify: records, accounts, plans, licenses, vehicles, devices, claims and any other."""

from __future__ import annotations

from collections.abc import Callable

from deid.annotated import check_digits, people
from deid.annotated.dice import Dice
from deid.annotated.forms import written
from deid.annotated.scene import Maker, Scene
from deid.annotated.vocabulary import vocabulary

_HEX = "0123456789abcdef"
_JOINS = ("-", "-", "", "#", " ", "_", ":", "/")
_TRAITS = (
    "FP",
    "IRIS",
    "RET",
    "VOICE",
    "FACE",
    "PALM",
    "GAIT",
    "BIO",
    "fingerprint template",
    "voiceprint",
    "iris scan",
)
_ENDINGS = ("jpg", "jpg", "png", "jpeg", "dcm", "heic", "tif", "JPG", "pdf", "mov")


def _of_shape(dice: Dice) -> str:
    return dice.shape(dice.pick(vocabulary("shapes")["any"]))


def _headed(dice: Dice) -> str:
    head = dice.pick(vocabulary("shapes")["head"])
    return f"{head}{dice.pick(_JOINS)}{dice.digits(dice.between(3, 10))}"


def _dated(dice: Dice) -> str:
    head = dice.pick(vocabulary("shapes")["head"])
    return f"{head}-{dice.between(2015, 2031)}-{dice.digits(dice.between(3, 6))}"


def _hexadecimal(dice: Dice) -> str:
    if dice.random() < 0.6:
        return dice.mixed(dice.between(8, 24), _HEX) + dice.digits(2)
    return "-".join([dice.mixed(size, _HEX) for size in (8, 4, 4, 4, 12)])


def shaped(dice: Dice) -> str:
    """A code of any shape."""
    part = dice.random()
    if part < 0.7:
        return _of_shape(dice)
    if part < 0.88:
        return _headed(dice)
    if part < 0.92:
        return _dated(dice)
    if part < 0.97:
        return _hexadecimal(dice)
    return f"#{dice.digits(dice.between(4, 10))}" if part < 0.985 else _of_shape(dice).lower()


def _biometric(dice: Dice) -> str:
    return f"{dice.pick(_TRAITS)}{dice.pick(('-', ' ', '#', '_', ' ID '))}{dice.mixed(dice.between(5, 14))}"


def _photo(scene: Scene, letter: str) -> str:
    dice, who = scene.dice, people.of(scene, letter)
    one, two = who.given.replace(" ", "_"), who.last.replace(" ", "_")
    stems = (
        f"IMG_{dice.digits(4)}",
        f"DSC{dice.digits(5)}",
        f"{two.lower()}_{one.lower()}_{dice.pick(('face', 'wound', 'id', 'front'))}",
        f"{one}_{dice.digits(2)}",
        f"photo-{dice.digits(6)}",
        f"{dice.between(2015, 2031)}{dice.digits(4)}_{dice.digits(6)}",
        f"patient_{dice.digits(5)}_left",
    )
    return f"{dice.pick(stems)}.{dice.pick(_ENDINGS)}"


def _kept(kind: str, make: Callable[[Dice], str]) -> Maker:
    def maker(scene: Scene, letter: str) -> str:
        text: str = scene.once(kind, letter, make)
        return text

    return maker


def _of_shapes(*sections: str) -> Callable[[Dice], str]:
    def make(dice: Dice) -> str:
        if dice.random() > 0.8:
            return shaped(dice)
        return dice.shape(dice.pick(vocabulary("shapes")[dice.pick(sections)]))

    return make


def _company(dice: Dice) -> str:
    words = vocabulary("facilities")
    part = dice.random()
    if part < 0.55:
        return f"{people.surname(dice)} {dice.pick(words['companies'])}"
    if part < 0.75:
        other = dice.pick(("Sons", "Daughters", "Co.", "Associates")) if part < 0.68 else people.surname(dice)
        return f"{people.surname(dice)} & {other}"
    return dice.pick(words["employers"])


def _organization(dice: Dice) -> str:
    return dice.pick(vocabulary("facilities")["organizations"]) if dice.random() < 0.6 else _company(dice)


MAKERS: dict[str, Maker] = {
    "MRN": _kept("mrn", _of_shapes("record")),
    "ACCOUNT": _kept("account", _of_shapes("record", "account")),
    "MEMBER": _kept("member", _of_shapes("member")),
    "MBI": _kept("mbi", check_digits.mbi),
    "NPI": _kept("npi", check_digits.npi),
    "DEA": _kept("dea", check_digits.dea),
    "LICENSE": _kept("license", _of_shapes("license")),
    "SSN": _kept("ssn", lambda dice: written(dice, "ssn")),
    "SSN4": _kept("ssn4", lambda dice: dice.digits(4)),
    "DEVICE": _kept("device", _of_shapes("device")),
    "UDI": _kept("udi", check_digits.udi),
    "VIN": _kept("vin", check_digits.vin),
    "PLATE": _kept("plate", lambda dice: dice.shape(dice.pick(vocabulary("shapes")["plate"]))),
    "CLAIM": _kept("claim", _of_shapes("case", "claim")),
    "ENCOUNTER": _kept("encounter", _of_shapes("record", "encounter")),
    "ACCESSION": _kept("accession", _of_shapes("accession")),
    "CARD": _kept("card", check_digits.card),
    "IBAN": _kept("iban", check_digits.iban),
    "PASSPORT": _kept("passport", _of_shapes("passport")),
    "CASE": _kept("case", _of_shapes("case")),
    "ID": _kept("id", shaped),
    "BIOMETRIC": _kept("biometric", _biometric),
    "PHOTO": _photo,
    "EMPLOYER": lambda scene, _letter: _company(scene.dice),
    "ORG": lambda scene, _letter: _organization(scene.dice),
}
