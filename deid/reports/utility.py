"""What can still be done with the data: granularity, marginals, and how the two sides differ.

Everything is computed on tables without small cells (deid.reports.small). Distances hold everybody asked for, at the
granularity of the release, against the released patients: total variation, half the sum of absolute differences of
shares.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from deid.release.small_counts import shown
from deid.reports.propensity import Design, expected, pmse
from deid.reports.release_side import ReleaseSide
from deid.reports.small import MANY, pooled, rounded, weighed
from deid.reports.source_side import LOST, RELEASED, SourceSide, may_be_named
from deid.reports.tallies import Numbers, VectorTally
from deid.reports.utility_model import Marginal, Pair, Propensity, Utility, Value

EMPTY = "(empty)"
_SHOWN = 20  # values of a column that are listed
_FACTOR = 16  # values of a column that the propensity model tells apart
_KINDS = 50_000  # distinct rows of features that a regression of a second can take


def marginals(source: SourceSide, release: ReleaseSide, *, listed: bool) -> tuple[Marginal, ...]:
    """Return what each column of the vector tells; `listed`: whether values may be, as where all classes are of k."""
    told = []
    for place, step in enumerate(source.steps):
        numbers, counts = source.vectors.table(place)
        after = _released(release, place, numbers)
        distance = _distance(after, counts[:, LOST]) if source.tells_lost else None
        texts = source.values[place].texts
        values, rest = _values(numbers[:, 0], after, texts) if listed and may_be_named(step) else ((), 0)
        pairs = source.pairs(place)
        told.append(
            Marginal(
                column=f"{source.population}.{step.column.name}",
                values=values,
                pooled=rest,
                granularity=_granularity(pairs, count_lost=source.tells_lost),
                bits=_bits(after),
                bits_before=_bits(_leaf_counts(pairs, count_lost=source.tells_lost)),
                distance=distance,
            )
        )
    return tuple(told)


def reduced_marginals(release: ReleaseSide, *, listed: bool) -> tuple[Marginal, ...]:
    """Return what the reduced columns tell, of which the source's one value a patient is not known here."""
    told = []
    for (table, name), (values, counts) in release.reduced().items():
        numbers = np.flatnonzero(counts).astype(np.int32)
        after = counts[numbers].astype(np.int64)
        is_named = listed and may_be_named(release.step_of((table, name)))
        listing, rest = _values(numbers, after, values.texts) if is_named else ((), 0)
        told.append(Marginal(f"{table}.{name}", listing, rest, None, _bits(after), None, None))
    return tuple(told)


def distances(source: SourceSide, release: ReleaseSide) -> tuple[Pair, ...]:
    """Return the distance of every two columns of the vector together."""
    told = []
    if not source.tells_lost:
        return ()
    for one, other in combinations(range(len(source.steps)), 2):
        if not source.lost:
            distance = 0.0 if release.released else None
        else:
            numbers, counts = source.vectors.table(one, other)
            distance = _distance(_released(release, (one, other), numbers), counts[:, LOST])
        if distance is not None:
            names = tuple(f"{source.population}.{source.steps[place].column.name}" for place in (one, other))
            told.append(Pair((names[0], names[1]), distance))
    return tuple(told)


def overall(source: SourceSide, release: ReleaseSide, told: Utility) -> Utility:
    """Return the utility with the mean granularity and the propensity score."""
    known = [each.granularity for each in told.marginals if each.granularity is not None]
    mean = rounded(float(np.mean(known)), 3) if known else None
    return Utility(mean, told.marginals, told.pairs, told.codes, propensity(source, release))


def propensity(source: SourceSide, release: ReleaseSide) -> Propensity | None:
    """Return the propensity score's mean squared error; None where nobody was withheld, or patients cannot be told."""
    lost, kept = source.lost, release.released
    if not source.weighs_lost or not source.steps or kept < MANY or not release.knows_patients:
        return None
    design, features = _design(source, release)
    if design is None or not design.width:
        return None
    error = pmse(design)
    null = expected(lost + kept, kept, design.width)
    ratio = rounded(error / null, 2) if null else None
    # Three digits each: a mean over a million patients is a small number.
    return Propensity(float(f"{error:.3g}"), None if null is None else float(f"{null:.3g}"), ratio, features)


def _design(source: SourceSide, release: ReleaseSide) -> tuple[Design | None, tuple[str, ...]]:
    """Return the distinct rows of features of both sides: pooled values of the vector, visits and codes in steps."""
    factors = [_factor(source, place) for place in range(len(source.steps))]
    if any(factor is None for factor in factors):
        return None, ()
    for scale in (2.0, 1.0, 0.5):
        tally = VectorTally(len(factors) + 2, 2)
        for part, (vectors, patients) in enumerate(
            ((source.vectors.rows, source.patients()), (release.vectors.rows, release.patients()))
        ):
            tally.add(_rows(vectors, patients, factors, scale), part)
        if len(tally) <= _KINDS:
            break
    else:
        return None, ()
    distinct, counts, count = tally.rows, tally.counts, len(factors)
    steps = distinct[:, count:].astype(np.float64)
    steps = steps[:, steps.min(axis=0) < steps.max(axis=0)] if len(steps) else steps
    sizes = tuple(int(factor.max()) + 1 for factor in factors if factor is not None)
    names = [step.column.name for step, size in zip(source.steps, sizes, strict=True) if size > 1]
    measures = np.concatenate([steps, steps**2], axis=1)
    design = Design(distinct[:, :count], sizes, measures, counts[:, 0], counts[:, 1])
    return design, (*names, "number of visits", "number of codes")


def _factor(source: SourceSide, place: int) -> Numbers | None:
    """Return the level of each value of a column, rare ones and those beyond the most frequent in one level."""
    numbers, counts = source.vectors.table(place)
    table = pooled(counts)
    if table is None:
        return None
    levels = np.zeros(len(source.values[place]), np.int32)
    frequent = sorted(table.kept, key=lambda row: (-int(counts[row].sum()), row))
    rest = table.pool + max(0, len(frequent) - _FACTOR)
    for level, row in enumerate(frequent[:_FACTOR]):
        levels[numbers[row, 0]] = level + (1 if rest else 0)
    return levels


def _rows(
    vectors: Numbers, patients: tuple[Numbers, Numbers, Numbers], factors: list[Numbers | None], scale: float
) -> list[Numbers]:
    vector, visits, mentions = patients
    levels = [factor[vectors[vector, place]] for place, factor in enumerate(factors) if factor is not None]
    return [*levels, _steps(visits, scale), _steps(mentions, scale)]


def _steps(counts: Numbers, scale: float) -> Numbers:
    """Return counts in steps of powers of two, `scale` steps to each, so that few are apart."""
    return np.asarray(np.floor(scale * np.log2(1.0 + counts)), np.int32)


def _released(release: ReleaseSide, place: int | tuple[int, int], numbers: Numbers) -> npt.NDArray[np.int64]:
    """Return released patients of some values, counted on what was read back."""
    places = (place,) if isinstance(place, int) else place
    found, counts = release.vectors.table(*places)
    known, wanted = _keys(found), _keys(numbers)  # both ascending
    if not len(known):
        return np.zeros(len(wanted), np.int64)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, counts[at, 0], 0)


def _keys(numbers: Numbers) -> npt.NDArray[np.int64]:
    """Return one number for each row of one or two numbers, in the same order."""
    first = numbers[:, 0].astype(np.int64)
    return first if numbers.shape[1] == 1 else (first << 32) | numbers[:, 1]


def _distance(after: npt.NDArray[np.int64], lost: npt.NDArray[np.int64]) -> float | None:
    """Return the total variation between everybody and the released; None where a small count could be had from it."""
    if not lost.sum():
        return 0.0 if after.sum() else None
    table = pooled(np.stack([after, lost], axis=1))
    # One pool of everything is as far from itself as nothing is, which says nothing.
    if table is None or not after.sum() or (table.pool and not table.kept):
        return None
    released, everybody = table.counts[:, 0], table.counts.sum(axis=1)
    return rounded(0.5 * float(np.abs(everybody / everybody.sum() - released / released.sum()).sum()))


def _values(
    numbers: Numbers, after: npt.NDArray[np.int64], texts: tuple[str | None, ...]
) -> tuple[tuple[Value, ...], int]:
    """Return the most frequent values, and how many are together in the last one."""
    table = pooled(after[:, None])
    if table is None or not after.sum():
        return (), 0
    total = int(after.sum())
    frequent = sorted(table.kept, key=lambda row: (-int(after[row]), row))
    listed = sorted(frequent[:_SHOWN], key=lambda row: _in_order(texts[numbers[row]]))
    told = [
        _value(EMPTY if texts[numbers[row]] is None else str(texts[numbers[row]]), int(after[row]), total)
        for row in listed
    ]
    rest = int(np.count_nonzero(after)) - len(listed)
    if rest:
        told.append(_value("all others", total - sum(int(after[row]) for row in listed), total))
    return tuple(told), rest


def _in_order(text: str | None) -> tuple[bool, float, str]:
    """Return a key that sorts numbers by size, other texts by their letters, and what is empty last."""
    return (text is None, float(text) if text and text.isdecimal() else float("inf"), text or "")


def _value(text: str, patients: int, total: int) -> Value:
    return Value(text, shown(patients), rounded(patients / total))


def _granularity(pairs: VectorTally, *, count_lost: bool) -> float | None:
    """Return the mean share of the source's values that stand under the released one (iLoss, Xiao and Tao 2006)."""
    if not len(pairs):
        return None
    # Where withheld patients may not be told, neither may what they alone have.
    own = pairs.rows if count_lost else pairs.rows[pairs.counts[:, RELEASED] > 0]
    leaves = np.count_nonzero(np.bincount(own[:, 0]))
    released, counts = pairs.table(1)
    # Pairs are distinct: one for each leaf.
    under = np.bincount(np.searchsorted(released[:, 0], own[:, 1]), minlength=len(released))
    table = weighed(counts if count_lost else counts[:, [RELEASED]])
    if table is None:
        return None
    lost = int(counts[:, LOST].sum()) if count_lost else 0
    kept = list(table.kept)
    widths = [*under[kept].tolist(), *([int(np.delete(under, kept).sum())] if table.pool else [])]
    loss = float(table.counts[:, RELEASED] @ (np.array(widths, np.int64) - 1))
    loss = loss / (leaves - 1) if leaves > 1 else 0.0
    total = int(table.counts[:, RELEASED].sum()) + lost
    return rounded(min(1.0, (loss + lost) / total), 3) if total else None


def _leaf_counts(pairs: VectorTally, *, count_lost: bool) -> npt.NDArray[np.int64]:
    counts = pairs.table(0)[1]
    return counts.sum(axis=1) if count_lost else counts[:, RELEASED]


def _bits(counts: npt.NDArray[np.int64]) -> float | None:
    """Return the entropy of a distribution in bits, to a tenth: rare values count one by one if they are many."""
    table = weighed(counts[:, None])
    if table is None:
        return None
    counts = table.counts[:, 0]
    counts = counts[counts > 0]
    if not len(counts):
        return None
    share = counts / counts.sum()
    return rounded(float(-(share * np.log2(share)).sum()), 1)
