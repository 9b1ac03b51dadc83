"""What a judge of codes hands to another that saw other batches; see Judge.state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deid.codes.base import Days
from deid.patients.positions import Positions
from deid.quality.checks import Sexes
from deid.quality.tally import TallyState


@dataclass(frozen=True, slots=True)
class EntryState:
    """What was counted for an entry of the report, and the findings that could be judged."""

    tally: TallyState
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JudgeState:
    """What was counted for each table and entry, and what the patients met are: sex (uint8), birth day (int32 days).

    `positions` are those of patients of whom either is known, int32 (n,) as the other two. `sizes`: how many positions
    the sexes and the birth days reach to.
    """

    entries: Mapping[tuple[str, str], EntryState]
    positions: Positions = field(repr=False)
    sex: Sexes = field(repr=False)
    birth: Days = field(repr=False)
    sizes: tuple[int, int]
