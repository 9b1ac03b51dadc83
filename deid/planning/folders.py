"""Which tables stand in folders by a column, and which columns may name folders.

Names of folders are read by everybody, so a column names them only if its values are a short list that anybody knows
(calendar years, states, bands of ages), if it is no code or measure of illness, and if Safe Harbor would let it stand,
whatever the release stands on (deid.legal.request_rules). docs/formats/request.md, "Folders", is the specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from deid.cells.domains import OneOf, OneOfNumbers
from deid.documents.period import Period
from deid.documents.policy import Policy
from deid.documents.request import Request, Schedule, Series
from deid.kinds import Group, Role
from deid.planning.plan import Folders, Step, TablePlan
from deid.segments.rules import STATES
from deid.transforms.generalize_date import GeneralizeDate
from deid.transforms.pseudonymize import Pseudonymize

MOST = 100  # values of a column that names folders
FEWEST = 11  # patients in a folder: CMS shows no count of 1 to 10
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_GROUPS = frozenset({Group.TIME, Group.PLACE, Group.PERSON, Group.PROVIDER})
_STATES = frozenset({"state", "facility_state"})


def in_folders(tables: tuple[TablePlan, ...], request: Request, policy: Policy) -> tuple[TablePlan, ...]:
    """Return the tables with their folders, where the request asks for them and they may be; see `unfit`."""
    return tuple(_in_folders(table, request, policy) for table in tables)


def unfit(
    tables: tuple[TablePlan, ...], request: Request, policy: Policy, period: Period | None = None
) -> Iterator[str]:
    """Yield what stands in the way of the folders that a request asks for."""
    is_repeated = request.schedule is not Schedule.ONCE or period is not None
    if request.partition_by and is_repeated and request.series is Series.CUMULATIVE:
        yield (
            "partition_by: by how much each folder grows from release to release would stand in clear; release "
            "increments, or ask for no folders"
        )
    for table in tables:
        column = request.partition_by.get(table.table.name)
        if column is not None and (problem := _unfit(table, column, request, policy)):
            yield f"{table.table.name}.{column}: cannot name folders, which everybody reads: {problem}"


def _in_folders(table: TablePlan, request: Request, policy: Policy) -> TablePlan:
    column = request.partition_by.get(table.table.name)
    if column is None or _unfit(table, column, request, policy):
        return table
    values = _values(next(step for step in table.written if step.column.name == column), request)
    return replace(table, folders=Folders(column, values, max(FEWEST, policy.limits.k or 0)))


def _unfit(table: TablePlan, name: str, request: Request, policy: Policy) -> str | None:
    """Return why a column cannot name the folders of its table, or None."""
    step = next((step for step in table.written if step.column.name == name and step.measure is None), None)
    if step is None:
        return "the policy does not release it"
    return _of_kind(step, policy) or _of_values(step, request) or _of_table(table, name)


def _of_kind(step: Step, policy: Policy) -> str | None:
    kind = step.column.kind
    if kind.group not in _GROUPS or kind.role in (Role.DIRECT, Role.SENSITIVE):
        return f"kind {kind.name} is no year, place or group of people; choose a year or a state"
    if kind.name in {rule.kind for rule in policy.limits.sensitive}:
        return f"the policy calls kind {kind.name} sensitive; choose a year or a state"
    if step.rungs:
        return "the run chooses its rule, so that its values cannot be approved; choose a column under one rule"
    return None


def _of_values(step: Step, request: Request) -> str | None:
    values = _values(step, request)
    if not 0 < len(values) <= MOST:
        return f"its values are no list of at most {MOST} that anybody knows; choose a year or a state"
    if not all(map(NAME.fullmatch, (step.column.name, *values))):
        return "folder names hold letters, digits, underscores, dots and hyphens; choose another column"
    return None


def _of_table(table: TablePlan, name: str) -> str | None:
    if f"by_{name}".lower() in {step.column.name.lower() for step in table.written}:
        return f"there is a column by_{name}, and readers take folders for one of that name"
    if not any(s.column.kind.name == "patient_id" and isinstance(s.transform, Pseudonymize) for s in table.written):
        return "patients are counted in each folder; ask for the patient's pseudonym in this table"
    return None


def _values(step: Step, request: Request) -> tuple[str, ...]:
    """Return the short public list of what a column may hold, as text in order; empty where there is none.

    Of years the hundred up to the reference date, by the column's own band; other values get no folder.
    """
    rule, domain = step.transform, step.output.domain if step.output is not None else None
    if isinstance(rule, GeneralizeDate) and rule.to == "year":
        last = request.expires.year
        return tuple(str(year) for year in range(last - MOST + 1, last + 1) if year % rule.width == 0)
    if step.column.kind.name in _STATES and rule.name == "keep":
        return tuple(sorted(STATES))
    if isinstance(domain, OneOfNumbers):
        return tuple(map(str, sorted(domain.allowed)))
    return tuple(sorted(domain.allowed)) if isinstance(domain, OneOf) else ()
