"""The attack with known codes in plain Python, one candidate at a time, and small drawn patients to run it on."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import strategies as st

from deid.disclosure.coded import Coded
from deid.documents.limits import Adversary

Figures = tuple[float, float, float, float, float, int]


@st.composite
def drawn_codes(draw: st.DrawFn) -> tuple[Coded, np.ndarray, np.ndarray, np.ndarray | None]:
    """Draw patients with codes and visits, a map, declared codes, and entries left empty."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    patients, codes = draw(st.integers(1, 14)), draw(st.integers(1, 8))
    klass = rng.integers(-1, 3, patients).astype(np.int32)
    drawn = rng.integers(0, [patients, codes], (draw(st.integers(0, 60)), 2))
    entries = np.unique(drawn, axis=0).reshape(-1, 2).astype(np.int32)
    names = rng.permutation(patients * 3)
    visits = {
        (int(names[patient * 3 + visit]), entry)
        for entry, (patient, _) in enumerate(entries.tolist())
        for visit in rng.choice(3, rng.integers(1, 3), replace=False).tolist()
    }
    seen = np.array([(entry, visit) for visit, entry in sorted(visits)], np.int32).reshape(-1, 2)
    coded = Coded(klass, entries[:, 0], entries[:, 1], rng.integers(1, 4, len(entries)).astype(np.int32), seen)
    items = rng.integers(-1, codes, codes).astype(np.int32)
    hidden = rng.random(len(entries)) < 0.2 if draw(st.booleans()) else None
    return coded, items, rng.random(codes) < 0.6, hidden


class Naive:
    """The release as an attacker sees it, and what is known of each patient."""

    def __init__(self, coded: Coded, items: np.ndarray, hidden: np.ndarray | None) -> None:
        self.coded = coded
        self.released = [
            None if items[code] < 0 or (hidden is not None and hidden[entry]) else int(items[code])
            for entry, code in enumerate(coded.code.tolist())
        ]
        self.entries: dict[int, list[int]] = {}
        for entry, patient in enumerate(coded.patient.tolist()):
            self.entries.setdefault(patient, []).append(entry)
        visits: dict[int, list[int]] = {}
        for entry, visit in [] if coded.visits is None else coded.visits.tolist():
            visits.setdefault(visit, []).append(entry)
        self.visits: dict[int, list[list[int]]] = {}
        for entries in visits.values():
            self.visits.setdefault(int(coded.patient[entries[0]]), []).append(entries)

    def candidates(self, patient: int, known: list[int], *, together: bool) -> set[int]:
        """Return the patients of the class who have all released items of the known entries."""
        items = {self.released[entry] for entry in known} - {None}
        klass = self.coded.klass
        alike = [other for other in range(len(klass)) if klass[other] == klass[patient]]
        if together and len(items) > 1:
            return {
                other
                for other in alike
                if any(items <= {self.released[entry] for entry in visit} for visit in self.visits.get(other, []))
            }
        return {other for other in alike if items <= {self.released[entry] for entry in self.entries.get(other, [])}}

    def weight(self, adversary: Adversary, known: tuple[int, ...], declared: np.ndarray) -> int:
        """Return how often an adversary knows just these entries, up to a factor."""
        if adversary is Adversary.MENTIONS:
            return math.prod(int(self.coded.mentions[entry]) for entry in known)
        if adversary is Adversary.DECLARED:
            return int(all(declared[self.coded.code[entry]] for entry in known))
        return 1

    def figures(
        self, adversary: Adversary, declared: np.ndarray, known: int, k: int, *, grouped: bool
    ) -> Figures | None:
        """Return mean, below k, unique, worst, maximum and targets, or None where nobody is a target."""
        targets = []
        for patient in range(len(self.coded.klass)):
            if self.coded.klass[patient] < 0:
                continue
            visit = adversary is Adversary.VISIT
            groups = self.visits.get(patient, []) if visit else [self.entries.get(patient, [])]
            draws = [
                [
                    (weight, len(self.candidates(patient, list(pair), together=grouped and visit)))
                    for pair in itertools.combinations(group, known)
                    if (weight := self.weight(adversary, pair, declared))
                ]
                for group in groups
            ]
            draws = [group for group in draws if group]
            if draws:
                targets.append(_patient(draws, k))
        if not targets:
            return None
        mean, below, unique, worst = (float(np.mean(column)) for column in zip(*targets, strict=True))
        return mean, below, unique, worst, max(target[3] for target in targets), len(targets)

    def beside_a_date(self, adversary: Adversary, declared: np.ndarray, days: list[set[int]], k: int) -> Figures | None:
        """Return the same figures for who knows one code and one date of a patient."""
        targets = []
        for patient in range(len(self.coded.klass)):
            if self.coded.klass[patient] < 0 or not days[patient]:
                continue
            visit = adversary is Adversary.VISIT
            groups = self.visits.get(patient, []) if visit else [self.entries.get(patient, [])]
            draws = [
                [
                    (weight, sum(day in days[other] for other in self.candidates(patient, [entry], together=False)))
                    for entry in group
                    for day in days[patient]
                    if (weight := self.weight(adversary, (entry,), declared))
                ]
                for group in groups
            ]
            draws = [group for group in draws if group]
            if draws:
                targets.append(_patient(draws, k))
        if not targets:
            return None
        mean, below, unique, worst = (float(np.mean(column)) for column in zip(*targets, strict=True))
        return mean, below, unique, worst, max(target[3] for target in targets), len(targets)


def _patient(draws: list[list[tuple[int, int]]], k: int) -> tuple[float, float, float, float]:
    def mean(measure: object) -> float:
        shares = [
            sum(weight * measure(found) for weight, found in group) / sum(weight for weight, _ in group)  # type: ignore[operator]
            for group in draws
        ]
        return sum(shares) / len(shares)

    return (
        mean(lambda found: 1 / found),
        mean(lambda found: found < k),
        mean(lambda found: found == 1),
        max(1 / found for group in draws for _, found in group),
    )
