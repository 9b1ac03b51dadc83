"""Every figure beside its ceiling, in words: passed, failed, no ceiling set, not measured, not shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deid.limits import Limits
from deid.reports.model import Classes, Codes, Further, Result, Risk, Verdict

CHANCE, PATIENTS, SHARE = "chance", "patients", "share of patients"
ADVERSARIES = {
    "uniform": "codes drawn evenly from the patient's",
    "mentions": "codes drawn by how often they stand in the record",
    "declared": "codes of those that the study declares",
    "visit": "codes of one visit",
}


@dataclass(frozen=True, slots=True)
class Held:
    """What is known and may not be shown: the smallest class, and the share withheld beside what is shown of it.

    `withheld`: None in later releases of a series, which the policy's share does not bind: newcomers wait.
    """

    smallest: int | None
    withheld: float | None
    share: float | None


def verdicts(
    limits: Limits,
    held: Held,
    classes: Classes | None,
    risk: Risk | None,
    codes: Codes | None,
    join: float | None,
    further: Further | None = None,
) -> tuple[Verdict, ...]:
    """Return the figures that a privacy officer looks at first."""
    return (*_of_classes(limits, held, classes), *_of_risk(limits, risk, join, further), *_of_codes(limits, codes))


def _of_classes(limits: Limits, held: Held, classes: Classes | None) -> Iterator[Verdict]:
    if limits.k is not None:
        shown = classes.smallest if classes is not None else None
        # Judged by the true figure: a smallest class of seven holds a k of five, and is shown as "1-10".
        result = _told((held.smallest or 0) >= limits.k, measured=held.smallest is not None)
        yield Verdict(
            "smallest class of patients with the same demographics", shown, PATIENTS, "at least", limits.k, result
        )
        result = _told((held.withheld or 0.0) <= limits.suppression, measured=held.withheld is not None)
        yield Verdict("patients withheld", held.share, SHARE, "at most", limits.suppression, result)
    elif classes is not None:
        below = classes.patients_below
        name = f"patients in classes of fewer than {classes.below}"
        yield Verdict(name, below, PATIENTS, "at most", None, Result.NO_CEILING)


def _of_risk(limits: Limits, risk: Risk | None, join: float | None, further: Further | None) -> Iterator[Verdict]:
    ceilings = limits.risk
    # Numbers of rows stand in no ceiling's way, and are told where no ceiling is.
    gains = [g.chance for g in further.single if g.ceiling is not None or ceilings.further is None] if further else []
    worst = max(gains, default=further.nothing) if further is not None else None
    figures: list[tuple[str, float | None, float | None]] = [
        ("patients whom another recipient could join by content", join, ceilings.join),
        ("mean chance with one further thing known", worst, ceilings.further),
    ]
    if risk is not None:
        figures = [
            (
                "largest chance, target known to be in the release (prosecutor)",
                risk.prosecutor_max,
                ceilings.prosecutor,
            ),
            ("largest chance, by the population (journalist)", risk.journalist_max, ceilings.journalist),
            ("mean chance over all patients (marketer)", risk.marketer, ceilings.marketer),
            *figures,
        ]
    for name, value, ceiling in figures:
        if value is not None or ceiling is not None:
            unit = SHARE if name.startswith("patients") else CHANCE
            yield Verdict(name, value, unit, "at most", ceiling, against(value, ceiling))


def _of_codes(limits: Limits, codes: Codes | None) -> Iterator[Verdict]:
    if limits.codes is None:
        return
    if codes is None:
        name = f"mean chance with {limits.codes.known} known codes"
        yield Verdict(name, None, CHANCE, "at most", limits.codes.ceiling, Result.NOT_MEASURED)
        return
    for known in codes.grid:
        if known.ceiling is not None:
            dates = f" and {known.dates} dates" if known.dates else ""
            who = ADVERSARIES.get(known.adversary, known.adversary)
            name = f"mean chance with {known.codes} known codes{dates}: {who}"
            yield Verdict(name, known.chance, CHANCE, "at most", known.ceiling, against(known.chance, known.ceiling))


def against(value: float | None, ceiling: float | None) -> Result:
    """Return what comes of a figure that should be at most its ceiling."""
    if value is None:
        return Result.NOT_MEASURED
    return Result.NO_CEILING if ceiling is None else _told(value <= ceiling, measured=True)


def _told(is_held: bool, *, measured: bool) -> Result:
    if not measured:
        return Result.NOT_MEASURED
    return Result.PASSED if is_held else Result.FAILED
