"""What a policy says of patients' choices and of sensitive segments; docs/formats/choices.md, section Policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

PART2, MINORS, NOTES = "part2", "minors", "notes"
# fmt: off
STATES = frozenset({
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA",
    "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR",
    "PA", "PR", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "AS", "MP", "VI",
})
# fmt: on
ADULT = 18  # years; the age of majority in all but three states, where a policy writes `under`


class Unit(StrEnum):
    """What leaves with a row that is told."""

    VISITS = "visits"
    PATIENTS = "patients"


class Part2Basis(StrEnum):
    """On what records of 42 CFR Part 2 are released: de-identified (2.16), or 2.52, 2.53, 2.31."""

    DEIDENTIFIED = "deidentified"
    RESEARCH = "research"
    AUDIT = "audit"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class SegmentRule:
    """What becomes of one segment: left out by `exclude`, or in, for Part 2 on a `basis`.

    `states`: only there, everywhere where empty. `under`: of minors, younger than so many years. `programs`: numbers of
    providers and facilities that are Part 2 programs, `empty_is_no` whether a mark that is empty says no, and
    `knows_birth` whether the population has birth dates, as the description of the dataset says.
    """

    name: str
    exclude: Unit | None = Unit.VISITS
    states: tuple[str, ...] = ()
    under: int = ADULT
    basis: Part2Basis | None = None
    programs: tuple[str, ...] = ()
    empty_is_no: bool = False
    knows_birth: bool = True

    @property
    def is_by_consent(self) -> bool:
        """Whether its rows leave for those patients alone who consented to it."""
        return self.basis is Part2Basis.CONSENT


@dataclass(frozen=True, slots=True)
class Segments:
    """The segments of a policy by name. `keeps_notes`: notes leave beside segments that are left out by codes."""

    rules: Mapping[str, SegmentRule] = field(default_factory=dict)
    keeps_notes: bool = False

    def excluded(self, *, tells_part2: bool) -> tuple[SegmentRule, ...]:
        """Return what is left out, in order of names; Part 2 without being named where the dataset tells it."""
        rules = dict(self.rules)
        if tells_part2:
            rules.setdefault(PART2, SegmentRule(PART2))
        return tuple(rules[name] for name in sorted(rules) if rules[name].exclude is not None)

    @property
    def part2_basis(self) -> Part2Basis | None:
        """The basis on which Part 2 rows are in, None where they are left out."""
        rule = self.rules.get(PART2)
        return rule.basis if rule is not None else None

    @property
    def part2_by_consent(self) -> bool:
        """Whether consent is that basis."""
        return self.part2_basis is Part2Basis.CONSENT


@dataclass(frozen=True, slots=True)
class ChoiceRules:
    """Whether patients must have consented, beside not having opted out."""

    consent_is_required: bool = False
