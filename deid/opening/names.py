"""Which columns of a table belong together, told from their names: PRCDR_DT3 is the day of ICD_PRCDR_CD3."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_PROCEDURE = re.compile(r"prcdr|proc|(?:^|_)px", re.IGNORECASE)
_PARTS = re.compile(r"[a-z]+|\d+", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# The last number of a name, but for those that belong to the name of a code system.
_NUMBER = re.compile(r"(?<!icd)(?<!icd[ _-])(?<!cpt)(?<!\d)0*(\d+)\D*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Col:
    """One column of a released table; `sql` is what a workbench calls it."""

    index: int
    name: str
    kind: str
    type: str
    transform: str
    meaning: str

    @property
    def sql(self) -> str:
        """The name of the column in SQL: names of releases may clash there, numbers cannot."""
        return f"c{self.index}"

    @property
    def is_number(self) -> bool:
        """Whether the column holds numbers on disk."""
        return self.type.startswith(("int", "uint", "double", "float", "halffloat", "decimal"))


def parts(column: Col) -> frozenset[str]:
    """Return the words and numbers of a name, in small letters: of `ICD_DGNS_CD3`, `onsetDate` and `DX1` alike."""
    return frozenset(part.lower() for part in _PARTS.findall(_HUMP.sub(" ", column.name)))


def number(column: Col) -> str | None:
    """Return the number of a column that is one of several: the last of its name."""
    found = _NUMBER.search(column.name)
    return found[1] if found else None


def is_procedure(column: Col) -> bool:
    """Whether a column of ICD codes holds procedures: its name says so."""
    return column.kind == "icd10pcs" or _PROCEDURE.search(column.name) is not None


def in_sets(columns: Sequence[Col]) -> frozenset[Col]:
    """Return the columns whose codes stand in their rows as a set: mapped ones of one system, side by side.

    Which of the columns a code stands in means nothing, so nothing belongs to one of them by its number.
    """
    found: dict[tuple[str, bool], list[Col]] = {}
    for column in columns:
        if column.transform == "map_codes":
            found.setdefault((column.kind, is_procedure(column)), []).append(column)
    return frozenset(column for own in found.values() if len(own) > 1 for column in own)


def is_pair(day: Col, code: Col) -> bool:
    """Whether a date and a code have the same number and a word in common."""
    told = number(day)
    return told is not None and told == number(code) and bool((parts(day) & parts(code)) - {told})


def nearest(column: Col, candidates: Sequence[Col]) -> Col | None:
    """Return the candidate that belongs to `column`: of the same number, or none of both; of the most alike name.

    ICD_DGNS_VRSN_CD3 belongs to ICD_DGNS_CD3, and ICD_DGNS_E_VRSN_CD3 to ICD_DGNS_E_CD3. A candidate without number
    that is the only one belongs to every column.
    """
    fitting = [candidate for candidate in candidates if number(candidate) == number(column)]
    if not fitting and len(candidates) == 1 and number(candidates[0]) is None:
        return candidates[0]
    return min(fitting, key=lambda candidate: len(parts(column) ^ parts(candidate)), default=None)
