"""What the Safe Harbor list demands of one column: 45 CFR 164.514(b)(2)(i)(A)-(R) and 164.514(c).

Two sides, each closed:

- a kind that the list names is refused unless this module allows the very transform that it goes through;
- a kind that the list does not name is allowed, except where a public register turns it into one that it names.

Both readings are on the strict side where the text is open, because a leak cannot be taken back.
"""

from __future__ import annotations

from deid.kinds import SAFE_HARBOR_LETTERS, Kind, Value
from deid.transforms import Transform

LIST = "164.514(b)(2)(i)"
OLDEST = 90  # "all ages over 89 ... may be aggregated into a single category of age 90 or older", (C)
TYPED_TEXT = frozenset({"clinical_note", "free_text", "code_description"})

# The list speaks of the individual, relatives, employers and household members. A provider is none of these, but NPPES
# gives a provider's number for the name and a facility's street address for the name, so the names are read like the
# number (R) and the place (B) that they stand for. HHS guidance does not ask for this; it is the strict reading.
_LOOKED_UP = {"provider_name": "R", "facility_name": "B"}
_UNTOLD = {
    # LOINC 30525-0 is an age and 21112-8 a birth date. Which observations tell neither is a list nobody has made yet.
    "lab_value": "an observation may be an age or a date (LOINC 30525-0, 21112-8)",
    "part_of_year": "a status of one month, or a count of months, tells a part of a year",
}


def breach(kind: Kind, transform: Transform) -> tuple[str, str] | None:
    """Return the paragraph that a column of `kind` breaks after `transform`, and why; None if it breaks none."""
    if transform.name == "drop":
        return None
    if kind.name in TYPED_TEXT:
        return f"{LIST}(A)", "typed text may hold any identifier, and redaction cannot be proven complete"
    if transform.name == "pseudonymize":
        return _pseudonym(kind, transform)
    letter = letter_of(kind)
    if letter is None or _allows(kind, transform):
        return None
    return f"{LIST}({letter})", _why(kind, transform, letter)


def letter_of(kind: Kind) -> str | None:
    """Return the letter under which `kind` is read: the one that names it, or that a public register leads to."""
    return kind.safe_harbor or _LOOKED_UP.get(kind.name)


def _pseudonym(kind: Kind, transform: Transform) -> tuple[str, str] | None:
    """Judge a code in the place of a value; only a random code for a record's number is what (c) permits."""
    if getattr(transform, "method", None) != "random":
        return "164.514(c)(1)", "a keyed, hashed or encrypted code is derived from information about the individual"
    if kind.safe_harbor is None or kind.is_identifier_code:
        return None
    # (c) permits a code as a means of record identification. A consistent code for a place, a date or a name is a
    # recoding of that value, found again by its frequency, so the value's own paragraph stands.
    return f"{LIST}({kind.safe_harbor})", f"a code for {SAFE_HARBOR_LETTERS[kind.safe_harbor]} only recodes them"


def _allows(kind: Kind, transform: Transform) -> bool:
    """Whether a kind that the list names may stay after this transform; whatever is not said here may not."""
    name = transform.name
    if kind.name == "zip_code":
        return name == "generalize_zip" and getattr(transform, "to", None) == "zip3"
    if kind.name == "age":  # top_code closes single cells; only generalize_age closes every row of the patient
        return name == "generalize_age" and getattr(transform, "top", OLDEST + 1) <= OLDEST
    if kind.value is Value.DATE or kind.name == "year":
        return name == "generalize_date" and _leaves_years(kind, transform)
    return False


def _leaves_years(kind: Kind, transform: Transform) -> bool:
    """Whether only the year is left, and no year that tells of somebody over 89."""
    if getattr(transform, "to", None) != "year":
        return False
    floor = getattr(transform, "floor_age", None)
    # A visit in 1931 tells in 2026 of somebody over 89 as surely as a birth does, so every year needs the floor. The
    # year of a death does not: the dead grow no older, and births and visits, which would give an age, have floors.
    return kind.name == "death_date" if floor is None else floor <= OLDEST


def _why(kind: Kind, transform: Transform, letter: str) -> str:
    if kind.name in _UNTOLD:
        return _UNTOLD[kind.name]
    if kind.name == "year":
        return "an early year tells of an age over 89: write generalize_date to year with floor_age, at most 90"
    special = {
        ("shift_date", "C"): "a shifted date is still a full date, and derived from the true one",
        ("top_code", "C"): "top coding closes one cell, not the patient's other visits; write generalize_age",
        (
            "generalize_date",
            "C",
        ): "only the year may stay, and none that tells of an age over 89: write floor_age, at most 90",
        ("generalize_age", "C"): "ages over 89 need one category of 90 or older: top of at most 90",
        ("generalize_zip", "B"): "only zip3 asks the list of prefixes that hold more than 20,000 people",
    }
    if kind.name in _LOOKED_UP:
        return f"a public register gives {SAFE_HARBOR_LETTERS[letter]} for a {kind.meaning}; read strictly"
    return special.get((transform.name, letter), f"{SAFE_HARBOR_LETTERS[letter]} would stay")
