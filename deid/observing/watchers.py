"""Which observers watch the first reading of a source, by what the plan must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from deid.documents.cohort import Predicate, Unit
from deid.errors import PlanError
from deid.observing.decision import OFFSETS, Decision, RowSelection, VisitBits
from deid.observing.observers import (
    BirthDays,
    CohortPatients,
    CohortRows,
    Links,
    Observer,
    Offsets,
    RandomCodes,
    RandomOffsets,
)
from deid.observing.rows import LinkMap, Rows
from deid.observing.selection import carriers
from deid.observing.workshop import Workshop
from deid.patients.own_identifiers import Identifiers
from deid.patients.positions import Patients, Tagger
from deid.planning.chosen_rows import until
from deid.planning.plan import Plan
from deid.planning.prerequisites import linked_tables, needs_crosswalk, observed_first, observes_codes, uses_birth_days
from deid.transforms.redact_note import RedactNote
from deid.transforms.shift_date import ShiftDate
from deid.visits.coded import CodedColumns, CodedVisits
from deid.visits.stays import Stays

MAX_PREDICATES = 31


def watchers(
    plan: Plan, rows: Rows, patients: Patients, workshop: Workshop, decision: Decision
) -> tuple[list[Observer], Stays | None, Decision]:
    """Return the observers of a plan, the one of stays if it is among them, and the decision with what they fill.

    Raises PlanError for a cohort that no table can tell.
    """
    observers: list[Observer] = []
    stays = None
    if not observed_first(plan):
        return observers, stays, decision
    observers += registrars(plan, decision, workshop)
    if plan.steps_of(RedactNote):
        identifiers = workshop.sealed_map(identifiers=pa.string())
        decision = replace(decision, identifiers=identifiers)
        observers.append(Identifiers(plan, identifiers))
    if workshop.series is not None:
        observers.append(workshop.series.observer)
    observers += _links(plan, rows, workshop, decision.rows)
    cohort = plan.request.cohort
    if cohort is not None and cohort.unit is Unit.PATIENTS:
        _check_cohort(plan, cohort.predicates)
        observers.append(CohortPatients(cohort.predicates, patients, until(plan)))
    if decision.rows is not None:
        observers.append(CohortRows(decision.rows, patients))
    if needs_crosswalk(plan):
        observers.append(RandomCodes(plan, decision.pseudonyms, workshop.crosswalk))
    if "readmitted_30d" in plan.request.derive:
        tagger = Tagger.fresh()
        decision = replace(decision, stays=workshop.sealed_map(followed=pa.bool_()), stay_tagger=tagger)
        stays = Stays(plan, workshop.sealed_rows(patient=pa.int32(), start=pa.int32(), end=pa.int32()), tagger)
        observers.append(stays)
    if observes_codes(plan):
        bits = VisitBits(Tagger.fresh(), workshop.sealed_map(**dict.fromkeys(plan.families, pa.uint64())))
        told = CodedColumns(plan, decision.rows.period if decision.rows is not None else None)
        decision = replace(decision, coded=bits)
        observers.append(CodedVisits(told, plan.families, bits))
    return observers, stays, decision


def registrars(plan: Plan, decision: Decision, workshop: Workshop) -> list[Observer]:
    """Return what notes the patients themselves, in whichever reading of the population comes first."""
    found: list[Observer] = []
    births = BirthDays(plan, decision)
    population = plan.dataset.table(plan.dataset.population)
    if uses_birth_days(plan) and population is not None and births.columns(population):
        found.append(births)
    if plan.shift is not None:
        found.append(_offsets(plan, decision, workshop, plan.shift))
    return found


def _offsets(plan: Plan, decision: Decision, workshop: Workshop, shift: ShiftDate) -> Offsets | RandomOffsets:
    if shift.method == "random":
        return RandomOffsets(plan, decision, workshop.crosswalk, shift, workshop.sealed_tags(patient=pa.int32()))
    return Offsets(plan, decision, workshop.cmac(OFFSETS, plan.request.name, plan.request.party), shift)


def _links(plan: Plan, rows: Rows, workshop: Workshop, selection: RowSelection | None) -> list[Observer]:
    observers: list[Observer] = []
    for table in linked_tables(plan):
        if table.link is not None and (target := plan.dataset.table(table.link.to)) is not None:
            rows.links[table.name] = LinkMap(Tagger.fresh(), workshop.sealed_map(patient=pa.int32()))
            within = selection.bounds_link(table, target) if selection is not None else None
            observers.append(Links(target, table, rows.links[table.name], within))
    return observers


def _check_cohort(plan: Plan, predicates: Sequence[Predicate]) -> None:
    if len(predicates) > MAX_PREDICATES:
        raise PlanError(f"a cohort has at most {MAX_PREDICATES} predicates", hint="join codes into one predicate")
    for predicate in predicates:
        if not any(carriers(table, predicate) for table in plan.dataset.tables):
            raise PlanError(
                f"no table of dataset {plan.dataset.name} has a column of kind {predicate.kind}, which the cohort uses",
                hint="select by a kind that the dataset description names",
            )
