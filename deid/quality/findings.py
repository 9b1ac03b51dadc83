"""The closed list of findings, with what each counts; docs/formats/quality.md is held against it by a test."""

from __future__ import annotations

FINDINGS: dict[str, str] = {
    "malformed": "cannot be spelled in this system",
    "two_codes": "malformed because the cell holds two or more codes",
    "lost_zeros": "fewer digits than a code has, and a code once leading zeros are put back",
    "unknown": "well formed, and in no list at hand",
    "not_yet": "valid only after the day of service",
    "retired": "valid only before the day of service",
    "not_billable": "a heading of the list, not a code to be reported",
    "unspecified": "says unspecified where the list has codes that say more",
    "laterality_missing": "leaves the side open where the list has codes for sides",
    "sex_conflict": "of the other sex than the patient's record says",
    "age_conflict": "of another age than the patient had on the day of service",
    "principal_missing": "a visit whose first diagnosis is empty",
    "principal_manifestation": "the first diagnosis of a visit, and a manifestation that may not be one",
    "principal_unacceptable": "the first diagnosis of a visit, and one that may not be: an external cause, a status",
    "system_mismatch": "no code of this system, and a valid one of another or of the other revision",
    "duplicate_line": "repeats an earlier row of the same visit in every code, day, amount and sequence number",
}

# The marks of a row: whether its cell holds no code, and its findings.
EMPTY = 1
BITS: dict[str, int] = {name: 2 << place for place, name in enumerate(FINDINGS)}

# A row has one of these at most, so that whoever adds them up learns of those that have none.
VERDICTS = ("malformed", "unknown", "not_yet", "retired", "not_billable")
# Findings that are parts of others in some systems, and of codes in all.
PARTS_OF = {
    "two_codes": ("malformed",),
    "lost_zeros": ("malformed", "unknown"),
    "system_mismatch": ("malformed", "unknown"),
}
# A code that has one of these is in no list, so that it has nothing of what lists say.
UNLISTED = ("malformed", "unknown")
LISTED = (
    "unspecified",
    "laterality_missing",
    "sex_conflict",
    "age_conflict",
    "principal_manifestation",
    "principal_unacceptable",
)
