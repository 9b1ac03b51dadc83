"""Codes with the dates they are tied to, attacked in plain Python: one mention, one candidate after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations, product
from statistics import mean

import numpy as np

from deid.disclosure.coded import Coded
from deid.disclosure.dated import Tied
from deid.documents.limits import Adversary
from deid.known_codes.entries import Entries

Mention = tuple[int, int, int, int, int]  # patient, code, dates, day, visit


def mentions_of(rng: np.random.Generator, patients: int, codes: int, rows: int) -> list[Mention]:
    """Draw mentions: of each patient in up to three visits, each with a day and a set of dates, some of its own."""
    found = []
    for _ in range(rows):
        patient, visit = int(rng.integers(patients)), int(rng.integers(3))
        days = np.random.default_rng(patient * 3 + visit)
        unit = int(days.integers(3)) if rng.random() < 0.8 else int(rng.integers(3))
        found.append((patient, int(rng.integers(codes)), unit, int(days.integers(5)), patient * 3 + visit))
    return found


def entries_of(mentions: list[Mention], patients: int, klass: np.ndarray, *, moved: bool) -> tuple[Coded, Tied]:
    """Return mentions as the attack takes them, with and without their dates."""
    plain, dated = Entries(), Entries()
    names = sorted({(code, unit, day if moved else 0) for _, code, unit, day, _ in mentions})
    columns = np.array(mentions, np.int32).reshape(-1, 5)
    number = [names.index((code, unit, day if moved else 0)) for _, code, unit, day, _ in mentions]
    plain.add(columns[:, 0], columns[:, 1], columns[:, 4])
    dated.add(columns[:, 0], np.array(number, np.int32), columns[:, 4])
    compounds = np.array(names, np.int32).reshape(-1, 3)
    tied = Tied(
        dated.coded(patients), compounds[:, 0], compounds[:, 1], np.arange(3, dtype=np.uint64),
        compounds[:, 2] if moved else None,
    )  # fmt: skip
    return plain.coded(patients).released(klass), tied.released(klass)


class NaiveDated:
    """The release as an attacker sees it who knows of two codes each the dates of one of its mentions."""

    def __init__(self, mentions: list[Mention], klass: np.ndarray, items: np.ndarray, *, moved: bool) -> None:
        self.mentions = [each for each in mentions if klass[each[0]] >= 0]
        self.klass, self.items, self.moved = klass, items, moved
        self.rows: dict[int, set[Mention]] = defaultdict(set)
        for patient, code, unit, day, visit in self.mentions:
            self.rows[patient].add((0, int(items[code]), unit, day if moved else 0, visit))

    def candidates(self, patient: int, known: list[tuple[int, int, int]], *, together: bool) -> int:
        """Return how many patients of the class fit known (code, dates, day); `together`: in one visit."""
        sought = {(int(self.items[code]), unit, day) for code, unit, day in known}
        others = [other for other in self.rows if self.klass[other] == self.klass[patient]]
        return sum(self._fits(other, sought, together=together) for other in others)

    def _fits(self, other: int, sought: set[tuple[int, int, int]], *, together: bool) -> bool:
        rows = self.rows[other]
        sets = [{r for r in rows if r[4] == visit} for visit in {r[4] for r in rows}] if together else [rows]
        for some in sets:
            held = {(item, unit, day) for _, item, unit, day, _ in some}
            moves = range(-10, 11) if self.moved else (0,)
            if any({(item, unit, day + move) for item, unit, day in sought} <= held for move in moves):
                return True
        return False

    def draws(self, adversary: Adversary, declared: np.ndarray) -> Iterator[tuple[int, float]]:
        """Yield each target with its mean chance over all draws of two codes, each with the dates of a mention."""
        for patient in sorted(self.rows):
            own = [m for m in self.mentions if m[0] == patient]
            visits = {m[4] for m in own}
            groups = [[m for m in own if m[4] == v] for v in sorted(visits)] if adversary is Adversary.VISIT else [own]
            chances = [
                found for group in groups if (found := self._mean(patient, group, adversary, declared)) is not None
            ]
            if chances:
                yield patient, mean(chances)

    def _mean(self, patient: int, group: list[Mention], adversary: Adversary, declared: np.ndarray) -> float | None:
        of: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        for _, code, unit, day, _ in group:
            of[code].append((code, unit, day if self.moved else 0))
        if adversary is Adversary.DECLARED:
            of = {code: found for code, found in of.items() if declared[code]}
        total = weights = 0.0
        for one, other in combinations(sorted(of), 2):
            # By mentions each counts; otherwise each distinct set of dates of a code once.
            by_mentions = adversary is Adversary.MENTIONS
            ways = [of[code] if by_mentions else sorted(set(of[code])) for code in (one, other)]
            found = [
                1 / self.candidates(patient, list(pair), together=adversary is Adversary.VISIT)
                for pair in product(*ways)
            ]
            weight = len(found) if by_mentions else 1
            total, weights = total + weight * mean(found), weights + weight
        return total / weights if weights else None
