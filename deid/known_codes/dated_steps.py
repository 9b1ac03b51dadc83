"""Which columns show dates that somebody may know beside codes, and which of them the release ties to codes."""

from __future__ import annotations

from dataclasses import dataclass

from deid.kinds import Value
from deid.planning.plan import Plan, Step, TablePlan
from deid.schema import Table
from deid.transforms.map_codes import MapCodes
from deid.transforms.shift_date import ShiftDate

_OF_THE_PATIENT = frozenset({"birth_date", "death_date"})
_PARTS = frozenset({"year", "part_of_year"})  # parts of dates that are numbers or codes by their values
_OF_VISITS = frozenset({"encounter_id", "claim_id"})  # what rows of several tables are joined by


def dated_steps(plan: Plan, planned: TablePlan) -> list[Step]:
    """Return the steps of a table whose dates somebody may know; none unless the policy counts dates."""
    limits = plan.policy.limits.codes
    if limits is None or limits.known_dates == 0:
        return []
    return [step for step in _shown(plan, planned) if step.column.kind.value is Value.DATE]


def columns_dated(plan: Plan, table: Table) -> list[str]:
    """Return the columns by which dates of a table are counted."""
    planned = plan.table(table.name)
    return [step.column.name for step in dated_steps(plan, planned)] if planned is not None else []


@dataclass(frozen=True, slots=True)
class TiedSteps:
    """What ties codes and dates in a table: its dates, and the numbers of visits by which other tables join it."""

    dates: tuple[Step, ...] = ()
    visits: tuple[Step, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The names of these columns."""
        return [step.column.name for step in (*self.dates, *self.visits)]


def tied_steps(plan: Plan) -> dict[str, TiedSteps]:
    """Return by table what ties mapped codes to dates; empty where the release ties none.

    A code is tied to the dates of its own row, and to those in all rows that share with it a number of an encounter or
    a claim, under a pseudonym or not; of one kind, pseudonyms are the same in every table of a release.
    """
    if plan.policy.limits.codes is None:
        return {}
    found = {}
    for planned in plan.tables:
        visits = tuple(step for step in planned.written if step.column.kind.name in _OF_VISITS)
        mapped = any(isinstance(step.transform, MapCodes) for step in planned.written)
        dates = tuple(_shown(plan, planned)) if mapped or visits else ()
        if mapped or visits:
            found[planned.table.name] = (mapped, TiedSteps(dates, visits))
    in_rows = any(mapped and steps.dates for mapped, steps in found.values())
    joined = any(mapped and steps.visits for mapped, steps in found.values())
    by_visits = joined and any(steps.dates and steps.visits for _, steps in found.values())
    if not in_rows and not by_visits:
        return {}
    return {
        name: steps if by_visits else TiedSteps(steps.dates)
        for name, (mapped, steps) in found.items()
        if mapped or (by_visits and steps.visits)
    }


def all_moved(steps: dict[str, TiedSteps]) -> bool:
    """Whether all dates that codes are tied to are days shifted by an offset of the patient."""
    return all(isinstance(step.transform, ShiftDate) for tied in steps.values() for step in tied.dates)


def _shown(plan: Plan, planned: TablePlan) -> list[Step]:
    counted = plan.policy.limits.quasi_identifiers if planned.table.name == plan.dataset.population else ()
    return [
        step
        for step in planned.written
        if step.measure is None
        and step.take is None  # a date of the class tells no more than the class
        and (step.column.kind.value is Value.DATE or step.column.kind.name in _PARTS)
        and step.column.kind.name not in (*_OF_THE_PATIENT, *counted)
    ]
