"""Renders the reference pages of kinds and of the legal table, from the code that judges.

`python -m deid.legal.table` writes them below docs/reference; tests check that they are current.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deid.codes import CODE_SYSTEMS
from deid.documents.policy import Basis
from deid.errors import PlanError
from deid.kinds import KINDS, LIMITED_NUMERALS, SAFE_HARBOR_LETTERS, Group, Kind
from deid.legal import verdict
from deid.schema import Column
from deid.transforms import Transform, build

_LEVELS = dict.fromkeys(level.name for system in CODE_SYSTEMS.values() for level in system.levels)

# Each transform in every form that a basis tells apart, as a policy writes it.
VARIANTS: dict[str, Transform] = {
    "drop": build("drop", {}),
    "keep": build("keep", {}),
    "{pseudonymize: random}": build("pseudonymize", {"": "random"}),
    "{pseudonymize: keyed}": build("pseudonymize", {"": "keyed"}),
    "{shift_date: 365}": build("shift_date", {"": 365}),
    "{shift_date: 364, multiple_of: 7}": build("shift_date", {"": 364, "multiple_of": 7}),
    "{generalize_date: week}": build("generalize_date", {"": "week"}),
    "{generalize_date: month}": build("generalize_date", {"": "month"}),
    "{generalize_date: quarter}": build("generalize_date", {"": "quarter"}),
    "{generalize_date: quarter, floor_age: 90}": build("generalize_date", {"": "quarter", "floor_age": 90}),
    "{generalize_date: year}": build("generalize_date", {"": "year"}),
    "{generalize_date: year, floor_age: 90}": build("generalize_date", {"": "year", "floor_age": 90}),
    "{generalize_date: year, floor_age: 80}": build("generalize_date", {"": "year", "floor_age": 80}),
    "{generalize_date: year, width: 20}": build("generalize_date", {"": "year", "width": 20}),
    "{generalize_date: year, width: 20, floor_age: 90}": build(
        "generalize_date", {"": "year", "width": 20, "floor_age": 90}
    ),
    "{generalize_age: 100}": build("generalize_age", {"": 100}),
    "{generalize_age: 90}": build("generalize_age", {"": 90}),
    "{generalize_age: 80, width: 5}": build("generalize_age", {"": 80, "width": 5}),
    "{generalize_zip: zip5}": build("generalize_zip", {"": "zip5"}),
    "{generalize_zip: zip3}": build("generalize_zip", {"": "zip3"}),
    "{generalize_code: 3}": build("generalize_code", {"": 3}),
    **{f"{{roll_up: {level}}}": build("roll_up", {"": level}) for level in _LEVELS},
    "map_codes": build("map_codes", {}),
    "{top_code: 90}": build("top_code", {"": 90}),
    "{bottom_code: 1937}": build("bottom_code", {"": 1937}),
    "{round: 10}": build("round", {"": 10}),
    "redact_note": build("redact_note", {}),
}

_BASES = (Basis.SAFE_HARBOR, Basis.LIMITED_DATA_SET, Basis.EXPERT_DETERMINATION)

_TABLE_HEAD = """# Legal table

Generated from `deid.legal` by `python -m deid.legal.table`; do not edit.

For each kind and each transform that serves it: whether Safe Harbor, 45 CFR 164.514(b)(2)(i), and a Limited Data Set,
164.514(e)(2), allow the column, or which paragraph of section 164.514 it breaks.
Under Expert Determination, (b)(1), "open" means that the toolkit has no objection of its own; whether the risk is very
small is for an expert to find, never for this table.
A transform that is not listed for a kind does not serve it; a policy that writes it is refused when the plan is made.

A column that is allowed may still be refused for what it tells together with others, or with the request:
an age beside years needs a birth date in the population table, and cohort, period, schedule, window and names are
judged as well ([policy.md](../formats/policy.md), section "What is judged").

| kind | transform | Safe Harbor | Limited Data Set | expert |
|---|---|---|---|---|
"""

_KINDS_HEAD = """# Kinds

Generated from `deid.kinds` by `python -m deid.legal.table`; do not edit.

The vocabulary is closed: a description gives every column one of these kinds, and a policy one rule to each.

- **Safe Harbor**: the letter of 45 CFR 164.514(b)(2)(i) under which the kind is read, or none.
- **Limited Data Set**: the numeral of 164.514(e)(2) that excludes it, or none.
- **role**: direct identifier, quasi-identifier, sensitive or other (ISO/IEC 20889).
- **value**: what its cells are parsed to.
"""


def legal_table() -> str:
    """Return docs/reference/legal-table.md."""
    lines = [
        f"| {kind.name} | `{variant}` | {' | '.join(_cells(kind, transform))} |"
        for kind in KINDS.values()
        for variant, transform in VARIANTS.items()
        if _serves(transform, kind)
    ]
    return _TABLE_HEAD + "\n".join(lines) + "\n"


def kinds_page() -> str:
    """Return docs/reference/kinds.md."""
    parts = [_KINDS_HEAD]
    for group in Group:
        parts.append(f"## {group.capitalize()}\n")
        parts.append("| kind | Safe Harbor | Limited Data Set | role | value | meaning |\n|---|---|---|---|---|---|")
        parts[-1] += "".join(
            f"\n| `{kind.name}` | {_listed(kind.safe_harbor)} | {_listed(kind.limited)} | {kind.role} | {kind.value} "
            f"| {kind.meaning} |"
            for kind in KINDS.values()
            if kind.group is group
        )
        parts[-1] += "\n"
    parts.append("## Safe Harbor, 164.514(b)(2)(i)\n")
    parts.append("".join(f"- ({letter}) {words}\n" for letter, words in SAFE_HARBOR_LETTERS.items()))
    parts.append("## Limited Data Set, 164.514(e)(2)\n")
    parts.append("".join(f"- ({numeral}) {words}\n" for numeral, words in LIMITED_NUMERALS.items()))
    return "\n".join(parts)


def write(folder: Path) -> None:
    """Write both pages into `folder`, which stands."""
    (folder / "legal-table.md").write_text(legal_table(), encoding="utf-8")
    (folder / "kinds.md").write_text(kinds_page(), encoding="utf-8")


def _listed(numeral: str | None) -> str:
    return f"({numeral})" if numeral else "-"


def _serves(transform: Transform, kind: Kind) -> bool:
    try:
        transform.output(Column(kind.name, kind))
    except PlanError:
        return False
    return True


def _cells(kind: Kind, transform: Transform) -> Iterator[str]:
    findings = verdict(kind, transform)
    for basis in _BASES:
        broken = [finding.paragraph.removeprefix("164.514") for finding in findings if basis in finding.breaks]
        yield ", ".join(broken) or ("open" if basis is Basis.EXPERT_DETERMINATION else "allowed")


if __name__ == "__main__":
    write(Path("docs/reference"))
