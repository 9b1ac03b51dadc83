"""Pairs of a visit and a code group, gathered from rows of which many say the same."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from deid.tables.people import Numbers

_FOLD = 2_000_000  # pairs after which repetitions are taken out


@dataclass(slots=True)
class Pairs:
    """Gathers pairs of visit and group; repetitions go as soon as there are many."""

    parts: list[tuple[Numbers, ...]] = field(default_factory=list, repr=False)
    size: int = 0

    def add(self, patient: Numbers, day: Numbers, group: Numbers, visit: Numbers) -> None:
        """Take in the pairs of some rows, each array of shape (n,)."""
        self.parts.append((patient, day, group, visit))
        self.size += len(patient)
        if self.size > _FOLD:
            self.parts = [self.folded()]
            self.size = len(self.parts[0][0])

    def folded(self) -> tuple[Numbers, ...]:
        """Return patient, day, group and visit of each pair once, with its first day, sorted by patient and group."""
        patient, day, group, visit = (np.concatenate([part[i] for part in self.parts]) for i in range(4))
        order = np.lexsort((day, visit, group, patient))
        patient, day, group, visit = patient[order], day[order], group[order], visit[order]
        new = np.ones(len(order), bool)
        new[1:] = (patient[1:] != patient[:-1]) | (group[1:] != group[:-1]) | (visit[1:] != visit[:-1])
        return patient[new], day[new], group[new], visit[new]
