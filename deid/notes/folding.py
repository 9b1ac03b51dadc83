# ruff: noqa: RUF001 - look-alike characters are what this file is about
"""Text made plain for matching, with the way back: compatibility forms, accents, look-alikes, invisible characters.

Everything that finds identifiers runs on the folded text, and reports offsets of the original.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# Letters that Unicode does not decompose, and letters of other scripts that look like Latin ones in
# one of their cases: both cases change together, so that a name in its own script still equals itself in capitals.
_SPECIAL: dict[str, str] = dict(
    zip("łŁøØđĐħĦıðÐŧŦ", "lLoOdDhHidDtT", strict=True),
    **dict(zip("ßẞæÆœŒþÞ", ("ss", "SS", "ae", "AE", "oe", "OE", "th", "Th"), strict=True)),
    **dict(zip("авеіјкмнорсԁѕтухһԛԝ", "abeijkmhopcdstyxhqw", strict=True)),
    **dict(zip("АВЕІЈКМНОРСЅТУХ", "ABEIJKMHOPCSTYX", strict=True)),
    **dict(zip("αβεζηικμνορτυχςΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abezhikmnoptyxσABEZHIKMNOPTYX", strict=True)),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("‘’‛′ʼ`´", "'"),
    **dict.fromkeys("“”„″", '"'),
)


@dataclass(frozen=True, slots=True)
class Folded:
    """Plain text; `origin[i]` is where character i comes from, None where every character stayed in its place."""

    text: str
    origin: tuple[int, ...] | None

    def back(self, start: int, end: int) -> tuple[int, int]:
        """Return the offsets in the original of the characters [start, end) of the folded text."""
        if self.origin is None:
            return start, end
        # The end reaches to the next kept character, so that combining marks and invisible characters that follow the
        # last letter go with it. The last entry is the length of the original, so the walk ends.
        following = end
        while self.origin[following] <= self.origin[end - 1]:
            following += 1
        return self.origin[start], self.origin[following]


def fold(text: str) -> Folded:
    """Return `text` in plain letters of the same case, digits in ASCII, without marks and invisible characters."""
    if text.isascii():
        return Folded(text, None)
    table = {ord(character): _plain(character) for character in set(_NOT_ASCII.findall(text))}
    if all(len(piece) == 1 for piece in table.values()):
        return Folded(text.translate(table), None)
    pieces = [table.get(ord(character), character) for character in text]
    origin = [at for at, piece in enumerate(pieces) for _ in piece]
    return Folded("".join(pieces), (*origin, len(text)))


def fold_lower(text: str) -> str:
    """Return the folded text in lower case, of the same length as the folded text."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower.replace("ς", "σ")  # lower() writes a capital sigma at the end of a word so
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


@lru_cache(maxsize=65_536)
def _plain(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return ""
    if character.isspace():
        return "\n" if character in "\u2028\u2029\u0085" else " "
    decomposed = unicodedata.normalize("NFKD", character)
    kept = "".join(c for c in decomposed if unicodedata.category(c) not in ("Mn", "Me", "Cf"))
    return "".join(_SPECIAL.get(c, c) for c in kept) or character
