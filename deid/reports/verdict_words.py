"""A figure and its limit as they are shown, on the page and on a terminal."""

from __future__ import annotations

from deid.reports.markup import count, percent
from deid.reports.verdict_model import Result, Verdict
from deid.reports.verdicts import DISTANCE, PATIENTS


def measured(verdict: Verdict) -> str:
    """Return the figure, or why there is none."""
    if verdict.value is None:
        return "not measured" if verdict.result is Result.NOT_MEASURED else "not shown"
    return count(verdict.value) if verdict.unit == PATIENTS else _figure(verdict, float(verdict.value))  # type: ignore[arg-type]


def bound(verdict: Verdict) -> str:
    """Return the ceiling or floor, empty where there is none."""
    if verdict.ceiling is None:
        return ""
    shown = f"{verdict.ceiling:,.0f}" if verdict.unit == PATIENTS else _figure(verdict, verdict.ceiling)
    return f"{verdict.side} {shown}"


def _figure(verdict: Verdict, value: float) -> str:
    return f"{value:.2f}" if verdict.unit == DISTANCE else percent(value, 2)
