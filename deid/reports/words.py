"""Sentences of the report: conditions of use, what the figures do not say, and who determines."""

from __future__ import annotations

from collections.abc import Iterator

from deid.documents.policy import Basis
from deid.planning.plan import Plan
from deid.reports.risk_model import Classes, Codes, Further

_MUCH = 1 / 11  # a mean chance that is worth saying: fewer than eleven on average
STATEMENT = (
    "This software does not determine that the data are de-identified. It prepares evidence; the determination under "
    "45 CFR 164.514(b)(1) is made, documented and signed by a person with appropriate knowledge of and experience with "
    "generally accepted statistical and scientific principles and methods."
)
CONDITIONS = (
    "Do not try to identify anyone, and do not contact anyone by means of these data.",
    "Do not link the data with other data about persons, nor with another release, unless the agreement allows it.",
    "Use the data for the stated purpose, and let nobody outside the receiving party have them.",
    "Publish no count of one to ten patients, and none from which one can be had by subtraction or by a percentage.",
    "Tell the site at once if somebody is recognized, or the data may have come into other hands.",
    "Delete the data, and all that was opened from them, when the release expires.",
)


def limitations(plan: Plan, classes: Classes | None, codes: Codes | None, further: Further | None) -> tuple[str, ...]:
    """Return what the figures leave open, as far as it is known."""
    limits = plan.policy.limits
    told = []
    if limits.k is None:
        told.append(
            "The policy sets no k: nothing was withheld to make patients alike, and small classes may be there."
        )
    if limits.codes is None and any(s.column.kind.is_medical_code for t in plan.tables for s in t.written):
        told.append(
            "Codes are released and no limit counts them: two known codes can identify most patients of a table whose "
            "demographics are anonymous."
        )
    if codes is not None:
        told.append("What known codes tell is a mean over patients; single patients are at more risk than the mean.")
    if any(s.column.kind.name.endswith("_date") for t in plan.tables for s in t.written):
        known = limits.codes.known_dates if limits.codes is not None else 0
        if not known:
            told.append("Dates of visits are not counted: who knows several may tell a patient by them.")
    told += list(_unheld(further)) if further is not None else []
    if classes is not None and limits.k is not None:
        told.append("k speaks of identity: what all patients of a class have in common is told of each of them.")
    told.append("Figures hold for what this release shows, and for what was known when it was made.")
    if plan.policy.basis is Basis.LIMITED_DATA_SET:
        told.append("A Limited Data Set is still protected health information, 45 CFR 164.514(e).")
    return tuple(told)


def _unheld(further: Further) -> Iterator[str]:
    """Yield what is known beside the classes and held to no ceiling, where it tells much."""
    rows = [gain for gain in further.single if gain.ceiling is None and gain.chance > _MUCH]
    for gain in rows[:1]:
        yield f"No ceiling holds who knows the {gain.known[0]}: {100 * gain.chance:.1f} % on average."
    if further.pair is not None and further.pair.chance > _MUCH:
        known, chance = " and the ".join(further.pair.known), 100 * further.pair.chance
        yield f"No ceiling holds who knows two further things, as the {known}: {chance:.1f} % on average."
