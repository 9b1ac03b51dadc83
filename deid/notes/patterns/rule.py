"""A rule: one expression, where in a text it is tried, and how sure a match is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from deid.notes.span import Mark

Verdict = Callable[[re.Match[str]], bool | None]


class Anchor(Enum):
    """Where an expression is tried, when not at words; the value is an expression that costs little to look for."""

    NUMBER = r"\d+"  # at a run of digits that no letter precedes, and at a parenthesis or plus before it
    CODE = r"\d"  # at the start of a word of letters, digits and hyphens, whose first is a letter
    MAIL = r"@|[(\[][ ]?at[ ]?[)\]]|[ ]at[ ](?=[\w\-]{1,40}[ ]dot[ ])"
    SCHEME = r"://"
    WWW = r"www\."
    DOMAIN = r"\.(?:com|org|net|edu|gov|mil|int|io|info|biz|health|example|test|co|ac|nhs|or|ne)\b"
    COLONS = r":[0-9a-f]{0,4}:"
    MASK = r"[x*#•]{2,5}(?=[\- ]?[x*#•\d])"
    STATE = r",[ \t]{0,3}(?=[A-Z][A-Z]\b)"  # before what may be a state
    CREDENTIAL = (
        r"(?:MD|DO|RN|NP|PA|LPN|CNA|DNP|FNP|CRNA|APRN|LCSW|DDS|DMD|DPM|PhD|PharmD|PsyD|M\.D|D\.O|R\.N|N\.P|P\.A|Ph\.D"
        r"|MBBS|CNM|MSW|RD|OD)\b"
    )
    LINE = r"(?m)^(?=[ \t]{0,8}[A-Z])"


LOWER = frozenset({Anchor.MAIL, Anchor.SCHEME, Anchor.WWW, Anchor.DOMAIN, Anchor.COLONS, Anchor.MASK})


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern: what it finds, under which name, and how.

    `at`: the anchor, or lower-case words divided by blanks, where the expression must begin; with `back` > 0 it is
    instead searched from that many characters before the anchor to as many after it (`ahead`, where that is given).
    Letter case is ignored unless the expression says `(?-i:...)`. A group `v` is the part to remove; without it the
    whole match goes. Every repetition is bounded, so that the work at one anchor is. `verdict` has the last word: True
    is sure, False a hint, None no find at all. `tells` names a narrower kind by what stands before a match. `stop` cuts
    clinical words off both ends.
    """

    kind: str
    name: str
    mark: Mark
    at: Anchor | str
    expression: str
    sure: bool = True
    back: int = 0
    ahead: int = 0
    verdict: Verdict | None = None
    tells: Callable[[re.Match[str]], str] | None = None
    stop: bool = False

    @property
    def title(self) -> str:
        """The name under which finds are reported."""
        return f"pattern:{self.kind}:{self.name}"
