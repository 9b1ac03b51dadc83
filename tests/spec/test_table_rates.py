"""Rates and intervals are those of the literature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, gamma

from deid.tables.bands import Band
from deid.tables.rates import crude, standardized
from deid.tables.standards import weights

# SEER's worked example of an age-adjusted rate, https://seer.cancer.gov/seerstat/tutorials/aarates/step3.html: 400.3.
COUNTS = [29, 87, 67, 71, 87, 177, 290, 657, 1072, 1691, 2428, 2931, 2881, 2817, 2817, 2744, 2634, 1884, 1705]
PEOPLE = [139879, 553189, 736212, 770999, 651390, 639159, 676354, 736557, 724826, 700200, 617437, 516541, 361170, 259440,
          206204, 172087, 142958, 99654, 92692]  # fmt: skip
STARTS = [0, 1, *range(5, 90, 5)]
BANDS = [Band(str(low), low, high - 1) for low, high in zip(STARTS, [*STARTS[1:], 131], strict=True)]


def test_the_age_adjusted_rate_is_that_of_seers_example() -> None:
    """The 2000 standard population gives 400.3 per 100,000."""
    share = weights("us_2000", BANDS)
    rate = standardized(np.array([COUNTS], float), np.array([PEOPLE], float), share, 100_000)
    assert round(float(rate.rate[0]), 1) == 400.3
    assert rate.low[0] < rate.rate[0] < rate.high[0]


def test_the_standard_population_is_that_of_2000() -> None:
    """Its nineteen groups are 274,633,642 people."""
    whole = weights("us_2000", BANDS)
    assert round(float(whole[0] * 274_633_642)) == 3_794_901
    assert whole.sum() == pytest.approx(1)


@pytest.mark.parametrize("count", [0, 1, 10, 37])
def test_one_band_gives_the_exact_poisson_interval(count: int) -> None:
    """Fay and Feuer's interval is Garwood's where one weight serves all."""
    one = standardized(np.array([[count]], float), np.array([[5000]], float), np.array([1.0]), 1000)
    exact = crude(np.array([count], float), np.array([5000], float), 1000)
    for fitted, poisson in zip(one, exact, strict=True):
        assert fitted[0] == pytest.approx(poisson[0])


def test_the_crude_interval_is_garwoods() -> None:
    """Ten events have the interval 4.795 to 18.390 (exact Poisson, 95 %)."""
    found = crude(np.array([10.0]), np.array([1.0]), 1)
    assert (round(float(found.low[0]), 3), round(float(found.high[0]), 3)) == (4.795, 18.390)
    assert found.high[0] == pytest.approx(chi2.ppf(0.975, 22) / 2)


def test_nobody_at_risk_has_no_rate() -> None:
    """A band without people leaves the standardized rate unknown, and never zero."""
    found = standardized(np.array([[0, 3]], float), np.array([[0, 100]], float), np.array([0.5, 0.5]), 1000)
    assert np.isnan(found.rate[0])
    assert np.isnan(found.high[0])


def test_the_standardized_interval_is_fay_and_feuers_gamma() -> None:
    """Their formula (3) and (4) written with scipy's gamma distribution gives the same ends for drawn bands."""
    draw = np.random.default_rng(1)
    people = draw.integers(100, 50_000, (20, 5)).astype(float)
    counts = draw.poisson(people * draw.uniform(0, 2e-3, 5)).astype(float)
    share = draw.dirichlet(np.ones(5))
    found = standardized(counts, people, share, 1)
    for at in range(20):
        w = share / people[at]
        rate, variance = float(w @ counts[at]), float(w**2 @ counts[at])
        above, spread = rate + w.max(), variance + w.max() ** 2
        low = gamma.ppf(0.025, rate**2 / variance, scale=variance / rate) if rate else 0.0
        high = gamma.ppf(0.975, above**2 / spread, scale=spread / above)
        assert (found.rate[at], found.low[at], found.high[at]) == pytest.approx((rate, low, high))
