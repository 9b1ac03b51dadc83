"""Every figure beside its ceiling, in words: passed, failed, no ceiling set, not measured, not shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deid.disclosure.diversity import SLACK
from deid.disclosure.sensitive import Reached
from deid.documents.limits import Limits
from deid.reports.evidence import Joinable
from deid.reports.risk_model import Classes, Codes, Further, Risk
from deid.reports.small import rounded
from deid.reports.verdict_model import Result, Verdict

CHANCE, PATIENTS, SHARE, DISTANCE = "chance", "patients", "share of patients", "distance"
_STEP = 0.05  # so that the largest share of a value in a class of a known size tells no number of patients
ADVERSARIES = {
    "uniform": "codes drawn evenly from the patient's",
    "mentions": "codes drawn by how often they stand in the record",
    "declared": "codes of those that the study declares",
    "visit": "codes of one visit",
    "dated": "codes, each with the dates beside it",
}


@dataclass(frozen=True, slots=True)
class Held:
    """What is known and may not be shown: the smallest class, and the share withheld beside what is shown of it.

    `mean`: that of the chances by classes. `withheld`: None in later releases of a series, which the policy's share
    does not bind: newcomers wait.
    """

    smallest: int | None
    withheld: float | None
    share: float | None
    mean: float | None = None


def verdicts(
    limits: Limits,
    held: Held,
    classes: Classes | None,
    risk: Risk | None,
    codes: Codes | None,
    joinable: Joinable,
    further: Further | None = None,
    sensitive: Sequence[Reached] = (),
    over_time: float | None = None,
) -> tuple[Verdict, ...]:
    """Return the figures that a privacy officer looks at first; `over_time`: the chance by codes in all releases."""
    return (
        *_of_classes(limits, held, classes),
        *_of_sensitive(limits, sensitive),
        *_of_risk(limits, held, risk, joinable, further),
        *_of_codes(limits, codes),
        *_over_time(limits, over_time),
    )


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


def _of_sensitive(limits: Limits, sensitive: Sequence[Reached]) -> Iterator[Verdict]:
    """Yield what a class tells of a sensitive kind beside its limits, judged by the true figure."""
    found = {reached.rule: reached for reached in sensitive}
    for rule in limits.sensitive:
        reached = found.get(rule)
        if rule.l is not None:
            name = f"largest share of one class with the same {rule.kind} (l = {rule.l})"
            yield _at_most(name, reached.share if reached is not None else None, SHARE, 1 / rule.l)
        if rule.t is not None:
            name = f"largest distance of a class from everybody in {rule.kind} (t)"
            yield _at_most(name, reached.distance if reached is not None else None, DISTANCE, rule.t)


def _at_most(name: str, value: float | None, unit: str, ceiling: float) -> Verdict:
    if value is None:
        return Verdict(name, None, unit, "at most", rounded(ceiling), Result.NOT_MEASURED)
    is_held = value <= ceiling + 2 * SLACK
    up = math.ceil(value / _STEP - SLACK) * _STEP
    shown = rounded(min(up, ceiling) if is_held else up)  # not beyond a ceiling that it keeps
    return Verdict(name, shown, unit, "at most", rounded(ceiling), _told(is_held, measured=True))


def _of_risk(
    limits: Limits, held: Held, risk: Risk | None, joinable: Joinable, further: Further | None
) -> Iterator[Verdict]:
    ceilings = limits.risk
    # Numbers of rows stand in no ceiling's way, and are told where no ceiling is.
    gains = [g.chance for g in further.single if g.ceiling is not None or ceilings.further is None] if further else []
    worst = max(gains, default=further.nothing) if further is not None else None
    yield from _chances(limits, held, risk) if risk is not None else ()
    if joinable.others is not None or ceilings.join is not None:
        name = "patients whom another recipient could join by content"
        yield Verdict(name, joinable.others, SHARE, "at most", ceilings.join, against(joinable.others, ceilings.join))
    if joinable.own is not None:
        name = "patients whom this recipient could join to another own request"
        yield Verdict(name, joinable.own, SHARE, "at most", ceilings.rejoin, against(joinable.own, ceilings.rejoin))
    if worst is not None or ceilings.further is not None:
        name = "mean chance with one further thing known"
        yield Verdict(name, worst, CHANCE, "at most", ceilings.further, against(worst, ceilings.further))


def _chances(limits: Limits, held: Held, risk: Risk) -> Iterator[Verdict]:
    """Yield the chances by class sizes, judged by the true figures: a class of seven is not shown as one in seven."""
    ceilings = limits.risk
    largest = 1 / held.smallest if held.smallest else None
    mean = risk.marketer if risk.population is not None else held.mean
    for name, shown, true, ceiling in (
        (
            "largest chance, target known to be in the release (prosecutor)",
            risk.prosecutor_max,
            largest,
            ceilings.prosecutor,
        ),
        (
            "largest chance, by the population (journalist)",
            risk.journalist_max,
            risk.journalist_max,
            ceilings.journalist,
        ),
        ("mean chance over all patients (marketer)", risk.marketer, mean, ceilings.marketer),
    ):
        if shown is not None or ceiling is not None:
            yield Verdict(name, shown, CHANCE, "at most", ceiling, against(true, ceiling))


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


def _over_time(limits: Limits, chance: float | None) -> Iterator[Verdict]:
    if limits.codes is not None and chance is not None:
        ceiling = limits.codes.ceiling_over_time
        name = f"mean chance with {limits.codes.known} known codes, all releases of the series compared"
        yield Verdict(name, chance, CHANCE, "at most", ceiling, against(chance, ceiling))


def against(value: float | None, ceiling: float | None) -> Result:
    """Return what comes of a figure that should be at most its ceiling."""
    if value is None:
        return Result.NOT_MEASURED
    return Result.NO_CEILING if ceiling is None else _told(value <= ceiling, measured=True)


def _told(is_held: bool, *, measured: bool) -> Result:
    if not measured:
        return Result.NOT_MEASURED
    return Result.PASSED if is_held else Result.FAILED
