"""Crude and age-standardized rates with 95 % intervals.

Crude: exact Poisson intervals (Garwood 1936). Standardized: direct method with the gamma intervals of Fay and Feuer
(1997), which SEER publishes; they equal the exact ones where one weight serves all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deid.tables.system import Reals

LEVEL = 0.95
RELIABLE = 20  # events below which NCHS calls a rate unreliable: its relative standard error is above 23 %


class Rates(NamedTuple):
    """Rates and the ends of their intervals, per `per` people; each of shape (n,), NaN where nobody is at risk."""

    rate: Reals
    low: Reals
    high: Reals


def crude(counts: Reals, people: Reals, per: int) -> Rates:
    """Return crude rates; `counts` and `people` of shape (n,)."""
    from scipy.stats import chi2  # noqa: PLC0415 - only where rates are asked for

    tail = (1 - LEVEL) / 2
    counts = np.asarray(counts, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.where(people > 0, per / np.asarray(people, float), np.nan)
        low = np.where(counts > 0, chi2.ppf(tail, 2 * np.maximum(counts, 1e-9)) / 2, 0.0)
        high = chi2.ppf(1 - tail, 2 * counts + 2) / 2
    return Rates(counts * scale, low * scale, high * scale)


def standardized(counts: Reals, people: Reals, weights: Reals, per: int) -> Rates:
    """Return directly standardized rates; `counts` and `people` of shape (n, bands), `weights` (bands,) summing to 1.

    NaN where a band has no people: no rate can be known there.
    """
    from scipy.stats import chi2  # noqa: PLC0415

    tail = (1 - LEVEL) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        w = np.where(people > 0, weights / np.asarray(people, float), np.nan)
        rate = (w * counts).sum(axis=1)
        variance = (w**2 * counts).sum(axis=1)
        largest = w.max(axis=1)
        low = np.where(rate > 0, variance / (2 * rate) * chi2.ppf(tail, 2 * rate**2 / variance), 0.0)
        above, spread = rate + largest, variance + largest**2
        high = spread / (2 * above) * chi2.ppf(1 - tail, 2 * above**2 / spread)
    return Rates(rate * per, low * per, np.asarray(np.where(np.isnan(rate), np.nan, high)) * per)
