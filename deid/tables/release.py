"""The published folder: tidy and wide tables, everything for programs in tables.json, the audit, and a page to read.

No file holds the count of a hidden cell, nor anything that is computed from it. Rows and files are in canonical order,
so that the same counts give the same bytes.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec

from deid.errors import VerificationError
from deid.limits import TableLimits
from deid.tables.cube import Address
from deid.tables.tabulation import CODES, PERIODS, PLACES, TableRequest, Tabulation

FORMAT = "deid-tables/1"
TABLES, AUDIT, README = "tables.json", "audit.json", "README.md"
TOTAL, MARK = "total", "suppressed"
_MEASURES = (
    "Incidence: patients whose first visit with the code lies in the period. Prevalence: patients with a visit with "
    "the code in the period, each once. Visits: each visit once for each code group. Population: all patients of the "
    "source, once for all periods, by age on the last day."
)
_FIGURES = ("population", "rate", "rate_low", "rate_high", "standardized", "standardized_low", "standardized_high")


@dataclass(frozen=True, slots=True)
class Shown:
    """One cell as it is published: its address, its count or None where it is marked, and its rates by name."""

    address: Address
    count: int | None
    rates: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands over all tables: who made them from what, the rule, and the audit's figures."""

    policy: str
    policy_version: int
    policy_sha256: str
    basis: str
    dataset: str
    created: date
    release: str
    limits: TableLimits
    audit: Mapping[str, Any]


def files(
    asked: Tabulation, facts: Facts, tables: Mapping[str, tuple[TableRequest, Sequence[Shown]]]
) -> dict[str, bytes]:
    """Return the files of the folder by name."""
    found = {}
    for name, (table, cells) in sorted(tables.items()):
        found[f"{name}.csv"] = _tidy(table, cells)
        found[f"{name}-wide.csv"] = _wide(table, cells)
    found[TABLES] = _json(_record(asked, facts, tables))
    found[AUDIT] = _json(dict(facts.audit))
    found[README] = _readme(asked, facts, tables).encode()
    return found


def verify(folder_files: Mapping[str, bytes], hidden: Mapping[Address, bool]) -> None:
    """Raise VerificationError unless what was written marks every hidden cell, and shows no rate of it."""
    record = msgspec.json.decode(folder_files[TABLES])
    for name, table in record["tables"].items():
        for cell in table["cells"]:
            address = _address(table["measure"], cell)
            figures = [cell.get(figure) for figure in _FIGURES if figure != "population"]
            if hidden[address] and (cell["count"] is not None or any(f is not None for f in figures)):
                raise VerificationError(f"a hidden cell of {name} is shown; nothing was published", hint="report this")


def _address(measure: str, cell: Mapping[str, Any]) -> Address:
    level = next((place for place in PLACES if cell.get(place) is not None), "")
    period = next((cell[p] for p in PERIODS if p in cell), "")
    people = [cell.get(d) or "" for d in ("age", "sex", "race", "ethnicity")]
    return Address(measure, cell.get(CODES) or "", period, level, cell.get(level) or "" if level else "", *people)


def _told(table: TableRequest, address: Address) -> dict[str, str | None]:
    """Return the dimensions of a cell in the order of its table, None for a total."""
    found: dict[str, str | None] = {}
    for dimension in table.by:
        if dimension in PERIODS:
            value = address.period
        elif dimension in PLACES:
            value = address.place
        else:
            value = address.group if dimension == CODES else getattr(address, dimension)
        found[dimension] = value or None
    return found


def _names(cells: Sequence[Shown]) -> list[str]:
    there = {name for cell in cells for name in cell.rates}
    return [name for name in _FIGURES if name in there]


def _tidy(table: TableRequest, cells: Sequence[Shown]) -> bytes:
    names = _names(cells)
    rows = [[*table.by, table.measure.value, "mark", *names]]
    for cell in cells:
        told = [value or TOTAL for value in _told(table, cell.address).values()]
        mark = "" if cell.count is not None else MARK
        rows.append([*told, _text(cell.count), mark, *(_text(cell.rates.get(name)) for name in names)])
    return _csv(rows)


def _wide(table: TableRequest, cells: Sequence[Shown]) -> bytes:
    """Return a table with a column for each period (and code group), as people read it; marks are asterisks."""
    across = [d for d in table.by if d in PERIODS or d == CODES]
    down = [d for d in table.by if d not in across]
    columns: dict[tuple[str, ...], None] = {}
    lines: dict[tuple[str, ...], dict[tuple[str, ...], str]] = {}
    for cell in cells:
        told = _told(table, cell.address)
        column = tuple(told[d] or TOTAL for d in across)
        columns[column] = None
        lines.setdefault(tuple(told[d] or TOTAL for d in down), {})[column] = (
            "*" if cell.count is None else f"{cell.count}"
        )
    rows = [[*down, *(" ".join(column) for column in columns)]]
    rows += [[*line, *(values.get(column, "") for column in columns)] for line, values in lines.items()]
    return _csv(rows)


def _record(
    asked: Tabulation, facts: Facts, tables: Mapping[str, tuple[TableRequest, Sequence[Shown]]]
) -> dict[str, Any]:
    limits = facts.limits
    rule = {"method": limits.method, "smallest": limits.smallest, "protection": limits.protection}
    if limits.method == "round":
        rule["base"] = limits.base
    return {
        "format": FORMAT,
        "release": facts.release,
        "request": asked.name,
        "requester": asked.requester,
        "purpose": asked.purpose,
        "request_sha256": asked.digest,
        "policy": facts.policy,
        "policy_version": facts.policy_version,
        "policy_sha256": facts.policy_sha256,
        "basis": facts.basis,
        "dataset": facts.dataset,
        "created": facts.created,
        "from": asked.first,
        "to": asked.last,
        "rule": rule,
        "codes": {name: {k: list(c) for k, c in kinds.items()} for name, kinds in asked.groups.items()},
        "per": asked.per,
        "standard": asked.standard,
        "tables": {
            name: {
                "measure": table.measure.value,
                "by": list(table.by),
                "margins": list(table.margins),
                "cells": [
                    _told(table, cell.address)
                    | {"count": cell.count, "mark": None if cell.count is not None else MARK}
                    | {k: _number(v) for k, v in cell.rates.items()}
                    for cell in cells
                ],
            }
            for name, (table, cells) in sorted(tables.items())
        },
    }


def _readme(asked: Tabulation, facts: Facts, tables: Mapping[str, tuple[TableRequest, Sequence[Shown]]]) -> str:
    limits = facts.limits
    rule = (
        f"Counts of 1 to {limits.smallest - 1} patients are not shown, nor what would give them away; a mark "
        "(`suppressed`, `*`) stands for either and does not tell which. Zeros are true zeros."
    )
    if limits.method == "round":
        rule = (
            f"Every count is a multiple of {limits.base}, less than {limits.base} from the true one, drawn at random "
            "so that totals add up. A shown 0 need not be one."
        )
    lines = [
        f"# {asked.name}: {facts.release}",
        "",
        f"{asked.purpose.rstrip('.')}. For {asked.requester}, {asked.first} to {asked.last}; made on {facts.created}.",
        "",
        rule,
        *_beside(asked),
        "",
        "| table | counts | by | totals over | cells | marked |",
        "|---|---|---|---|---|---|",
    ]
    for name, (table, cells) in sorted(tables.items()):
        marked = sum(cell.count is None for cell in cells)
        lines.append(
            f"| [{name}]({name}.csv) ([wide]({name}-wide.csv)) | {table.measure.value} | {', '.join(table.by)} "
            f"| {', '.join(table.margins) or '-'} | {len(cells)} | {marked} |"
        )
    lines += ["", _MEASURES, ""]
    if any(table.rates for table, _ in tables.values()):
        against = f", standard {asked.standard}" if asked.standard else ""
        rates = (
            f"Rates are per {asked.per:,} people, with 95 % intervals: exact Poisson for crude rates, gamma (Fay and "
            f"Feuer 1997) for standardized ones{against}. They are given where every count they rest on is shown. "
            "A rate of fewer than 20 events is unreliable (NCHS)."
        )
        lines += [rates, ""]
    return "\n".join(lines)


def _beside(asked: Tabulation) -> list[str]:
    """Return what readers of other tables must know: that nothing was proven about both together."""
    if not asked.weighed_beside:
        return []
    names = ", ".join(sorted(asked.weighed_beside))
    return ["", f"Not audited together with the tables of {names}, which were counted from the same data."]


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([[_inert(cell) for cell in row] for row in rows])
    return text.getvalue().encode()


def _inert(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell


def _text(value: float | None) -> str:
    number = _number(value)
    return "" if number is None else str(number)


def _number(value: float | None) -> float | int | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, int) else round(float(value), 1)


def _json(record: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
