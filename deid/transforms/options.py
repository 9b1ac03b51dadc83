"""Checks that the options of transforms share; each raises ValueError, which the policy reader turns into a place."""

from __future__ import annotations

import math
from typing import Any


def whole(name: str, value: Any, *, low: int, high: int) -> None:
    """Refuse `value` unless it is a whole number from `low` to `high`; a boolean is not a number."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} is a whole number from {low} to {high}")


def number(name: str, value: Any, *, above: float | None = None) -> None:
    """Refuse `value` unless it is a finite number, larger than `above` if that is given; a boolean is not a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} is a number")
    if above is not None and value <= above:
        raise ValueError(f"{name} is larger than {above:g}")
    if abs(value) > 2**53:
        raise ValueError(f"{name} is at most 2 to the power of 53")


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Refuse `value` unless it is one of the words `allowed`."""
    if value not in allowed:
        raise ValueError(f"{name} is {' or '.join(allowed)}")
