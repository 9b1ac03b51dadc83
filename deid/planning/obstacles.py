"""What stands in the way of a plan beyond its single columns: time, shifted dates, what could not be checked again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from deid.documents.period import Period
from deid.documents.policy import Policy
from deid.documents.request import Request, Schedule
from deid.documents.text_rules import dates_in_text
from deid.errors import PlanError
from deid.kinds import KINDS, Value
from deid.planning.plan import Step, TablePlan, redactions, shifts_in_columns, shifts_in_notes
from deid.schema import DatasetDescription
from deid.transforms.redact_note import RedactNote
from deid.transforms.shift_date import ShiftDate

MOST_YEARS = 10  # from the day of compiling to the expiry of a request


def refuse_untimely(request: Request, period: Period | None, today: date) -> None:
    """Refuse an expiry that has passed or lies too far ahead, and a period that is not over."""
    if request.expires < today:
        raise PlanError(
            f"request {request.name} expired on {request.expires}", hint="ask the privacy officer for a new expiry"
        )
    # Ages are judged at the expiry (ADR 0003): far ahead everybody is 90, and every year of birth is closed silently.
    if (request.expires.year - MOST_YEARS, request.expires.month, request.expires.day) > today.timetuple()[:3]:
        raise PlanError(
            f"request {request.name} expires on {request.expires}, more than {MOST_YEARS} years from now",
            hint="ages are judged at the expiry, so a late one closes them: name an earlier day and renew the request",
        )
    if period is not None and period.last >= today:
        raise PlanError(
            f"the period {period.label} is not over: it ends on {period.last}",
            hint="a release of a part of it would date its visits; wait until it is over, or name an earlier period",
        )


def unmet_needs(request: Request, policy: Policy, tables: tuple[TablePlan, ...], period: Period | None) -> list[str]:
    """Return what steps need of the request and of each other."""
    shifts = shifts_in_columns(tables) | shifts_in_notes(policy, tables)
    problems = _unsaid(policy, tables)
    problems += _shifted(request, shifts, period)
    if shifts:
        problems += [
            f"{table.table.name}.{step.column.name}: beside shifted dates, one that tells its true unit of time bounds "
            "the offset; shift it too, or leave it out"
            for table in tables
            for step in table.written
            if _tells_a_true_date(step)
        ]
    for table in tables:
        has_pseudonym = any(s.column.name == table.table.patient and s.output is not None for s in table.steps)
        if any(isinstance(s.transform, RedactNote) for s in table.steps) and not has_pseudonym:
            problems.append(
                f"{table.table.name}: notes are released beside their patient's pseudonym only, so that what was "
                "released can be checked against that patient's own identifiers"
            )
    return problems


def uncheckable(dataset: DatasetDescription, tables: tuple[TablePlan, ...]) -> Iterator[str]:
    """Yield what counts in a patient's vector, and could not be counted again on what was released."""
    reduced = [(t, s) for t in tables for s in t.written if s.take is not None]
    for table, step in reduced:
        if isinstance(step.transform, RedactNote):
            yield f"{table.table.name}.{step.column.name}: a text cannot be reduced to one value of the patient"
    population = [t for t in tables if t.table.name == dataset.population]
    for table in {t.table.name: t for t, _ in reduced}.values():
        for needed in [table, *population]:
            if not any(s.column.name == needed.table.patient and s.output is not None for s in needed.steps):
                yield (
                    f"{needed.table.name}: columns of {table.table.name} are reduced to one value of the patient, "
                    "which is checked on what was released; ask for the patient's pseudonym"
                )


def _unsaid(policy: Policy, tables: tuple[TablePlan, ...]) -> list[str]:
    """Return the notes whose dates the policy's rules for dates cannot bear out."""
    return [
        f"{where}: redact_note writes {rule.dates} for dates, and no date of the policy may be written so; give dates "
        "a rule that agrees, or write `dates: tag`"
        for where, rule in redactions(tables)
        if rule.dates != "tag" and not dates_in_text(policy, rule)
    ]


def _shifted(request: Request, shifts: set[ShiftDate], period: Period | None) -> list[str]:
    """Return what stands in the way of shifted dates: whatever bounds true dates shows how far they have moved."""
    problems: list[str] = []
    if len(shifts) > 1:
        problems.append(
            "shift_date: one offset serves every date of a patient, so its options must be the same everywhere"
        )
    for shift in shifts:
        if request.window is None:
            problems.append("shift_date: the request must name the window of its data, `window: {from: ..., to: ...}`")
        elif (request.window[1] - request.window[0]).days <= 2 * shift.max_days:
            problems.append(
                f"shift_date: the window must be longer than {2 * shift.max_days} days, since {shift.max_days} are cut "
                "from both ends"
            )
    bounds = [] if period is None else ["a period"]
    bounds += [] if request.schedule is Schedule.ONCE else [f"a {request.schedule} schedule"]
    bounds += [f"a cohort by {kind}" for kind in _dates_of_cohort(request)]
    if shifts and bounds:
        # Rows are chosen by true dates: a visit shown three days before the bound has moved by at least three days.
        problems.append(
            f"shift_date: {' and '.join(bounds)} would publish the offset; choose by no date and release once, or "
            "generalize dates instead"
        )
    return problems


def _tells_a_true_date(step: Step) -> bool:
    """Whether a column tells when something truly was; a birth lies too far from visits to bound their offset."""
    kind = step.column.kind
    if isinstance(step.transform, RedactNote):
        return step.transform.dates not in ("tag", "shift")
    is_date = (kind.value is Value.DATE and kind.name != "birth_date") or kind.name in ("year", "part_of_year")
    return is_date and not isinstance(step.transform, ShiftDate)


def _dates_of_cohort(request: Request) -> list[str]:
    """Return the kinds of dates and years that the cohort is bounded by."""
    predicates = request.cohort.predicates if request.cohort is not None else ()
    return sorted({p.kind for p in predicates if KINDS[p.kind].value is Value.DATE or p.kind == "year"})
