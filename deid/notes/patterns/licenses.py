# ruff: noqa: E501 - an expression is easier to read in one piece
"""Certificate and license numbers: 45 CFR 164.514(b)(2)(i)(K); those of providers (NPI, DEA) among them."""

from __future__ import annotations

import re

from deid.notes.check_digits import is_dea, is_npi
from deid.notes.patterns.labels import labeled
from deid.notes.patterns.pieces import follows_code
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

_PROVIDER = re.compile(
    r"\b(?:npi|provider|prescriber|rendering|referring|ordering|attending|physician|dr|md|do|np|pa|rn)\b[^\n\d]{0,30}\Z",
    re.IGNORECASE,
)


def _npi(match: re.Match[str]) -> bool | None:
    """A number that could be a provider's is one beside a provider; elsewhere only a hint."""
    if follows_code(match) or not is_npi(match[0]):
        return None
    start = match.start()
    return _PROVIDER.search(match.string, max(0, start - 48), start) is not None


def _unit(match: re.Match[str]) -> bool:
    """What stands behind "mg/dL" in a table is no driver's license."""
    return match[0][:2].lower() == "dl" and match.string[match.start() - 1 : match.start()] == "/"


RULES = (
    *labeled(
        "license_number",
        "labeled",
        alone="license number, license no, license #, license id, licence number, licence no, lic number, lic no, lic #, lic., "
        "driver's license, drivers license, driver license, driver's licence, driver's lic, driving licence, state license, "
        "medical license, nursing license, professional license, pharmacy license, passport number, passport no, passport #, "
        "passport, certificate number, certificate no, certification number, certification no, dea number, dea no, dea #, dea, "
        "dl number, dl no, dl #, dl#, cdl, green card, travel document, visa number, alien registration, a-number, state id, "
        "registration number, registration no, cert number, cert no, cert #",
        numbered="license, licence, dl, certificate, certification, permit, registration, cert, visa, lic",
        digits=4,
        doubted=_unit,
    ),
    *labeled(
        "npi",
        "labeled",
        alone="npi, npi number, national provider identifier, provider id, provider number, upin",
        digits=4,
    ),
    Rule("npi", "npi", Mark.ID_SHAPE, Anchor.NUMBER, r"(?<![\w.\-])[12]\d{9}(?![\w\-]|\.\d)", verdict=_npi),
    Rule(
        "license_number",
        "dea",
        Mark.SECRET,
        Anchor.CODE,
        r"(?<![\w\-])(?-i:[ABCDEFGHJKLMPRSTUX][A-Z9])\d{7}(?![\w\-])",
        verdict=lambda match: None if follows_code(match) else is_dea(match[0]),
    ),
)
