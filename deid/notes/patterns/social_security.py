# ruff: noqa: E501 - an expression is easier to read in one piece
"""Social Security numbers: 45 CFR 164.514(b)(2)(i)(G); parts of one identify as well (the last four, above all)."""

from __future__ import annotations

import re

from deid.notes.patterns.labels import labeled
from deid.notes.patterns.pieces import BLANKS, GAP, NO_UNIT, no_code
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

_MASK = r"[xX*#•]"
_WRITTEN = r"(?P<v>(?:[\dx*#•]{3}[\- .]{0,2}[\dx*#•]{2}[\- .]{0,2})?\d{4})(?![\w\-]|\.\d)"

RULES = (
    Rule(
        "ssn",
        "ssn",
        Mark.SECRET,
        Anchor.NUMBER,
        r"(?<![\w\-.])\d{3}(?:[ ]?-[ ]?\d\d[ ]?-[ ]?|\.\d\d\.|[ ]\d\d[ ])\d{4}(?![\w\-]|\.\d)",
        verdict=no_code,
    ),
    *labeled(
        "ssn",
        "labeled",
        alone="ssn, ss#, ss #, ss number, ss no, soc sec, soc. sec., social security, social security number, ssa number, itin, "
        "last four of ssn, last 4 of ssn, last four ssn, last 4 ssn, ssn last 4, ssn last four, last four of social, last 4 of social, "
        "last four digits of social security, last four digits of ssn, last 4 digits of ssn",
        numbered="social",
        mark=Mark.SECRET,
        value=_WRITTEN,
        digits=4,
    ),
    Rule(
        "ssn", "masked", Mark.SECRET, Anchor.MASK, rf"(?<!\w){_MASK}{{3}}[\- ]?{_MASK}{{2}}[\- ]?(?P<v>\d{{4}})(?!\w)"
    ),
    Rule(
        "ssn",
        "last_four",
        Mark.SECRET,
        "last ending final",
        rf"(?:(?:last|final){GAP}(?:four|4)|ending{GAP}(?:in|with))(?:{BLANKS}(?:(?:digits?|numbers?|of|the|his|her|their|ssn?|social|security|number|is|are|was|card|account|phone"
        rf"|cell)\b|[:#(=\-])){{0,7}}{BLANKS}(?P<v>\d{{4}})(?![\w%]|[./]\d){NO_UNIT}",
        verdict=lambda match: not re.match(r"(?:19|20)\d\d", match["v"]),
    ),
)
