"""Measures that researchers would otherwise need raw dates for, computed before dates are generalized.

Each is a column of the encounters table with a kind of its own, so that a policy must have a rule for it.
"""

from __future__ import annotations

from dataclasses import dataclass

# The first and the last day of a visit, whichever kinds say them; see deid.selection.
FIRST_DAY, LAST_DAY = "admit_date|service_date", "discharge_date|service_date"


@dataclass(frozen=True, slots=True)
class Measure:
    """One derived measure: its name, its kind, the kinds it needs in the encounters table, and its definition."""

    name: str
    kind: str
    needs: tuple[str, ...]
    meaning: str


DERIVED: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("age_at_visit", "age", (FIRST_DAY,), "whole years from birth to the first day of the visit"),
        Measure(
            "length_of_stay",
            "length_of_stay",
            (FIRST_DAY, LAST_DAY),
            "days from the first to the last day of the visit",
        ),
        Measure(
            "readmitted_30d",
            "readmission",
            (FIRST_DAY, LAST_DAY, "encounter_class"),
            "whether another inpatient stay of the patient began within 30 days after this inpatient stay ended; "
            "null for visits that are not inpatient stays",
        ),
    )
}
