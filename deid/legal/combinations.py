"""What columns tell together: an age beside a year is a year of birth, and may be one of somebody over 89.

164.514(b)(2)(i)(C) closes "all elements of dates (including year) indicative of such age". A visit at 70 in 2001 tells
in 2026 of somebody of 95, so closing the ages over 89 cell by cell is not enough: the run closes the whole patient, by
the date of birth in the population table and the plan's reference date, the day on which the request expires.
A cohort of people from 85 on puts an age beside every year as well, with no column for it.

A length of stay beside the first and the last day of a visit tells exact days where the visit crosses from one unit to
the next: two days, from 2024 to 2025, are 31 December and 1 or 2 January, and every generalization of dates is undone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from deid.documents.cohort import Cohort, Combine, Predicate, Unit
from deid.documents.policy import Basis
from deid.documents.request import Series
from deid.kinds import KINDS, Kind, Value
from deid.legal.judgment import Finding
from deid.legal.safe_harbor import LIST, OLDEST
from deid.planning.plan import Plan, Step, TablePlan

_FIRST_DAYS = frozenset({"service_date", "admit_date"})
_VISIT_DATES = _FIRST_DAYS | {"discharge_date"}


def findings(plan: Plan) -> Iterator[Finding]:
    """Yield a finding for each age beside years that cannot be closed, and for each stay whose days can be computed."""
    yield from _stays(plan)
    if not _tells_years(plan):
        return
    if not _births_are_known(plan):
        yield from _open_ages(plan)
    if plan.request.cohort is not None:
        yield from _aged_cohort(plan, plan.request.cohort)


def _stays(plan: Plan) -> Iterator[Finding]:
    for table in plan.tables:
        dates = list(_visit_dates(plan, table))
        # Kept or shifted dates alone leave nothing to undo: their own paragraphs judge them.
        if not any(step.transform.name == "generalize_date" for step in dates):
            continue
        for step in table.written:
            subject = f"{table.table.name}.{step.column.name}"
            if step.column.kind.name == "length_of_stay" and len(dates) > 1:
                yield Finding(
                    f"{LIST}(C)",
                    subject,
                    "a length of stay beside two dates of the visit tells exact days where it crosses from one year, "
                    "quarter or month to the next; leave it out, or all dates but one",
                    frozenset({Basis.SAFE_HARBOR, Basis.EXPERT_DETERMINATION}),
                )
            elif step.column.kind.name == "readmission":
                # Thirty days around New Year are narrower than a year; an expert may accept them around a quarter.
                yield _closed_age(
                    subject,
                    "a readmission within 30 days, from one year to the next, was in January; leave it out, or the "
                    "dates of visits",
                )


def _visit_dates(plan: Plan, table: TablePlan) -> Iterator[Step]:
    """Yield the written dates of the visits in `table`, with those of tables whose rows can be laid beside its rows."""
    for other in plan.tables:
        if other is table or _meet(table, other) or _meet(other, table):
            yield from (step for step in other.written if step.column.kind.name in _VISIT_DATES)


def _meet(table: TablePlan, other: TablePlan) -> bool:
    """Whether both tables deliver the number of the encounter, or the key by which `other` is linked to `table`."""
    link = other.table.link
    if link is not None and link.to == table.table.name and _writes(table, link.key) and _writes(other, link.on):
        return True
    return all(any(step.column.kind.name == "encounter_id" for step in each.written) for each in (table, other))


def _writes(table: TablePlan, column: str) -> bool:
    return any(step.column.name == column for step in table.written)


def _open_ages(plan: Plan) -> Iterator[Finding]:
    for table in plan.tables:
        for step in table.written:
            if step.column.kind.name == "age":
                yield _closed_age(
                    f"{table.table.name}.{step.column.name}",
                    "ages beside years reveal years of birth, and the population table has no birth_date by which "
                    "patients over 89 could be closed; describe one, or leave the age or the years out",
                )


def _aged_cohort(plan: Plan, cohort: Cohort) -> Iterator[Finding]:
    """Yield a finding if a cohort from an age on tells, counted on from its year, of ages over 90 by now.

    From 90 on is no exception: beside a year it tells more than the one category that (C) permits.
    """
    youngest = _youngest(cohort)
    if youngest is None:
        return
    first = _first_year(plan, cohort)
    if first is None:
        yield _closed_age(
            "request.cohort",
            "a cohort from an age on tells ages over 89 if its visits are old enough; choose by birth_date, or choose "
            "`rows` and bound their dates below with `all`",
        )
    elif youngest + plan.reference_date.year - first > OLDEST:
        yield _closed_age(
            "request.cohort",
            f"whoever was {youngest} in {first} is over {OLDEST} at the reference date; "
            "choose later rows, or from a lower age on",
        )


def _closed_age(subject: str, text: str) -> Finding:
    return Finding(f"{LIST}(C)", subject, text, frozenset({Basis.SAFE_HARBOR}))


def _youngest(cohort: Cohort) -> int | None:
    """Return the age that everybody chosen had reached at some visit, or None where one may be chosen without it."""
    lows = [_low(predicate) for predicate in cohort.predicates if predicate.kind == "age"]
    if cohort.combine is Combine.ALL:
        return max((low for low in lows if low is not None), default=None)
    if len(lows) < len(cohort.predicates) or None in lows:
        return None  # one may have been chosen for another reason, or from any age on
    return min(low for low in lows if low is not None)


def _low(predicate: Predicate) -> int | None:
    return predicate.low if isinstance(predicate.low, int) and predicate.low > 0 else None


def _first_year(plan: Plan, cohort: Cohort) -> int | None:
    """Return the first year in which the age can have been reached, or None if nothing bounds it."""
    if cohort.unit is Unit.PATIENTS:
        return None  # different rows may meet different predicates, so a date bounds another row than the age's
    years = [plan.period.first.year] if plan.period is not None and plan.request.series is Series.INCREMENT else []
    if cohort.combine is Combine.ALL:
        years += [
            predicate.low.year
            for predicate in cohort.predicates
            if predicate.kind in _FIRST_DAYS and isinstance(predicate.low, date)
        ]
    return max(years, default=None)


def _births_are_known(plan: Plan) -> bool:
    population = plan.dataset.table(plan.dataset.population)
    return population is not None and next(population.of_kind("birth_date"), None) is not None


def _tells_years(plan: Plan) -> bool:
    """Whether a column, or anything the manifest says of the request, tells in which year something happened."""
    if plan.period is not None or plan.request.window is not None:
        return True
    cohort = plan.request.cohort
    if cohort is not None and any(_holds_years(KINDS[predicate.kind]) for predicate in cohort.predicates):
        return True
    return any(_holds_years(step.column.kind) for table in plan.tables for step in table.written)


def _holds_years(kind: Kind) -> bool:
    return kind.value is Value.DATE or kind.name == "year"
