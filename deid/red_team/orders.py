"""Whether an order that a release shows is one of the source's: of its rows, identifiers, first visits or births."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from deid.attacks.base import Order
from deid.cells.days import NO_DAY
from deid.red_team.identified import Population
from deid.red_team.score import Figure, Verdict
from deid.red_team.truth import Truth

Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
_SURE = 5.0  # standard errors: by chance once in two million


def source_orders(population: Population) -> dict[str, Floats]:
    """Return, for each person, the place in several orders of the source; NaN where there is none."""
    by_id = np.empty(len(population))
    by_id[pc.sort_indices(population.people.ids).to_numpy()] = np.arange(len(population))
    first = np.full(len(population), np.inf)
    np.minimum.at(first, population.visits.patient, population.visits.day.astype(float))
    births = np.where(population.people.birth_day == NO_DAY, np.nan, population.people.birth_day.astype(float))
    return {
        "the source's rows": np.arange(len(population), dtype=float),
        "identifiers": by_id,
        "first visits": np.where(np.isinf(first), np.nan, first),
        "births": births,
    }


def of_order(attacker: str, belief: Order, truth: Truth, orders: dict[str, Floats]) -> Figure:
    """Return the correlation with the order of the source that a release's order is most like.

    Spearman's rank correlation within each window, its standard error 1/sqrt(n - 1). Between row groups the order of
    the source remains by design (docs/adr/0008), so there it is measured and not judged.
    """
    person = truth.person[belief.patients]
    known = person >= 0
    windows = belief.windows if belief.windows is not None else np.zeros(len(person), np.int64)
    best, sigmas, name = 0.0, 0.0, next(iter(orders))
    for what, order in orders.items():
        rho, z = _correlation(order[person[known]], windows[known])
        if abs(z) > abs(sigmas):
            best, sigmas, name = rho, z, what
    by_group = belief.windows is None and belief.scenario.startswith("row groups")
    verdict = Verdict.MEASURED if by_group else Verdict.FAILED if abs(sigmas) > _SURE else Verdict.PASSED
    told = f"most like the order of {name}: {sigmas:+.1f} standard errors"
    n = int(known.sum())
    return Figure(attacker, belief.scenario, "patients of the release", n, verdict, correlation=best, told=told)


def _correlation(values: Floats, windows: Int64) -> tuple[float, float]:
    """Return the mean rank correlation of values with their positions within windows, and its standard errors."""
    total = weight = 0.0
    for window in np.unique(windows):
        own = values[windows == window]
        own = own[~np.isnan(own)]
        if len(own) < 3:
            continue
        _, ranks = np.unique(own, return_inverse=True)  # ties share a rank, which Pearson's formula takes as it is
        if ranks.min() == ranks.max():
            continue
        rho = float(np.corrcoef(ranks.reshape(-1), np.arange(len(own)))[0, 1])
        total += rho * (len(own) - 1)
        weight += len(own) - 1
    return (total / weight, total / np.sqrt(weight)) if weight else (0.0, 0.0)
