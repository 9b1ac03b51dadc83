# ruff: noqa: E501 - an expression is easier to read in one piece
"""Cities, counties, ZIP codes, rooms and facilities: 45 CFR 164.514(b)(2)(i)(B), what is smaller than a state."""

from __future__ import annotations

import re

from deid.notes.patterns.pieces import (
    BLANKS,
    CITY,
    GAP,
    NO_UNIT,
    PLACE_WORD,
    STATE_NAMES,
    STATES,
    follows_code,
    no_code,
)
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.patterns.stops import is_stop
from deid.notes.span import Mark


def _state(match: re.Match[str]) -> bool | None:
    """A city before a state; where the letters are a degree as well, the other finders decide."""
    return None if is_stop(match["v"].split()[-1]) else False


_FACILITY_WORDS = (
    "hospital hospitals clinic clinics center centre infirmary hospice sanatorium medical health rehab rehabilitation nursing healthcare "
    "pavilion institute pharmacy memorial surgicenter university"
)
_FACILITY = (
    r"(?:Hospitals?|Medical[ ](?:Center|Centre|Group|Associates|Arts)|Health[ ](?:System|Center|Centre|Services|Network)|Healthcare|Clinics?|Infirmary|Hospice"
    r"|Nursing[ ](?:Home|Center|Facility)|Rehab(?:ilitation)?(?:[ ](?:Center|Hospital|Institute|Unit))?|Care[ ]Center|Surgery[ ]Center|Cancer[ ]Center"
    r"|Community[ ]Health|Pavilion|Institute|Pharmacy|Sanatorium|Surgicenter|Assisted[ ]Living|Memorial|University)"
)

RULES = (
    Rule(
        "city",
        "city_state",
        Mark.PLACE,
        Anchor.STATE,
        rf"(?<![\w'])(?P<v>{CITY}),[ \t]{{0,3}}{STATES}(?![\w])",
        back=64,
        ahead=8,
        verdict=_state,
        stop=True,
    ),
    Rule(
        "city",
        "city_state_zip",
        Mark.PLACE,
        Anchor.STATE,
        rf"(?<![\w'])(?P<v>{CITY}),[ \t]{{0,3}}{STATES}\.?,?[ \t]{{1,3}}\d{{5}}(?:-\d{{4}})?(?![\w\-])",
        back=64,
        ahead=24,
    ),
    Rule(
        "zip_code",
        "state",
        Mark.PLACE,
        Anchor.NUMBER,
        rf"(?<=[A-Z][A-Z][ ,.])(?<=(?-i:AL|AK|AZ|AR|CA|CO|CT|DC|DE|FL|GA|GU|HI|IA|ID|IL|IN|KS|KY|LA|MA|MD|ME|MI|MN|MO|MS|MT|NC|ND|NE|NH|NJ|NM|NV|NY|OH|OK|OR|PA|PR|RI|SC|SD|TN|TX|UT|VA|VI|VT|WA|WI|WV|WY|ZZ)[ ,.])\d{{5}}(?:-\d{{4}})?(?![\w\-,]\d|\w){NO_UNIT}",
        verdict=no_code,
    ),
    Rule("zip_code", "state_name", Mark.PLACE, Anchor.STATE, rf"{STATE_NAMES}", sure=False),
    Rule(
        "zip_code", "plus_four", Mark.PLACE, Anchor.NUMBER, r"(?<![\w.\-/])\d{5}-\d{4}(?![\w\-]|\.\d)", verdict=no_code
    ),
    Rule(
        "zip_code",
        "labeled",
        Mark.PLACE,
        "zip zipcode postal postcode",
        rf"(?:zip|postal)?{BLANKS}(?:code|postcode|zip|postal)(?:{BLANKS}(?:is|was|code|area|of|:|=|\#|\|)){{0,3}}{BLANKS}(?P<v>\d{{5}}(?:-?\d{{4}})?|\d{{3}}\b|(?-i:[A-Z]\d[A-Z][ ]?\d[A-Z]\d|[A-Z]{{1,2}}\d[A-Z\d]?[ ]?\d[A-Z]{{2}}))(?!\w)",
    ),
    Rule(
        "zip_code",
        "after_city",
        Mark.PLACE,
        Anchor.NUMBER,
        rf"(?<=[a-z][ ,])(?P<v>\d{{5}})(?![\w\-/]|[.,]\d){NO_UNIT}",
        verdict=lambda match: (
            None
            if follows_code(match)
            or not re.search(r"[A-Z][a-z]+[ ,]{1,2}\Z", match.string[max(0, match.start() - 24) : match.start()])
            else False
        ),
    ),
    Rule(
        "county",
        "county",
        Mark.PLACE,
        "county parish borough",
        rf"(?<![\w'])(?:{PLACE_WORD}[ ]){{0,2}}{PLACE_WORD}[ ](?-i:County|Parish|Borough|COUNTY)\b",
        sure=False,
        back=48,
        ahead=8,
    ),
    Rule("county", "county_of", Mark.PLACE, "county", rf"county{GAP}of{GAP}(?P<v>{CITY})", sure=False),
    Rule(
        "city",
        "lives",
        Mark.PLACE,
        "lives live lived living resides resident residing from moved native born travel traveled traveling visiting relocated hometown city town community",
        rf"[a-z]{{4,10}}(?:{BLANKS}(?:in|to|of|at|near|from|outside|is|was|:|the|city|town|back|alone|home|area)\b){{0,4}}[:=]?{GAP}(?P<v>{CITY})",
        sure=False,
        stop=True,
    ),
    Rule(
        "facility_name",
        "room",
        Mark.ROOM,
        "room rm bed bay rooms",
        rf"(?:rooms?|rm\.?|bed|bay){BLANKS}(?:number|no\.?|\#|is|:)?{BLANKS}(?P<v>(?=[A-Z\-]{{0,3}}\d)[A-Z]{{0,3}}-?\d{{1,4}}(?:-?[A-Z](?![A-Z])|-\d{{1,3}}[A-Z]?|/\d{{1,2}})?)(?![\w%]|[.:]\d){NO_UNIT}",
        verdict=no_code,
    ),
    Rule(
        "facility_name",
        "ward",
        Mark.ROOM,
        "floor ward unit wing tower station",
        rf"(?:floor|ward|unit|wing|tower|station){GAP}(?P<v>\d{{1,2}}[A-Z]?|(?-i:[A-Z])\d{{0,3}})(?![\w%]|[.:/]\d){NO_UNIT}",
        sure=False,
    ),
    Rule(
        "facility_name",
        "facility",
        Mark.FACILITY,
        _FACILITY_WORDS,
        rf"(?<![\w'])(?:(?:St|Mt|Saint)\.?[ ])?{PLACE_WORD}[ ](?:(?:{PLACE_WORD}|of|the|and|for|&|at|de|la)[ ]){{0,4}}(?-i:{_FACILITY})(?:[ ](?:of|at)(?:[ ]the)?[ ]{CITY}|[ ]-[ ]{CITY})?(?![\w])",
        sure=False,
        back=72,
    ),
    Rule(
        "facility_name",
        "saint",
        Mark.FACILITY,
        "st saint",
        rf"(?-i:St\.?|Saint|ST\.?)[ ]{PLACE_WORD}(?:'s|s')?(?![ ](?i:elevation|depression|segment))",
        sure=False,
    ),
)
