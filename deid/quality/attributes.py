"""Findings that rest on what a list says of a code beside its validity: sides, sex, age, manifestations."""

from __future__ import annotations

import numpy as np

from deid.codes.attributes import OLDEST, Attributes
from deid.observing.selection import whole_years
from deid.quality.checks import FEMALE, MALE, Cells, Flags, Rows


def entry_attributes(said: Attributes) -> dict[str, Flags]:
    """Return the findings that are the same for every patient, as flags of distinct codes, bool of shape (m,)."""
    return {"unspecified": said.unspecified, "laterality_missing": said.laterality_missing}


def row_attributes(said: Attributes, cells: Cells, principal: Flags | None, inpatient: Flags | None) -> dict[str, Rows]:
    """Return the rows that have each finding that can be judged.

    `principal`: which rows bear a first diagnosis, None where unknown. `inpatient`: which rows are of a hospital stay,
    for which alone Medicare's list of unacceptable first diagnoses was made; no visit begins with an external cause.
    """
    found = {}
    if principal is not None:
        rows = cells.rows(said.manifestation)
        found["principal_manifestation"] = rows[principal[rows]]
        rows = cells.rows(said.not_principal)
        never = np.append(said.external, np.False_)[cells.places[rows]]
        stays = inpatient[rows] if inpatient is not None else np.zeros(len(rows), bool)
        found["principal_unacceptable"] = rows[principal[rows] & (never | stays)]
    if cells.sex is not None:
        rows = cells.rows(said.sex != "")
        wanted = np.where(said.sex == "F", FEMALE, MALE)[cells.places[rows]]
        found["sex_conflict"] = rows[(cells.sex[rows] != 0) & (cells.sex[rows] != wanted)]
    if cells.birth is not None and cells.day is not None:
        rows = cells.rows((said.age_low > 0) | (said.age_high < OLDEST))
        age, places = whole_years(cells.birth[rows], cells.day[rows]), cells.places[rows]
        found["age_conflict"] = rows[(age >= 0) & ((age < said.age_low[places]) | (age > said.age_high[places]))]
    return found
