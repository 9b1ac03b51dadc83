"""Which rows a plan is about: those of its cohort, of its period, and of years that are over."""

from __future__ import annotations

from collections.abc import Sequence

from deid.documents.cohort import Combine, Predicate, Unit
from deid.documents.request import Series
from deid.errors import PlanError
from deid.observing.decision import RowSelection
from deid.observing.selection import VISIT, carriers
from deid.patients.positions import Tagger
from deid.planning.plan import Plan
from deid.schema import Table
from deid.visits.columns import encounter_key


def row_selection(plan: Plan) -> RowSelection | None:
    """Return which rows a plan is about, None where it is about all; raise PlanError where no table tells."""
    cohort = plan.request.cohort
    by_rows = cohort is not None and cohort.unit is Unit.ROWS
    within = _within(plan)
    if not by_rows and within is None:
        return None
    predicates = cohort.predicates if cohort is not None and by_rows else ()
    carrier = _carrier(plan, [*predicates, *([within] if within else [])])
    key = encounter_key(carrier)
    combine = cohort.combine if cohort is not None else Combine.ALL
    key_kind = key[0].kind.name if key else None
    return RowSelection(carrier.name, combine, predicates, within, Tagger.fresh(), None, key_kind)


def selects_rows(plan: Plan) -> bool:
    """Whether rows are chosen by their own cells, and with them the patients who have one."""
    cohort = plan.request.cohort
    return (cohort is not None and cohort.unit is Unit.ROWS) or _within(plan) is not None


def until(plan: Plan) -> Predicate | None:
    """Return the bounds of the rows by which patients may be chosen, or None where all rows count."""
    return Predicate(VISIT, high=plan.through) if plan.through else None


def _within(plan: Plan) -> Predicate | None:
    """Return the bounds of the visits that a release is about, or None where it is about all of them.

    A cumulative release holds everything up to the end of its period, an increment only the period itself. Under Safe
    Harbor nothing of a year that is not over leaves: the day of release would tell in which part of it a visit was.
    """
    period = plan.period
    first = period.first if period is not None and plan.request.series is Series.INCREMENT else None
    tells_visits = any(planned.table.name != plan.dataset.population for planned in plan.tables)
    ends = [period.last] if period is not None else []
    ends += [plan.through] if plan.through is not None and tells_visits else []
    if not ends:
        return None
    within = Predicate(VISIT, low=first, high=min(ends))
    # Without a period, a source that dates no visit has none to leave out.
    dated = any(carriers(table, within) for table in plan.dataset.tables)
    return within if dated or period is not None else None


def _carrier(plan: Plan, predicates: Sequence[Predicate]) -> Table:
    tables = sorted(plan.dataset.tables, key=lambda table: table.name != plan.dataset.encounters)
    for table in tables:
        if all(carriers(table, predicate) for predicate in predicates):
            return table
    kinds = ", ".join(predicate.kind for predicate in predicates)
    raise PlanError(
        f"no table carries all that selects rows: {kinds}",
        hint="select by what one table has, or select whole patients; a period needs a date in the encounters table",
    )
