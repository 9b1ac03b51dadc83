"""What one or two more things known of a patient come to, as the report tells it."""

from __future__ import annotations

from deid.disclosure import further
from deid.release.small_counts import ENOUGH
from deid.reports.markup import Html, join, paragraph, percent, table
from deid.reports.model import RiskReport
from deid.reports.risk_model import Further, Gain
from deid.reports.sections_risk import badge, none
from deid.reports.small import coarse, rounded
from deid.reports.verdicts import against

_NOTE = (
    "Somebody knows that the patient is in the release (everybody in it is in the cohort, so that being in the cohort "
    "is no further knowledge), the released demographics, and exactly one more thing over all released visits, as it "
    "is released. The chance is one over the number of patients who fit, averaged over patients. Numbers of rows are "
    "held to no ceiling, since no rule for a column changes them; nor are two things together."
)


def further_section(found: further.FurtherRisk | None, ceiling: float | None, *, tells_number: bool) -> Further | None:
    """Return what was measured; None where nothing was, or the release is of one to ten patients.

    `tells_number`: whether the number of classes may be known.
    """
    if found is None or found.patients < ENOUGH:
        return None
    return Further(
        nothing=rounded(found.vector) if tells_number else coarse(round(found.vector * found.patients), found.patients),
        below=found.fewer,
        single=tuple(_gain(gain, found.patients, ceiling if gain.is_held else None) for gain in found.single),
        pair=_gain(found.pair, found.patients, None) if found.pair is not None else None,
        note=_NOTE,
    )


def _gain(gain: further.Gain, patients: int, ceiling: float | None) -> Gain:
    return Gain(
        gain.names,
        gain.columns,
        rounded(gain.mean),
        ceiling,
        few=coarse(gain.few, patients),
        alone=coarse(gain.unique, patients),
    )


def known_more(report: RiskReport) -> Html:
    """One line for each thing, the worst pair last."""
    found = report.further
    if found is None:
        return none("Not measured: the policy counts no patients who are alike, or too few patients are released.")
    pair = (found.pair,) if found.pair is not None else ()
    rows = [("nothing more", percent(found.nothing, 2), "none", "", "", ""), *(_row(g) for g in (*found.single, *pair))]
    return join(
        (
            paragraph(found.note),
            table(
                ("also known", "mean chance", "ceiling", "result", f"under {found.below} fit", "one fits"),
                rows,
                caption="What somebody gets who knows one more thing, and the worst two together",
                numbers=(1, 2, 4, 5),
            ),
        )
    )


def _row(gain: Gain) -> tuple[object, ...]:
    return (
        " and ".join(gain.known),
        percent(gain.chance, 2),
        "none" if gain.ceiling is None else percent(gain.ceiling, 2),
        badge(against(gain.chance, gain.ceiling)),
        _share(gain.few),
        _share(gain.alone),
    )


def _share(share: float | None) -> str:
    return "not shown" if share is None else percent(share, 0)
