"""The nearest settings that would do, where no recoding is allowed.

Without a rule beside k the coarsest recoding answers for all: classes only unite upward, so at every k it withholds the
fewest. With one it does not (deid.disclosure.diversity), and each recoding is asked for itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from deid.errors import DisclosureError


class Outcome(NamedTuple):
    """What one recoding comes to: the patients of each class, int64, and which classes break the rule, bool."""

    sizes: npt.NDArray[np.int64]
    broken: npt.NDArray[np.bool_]


class Wanted(NamedTuple):
    """What was asked for: k, and how many of how many patients may be withheld, which is their `share`."""

    k: int
    limit: int
    total: int
    share: float


def refusal(wanted: Wanted, outcomes: Iterable[Outcome], *, is_ruled: bool, is_whole: bool) -> DisclosureError:
    """Return the error for a lattice none of whose recodings is allowed, with settings under which one is.

    `outcomes`: of every recoding that could be nearest, the coarsest first. `is_ruled`: there is a rule beside k.
    `is_whole`: they are all there are; else what is named would do, and less might.
    """
    if not wanted.total:
        return DisclosureError("there is no patient to release", hint="widen the cohort or the period")
    if wanted.k > wanted.total:
        return DisclosureError(
            f"k = {wanted.k:,} is more than there are patients to release",
            hint="lower limits.k and sign the policy again, or ask for a larger cohort",
        )
    fewest, largest, seen, k_holds = wanted.total, 0, 0, False
    for outcome in outcomes:
        small = outcome.sizes < wanted.k
        k_holds |= int(outcome.sizes[small].sum()) <= wanted.limit
        fewest = min(fewest, int(outcome.sizes[small | outcome.broken].sum()))
        largest = max(largest, _largest_k(outcome, wanted.limit))
        seen += 1
    share = -(-1000 * fewest // wanted.total) / 1000  # in whole numbers: what is named must do
    under = "any recoding" if is_whole else f"the {seen:,} coarsest recodings"
    under = under if is_ruled else "the coarsest recoding"
    also = " and the limits of sensitive kinds" if is_ruled else ""
    what = f"k = {wanted.k:,}{also} would withhold {100 * share:.1f} % of the patients"
    if fewest == wanted.total:
        what = f"no class of patients reaches k = {wanted.k:,}{also}"
    ways = [f"lower limits.k to {largest}"] if largest >= 2 else []
    ways += [f"raise limits.suppression to {share:g}"] if fewest < wanted.total else []
    # Where k alone would do, coarser classes are no remedy: they come ever closer to everybody.
    coarsen = "coarsen the quasi-identifiers by another rung under limits.recoding"
    ways.append("relax l or t under limits.sensitive" if is_ruled and k_holds else coarsen)
    return DisclosureError(
        f"{what} under {under}; the policy allows {100 * wanted.share:g} %",
        hint=", or ".join(ways) + "; then sign the policy again",
    )


def _largest_k(outcome: Outcome, limit: int) -> int:
    """Return the largest k at which no more than `limit` patients are in classes that are broken or below it."""
    left = limit - int(outcome.sizes[outcome.broken].sum())
    ordered = np.sort(outcome.sizes[~outcome.broken])
    below = np.cumsum(ordered) - ordered  # patients in smaller classes: these are withheld at k = the size itself
    return int(ordered[below <= left].max(initial=0))
