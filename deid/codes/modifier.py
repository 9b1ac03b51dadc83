"""Modifiers of CPT and HCPCS Level II codes: two characters.

The list holds modifiers of HCPCS Level II, which CMS keeps and publishes, and the pairs of letters by which ambulance
claims tell origin and destination (Medicare Claims Processing Manual, chapter 15). It is not complete: modifiers of CPT
(two digits, P1 to P6, 1P to 8P) are the American Medical Association's and are known by form alone.
"""

from __future__ import annotations

from itertools import product

from deid.codes.base import CodeList
from deid.codes.formed import FormedSystem, Listed, codes_like, spelled

PATTERN = "[0-9A-Z]{2}"
# First character, and each second character that makes a modifier of it.
_LEVEL_TWO = {
    "A": "123456789ADEFGHIJKMOPQRSTUVWXYZ",
    "B": "ALOPRU",
    "C": "ABCDEFGHIJKLMNOQRST",
    "D": "A",
    "E": "1234ABCDEJMPRTXY",
    "F": "123456789ABCPQRSTXY",
    "G": "0123456789ABCEFGHJKLMNOPQRSTUVWXYZ",
    "H": "9ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "J": "12345ABCDEGWZ",
    "K": "01234ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "L": "CDLMRSTU",
    "M": "2ABCDEFGHS",
    "N": "BRU",
    "P": "ABCDILMNOST",
    "Q": "0123456789ABCDEFGHJKLMNPQRSTWXYZ",
    "R": "ABCDEIRT",
    "S": "ABCDEFGHJKLMNQSTUVWYZ",
    "T": "123456789ABCDEFGHJKLMNPQRSTUVW",
    "U": "123456789ABCDEFGHJKNPQRS",
    "V": "123456789MP",
    "X": "12345EPSU",
    "Z": "ABC",
}
_ORIGINS, _DESTINATIONS = "DEGHIJNPRS", "DEGHIJNPRSX"
CODES = frozenset(first + second for first, seconds in _LEVEL_TWO.items() for second in seconds) | frozenset(
    origin + destination for origin, destination in product(_ORIGINS, _DESTINATIONS)
)

MODIFIER = FormedSystem(
    name="modifier",
    title="modifiers of CPT and HCPCS",
    kinds=("modifier",),
    code=codes_like(PATTERN, "two letters or digits"),
    normal=spelled(PATTERN),
    listed=Listed(
        CodeList(
            release="HCPCS modifiers 2025",
            source="CMS, HCPCS Level II modifiers, written down from public manuals",
            codes=len(CODES),
            complete=False,
        ),
        dict.fromkeys(CODES, (None, None)),
    ),
)
