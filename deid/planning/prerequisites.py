"""What must be known before a plan's first row can be written, told from the plan alone."""

from __future__ import annotations

from deid.observing.selection import carriers
from deid.planning.chosen_rows import selects_rows
from deid.planning.plan import Plan
from deid.schema import Table
from deid.transforms.generalize_age import GeneralizeAge
from deid.transforms.pseudonymize import Pseudonymize
from deid.transforms.redact_note import RedactNote
from deid.visits import evidence


def needs_crosswalk(plan: Plan) -> bool:
    """Whether any column gets a random pseudonym, or dates a random offset."""
    has_offsets = plan.shift is not None and plan.shift.method == "random"
    return has_offsets or any(method == "random" for _, method in pseudonymized(plan))


def observed_first(plan: Plan) -> bool:
    """Whether anything must be decided before the first row is written, so that the population is read twice."""
    return (
        plan.request.cohort is not None
        or selects_rows(plan)
        or plan.policy.limits.k is not None
        or needs_crosswalk(plan)
        or plan.table(plan.dataset.population) is None
        or any(planned.table.link is not None for planned in plan.tables)
        or "readmitted_30d" in plan.request.derive
        or observes_codes(plan)
        or bool(plan.steps_of(RedactNote))
    )


def observes_codes(plan: Plan) -> bool:
    """Whether a visit's codes may stand in several rows, so that they are read before the first visit is written."""
    return bool(plan.families) and evidence.visit_key_kind(plan.dataset) is not None


def uses_birth_days(plan: Plan) -> bool:
    """Whether ages are judged, computed or generalized anywhere in the plan."""
    kinds = {step.column.kind.name for planned in plan.tables for step in planned.written}
    predicates = plan.request.cohort.predicates if plan.request.cohort else ()
    return (
        bool(kinds & {"birth_date", "age"})
        or any(p.kind == "age" for p in predicates)
        or bool(plan.steps_of(GeneralizeAge))
        or plan.cuts_dates_in_notes
    )


def patient_arrays(plan: Plan) -> frozenset[str]:
    """Return which arrays the run keeps for each patient."""
    keeps = {"birth_day"} if uses_birth_days(plan) else set()
    keeps |= {"met"} if plan.request.cohort or selects_rows(plan) else set()
    keeps |= {"klass"} if plan.policy.limits.k is not None else set()
    keeps |= {"offset"} if plan.shift is not None else set()
    keeps |= {"pseudonym"} if any(kind == "patient_id" for kind, _ in pseudonymized(plan)) else set()
    return frozenset(keeps)


def linked_tables(plan: Plan) -> list[Table]:
    """Return the tables that reach their patient by a link, and whose rows are observed or written."""
    predicates = plan.request.cohort.predicates if plan.request.cohort else ()
    witnesses = evidence.witnesses(plan.dataset, plan.families) if observes_codes(plan) else []
    return [
        table
        for table in plan.dataset.tables
        if table.link is not None
        and (plan.table(table.name) is not None or any(carriers(table, p) for p in predicates) or table in witnesses)
    ]


def pseudonymized(plan: Plan) -> list[tuple[str, str]]:
    """Return kind and method of every column that gets a pseudonym."""
    return [
        (step.column.kind.name, step.transform.method)
        for planned in plan.tables
        for step in planned.written
        if isinstance(step.transform, Pseudonymize)
    ]
