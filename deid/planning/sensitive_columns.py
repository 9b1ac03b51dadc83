"""Which columns tell the value that a patient has of a sensitive kind.

A kind's value is that of the population table where it delivers the kind, else one of those in the patient's rows,
taken by the policy's rule; at the policy's level of the code system, or as the release writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deid.documents.limits import Sensitive, Take
from deid.errors import PlanError
from deid.planning.plan import Plan, Step, TablePlan
from deid.transforms.map_codes import MapCodes
from deid.transforms.roll_up import RollUp
from deid.visits.columns import start_of_visit


def sensitive_steps(plan: Plan) -> Iterator[tuple[Sensitive, list[tuple[TablePlan, Step]]]]:
    """Yield each sensitive kind that the release delivers, with the columns that its values are read from.

    Raises PlanError where a column cannot be read at the policy's level, or by its rule.
    """
    for rule in plan.policy.limits.sensitive:
        delivered = [(t, s) for t in plan.tables for s in t.written if s.column.kind.name == rule.kind]
        own = [(t, s) for t, s in delivered if t.table.name == plan.dataset.population]
        columns = [(table, _read(table, step, rule)) for table, step in own or delivered]
        if columns:
            yield rule, columns


def _read(table: TablePlan, step: Step, rule: Sensitive) -> Step:
    where = f"limits.sensitive.{rule.kind}: {table.table.name}.{step.column.name}"
    if rule.take in (Take.FIRST, Take.LAST) and start_of_visit(table.table) is None:
        raise PlanError(
            f"{where}: {rule.take} needs a day of a visit", hint="take most, least or greatest of a patient's values"
        )
    if rule.level is None:
        if isinstance(step.transform, MapCodes):
            raise PlanError(
                f"{where} goes through a map, whose values are chosen later than its classes",
                hint="name the level of the code system at which classes must be diverse",
            )
        return replace(step, rungs=(), take=rule.take)
    transform = RollUp(rule.level)
    try:
        output = transform.output(step.column)
    except PlanError as error:
        raise PlanError(f"{where}: {error.message}", hint=error.hint) from None
    return replace(step, transform=transform, output=output, rungs=(), take=rule.take)
