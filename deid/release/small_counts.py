"""Counts of patients as they may be shown: none of one to ten, by CMS's cell suppression policy."""

from __future__ import annotations

from typing import Literal, TypeAlias

SMALL: Literal["1-10"] = "1-10"
ENOUGH = 11  # patients from which on a count may be shown (CMS cell suppression policy: no cell of 1 to 10)

Count: TypeAlias = int | Literal["1-10"]


def shown(patients: int) -> Count:
    """Return a count of patients as it may be shown: 0, "1-10", or the number (CMS cell suppression policy)."""
    return SMALL if 1 <= patients <= 10 else patients
