"""Chances of re-identification by the vector alone, for the three attackers of the literature; unit is the patient.

Prosecutor: somebody looks for one patient who is known to be in the release. Journalist: somebody looks for any one
person of the population. Marketer: somebody joins a whole list of the population, and it counts how many matches are
right (El Emam, Guide to the De-Identification of Personal Health Information, 2013, ch. 16; Benitez and Malin 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RiskFigures:
    """Each from 0 to 1, 0 where nobody is released; those of the population are None where no table tells of it.

    `below`: the share of patients in classes under k; `unique`: in classes of one.
    """

    prosecutor_max: float
    prosecutor_mean: float
    below: float
    unique: float
    journalist_max: float | None = None
    journalist_mean: float | None = None

    @property
    def marketer(self) -> float:
        """The mean share of matches that are right: by the population, or by the release if it is all there is."""
        return self.prosecutor_mean if self.journalist_mean is None else self.journalist_mean


def figures(class_sizes: Counts, population_sizes: Counts | None = None, *, k: int = 11) -> RiskFigures:
    """Return the chances for classes of these sizes.

    `class_sizes`: int64 (classes,), released patients; a class of none counts for nothing.
    `population_sizes`: int64 (classes,), people of
    the population who fit each class. A class cannot be rarer in the population than in the release: where a table
    says so, the release counts.
    """
    there = np.asarray(class_sizes) > 0
    sizes = np.asarray(class_sizes, np.int64)[there]
    total = int(sizes.sum())
    if not total:
        return RiskFigures(0.0, 0.0, 0.0, 0.0)
    largest, mean = _chances(sizes, sizes)
    below, unique = (float(sizes[which].sum()) / total for which in (sizes < k, sizes == 1))
    if population_sizes is None:
        return RiskFigures(largest, mean, below, unique)
    outside = np.maximum(np.asarray(population_sizes, np.int64)[there], sizes)
    return RiskFigures(largest, mean, below, unique, *_chances(sizes, outside))


def _chances(patients: Counts, among: Counts) -> tuple[float, float]:
    """Return the largest of 1/among, and its mean over patients."""
    return float(1 / among.min()), float((patients / among).sum() / patients.sum())
