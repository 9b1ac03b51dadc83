"""How quasi-identifiers are weighed: replicability, availability, distinguishability.

HHS, Guidance Regarding Methods for De-identification of Protected Health Information (2012), question 2.6: how surely a
feature occurs again with the patient, who can know it, and how far it tells people apart. Replicability and
availability are grades of the kind, argued in a line; distinguishability is measured on the release.
"""

from __future__ import annotations

from dataclasses import dataclass

from deid.kinds import Group, Kind, Role, Value
from deid.reports.column_model import Grade

_LOW, _MEDIUM, _HIGH = Grade.LOW, Grade.MEDIUM, Grade.HIGH


@dataclass(frozen=True, slots=True)
class Weight:
    """How surely a kind occurs again, who can know it, and why."""

    replicability: Grade
    availability: Grade
    why: str


_PUBLIC = Weight(_HIGH, _HIGH, "never changes, and stands in voter lists, registers and on networks")
_KINDS: dict[str, Weight] = {
    "sex": _PUBLIC,
    "birth_date": _PUBLIC,
    "age": _PUBLIC,
    "race": Weight(_HIGH, _MEDIUM, "never changes; seen by acquaintances, in few public lists"),
    "ethnicity": Weight(_HIGH, _MEDIUM, "never changes; seen by acquaintances, in few public lists"),
    "death_date": Weight(_HIGH, _HIGH, "happens once; stands in obituaries and death registers"),
    "deceased": Weight(_HIGH, _HIGH, "happens once; stands in obituaries and death registers"),
    "payer": Weight(_MEDIUM, _LOW, "changes with work and age; known to family, employer and plan"),
    "income": Weight(_LOW, _LOW, "changes; known to few"),
    "marital_status": Weight(_MEDIUM, _HIGH, "changes seldom; stands in registers and on networks"),
    "language": Weight(_HIGH, _MEDIUM, "hardly changes; heard by acquaintances"),
    "discharge_status": Weight(_LOW, _LOW, "of one stay; known to who was there"),
}
_GROUPS: dict[Group, Weight] = {
    Group.PLACE: Weight(_MEDIUM, _HIGH, "changes with a move; stands in voter lists and directories"),
    Group.TIME: Weight(_MEDIUM, _MEDIUM, "of one visit; known to family, employer, plan, and from news of accidents"),
    Group.CODE: Weight(_MEDIUM, _MEDIUM, "chronic ones come again at each visit; known to family, pharmacy and plan"),
    Group.PROVIDER: Weight(_MEDIUM, _MEDIUM, "people return to their providers; known to acquaintances and plan"),
    Group.AMOUNT: Weight(_LOW, _LOW, "of one bill; known to patient, plan and provider"),
    Group.DERIVED: Weight(_MEDIUM, _LOW, "computed from visits and codes; known to who knows those"),
}


def is_weighed(kind: Kind) -> bool:
    """Whether columns of a kind are listed among the quasi-identifiers: what tells patients apart and may be known."""
    if kind.role is Role.DIRECT or kind.value is Value.NOTE:
        return False
    return kind.role is Role.QUASI or kind.name in _KINDS or kind.group in _GROUPS


def weight_of(kind: Kind) -> Weight:
    """Return how a kind is weighed."""
    return _KINDS.get(kind.name) or _GROUPS.get(kind.group) or Weight(_LOW, _LOW, "known to few")


def distinguishability(kind: Kind, values: float | None) -> Grade:
    """Return the grade of a column by its effective number of released values; of its kind where not measured.

    Below ten values a patient shares one with a tenth of all or more; from a hundred on with a hundredth or less.
    """
    if values is None:
        return _HIGH if kind.group in (Group.CODE, Group.TIME) else _MEDIUM
    return _LOW if values < 10 else _MEDIUM if values < 100 else _HIGH
