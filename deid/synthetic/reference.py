"""The lists that the generator draws from, typed for this project: names, places, codes and how often they occur."""

from __future__ import annotations

import csv
import itertools
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
AGE_FLOORS = (0, 18, 40, 65, 80)


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@dataclass(frozen=True, slots=True)
class Place:
    """A town, its county (name and FIPS code), the ZIP codes it holds, its area code, and how many live there."""

    city: str
    county: str
    fips: str
    state: str
    zip3: str
    low: int
    high: int
    area: int
    weight: float


@dataclass(frozen=True, slots=True)
class Condition:
    """A chronic condition: prevalence by age (from AGE_FLOORS), sex ratios, the trait it hangs on, and its codes."""

    name: str
    trait: str
    load: float
    prevalence: tuple[float, ...]
    male: float
    female: float
    codes: tuple[str, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Acute:
    """A diagnosis that brings people in, with its DRG and its weights by class of encounter, age and sex."""

    code: str
    drg: str
    by_class: tuple[float, float, float]
    by_age: tuple[float, float, float]
    male: float
    female: float


@dataclass(frozen=True, slots=True)
class Procedure:
    """A CPT or HCPCS code with the ICD-10-PCS code of the same act, revenue code, price range in USD and weights."""

    code: str
    pcs: str | None
    revenue: str
    is_visit: bool
    low: int
    high: int
    by_class: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Drug:
    """A product given for a condition: NDC in eleven digits, RxNorm concept, name, days of supply, price range."""

    condition: str
    ndc: str
    rxnorm: str
    name: str
    days: int
    low: int
    high: int


@cache
def surnames() -> tuple[str, ...]:
    """Return surnames, among them medical words, months, particles, apostrophes, hyphens and diacritics."""
    return tuple(row["surname"] for row in _rows("surnames.csv"))


@cache
def first_names(sex: str) -> tuple[str, ...]:
    """Return first names usual for sex `F` or `M`."""
    return tuple(row["name"] for row in _rows("first_names.csv") if row["sex"] == sex)


@cache
def streets() -> tuple[str, ...]:
    """Return street names with their suffix, full or abbreviated."""
    return tuple(row["street"] for row in _rows("streets.csv"))


@cache
def places() -> tuple[Place, ...]:
    """Return towns in most states, sparsely peopled ZIP3 areas and leading zeros among them."""
    return tuple(
        Place(r["city"], r["county"], r["fips"], r["state"], r["zip3"], int(r["low"]), int(r["high"]), int(r["area"]),
              float(r["weight"]))
        for r in _rows("places.csv")
    )  # fmt: skip


@cache
def conditions() -> tuple[Condition, ...]:
    """Return the chronic conditions."""
    return tuple(_condition(row) for row in _rows("chronic.csv"))


def _condition(row: dict[str, str]) -> Condition:
    pairs = [entry.split(":") for entry in row["codes"].split()]
    return Condition(
        row["condition"],
        row["factor"],
        float(row["load"]),
        tuple(float(row[f"age{floor}"]) for floor in AGE_FLOORS),
        float(row["male"]),
        float(row["female"]),
        tuple(code for code, _ in pairs),
        tuple(float(weight) for _, weight in pairs),
    )


@cache
def acute() -> tuple[Acute, ...]:
    """Return the acute and preventive diagnoses."""
    return tuple(
        Acute(
            row["code"],
            row["drg"],
            (float(row["ambulatory"]), float(row["emergency"]), float(row["inpatient"])),
            (float(row["child"]), float(row["adult"]), float(row["old"])),
            float(row["male"]),
            float(row["female"]),
        )
        for row in _rows("acute.csv")
    )


@cache
def acidosis() -> tuple[tuple[str, str, str, float], ...]:
    """Return (condition, code, DRG, weight) of diabetic ketoacidosis."""
    return tuple((r["condition"], r["code"], r["drg"], float(r["weight"])) for r in _rows("acidosis.csv"))


@cache
def procedures() -> tuple[Procedure, ...]:
    """Return procedures and services; codes only, since CPT descriptors belong to the AMA."""
    classes = ("ambulatory", "emergency", "inpatient", "outpatient", "virtual", "home")
    return tuple(
        Procedure(r["code"], r["pcs"] or None, r["revenue"], r["group"] == "visit", int(r["low"]), int(r["high"]),
                  tuple(float(r[name]) for name in classes))
        for r in _rows("procedures.csv")
    )  # fmt: skip


@cache
def drugs() -> tuple[Drug, ...]:
    """Return drug products by condition; those of condition `acute` are given at any visit."""
    return tuple(
        Drug(r["condition"], r["ndc"], r["rxnorm"], r["name"], int(r["days"]), int(r["low"]), int(r["high"]))
        for r in _rows("drugs.csv")
    )


@cache
def tail() -> tuple[str, ...]:
    """Return several thousand well-formed, seldom used diagnosis codes, most frequent first."""
    known = {entry.code for entry in acute()} | {code for entry in conditions() for code in entry.codes}
    codes = {code for row in _rows("tail.csv") for code in _expand(row["pattern"])} - known
    ordered = np.array(sorted(codes))
    return tuple(ordered[np.random.default_rng(2026).permutation(len(ordered))].tolist())


def _expand(pattern: str) -> list[str]:
    options = []
    for inside, plain in re.findall(r"\[([^\]]+)\]|(.)", pattern):
        options.append(_members(inside) if inside else [plain])
    return ["".join(letters) for letters in itertools.product(*options)]


def _members(inside: str) -> list[str]:
    spans = re.findall(r"(.)-(.)|(.)", inside)
    members = {single for _, _, single in spans if single}
    for first, last, _ in spans:
        if first:
            members.update(chr(point) for point in range(ord(first), ord(last) + 1))
    return sorted(members)


@dataclass(frozen=True, slots=True)
class State:
    """A state: postal abbreviation, name, and the code the Social Security Administration gave it."""

    abbreviation: str
    name: str
    ssa: str


@cache
def states() -> dict[str, State]:
    """Return the states by postal abbreviation."""
    return {row["state"]: State(row["state"], row["name"], row["ssa"]) for row in _rows("states.csv")}


@cache
def columns(file: str) -> tuple[str, ...]:
    """Return the columns of a file of a public layout, in order, such as `rif/inpatient` or `synthea/patients`."""
    return tuple(row["column"] for row in _rows("columns.csv") if row["file"] == file)


@dataclass(frozen=True, slots=True)
class Concept:
    """A SNOMED CT concept that stands for every code that begins with `prefix`."""

    prefix: str
    code: str
    description: str


@cache
def disorders() -> tuple[Concept, ...]:
    """Return SNOMED CT concepts for the commoner ICD-10-CM codes, the longest prefix first."""
    listed = (Concept(row["icd10cm"], row["snomed"], row["description"]) for row in _rows("snomed.csv"))
    return tuple(sorted(listed, key=lambda concept: -len(concept.prefix)))


@cache
def acts() -> tuple[Concept, ...]:
    """Return SNOMED CT concepts for the commoner CPT codes, the longest prefix first."""
    listed = (Concept(row["cpt"], row["snomed"], row["description"]) for row in _rows("snomed_procedures.csv"))
    return tuple(sorted(listed, key=lambda concept: -len(concept.prefix)))


def concept_of(code: str, concepts: tuple[Concept, ...]) -> Concept | None:
    """Return the first concept whose prefix `code` begins with."""
    return next((concept for concept in concepts if code.startswith(concept.prefix)), None)
