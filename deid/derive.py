"""Measures that researchers would otherwise need raw dates for, computed before dates are generalized.

Each is a column of the encounters table with a kind of its own, so that a policy must have a rule for it.
"""

from __future__ import annotations

from dataclasses import dataclass


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
        Measure(
            "age_at_visit", "age", ("admit_date|service_date",), "whole years from birth to the first day of the visit"
        ),
        Measure(
            "length_of_stay",
            "length_of_stay",
            ("admit_date|service_date", "discharge_date|service_date"),
            "days from the first to the last day of the visit",
        ),
        Measure(
            "readmitted_30d",
            "readmission",
            ("admit_date|service_date", "discharge_date|service_date", "encounter_class"),
            "whether another inpatient stay of the patient began within 30 days after this inpatient stay ended; "
            "null for visits that are not inpatient stays",
        ),
    )
}
