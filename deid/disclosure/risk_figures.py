"""From what a draw comes to, patient by patient, to the figures of an adversary."""

from __future__ import annotations

import numpy as np

from deid.disclosure.code_risk import AdversaryRisk
from deid.disclosure.counting import Tallied
from deid.disclosure.draws import Draw
from deid.disclosure.holdings import Flags, Numbers
from deid.documents.limits import Adversary


def targets_of(draw: Draw) -> Flags:
    """Return which patients have something to be drawn."""
    targets = np.zeros(int(draw.entries.owner.max(initial=-1)) + 1, bool)
    targets[draw.entries.owner[draw.share > 0]] = True
    return targets


def figures(adversary: Adversary, able: Flags, tallied: Tallied, ceiling: float) -> AdversaryRisk:
    """Return the figures of a draw that is counted in full; `able`: bool (patients,), who has something drawn."""
    targets = np.flatnonzero(able)
    if not len(targets):
        return AdversaryRisk(adversary, 0, 0.0)
    own, below, unique = (measured[targets] for measured in tallied.means)
    worst = tallied.worst[targets] if tallied.worst is not None else own
    return AdversaryRisk(
        adversary,
        len(targets),
        float(own.mean()),
        float(below.mean()),
        float(unique.mean()),
        float(worst.mean()),
        float(worst.max()),
        float((own > ceiling).mean()),
    )


def estimated(adversary: Adversary, found: Numbers, k: int, ceiling: float) -> AdversaryRisk:
    """Return the figures of a sample of one draw for each target."""
    if not len(found):
        return AdversaryRisk(adversary, 0, 0.0)
    chances = 1.0 / np.maximum(found, 1)
    error = float(chances.std(ddof=1) / np.sqrt(len(found))) if len(found) > 1 else 1.0
    return AdversaryRisk(
        adversary,
        len(found),
        float(chances.mean()),
        float((found < k).mean()),
        float((found == 1).mean()),
        float(chances.mean()),
        float(chances.max()),
        float((chances > ceiling).mean()),
        error,
    )
