"""From probabilities to tokens that are removed: thresholds by what a token is, and what goes with a removed one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from deid.notes.convolution import Floats
from deid.notes.features import SEPARATOR
from deid.notes.lists import COLUMNS, PLACE_COUNTRY, PLACE_STATE, Lists
from deid.notes.network import CLASSES
from deid.notes.words import PARTICLES

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_NAME, _LOCATION, _FACILITY_CLASS = (CLASSES.index(name) for name in ("NAME", "LOCATION", "FACILITY"))
_ENGLISH, _CLINICAL = COLUMNS.index("english"), COLUMNS.index("clinical")
_PLACE, _FACILITY = COLUMNS.index("place"), COLUMNS.index("facility")


class Role(IntEnum):
    """What a token is to the decoder."""

    BLANK = 0
    MARK = 1
    POINT = 2
    COMMA = 3
    PARTICLE = 4
    COMMON = 5  # an ordinary word in lower case
    INITIAL = 6
    STATE = 7  # of two capitals, or the word of a state or country
    CREDENTIAL = 8
    FACILITY = 9  # "Hospital", "Clinic", capitalized
    NAME_SHAPED = 10
    UNLISTED = 11  # capitalized, and in no list of words
    OTHER = 12
    APOSTROPHE = 13
    ENDING = 14  # the "s" behind an apostrophe


Roles = npt.NDArray[np.int8]
_CREDENTIALS = frozenset(
    {
        "MD", "DO", "RN", "NP", "PA", "PhD", "DDS", "DMD", "DVM", "LPN", "LVN", "DNP", "FNP", "ARNP", "APRN", "CRNA",
        "CNM", "MBBS", "MBChB", "PharmD", "PsyD", "DPM", "DPT", "LCSW", "LMFT", "RD", "RT", "PT", "OT", "SLP", "CNA",
        "CMA", "EMT", "MSN", "BSN", "MPH", "FACP", "FACS", "FACC", "FACOG", "FAAP", "Esq",
    }
)  # fmt: skip
_MARKS = (Role.MARK, Role.POINT, Role.COMMA, Role.APOSTROPHE)
_NAME_ROLES = frozenset({int(Role.NAME_SHAPED), int(Role.UNLISTED)})
_FACILITY_LEVEL = 4  # of the word list of facilities' names, from which on a capitalized word continues one


@dataclass(frozen=True, slots=True)
class Settings:
    """When a token is removed: probabilities that it is no ordinary word.

    `sure` starts a span; `unlisted` is enough for a capitalized word that no list knows; `touching` is enough beside a
    removed one; `common` is asked of ordinary words in lower case, `mark` of punctuation; `repeated` of a name before
    its other places in the document are removed. Where no token of a document is above `evident`, what speaks for
    identifiers in it counts `doubt` times less: texts about nobody are many, and a text about somebody seldom hides it.
    """

    sure: float = 0.2
    unlisted: float = 0.1
    touching: float = 0.04
    common: float = 0.4
    mark: float = 0.6
    repeated: float = 0.85
    evident: float = 0.9
    doubt: float = 4.0


STRICT = Settings(sure=0.1, unlisted=0.05, touching=0.03, common=0.25, mark=0.4, repeated=0.6, doubt=1.0)


def role(token: str, lists: Lists) -> Role:  # noqa: C901, PLR0911 - one line for each role
    """Return what a token is to the decoder, by its spelling and the word lists."""
    word = token.strip()
    if not word or word == SEPARATOR:
        return Role.BLANK
    if not word[0].isalnum():
        return {".": Role.POINT, ",": Role.COMMA, "'": Role.APOSTROPHE}.get(word, Role.MARK)
    if token in {"s", "S"}:
        return Role.ENDING
    if word in _CREDENTIALS:
        return Role.CREDENTIAL
    if word.isalpha() and word.isupper() and len(word) <= 2:
        return Role.INITIAL if len(word) == 1 else Role.STATE
    if word.lower() in PARTICLES:
        return Role.PARTICLE
    row = lists.index.get(word.lower(), 0)
    levels = lists.levels[row]
    if word.islower():
        return Role.COMMON if len(word) > 1 and (levels[_ENGLISH] or levels[_CLINICAL]) else Role.OTHER
    if levels[_PLACE] & (PLACE_STATE | PLACE_COUNTRY):
        return Role.STATE
    if levels[_FACILITY] >= _FACILITY_LEVEL and levels[_ENGLISH]:
        return Role.FACILITY
    if not (word[0].isupper() and word.isalpha() and len(word) > 2):
        return Role.OTHER
    return Role.NAME_SHAPED if row or word.isupper() else Role.UNLISTED


def weighed(removed: Floats, documents: Ints, count: int, settings: Settings) -> Floats:
    """Return the probabilities with those of documents in which nothing is evident divided, as odds, by `doubt`.

    `removed` and `documents`, the number of each token's document below `count`, have shape (n,).
    """
    is_evident = np.zeros(count, np.bool_)
    is_evident[documents[removed > settings.evident]] = True
    doubted = ~is_evident[documents]
    lowered = removed / (removed + (1 - removed) * settings.doubt)
    return np.asarray(np.where(doubted, lowered, removed), np.float32)


def chosen_tokens(removed: Floats, roles: Roles, settings: Settings) -> Flags:
    """Return the tokens to remove: sure ones, those that touch one, and what stands between two."""
    is_common = (roles == Role.COMMON) | (roles == Role.PARTICLE)
    is_mark = np.isin(roles, _MARKS)
    is_blank = roles == Role.BLANK
    asked = np.full(len(removed), settings.sure, np.float32)
    asked[roles == Role.UNLISTED] = settings.unlisted
    asked[is_common] = settings.common
    asked[is_mark] = settings.mark
    chosen = (removed > asked) & ~is_blank
    may_touch = (removed > settings.touching) & ~(is_common | is_mark | is_blank)
    for _ in range(4):
        beside = np.zeros_like(chosen)
        beside[1:] |= chosen[:-1]
        beside[:-1] |= chosen[1:]
        chosen |= beside & may_touch
    between = np.zeros_like(chosen)
    between[1:-1] = chosen[:-2] & chosen[2:]
    is_name = (roles == Role.NAME_SHAPED) | (roles == Role.UNLISTED)
    chosen |= between & ((roles == Role.PARTICLE) | (is_name & (removed > 0.005)))
    return np.asarray(chosen, np.bool_)


def _leads_to_name(at: int, roles: memoryview) -> bool:
    """Whether a capitalized word stands before the particles that end at this token, without a mark between."""
    while roles[at] == Role.PARTICLE:
        at -= 1
    return roles[at] in _NAME_ROLES


def complete(chosen: Flags, best: Ints, roles: Roles) -> None:
    """Add what goes with what was chosen: a name's initials and credential, what completes a place or a facility.

    A letter beside a removed name tells who is meant, and "MI" after a removed town is no longer a state alone.
    """
    of_name = chosen & ((best == _NAME) | (best == _LOCATION) | (best == _FACILITY_CLASS))
    of_place = chosen & ((best == _LOCATION) | (best == _FACILITY_CLASS))
    # Token by token an array of numpy takes three times as long as a view of its memory.
    named, places, own = of_name.data, of_place.data, roles.data
    initials = np.flatnonzero((roles == Role.INITIAL) & ~chosen).tolist()
    for at in reversed(initials):  # "J. Smith", "J.R. Smith": from the name to the left
        named[at] = named[at + 1 + (own[at + 1] == Role.POINT)]
    # "Ana de la Cruz", but not "Lives in Akron".
    for at in reversed(np.flatnonzero((roles == Role.PARTICLE) & ~chosen).tolist()):
        named[at] = named[at + 1] and not places[at + 1] and _leads_to_name(at, own)
        before = own[at - 1]
        if named[at] and before in _NAME_ROLES:
            named[at - 1] = True
    for at in initials:  # "Smith, J.": with its point, for "I" and "A" are words
        last = at - 1 - (own[at - 1] == Role.COMMA)
        named[at] |= named[last] & (own[at + 1] == Role.POINT)
    for at in np.flatnonzero((roles == Role.CREDENTIAL) & ~chosen).tolist():
        named[at] = named[at - 1]
    best[of_name & ~chosen] = _NAME
    chosen |= of_name
    for at in np.flatnonzero(((roles == Role.STATE) | (roles == Role.FACILITY)) & ~chosen).tolist():
        after_comma = own[at] == Role.STATE and own[at - 1] == Role.COMMA and places[at - 2]
        if places[at - 1] or after_comma:
            chosen[at] = places[at] = True
            best[at] = _LOCATION if own[at] == Role.STATE else _FACILITY_CLASS
    for at in np.flatnonzero((roles == Role.ENDING) & ~chosen).tolist():  # "St. Mary's": the ending is of the name
        if own[at - 1] == Role.APOSTROPHE and places[at - 2]:
            chosen[at - 1 : at + 1], best[at - 1 : at + 1] = True, best[at - 2]
