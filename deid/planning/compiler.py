"""How a plan comes of request, policy and description: a step for each column, or all that stands in the way.

No row is read. `legal.judge` then says what the plan earns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from deid.documents.period import Period
from deid.documents.policy import Basis, Policy
from deid.documents.request import Request
from deid.errors import PlanError
from deid.kinds import KINDS, Kind, Role
from deid.planning.folders import in_folders, unfit
from deid.planning.ladders import ladder_of, reduction_of, reductions_that_cannot_be, rungs_of
from deid.planning.obstacles import refuse_untimely, uncheckable, unmet_needs
from deid.planning.plan import Plan, Step, TablePlan
from deid.schema import Column, DatasetDescription, Table
from deid.segments.obstacles import untold_segments
from deid.visits.columns import end_of_visit, start_of_visit
from deid.visits.derive import FIRST_DAY, LAST_DAY, Measure, measures_of, unreadable


def compile_plan(
    request: Request,
    policy: Policy,
    dataset: DatasetDescription,
    *,
    period: Period | None = None,
    release: str | None = None,
    today: date,
) -> Plan:
    """Compile a plan; raise PlanError naming every table, column or kind that stands in the way.

    `today` decides whether the request has expired and the period is over; `release` is the period's label, or `all`,
    unless it is given.
    """
    refuse_untimely(request, period, today)
    problems: list[str] = []
    tables = tuple(
        plan
        for name, columns in request.tables.items()
        if (plan := _table(name, columns, request, policy, dataset, problems)) is not None
    )
    if request.derive and not any(t.table.name == dataset.encounters for t in tables):
        problems.append("derive: needs the encounters table among the requested tables")
    population = dataset.table(dataset.population)
    if "age_at_visit" in request.derive and population and not next(population.of_kind("birth_date"), None):
        problems.append(f"derive: age_at_visit needs a column of kind birth_date in {population.name}")
    problems += unmet_needs(request, policy, tables, period)
    problems += reductions_that_cannot_be(policy, dataset)
    problems += uncheckable(dataset, tables)
    problems += untold_segments(policy, dataset, tables)
    problems += unfit(tables, request, policy, period)
    tables = in_folders(tables, request, policy)
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise PlanError(
            f"request {request.name} cannot run under policy {policy.name}:{listed}",
            hint="describe the column, add a rule for its kind to the policy, or leave it out of the request",
        )
    name = release or (period.label if period is not None else "all")
    # Whole calendar years only (ADR 0004): the day of release would date the visits of a year that is not over.
    through = date(today.year - 1, 12, 31) if policy.basis is Basis.SAFE_HARBOR else None
    return Plan(request, policy, dataset, tables, period, request.expires, name, through)


def _table(
    name: str,
    columns: tuple[str, ...],
    request: Request,
    policy: Policy,
    dataset: DatasetDescription,
    problems: list[str],
) -> TablePlan | None:
    table = dataset.table(name)
    if table is None:
        problems.append(f"{name}: no such table in dataset {dataset.name}")
        return None
    steps = [step for column in columns if (step := _step(table, column, policy, dataset, problems)) is not None]
    if name == dataset.encounters:
        steps += [s for name in request.derive for s in _derived(table, name, policy, dataset, problems)]
    names = [step.column.name for step in steps if step.output is not None]
    problems += [
        f"{name}.{twice}: two output columns of this name" for twice in {n for n in names if names.count(n) > 1}
    ]
    return TablePlan(table, tuple(steps), len(table.columns) - len(columns))


def _step(table: Table, name: str, policy: Policy, dataset: DatasetDescription, problems: list[str]) -> Step | None:
    column = table.column(name)
    if column is None:
        problems.append(f"{table.name}.{name}: no such column in the description")
        return None
    if column.kind.name == "patient_id" and name not in (table.patient, table.link and table.link.on):
        problems.append(
            f"{table.name}.{name}: a second patient key; describe it as unique_id, or as the table's patient"
        )
        return None
    return _ruled(table, column, policy, dataset, problems)


def _derived(
    table: Table, name: str, policy: Policy, dataset: DatasetDescription, problems: list[str]
) -> Iterator[Step]:
    """Yield the steps of one name of `derive`: a measure, or a group of them."""
    if problem := unreadable(name, dataset):
        problems.append(problem)
        return
    for measure in measures_of(name):
        missing = _missing(table, measure)
        if missing:
            beside = " beside that of the first day" if missing[0] == LAST_DAY else ""
            kinds = missing[0].replace("|", " or ") + beside
            problems.append(f"derive: {measure.name} needs a column of kind {kinds} in {table.name}")
        elif (step := _ruled(table, Column(measure.name, KINDS[measure.kind]), policy, dataset, problems)) is not None:
            yield replace(step, measure=measure)


def _missing(table: Table, measure: Measure) -> list[str]:
    """Return the needs that no column of the table serves, first and last day of the visit being two columns."""
    days = {FIRST_DAY: start_of_visit(table), LAST_DAY: end_of_visit(table)}
    columns = {need: days[need] if need in days else next(table.of_kind(need), None) for need in measure.needs}
    return [need for need, column in columns.items() if column is None]


def _ruled(
    table: Table, column: Column, policy: Policy, dataset: DatasetDescription, problems: list[str]
) -> Step | None:
    where = f"{table.name}.{column.name}"
    ladder = ladder_of(policy, dataset, table.name, column)
    transform = ladder[0] if ladder else policy.rule_for(table.name, column.name, column.kind.name)
    if transform is None:
        problems.append(f"{where}: the policy has no rule for kind {column.kind.name}")
        return None
    try:
        rungs = rungs_of(column, ladder)
        output = transform.output(column)
    except PlanError as error:
        problems.append(f"{where}: {error.message}")
        return None
    if transform.name == "keep" and column.kind.role is Role.DIRECT and not _may_be_kept(column.kind):
        problems.append(f"{where}: a direct identifier ({column.kind.name}) would stand in the output")
        return None
    take = reduction_of(policy, dataset, table.name, column.name)
    return Step(column, transform, output, citation(column.kind), rungs=rungs, take=take)


def _may_be_kept(kind: Kind) -> bool:
    """Whether a direct identifier may ever stay: encounter and claim keys in a Limited Data Set, 164.514(e)(2)."""
    return kind.limited is None


def citation(kind: Kind) -> str:
    """Return the paragraph that names this kind, or the reason that none does."""
    if kind.safe_harbor is not None:
        return f"45 CFR 164.514(b)(2)(i)({kind.safe_harbor})"
    return f"{kind.role}, not listed in 164.514(b)(2)(i)"
