"""What a Limited Data Set demands of one column: 45 CFR 164.514(e)(2)(i)-(xvi), sixteen identifiers and no more.

Dates, ages, city, state, ZIP code and the numbers of encounters and claims are not among the sixteen. Neither is a
county, which is no postal address; (ii) closes postal addresses other than town or city, state and ZIP code.
"""

from __future__ import annotations

from deid.kinds import LIMITED_NUMERALS, Kind
from deid.legal.safe_harbor import TYPED_TEXT
from deid.transforms import Transform

LIST = "164.514(e)(2)"


def breach(kind: Kind, transform: Transform) -> tuple[str, str] | None:
    """Return the paragraph that a column of `kind` breaks after `transform`, and why; None if it breaks none."""
    if transform.name == "drop":
        return None
    if kind.name in TYPED_TEXT:
        return (
            f"{LIST}(i)",
            "typed text may hold any of the sixteen, and redaction cannot be proven complete",
        )
    if kind.limited is None:
        return None
    if transform.name == "pseudonymize" and kind.is_identifier_code:
        return None  # (e)(2) removes the number; unlike (b)(2)(i)(R) it does not ask how a code was made
    return f"{LIST}({kind.limited})", f"{LIMITED_NUMERALS[kind.limited]} would stay"


def note(kind: Kind, transform: Transform) -> tuple[str, str] | None:
    """Return a paragraph and a remark on a reading that counsel may want to know of, or None."""
    if kind.name == "county" and transform.name == "keep":
        return f"{LIST}(ii)", "a county is read as no part of a postal address, so a Limited Data Set may carry it"
    return None
