"""What known codes tell of a patient: the figures of an attack. All are shares or counts of patients, never of rows."""

from __future__ import annotations

from dataclasses import dataclass

from deid.documents.limits import Adversary

DOUBT = 2.576  # standard errors that are added to a sampled mean before it is held to a ceiling


@dataclass(frozen=True, slots=True)
class AdversaryRisk:
    """What one adversary gets who knows the class and some codes.

    `patients`: who have such codes; all other figures are means over them, or shares of them. `mean`: the chance to be
    identified, 1 / candidates, averaged over the patient's draws. `below`: the share of draws with fewer than k
    candidates, `unique` with one. `worst`: the mean of each patient's worst draw; `maximum`: the largest chance of all.
    `above`: the share of patients whose own mean is over the ceiling. `error`: the standard error of the mean, 0 where
    every draw is counted.
    """

    adversary: Adversary
    patients: int
    mean: float
    below: float = 0.0
    unique: float = 0.0
    worst: float = 0.0
    maximum: float = 0.0
    above: float = 0.0
    error: float = 0.0

    @property
    def bound(self) -> float:
        """The mean with what its sample leaves open: one-sided 99.5 %, by the normal approximation."""
        return self.mean + DOUBT * self.error


@dataclass(frozen=True, slots=True)
class GroupRisk:
    """A subgroup at risk: its label, its patients with a draw, the mean chance, the share over the ceiling."""

    label: int
    patients: int
    mean: float
    above: float


@dataclass(frozen=True, slots=True)
class CodeRisk:
    """An attack by several adversaries who know `codes` codes and `dates` dates; the last two are no limits.

    `three`: three codes drawn evenly, from a sample, or None where nobody has three. `groups`: the subgroups at most
    risk by the first adversary, the worst first.
    """

    codes: int
    dates: int
    by: tuple[AdversaryRisk, ...]
    three: AdversaryRisk | None = None
    groups: tuple[GroupRisk, ...] = ()

    @property
    def mean(self) -> float:
        """The largest mean of the adversaries, 0 where there is nothing to know."""
        return max((risk.mean for risk in self.by), default=0.0)

    @property
    def bound(self) -> float:
        """The largest bound of the adversaries."""
        return max((risk.bound for risk in self.by), default=0.0)

    def of(self, adversary: Adversary) -> AdversaryRisk:
        """Return the figures of one adversary; raise KeyError where the attack had none such."""
        for risk in self.by:
            if risk.adversary is adversary:
                return risk
        raise KeyError(adversary)
