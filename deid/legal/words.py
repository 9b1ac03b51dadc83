"""What names and sentences tell that a Safe Harbor release must not: a part of a year, or what may be a ZIP code.

Read by pattern, never by meaning: an officer reads purposes, this module only catches what an officer overlooks.
Where a pattern must choose, it refuses; whoever wrote the words can spell them otherwise.
"""

from __future__ import annotations

import re
from enum import Enum


class Told(Enum):
    """What words tell."""

    PART_OF_YEAR = "a month, a quarter, a season or a day"
    PLACE = "what may be a ZIP code"


_YEAR = r"(?:19|20)\d\d"
_MM, _DD = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_QUARTER = r"(?:(?:q|qtr|quarter)[-_]?[1-4]|[1-4]q)"
_SEASON = r"(?:spring|summer|autumn|fall|winter)"
_GAP = r"[-_. ]?"
_DATE_LIKE = re.compile(
    rf"(?<!\d){_YEAR}{_GAP}{_MM}(?:{_GAP}{_DD})?(?!\d)"  # 2026-03, 202603, 20260315
    rf"|(?<!\d)(?:{_MM}{_DD}|{_DD}{_MM}|{_MM}){_YEAR}(?!\d)"  # 03152026, 15032026, 032026
    rf"|(?<![a-z\d]){_MM}[-_. ](?:{_DD}[-_. ])?{_YEAR}(?!\d)"  # 03-15-2026, 03-2026; but not icd10-2026
    rf"|(?<![a-z\d]){_DD}[-_. ]{_MM}[-_. ]{_YEAR}(?!\d)"  # 15-03-2026
    rf"|(?<![a-z]){_MONTH}{_GAP}(?:\d{{1,2}}{_GAP})?(?:{_YEAR}|\d\d)(?!\d)"  # mar2026, march-15-2026, mar26
    rf"|(?<!\d){_YEAR}{_GAP}(?:{_MONTH}|{_QUARTER}|(?:w|wk|week){_GAP}\d{{1,2}})(?![a-z\d])"  # 2026mar, 2026-q1, -w12
    rf"|(?<![a-z\d]){_QUARTER}{_GAP}(?:{_YEAR}|\d\d)(?!\d)"  # q1-2026, 1q26
    rf"|(?<![a-z]){_SEASON}{_GAP}{_YEAR}(?!\d)|(?<!\d){_YEAR}{_GAP}{_SEASON}(?![a-z])"  # winter-2025
)
# Columns keep the names of the source, where Q1 may be the first question of a form. A request is named by its author,
# who can name it otherwise, so there a quarter or a month is refused without a year too.
_PART_OF_A_YEAR = re.compile(rf"(?<![a-z\d])(?:{_QUARTER}|{_MONTH})(?![a-z\d])")
# The Postal Service assigns nothing below 00501, so 00114 is a number of something else.
_ZIP_LIKE = re.compile(r"(?<!\d)(?!00[0-4])\d{5}(?:[-_ ]?\d{4})?(?!\d)")

# In sentences: dates with slashes and single digits, quarters in words, and a month after "in" or "since" without a
# year. A month alone is none of it: "readmissions that may be avoided", "March of Dimes", "June Smith".
_M, _D = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_WRITTEN = re.compile(
    rf"(?<![a-z\d])(?:{_M}[-.]{_D}|{_D}[-.]{_M})[-.](?:{_YEAR}|\d\d)(?!\d)"  # 3/15/2026, 15.3.26
    rf"|(?<![-.a-z\d]){_M}-{_YEAR}(?!\d)"  # 3/2026
    rf"|(?<!\d){_YEAR}-{_M}(?:-{_D})?(?!\d)"  # 2026-3-5
    rf"|(?<![a-z\d]){_D} {_MONTH} (?:{_YEAR}|\d\d)(?!\d)"  # 5 march 2026
    rf"|\b(?:first|second|third|fourth|last|[1-4]) (?:quarter|half) {_YEAR}\b"
    rf"|\bweek \d{{1,2}} {_YEAR}\b"
)
_IN_A_MONTH = re.compile(rf"\b(?:in|during|since|until|from|before|after|through|between) (?:{_MONTH}|{_QUARTER})\b")
# A review board's number behind the board's own name: IRB-12345, IRB 2026-0114. Two digits after a year are a month.
_NUMBER_OF_A_BOARD = re.compile(
    r"(?<![a-z])(?:irb|reb|erb|iec|ethics|hrpp|hsr|nct|protocol|study|project|grant)[-_ #:.]*(?:no|number)?[-_ #:.]*"
    rf"(?:{_YEAR}[-_.]\d{{3,}}|\d{{5}}(?!\d))"
)

_NOTHING: frozenset[Told] = frozenset()


def in_name(name: str) -> frozenset[Told]:
    """Return what a name of the requester's choice tells; a bare month or quarter counts."""
    lowered = name.lower()
    part = {Told.PART_OF_YEAR} if _PART_OF_A_YEAR.search(lowered) else _NOTHING
    return in_source_name(name) | part


def in_source_name(name: str) -> frozenset[Told]:
    """Return what a name of the source tells, which nobody can change; a month or quarter counts beside a year."""
    lowered = name.lower()
    told = {Told.PART_OF_YEAR} if _DATE_LIKE.search(lowered) else set()
    return frozenset(told | ({Told.PLACE} if _ZIP_LIKE.search(lowered) else set()))


def in_sentence(text: str, *, is_about_the_study: bool = False) -> frozenset[Told]:
    """Return what a sentence tells; one about the study may not say "in May" either, which may be a name elsewhere."""
    plain = _plain(text)
    told = set(in_source_name(plain))
    if _WRITTEN.search(plain) or (is_about_the_study and _IN_A_MONTH.search(plain)):
        told.add(Told.PART_OF_YEAR)
    return frozenset(told)


def in_protocol(text: str) -> frozenset[Told]:
    """Return what the number of a protocol tells, but for what stands behind the name of a review board."""
    return in_sentence(_NUMBER_OF_A_BOARD.sub(" ", text.lower()))


def _plain(text: str) -> str:
    """Return a sentence in small letters, slashes as hyphens, without stops, commas, ordinals and "of the"."""
    lowered = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", text.lower())
    lowered = re.sub(r"\s*/\s*", "-", lowered)
    # A comma between digits groups thousands: 10,000 patients are no ZIP code.
    lowered = re.sub(r"(?<!\d),|,(?!\d)|[.;:](?!\S)", " ", lowered)
    return re.sub(r"\s+(?:of\s+)?(?:the\s+)?", " ", lowered)
