# ruff: noqa: E501 - an expression is easier to read in one piece
"""Dates with the name of a month, in words, and by holidays: 45 CFR 164.514(b)(2)(i)(C)."""

from __future__ import annotations

import re

from deid.notes.patterns.date_checks import kind_of_date
from deid.notes.patterns.pieces import (
    ANY_MONTH,
    BLANKS,
    CARDINAL_DAY,
    DAY,
    FULL_YEAR,
    GAP,
    MONTH,
    MONTH_WORDS,
    NO_UNIT,
    NTH,
    ORDINAL,
    ORDINAL_WORDS,
    YEAR,
    YEAR_WORDS,
    no_code,
)
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

_DAY_AFTER = rf"{NTH}(?![\w]|[.,:/]\d|-\d{{3}}){NO_UNIT}"
_SECOND_DAY = rf"(?:[ ]?(?:-|to|through|thru|and|&)[ ]?(?:{DAY}(?:st|nd|rd|th)\b|(?<=[\-]){DAY}(?![\w]|[.:/]\d){NO_UNIT}|(?<=[\-o][ ]){DAY}(?![\w]|[.:/]\d){NO_UNIT}))?"
_YEAR_AFTER = rf"(?:[ ]?,?[ \t]?(?:of{GAP})?[ \-/.,]?(?:{YEAR}|{YEAR_WORDS}))?"


def _month_day(match: re.Match[str]) -> bool | None:
    """A month and a day, but not the measure of sepsis care that is written alike."""
    return None if match[0] == "SEP-1" else no_code(match)


RULES = (
    Rule(
        "service_date",
        "day_month",
        Mark.DATE,
        Anchor.NUMBER,
        rf"(?<![\w./])(?<!\d-){NTH}(?:{GAP}day)?(?:{GAP}of)?[ \t\-/.,]{{0,3}}{MONTH}{_YEAR_AFTER}(?:(?<=[ \-])\d\d(?![\w:.]))?",
        verdict=no_code,
        tells=kind_of_date,
    ),
    Rule(
        "service_date",
        "military",
        Mark.DATE,
        Anchor.NUMBER,
        rf"(?<![\w./])(?<!\d-){DAY}[ \-/]?{ANY_MONTH}[ \-/.,']{{0,2}}(?:{FULL_YEAR}|\d\d)(?![\w]|[.:/]\d|-\d)",
        verdict=no_code,
        tells=kind_of_date,
    ),
    Rule(
        "service_date",
        "year_first",
        Mark.DATE,
        Anchor.NUMBER,
        rf"(?<![\w./\-]){FULL_YEAR}[ \-/,]{{0,2}}{ANY_MONTH}[ \-/]?{DAY}(?![\w]|[.:/]\d)",
        verdict=no_code,
    ),
    Rule(
        "service_date",
        "month_day",
        Mark.DATE,
        MONTH_WORDS,
        rf"{MONTH}[ \t\-/.,]{{0,3}}(?:the[ ])?{_DAY_AFTER}{_SECOND_DAY}(?:{_YEAR_AFTER}(?!\w))",
        verdict=_month_day,
        tells=kind_of_date,
    ),
    Rule(
        "service_date",
        "month_range",
        Mark.DATE,
        MONTH_WORDS,
        rf"{MONTH}[ ]{DAY}(?:st|nd|rd|th)?[ ]?(?:-|to|through|and)[ ]?{MONTH}[ ]{_DAY_AFTER}(?:{_YEAR_AFTER}(?!\w))",
    ),
    Rule(
        "service_date",
        "month_day_words",
        Mark.DATE,
        MONTH_WORDS,
        rf"{MONTH}{GAP}(?:the{GAP})?(?:{ORDINAL}|{CARDINAL_DAY}(?=,?{GAP}{YEAR_WORDS})){_YEAR_AFTER}",
    ),
    Rule(
        "service_date",
        "day_month_words",
        Mark.DATE,
        ORDINAL_WORDS,
        rf"{ORDINAL}{GAP}(?:day{GAP})?(?:of{GAP})?{MONTH}{_YEAR_AFTER}",
    ),
    Rule(
        "service_date",
        "may",
        Mark.DATE,
        "may",
        rf"may[ ]{DAY}(?:(?:st|nd|rd|th)\b|,?[ ]{FULL_YEAR}(?!\d))(?:,?[ ]{YEAR})?",
    ),
    Rule(
        "service_date",
        "month_year",
        Mark.DATE,
        MONTH_WORDS,
        rf"{MONTH}(?:,|{GAP}of)?[ \t\-/]{{0,2}}(?:{YEAR}|{YEAR_WORDS})",
    ),
    Rule(
        "service_date",
        "month",
        Mark.PART_OF_DATE,
        "in since last next until till this early late mid during throughout past",
        rf"(?:in|since|last|next|until|till|this|early|late|mid|during|throughout|past)[ \-]{{1,2}}(?:(?:early|late|mid)[ \-]{{1,2}})?(?P<v>(?=(?-i:[A-Z])){MONTH})(?!{GAP}(?-i:[A-Z][a-z]))",
    ),
    Rule(
        "service_date",
        "month",
        Mark.PART_OF_DATE,
        "january february september october november december july",
        r"(?-i:[A-Z])[a-z]+",
    ),
    Rule("service_date", "month", Mark.PART_OF_DATE, MONTH_WORDS, rf"(?=(?-i:[A-Z])){MONTH}", sure=False),
    Rule(
        "service_date",
        "month",
        Mark.PART_OF_DATE,
        "january february september october november december july april june august",
        r"(?-i:[a-z])[a-z]+",
        sure=False,
    ),
    Rule(
        "service_date",
        "ordinal",
        Mark.PART_OF_DATE,
        "on since until by from the monday tuesday wednesday thursday friday saturday sunday",
        rf"(?:on|since|until|by|from|monday|tuesday|wednesday|thursday|friday|saturday|sunday)?,?{BLANKS}(?:the{GAP})(?P<v>{DAY}(?:st|nd|rd|th))\b(?={BLANKS}(?:[,.;)\n]|\Z|at\b|of{GAP}(?:this|last|next|the|each|every){GAP}month))",
        sure=False,
    ),
    Rule(
        "service_date",
        "ordinal_of_month",
        Mark.PART_OF_DATE,
        "the",
        rf"the{GAP}(?P<v>{DAY}(?:st|nd|rd|th)|{ORDINAL})(?={GAP}of{GAP}(?:this|last|next|the){GAP}month)",
    ),
    Rule(
        "service_date",
        "holiday",
        Mark.PART_OF_DATE,
        "on since before after around over until till by last next this at during of",
        rf"(?:on|since|before|after|around|over|until|till|by|last|next|this|at|during|of){GAP}(?:the{GAP})?(?P<v>(?-i:Christmas(?:[ ](?:Eve|Day))?(?![ ][Dd]isease|[ ][Tt]ree|[ ][Ff]actor)|Thanksgiving(?:[ ]Day)?|Halloween|Hanukkah|Easter(?:[ ]Sunday)?"
        r"|Juneteenth|New[ ]Year'?s?(?:'s)?[ ](?:Eve|Day)|(?:Labor|Memorial|Independence|Veterans?'?|Valentine'?s?|Mother's|Father's|Presidents'?|Columbus|MLK)[ ]Day|(?:Fourth|4th)[ ]of[ ]July|Good[ ]Friday))\b",
    ),
)
