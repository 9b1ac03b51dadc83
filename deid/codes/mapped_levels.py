"""Which levels of a code system a map may write (`map_codes`): the code itself, and what takes its place.

A map leads each code to one of these levels, from fine to coarse; docs/adr/0017 tells why so few. Every system ends in
a level that many patients share a value of. Where it has none, all rare codes become OTHER: the labeler of a drug or
the issuer of a concept says nothing of medicine, and is as rare as the code. So do codes of a chapter that is rare
itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import Either, Matching, OneOf
from deid.codes import CODE_SYSTEMS
from deid.codes.base import CodeSystem
from deid.codes.formed import by_entry

OTHER = "OTHER"  # any code that too few patients have, of a system without a level that is coarse enough
FULL, DECLARED, MIDDLE, RARE = "code", "category", "block", "chapter"  # what every system's levels are called here
NAMES = (FULL, DECLARED, MIDDLE, RARE)

# Of each system the level to which a study's own codes go at most, one between, and the level of rare codes; an empty
# one is missing.
_LEVELS: dict[str, tuple[str, str, str]] = {
    "icd10cm": ("category", "block", "chapter"),
    "icd10pcs": ("operation", "body_system", "section"),
    "icd9cm": ("category", "", "chapter"),
    "icd9cm_procedure": ("category", "", "chapter"),
    "icd10": ("category", "", "chapter"),
    "icd_any": ("category", "", "chapter"),
    "icd_any_procedure": ("category", "", "chapter"),
    "drg": ("mdc", "", "type"),
    "cpt": ("subsection", "", "section"),
    "hcpcs": ("", "", "family"),
    "modifier": ("", "", OTHER),
    "ndc": ("product", "", OTHER),
    "rxnorm": ("", "", OTHER),
    "cvx": ("", "", OTHER),
    "loinc": ("", "", OTHER),
    "snomed": ("", "", OTHER),
    "revenue_code": ("category", "", OTHER),
    "place_of_service": ("", "", "setting"),
    "discharge_status": ("", "", "group"),
}


@dataclass(frozen=True, slots=True)
class MappedLevels:
    """The levels of one system that a map may write.

    `levels` stand in the order of NAMES; None where the system has no such level, as few have one between category
    and chapter.
    """

    system: CodeSystem
    levels: tuple[str | None, ...]

    @property
    def rare(self) -> str:
        """The level of what too few patients have."""
        return self.levels[-1] or OTHER

    @property
    def declared(self) -> str:
        """The coarsest level of a code that the study declares: its category, or the code where there is none."""
        return self.levels[1] or FULL

    def values(self, codes: pa.Array, level: str) -> pa.Array:
        """Return string codes at a level; null for null and malformed. Same encoding as `codes`."""
        if level != OTHER:
            return self.system.roll_up(codes, level)
        known = self.system.roll_up(codes, FULL)
        return by_entry(known, lambda entries: pc.if_else(pc.is_valid(entries), OTHER, pa.scalar(None, pa.string())))

    def domain(self) -> Either:
        """Return every value that a map may write."""
        domains = {level.name: level.domain for level in self.system.levels}
        parts = [domains[level] for level in self.levels if level is not None and level != OTHER]
        kept = (*(part for part in parts if isinstance(part, (Matching, OneOf))), OneOf(frozenset({OTHER}), OTHER))
        above = dict.fromkeys([*(level for level in self.levels[1:] if level is not None), OTHER])
        return Either(kept, f"{domains[FULL].describe()}; or in its place {' or '.join(above)}")


def mapped_levels(system: CodeSystem, rare: str = RARE) -> MappedLevels | None:
    """Return the levels for a map of one system, with `rare`, if the system has it, as the coarsest; None if none.

    Numbers of persons and what is said of providers are in no map.
    """
    found = _LEVELS.get(system.name)
    if found is None:
        return None
    declared, middle, coarsest = found
    if any(level.name == rare for level in system.levels):
        coarsest = rare
    return MappedLevels(system, (FULL, declared or None, middle or None, coarsest))


def mapped_system(name: str, rare: str = RARE) -> MappedLevels:
    """Return the levels for a map of the system called `name`; raise KeyError for one that no map serves."""
    found = mapped_levels(CODE_SYSTEMS[name], rare)
    if found is None:
        raise KeyError(name)
    return found
