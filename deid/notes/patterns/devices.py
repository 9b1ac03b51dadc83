# ruff: noqa: E501 - an expression is easier to read in one piece
"""Device identifiers and serial numbers: 45 CFR 164.514(b)(2)(i)(M); the forms of a UDI are those of 21 CFR 830.20."""

from __future__ import annotations

from deid.notes.patterns.labels import labeled
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

RULES = (
    *labeled(
        "device_id",
        "labeled",
        alone="serial number, serial no, serial num, serial #, serial, s/n, device id, device identifier, device serial, device number, "
        "device no, device #, udi, udi-di, udi-pi, implant id, implant serial, implant number, implant no, implant #, pacemaker serial, "
        "icd serial, pump serial, generator serial, lead serial, asset tag, asset number, imei, meid, icc id, mac address, bluetooth id",
        numbered="sn, device, implant, generator, pacemaker, pump, stimulator, prosthesis, monitor, sensor, transmitter",
    ),
    *labeled(
        "device_id",
        "lot",
        alone="lot number, lot no, lot #, batch number, batch no, batch #, ref number, model number, model no",
        numbered="lot, batch",
        sure=False,
    ),
    # GS1: application identifiers in parentheses, (01) the device, (21) its serial number.
    Rule(
        "device_id",
        "udi",
        Mark.SECRET,
        Anchor.NUMBER,
        r"\(01\)[ ]?\d{14}(?:[ ]?\((?:10|11|17|21|240)\)[ ]?[\w\-./]{1,20}){0,5}",
    ),
    Rule(
        "device_id",
        "udi_part",
        Mark.SECRET,
        Anchor.NUMBER,
        r"\((?:21|10)\)[ ]?(?P<v>(?=[A-Z\-]{0,8}\d)[A-Z0-9\-]{4,20})",
    ),
    # HIBCC begins with a plus sign and the letter of the labeler; ICCBBA with an equals sign.
    Rule(
        "device_id",
        "hibcc",
        Mark.SECRET,
        Anchor.CODE,
        r"(?<=[+])[A-Z]\d{3}[A-Z0-9]{3,20}(?:/\$?[A-Z0-9$/]{3,30})?",
        sure=False,
    ),
)
