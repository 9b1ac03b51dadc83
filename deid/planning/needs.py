"""Which columns of which tables a run reads, told to its source before a row is read.

Headers are checked for these, and files that hold many tables are passed over once for all of them (docs/adr/0013): a
column that is missing here is still read rightly, by a pass of its own.
"""

from __future__ import annotations

from deid.disclosure.reductions import columns_reduced, tables_reduced
from deid.documents.cohort import Unit
from deid.known_codes.code_entries import columns_counted
from deid.observing.decision import RowSelection
from deid.observing.selection import carriers
from deid.patients.own_identifiers import identifying_columns
from deid.pipeline import columns_read
from deid.planning.chosen_rows import row_selection, until
from deid.planning.plan import Plan, TablePlan
from deid.planning.prerequisites import linked_tables, observes_codes, uses_birth_days
from deid.schema import Table
from deid.segments.telling import columns_screened
from deid.transforms.redact_note import RedactNote
from deid.visits.coded import CodedColumns
from deid.visits.columns import encounter_key, end_of_visit, start_of_visit


def columns_needed(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the columns that a run reads of each table that it reads, whether to observe or to write.

    Raises PlanError where no table carries what selects rows.
    """
    selection = row_selection(plan)
    linked = {table.name for table in linked_tables(plan)}
    needed: dict[str, tuple[str, ...]] = {}
    for table in plan.dataset.tables:
        planned = plan.table(table.name)
        columns = columns_written(planned, selection) if planned is not None else []
        # A table that reaches the patient by a link is only observed where the plan made its link.
        if table.link is None or table.name in linked:
            columns += _observed(plan, table, selection)
        columns += columns_screened(plan.policy, plan.dataset, plan.request.tables, table)
        if columns or planned is not None or table.name == plan.dataset.population:
            key = table.patient if table.patient is not None else table.link.on if table.link else ""
            needed[table.name] = tuple(dict.fromkeys([key, *columns]))
    return needed


def columns_written(planned: TablePlan, selection: RowSelection | None) -> list[str]:
    """Return the columns that are read to write a table: what is transformed, and what chooses its rows."""
    columns = columns_read(planned)
    if selection is None:
        return columns
    columns += [c.name for p in selection.evaluated(planned.table) for c in carriers(planned.table, p)]
    if planned.table.name != selection.carrier:
        columns += [column.name for column in encounter_key(planned.table, selection.key_kind)]
    return columns


def _observed(plan: Plan, table: Table, selection: RowSelection | None) -> list[str]:
    """Return what observers (deid/observing/observers.py) need of a table."""
    columns = _of_links(plan, table, selection)
    is_population = table.name == plan.dataset.population
    if is_population and uses_birth_days(plan):
        columns += [column.name for column in list(table.of_kind("birth_date"))[:1]]
    if plan.steps_of(RedactNote):
        columns += identifying_columns(plan.dataset, table)
    columns += _of_cohort(plan, table)
    if selection is not None and (table.name == selection.carrier or selection.stands_alone(table)):
        columns += [c.name for predicate in selection.evaluated(table) for c in carriers(table, predicate)]
        columns += [c.name for c in encounter_key(table)] if table.name == selection.carrier else []
    if "readmitted_30d" in plan.request.derive and table.name == plan.dataset.encounters:
        stay = (start_of_visit(table), end_of_visit(table), next(table.of_kind("encounter_class"), None))
        columns += [column.name for column in stay if column is not None]
    planned = plan.table(table.name)
    if planned is not None and table.name in tables_reduced(plan):
        columns += columns_reduced(selection, planned)
    columns += columns_counted(plan, table, selection)
    if observes_codes(plan):
        columns += CodedColumns(plan, selection.period if selection is not None else None).columns(table)
    return columns


def _of_links(plan: Plan, table: Table, selection: RowSelection | None) -> list[str]:
    """Return the keys by which other tables are linked to this one, and the days by which their rows go with its."""
    columns: list[str] = []
    for other in linked_tables(plan):
        if other.link is not None and other.link.to == table.name:
            within = selection.bounds_link(other, table) if selection is not None else None
            days = carriers(table, within) if within is not None else ()
            columns += [other.link.key, *(day.name for day in days)]
    return columns


def _of_cohort(plan: Plan, table: Table) -> list[str]:
    """Return what chooses patients: the columns of the predicates, and the days by which rows count."""
    cohort = plan.request.cohort
    if cohort is None or cohort.unit is not Unit.PATIENTS:
        return []
    bounds = until(plan)
    carried = [column.name for predicate in cohort.predicates for column in carriers(table, predicate)]
    return carried + ([c.name for c in carriers(table, bounds)] if carried and bounds is not None else [])
