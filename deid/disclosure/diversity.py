"""What a class tells of a sensitive value although it hides the person: l-diversity and t-closeness, by patients.

l-diversity (Machanavajjhala 2007) comes in three forms: how many values a class has (distinct), the largest share that
one value has of it (the bound on what is inferred, 1/l), and the exponential of its entropy. t-closeness (Li 2007) is
how far a class is from everybody: half the sum of absolute differences (equal distance), or the mean distance in ranks
(ordered distance) for values that have an order. `distinct`, `entropy` and `distance` are what pycanon 1.3 calls l, the
entropy l, which it rounds down, and t; it takes numbers for ordered.

Two classes that keep such a limit keep it when they unite: all of these measures are convex in the distribution. But
one that keeps it may unite with one that breaks it, and then both are withheld. So with suppression a coarser recoding
may withhold more patients, and the search asks each recoding for itself (deid.disclosure.lattice).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.disclosure.lattice import ClassRule, Flags, Numbers

Shares = npt.NDArray[np.float64]
SLACK = 1e-9  # of rounding, in favor of the class


@dataclass(frozen=True, slots=True)
class Spread:
    """Who has which sensitive value: each (vector, value) that occurs, once, with its patients.

    `vector`, `value`: int32 (pairs,), values numbered from 0 in their order; `patients`: int64 (pairs,).
    """

    vector: Numbers = field(repr=False)
    value: Numbers = field(repr=False)
    patients: npt.NDArray[np.int64] = field(repr=False)

    @classmethod
    def of_patients(cls, vector: Numbers, value: Numbers) -> Spread:
        """Return the spread of patients, int32 (patients,) each; patients with a vector below 0 are not counted."""
        shown = vector >= 0
        values = int(value.max(initial=-1)) + 1
        keys, patients = np.unique(vector[shown].astype(np.int64) * max(1, values) + value[shown], return_counts=True)
        return cls(
            (keys // max(1, values)).astype(np.int32),
            (keys % max(1, values)).astype(np.int32),
            patients.astype(np.int64),
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What each class tells, arrays of shape (classes,): see the module; `distinct` int64, the others float64."""

    distinct: npt.NDArray[np.int64]
    largest: Shares
    entropy: Shares
    distance: Shares


def told(spread: Spread, classes: Numbers, count: int, *, ordered: bool = False) -> Told:
    """Return what `count` classes tell; `classes`: int32 (vectors,), -1 for vectors in none.

    Everybody, from whom distances are taken, are all patients of the spread, in a class or in none. A class without
    patients tells nothing: 0 values, share, entropy and distance.
    """
    values = int(spread.value.max(initial=-1)) + 1
    at = classes[spread.vector]
    inside = at >= 0
    keys, where = np.unique(at[inside].astype(np.int64) * max(1, values) + spread.value[inside], return_inverse=True)
    patients = np.bincount(where, weights=spread.patients[inside], minlength=len(keys))
    of, value = keys // max(1, values), keys % max(1, values)
    sizes = np.bincount(of, weights=patients, minlength=count)
    share = patients / sizes[of]
    largest = np.zeros(count)
    np.maximum.at(largest, of, share)
    entropy = np.exp(-np.bincount(of, weights=share * np.log(share), minlength=count))
    found = np.bincount(spread.value, weights=spread.patients, minlength=values).astype(np.float64)
    everybody = found / max(1.0, float(found.sum()))
    if ordered:
        distance = _in_ranks(of, value, share, everybody, count)
    else:
        # A class without a value differs by its whole share; what it has takes that back and adds the difference.
        apart = np.ones(count) + np.bincount(
            of, weights=np.abs(share - everybody[value]) - everybody[value], minlength=count
        )
        distance = apart / 2
    is_there = sizes > 0
    return Told(
        np.bincount(of, minlength=count), largest, np.where(is_there, entropy, 0.0), np.where(is_there, distance, 0.0)
    )


def _in_ranks(
    of: npt.NDArray[np.int64], value: npt.NDArray[np.int64], share: Shares, everybody: Shares, count: int
) -> Shares:
    """Return the ordered distance of each class: differences of cumulative shares, over the number of steps."""
    steps = len(everybody) - 1
    if steps < 1:
        return np.zeros(count)
    distance = np.zeros(count)
    block = max(1, 4_000_000 // len(everybody))  # classes at once, so that memory stays bounded
    for start in range(0, count, block):
        rows = (of >= start) & (of < start + block)
        dense = np.zeros((min(block, count - start), len(everybody)))
        dense[of[rows] - start, value[rows]] = share[rows]
        distance[start : start + block] = np.abs(np.cumsum(dense - everybody, axis=1)[:, :-1]).sum(axis=1) / steps
    return distance


@dataclass(frozen=True, slots=True)
class Diversity:
    """A rule on classes: no value is held by more than 1/l of a class, no class is further than t from everybody."""

    spread: Spread
    l: int | None = None  # noqa: E741 - the literature's name
    t: float | None = None
    ordered: bool = False

    def broken(self, classes: Numbers, count: int) -> Flags:
        """Return which classes break the rule, bool (classes,)."""
        found = told(self.spread, classes, count, ordered=self.ordered)
        broken = np.zeros(count, bool)
        if self.l is not None:
            broken |= found.largest > 1 / self.l + SLACK
        if self.t is not None:
            broken |= found.distance > self.t + SLACK
        return broken


@dataclass(frozen=True, slots=True)
class Every:
    """Several rules at once: a class that breaks one of them is broken."""

    rules: Sequence[ClassRule]

    def broken(self, classes: Numbers, count: int) -> Flags:
        """Return which classes break any of the rules, bool (classes,)."""
        broken = np.zeros(count, bool)
        for rule in self.rules:
            broken |= rule.broken(classes, count)
        return broken
