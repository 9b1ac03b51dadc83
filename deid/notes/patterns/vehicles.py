# ruff: noqa: E501 - an expression is easier to read in one piece
"""Vehicle identifiers, license plates among them: 45 CFR 164.514(b)(2)(i)(L)."""

from __future__ import annotations

from deid.notes.check_digits import is_vin
from deid.notes.patterns.labels import labeled
from deid.notes.patterns.pieces import BLANKS
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

_VIN = r"(?<![\w\-])(?-i:(?=[A-Z0-9]{0,16}\d)(?=[A-Z0-9]{0,16}[A-Z])[A-HJ-NPR-Z0-9]{17})(?![\w\-])"
_PLATE = rf"(?P<v>(?=[A-Z0-9\- ]{{0,9}}\d)(?-i:[A-Z0-9]{{1,4}}(?:[\- ][A-Z0-9]{{2,5}}|[A-Z0-9]{{0,6}})))(?!\w){BLANKS}"

RULES = (
    *labeled(
        "vehicle_id", "labeled", alone="vin, vin number, vehicle identification, vehicle id, vehicle serial", digits=3
    ),
    *labeled(
        "vehicle_id",
        "plate",
        alone="license plate, licence plate, plate number, plate no, plate #, tag number, tag #, license tag, number plate, vehicle plate, "
        "car plate, plates",
        numbered="plate, vehicle registration",
        value=_PLATE,
        digits=1,
    ),
    Rule(
        "vehicle_id",
        "plate",
        Mark.LABELED_ID,
        "plate plates tag",
        r"(?:plates?|tag)[ ,:#]{1,2}(?P<v>(?=[A-Z\d]{0,7}[A-Z])(?=[A-Z]{0,6}\d[A-Z]{0,6}\d)(?-i:[A-Z\d]{5,8}))(?![\w\-])",
    ),
    *(
        Rule("vehicle_id", "vin", Mark.SECRET, at, _VIN, verdict=lambda match: is_vin(match[0]))
        for at in (Anchor.NUMBER, Anchor.CODE)
    ),
)
