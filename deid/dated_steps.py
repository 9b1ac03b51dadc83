"""Which columns show dates that somebody may know beside codes (`limits.codes.known_dates`)."""

from __future__ import annotations

from deid.kinds import Value
from deid.plan import Plan, Step, TablePlan
from deid.schema import Table

_OF_THE_PATIENT = frozenset({"birth_date", "death_date"})


def dated_steps(plan: Plan, planned: TablePlan) -> list[Step]:
    """Return the steps of a table whose dates somebody may know; none unless the policy counts dates."""
    limits = plan.policy.limits.codes
    if limits is None or limits.known_dates == 0:
        return []
    counted = plan.policy.limits.quasi_identifiers if planned.table.name == plan.dataset.population else ()
    return [
        step
        for step in planned.written
        if step.measure is None
        and step.take is None  # a date of the class tells no more than the class
        and step.column.kind.value is Value.DATE
        and step.column.kind.name not in (*_OF_THE_PATIENT, *counted)
    ]


def columns_dated(plan: Plan, table: Table) -> list[str]:
    """Return the columns by which dates of a table are counted."""
    planned = plan.table(table.name)
    return [step.column.name for step in dated_steps(plan, planned)] if planned is not None else []
