"""The published folder: tidy and wide tables, everything for programs in tables.json, the audit, and a page to read.

No file holds the count of a hidden cell, nor anything that is computed from it. Rows and files are in canonical order,
so that the same counts give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from deid.errors import VerificationError
from deid.papers.signing import Statement
from deid.papers.statements import spelled
from deid.tables.cube import Address
from deid.tables.page import Facts, page
from deid.tables.sheets import FIGURES, MARK, Shown, dimensions_of, figure, tidy, wide
from deid.tables.tabulation import CODES, PERIODS, PLACES, TableRequest, Tabulation

FORMAT = "deid-tables/1"
TABLES, AUDIT, README = "tables.json", "audit.json", "README.md"


def files(
    asked: Tabulation, facts: Facts, tables: Mapping[str, tuple[TableRequest, Sequence[Shown]]]
) -> dict[str, bytes]:
    """Return the files of the folder by name."""
    found = {}
    for name, (table, cells) in sorted(tables.items()):
        found[f"{name}.csv"] = tidy(table, cells)
        found[f"{name}-wide.csv"] = wide(table, cells)
    found[TABLES] = _json(_record(asked, facts, tables))
    found[AUDIT] = _json(dict(facts.audit))
    found[README] = page(asked, facts, tables).encode()
    return found


def verify(folder_files: Mapping[str, bytes], hidden: Mapping[Address, bool]) -> None:
    """Raise VerificationError unless what was written marks every hidden cell, and shows no rate of it."""
    record = msgspec.json.decode(folder_files[TABLES])
    for name, table in record["tables"].items():
        for cell in table["cells"]:
            address = _address(table["measure"], cell)
            figures = [cell.get(figure) for figure in FIGURES if figure != "population"]
            if hidden[address] and (cell["count"] is not None or any(f is not None for f in figures)):
                raise VerificationError(f"a hidden cell of {name} is shown; nothing was published", hint="report this")


def _address(measure: str, cell: Mapping[str, Any]) -> Address:
    level = next((place for place in PLACES if cell.get(place) is not None), "")
    period = next((cell[p] for p in PERIODS if p in cell), "")
    people = [cell.get(d) or "" for d in ("age", "sex", "race", "ethnicity")]
    return Address(measure, cell.get(CODES) or "", period, level, cell.get(level) or "" if level else "", *people)


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
        "policy": facts.policy.name,
        "policy_version": facts.policy.version,
        "policy_sha256": facts.policy.digest,
        "basis": facts.policy.basis.value,
        "statements": [_statement(made) for made in facts.statements],
        "dataset": facts.dataset,
        "generation": facts.generation,
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
                    dimensions_of(table, cell.address)
                    | {"count": cell.count, "mark": None if cell.count is not None else MARK}
                    | {k: figure(v) for k, v in cell.rates.items()}
                    for cell in cells
                ],
            }
            for name, (table, cells) in sorted(tables.items())
        },
    }


def _statement(made: Statement) -> dict[str, Any]:
    """Return what everybody is told of a statement: neither who signed it, nor conditions in words."""
    return {
        "type": made.type,
        "name": made.name,
        "version": made.version,
        "sha256": made.sha256,
        "statement": made.digest,
        "signed": spelled(made.signed_at),
        "expires": made.expires,
    }


def _json(record: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
