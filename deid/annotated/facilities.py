"""Names of hospitals, practices, homes, pharmacies, laboratories, schools, jails and churches, in full and short."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from deid.annotated.census import proper
from deid.annotated.dice import UPPER, Dice, Table
from deid.annotated.invented import compound, syllables
from deid.annotated.people import cased, given, surname
from deid.annotated.places import state
from deid.annotated.scene import Maker, Scene
from deid.annotated.towns import town
from deid.annotated.vocabulary import vocabulary
from deid.notes.lists import load


@cache
def _listed() -> tuple[str, ...]:
    """Names of hospitals and clinics of the lists, in the usual capitals."""
    names = [*load().hospital_names(), *load().clinic_names()]
    return tuple(_capitals(" ".join(name.split())) for name in names)


def _capitals(name: str) -> str:
    if not (name.isupper() or name.islower()):
        return name
    return " ".join(
        word.lower() if word.lower() in {"of", "and", "the", "at", "for", "in"} else proper(word)
        for word in name.split()
    ).replace("'S", "'s")


def _stem(dice: Dice) -> str:
    if dice.random() < 0.38:
        return dice.pick(vocabulary("facilities")["stems"])
    return dice.pick((surname, town, compound, compound, town, given, syllables))(dice)


def _kind(dice: Dice) -> str:
    return dice.pick(vocabulary("facilities")["kinds"])


def _usual(dice: Dice) -> str:
    head = f"{dice.pick(vocabulary('facilities')['firsts'])} " if dice.random() < 0.16 else ""
    return f"{head}{_stem(dice)} {_kind(dice)}"


_NAMES: Table[Callable[[Dice], str]] = Table.of(
    (
        (lambda dice: dice.pick(_listed()), 0.2),
        (_usual, 0.68),
        (lambda dice: f"{_stem(dice)} {dice.pick(vocabulary('facilities')['stems'])} {_kind(dice)}", 0.03),
        (lambda dice: f"{_kind(dice)} {dice.pick(('of', 'at', 'at the', 'of the'))} {_stem(dice)}", 0.02),
        (lambda dice: f"{given(dice)} {surname(dice)} {_kind(dice)}", 0.025),
        (lambda dice: f"{_usual(dice)}{dice.pick((' at ', ' of ', ' - ', ', ', ' / '))}{town(dice)}", 0.025),
        (lambda dice: f"{_stem(dice)}-{surname(dice)} {_kind(dice)}", 0.02),
    )
)


def facility_name(dice: Dice) -> str:
    """The full name of a facility of any kind."""
    return dice.weighted(_NAMES)(dice)


def short_name(dice: Dice) -> str:
    """How staff call a facility: an acronym, or the first word of its name."""
    words = vocabulary("facilities")
    part = dice.random()
    if part < 0.35:
        letters = "".join(dice.pick(UPPER) for _ in range(dice.between(1, 3)))
        tail = dice.pick(words["acronym_tails"]) if part < 0.28 or len(letters) < 3 else ""
        return letters + tail if len(letters + tail) > 2 else f"{letters}{tail}MC"
    stem = dice.pick(words["stems"]) if dice.random() < 0.4 else dice.pick((surname, compound, town, syllables))(dice)
    if part < 0.5:
        return stem
    form = dice.pick(words["short"])
    if "{city}" in form:
        form = form.replace("{city}", town(dice))
    if "{state}" in form:
        form = form.replace("{state}", state(dice))
    if "{name}" in form:
        form = form.replace("{name}", given(dice))
    return form.replace("{stem}", stem)


def facility(scene: Scene, letter: str) -> str:
    """The name of a facility."""
    return cased(scene, scene.once("facility", letter, facility_name))


def short_facility(scene: Scene, letter: str) -> str:
    """The short name of a facility."""
    text: str = scene.once("short facility", letter, short_name)
    return text


MAKERS: dict[str, Maker] = {
    "FACILITY": facility,
    "FACSHORT": short_facility,
    "WARD": lambda scene, _letter: scene.dice.pick(vocabulary("facilities")["wards"]),
}
