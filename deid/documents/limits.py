"""The disclosure limits of a policy: what patients may be told apart by, and how surely.

The block `limits` is specified in docs/formats/policy.md. Every figure is of patients, never of rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deid.transforms import Transform


class Take(StrEnum):
    """Which of a patient's values stands for the patient; ties go to the smaller text."""

    FIRST = "first"  # that of the earliest visit
    LAST = "last"  # that of the latest visit
    MOST = "most"  # the one in most rows
    LEAST = "least"  # the smallest number, day or text
    GREATEST = "greatest"


class Adversary(StrEnum):
    """How the codes that somebody knows of a patient are drawn."""

    UNIFORM = "uniform"  # evenly from the patient's distinct codes
    MENTIONS = "mentions"  # by how often they stand in the record
    DECLARED = "declared"  # all from the codes that the study declares
    VISIT = "visit"  # all from one visit
    DATED = "dated"  # in any of these ways, each code with the dates that the release ties it to


class Rare(StrEnum):
    """What stands in the place of a code that few patients have."""

    CHAPTER = "chapter"
    CCSR = "ccsr"


class Leftover(StrEnum):
    """What becomes of newcomers who have been held for as long as the policy allows."""

    EXCLUDE = "exclude"
    COARSEST = "coarsest"


@dataclass(frozen=True, slots=True)
class Sensitive:
    """A sensitive kind, and how little a class may tell of it.

    `l`: the least number of well represented values in a class: no value is held by more than 1/l of its patients
    (Machanavajjhala 2007). `t`: the largest distance between a class's distribution and everybody's, half the sum of
    absolute differences (Li 2007, equal distance). `level`: of the code system, for codes; `take` reduces several
    values of a patient to one.
    """

    kind: str
    l: int | None = None  # noqa: E741 - the literature's name
    t: float | None = None
    level: str | None = None
    take: Take = Take.MOST


@dataclass(frozen=True, slots=True)
class CodeLimits:
    """How surely known codes may identify a patient; docs/adr/0017.

    `ceiling`: the largest mean chance, over patients, of being identified by somebody who knows the released
    quasi-identifiers and `known` codes (2 or 3), and `known_dates` dates of visits as released.
    `adversaries`: each of them is held to the ceiling. `over_time`: the same over all releases of a series, compared or
    joined by their pseudonyms, each code known with the release that first showed it; None for `ceiling`.
    `rare`: what rare codes become. `kinds`: mapped jointly. `suppress_below`: a (class, code) of fewer patients is left
    empty. `strict`: every pair of codes has k candidates.
    """

    ceiling: float
    kinds: tuple[str, ...]
    known: int = 2
    known_dates: int = 0
    adversaries: tuple[Adversary, ...] = (Adversary.UNIFORM, Adversary.MENTIONS, Adversary.DECLARED)
    rare: Rare = Rare.CHAPTER
    suppress_below: int | None = None
    strict: bool = False
    over_time: float | None = None

    @property
    def ceiling_over_time(self) -> float:
        """What all releases of a series are held to together: what the policy writes, or the ceiling of each."""
        return self.ceiling if self.over_time is None else self.over_time


@dataclass(frozen=True, slots=True)
class SeriesLimits:
    """How long newcomers of a series are held until their class and arrival group reach k, in releases; then what."""

    hold: int = 3
    then: Leftover = Leftover.EXCLUDE


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Ceilings of re-identification risk, each from 0 to 1, None where none is set.

    `prosecutor`: the largest chance for a patient who is known to be in the release; `journalist`: by the population
    table; `marketer`: the mean; `further`: the mean chance for somebody who knows one more thing of the patient
    beside the vector (number of visits, facilities, total charges ...); `join`: the share of patients whom two
    recipients of this site could join by content; `rejoin`: whom one recipient has in
    another series of this site as well, and of whom fewer than k share what both series tell; 0.05 under a k.
    """

    prosecutor: float | None = None
    journalist: float | None = None
    marketer: float | None = None
    further: float | None = None
    join: float | None = None
    rejoin: float | None = None


@dataclass(frozen=True, slots=True)
class TableLimits:
    """How small cells of published tables are protected (CMS cell suppression policy: none of 1 to 10 is shown).

    `smallest`: the least count, beside 0, that is shown. `protection`: the least width of the interval that anybody
    can prove for a suppressed count. `method`: `suppress`, or `round` to multiples of `base` with totals that add up.
    `weighed_beside`: for a request for tables, those over the same dataset that are not audited together with it.
    """

    smallest: int = 11
    protection: int = 10
    method: str = "suppress"
    base: int = 11
    weighed_beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """Disclosure limits over patients.

    `k`: the least number of patients who share one vector of the quasi-identifiers, or None for no such limit.
    `quasi_identifiers`: the kinds, in the population table, that make up the vector.
    `suppression`: the largest share of patients, from 0 to 1, that may be withheld to reach k.
    `recoding`: for a kind, its rules from the finest to the coarsest, among which the run chooses.
    `reduced`: columns of other tables, `table.column`, that count in the vector with one value for the patient.
    """

    k: int | None
    quasi_identifiers: tuple[str, ...]
    suppression: float
    recoding: Mapping[str, tuple[Transform, ...]] = field(default_factory=dict)
    reduced: Mapping[str, Take] = field(default_factory=dict)
    sensitive: tuple[Sensitive, ...] = ()
    codes: CodeLimits | None = None
    series: SeriesLimits = field(default_factory=SeriesLimits)
    risk: RiskLimits = field(default_factory=RiskLimits)
    tables: TableLimits = field(default_factory=TableLimits)
