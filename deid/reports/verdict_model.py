"""What the report says of limits: figures beside their ceilings, on what was written and under attack."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from deid.release.small_counts import Count


class Result(StrEnum):
    """What came of holding a figure against its ceiling."""

    PASSED = "passed"
    FAILED = "failed"
    NO_CEILING = "no ceiling set"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured"


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure beside its ceiling (`side` "at most") or floor ("at least"), in `unit`."""

    figure: str
    value: float | Count | None
    unit: str
    side: Literal["at most", "at least"]
    ceiling: float | None
    result: Result


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
