"""What histories are drawn from: chronic conditions, acute codes by age and sex, and every billable ICD-10-CM code."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.codes.tables import load_table
from deid.synthetic import reference

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
AGE_FLOORS = np.array(reference.AGE_FLOORS)
ACUTE_AGES = (18, 65)
MIDDLE = 420  # codes between the head and the tail
_ORDER = 2026


@dataclass(frozen=True, slots=True)
class Chronic:
    """A chronic condition as numbers: prevalence by age band and sex (5, 2), the factor and its load, its codes."""

    name: str
    factor: str
    load: float
    prevalence: Floats = field(repr=False)
    codes: Ints = field(repr=False)
    weights: Floats = field(repr=False)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every code, and how each layer is drawn.

    `codes`: normal forms. `acute`: positions; `acute_weight`: (acute, 3 ages, 2 sexes). `middle`, `tail`: positions,
    most frequent first. `sex`, `age_low`, `age_high`: (codes,) whom a code is for: 0 both, 1 women, 2 men.
    """

    codes: tuple[str, ...] = field(repr=False)
    chronic: tuple[Chronic, ...]
    acute: Ints = field(repr=False)
    acute_weight: Floats = field(repr=False)
    middle: Ints = field(repr=False)
    tail: Ints = field(repr=False)
    sex: npt.NDArray[np.int8] = field(repr=False)
    age_low: npt.NDArray[np.int16] = field(repr=False)
    age_high: npt.NDArray[np.int16] = field(repr=False)
    position: dict[str, int] = field(repr=False)


@cache
def vocabulary() -> Vocabulary:
    """Return the vocabulary; the list of codes is the one that ships with deid.codes."""
    rows = load_table("icd10cm").rows
    billable = np.flatnonzero(rows.column("first").combine_chunks().is_valid().to_numpy(zero_copy_only=False))
    rows = rows.take(pa.array(billable))
    codes = tuple(rows.column("code").to_pylist())
    position = {code: at for at, code in enumerate(codes)}
    chronic = tuple(_chronic(row, position) for name in ("chronic", "chronic_more") for row in _rows(name))
    listed = _acute()
    acute = np.array([position[code] for code, _ in listed])
    head = np.concatenate([acute, *(each.codes for each in chronic)])
    rest = np.setdiff1d(np.arange(len(codes)), head)
    # Seldom is anything that the list calls unspecified among what is rare.
    order = np.random.default_rng(_ORDER).random(len(rest))
    order -= 0.35 * rows.column("unspecified").to_numpy()[rest]
    order += 0.5 * np.isin([codes[at][0] for at in rest], list("STVWXYO"))
    rest = rest[np.argsort(order)]
    ages = (pa.chunked_array(rows.column(name)).combine_chunks() for name in ("age_low", "age_high"))
    low, high = (column.to_numpy(zero_copy_only=False) for column in ages)
    return Vocabulary(
        codes, chronic, acute, np.array([weight for _, weight in listed]) ** 1.2, rest[:MIDDLE], rest[MIDDLE:],
        rows.column("sex").to_numpy().astype(np.int8),
        np.nan_to_num(low, nan=0).astype(np.int16), np.nan_to_num(high, nan=200).astype(np.int16), position,
    )  # fmt: skip


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _chronic(row: dict[str, str], position: dict[str, int]) -> Chronic:
    pairs = [entry.split(":") for entry in row["codes"].split()]
    by_age = np.array([float(row[f"age{floor}"]) for floor in reference.AGE_FLOORS])
    by_sex = np.array([float(row["female"]), float(row["male"])])
    weights = np.array([float(weight) for _, weight in pairs])
    return Chronic(
        row["condition"],
        row["factor"],
        float(row["load"]),
        np.clip(0.78 * by_age[:, None] * by_sex, 0.0, 0.95),
        np.array([position[code] for code, _ in pairs]),
        weights / weights.sum(),
    )


def _acute() -> list[tuple[str, Floats]]:
    """Return each acute or preventive code with its weight by age and sex (women first)."""
    found: dict[str, Floats] = {}
    for entry in reference.acute():
        weight = sum(entry.by_class) * 0.4
        found[entry.code] = weight * np.outer(entry.by_age, (entry.female, entry.male))
    for row in _rows("acute_more"):
        ages = [float(row[name]) for name in ("child", "adult", "old")]
        found[row["code"]] = float(row["weight"]) * np.outer(ages, (float(row["female"]), float(row["male"])))
    return list(found.items())
