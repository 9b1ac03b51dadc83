"""Addresses, cities, counties, other places and rooms, as they are written in the United States."""

from __future__ import annotations

from deid.annotated.dice import Dice
from deid.annotated.forms import written
from deid.annotated.invented import compound
from deid.annotated.natural_towns import natural_town
from deid.annotated.odd_addresses import foreign_address, odd_address, road, rural_address
from deid.annotated.people import cased, surname
from deid.annotated.scene import Maker, Scene
from deid.annotated.streets import address_abroad, military_address, street_line
from deid.annotated.towns import listed, stem, town
from deid.annotated.vocabulary import vocabulary


def postcode(dice: Dice) -> str:
    """A ZIP, sometimes with its four more digits."""
    code = f"{dice.between(501, 99950):05d}"
    part = dice.random()
    if part < 0.86:
        return code
    return code + dice.pick(("-", "-", "-", " ", " - ", "")) + dice.digits(4) if part < 0.98 else f"{code[:3]}xx"


def state(dice: Dice) -> str:
    """A state in letters, in full, or shortened."""
    words, part = vocabulary("places"), dice.random()
    if part < 0.62:
        return dice.pick(words["states"])
    return dice.pick(words["state_names"] if part < 0.95 else words["state_short"])


def _kept_town(scene: Scene, letter: str) -> str:
    text: str = scene.once("city", letter, town)
    return text


def city(scene: Scene, letter: str) -> str:
    """A city alone."""
    return cased(scene, _kept_town(scene, letter))


def city_state(scene: Scene, letter: str) -> str:
    """A city with its state."""
    dice = scene.dice
    where: str = scene.once("state", letter, state)
    text = f"{_kept_town(scene, letter)}{dice.pick((', ', ', ', ', ', ' ', ',', ' ('))}{where}"
    return cased(scene, f"{text})" if "(" in text else text)


def street(scene: Scene, letter: str) -> str:
    """One line of an address."""
    text: str = scene.once("street", letter, street_line)
    return cased(scene, text)


def address(scene: Scene, letter: str) -> str:
    """A whole address, on one line or on several."""
    dice = scene.dice
    part = dice.random()
    if part < 0.03:
        return cased(scene, military_address(dice))
    if part < 0.14:
        return cased(scene, (address_abroad if part < 0.05 else foreign_address if part < 0.08 else odd_address)(dice))
    line: str = scene.once("street", letter, street_line)
    where, code = scene.once("state", letter, state), scene.once("zip", letter, postcode)
    gap = dice.pick((", ", ", ", ", ", "\n", "\n", " ", "; ", ",\n", " - "))
    inner = dice.pick((", ", ", ", ", ", " ", ","))
    text = f"{line}{gap}{_kept_town(scene, letter)}{inner}{where}"
    if part < 0.8:
        text += f"{dice.pick((' ', ' ', ' ', '  ', ', '))}{code}"
    elif part < 0.86:
        text = f"{line}{gap}{_kept_town(scene, letter)}"
    elif part < 0.9:
        text = f"{line}{gap}{_kept_town(scene, letter)} {code}"
    elif part < 0.93:
        text += f" {code}{dice.pick((', USA', ' USA', ' US', chr(10) + 'United States'))}"
    return cased(scene, text)


def postal(scene: Scene, letter: str) -> str:
    """A ZIP alone."""
    code: str = scene.once("zip", letter, postcode)
    return code


def county(scene: Scene, letter: str) -> str:
    """A county or what is like it."""
    return cased(scene, scene.once("county", letter, _county))


def _county(dice: Dice) -> str:
    part = dice.random()
    if part < 0.35:
        return dice.pick(listed("counties"))
    name = dice.pick((surname, compound, surname, town))(dice)
    if part < 0.4:
        return f"County of {name}"
    return f"{name} {dice.pick(vocabulary('places')['county_kinds'])}"


def place(scene: Scene, letter: str) -> str:
    """A neighborhood, park, reservation or landmark."""
    return cased(scene, scene.once("place", letter, _place))


def _place(dice: Dice) -> str:
    name = town(dice) if dice.random() < 0.2 else stem(dice)
    part = dice.random()
    if part > 0.75:
        return natural_town(dice)
    if part < 0.2:
        return name
    if part < 0.35:
        return f"{dice.pick(vocabulary('places')['city_firsts'])} {name}"
    return f"{name} {dice.pick(vocabulary('places')['places'])}"


def room(scene: Scene, letter: str) -> str:
    """A room, bed or bay, with or without its word."""
    text: str = scene.once("room", letter, _room)
    return text


def _room(dice: Dice) -> str:
    number = written(dice, "room number")
    if dice.random() < 0.45:
        return number
    return f"{dice.pick(vocabulary('places')['room_words'])} {number}".replace("# ", "#")


def state_alone(scene: Scene, letter: str) -> str:
    """A state."""
    text: str = scene.once("state", letter, state)
    return text


def _from(section: str) -> Maker:
    return lambda scene, _letter: scene.dice.pick(vocabulary("places")[section])


MAKERS: dict[str, Maker] = {
    "ADDRESS": address,
    "STREET": street,
    "CITY": city,
    "CITYST": city_state,
    "ZIP": postal,
    "COUNTY": county,
    "PLACE": place,
    "ROOM": room,
    "ROAD": lambda scene, letter: cased(scene, scene.once("road", letter, road)),
    "FOREIGNADDRESS": lambda scene, letter: cased(scene, scene.once("foreign", letter, foreign_address)),
    "ODDADDRESS": lambda scene, letter: cased(scene, scene.once("odd", letter, odd_address)),
    "RURAL": lambda scene, letter: cased(scene, scene.once("rural", letter, rural_address)),
    "MILITARY": lambda scene, _letter: military_address(scene.dice),
    "STATE": state_alone,
    "COUNTRY": _from("countries"),
    "NATIONALITY": _from("nationalities"),
}
