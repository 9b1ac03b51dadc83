"""Who is alone in a population, as estimated from a sample of it, beside the truth.

Run `python benchmarks/disclosure_estimates.py`. Three times a million generated people, told apart by place, age, sex
and race, by smaller places, and by month of birth too; samples of 1, 5 and 20 %. Printed is the share of the
population that is alone, each method's estimate of it, and `none` where a fit did not converge.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deid.disclosure.estimators import METHODS, uniques

PEOPLE = 1_000_000
FRACTIONS = (0.01, 0.05, 0.2)
RACES = (0.6, 0.18, 0.12, 0.06, 0.03, 0.01)
Numbers = npt.NDArray[np.int64]


def populations(seed: int = 5) -> dict[str, Numbers]:
    """Return for each population a number for the vector of each of its people, int64 (PEOPLE,)."""
    draw = np.random.default_rng(seed)
    weights = draw.lognormal(0, 1, 40)
    zip3 = draw.choice(40, PEOPLE, p=weights / weights.sum())
    age = np.minimum(draw.gamma(3, 13, PEOPLE).astype(np.int64), 105)
    rest = (age * 2 + draw.integers(0, 2, PEOPLE)) * 6 + draw.choice(6, PEOPLE, p=RACES)
    zip5 = zip3 * 40 + np.minimum(draw.geometric(0.1, PEOPLE), 39)
    many = 106 * 12
    return {
        "ZIP3, age, sex, race": zip3 * many + rest,
        "ZIP5, age, sex, race": zip5 * many + rest,
        "and month of birth": (zip5 * many + rest) * 12 + draw.integers(0, 12, PEOPLE),
    }


def main() -> None:
    """Print the table."""
    draw = np.random.default_rng(6)
    print(f"{'population':<22} {'sample':>7} {'truth':>8} " + " ".join(f"{name:>23}" for name in METHODS))
    for name, keys in populations().items():
        _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
        truth = (counts == 1).sum() / PEOPLE
        for fraction in FRACTIONS:
            sizes = np.bincount(place[draw.random(PEOPLE) < fraction])
            sizes = sizes[sizes > 0]
            told = uniques(sizes, PEOPLE)
            each, classes = np.unique(sizes, return_counts=True)
            shares = (
                f"{fit(each, classes, int(sizes.sum()), PEOPLE):>23.2%}" if method in told.methods else f"{'none':>23}"
                for method, fit in METHODS.items()
            )
            print(f"{name:<22} {fraction:>7.0%} {truth:>8.2%} " + " ".join(shares))


if __name__ == "__main__":
    main()
