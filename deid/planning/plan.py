"""A plan: one step per requested column, with its rule, citation and output; pure, total and printable.

It is compiled (deid.planning.compiler) from request, policy and description alone, and later resolved: disclosure
control chooses among the rungs of its steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from deid.documents.limits import Take
from deid.documents.period import Period
from deid.documents.policy import Policy
from deid.documents.request import Request
from deid.documents.text_rules import shifts_of
from deid.observing.controls import Controls, Place, Rule
from deid.planning.ladders import rule_in_text
from deid.schema import Column, DatasetDescription, Table
from deid.transforms import Output, Transform
from deid.transforms.redact_note import RedactNote
from deid.transforms.shift_date import ShiftDate
from deid.visits.derive import Measure


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one column; `output` is None where nothing is written, `measure` is set for derived columns.

    `rungs`: the rules among which disclosure control chooses, from fine to coarse, each with its output; the step
    stands at the finest until the plan is resolved. Empty where the policy leaves no choice.
    `take`: which of a patient's values all rows of the patient show, or None where each shows its own.
    """

    column: Column
    transform: Transform
    output: Output | None
    citation: str
    measure: Measure | None = None
    rungs: tuple[Rule, ...] = ()
    take: Take | None = None


@dataclass(frozen=True, slots=True)
class Folders:
    """By which column a table stands in folders, whose names everybody reads; see deid.planning.folders.

    `values`: as text, those that may have a folder. `least`: the patients, at least, in a folder.
    """

    column: str
    values: tuple[str, ...]
    least: int

    def words(self) -> str:
        """Return in a sentence what stands in clear."""
        return (
            f"in folders by {self.column}, whose names stand in clear: {', '.join(self.values)}; "
            f"each of at least {self.least} patients, all else in one folder"
        )


@dataclass(frozen=True, slots=True)
class TablePlan:
    """The steps of one table, in output order; `not_requested` counts described columns that are never read.

    `folders`: by which column its files stand in folders, or None.
    """

    table: Table
    steps: tuple[Step, ...]
    not_requested: int
    folders: Folders | None = None

    @property
    def written(self) -> tuple[Step, ...]:
        """The steps that write a column."""
        return tuple(step for step in self.steps if step.output is not None)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run will do, before it does anything.

    `release` names the release's folder. `period` is the span of time it is about, or None. `reference_date` is the
    day at which ages are judged: the expiry of the request, because people age while a release is in use.
    `through` is the last day whose visits may leave, or None: under Safe Harbor the end of the last complete year.
    `is_resolved`: disclosure control has chosen among the rungs of every step.
    """

    request: Request
    policy: Policy
    dataset: DatasetDescription
    tables: tuple[TablePlan, ...]
    period: Period | None
    reference_date: date
    release: str = "all"
    through: date | None = None
    is_resolved: bool = False

    def table(self, name: str) -> TablePlan | None:
        """Return the plan of the table called `name`, or None."""
        return next((table for table in self.tables if table.table.name == name), None)

    @property
    def families(self) -> tuple[str, ...]:
        """What must be read of the codes of visits; see deid.visits.evidence."""
        derived = (step.measure for table in self.tables for step in table.written)
        return tuple(dict.fromkeys(m.family for m in derived if m is not None and m.family is not None))

    @property
    def shift(self) -> ShiftDate | None:
        """The one rule by which dates are shifted, in columns or in notes, or None."""
        return next(iter(shifts_in_columns(self.tables) | shifts_in_notes(self.policy, self.tables)), None)

    @property
    def cuts_dates_in_notes(self) -> bool:
        """Whether notes tell units of time, which need to know who is 90 or older."""
        rules = (step.transform for _, step in self.steps_of(RedactNote))
        return any(isinstance(rule, RedactNote) and rule.dates not in ("tag", "shift") for rule in rules)

    def steps_of(self, transform: type) -> list[tuple[TablePlan, Step]]:
        """Return every step that uses a transform of the given class."""
        return [(t, s) for t in self.tables for s in t.steps if isinstance(s.transform, transform)]

    @property
    def ladders(self) -> dict[Place, tuple[Rule, ...]]:
        """The rungs of every column whose rule disclosure control chooses."""
        return {(t.table.name, s.column.name): s.rungs for t in self.tables for s in t.steps if s.rungs}

    def with_rules(self, rules: Mapping[Place, Rule]) -> Plan:
        """Return the plan with these columns under these rules, each with its output (None where it is dropped).

        What a note may tell follows: a kind whose rule was searched stands in text as coarse as in its columns.
        """
        if not rules:
            return self
        tables = tuple(replace(t, steps=tuple(_under(t, step, rules) for step in t.steps)) for t in self.tables)
        told = dict(self.policy.rules)
        for kind, ladder in self.policy.limits.recoding.items():
            chosen = [s.transform for t in tables for s in t.steps if s.rungs and s.column.kind.name == kind]
            if kind in told and chosen:
                told[kind] = rule_in_text(told[kind], ladder, chosen)
        return replace(self, tables=tables, policy=replace(self.policy, rules=told))

    def resolved(self, controls: Controls) -> Plan:
        """Return the plan as disclosure control decided it: what is transformed, written, verified and told."""
        return replace(self.with_rules(controls.vectors.rules if controls.vectors else {}), is_resolved=True)


def _under(table: TablePlan, step: Step, rules: Mapping[Place, Rule]) -> Step:
    rule = rules.get((table.table.name, step.column.name))
    return step if rule is None else replace(step, transform=rule[0], output=rule[1])


def shifts_in_columns(tables: tuple[TablePlan, ...]) -> set[ShiftDate]:
    """Return the rules by which dates in columns are shifted."""
    return {step.transform for table in tables for step in table.steps if isinstance(step.transform, ShiftDate)}


def redactions(tables: tuple[TablePlan, ...]) -> Iterator[tuple[str, RedactNote]]:
    """Yield table and column of every redacted note, with its rule."""
    for table in tables:
        for step in table.written:
            if isinstance(step.transform, RedactNote):
                yield f"{table.table.name}.{step.column.name}", step.transform


def shifts_in_notes(policy: Policy, tables: tuple[TablePlan, ...]) -> set[ShiftDate]:
    """Return the rules by which dates in notes are shifted."""
    return shifts_of(policy) if any(rule.dates == "shift" for _, rule in redactions(tables)) else set()
