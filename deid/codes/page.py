"""Renders the reference page of code systems from the registry; `python -m deid.codes.page` writes it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from deid.codes import CODE_SYSTEMS
from deid.codes.base import CodeList, CodeSystem

_HEAD = """\
# Code systems

Generated from `deid.codes` by `python -m deid.codes.page`; do not edit.

What is known of each system: the kinds of columns that hold its codes, the levels that `{roll_up: LEVEL}` takes, and
the lists that say whether a code was valid on a day.
A system without a list is known by form alone: a code of that form is never called valid, and nothing holds it back.
A partial list does not hold every valid code. A site may [add lists](../formats/code-list.md).

At every level a malformed code becomes null and is counted; `UNMAPPED` is a well-formed code that the level does not
know, or that can be read in several ways.
"""


def page() -> str:
    """Return docs/reference/code-systems.md."""
    return _HEAD + "".join(_section(system) for system in CODE_SYSTEMS.values())


def _section(system: CodeSystem) -> str:
    kinds = ", ".join(f"`{kind}`" for kind in system.kinds) or "none"
    levels = "".join(f"| `{level.name}` | {level.meaning} | {level.domain.describe()} |\n" for level in system.levels)
    lists = "".join(f"- {described(each)}\n" for each in system.lists) or "- none: form alone\n"
    return (
        f"\n## {system.title}\n\nSystem `{system.name}`; kinds: {kinds}.\n\n"
        f"| level | meaning |\n|---|---|\n{levels}\nLists:\n\n{lists}"
    )


def described(each: CodeList) -> str:
    """Return a list in a line: release, number of codes, days known, source."""
    partial = "" if each.complete else ", partial"
    return f"{each.release}: {each.codes:,} codes, {_days(each)}{partial}. {each.source}"


def day_of(number: int | None) -> str | None:
    """Return days since 1970 as an ISO 8601 day, None for None."""
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat() if number is not None else None


def _days(each: CodeList) -> str:
    first, last = day_of(each.first), day_of(each.last)
    return " ".join([f"from {first}"] * bool(first) + [f"to {last}"] * bool(last)) or "any day"


if __name__ == "__main__":
    Path("docs/reference/code-systems.md").write_text(page(), encoding="utf-8")
