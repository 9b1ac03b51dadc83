"""The disclosure limits of a policy: what patients may be told apart by, and how surely.

The block `limits` is specified in docs/formats/policy.md. Every figure is of patients, never of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from deid.documents import Document
from deid.kinds import KINDS
from deid.transforms import Transform

RuleReader = Callable[[Any, str], Transform]  # from a rule as written, and its place, to the transform


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
    `adversaries`: each of them is held to the ceiling. `rare`: what rare codes become. `kinds`: mapped jointly.
    `suppress_below`: a (class, code) of fewer patients is left empty. `strict`: every pair of codes has k candidates.
    """

    ceiling: float
    kinds: tuple[str, ...]
    known: int = 2
    known_dates: int = 0
    adversaries: tuple[Adversary, ...] = (Adversary.UNIFORM, Adversary.MENTIONS, Adversary.DECLARED)
    rare: Rare = Rare.CHAPTER
    suppress_below: int | None = None
    strict: bool = False


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
    recipients of this site could join by content.
    """

    prosecutor: float | None = None
    journalist: float | None = None
    marketer: float | None = None
    further: float | None = None
    join: float | None = None


@dataclass(frozen=True, slots=True)
class TableLimits:
    """How small cells of published tables are protected (CMS cell suppression policy: none of 1 to 10 is shown).

    `smallest`: the least count, beside 0, that is shown. `protection`: the least width of the interval that anybody
    can prove for a suppressed count. `method`: `suppress`, or `round` to multiples of `base` with totals that add up.
    """

    smallest: int = 11
    protection: int = 10
    method: str = "suppress"
    base: int = 11


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


class _Sensitive(msgspec.Struct, forbid_unknown_fields=True):
    l: int | None = None  # noqa: E741
    t: float | None = None
    level: str | None = None
    take: Take = Take.MOST


class _Codes(msgspec.Struct, forbid_unknown_fields=True):
    kinds: list[str]
    ceiling: float = 0.09
    known: int = 2
    known_dates: int = 0
    adversaries: tuple[Adversary, ...] = (Adversary.UNIFORM, Adversary.MENTIONS, Adversary.DECLARED)
    rare: Rare = Rare.CHAPTER
    suppress_below: int | None = None
    strict: bool = False


class _Series(msgspec.Struct, forbid_unknown_fields=True):
    hold: int = 3
    then: Leftover = Leftover.EXCLUDE


class _Risk(msgspec.Struct, forbid_unknown_fields=True):
    prosecutor: float | None = None
    journalist: float | None = None
    marketer: float | None = None
    further: float | None = None
    join: float | None = None


class _Tables(msgspec.Struct, forbid_unknown_fields=True):
    smallest: int = 11
    protection: int = 10
    method: str = "suppress"
    base: int = 11


class RawLimits(msgspec.Struct, forbid_unknown_fields=True):
    """The block `limits` as written."""

    k: int | None = None
    quasi_identifiers: list[str] = []
    suppression: float = 0.0
    recoding: dict[str, list[Any]] = {}
    reduced: dict[str, Take] = {}
    sensitive: dict[str, _Sensitive] = {}
    codes: _Codes | None = None
    series: _Series = msgspec.field(default_factory=_Series)
    risk: _Risk = msgspec.field(default_factory=_Risk)
    tables: _Tables = msgspec.field(default_factory=_Tables)


def read_limits(document: Document, raw: RawLimits, rule: RuleReader) -> Limits:
    """Return the limits of a policy; raise DocumentError for one that contradicts itself or names no kind."""
    _check_numbers(document, raw)
    for at, kinds in (
        ("quasi_identifiers", raw.quasi_identifiers),
        ("recoding", raw.recoding),
        ("sensitive", raw.sensitive),
        ("codes.kinds", raw.codes.kinds if raw.codes else ()),
    ):
        for kind in kinds:
            if kind not in KINDS:
                raise document.fault(
                    f"there is no kind {kind!r}", at=f"$.limits.{at}", hint="docs/reference/kinds.md lists every kind"
                )
    for kind, rungs in raw.recoding.items():
        at = f"$.limits.recoding.{kind}"
        if kind not in raw.quasi_identifiers:
            raise document.fault(
                f"{kind} is recoded and not counted", at=at, hint="name it among limits.quasi_identifiers"
            )
        if len(rungs) < 2:
            raise document.fault("a recoding has at least two rules", at=at, hint="a single one belongs under `rules`")
    for kind, entry in raw.sensitive.items():
        at = f"$.limits.sensitive.{kind}"
        if entry.l is None and entry.t is None:
            raise document.fault(f"{kind} has neither l nor t", at=at, hint="write for instance `l: 3`")
        if kind in raw.quasi_identifiers:
            raise document.fault(
                f"{kind} is counted among the quasi-identifiers, so each class has one value of it",
                at=at,
                hint="count it, or hold it diverse: not both",
            )
    return Limits(
        raw.k,
        tuple(raw.quasi_identifiers),
        raw.suppression,
        recoding={
            kind: tuple(rule(rung, f"$.limits.recoding.{kind}[{i}]") for i, rung in enumerate(rungs))
            for kind, rungs in raw.recoding.items()
        },
        reduced=dict(raw.reduced),
        sensitive=tuple(Sensitive(kind, s.l, s.t, s.level, s.take) for kind, s in raw.sensitive.items()),
        codes=_codes(raw.codes),
        series=SeriesLimits(raw.series.hold, raw.series.then),
        risk=RiskLimits(**msgspec.structs.asdict(raw.risk)),
        tables=TableLimits(**msgspec.structs.asdict(raw.tables)),
    )


def _codes(raw: _Codes | None) -> CodeLimits | None:
    if raw is None:
        return None
    return CodeLimits(**(msgspec.structs.asdict(raw) | {"kinds": tuple(raw.kinds)}))


def _check_numbers(document: Document, raw: RawLimits) -> None:
    """Refuse numbers out of their range, and limits that need a k where none is set."""
    if raw.k is not None and not 2 <= raw.k <= 1_000_000:
        raise document.fault("k must be from 2 to 1,000,000", at="$.limits.k", hint="11 is usual for research")
    shares: dict[str, float | None] = {"suppression": raw.suppression}
    shares |= {f"risk.{name}": value for name, value in msgspec.structs.asdict(raw.risk).items()}
    shares |= {f"sensitive.{kind}.t": entry.t for kind, entry in raw.sensitive.items()}
    shares |= {"codes.ceiling": raw.codes.ceiling} if raw.codes else {}
    for at, share in shares.items():
        if share is not None and not 0.0 <= share <= 1.0:
            name = at.rpartition(".")[2]
            raise document.fault(f"{name} is a share from 0 to 1", at=f"$.limits.{at}", hint="0.05 is 5 %")
    ranges: dict[str, tuple[int | None, int, int]] = {
        "series.hold": (raw.series.hold, 0, 120),
        "tables.smallest": (raw.tables.smallest, 2, 1_000_000),
        "tables.protection": (raw.tables.protection, 1, 1_000_000),
        "tables.base": (raw.tables.base, 2, 1_000_000),
    }
    if raw.codes is not None:
        ranges["codes.known"] = (raw.codes.known, 1, 3)
        ranges["codes.known_dates"] = (raw.codes.known_dates, 0, 3)
        ranges["codes.suppress_below"] = (raw.codes.suppress_below, 2, 1_000_000)
    ranges |= {f"sensitive.{kind}.l": (entry.l, 2, 1_000) for kind, entry in raw.sensitive.items()}
    for at, (value, low, high) in ranges.items():
        if value is not None and not low <= value <= high:
            name = at.rpartition(".")[2]
            hint = "docs/formats/policy.md, section Limits, tells what is usual"
            raise document.fault(f"{name} must be from {low} to {high:,}", at=f"$.limits.{at}", hint=hint)
    needing = [n for n in ("recoding", "reduced", "sensitive", "codes") if getattr(raw, n)]
    if raw.k is None and needing:
        raise document.fault(
            f"{needing[0]} needs k", at=f"$.limits.{needing[0]}", hint="write `k: 11`, or leave the limit out"
        )
    if raw.tables.method not in ("suppress", "round"):
        raise document.fault("method is suppress or round", at="$.limits.tables.method", hint="suppress is usual")
