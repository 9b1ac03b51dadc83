# ruff: noqa: E501 - an expression is easier to read in one piece
"""Numbers that a label introduces: labels are listed as phrases, and expressions and anchors are made of them."""

from __future__ import annotations

import re
from collections.abc import Callable

from deid.notes.patterns.pieces import BLANKS, GAP, NO_UNIT, follows_code
from deid.notes.patterns.rule import Rule
from deid.notes.span import Mark

_NUMBER_WORD = r"(?:[ \t\-]{0,2}+(?:[#№]|\(?(?:numbers?|num|nos?|nbr|nr|ids?|identifiers?|identification|codes?|card|record|ref|reference|file|key)\b\.?\)?))"
_LINK = (
    rf"(?:{BLANKS}(?:[:=|][ \t]*+\n?|[a-z']{{2,12}}(?:[ ][a-z']{{2,12}}){{0,2}}{BLANKS}[:=|][ \t]*+\n?|[#№>.,\-(\[\"'/]{{1,2}}|(?:is|was|were|of|are|as|the|to|under|listed|recorded|documented|assigned|reads?"
    r"|shown|noted|reported|given|on[ ]file|ending(?:[ ]in)?|starting[ ]with|and|for|patient|this|visit)\b|(?-i:[A-Z]{2})(?=[ ])))"
)
# A code holds a digit within its first characters; parts after a hyphen or slash belong to it when they hold one too.
CODE = r"(?:(?=[A-Z\-/.#]{0,12}\d)[A-Z0-9]{1,24}+(?:[\-/](?=[A-Z]{0,6}\d)[A-Z0-9]{1,16}+|[\-][A-Z]{1,3}+(?![A-Z0-9])|\.\d{1,12}+){0,5})"
_SPACED = r"(?:\d{2,4}(?:[ ]\d{2,4}){1,3}(?![\w/\-]|\.\d)(?![ ](?:y|yo|yrs?|years?|m|f|male|female)\b))"
_VALUE = rf"(?P<v>{_SPACED}|{CODE})(?!\w){NO_UNIT}"
_BARE = rf"(?={GAP}(?:[A-Z]{{0,5}}-?\d{{6}}|[A-Z]{{1,5}}-?\d{{4}}|(?:[A-Z]{{1,5}}-)?\d{{3,6}}-\d{{3,6}}|\d{{3,6}}/\d{{4,6}}))"
_DIGITS = re.compile(r"\d")
_YEAR = re.compile(r"(?:19|20)\d\d\Z")


def labeled(
    kind: str,
    name: str,
    *,
    alone: str = "",
    numbered: str = "",
    mark: Mark = Mark.LABELED_ID,
    sure: bool = True,
    value: str = _VALUE,
    digits: int = 3,
    doubted: Callable[[re.Match[str]], bool] | None = None,
) -> list[Rule]:
    """Return rules for values that labels introduce.

    `alone`: phrases, divided by commas, after which any code counts; `numbered`: phrases that mean something else too,
    and need "number", "#", "id" or ":" behind them, or six digits. `digits`: the fewest digits of a value. `doubted`
    says of a value that no word for numbers introduces whether it is a hint only.
    """

    def verdict(match: re.Match[str]) -> bool | None:
        return sure if len(_DIGITS.findall(match["v"])) >= digits and not follows_code(match) else None

    def careful(match: re.Match[str]) -> bool | None:
        found = match["v"]
        if _YEAR.match(found) or not verdict(match) is not None:
            return None
        return sure

    def longer(match: re.Match[str]) -> bool | None:
        found = match["v"]
        count, mixed = len(_DIGITS.findall(found)), not found.isdigit()
        told = careful(match) if count >= 5 or (mixed and count >= 4) else None
        return False if told and doubted is not None and doubted(match) else told

    rules = []
    for phrases, middle, check in (
        (alone, rf"{_NUMBER_WORD}{{0,3}}{_LINK}{{0,4}}", verdict),
        (numbered, rf"{_NUMBER_WORD}{{1,3}}{_LINK}{{0,4}}", careful),
        (numbered, rf"(?:{BLANKS}[:=|]{_LINK}{{0,2}}|{GAP}(?:is|was)\b|{_BARE})", longer),
    ):
        names = [phrase.strip() for phrase in phrases.split(",") if phrase.strip()]
        if names:
            expression = rf"(?:{'|'.join(map(_phrase, sorted(names, key=len, reverse=True)))})(?![^\W\d_])(?:(?<![^\W\d_]{{5}})\.)?{middle}{BLANKS}{value}"
            rules.append(Rule(kind, name, mark, triggers(names), expression, verdict=check))
    return rules


def triggers(phrases: list[str]) -> str:
    """Return the first word of each phrase, divided by blanks."""
    return " ".join(sorted({re.match(r"[a-z]+", phrase)[0] for phrase in phrases}))  # type: ignore[index]


def _phrase(phrase: str) -> str:
    return r"[ \t\-]{1,3}+".join(re.escape(word) for word in phrase.split())
