"""Which columns of a table tell of a visit: its key, and its first and last day."""

from __future__ import annotations

from deid.schema import Column, Table

_START_OF_VISIT = ("admit_date", "service_date")


def start_of_visit(table: Table) -> Column | None:
    """Return the column that tells on which day a row's visit began: admission, else the first service date."""
    for kind in _START_OF_VISIT:
        column = next(table.of_kind(kind), None)
        if column is not None:
            return column
    return None


def end_of_visit(table: Table) -> Column | None:
    """Return the column that tells on which day a row's visit ended: discharge, else the second service date."""
    discharge = next(table.of_kind("discharge_date"), None)
    if discharge is not None:
        return discharge
    services = list(table.of_kind("service_date"))
    return services[1] if len(services) > 1 else None


def encounter_key(table: Table, kind: str | None = None) -> list[Column]:
    """Return the table's encounter key in a list of at most one; a claim key stands in where there is none.

    With a `kind`, only a key of that kind: an encounter's number is looked for among encounters, never among claims.
    """
    if kind is not None:
        return list(table.of_kind(kind))[:1]
    return list(table.of_kind("encounter_id"))[:1] or list(table.of_kind("claim_id"))[:1]
