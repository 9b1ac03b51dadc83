# ruff: noqa: E501 - an expression is easier to read in one piece
"""Streets, boxes, apartments and coordinates: 45 CFR 164.514(b)(2)(i)(B)."""

from __future__ import annotations

import re

from deid.notes.patterns.pieces import BLANKS, CITY, GAP, LETTER, PLACE_WORD, STATE_NAMES, STATES
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.patterns.stops import is_stop
from deid.notes.span import Mark

_COMPASS = r"(?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West|Northeast|Northwest|Southeast|Southwest)\b\.?)"
# Types of streets that mean little else, and those that are words of medicine or everyday English as well.
_STREET = (
    r"(?:Street|Avenue|Ave|Road|Rd|Drive|Lane|Ln|Boulevard|Blvd|Court|Place|Terrace|Terr|Circle|Highway|Hwy|Parkway|Pkwy|Square|Trail|Trl|Alley"
    r"|Turnpike|Tpke|Expressway|Expy|Freeway|Fwy|Crescent|Cres|Plaza|Crossing|Causeway|Esplanade|Promenade|Cove|Xing|Cir|Plz)"
)
_LOOSE = (
    r"(?:St|Dr|Ct|Pl|Ter|Way|Row|Loop|Path|Pike|Manor|Mall|Corners?|Close|Gate|Walk|Grove|Ridge|Heights|Hts|Landing|Junction|Hollow|Glen"
    r"|Meadows?|Springs?|Sq|Run|Bend|Point|Park|Green|Hill|View|Vista|Commons|Island|Bridge|Fork|Forge|Pass|Bluff|Creek|Trace|Estates?|Brook|Cv|Mews|Villas?)"
)
_HOUSE = r"(?<![\w.,/\-])\d{1,6}(?:[A-Z](?![a-z])|-\d{1,4}|[ ]1/2)?"
_UNIT = (
    r"(?:,?[ \t]{0,2}\n?(?:Apt|Apartment|Unit|Suite|Ste|Rm|Room|Fl|Floor|Bldg|Building|Lot|Trlr|Trailer|Space|Spc|PH|No)\b\.?[ \t]{0,2}\#?[ ]?"
    r"(?:[A-Z]?-?\d{1,5}-?[A-Z]?|[A-Z])\b|,?[ ]?\#[ ]?[A-Z]?\d{1,5}[A-Z]?\b)?"
)
_STATE_ZIP = rf",?[ \t]{{1,2}}(?:{STATES}|{STATE_NAMES})\.?,?[ \t]{{1,3}}\d{{5}}(?:-\d{{4}})?(?!\d)"
_TAIL = rf"(?:,?[ \t]{{0,2}}\n?[ ]{{0,2}}{CITY}{_STATE_ZIP})?"
_NUMBERED = frozenset({"first", "second", "third"})
_RESIDES = re.compile(
    r"(?<![^\W_])(?:address|lives?|living|lived|resid(?:es|ing|ed)|residence|home|house|mailing|mail|deliver(?:ed|y)?|located|location|street|at|to|of)"
    r"[ \t]{0,2}(?:is|was|at|on|in|to|:|=)?[ \t]{0,2}(?:at|on|:)?[ \t]{0,2}\Z",
    re.IGNORECASE,
)


def _lower_street(match: re.Match[str]) -> bool | None:
    start = match.start()
    if re.match(
        r"\d+[ ](?:min|minute|mile|hour|lane|way|block|day|year|foot|ft|step|patient|car|people)s?\b",
        match[0],
        re.IGNORECASE,
    ):
        return None
    return _RESIDES.search(match.string, max(0, start - 28), start) is not None


def _loose_street(match: re.Match[str]) -> bool | None:
    """A street of a type that is another word too: sure when a unit, a comma or the end of the line follows."""
    words = re.findall(r"[A-Za-z]{2,}", match[0])
    if any(is_stop(word) for word in words[:-1]):
        return None
    if re.match(r"\.?[ ]{1,2}[A-Z]", match.string[match.end() : match.end() + 4]) and words[-1].lower() in ("dr", "st"):
        return False
    start = match.start()
    resides = _RESIDES.search(match.string, max(0, start - 28), start) is not None
    has_more = re.search(r"[A-Za-z]\D*\d", match[0]) is not None  # an apartment or a ZIP code
    return resides or has_more or (len(re.match(r"\d+", match[0])[0]) >= 2 and not match[0].endswith("CT"))  # type: ignore[index]


def _street(match: re.Match[str]) -> bool | None:
    """A hint only where every word before the type of street is one of medicine."""
    words = re.findall(r"[A-Za-z]{3,}", match[0])
    if words and words[0].lower() == "per":
        return False  # 375 per square meter
    return len(words) < 2 or not is_stop(words[0]) or words[0].lower() in _NUMBERED


def _route(match: re.Match[str]) -> bool:
    """A numbered road, but not the creatinine behind a number: "BUN 18 Cr 0.9"."""
    return (
        re.search(r"\bCr\b", match[0]) is None
        and re.match(r"\.\d", match.string[match.end() : match.end() + 2]) is None
    )


RULES = (
    Rule(
        "street_address",
        "street",
        Mark.STREET,
        Anchor.NUMBER,
        rf"{_HOUSE},?{GAP}(?:{_COMPASS}{GAP})?(?:(?:{PLACE_WORD}|\d{{1,3}}(?:st|nd|rd|th)){GAP}){{1,4}}(?=(?-i:[A-Z])){_STREET}\b\.?(?:[ ]{_COMPASS}(?![a-z]))?{_UNIT}{_TAIL}",
        verdict=_street,
    ),
    Rule(
        "street_address",
        "street",
        Mark.STREET,
        Anchor.NUMBER,
        rf"{_HOUSE},?{GAP}(?:{_COMPASS}{GAP})?(?:(?:{PLACE_WORD}|\d{{1,3}}(?:st|nd|rd|th)){GAP}){{1,3}}(?=(?-i:[A-Z])){_LOOSE}\b\.?(?![ ]?[A-Z]\.)(?:[ ]{_COMPASS}(?![a-z]))?{_UNIT}{_TAIL}",
        verdict=_loose_street,
    ),
    Rule(
        "street_address",
        "numbered",
        Mark.STREET,
        Anchor.NUMBER,
        rf"{_HOUSE}{GAP}(?:{_COMPASS}{GAP})?\d{{1,3}}(?:st|nd|rd|th){GAP}(?:{_STREET}|St|Dr|Ct|Pl|Ter)\b\.?(?:[ ]{_COMPASS}(?![a-z]))?{_UNIT}{_TAIL}",
    ),
    Rule(
        "street_address",
        "lower_case",
        Mark.STREET,
        Anchor.NUMBER,
        rf"{_HOUSE}{GAP}(?:{_COMPASS}{GAP})?(?:{LETTER}{{2,20}}+{GAP}){{1,2}}(?:street|st|avenue|ave|boulevard|blvd|road|rd|lane|ln|drive|court|terrace|circle|parkway|highway)\b\.?{_UNIT}",
        verdict=_lower_street,
    ),
    Rule(
        "street_address",
        "route",
        Mark.STREET,
        Anchor.NUMBER,
        rf"{_HOUSE}{GAP}(?:{_COMPASS}{GAP})?(?:(?:US|State|County|Old)[ ])?(?:Hwy|Highway|Route|Rte|County[ ]Road|CR|State[ ]Road|SR|Farm[ ]to[ ]Market(?:[ ]Road)?|FM|Interstate)\b\.?[ ]\d{{1,5}}\b{_UNIT}{_TAIL}",
        verdict=_route,
    ),
    Rule(
        "street_address",
        "abroad",
        Mark.STREET,
        Anchor.NUMBER,
        rf"{_HOUSE},?{GAP}(?-i:Calle|Avenida|Av\.|Paseo|Camino|Plaza|Via|Rue|Chemin|Impasse|Boulevard|Avenue|Place|Quai|Allee|Carrer|Rua|Travessa|Strada)(?:{GAP}(?:(?-i:de|la|las|los|del|des|du|d'|el|dei|di|da|do|dos)\b|{PLACE_WORD})){{1,4}}{_UNIT}{_TAIL}",
    ),
    Rule(
        "street_address",
        "unit_after",
        Mark.STREET,
        Anchor.NUMBER,
        rf"{_HOUSE}{GAP}(?:{PLACE_WORD}{GAP}){{1,4}}(?:Apt|Apartment|Suite|Ste|Unit)\b\.?{BLANKS}\#?\w{{1,6}}(?!\w)",
        sure=False,
    ),
    Rule(
        "street_address",
        "box",
        Mark.STREET,
        "p po post pobox apartado",
        rf"(?:P\.?[ ]?O\.?[ ]?Box|POBox|Post[ ]Office[ ]Box|Apartado(?:[ ]Postal)?){BLANKS}(?:no\.?|number|\#)?{BLANKS}[A-Z]?\d{{1,7}}(?!\w){_TAIL}",
    ),
    Rule(
        "street_address",
        "rural",
        Mark.STREET,
        "rr rural hc highway star rfd route rt",
        rf"(?:RR|R\.R\.|Rural[ ]Route|RFD|HC|Highway[ ]Contract|Star[ ]Route|Route|Rt\.?)[ ]?\#?{BLANKS}\d{{1,4}},?[ ]?Box[ ]?\#?[ ]?[A-Z]?\d{{1,5}}[A-Z]?(?!\w){_TAIL}",
    ),
    Rule(
        "street_address",
        "military",
        Mark.STREET,
        "psc cmr unit uscg uss",
        rf"(?:(?:PSC|CMR|Unit)[ ]?\d{{1,6}},?[ ](?:Box|Bx)[ ]\d{{1,6}})(?!\w)(?:,?[ \t]{{0,2}}\n?{BLANKS}(?:APO|FPO|DPO),?[ ](?:AA|AE|AP)(?:[ ]\d{{5}}(?:-\d{{4}})?)?)?",
    ),
    Rule(
        "street_address",
        "military",
        Mark.PLACE,
        "apo fpo dpo",
        r"(?-i:APO|FPO|DPO),?[ ](?-i:AA|AE|AP)(?:,?[ ]\d{5}(?:-\d{4})?)?(?!\w)",
    ),
    Rule(
        "street_address",
        "apartment",
        Mark.STREET,
        "apt apartment ste suite",
        rf"(?:apt|apartment|suite|ste)\b\.?{BLANKS}(?:number|no\.?|\#)?{BLANKS}(?=[A-Z]?-?\d|(?-i:[A-Z]\b))[A-Z]?-?\d{{0,5}}-?[A-Z]?\b(?!')",
    ),
    Rule(
        "street_address",
        "no_number",
        Mark.STREET,
        "street avenue ave road rd lane drive boulevard blvd parkway highway terrace turnpike st ln",
        rf"(?<![\w'])(?:(?:{PLACE_WORD}|\d{{1,3}}(?:st|nd|rd|th)){GAP}){{1,3}}(?-i:Street|Avenue|Ave|Road|Rd|Lane|Drive|Boulevard|Blvd|Parkway|Highway|Terrace|Turnpike|St|Ln)\b",
        sure=False,
        back=48,
        ahead=12,
    ),
    Rule(
        "geocode",
        "coordinates",
        Mark.STREET,
        Anchor.NUMBER,
        r"(?<![\w.])\d{1,3}\.\d{3,9}°?[ ]?[NS]?[,;/ ][ ]?[\-+]?\d{1,3}\.\d{3,9}°?[ ]?[EW]?(?!\w|\.\d)",
    ),
)
