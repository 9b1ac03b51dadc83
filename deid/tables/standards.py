"""Standard populations for age standardization, as weights of age bands."""

from __future__ import annotations

import csv
import functools
from collections.abc import Sequence
from importlib import resources

import numpy as np

from deid.documents.reading import Document
from deid.tables.bands import Band
from deid.tables.system import Reals

STANDARDS = {"us_2000": "2000 U.S. standard population (Census P25-1130), 19 age groups"}


@functools.cache
def _groups(name: str) -> tuple[tuple[int, int], ...]:
    text = resources.files("deid.tables.data").joinpath(f"{name}.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple((int(row["age_from"]), int(row["people"])) for row in rows)


def check_bands(document: Document, name: str, bands: Sequence[Band]) -> None:
    """Raise DocumentError where a band begins inside an age group of the standard, whose weight cannot be cut."""
    starts = [low for low, _ in _groups(name)]
    for i, band in enumerate(bands):
        if band.low not in starts:
            raise document.fault(
                f"no age group of {name} begins with this band's age",
                at=f"$.tabulate.ages[{i}]",
                hint=f"begin bands with one of {', '.join(map(str, starts))}",
            )


def weights(name: str, bands: Sequence[Band]) -> Reals:
    """Return the share of the standard population in each band, summing to 1."""
    totals = np.array([sum(w for low, w in _groups(name) if band.low <= low <= band.high) for band in bands], float)
    return np.asarray(totals / totals.sum())
