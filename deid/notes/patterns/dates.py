# ruff: noqa: E501 - an expression is easier to read in one piece
"""Dates in numbers: 45 CFR 164.514(b)(2)(i)(C), all elements of dates but the year."""

from __future__ import annotations

from deid.notes.patterns.date_checks import (
    announced,
    day_of_month,
    full_date,
    kind_of_date,
    near_date_words,
    no_ratio,
    padded_day,
    two_days,
)
from deid.notes.patterns.pieces import DAY, FULL_YEAR, MONTH_NUMBER, NO_UNIT, no_code
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

_TIME = r"(?:[ ]\d\d:\d\d:\d\d(?:\.\d{1,9})?|T\d\d:?\d\d(?::?\d\d(?:\.\d{1,9})?)?(?:Z|[+\-]\d\d:?\d\d)?|:\d\d:\d\d(?::\d\d)?(?!\d))?"
_SLASHED = "|".join(
    rf"(?:{first}{mark}{second}{mark}(?:{FULL_YEAR}|'?\d\d))"
    for first, second in ((MONTH_NUMBER, DAY), (DAY, MONTH_NUMBER))
    for mark in ("/", "-", "[ ]/[ ]", "[ ]-[ ]")
)
_DOTTED = "|".join(
    rf"(?:{first}\.[ ]?{second}\.[ ]?{FULL_YEAR})" for first, second in ((MONTH_NUMBER, DAY), (DAY, MONTH_NUMBER))
)
_END = r"(?![\w]|[/\-]\d{1,4}(?![\d/\-]))"
_ISO = "|".join(rf"(?:{FULL_YEAR}{mark}{MONTH_NUMBER}{mark}{DAY})" for mark in ("-", "/", r"\."))
_BEFORE = r"(?<![\w./\-])"

RULES = (
    Rule(
        "service_date",
        "iso",
        Mark.DATE,
        Anchor.NUMBER,
        rf"(?<![\w./])(?<!\d-)(?:{_ISO})(?!\d){_TIME}",
        verdict=no_code,
        tells=kind_of_date,
    ),
    Rule(
        "service_date",
        "numeric",
        Mark.DATE,
        Anchor.NUMBER,
        rf"{_BEFORE}(?:{_SLASHED}){_END}{_TIME}{NO_UNIT}",
        verdict=full_date,
        tells=kind_of_date,
    ),
    Rule(
        "service_date",
        "dotted",
        Mark.DATE,
        Anchor.NUMBER,
        rf"{_BEFORE}(?:{_DOTTED})(?!\w|\.\d){_TIME}",
        verdict=full_date,
        tells=kind_of_date,
    ),
    Rule(
        "service_date",
        "dotted_short",
        Mark.DATE,
        Anchor.NUMBER,
        rf"{_BEFORE}(?P<v>{DAY}\.{DAY}\.\d\d)(?!\w|\.\d){NO_UNIT}",
        verdict=near_date_words,
    ),
    Rule(
        "service_date",
        "blanks",
        Mark.DATE,
        Anchor.NUMBER,
        rf"{_BEFORE}(?P<v>\d\d[ ]\d\d[ ]{FULL_YEAR})(?!\w|[.\-/]\d)",
        verdict=announced,
    ),
    Rule("birth_date", "run_together", Mark.DATE, "dob", rf"dob(?P<v>{_SLASHED}|{_ISO}){_END}"),
    Rule(
        "service_date",
        "range",
        Mark.DATE,
        Anchor.NUMBER,
        rf"{_BEFORE}{MONTH_NUMBER}/{DAY}(?:/(?:{FULL_YEAR}|\d\d))?[ ]?-[ ]?(?:{MONTH_NUMBER}/)?{DAY}(?:/(?:{FULL_YEAR}|\d\d))(?![\w/\-])",
        verdict=full_date,
    ),
    Rule(
        "service_date",
        "range_of_days",
        Mark.DATE,
        Anchor.NUMBER,
        rf"{_BEFORE}{MONTH_NUMBER}/{DAY}[ ]?(?:-|to|through|thru)[ ]?{MONTH_NUMBER}/{DAY}(?![\w/\-]|\.\d)",
        verdict=two_days,
    ),
    Rule(
        "service_date",
        "between",
        Mark.DATE,
        "between from",
        rf"(?:between|from)[ ](?P<v>{MONTH_NUMBER}/{DAY}[ ](?:and|to|until|through)[ ]{MONTH_NUMBER}/{DAY})(?![\w/\-]|\.\d)",
        verdict=two_days,
    ),
    Rule(
        "service_date",
        "timestamp",
        Mark.DATE,
        Anchor.NUMBER,
        r"(?<![\w.,\-])(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)?(?:[+\-]\d{4})?(?![\w\-]|[.,]\d)"
        + NO_UNIT,
        verdict=no_code,
        tells=kind_of_date,
    ),
    Rule(
        "service_date",
        "compact",
        Mark.DATE,
        Anchor.NUMBER,
        r"(?<![\w.,\-])(?P<v>(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:19|20)\d\d)(?![\w\-]|[.,]\d)" + NO_UNIT,
        verdict=announced,
    ),
    Rule(
        "service_date",
        "month_year_numbers",
        Mark.DATE,
        Anchor.NUMBER,
        rf"(?<![\w./\-]){MONTH_NUMBER}[/\-](?:19[3-9]|20[0-4])\d(?![\w/\-]|\.\d)",
        verdict=no_ratio,
    ),
    Rule(
        "service_date",
        "year_month",
        Mark.PART_OF_DATE,
        Anchor.NUMBER,
        r"(?<![\w./\-])(?P<v>(?:19|20)\d\d[\-/](?:0[1-9]|1[0-2]))(?![\w/\-]|\.\d)",
        verdict=announced,
    ),
    Rule(
        "service_date",
        "day",
        Mark.PART_OF_DATE,
        Anchor.NUMBER,
        rf"(?<![\w./\-])(?P<v>{MONTH_NUMBER}/{DAY})(?![\w/]|[.\-]\d)",
        verdict=day_of_month,
    ),
    Rule(
        "service_date",
        "day",
        Mark.PART_OF_DATE,
        Anchor.NUMBER,
        rf"(?<![\w./\-])(?P<v>(?:1[3-9]|2\d|3[01])/{MONTH_NUMBER})(?![\w/]|[.\-]\d)",
        verdict=day_of_month,
    ),
    Rule(
        "service_date",
        "padded",
        Mark.PART_OF_DATE,
        Anchor.NUMBER,
        r"(?<![\w./\-])0[1-9]/(?:0[1-9]|[12]\d|3[01])(?![\w/]|[.\-]\d)",
        verdict=padded_day,
    ),
    # Quarters and seasons of a year are elements of a date finer than the year.
    Rule("service_date", "quarter", Mark.DATE, "q1 q2 q3 q4", rf"q[1-4][ ,]{{0,2}}(?:of[ ])?'?(?:{FULL_YEAR})(?!\w)"),
    Rule(
        "service_date",
        "season",
        Mark.DATE,
        "spring summer fall autumn winter",
        rf"(?:spring|summer|fall|autumn|winter),?[ ](?:of[ ])?(?:{FULL_YEAR})(?!\w)",
    ),
)
