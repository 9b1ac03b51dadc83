# ruff: noqa: E501 - an expression is easier to read in one piece
"""Telephone and fax numbers, pagers and extensions: 45 CFR 164.514(b)(2)(i)(D) and (E)."""

from __future__ import annotations

import re

from deid.notes.patterns.pieces import BLANKS, NO_UNIT, follows_code, no_code
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

_EXTENSION = r"(?:[ ,;]{0,3}(?:x|ext|extn|extension|\#)\.?[ :]{0,2}\d{1,7}(?!\d))?"
# North American numbering: three, three and four digits; set apart by blanks alone, codes begin with 2 to 9.
_PHONE = (
    r"(?:(?:\+?[ ]?1|001)[\-. ]{0,2})?"
    r"(?:\(\d{3}\)[\-. ]{0,2}\d{3}[\-. ]{0,3}\d{4}|\d{3}(?:[ ]?[\-./·][ ]?)\d{3}(?:[ ]?[\-.·][ ]?|[ ]?)\d{4}|[2-9]\d\d[ ]{1,2}[2-9]\d\d[\-. ]\d{4}|[2-9]\d\d[ ][2-9]\d{6})"
)
_FAXES = "fax facsimile telefax efax"
_PAGERS = "phone phones telephone telephones tel cellphone cellular pager pagers pgr beeper bpr bleep landline spectralink vocera ascom voicemail hotline callback"
_PHONES = f"{_PAGERS} tele ph cell mobile whatsapp"
_CALLS = "call called calling contact contacts reach reached reachable dial page paged home work text texted at number numbers line desk emergency office"
_BETWEEN = (
    rf"(?:{BLANKS}(?:\([a-z ]{{1,12}}\)|(?:numbers?|num|nos?|lines?|is|was|at|on|to|or|and|the|a|my|her|his|their|its|home|work|cell|office|phone"
    r"|mobile|clinic|main|fax|contact|back|via|after|hours|day|evening|night|listed|as|of|patient|us|him|me|them|directly|desk|reached|her)\b"
    r"|[:=|][ \t]*+\n?|[:#=|.,>\-]{1,2}))"
)
_DIGITS = rf"(?P<v>(?:\+?{_PHONE}|[+(]{{0,2}}\d{{1,5}}\)?(?:[ .(\-/]{{1,2}}\d{{2,8}}\)?){{1,5}}|\d{{7,15}}){_EXTENSION})(?![\d%]|\.\d){NO_UNIT}"
# After words that other numbers follow as well, only what is written as a phone number.
_CLEAR = rf"(?P<v>(?:\+?{_PHONE}|\+\d{{1,3}}(?:[ .\-]{{0,2}}\(?\d{{2,5}}\)?){{2,6}}|[2-9]\d\d[\-. ]\d{{4}}|1?[2-9]\d\d[2-9]\d{{6}}){_EXTENSION})(?![\d%\-]|\.\d){NO_UNIT}"
_TELEPHONY = re.compile(
    r"(?<![^\W_])(?:phone|telephone|tel|ph|cell|mobile|pager|pgr|beeper|fax|call|called|contact|reach(?:ed|able)?|dial|page|landline|voicemail"
    r"|text|callback|number|extension|ext|home|work|office)(?![^\W\d_])[^\n\x00]{0,40}\Z",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{1,2}([/.\-])\d{1,2}\1(?:19|20)?\d\d|(?:19|20)\d\d([/.\-])\d\d?\2\d\d?|(?:19|20)\d{6}")


def _local(match: re.Match[str]) -> bool | None:
    """Three and four digits are a phone number where the line speaks of telephony."""
    if follows_code(match):
        return None
    start = match.start()
    return "x" in match[0].lower() or _TELEPHONY.search(match.string, max(0, start - 56), start) is not None


def _enough(match: re.Match[str]) -> bool | None:
    """Seven digits or more, and no date: those have rules of their own."""
    found = match["v"]
    return True if sum(c.isdigit() for c in found) >= 7 and not _DATE.fullmatch(found) else None


RULES = (
    *(
        Rule(kind, "labeled", Mark.PHONE, words, rf"[a-z]{{2,12}}{_BETWEEN}{{0,4}}{BLANKS}{_DIGITS}", verdict=_enough)
        for kind, words in (("fax", _FAXES), ("phone", _PHONES))
    ),
    *(
        Rule(
            kind,
            "short",
            Mark.PHONE_LIKE,
            words,
            rf"[a-z]{{2,12}}{_BETWEEN}{{0,2}}{BLANKS}(?P<v>\d(?:-?\d){{2,5}})(?![\d%\-]|[./]\d){NO_UNIT}",
        )
        for kind, words in (("fax", _FAXES), ("phone", _PAGERS))
    ),
    Rule("phone", "called", Mark.PHONE, _CALLS, rf"[a-z]{{2,10}}{_BETWEEN}{{0,5}}{BLANKS}{_CLEAR}", verdict=_enough),
    Rule(
        "phone",
        "called_short",
        Mark.PHONE_LIKE,
        "call called paged dial reach text desk line callback",
        rf"[a-z]{{2,10}}{_BETWEEN}{{0,4}}{BLANKS}(?P<v>(?!(?:911|988|411|711)\b)\d(?:-?\d){{2,6}})(?![\d%\-]|[./:]\d){NO_UNIT}",
        sure=False,
    ),
    Rule(
        "phone",
        "extension",
        Mark.PHONE,
        "ext extn extension extensions",
        rf"ext(?:n|ensions?)?\.?{BLANKS}(?:(?:number|no\.?|is|\#|:){BLANKS}){{0,2}}(?P<v>\d{{2,7}})(?![\d%]|[./]\d){NO_UNIT}",
    ),
    Rule(
        "phone",
        "extension",
        Mark.PHONE_LIKE,
        Anchor.CODE,
        r"(?<![\w\-])x[ \-]?(?P<v>\d{3,6})(?![\w%]|[./]\d)",
        sure=False,
    ),
    Rule(
        "phone",
        "phone",
        Mark.PHONE,
        Anchor.NUMBER,
        rf"(?<![\w.\-/+])\+?{_PHONE}(?!\d|-\d{{3}}){_EXTENSION}",
        verdict=no_code,
    ),
    Rule(
        "phone",
        "local",
        Mark.PHONE_LIKE,
        Anchor.NUMBER,
        rf"(?<![\w.\-/,])[2-9]\d\d[\-.]\d{{4}}(?![\w\-]|\.\d){NO_UNIT}{_EXTENSION}",
        verdict=_local,
    ),
    Rule(
        "phone",
        "abroad",
        Mark.PHONE,
        Anchor.NUMBER,
        r"(?<!\w)(?:\+[ ]?|011[ \-])\d{1,3}(?:[ .\-]{0,2}\(?\d{1,5}\)?){2,6}(?!\d)" + _EXTENSION,
        verdict=lambda match: True if 8 <= sum(c.isdigit() for c in match[0]) <= 20 else None,
    ),
    Rule(
        "phone",
        "digits",
        Mark.PHONE_LIKE,
        Anchor.NUMBER,
        r"(?<![\w\-/])(?<!\d[.,])1?[2-9]\d\d[2-9]\d{6}(?![\w\-/]|[.,]\d)" + _EXTENSION + NO_UNIT,
        verdict=_local,
    ),
    Rule(
        "phone",
        "grouped",
        Mark.PHONE_LIKE,
        Anchor.NUMBER,
        r"(?<![\w.,\-/+])(?:\(\d{2,5}\)|0\d{1,4})(?:[ \-.]\d{2,5}){1,5}(?![\w\-/]|[.,]\d)" + NO_UNIT,
        verdict=lambda match: None if sum(c.isdigit() for c in match[0]) < 7 else _local(match),
    ),
    Rule(
        "phone",
        "vanity",
        Mark.PHONE_LIKE,
        Anchor.NUMBER,
        r"(?<![\w\-])(?:1-)?8(?:00|33|44|55|66|77|88)-(?-i:[A-Z0-9]{3,8}(?:-[A-Z0-9]{2,8}){0,2})(?![\w\-])",
        sure=False,
    ),
)
