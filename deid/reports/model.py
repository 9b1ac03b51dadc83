"""The risk, utility and quality report of a release: every field of `report.json`, format deid-report/1.

docs/formats/report.md is the specification. The report holds aggregates only. Counts are of patients unless a field
says otherwise; those of one to ten patients are "1-10", and None stands for what was not measured or may not be shown.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Literal

import msgspec

from deid.errors import ReleaseError
from deid.manifest import Count

FORMAT: Literal["deid-report/1"] = "deid-report/1"
JSON, HTML = "report.json", "report.html"


class Result(StrEnum):
    """What came of holding a figure against its ceiling."""

    PASSED = "passed"
    FAILED = "failed"
    NO_CEILING = "no ceiling set"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured"


class Grade(StrEnum):
    """A grade of a quasi-identifier; HHS guidance on de-identification of 2012, question 2.6."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose release this is, for whom, and under whose rules; digests are SHA-256 in hex."""

    release: str
    request: str
    requester: str
    purpose: str
    protocol: str | None
    party: str
    recipients: int
    schedule: str
    series: str
    period: str | None
    cohort: str | None
    created: date
    expires: date
    policy: str
    policy_version: int
    policy_sha256: str
    request_sha256: str
    dataset_sha256: str
    basis_claimed: str
    basis_earned: str
    paragraphs: tuple[str, ...]
    deid: str


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure beside its ceiling (`side` "at most") or floor ("at least"), in `unit`."""

    figure: str
    value: float | Count | None
    unit: str
    side: Literal["at most", "at least"]
    ceiling: float | None
    result: Result


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was done to one released column; `rung` of `rungs` where the run chose its rule, from 1, the finest."""

    table: str
    name: str
    kind: str
    role: str
    rule: str
    holds: str
    citation: str
    nulls: Count | None
    rung: int | None = None
    rungs: int | None = None


class QuasiIdentifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column that may identify together with others, and how it was weighed.

    `counted`: by which control. `values` is the effective number of released values: one over the chance that two
    patients share one (Simpson 1949); None where it was not measured.
    """

    column: str
    kind: str
    rule: str
    rungs: tuple[str, ...]
    counted: str
    replicability: Grade
    availability: Grade
    distinguishability: Grade
    why: str
    values: float | None


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The patients of the request: `asked` are all of the cohort, `withheld` those of them who are not released.

    In a series `asked` and `withheld` are None, for their differences would tell who is new.
    """

    asked: Count | None
    released: Count
    withheld: Count | None
    share_withheld: float | None


class Bin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Classes of `low` to `high` patients (None: no upper end): how many, and how many patients are in them."""

    low: int
    high: int | None
    classes: int | None
    patients: Count | None


class Classes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Classes of patients with one vector, counted on the decrypted release."""

    columns: tuple[str, ...]
    k: int | None
    number: int | None
    smallest: Count | None
    mean_size: float | None
    bins: tuple[Bin, ...]
    patients_below: Count | None
    below: int


class Estimate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Patients who are alone in the population with their vector, estimated from the release: lowest to highest."""

    low: float | None
    high: float | None
    methods: tuple[str, ...]
    without: tuple[str, ...]
    sampling: float | None


class Risk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Chances of re-identification by the vector, from 0 to 1.

    Prosecutor: the target is known to be in the release; journalist: in a population of whom the release is a part;
    marketer: the mean share of patients who are matched rightly (El Emam 2013, Benitez and Malin 2010).
    """

    prosecutor_max: float | None
    prosecutor_mean: float | None
    marketer: float | None
    journalist_max: float | None = None
    journalist_mean: float | None = None
    population: str | None = None
    uniques: Estimate | None = None


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody gets who knows the vector, `dates` dates and `codes` codes of a patient.

    `chance`: the mean over patients of being picked rightly. `few`: the share of what can be known that leaves fewer
    than eleven candidates, `alone`: that leaves one. `worst`: the largest chance of any patient.
    """

    adversary: str
    dates: int
    codes: int
    chance: float
    ceiling: float | None = None
    few: float | None = None
    alone: float | None = None
    worst: float | None = None


class GroupRisk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mean chance in one subgroup of at least eleven patients; how many they are would tell who has few codes."""

    group: str
    chance: float


class Codes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What known codes and dates do, by an exact attack on the release (docs/adr/0017)."""

    kinds: tuple[str, ...]
    grid: tuple[Known, ...]
    subgroups: tuple[GroupRisk, ...] = ()
    method: str = ""


class Gain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody gets who knows the vector and these further things; shares are rounded to hide small counts.

    `chance`: the mean over patients of one over those who fit. `few`: the share of patients whom fewer than
    `Further.below` fit, `alone`: whom nobody else fits.
    """

    known: tuple[str, ...]
    columns: tuple[str, ...]
    chance: float
    ceiling: float | None
    few: float | None
    alone: float | None


class Further(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one further thing, and the worst pair of two, come to; `nothing`: the mean chance by the vector alone."""

    nothing: float
    below: int
    single: tuple[Gain, ...]
    pair: Gain | None
    note: str = ""


class Ledger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the series has told so far: the smallest class over all releases, and newcomers released at once."""

    number: int
    frozen: bool
    joint_k: int | None
    joint_smallest: Count | None
    same_period: float | None
    note: str = ""


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Patients of one value: asked for, withheld, the share withheld, and that share over everybody else's."""

    value: str
    asked: Count
    withheld: Count
    share: float
    ratio: float | None


class Bias(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether withholding fell on some more than on others, by one attribute; values with few patients are pooled."""

    attribute: str
    groups: tuple[Group, ...]
    pooled: int
    note: str = ""


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A released value: patients who have it, and their share."""

    value: str
    patients: Count
    share: float


class Marginal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column of the vector.

    `granularity`: mean of (leaves under the value - 1) / (leaves - 1), 0 as fine as the source and 1 for nothing left,
    withheld patients counting 1. `bits`, `bits_before`: entropy of the released and of the source's values.
    `distance`: total variation between everybody asked for and the release, both at the released granularity.
    """

    column: str
    values: tuple[Value, ...]
    pooled: int
    granularity: float | None
    bits: float | None
    bits_before: float | None
    distance: float | None


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two columns of the vector together: the distance as in Marginal."""

    columns: tuple[str, str]
    distance: float


class CodeUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left of one column of codes; every share is of mentions of released patients.

    `levels`: share at each level, `left empty` among them. `top`: how many of the source's most frequent codes were
    compared; `top_full`: share of them that are released as they were; `top_error`: mean of |released - source| over
    source in counts of mentions, 1 for a code that is not released as it was; `rank`: Spearman's correlation of counts
    at the released level.
    """

    column: str
    kind: str
    rule: str
    levels: dict[str, float]
    items: int
    top: int
    top_full: float | None
    top_error: float | None
    rank: float | None


class Propensity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well a model tells released patients from all who were asked for (Snoke 2018).

    `pmse`: the mean squared error of propensity scores; `expected`: what a random choice of as many patients would
    give; `ratio` of both, about 1 where who was withheld looks like chance.
    """

    pmse: float
    expected: float | None
    ratio: float | None
    features: tuple[str, ...]


class Utility(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can still be done with the data."""

    granularity: float | None
    marginals: tuple[Marginal, ...]
    pairs: tuple[Pair, ...]
    codes: tuple[CodeUse, ...]
    propensity: Propensity | None


class QualityLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The codes of one column, and the findings that were met, from the report on coding quality."""

    column: str
    system: str
    codes: Count | None
    findings: dict[str, Count | None]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Notes: which columns, texts withheld, and what a search for the patients' own identifiers found afterwards."""

    columns: tuple[str, ...]
    rule: str
    withheld: Count
    identifiers_left: int
    note: str


class Attack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One attacker of `deid attack`, merged into the report after the release: hits with their 95 % interval."""

    attacker: str
    measure: str
    value: float | None
    low: float | None
    high: float | None
    ceiling: float | None
    result: Result
    note: str = ""


class Determination(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Slots for the expert, 45 CFR 164.514(b)(1); the tool leaves them empty."""

    statement: str
    expert: str | None = None
    qualifications: str | None = None
    date: str | None = None
    signature: str | None = None


class RiskReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole report; parts that a policy has no control for are None or empty.

    `left_out`: requested columns that the policy drops. `versions`: of the lists that rules and rungs rest on.
    """

    format: Literal["deid-report/1"]
    about: About
    verdicts: tuple[Verdict, ...]
    columns: tuple[Column, ...]
    left_out: tuple[str, ...]
    versions: tuple[str, ...]
    quasi_identifiers: tuple[QuasiIdentifier, ...]
    people: People
    classes: Classes | None
    risk: Risk | None
    codes: Codes | None
    ledger: Ledger | None
    bias: tuple[Bias, ...]
    utility: Utility
    quality: tuple[QualityLine, ...]
    text: Text | None
    conditions: tuple[str, ...]
    limitations: tuple[str, ...]
    determination: Determination
    attacks: tuple[Attack, ...] = ()
    further: Further | None = None


def to_json(report: RiskReport) -> bytes:
    """Return the report as indented JSON with sorted keys."""
    return msgspec.json.format(msgspec.json.encode(report, order="sorted"), indent=2) + b"\n"


def from_json(data: bytes) -> RiskReport:
    """Return the report that `data` holds; raise ReleaseError for anything unknown or missing."""
    try:
        return msgspec.json.decode(data, type=RiskReport)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ReleaseError(
            f"{JSON} is not a report of format {FORMAT}", hint="read it with the deid that made it, or a later one"
        ) from None
