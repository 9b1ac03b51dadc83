"""What stands in the way of a plan because of segments: what a description cannot tell, and Part 2 without a basis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deid.documents.policy import Basis, Policy
from deid.planning.plan import TablePlan
from deid.schema import DatasetDescription, Table
from deid.segments.ranges import segments
from deid.segments.rules import MINORS, PART2, Part2Basis, SegmentRule
from deid.segments.telling import is_reached, is_told, rules_of, telling_columns
from deid.transforms.redact_note import RedactNote


def untold_segments(policy: Policy, dataset: DatasetDescription, tables: Sequence[TablePlan]) -> Iterator[str]:
    """Yield what a plan cannot leave out, though its policy asks for it, and what may not be in."""
    yield from untold_in(policy, dataset, [planned.table for planned in tables])
    for rule in rules_of(policy, dataset):
        if rule.name in segments() and not policy.segments.keeps_notes:
            yield from _notes(rule, tables)
    if policy.segments.part2_basis is Part2Basis.DEIDENTIFIED and policy.basis is Basis.LIMITED_DATA_SET:
        yield (
            "segments: part2: a Limited Data Set is not de-identified (42 CFR 2.16, 2.52); state another basis, "
            "`{include: research}`, `{include: audit}` or `{include: consent}`"
        )


def untold_in(policy: Policy, dataset: DatasetDescription, tables: Sequence[Table]) -> Iterator[str]:
    """Yield what cannot be left out of these tables, though a policy asks for it."""
    for rule in rules_of(policy, dataset):
        if not is_told(rule, dataset):
            yield f"segments: {rule.name}: no column of dataset {dataset.name} tells it; {_remedy(rule)}"
            continue
        yield from _stateless(rule, dataset)
        for table in tables:
            if not is_reached(rule, dataset, table):
                yield (
                    f"{table.name}: neither a cell nor the number of a visit tells whether a row is of segment "
                    f"{rule.name}; leave the table out, or write `{rule.name}: {{exclude: patients}}`"
                )


def _stateless(rule: SegmentRule, dataset: DatasetDescription) -> Iterator[str]:
    """Yield the tables whose rows tell a segment of some states, and not where they were, though others tell it."""
    if not rule.states or not any(True for table in dataset.tables for _ in table.of_kind("facility_state")):
        return
    telling = [t for t in dataset.tables if t.name != dataset.population and telling_columns(rule, t)]
    for table in telling:
        if not any(table.of_kind("facility_state")):
            yield (
                f"{table.name}: tells of segment {rule.name}, and not in which state the facility is, as other tables "
                f"do; add a column of kind facility_state to it, or write {rule.name} without `states`"
            )


def _notes(rule: SegmentRule, tables: Sequence[TablePlan]) -> Iterator[str]:
    for planned in tables:
        for step in planned.written:
            if isinstance(step.transform, RedactNote):
                yield (
                    f"{planned.table.name}.{step.column.name}: a text tells of segment {rule.name} where no code does; "
                    "leave the column out, or write `notes: keep` under `segments`"
                )


def _remedy(rule: SegmentRule) -> str:
    if rule.name == PART2:
        return "describe a column of kind part2, or list the programs' numbers under `part2_programs`"
    if rule.name == MINORS:
        return "describe the birth date in the population and a day of the visit, or a column of kind age"
    return "describe the columns of its codes (`deid segments list` names the systems), or leave it out of the policy"
