"""People with diagnoses for tests of known codes, and attackers in plain Python who know some of them.

Nothing here is computed by the code that is tested: the attackers count sets, patient by patient and pair by pair.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from statistics import mean
from typing import Any

# Chronic conditions with many patients, their neighbors, and single codes of most chapters, rare each.
COMMON = {
    "I10": 0.45, "E78.5": 0.4, "E11.9": 0.25, "K21.9": 0.2, "F41.9": 0.15, "M54.50": 0.15, "J06.9": 0.2, "E03.9": 0.1,
    "N39.0": 0.1, "R07.9": 0.1, "J45.909": 0.08, "I48.91": 0.06, "N18.30": 0.05, "E11.65": 0.06, "E11.22": 0.03,
}  # fmt: skip
RARE = [
    "A15.0",
    "A41.9",
    "B20",
    "B18.2",
    "C18.9",
    "C34.90",
    "C50.919",
    "C61",
    "D50.9",
    "D64.9",
    "D86.0",
    "E05.90",
    "E10.9",
    "E84.0",
    "E66.01",
    "F20.9",
    "F32.9",
    "F84.0",
    "G20.A1",
    "G35",
    "G40.909",
    "G43.909",
    "G47.33",
    "H25.9",
    "H40.9",
    "H66.90",
    "I21.4",
    "I25.10",
    "I50.9",
    "I63.9",
    "I73.9",
    "J18.9",
    "J44.9",
    "J84.10",
    "K50.90",
    "K57.30",
    "K70.30",
    "K80.20",
    "L03.90",
    "L20.9",
    "L40.0",
    "M05.79",
    "M10.9",
    "M17.9",
    "M32.9",
    "N20.0",
    "N40.1",
    "N80.9",
    "O80",
    "O24.410",
    "P07.30",
    "Q21.0",
    "Q90.9",
    "R42",
    "R50.9",
    "R55",
    "S06.0X0A",
    "S52.501A",
    "S72.001A",
    "T78.40XA",
    "Z00.00",
    "Z23",
    "Z51.11",
    "Z79.4",
    "Z85.3",
    "Z95.1",
]
CHAPTER = {
    "A": "I", "B": "I", "C": "II", "D": "II", "E": "IV", "F": "V", "G": "VI", "H": "VII", "I": "IX", "J": "X",
    "K": "XI", "L": "XII", "M": "XIII", "N": "XIV", "O": "XV", "P": "XVI", "Q": "XVII", "R": "XVIII", "S": "XIX",
    "T": "XIX", "Z": "XXI",
}  # fmt: skip


def chapter_of(code: str) -> str:
    """Return the chapter of a code of this module, drawn by hand from the tabular list."""
    late = {"D50.9", "D64.9", "D86.0"}
    return "III" if code in late else "VIII" if code.startswith("H6") else CHAPTER[code[0]]


@dataclass(frozen=True)
class Row:
    """One diagnosis of one visit."""

    patient: str
    visit: str
    code: str


@dataclass(frozen=True)
class People:
    """Patients by key, each with birth date and sex, and their diagnoses in source order."""

    patients: Mapping[str, tuple[str, str]]
    rows: Sequence[Row]

    def codes(self) -> dict[str, list[str]]:
        """Return the distinct codes of each patient who has any."""
        found: dict[str, list[str]] = defaultdict(list)
        for row in self.rows:
            if row.code not in found[row.patient]:
                found[row.patient].append(row.code)
        return found

    def tables(self) -> dict[str, str]:
        """Return the tables as tests draw them (tiny_sources)."""
        lines = [f"P{key} {birth} {sex}" for key, (birth, sex) in self.patients.items()]
        days = {row.visit: f"2024-{1 + number % 12:02d}-15" for number, row in enumerate(self.rows)}
        owner = {row.visit: row.patient for row in self.rows}
        visits = [f"V{visit} P{owner[visit]} {day}" for visit, day in days.items()]
        rank: Counter[str] = Counter()
        diagnoses = []
        for row in self.rows:
            rank[row.visit] += 1
            diagnoses.append(f"P{row.patient} V{row.visit} {row.code} {rank[row.visit]}")
        return {
            "patients": "\n".join(["ID BIRTH SEX", *lines]),
            "encounters": "\n".join(["ENC PATIENT START", *visits]),
            "diagnoses": "\n".join(["PATIENT ENC DX SEQ", *diagnoses]),
        }


KINDS: dict[str, dict[str, Any]] = {
    "patients": {"ID": "patient_id", "BIRTH": "birth_date", "SEX": "sex"},
    "encounters": {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date"},
    "diagnoses": {"PATIENT": "patient_id", "ENC": "encounter_id", "DX": "icd10cm", "SEQ": "sequence_number"},
}


def coded_people(patients: int, *, seed: int = 7) -> People:
    """Return people with a few common and now and then a rare diagnosis, in one to four visits."""
    dice = random.Random(seed)
    people, rows = {}, []
    for number in range(patients):
        key = f"{number:05d}"
        people[key] = (f"{dice.randint(1945, 2004)}-{dice.randint(1, 12):02d}-10", dice.choice("FM"))
        own = [code for code, share in COMMON.items() if dice.random() < share]
        own += [dice.choice(RARE) for _ in range(dice.choice((0, 0, 1, 1, 2)))]
        for visit in range(dice.randint(1, 4)):
            chosen = dice.sample(own, min(len(own), dice.randint(1, 4)))
            rows += [Row(key, f"{key}-{visit}", code) for code in chosen]
    return People(people, rows)


Item = Callable[[str], str | None]


def known_pairs(codes: Iterable[str], wanted: Callable[[str], bool] = lambda _: True) -> list[tuple[str, str]]:
    """Return every pair of codes that an adversary may know."""
    return list(combinations(sorted(code for code in codes if wanted(code)), 2))


def mean_chance(
    targets: Mapping[str, Iterable[tuple[str, str]]],
    class_of: Callable[[str], Any],
    item: Item,
    groups: Mapping[Any, Sequence[Sequence[frozenset[str]]]],
) -> float:
    """Return the mean over targets of the mean over their pairs of 1 / candidates.

    `groups`: for each class the released patients, each as the sets in which items stand together: one set where the
    release tells of no visit, else one a visit.
    """

    @cache
    def candidates(klass: Any, sought: frozenset[str]) -> int:
        return sum(any(sought <= held for held in patient) for patient in groups[klass])

    means = []
    for key, pairs in targets.items():
        chances = []
        for pair in pairs:
            sought = frozenset(found for found in map(item, pair) if found is not None)
            chances.append(1 / candidates(class_of(key), sought))
        if chances:
            means.append(mean(chances))
    return mean(means)
