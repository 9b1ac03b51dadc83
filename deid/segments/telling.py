"""Which columns of a table tell of a segment, and which rows they tell."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.buffers import plain
from deid.days import NO_DAY
from deid.policy import Policy
from deid.schema import Column, DatasetDescription, Table
from deid.segments.ranges import ranges_of, told
from deid.segments.rules import MINORS, PART2, STATES, SegmentRule, Unit
from deid.selection import days_of, whole_years
from deid.visits import start_of_visit

Bools = npt.NDArray[np.bool_]
Days = npt.NDArray[np.int32]
_VISIT_KINDS = ("encounter_id", "claim_id")
_PROVIDERS = ("npi", "provider_id", "facility_id")
_OUTSIDE = pa.array(["NO", "N", "FALSE", "F", "0"])  # everything else is of a Part 2 program, or may be


@dataclass(frozen=True, slots=True)
class People:
    """What is known of the rows' patients: birth days, int32 (n,), and whether each is in the states of a rule."""

    birth: Days = field(repr=False)
    state: pa.Array = field(repr=False)


def rules_of(policy: Policy, dataset: DatasetDescription) -> tuple[SegmentRule, ...]:
    """Return the rules by which rows are left out, those by consent among them."""
    segments = policy.segments
    rules = segments.excluded(tells_part2=tells_part2(dataset))
    by_consent = (rule for rule in segments.rules.values() if rule.is_by_consent)
    said = {"programs": dataset.part2_programs, "empty_is_no": dataset.part2_marks == "positive"}
    return tuple(replace(rule, **said) if rule.name == PART2 else rule for rule in (*rules, *by_consent))  # type: ignore[arg-type]


def tells_part2(dataset: DatasetDescription) -> bool:
    """Whether a dataset says of any row that it is of a Part 2 program, or lists programs."""
    return bool(dataset.part2_programs) or any(True for table in dataset.tables for _ in table.of_kind(PART2))


def telling_columns(rule: SegmentRule, table: Table) -> list[Column]:
    """Return the columns of a table that tell of a segment: marks, codes, or for minors the days of rows."""
    if rule.name == PART2:
        return [*table.of_kind(PART2), *(table.of_kind(*_PROVIDERS) if rule.programs else ())]
    if rule.name == MINORS:
        day = start_of_visit(table)
        return [day] if day is not None else list(table.of_kind("age"))
    return [column for column in table.columns if ranges_of(rule.name, column)]


class VisitKey(NamedTuple):
    """A column by which rows of a visit are joined; columns of one `space` hold the same numbers."""

    space: str
    column: str


def visit_keys(dataset: DatasetDescription, table: Table) -> list[VisitKey]:
    """Return the columns that join rows of a table to others of their visit: its numbers, and links to and from it."""
    keys = [VisitKey(kind, column.name) for kind in _VISIT_KINDS for column in list(table.of_kind(kind))[:1]]
    for source in dataset.tables:
        link = source.link
        if link is None or link.to == dataset.population or table.name not in (source.name, link.to):
            continue
        column = link.on if table.name == source.name else link.key
        if column not in [key.column for key in keys]:
            keys.append(VisitKey(f"{link.to}.{link.key}", column))
    return keys


def columns_screened(policy: Policy, dataset: DatasetDescription, asked: Container[str], table: Table) -> list[str]:
    """Return the columns of a table by which rows are left out, beside the patient key; `asked`: tables released."""
    rules = rules_of(policy, dataset)
    if not rules:
        return []
    by_row = [rule for rule in rules if telling_columns(rule, table)]
    columns = [column for rule in by_row for column in telling_columns(rule, table)]
    if by_row:
        day = start_of_visit(table)
        columns += [day] if day is not None else []
        columns += list(table.of_kind("facility_state")) if any(rule.states for rule in by_row) else []
    names = [column.name for column in columns]
    is_target = any(source.link is not None and source.link.to == table.name for source in dataset.tables)
    is_visited = by_row or table.name in asked or table.name == dataset.encounters or is_target
    if is_visited and table.name != dataset.population:
        names += [key.column for key in visit_keys(dataset, table)]
    return list(dict.fromkeys(names))


def rows_told(rule: SegmentRule, table: Table, values: Mapping[str, pa.Array], people: People) -> Bools:
    """Return which rows a segment tells by their own cells, bool (n,); none where the table does not tell it."""
    columns = telling_columns(rule, table)
    found: Bools = np.zeros(len(people.birth), bool)
    if not columns:
        return found
    day = start_of_visit(table)
    on = days_of(values[day.name]) if day is not None else np.full(len(found), NO_DAY, np.int32)
    for column in columns:
        if column.kind.name == PART2:
            found |= is_marked(values[column.name], empty_is_no=rule.empty_is_no)
        elif rule.name == PART2:
            found |= _is_program(rule, values[column.name])
        elif rule.name == MINORS:
            found |= _is_minor(rule, column, values[column.name], on, people.birth)
        else:
            found |= told(rule.name, column, values[column.name], on)
    return found & _in_states(rule, table, values, people) if rule.states else found


def is_marked(marks: pa.Array, *, empty_is_no: bool) -> Bools:
    """Return which marks are not a plain no, bool (n,); an empty one may be a yes unless it is known to be a no."""
    texts = pc.utf8_upper(plain(marks).cast(pa.string()))
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    texts = pc.fill_null(texts, "NO" if empty_is_no else "")
    return ~np.asarray(pc.is_in(texts, value_set=_OUTSIDE).to_numpy(zero_copy_only=False), bool)


def _is_program(rule: SegmentRule, numbers: pa.Array) -> Bools:
    texts = plain(numbers).cast(pa.string())
    return np.asarray(pc.is_in(texts, value_set=pa.array(rule.programs)).to_numpy(zero_copy_only=False), bool)


def is_told(rule: SegmentRule, dataset: DatasetDescription) -> bool:
    """Whether any column of a dataset tells of a segment."""
    population = dataset.table(dataset.population)
    if rule.name == MINORS:
        has_birth = population is not None and any(population.of_kind("birth_date"))
        return any(_tells_age(table, has_birth=has_birth) for table in dataset.tables)
    return any(telling_columns(rule, table) for table in dataset.tables)


def is_reached(rule: SegmentRule, dataset: DatasetDescription, table: Table) -> bool:
    """Whether rows of a table can be left out by a segment: by what they tell, by their visit or with the patient."""
    reached = rule.exclude is Unit.PATIENTS or table.name == dataset.population
    return reached or bool(telling_columns(rule, table)) or bool(visit_keys(dataset, table))


def _tells_age(table: Table, *, has_birth: bool) -> bool:
    return any(table.of_kind("age")) or (has_birth and start_of_visit(table) is not None)


def _is_minor(rule: SegmentRule, column: Column, cells: pa.Array, on: Days, birth: Days) -> Bools:
    if column.kind.name == "age":
        ages = cells.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    else:
        ages = whole_years(birth, on)
    return np.asarray(ages < rule.under, bool)  # an unknown age is -1: it may be one


def _in_states(rule: SegmentRule, table: Table, values: Mapping[str, pa.Array], people: People) -> Bools:
    """Return which rows are in the states of a rule: by facility, else by patient; what is not known may be."""
    states = people.state
    column = next(table.of_kind("facility_state"), None)
    if column is not None:
        states = pc.coalesce(plain(values[column.name]).cast(pa.string()), states)
    states = pc.utf8_upper(states)
    inside = pc.is_in(states, value_set=pa.array(rule.states))
    known = pc.is_in(states, value_set=pa.array(sorted(STATES)))
    return np.asarray(pc.or_(inside, pc.invert(known)).to_numpy(zero_copy_only=False), bool)
