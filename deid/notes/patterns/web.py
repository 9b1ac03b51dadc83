# ruff: noqa: E501 - an expression is easier to read in one piece
"""Electronic mail, web and internet addresses: 45 CFR 164.514(b)(2)(i)(F), (N) and (O)."""

from __future__ import annotations

import re

from deid.notes.patterns.pieces import no_code
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

_AT = r"(?:[ ]?@[ ]?|[ ]?[(\[][ ]?at[ ]?[)\]][ ]?)"
_DOT = r"(?:\.|[ ]?[(\[][ ]?dot[ ]?[)\]][ ]?)"
_BODY = r"[^\s<>\"\x00|]{0,1000}(?<![.,;:!?)\]'}])"
_ENDING = r"(?:(?:com|org|net|edu|gov|mil|int|io|info|biz|health|example|test)(?:\.[a-z]{2})?|(?:co|ac|nhs|gov|or|ne)\.[a-z]{2})"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"


def _ip6(match: re.Match[str]) -> bool | None:
    """Two colons in a row, or eight groups: a time of day has neither."""
    found = match[0]
    groups = found.split(":")
    if "::" in found:
        return True if sum(map(len, groups)) >= 4 and found.count("::") == 1 else None
    return True if len(groups) == 8 else None


def _mail(match: re.Match[str]) -> bool | None:
    """A host has a letter in its last part; an amount at a rate has none."""
    return True if re.search(r"[a-z]", re.split(r"[@)\]]", match[0])[-1], re.IGNORECASE) else None


RULES = (
    Rule(
        "email",
        "email",
        Mark.WEB,
        Anchor.MAIL,
        rf"(?<![\w.%+'\-])[\w.%+'\-]{{1,64}}+{_AT}[\w\-]{{1,63}}+(?:{_DOT}[\w\-]{{1,63}}+){{1,5}}",
        back=72,
        verdict=_mail,
    ),
    Rule(
        "email",
        "spoken",
        Mark.WEB,
        Anchor.MAIL,
        r"(?<![\w.%+'\-])[\w.%+'\-]{1,64}+[ ]at[ ][\w\-]{1,40}+(?:[ ]dot[ ][\w\-]{2,20}+){1,3}",
        back=72,
    ),
    Rule("email", "handle", Mark.WEB, Anchor.MAIL, r"(?<![\w.@])@(?=\w{0,20}[^\W\d])\w[\w.]{1,29}\w", sure=False),
    Rule("url", "scheme", Mark.WEB, Anchor.SCHEME, rf"(?:https?|hxxps?|s?ftp|file)://{_BODY}", back=6, ahead=1_000),
    Rule("url", "www", Mark.WEB, Anchor.WWW, rf"(?<!\w)www\.{_BODY}"),
    Rule(
        "url",
        "domain",
        Mark.WEB,
        Anchor.DOMAIN,
        rf"(?<![@\w.\-])(?:[a-z0-9][a-z0-9\-]{{0,40}}+\.){{1,5}}{_ENDING}(?![\w\-])(?:/[^\s<>\"\x00]{{0,300}}(?<![.,;:!?)\]'}}]))?",
        back=100,
        ahead=320,
    ),
    Rule(
        "ip_address",
        "ip4",
        Mark.WEB,
        Anchor.NUMBER,
        rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w.]*\d)(?:/\d{{1,2}}(?!\d))?",
        verdict=no_code,
    ),
    Rule(
        "ip_address",
        "ip6",
        Mark.WEB,
        Anchor.COLONS,
        r"(?<![\w:.])(?:[0-9a-f]{1,4}:){1,7}(?:[0-9a-f]{1,4}|:(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?)(?![\w:])|(?<![\w:.])::[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6}(?![\w:])",
        back=24,
        ahead=48,
        verdict=_ip6,
    ),
    Rule(
        "ip_address",
        "mac",
        Mark.WEB,
        Anchor.COLONS,
        r"(?<![\w:])[0-9a-f]{2}(?::[0-9a-f]{2}){5}(?![\w:])",
        back=4,
        ahead=20,
    ),
    *(
        Rule("ip_address", "mac", Mark.WEB, at, r"(?<![\w\-])[0-9a-f]{2}(?:-[0-9a-f]{2}){5}(?![\w\-])")
        for at in (Anchor.NUMBER, Anchor.CODE)
    ),
)
