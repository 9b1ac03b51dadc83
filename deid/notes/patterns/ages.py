# ruff: noqa: E501 - an expression is easier to read in one piece
"""Ages over 89 and what tells them, years of birth among it: 45 CFR 164.514(b)(2)(i)(C)."""

from __future__ import annotations

import re
from datetime import date

from deid.notes.patterns.pieces import BLANKS, GAP
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

_OLD = r"(?:9\d|1[0-2]\d)"
_ONES = r"(?:one|two|three|four|five|six|seven|eight|nine)"
_OLD_WORDS = rf"(?:ninety(?:[ \-]{{1,2}}{_ONES})?|(?:one|a)[ \-]hundred(?:[ \-](?:and[ \-])?(?:{_ONES}|ten|eleven|twelve))?|hundred[ \-]and[ \-]{_ONES})"
_YEARS_OLD = (
    r"(?:[ \-]{0,3}(?:years?|yrs?\.?|year's|years')[ \-]{0,3}(?:(?:and[ ]\d{1,2}[ ]months?[ ])?olds?\b|of[ ]age\b|young\b)"
    r"|[ \-]{0,2}y[. ]?/?[ ]?o\b|[ \-]{0,2}yr?s?/?[ ]?olds?\b|[ \-]{0,2}y/?r/?o\b)"
)
_NOT_OPEN = r"(?![ ]?\+|[ ](?:and|or)[ ](?:over|older|above|up|under|younger))"
_MEASURE = re.compile(
    r"(?<![^\W_])(?:rate|pulse|hr|sats?|saturations?|spo2|o2|oxygen|pressures?|bps?|systolics?|diastolics?|glucose|sugars?|temp\w*|fio2|weight|score|titers?)(?![^\W_])[^\n]{0,24}\Z",
    re.IGNORECASE,
)
_WHO = r"(?:male|female|man|woman|gentleman|lady|m|f|patient|pt|resident|veteran|widow|widower|grandmother|grandfather|caucasian|white|black|hispanic|asian|african)"
_REPORTED = (
    r"of|is|was|at|about|approximately|around|now|reached|recorded|as|today(?:'s)?|currently|current|be|to|the|a|by|on|in|for|an|and|his|her|their"
    r"|patient(?:'s)?|family|provided|documented|stated|reported|given|listed|noted|confirmed|verified|entered|assessment|exam|examination"
    r"|visit|admission|presentation|death|diagnosis|onset|time|clinical|field|years?|yrs|value|chart|record|this|ripe|old|age|gender|sex"
    r"|encounter|intake|registration|interview|chronological|calculated|evaluation|enrollment|surgery|discharge|birthday"
)
_OLDEST = 89
_DEGREES = range(95, 108)  # Fahrenheit, of somebody who lives
_FEVER = re.compile(
    r"(?<![^\W_])(?:t|tm|tc|tmax|tmin|temps?|temperatures?|fevers?|febrile|warmer|oral(?:ly)?|rectal(?:ly)?|axillary|tympanic|hot)(?![^\W_])[^\n]{0,20}\Z",
    re.IGNORECASE,
)
_BESIDE_NAME = re.compile(r"(?:\A|[\n,(|/])[ \t]*\Z")


def _decade(match: re.Match[str]) -> bool | None:
    """In her nineties is an age, unless it is a rate or pressure of hers."""
    start = match.start()
    if _MEASURE.search(match.string, max(0, start - 32), start):
        return None
    return match[0][:3].lower() in ("his", "her", "the") and not match[0].lower().startswith("the ")


def is_temperature(text: str, start: int, end: int) -> bool:
    """Return whether the number in [start, end) is degrees Fahrenheit, behind a word of fever and before an F."""
    is_fever = _FEVER.search(text, max(0, start - 36), start) is not None
    return is_fever and re.match(r"[ °]{0,2}F\b", text[end : end + 4]) is not None and text[start:end].isdecimal()


def _sex(match: re.Match[str]) -> bool | None:
    """A number before M or F is an age; degrees Fahrenheit are written so too."""
    if match[0][-1] != "F" or "y" in match[0].lower():
        return True
    text, start = match.string, match.start()
    if _FEVER.search(text, max(0, start - 36), start):
        return None
    return int(match["v"]) not in _DEGREES or _BESIDE_NAME.search(text, max(0, start - 8), start) is not None


def _born(match: re.Match[str]) -> bool | None:
    """A year of birth tells an age over 89 when this year is more than 89 after it (the rule names no other day)."""
    return True if int(match["v"]) < date.today().year - _OLDEST else None  # noqa: DTZ011 - a year has no zone


RULES = (
    Rule("age", "years_old", Mark.AGE, Anchor.NUMBER, rf"(?<![\w.,/\-])(?P<v>{_OLD}){_YEARS_OLD}"),
    Rule(
        "age",
        "years",
        Mark.AGE,
        Anchor.NUMBER,
        rf"(?<![\w.,/\-])(?P<v>{_OLD})[ \-]{{0,2}}(?:years?|yrs?|y)\b(?![ \-]{{1,2}}(?:ago|hist|smok|dur|later|prior|of))",
        sure=False,
    ),
    Rule(
        "age",
        "who",
        Mark.AGE,
        Anchor.NUMBER,
        rf"(?<![\w.,/\-])(?P<v>{_OLD})[ \-]{{0,2}}(?:male|female|man|woman|gentleman|lady|widow|widower)\b",
    ),
    Rule(
        "age",
        "sex",
        Mark.AGE,
        Anchor.NUMBER,
        rf"(?<![\w.,/\-])(?P<v>{_OLD})[ ]?(?:(?-i:[MF])\b(?![.:/]\d)|y[ ]?[mf]\b|/[mf]\b)",
        verdict=_sex,
    ),
    Rule(
        "age",
        "plus",
        Mark.AGE,
        Anchor.NUMBER,
        rf"(?<![\w.,/\-])(?P<v>{_OLD})(?:th|st|nd|rd){GAP}(?:birthday|year{GAP}of{GAP}life)",
    ),
    Rule(
        "age",
        "months",
        Mark.AGE,
        Anchor.NUMBER,
        r"(?<![\w.,/\-])(?P<v>1[0-4]\d\d)[ \-](?:months?|mos?)[ \-]old",
        sure=True,
    ),
    Rule("age", "words", Mark.AGE, "ninety one a hundred", rf"(?P<v>{_OLD_WORDS}){_YEARS_OLD}"),
    Rule(
        "age",
        "labeled",
        Mark.AGE,
        "age aged ages turned turning turns edad",
        rf"(?:age|aged|ages|turned|turning|turns|edad)\b(?:[ ]?\((?:yrs?|years?|y)\)|[ ]in[ ]years|/yrs?|[ ]field)?"
        rf"(?:{BLANKS}(?:>>|->|[:=|,(\[\-]{{1,2}}|(?:{_REPORTED})\b)){{0,9}}{BLANKS}"
        rf"(?P<v>{_OLD}|{_OLD_WORDS})(?![\w]|[.,/]\d|%|[ ]?(?:mg|mm|kg|lb|cm|degrees)\b){_NOT_OPEN}",
    ),
    Rule(
        "age",
        "reported",
        Mark.AGE,
        "age",
        rf"age(?:[ ][a-z']{{1,14}}){{1,9}}[ ]?[:=]?[ ](?P<v>{_OLD})(?=[ ](?:years?|yrs?)\b)(?![ ]\w+[ ]ago)",
    ),
    Rule(
        "age",
        "died",
        Mark.AGE,
        "died lived passed until deceased living alive dead dying death",
        rf"(?:died|lived|passed{GAP}away|passed|until|deceased|living|alive|dead|dying|death)(?:{GAP}(?:in{GAP}(?:his|her){GAP}sleep|peacefully|to|at|until|of|the|age|be|"
        rf"(?:he|she|they){GAP}(?:was|were)|a)\b){{1,5}}{GAP}(?P<v>{_OLD}|{_OLD_WORDS})(?![\w]|[.,/]\d|[ ]?(?:%|mg|mm|kg|lb|cm|degrees|days|hours|weeks|months|mmhg)\b)",
    ),
    Rule(
        "age",
        "is",
        Mark.AGE,
        "is was he's she's who he she be mother father grandmother grandfather",
        rf"(?:(?:patient|pt|he|she|who|mother|father|grandmother|grandfather|resident){GAP}(?:is|was|turns)|(?:he|she)'s|(?:mother|father|grandmother|grandfather),?){GAP}(?:now{GAP}|currently{GAP}|already{GAP})?"
        rf"(?P<v>{_OLD})(?=[ ]?(?:[,.;)\n]|\Z|and\b|with\b|years?\b)(?![.,]?\d|[ ]?%))",
        sure=False,
    ),
    Rule(
        "age",
        "decade",
        Mark.AGE,
        "his her their mid early late",
        r"(?:his|her|their|mid|early|late)[ \-]{1,2}(?:(?:early|mid|late|upper)[ \-]{1,2})?(?P<v>(?:9|10)0'?s\b|nineties\b|hundreds\b)",
        verdict=_decade,
    ),
    Rule(
        "age",
        "word",
        Mark.AGE,
        "nonagenarian nonagenarians centenarian centenarians supercentenarian",
        r"(?:nonage|(?:super)?cente)narians?",
    ),
    Rule("age", "followed", Mark.AGE, Anchor.NUMBER, rf"(?<![\w.,/\-])(?P<v>{_OLD})(?=,?[ ]{_WHO}\b)", sure=False),
    Rule(
        "birth_date",
        "year",
        Mark.AGE,
        "born dob year birth yob b birthyear",
        rf"(?:born|dob|birth{GAP}year|year{GAP}of{GAP}birth|birth{GAP}date|date{GAP}of{GAP}birth|birthyear|yob|b\.)"
        rf"(?:{BLANKS}(?:[:=|(]|(?:in|was|is|circa|about|around|back)\b)){{0,3}}{BLANKS}(?P<v>(?:18|19)\d\d)(?![\w]|[\-/.]\d)",
        verdict=_born,
    ),
)
