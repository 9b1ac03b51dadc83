"""How well released patients can be told from all who were asked for: the propensity score and its mean squared error.

pMSE is the mean of (p - c)² over both sets of patients, p the probability of being of the release by a logistic
regression on patient-level features, c the share of the release (Woo 2009, Snoke 2018). Released patients are a part of
those asked for, not a second sample, so that the expectation under a random choice of as many patients is smaller than
Snoke's: with f the released share, n those asked for and m coefficients beside the intercept it is
f (1 - f) m / ((1 + f)^4 n), since the means of the two sets then differ by the variance (1 - f) / (f n).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
_STEPS = 30
_CHUNK = 1 << 14  # rows of the design that are made at once
_RIDGE = 1e-6  # of the scale of the data: keeps a feature that separates the two sets from running away


@dataclass(frozen=True, slots=True)
class Design:
    """Distinct rows of features, and how many patients of each set have them.

    `levels`: int32 of shape (rows, factors), each a number below `sizes` of its factor, of which 0 is the reference;
    `measures`: float64 of shape (rows, m). `source`, `release`: int64 of shape (rows,).
    """

    levels: npt.NDArray[np.int32] = field(repr=False)
    sizes: tuple[int, ...]
    measures: Floats = field(repr=False)
    source: Counts = field(repr=False)
    release: Counts = field(repr=False)

    @property
    def width(self) -> int:
        """Coefficients beside the intercept."""
        return sum(size - 1 for size in self.sizes) + int(self.measures.shape[1])

    def rows(self, start: int, stop: int) -> Floats:
        """Return a part of the matrix, intercept first, float64 of shape (stop - start, width + 1)."""
        parts = [np.ones((stop - start, 1)), self.measures[start:stop]]
        for factor, size in enumerate(self.sizes):
            parts.append((self.levels[start:stop, factor, None] == np.arange(1, size)).astype(np.float64))
        return np.concatenate(parts, axis=1)


def pmse(design: Design) -> float:
    """Return the mean squared error of propensity scores; 0 where no feature tells the sets apart."""
    n, released = design.source + design.release, design.release
    share = released.sum() / n.sum()
    total = 0.0
    beta = _fitted(design, n, released)
    for start, stop in _chunks(len(n)):
        p = _logistic(design.rows(start, stop) @ beta)
        total += float((n[start:stop] * (p - share) ** 2).sum())
    return total / float(n.sum())


def expected(asked: int, released: int, width: int) -> float | None:
    """Return what a random choice of `released` among `asked` patients gives; None where all were released."""
    if not 0 < released < asked:
        return None
    f = released / asked
    return f * (1 - f) * width / ((1 + f) ** 4 * asked)


def _fitted(design: Design, n: Counts, released: Counts) -> Floats:
    """Return the coefficients of the logistic regression, by iteratively reweighted least squares."""
    beta = np.zeros(design.width + 1)
    beta[0] = np.log(released.sum() / (n.sum() - released.sum()))
    ridge = np.eye(design.width + 1) * _RIDGE * float(n.sum())
    ridge[0, 0] = 0.0
    for _ in range(_STEPS):
        hessian, gradient = ridge.copy(), -ridge @ beta
        for start, stop in _chunks(len(n)):
            x = design.rows(start, stop)
            p = _logistic(x @ beta)
            weight = n[start:stop] * p * (1 - p)
            hessian += x.T @ (x * weight[:, None])
            gradient += x.T @ (released[start:stop] - n[start:stop] * p)
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        beta += step
        if float(np.abs(step).max()) < 1e-8:
            break
    return beta


def _logistic(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -30.0, 30.0))), np.float64)


def _chunks(rows: int) -> list[tuple[int, int]]:
    return [(start, min(start + _CHUNK, rows)) for start in range(0, rows, _CHUNK)]
