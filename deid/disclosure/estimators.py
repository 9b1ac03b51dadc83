"""How many of the released patients are alone in the population, estimated from the release when no table tells.

Three models of how classes of the population are spread, each fitted to the class sizes of the sample:

- Pitman's (Hoshino 2001): the Pitman sampling formula, by maximum likelihood;
- Zayatz' (1991): the sizes of the sample's classes stand for those of the population;
- the slide negative binomial (Chen and Keller-McNulty 1998): sizes less one are negative binomial, and the sample is
  drawn person by person; by maximum likelihood.

They differ by factors on the same data (Dankar 2012), so that only their range is told, beside the sampling fraction.
A fit that does not converge, or ends at the edge of what its model allows, is no estimate; it is never 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Fit = Callable[[Counts, Counts, int, int], float | None]
_EDGE = 1e-4  # how near to the edge of its range a parameter is taken to lie on it
_LEAST = 2  # distinct class sizes: from one alone no spread can be fitted


@dataclass(frozen=True, slots=True)
class Uniques:
    """The share of the population that is alone with its vector, lowest to highest estimate, None where there is none.

    `methods`: those that converged; `without`: those that did not. `fraction`: released patients of the population.
    """

    low: float | None
    high: float | None
    methods: tuple[str, ...]
    without: tuple[str, ...]
    fraction: float


def uniques(class_sizes: Counts, population: int) -> Uniques:
    """Return the range of the estimates.

    `class_sizes`: int64 (classes,), all positive; `population`: how many people the release is a sample of. Raises
    ValueError for a population smaller than the release.
    """
    sample = int(class_sizes.sum())
    if not 0 < sample <= population:
        raise ValueError("the population holds the release, and the release at least one patient")
    sizes, classes = np.unique(np.asarray(class_sizes, np.int64), return_counts=True)
    found: dict[str, float] = {}
    for name, fit in METHODS.items():
        share = fit(sizes, classes.astype(np.int64), sample, population) if len(sizes) >= _LEAST else None
        if share is not None and np.isfinite(share) and 0.0 < share <= 1.0:
            found[name] = share
    without = tuple(name for name in METHODS if name not in found)
    low, high = (min(found.values()), max(found.values())) if found else (None, None)
    return Uniques(low, high, tuple(found), without, sample / population)


def pitman(sizes: Counts, classes: Counts, sample: int, population: int) -> float | None:
    """Return Pitman's estimate; `classes`: how many classes there are of each of `sizes`."""
    from scipy.special import expit, gammaln  # noqa: PLC0415 - slow to import

    number = int(classes.sum())

    def loss(at: npt.NDArray[np.float64]) -> float:
        theta, alpha = np.exp(at[0]), expit(at[1])
        ways = (number - 1) * np.log(alpha) + gammaln(theta / alpha + number) - gammaln(theta / alpha + 1)
        ways -= gammaln(theta + sample) - gammaln(theta + 1)
        return -float(ways + (classes * (gammaln(sizes - alpha) - gammaln(1 - alpha))).sum())

    found = _fitted(loss, [np.log(max(1.0, number / 10)), 0.0])
    if found is None:
        return None
    theta, alpha = float(np.exp(found[0])), float(expit(found[1]))
    if not _EDGE < alpha < 1 - _EDGE:
        return None
    alone = alpha * np.log(population) + gammaln(theta + 1) - gammaln(theta + alpha)
    return float(np.exp(alone) / population)


def zayatz(sizes: Counts, classes: Counts, sample: int, population: int) -> float | None:
    """Return Zayatz' estimate: of those alone in the sample, the share that is alone in the population."""
    from scipy.stats import hypergeom  # noqa: PLC0415 - slow to import

    if sizes[0] != 1:
        return None
    shares = classes / classes.sum()
    alone_of = hypergeom.pmf(1, population, sizes, sample)  # a class of j in the population shows one in the sample
    total = float((alone_of * shares).sum())
    if total <= 0:
        return None
    return float(alone_of[0] * shares[0] / total) * int(classes[0]) / sample


def slide_negative_binomial(sizes: Counts, classes: Counts, sample: int, population: int) -> float | None:
    """Return the estimate of the slide negative binomial model."""
    from scipy.special import expit  # noqa: PLC0415 - slow to import
    from scipy.stats import nbinom  # noqa: PLC0415 - slow to import

    fraction = sample / population

    def parts(at: npt.NDArray[np.float64]) -> tuple[float, float, float]:
        r, p = float(np.exp(at[0])), float(expit(at[1]))
        thinned = p / (p + fraction * (1 - p))  # a negative binomial of which each is kept with chance `fraction`
        return r, p, thinned

    def loss(at: npt.NDArray[np.float64]) -> float:
        r, _, thinned = parts(at)
        seen = (1 - fraction) * nbinom.pmf(sizes, r, thinned) + fraction * nbinom.pmf(sizes - 1, r, thinned)
        unseen = (1 - fraction) * nbinom.pmf(0, r, thinned)
        return -float((classes * (np.log(np.maximum(seen, 1e-300)) - np.log(max(1e-300, 1 - unseen)))).sum())

    found = _fitted(loss, [0.0, -3.0])
    if found is None:
        return None
    r, p, thinned = parts(found)
    if not _EDGE < r < 1 / _EDGE or not _EDGE**2 < p < 1 - _EDGE:
        return None
    seen = 1 - (1 - fraction) * nbinom.pmf(0, r, thinned)
    there = int(classes.sum()) / seen
    people = there * (1 + r * (1 - p) / p)
    if not 0.5 < people / population < 2:  # the model must give back how many people there are
        return None
    return float(there * nbinom.pmf(0, r, p) / population)


def _fitted(loss: Callable[[npt.NDArray[np.float64]], float], start: list[float]) -> npt.NDArray[np.float64] | None:
    """Return the parameters of least loss, None where the search does not settle on the same from two starts."""
    from scipy.optimize import minimize  # noqa: PLC0415 - slow to import

    ends = []
    for shift in (0.0, 1.0):
        with np.errstate(all="ignore"):
            end = minimize(
                loss, np.array(start) + shift, method="Nelder-Mead", options={"maxiter": 2_000, "fatol": 1e-9}
            )
        if not end.success or not np.isfinite(end.fun):
            return None
        ends.append(end.x)
    return ends[0] if np.allclose(ends[0], ends[1], atol=0.05) else None


METHODS: dict[str, Fit] = {"Pitman": pitman, "Zayatz": zayatz, "slide negative binomial": slide_negative_binomial}
