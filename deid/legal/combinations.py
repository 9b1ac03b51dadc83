"""What columns tell together: an age beside a year is a year of birth, and may be one of somebody over 89.

164.514(b)(2)(i)(C) closes "all elements of dates (including year) indicative of such age". A visit at 70 in 2001 tells
in 2026 of somebody of 95, so closing the ages over 89 cell by cell is not enough: the run closes the whole patient, by
the date of birth in the population table and the plan's reference date, the day on which the request expires.
A cohort that keeps the rows of people from 85 on puts an age beside every year as well, with no column for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from deid.cohort import Cohort, Combine, Predicate, Unit
from deid.kinds import KINDS, Kind, Role, Value
from deid.legal.judgment import Finding
from deid.legal.safe_harbor import LIST, OLDEST
from deid.plan import Plan
from deid.policy import Basis
from deid.request import Series

_FIRST_DAYS = frozenset({"service_date", "admit_date"})


def findings(plan: Plan) -> Iterator[Finding]:
    """Yield a finding for each age that stands beside years and cannot be closed, in a column or in the cohort.

    Also one for each quasi-identifier of the population that the policy's k does not count: a k that leaves out what is
    released beside it guards nobody.
    """
    yield from _uncounted(plan)
    if not _tells_years(plan):
        return
    if not _births_are_known(plan):
        yield from _open_ages(plan)
    cohort = plan.request.cohort
    if cohort is not None and cohort.unit is Unit.ROWS:
        yield from _aged_rows(plan, cohort)


def _uncounted(plan: Plan) -> Iterator[Finding]:
    limits, population = plan.policy.limits, plan.table(plan.dataset.population)
    if limits.k is None or population is None:
        return
    for step in population.written:
        kind = step.column.kind
        if kind.role is Role.QUASI and kind.name not in limits.quasi_identifiers:
            yield Finding(
                "164.514(b)(1)",
                f"{population.table.name}.{step.column.name}",
                f"k = {limits.k} does not count {kind.name}, so patients may be told apart by it: count it among "
                "limits.quasi_identifiers, or leave it out",
                frozenset({Basis.EXPERT_DETERMINATION}),
            )


def _open_ages(plan: Plan) -> Iterator[Finding]:
    for table in plan.tables:
        for step in table.written:
            if step.column.kind.name == "age":
                yield _closed_age(
                    f"{table.table.name}.{step.column.name}",
                    "ages beside years reveal years of birth, and the population table has no birth_date by which "
                    "patients over 89 could be closed; describe one, or leave the age or the years out",
                )


def _aged_rows(plan: Plan, cohort: Cohort) -> Iterator[Finding]:
    """Yield a finding if rows are chosen by an age that, counted on from their year, may be over 90 by now."""
    youngest = _youngest(cohort)
    if youngest is None or youngest >= OLDEST:  # from 90 on is the one category that (C) itself permits
        return
    first = _first_year(plan, cohort)
    if first is None:
        yield _closed_age(
            "request.cohort",
            "rows chosen from an age on tell an age over 89 if they are old enough; bound their dates below as well",
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
    """Return the age that every chosen row has reached, or None where rows are chosen without one."""
    lows = [_low(predicate) for predicate in cohort.predicates if predicate.kind == "age"]
    if cohort.combine is Combine.ALL:
        return max((low for low in lows if low is not None), default=None)
    if len(lows) < len(cohort.predicates) or None in lows:
        return None  # a row may have been chosen for another reason, or from any age on
    return min(low for low in lows if low is not None)


def _low(predicate: Predicate) -> int | None:
    return predicate.low if isinstance(predicate.low, int) and predicate.low > 0 else None


def _first_year(plan: Plan, cohort: Cohort) -> int | None:
    """Return the first year that a chosen row can be of, or None if nothing bounds it."""
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
