"""Addresses in other orders and of other countries, and roads without a number."""

from __future__ import annotations

import re

from deid.annotated.dice import Dice
from deid.annotated.forms import written
from deid.annotated.invented import compound, syllables
from deid.annotated.natural_towns import natural_town
from deid.annotated.people import surname
from deid.annotated.streets import plain_street, street_abroad
from deid.annotated.towns import town
from deid.annotated.vocabulary import vocabulary

_HOLE = re.compile(r"<([nl])>")
_HOUSE = re.compile(r"^[\w/½,&.-]*\d[\w/½,-]*\s+(?:[A-E]\s+|1/2\s+|& \d+\s+)?")
_GAPS = (", ", ", ", ", ", "\n", " ", " - ", "; ", ",\n")


def _unit_abroad(dice: Dice) -> str:
    form = dice.pick(vocabulary("towns")["units abroad"])
    return _HOLE.sub(lambda hole: str(dice.between(1, 60)) if hole[1] == "n" else dice.pick("ABCDEFG"), form)


def road(dice: Dice) -> str:
    """A street without a number: "Kestrel Lane"."""
    line = _HOUSE.sub("", plain_street(dice))
    return line if line and not line.isdigit() else f"{surname(dice)} Street"


def _world_city(dice: Dice) -> str:
    return dice.pick(vocabulary("places")["world_cities"])


def _street(dice: Dice) -> str:
    part = dice.random()
    if part < 0.35:
        return street_abroad(dice)
    name = dice.pick(vocabulary("towns")["streets abroad"]) if part < 0.65 else f"{compound(dice)} Road"
    number = f"{dice.between(1, 240)}{dice.pick(('', '', '', 'a', 'B'))}"
    return f"{number} {name}" if part < 0.85 else f"{name} {number}"


def foreign_address(dice: Dice) -> str:
    """A whole address outside the United States, with its postcode and mostly its country."""
    words, regions = vocabulary("places"), vocabulary("towns")
    where = dice.pick((town, natural_town, syllables, _world_city))(dice)
    if dice.random() < 0.25:
        where = where.upper()
    code, gap = dice.shape(dice.pick(regions["postcodes abroad"])), dice.pick(_GAPS)
    region = dice.pick(regions["regions abroad"])
    forms = (
        f"{code} {where}",
        f"{code} {where}",
        f"{where} {code}",
        f"{where}, {code}",
        f"{where}{gap}{region}{gap}{code}",
        f"{where} {region} {code}",
        f"{where}, {region}",
    )
    parts = [_street(dice), dice.pick(forms)]
    if dice.random() < 0.4:
        parts.insert(dice.pick((0, 0, 1)), _unit_abroad(dice))
    if dice.random() < 0.6:
        land = dice.pick(words["countries"]).removeprefix("the ")
        parts.append(land.upper() if dice.random() < 0.3 else land)
    return gap.join(parts)


def odd_address(dice: Dice) -> str:
    """A whole address of the United States out of the usual order: unit first, a box beside it, ZIP before the city."""
    words, gap = vocabulary("places"), dice.pick(_GAPS)
    street, unit, box = plain_street(dice), written(dice, "unit"), written(dice, "box")
    where = dice.pick((town, natural_town))(dice)
    if dice.random() < 0.4:
        where = where.upper()
    state = dice.pick(words["states"] if dice.random() < 0.7 else words["state_names"])
    code = dice.digits(5)
    line = f"{where}, {state} {code}"
    forms = (
        (unit, street, line),
        (unit, street, line),
        (street, box, line),
        (box, street, line),
        (f"c/o {surname(dice)}", street, line),
        (street, unit, where, state, code),
        (street, f"{where} {state}", code),
        (f"{code} {where} {state}", street),
        (f"{where}, {state}", street, code),
        (
            f"{compound(dice)} {dice.pick(('Building', 'Apartments', 'Tower', 'Court', 'Mobile Home Park'))}",
            street,
            line,
        ),
        (f"{street} and {road(dice)}", line),
        (street, where),
        (street, unit, f"{line}-{dice.digits(4)}", dice.pick(("USA", "US", "U.S.A.", "United States"))),
    )
    return gap.join(dice.pick(forms))


def rural_address(dice: Dice) -> str:
    """Where somebody lives out of town: "RR 2 Box 118", "Hwy 61 mile 14.5", "the corner of Mill Road and Fern Lane"."""
    highway = f"{dice.pick(vocabulary('places')['highways'])} {dice.between(1, 480)}"
    mile = f"{dice.between(1, 310)}{dice.pick(('', '', f'.{dice.between(1, 9)}'))}"
    where = dice.pick((town, natural_town))(dice)
    way = dice.pick(("north", "south", "east", "west", "N", "S", "E", "W"))
    forms = (
        written(dice, "rural"),
        f"{written(dice, 'rural')}, {where}",
        f"{highway} {dice.pick(('mile', 'at mile', 'milepost', 'mile marker', 'MP', 'mm'))} {mile}",
        f"{dice.pick(('mile', 'mile marker', 'milepost'))} {mile}{dice.pick((', ', ' on ', ' of '))}{highway}",
        f"{highway} {dice.pick(('and', '&', 'at'))} {road(dice)}",
        f"{dice.pick(('the corner of ', 'corner of ', ''))}{road(dice)} {dice.pick(('and', '&', '/'))} {road(dice)}",
        f"{dice.between(2, 30)} miles {way} of {where}{dice.pick((' on ', ' off ', ', '))}{highway}",
        f"{road(dice)} off {highway}",
    )
    return dice.pick(forms)
