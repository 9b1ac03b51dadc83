"""Turns what attackers believe into figures, by the truth, and holds them against the policy's ceilings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from deid.attacks.base import Against, Candidates, Labels, Offsets, Trace
from deid.attacks.bits import count, holds
from deid.red_team.ceilings import Ceiling
from deid.red_team.intervals import wilson
from deid.red_team.truth import Truth
from deid.release.small_counts import shown

Int64 = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
FEWEST = 100  # targets, from which on a sample without a hit says something
_SIGMAS = 3.0
_EPSILON = 1e-9


class Verdict(StrEnum):
    """What a figure says of a release."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"  # the interval holds the ceiling, or targets are too few
    MEASURED = "measured"  # the policy sets no ceiling for it


@dataclass(frozen=True, slots=True)
class Figure:
    """What one scenario came to.

    `expected`: the mean chance of naming the right patient, with its 95 % Wilson interval. `greatest`: the greatest
    chance of a single target. `certain`: targets with one candidate, the right one, with the interval of their share;
    `wrong`: with one candidate, a wrong one. `left`: mean number of date offsets left. `correlation`: of orders.
    `found`: things found of `n`, where nobody is named. `recognized`: the shares of them, least and greatest, that
    somebody tells from invented ones. `told`: a sentence.
    """

    attacker: str
    scenario: str
    unit: str
    n: int
    verdict: Verdict
    expected: float | None = None
    expected_interval: tuple[float, float] | None = None
    greatest: float | None = None
    certain: int | None = None
    certain_interval: tuple[float, float] | None = None
    wrong: int | None = None
    found: int | None = None
    left: float | None = None
    possible: int | None = None
    correlation: float | None = None
    ceiling: float | None = None
    ceiling_written: str | None = None
    told: str = ""
    recognized: tuple[float, float] | None = None
    is_single: bool = False  # the ceiling binds the greatest chance, not the mean


@dataclass(slots=True)
class Tally:
    """Chances of the targets of one scenario, gathered over its parts."""

    belief: Candidates
    chances: list[Floats] = field(default_factory=list)
    hit: int = 0
    certain: int = 0
    wrong: int = 0
    by_chance: float = 0.0
    patients: int = 0

    def add(self, part: Candidates, record: Int64, patients: int) -> None:
        """Take a part; `record`: the released patient that each target is, -1 for none."""
        size = count(part.bits)
        there = holds(part.bits, record)
        self.chances.append(np.where(there, 1 / np.maximum(size, 1), 0.0))
        self.hit += int(there.sum())
        self.certain += int((there & (size == 1)).sum())
        self.wrong += int((~there & (size == 1)).sum())
        self.by_chance += float(size.sum()) / max(patients, 1)

    def figure(self, attacker: str, ceilings: Sequence[Ceiling]) -> Figure:
        """Return the figure of the whole scenario, against the ceiling that it comes closest to breaking."""
        chances = np.concatenate([*self.chances, np.zeros(0)])
        n = len(chances)
        made = Figure(
            attacker=attacker,
            scenario=self.belief.scenario,
            unit="people in the release",
            n=n,
            verdict=Verdict.MEASURED,
            expected=float(chances.mean()) if n else 0.0,
            expected_interval=wilson(float(chances.sum()), n),
            greatest=float(chances.max(initial=0.0)),
            certain=self.certain,
            certain_interval=wilson(self.certain, n),
            wrong=self.wrong,
            told=self.belief.note,
        )
        if attacker == "notes":
            bad = self.hit > self.by_chance + _SIGMAS * np.sqrt(self.by_chance + 1)
            told = f"own full names stand in notes of {shown(self.hit)} patients; {self.by_chance:.0f} by chance"
            return replace(made, verdict=Verdict.FAILED if bad else Verdict.PASSED, told=told)
        return held_to(made, ceilings)


def held_to(figure: Figure, ceilings: Sequence[Ceiling]) -> Figure:
    """Return a figure with the worst of its verdicts, and the ceiling that it is about."""
    rank = (Verdict.MEASURED, Verdict.PASSED, Verdict.UNDECIDED, Verdict.FAILED)
    judged = [(_verdict(figure, ceiling), ceiling) for ceiling in ceilings]
    if not judged:
        return figure
    verdict, ceiling = max(judged, key=lambda pair: (rank.index(pair[0]), -pair[1].value))
    return replace(
        figure, verdict=verdict, ceiling=ceiling.value, ceiling_written=ceiling.written, is_single=ceiling.of_greatest
    )


def _verdict(figure: Figure, ceiling: Ceiling) -> Verdict:
    if ceiling.of_greatest:
        # One target who can be told more surely than the policy allows disproves it, whatever the sample.
        if (figure.greatest or 0.0) > ceiling.value + _EPSILON:
            return Verdict.FAILED
        return Verdict.PASSED if figure.n >= FEWEST else Verdict.UNDECIDED
    low, high = figure.expected_interval or (0.0, 1.0)
    if low > ceiling.value:
        return Verdict.FAILED
    return Verdict.PASSED if high <= ceiling.value else Verdict.UNDECIDED


def of_labels(attacker: str, belief: Labels, mine: Int64, other: Int64, ceilings: Sequence[Ceiling]) -> Figure:
    """Return how many released patients are told by equal labels.

    `mine`, `other`: for each person of the population, the position among those who have labels; -1 for none.
    """
    person = np.flatnonzero((mine >= 0) & (other >= 0))
    label, theirs = belief.mine[mine[person]], belief.other[other[person]]
    values, sizes = np.unique(belief.other[belief.other >= 0], return_counts=True)
    at = np.minimum(np.searchsorted(values, label), max(len(values) - 1, 0))
    size = np.where(values[at] == label, sizes[at], 0) if len(values) else np.zeros(len(label), np.int64)
    right = (label == theirs) & (label >= 0)
    chances = np.where(right, 1 / np.maximum(size, 1), 0.0)
    certain = int((right & (size == 1)).sum())
    n = len(person)
    made = Figure(
        attacker,
        belief.scenario,
        "patients of the release" if belief.against is Against.VOTERS else "patients of both releases",
        n,
        Verdict.MEASURED,
        expected=float(chances.mean()) if n else 0.0,
        expected_interval=wilson(float(chances.sum()), n),
        greatest=float(chances.max(initial=0.0)),
        certain=certain,
        certain_interval=wilson(certain, n),
        wrong=int((~right & (size == 1)).sum()),
    )
    return held_to(made, ceilings)


def of_offsets(attacker: str, beliefs: Sequence[Offsets], truth: Truth) -> Figure:
    """Return how many patients' offsets are pinned rightly, and how many offsets are left on average."""
    patients = np.concatenate([belief.patients for belief in beliefs])
    left = np.concatenate([belief.left for belief in beliefs])
    guess = np.concatenate([belief.guess for belief in beliefs])
    person = truth.person[patients]
    known = person >= 0
    true = np.zeros(len(patients), np.int32) if truth.offset is None else truth.offset[np.maximum(person, 0)]
    one = known & (left == 1)
    right = one & (guess == true)
    n = int(known.sum())
    hits = float((right / np.maximum(left, 1)).sum())
    return Figure(
        attacker,
        beliefs[0].scenario,
        "patients of the release",
        n,
        Verdict.MEASURED,
        expected=hits / n if n else 0.0,
        expected_interval=wilson(hits, n),
        certain=int(right.sum()),
        certain_interval=wilson(int(right.sum()), n),
        wrong=int((one & ~right).sum()),
        left=float(left[known].mean()) if n else 0.0,
        possible=beliefs[0].possible,
    )


def of_trace(attacker: str, belief: Trace) -> Figure:
    """Return a count of things found, which should be none, or as many as chance gives."""
    bad = belief.found > belief.by_chance + _SIGMAS * np.sqrt(belief.by_chance)
    verdict = Verdict.MEASURED if belief.allowed else Verdict.FAILED if bad else Verdict.PASSED
    told = belief.told + (f"; {belief.by_chance:.0f} by chance" if belief.by_chance else "")
    return Figure(attacker, belief.scenario, "things", belief.looked_at, verdict, found=belief.found, told=told)


def of_untold(attacker: str, column: str) -> Figure:
    """Return that nobody here knows a column which the vector counts, so that the attack looks weaker than it is."""
    told = "counts in the vector, and is worked out from more than dates: this acquaintance does not know it"
    return Figure(attacker, f"without {column}", "people in the release", 0, Verdict.UNDECIDED, told=told)
