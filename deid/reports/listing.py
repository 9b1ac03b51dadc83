"""What the report lists of a release: its columns, its quasi-identifiers, the lists that rules rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deid.cells import places
from deid.checks.further_check import is_counted
from deid.codes import system_of
from deid.kinds import Group
from deid.observing.decision import Decision
from deid.planning.plan import Plan, Step
from deid.release.writing import TableFacts
from deid.reports import grades
from deid.reports.column_model import Column, QuasiIdentifier
from deid.reports.release_side import ReleaseSide
from deid.reports.small import rounded, weighed
from deid.reports.source_side import SourceSide
from deid.transforms.generalize_zip import GeneralizeZip
from deid.transforms.words import rule_text


def columns(plan: Plan, decision: Decision, facts: Mapping[str, TableFacts]) -> Iterator[Column]:
    """Yield what was done to each released column."""
    vectors = decision.controls.vectors
    chosen = {each.name: each for each in vectors.chosen} if vectors is not None else {}
    for planned in plan.tables:
        nulls = facts[planned.table.name].nulls
        for step in planned.written:
            rung = chosen.get(f"{planned.table.name}.{step.column.name}")
            yield Column(
                table=planned.table.name,
                name=step.column.name,
                kind=step.column.kind.name,
                role=step.column.kind.role.value,
                rule=rule_text(step.transform),
                holds=step.output.domain.describe() if step.output is not None else "",
                citation=step.citation,
                nulls=nulls.get(step.column.name, 0),
                rung=rung.level + 1 if rung is not None else None,
                rungs=len(rung.rungs) if rung is not None else None,
            )


def versions(plan: Plan) -> Iterator[str]:
    """Yield the lists that rules and rungs rest on."""
    for planned in plan.tables:
        for step in planned.written:
            system = system_of(step.column.kind.name, step.column.use)
            if system is not None and step.measure is None:
                yield from (f"{system.title}: {codes.release}" for codes in system.lists)
            if isinstance(step.transform, GeneralizeZip):
                yield f"ZIP populations: census {places.CENSUS_VINTAGE}, SHA-256 {places.table_digest()}"


def quasi_identifiers(
    plan: Plan, decision: Decision, source: SourceSide, back: ReleaseSide
) -> Iterator[QuasiIdentifier]:
    """Yield the columns that may identify together with others, and how each was weighed."""
    vectors = decision.controls.vectors
    chosen = {each.name: each.rungs for each in vectors.chosen} if vectors is not None else {}
    places_of = {step.column.name: place for place, step in enumerate(source.steps)}
    for planned in plan.tables:
        is_population = planned.table.name == plan.dataset.population
        for step in planned.written:
            kind = step.column.kind
            place = places_of.get(step.column.name) if is_population else None
            if not grades.is_weighed(kind):
                continue
            values = _effective(back, place) if place is not None else None
            weight = grades.weight_of(kind)
            name = f"{planned.table.name}.{step.column.name}"
            yield QuasiIdentifier(
                column=name,
                kind=kind.name,
                rule=rule_text(step.transform),
                rungs=chosen.get(name, ()),
                counted=_counted(plan, step, in_vector=place is not None),
                replicability=weight.replicability,
                availability=weight.availability,
                distinguishability=grades.distinguishability(kind, values),
                why=weight.why,
                values=values,
            )


def _counted(plan: Plan, step: Step, *, in_vector: bool) -> str:
    limits = plan.policy.limits
    if step.take is not None:
        return f"in the vector, one value a patient ({step.take.value})"
    if in_vector:
        return "in the vector" if limits.k is not None else "measured, no limit"
    if limits.codes is not None and step.column.kind.name in limits.codes.kinds:
        return f"by the attack with {limits.codes.known} known codes"
    if limits.codes is not None and limits.codes.known_dates and step.column.kind.group is Group.TIME:
        return f"by the attack with {limits.codes.known_dates} known dates"
    if limits.risk.further is not None and is_counted(step):
        return "as one further thing known"
    return "not counted"


def _effective(back: ReleaseSide, place: int) -> float | None:
    """Return one over the chance that two patients share a value (Simpson 1949)."""
    table = weighed(back.vectors.table(place)[1])
    if table is None:
        return None
    share = table.counts[:, 0] / max(1, int(table.counts.sum()))
    return rounded(1 / float((share**2).sum()), 1) if len(share) else None
