"""Where an identifier stands in a text, and how the patterns tell what they are sure of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of a text, the kind of identifier they are, and the rule that found them.

    `rule` is `known:...`, `pattern:...`, `network:...`, `repeat:...` or `hub:...`; it never holds what was found.
    """

    start: int
    end: int
    kind: str
    rule: str


class Mark(IntEnum):
    """What a pattern tells the network of the characters it matched; the numbers are rows of a trained table."""

    NONE = 0
    WEB = 1  # e-mail, URL, IP, MAC
    PHONE = 2
    PHONE_LIKE = 3  # digits after a word of telephony
    SECRET = 4  # SSN, card, IBAN, VIN: the shape alone tells
    LABELED_ID = 5  # a code after MRN, account, license ...
    ID_SHAPE = 6  # a code that nothing introduces
    DATE = 7
    PART_OF_DATE = 8  # a month alone, a day without its month's name
    STREET = 9
    PLACE = 10  # city with state or ZIP, a ZIP, an apartment
    ROOM = 11
    AGE = 12  # 90 and over, and what tells it
    NAME = 13  # after a title or label, before a credential
    NAME_LIKE = 14
    FACILITY = 15


@dataclass(frozen=True, slots=True)
class Find:
    """One match of a pattern: removed by itself when `sure`, a hint to the network otherwise."""

    start: int
    end: int
    kind: str
    rule: str
    mark: Mark
    sure: bool
