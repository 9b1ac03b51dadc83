"""Which columns of a table tell of a segment, and which rows they tell."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain, validity
from deid.cells.days import NO_DAY
from deid.cells.text_cells import without_fraction
from deid.documents.policy import Policy
from deid.observing.selection import days_of, whole_years
from deid.schema import Column, DatasetDescription, Table
from deid.segments.ranges import ranges_of, told
from deid.segments.rules import MINORS, PART2, STATES, SegmentRule, Unit
from deid.visits.columns import end_of_visit, start_of_visit

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
    population = dataset.table(dataset.population)
    knows_birth = population is not None and any(True for _ in population.of_kind("birth_date"))
    empty_is_no = dataset.part2_marks == "positive"
    return tuple(
        replace(rule, programs=dataset.part2_programs, empty_is_no=empty_is_no, knows_birth=knows_birth)
        for rule in (*rules, *by_consent)
    )


def tells_part2(dataset: DatasetDescription) -> bool:
    """Whether a dataset says of any row that it is of a Part 2 program, or lists programs."""
    return bool(dataset.part2_programs) or any(True for table in dataset.tables for _ in table.of_kind(PART2))


def telling_columns(rule: SegmentRule, table: Table) -> list[Column]:
    """Return the columns of a table that tell of a segment: marks, codes, or for minors the days of rows."""
    if rule.name == PART2:
        return [*table.of_kind(PART2), *(table.of_kind(*_PROVIDERS) if rule.programs else ())]
    if rule.name == MINORS:
        day = start_of_visit(table) if rule.knows_birth else None
        return [*([day] if day is not None else []), *table.of_kind("age")]
    return [column for column in table.columns if ranges_of(rule.name, column)]


class VisitKey(NamedTuple):
    """A column by which rows of a visit are joined; columns of one `space` hold the same numbers."""

    space: str
    column: str


def visit_keys(dataset: DatasetDescription, table: Table) -> list[VisitKey]:
    """Return the columns that join rows of a table to others of their visit: its numbers, and links to and from it."""
    # Every number, not the first alone: a corrected claim names the claim that it corrects in a column of its own.
    keys = [VisitKey(column.kind.name, column.name) for column in table.of_kind(*_VISIT_KINDS)]
    for source in dataset.tables:
        link, target = source.link, dataset.table(source.link.to) if source.link is not None else None
        if link is None or target is None or target.name == dataset.population:
            continue
        for side, name in ((source, link.on), (target, link.key)):
            if side.name == table.name and not _is_one_space(source.column(link.on), target.column(link.key)):
                keys.append(VisitKey(f"{link.to}.{link.key}", name))
    return list(dict.fromkeys(keys))


def _is_one_space(*ends: Column | None) -> bool:
    """Whether both ends of a link are numbers of one kind, which joins their rows already."""
    kinds = {end.kind.name if end is not None else "" for end in ends}
    return len(kinds) == 1 and kinds <= set(_VISIT_KINDS)


def joins_visits(dataset: DatasetDescription, table: Table) -> bool:
    """Whether rows of a table tell that two numbers are of one visit."""
    return table.name != dataset.population and len(visit_keys(dataset, table)) > 1


def columns_screened(policy: Policy, dataset: DatasetDescription, asked: Container[str], table: Table) -> list[str]:
    """Return the columns of a table by which rows are left out, beside the patient key; `asked`: tables released."""
    rules = rules_of(policy, dataset)
    if not rules:
        return []
    by_row = [rule for rule in rules if telling_columns(rule, table)]
    columns = [column for rule in by_row for column in telling_columns(rule, table)]
    if by_row:
        columns += [day for day in (start_of_visit(table), end_of_visit(table)) if day is not None]
        columns += list(table.of_kind("facility_state")) if any(rule.states for rule in by_row) else []
    names = [column.name for column in columns]
    is_target = any(source.link is not None and source.link.to == table.name for source in dataset.tables)
    is_visited = by_row or table.name in asked or table.name == dataset.encounters or is_target
    is_visited = is_visited or joins_visits(dataset, table)
    if is_visited and table.name != dataset.population:
        names += [key.column for key in visit_keys(dataset, table)]
    return list(dict.fromkeys(names))


def rows_told(rule: SegmentRule, table: Table, values: Mapping[str, pa.Array], people: People) -> Bools:
    """Return which rows a segment tells by their own cells, bool (n,); none where the table does not tell it."""
    columns = telling_columns(rule, table)
    found: Bools = np.zeros(len(people.birth), bool)
    if not columns:
        return found
    first, last = _days(start_of_visit(table), values, len(found)), _days(end_of_visit(table), values, len(found))
    if rule.name == MINORS:
        found = _are_minors(rule, [values[c.name] for c in table.of_kind("age")], whole_years(people.birth, first))
    for column in columns if rule.name != MINORS else ():
        if column.kind.name == PART2:
            found |= is_marked(values[column.name], empty_is_no=rule.empty_is_no)
        elif rule.name == PART2:
            found |= _is_program(rule, values[column.name])
        else:
            found |= told(rule.name, column, values[column.name], first, last)
    return found & _in_states(rule, table, values, people) if rule.states else found


def _days(column: Column | None, values: Mapping[str, pa.Array], rows: int) -> Days:
    return days_of(values[column.name]) if column is not None else np.full(rows, NO_DAY, np.int32)


def is_marked(marks: pa.Array, *, empty_is_no: bool) -> Bools:
    """Return which marks are not a plain no, bool (n,); an empty one may be a yes unless it is known to be a no."""
    texts = pc.utf8_upper(plain(marks).cast(pa.string()))
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    texts = pc.fill_null(texts, "NO" if empty_is_no else "")
    return ~np.asarray(pc.is_in(texts, value_set=_OUTSIDE).to_numpy(zero_copy_only=False), bool)


def _is_program(rule: SegmentRule, numbers: pa.Array) -> Bools:
    texts = without_fraction(plain(numbers).cast(pa.string()))
    return np.asarray(pc.is_in(texts, value_set=pa.array(rule.programs)).to_numpy(zero_copy_only=False), bool)


def is_told(rule: SegmentRule, dataset: DatasetDescription) -> bool:
    """Whether any column of a dataset tells of a segment."""
    return any(telling_columns(rule, table) for table in dataset.tables)


def is_reached(rule: SegmentRule, dataset: DatasetDescription, table: Table) -> bool:
    """Whether rows of a table can be left out by a segment: by what they tell, by their visit or with the patient."""
    if rule.exclude is Unit.PATIENTS or table.name == dataset.population or telling_columns(rule, table):
        return True
    others = [other for other in dataset.tables if other.name != dataset.population]
    spaces = {other.name: {key.space for key in visit_keys(dataset, other)} for other in others}
    telling = [other.name for other in others if telling_columns(rule, other)]
    reached = set().union(*(spaces[name] for name in telling))
    for _ in others:  # each table that joins numbers may reach those of one more
        reached = reached.union(*(held for held in spaces.values() if held & reached))
    return not telling or bool(spaces[table.name] & reached)


def _are_minors(rule: SegmentRule, ages: list[pa.Array], by_birth: npt.NDArray[np.int32]) -> Bools:
    """Return who is younger than a rule says by any age that is known, or is of no known age."""
    every = [np.asarray(cells.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)) for cells in ages]
    every.append(by_birth)
    known = np.array([found >= 0 for found in every])
    young = np.array([found < rule.under for found in every])
    return np.asarray((known & young).any(axis=0) | ~known.any(axis=0), bool)


def _in_states(rule: SegmentRule, table: Table, values: Mapping[str, pa.Array], people: People) -> Bools:
    """Return which rows are in the states of a rule: by any facility, else by patient; what is not known may be."""
    named = [plain(values[column.name]).cast(pa.string()) for column in table.of_kind("facility_state")]
    found = _may_be_in(rule, pc.coalesce(*named, people.state))
    for states in named[1:]:
        found |= _may_be_in(rule, states) & validity(states)
    return found


def _may_be_in(rule: SegmentRule, states: pa.Array) -> Bools:
    states = pc.utf8_upper(states)
    inside = pc.is_in(states, value_set=pa.array(rule.states))
    known = pc.is_in(states, value_set=pa.array(sorted(STATES)))
    return np.array(pc.or_(inside, pc.invert(known)).to_numpy(zero_copy_only=False), bool)
