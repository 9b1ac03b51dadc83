"""What identifiers look like in US clinical notes: rules by letters of 45 CFR 164.514(b)(2)(i), and their search."""

from __future__ import annotations

from functools import cache

from deid.notes.patterns import (
    accounts,
    ages,
    dates,
    devices,
    licenses,
    months,
    name_fields,
    names,
    other,
    phones,
    places,
    plans,
    records,
    social_security,
    streets,
    vehicles,
    web,
)
from deid.notes.patterns.finder import Finder
from deid.notes.patterns.rule import Rule
from deid.notes.span import Find

__all__ = ["RULES", "Finder", "Rule", "find"]

RULES: tuple[Rule, ...] = (
    *names.RULES,
    *name_fields.RULES,
    *streets.RULES,
    *places.RULES,
    *dates.RULES,
    *months.RULES,
    *ages.RULES,
    *phones.RULES,
    *web.RULES,
    *social_security.RULES,
    *records.RULES,
    *plans.RULES,
    *accounts.RULES,
    *licenses.RULES,
    *vehicles.RULES,
    *devices.RULES,
    *other.RULES,
)


@cache
def _search() -> Finder:
    """Return the search by all rules, compiled once."""
    return Finder(RULES)


def find(text: str) -> list[Find]:
    """Return what the rules find in a folded text (deid.notes.folding), by start.

    It may be several notes joined by lines of a NUL character, which no find crosses.
    """
    return _search().find(text)
