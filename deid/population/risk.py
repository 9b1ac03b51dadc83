"""What the people of a population leave of the risk of a release, held to the ceilings of its policy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from deid.disclosure.estimators import uniques
from deid.disclosure.risk import RiskFigures, figures
from deid.errors import DisclosureError
from deid.observing.controls import Vectors
from deid.observing.decision import Decision
from deid.planning.plan import Plan
from deid.population.classes import people_of_classes
from deid.population.table import census, read_population
from deid.release.small_counts import ENOUGH
from deid.reports.evidence import Population
from deid.reports.risk_model import Estimate
from deid.reports.small import rounded

Counts = npt.NDArray[np.int64]


def population_risk(plan: Plan, decision: Decision, population: Path | int | None) -> Population | None:
    """Return what the population makes of the risk; None where the policy counts no classes, or nothing tells of it.

    `population`: the site's table, or how many people there are. Raises DisclosureError where a ceiling of
    `limits.risk` is passed, DocumentError for a table that is none.
    """
    vectors = decision.controls.vectors
    if plan.policy.limits.k is None or vectors is None:
        return None
    sizes = class_sizes(decision, vectors)
    table = read_population(population) if isinstance(population, Path) else census()
    fitting = None if isinstance(population, int) else people_of_classes(plan, vectors, sizes, table)
    found = figures(sizes, fitting.people if fitting is not None else None, k=plan.policy.limits.k)
    require(plan, found)
    return Population(
        journalist_max=_shown(found.journalist_max, most=1 / ENOUGH),  # a larger one would tell a count of 1 to 10
        journalist_mean=_shown(found.journalist_mean),
        table=fitting.source if fitting is not None else None,
        uniques=_estimate(sizes, population) if isinstance(population, int) else None,
    )


def class_sizes(decision: Decision, vectors: Vectors) -> Counts:
    """Return the released patients of each class, int64 (classes,); verified on the output by deid.checks.vector_check.

    In a series a class may have none left.
    """
    patients = decision.patients
    classes = patients.klass[: len(patients)][patients.selected]
    number = max((len(cells) for cells in vectors.columns.values()), default=1)
    return np.bincount(classes[classes >= 0], minlength=number).astype(np.int64)


def require(plan: Plan, found: RiskFigures) -> None:
    """Raise DisclosureError where a chance is above its ceiling in `limits.risk`."""
    ceilings = plan.policy.limits.risk
    for name, measured, ceiling in (
        ("prosecutor", found.prosecutor_max, ceilings.prosecutor),
        ("journalist", found.journalist_max, ceilings.journalist),
        ("marketer", found.marketer, ceilings.marketer),
    ):
        if ceiling is None:
            continue
        if measured is None:
            raise DisclosureError(
                "limits.risk.journalist is set, and no table tells how many people fit a released class",
                hint="name the site's `population` in site.yaml, release three-digit ZIP codes, or remove the ceiling",
            )
        if measured > ceiling + 1e-12:
            raise DisclosureError(
                f"the {name}'s chance is {measured:.4f} at most; limits.risk.{name} is {ceiling:g}",
                hint=f"coarsen the quasi-identifiers, raise limits.k, or set limits.risk.{name} to "
                f"{np.ceil(measured * 10_000) / 10_000:g} and sign the policy again",
            )


def _estimate(sizes: Counts, total: int) -> Estimate | None:
    if not sizes.sum():
        return None
    if total < sizes.sum():
        raise DisclosureError(
            "the release holds more patients than the site's `population` has people",
            hint="correct `population` in site.yaml",
        )
    found = uniques(sizes[sizes > 0], total)
    low, high = (None if each is None else rounded(each) for each in (found.low, found.high))
    return Estimate(low, high, found.methods, found.without, rounded(found.fraction))


def _shown(chance: float | None, *, most: float = 1.0) -> float | None:
    return None if chance is None or chance > most else rounded(chance)
