"""The block `limits` of a policy as it is written, read and refused where it contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from deid.documents.limits import (
    Adversary,
    CodeLimits,
    Leftover,
    Limits,
    Rare,
    RiskLimits,
    Sensitive,
    SeriesLimits,
    TableLimits,
    Take,
)
from deid.documents.reading import Document
from deid.kinds import KINDS
from deid.transforms import Transform

REJOIN = 0.05  # of the patients, where a policy has a k and says nothing

RuleReader = Callable[[Any, str], Transform]  # from a rule as written, and its place, to the transform


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
    over_time: float | None = None


class _Series(msgspec.Struct, forbid_unknown_fields=True):
    hold: int = 3
    then: Leftover = Leftover.EXCLUDE


class _Risk(msgspec.Struct, forbid_unknown_fields=True):
    prosecutor: float | None = None
    journalist: float | None = None
    marketer: float | None = None
    further: float | None = None
    join: float | None = None
    rejoin: float | None = None


class _Tables(msgspec.Struct, forbid_unknown_fields=True):
    smallest: int = 11
    protection: int = 10
    method: str = "suppress"
    base: int = 11
    weighed_beside: dict[str, list[str]] = {}


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
        risk=_risk(raw),
        tables=_tables(raw.tables),
    )


def _tables(raw: _Tables) -> TableLimits:
    weighed = {request: tuple(others) for request, others in raw.weighed_beside.items()}
    return TableLimits(**(msgspec.structs.asdict(raw) | {"weighed_beside": weighed}))


def _risk(raw: RawLimits) -> RiskLimits:
    """Return the ceilings; where a policy counts k, one recipient's two requests are bound without being asked."""
    limits = RiskLimits(**msgspec.structs.asdict(raw.risk))
    return replace(limits, rejoin=REJOIN) if raw.k is not None and limits.rejoin is None else limits


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
    shares |= {"codes.ceiling": raw.codes.ceiling, "codes.over_time": raw.codes.over_time} if raw.codes else {}
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
