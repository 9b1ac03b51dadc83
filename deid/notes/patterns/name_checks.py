"""Whether what stands where a name is announced is one: eponyms and words of medicine are not."""

from __future__ import annotations

import re

from deid.notes.clinical_words import EPONYM_NOUNS, EPONYMS
from deid.notes.patterns.stops import is_stop

_NEXT_WORD = re.compile(r"(?:'s)?[ \t\-]{1,2}([A-Za-z]+)")


def _last_word(found: str) -> str:
    return found.rsplit(maxsplit=1)[-1].lower().removesuffix("'s")


def _eponym(match: re.Match[str]) -> bool:
    """Whether what was found names a disease, a sign or an instrument, by the word after it."""
    found = match["v"]
    following = _NEXT_WORD.match(match.string, match.end("v"))
    return bool(following and following[1].lower() in EPONYM_NOUNS) or (
        _last_word(found) in EPONYM_NOUNS and len(found.split()) > 1 and found.split()[0].lower() in EPONYMS
    )


_NOBODY = frozenset({"pepper", "scholl", "seuss", "bronner", "phil"})  # behind "Dr" they are brands and shows
# First words of what stands in a field in the place of a name.
_NO_NAME = frozenset(
    {
        "see", "per", "none", "unknown", "self", "same", "pending", "refused", "declined", "not", "no", "yes", "on",
        "as", "call", "chart", "board", "tbd", "tba", "various", "multiple",
    }
)  # fmt: skip


def titled(match: re.Match[str]) -> bool | None:
    """A name after a title: sure, unless it is a word of medicine or names a disease or an instrument."""
    first = match["v"].split()[0]
    if first.lower().removesuffix("'s") in _NOBODY and match[0][:2].lower() == "dr":
        return None
    return None if is_stop(first) and len(first) > 2 else not _eponym(match)


def _words(match: re.Match[str]) -> list[str]:
    return [word for word in re.split(r"[,\s]+", match["v"]) if word]


def named(match: re.Match[str]) -> bool | None:
    """Two words or more and none of medicine: sure; one word may be a state of health as well."""
    words = _words(match)
    if is_stop(words[0]) or words[0].lower() in _NO_NAME:
        return None
    while is_stop(words[-1]):
        words.pop()
    return len(words) > 1 and not any(is_stop(word) for word in words) and not _eponym(match)


def signed(match: re.Match[str]) -> bool | None:
    """As a name; "S/P" in capitals is no signature."""
    return named(match) and not match[0].startswith("S/P ")


def credited(match: re.Match[str]) -> bool | None:
    """As a name; in capitals "DO" and "PA" are more than degrees."""
    return named(match) and not match["v"].isupper()


def patient_field(match: re.Match[str]) -> bool | None:
    """What stands in a field for a name: sure, unless it says that there is none."""
    words = _words(match)
    if all(is_stop(word) for word in words):
        return None
    return not words[0].lower().startswith(("unknown", "not", "redacted", "none", "of"))


def hint_of_name(match: re.Match[str]) -> bool | None:
    """A hint, unless it begins with a word of medicine."""
    first = match["v"].split()[0].rstrip(",")
    return None if is_stop(first) else False
