"""A plan: one step per requested column, with its rule, citation and output; pure, total and printable.

It is compiled from request, policy and description alone: no row is read. `legal.judge` then says what it earns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from deid.controls import Controls, Place, Rule
from deid.derive import FIRST_DAY, LAST_DAY, Measure, measures_of, unreadable
from deid.errors import PlanError
from deid.kinds import KINDS, Kind, Role, Value
from deid.ladders import ladder_of, reduction_of, reductions_that_cannot_be, rule_in_text, rungs_of
from deid.limits import Take
from deid.period import Period
from deid.policy import Basis, Policy
from deid.request import Request, Schedule
from deid.schema import Column, DatasetDescription, Table
from deid.selection import end_of_visit, start_of_visit
from deid.text_rules import dates_in_text, shifts_of
from deid.transforms import Output, Transform
from deid.transforms.redact_note import RedactNote
from deid.transforms.shift_date import ShiftDate

MOST_YEARS = 10  # from the day of compiling to the expiry of a request


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
class TablePlan:
    """The steps of one table, in output order; `not_requested` counts described columns that are never read."""

    table: Table
    steps: tuple[Step, ...]
    not_requested: int

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
        """What must be read of the codes of visits; see deid.evidence."""
        derived = (step.measure for table in self.tables for step in table.written)
        return tuple(dict.fromkeys(m.family for m in derived if m is not None and m.family is not None))

    @property
    def shift(self) -> ShiftDate | None:
        """The one rule by which dates are shifted, in columns or in notes, or None."""
        return next(iter(_shifts_in_columns(self.tables) | _shifts_in_notes(self.policy, self.tables)), None)

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


def compile_plan(
    request: Request,
    policy: Policy,
    dataset: DatasetDescription,
    *,
    period: Period | None = None,
    release: str | None = None,
    today: date,
) -> Plan:
    """Compile a plan; raise PlanError naming every table, column or kind that stands in the way.

    `today` decides whether the request has expired and the period is over; `release` is the period's label, or `all`,
    unless it is given.
    """
    _timely(request, period, today)
    problems: list[str] = []
    tables = tuple(
        plan
        for name, columns in request.tables.items()
        if (plan := _table(name, columns, request, policy, dataset, problems)) is not None
    )
    if request.derive and not any(t.table.name == dataset.encounters for t in tables):
        problems.append("derive: needs the encounters table among the requested tables")
    population = dataset.table(dataset.population)
    if "age_at_visit" in request.derive and population and not next(population.of_kind("birth_date"), None):
        problems.append(f"derive: age_at_visit needs a column of kind birth_date in {population.name}")
    problems += _needs(request, policy, tables, period)
    problems += reductions_that_cannot_be(policy, dataset)
    problems += _unchecked(dataset, tables)
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise PlanError(
            f"request {request.name} cannot run under policy {policy.name}:{listed}",
            hint="describe the column, add a rule for its kind to the policy, or leave it out of the request",
        )
    name = release or (period.label if period is not None else "all")
    # Whole calendar years only (ADR 0004): the day of release would date the visits of a year that is not over.
    through = date(today.year - 1, 12, 31) if policy.basis is Basis.SAFE_HARBOR else None
    return Plan(request, policy, dataset, tables, period, request.expires, name, through)


def _timely(request: Request, period: Period | None, today: date) -> None:
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


def _needs(request: Request, policy: Policy, tables: tuple[TablePlan, ...], period: Period | None) -> list[str]:
    """Return what steps need of the request and of each other."""
    shifts = _shifts_in_columns(tables) | _shifts_in_notes(policy, tables)
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


def _unchecked(dataset: DatasetDescription, tables: tuple[TablePlan, ...]) -> Iterator[str]:
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


def _shifts_in_columns(tables: tuple[TablePlan, ...]) -> set[ShiftDate]:
    """Return the rules by which dates in columns are shifted."""
    return {step.transform for table in tables for step in table.steps if isinstance(step.transform, ShiftDate)}


def _redactions(tables: tuple[TablePlan, ...]) -> Iterator[tuple[str, RedactNote]]:
    """Yield table and column of every redacted note, with its rule."""
    for table in tables:
        for step in table.written:
            if isinstance(step.transform, RedactNote):
                yield f"{table.table.name}.{step.column.name}", step.transform


def _shifts_in_notes(policy: Policy, tables: tuple[TablePlan, ...]) -> set[ShiftDate]:
    """Return the rules by which dates in notes are shifted."""
    return shifts_of(policy) if any(rule.dates == "shift" for _, rule in _redactions(tables)) else set()


def _unsaid(policy: Policy, tables: tuple[TablePlan, ...]) -> list[str]:
    """Return the notes whose dates the policy's rules for dates cannot bear out."""
    return [
        f"{where}: redact_note writes {rule.dates} for dates, and no date of the policy may be written so; give dates "
        "a rule that agrees, or write `dates: tag`"
        for where, rule in _redactions(tables)
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


def _table(
    name: str,
    columns: tuple[str, ...],
    request: Request,
    policy: Policy,
    dataset: DatasetDescription,
    problems: list[str],
) -> TablePlan | None:
    table = dataset.table(name)
    if table is None:
        problems.append(f"{name}: no such table in dataset {dataset.name}")
        return None
    steps = [step for column in columns if (step := _step(table, column, policy, dataset, problems)) is not None]
    if name == dataset.encounters:
        steps += [s for name in request.derive for s in _derived(table, name, policy, dataset, problems)]
    names = [step.column.name for step in steps if step.output is not None]
    problems += [
        f"{name}.{twice}: two output columns of this name" for twice in {n for n in names if names.count(n) > 1}
    ]
    return TablePlan(table, tuple(steps), len(table.columns) - len(columns))


def _step(table: Table, name: str, policy: Policy, dataset: DatasetDescription, problems: list[str]) -> Step | None:
    column = table.column(name)
    if column is None:
        problems.append(f"{table.name}.{name}: no such column in the description")
        return None
    if column.kind.name == "patient_id" and name not in (table.patient, table.link and table.link.on):
        problems.append(
            f"{table.name}.{name}: a second patient key; describe it as unique_id, or as the table's patient"
        )
        return None
    return _ruled(table, column, policy, dataset, problems)


def _derived(
    table: Table, name: str, policy: Policy, dataset: DatasetDescription, problems: list[str]
) -> Iterator[Step]:
    """Yield the steps of one name of `derive`: a measure, or a group of them."""
    if problem := unreadable(name, dataset):
        problems.append(problem)
        return
    for measure in measures_of(name):
        missing = _missing(table, measure)
        if missing:
            beside = " beside that of the first day" if missing[0] == LAST_DAY else ""
            kinds = missing[0].replace("|", " or ") + beside
            problems.append(f"derive: {measure.name} needs a column of kind {kinds} in {table.name}")
        elif (step := _ruled(table, Column(measure.name, KINDS[measure.kind]), policy, dataset, problems)) is not None:
            yield replace(step, measure=measure)


def _missing(table: Table, measure: Measure) -> list[str]:
    """Return the needs that no column of the table serves, first and last day of the visit being two columns."""
    days = {FIRST_DAY: start_of_visit(table), LAST_DAY: end_of_visit(table)}
    columns = {need: days[need] if need in days else next(table.of_kind(need), None) for need in measure.needs}
    return [need for need, column in columns.items() if column is None]


def _ruled(
    table: Table, column: Column, policy: Policy, dataset: DatasetDescription, problems: list[str]
) -> Step | None:
    where = f"{table.name}.{column.name}"
    ladder = ladder_of(policy, dataset, table.name, column)
    transform = ladder[0] if ladder else policy.rule_for(table.name, column.name, column.kind.name)
    if transform is None:
        problems.append(f"{where}: the policy has no rule for kind {column.kind.name}")
        return None
    try:
        rungs = rungs_of(column, ladder)
        output = transform.output(column)
    except PlanError as error:
        problems.append(f"{where}: {error.message}")
        return None
    if transform.name == "keep" and column.kind.role is Role.DIRECT and not _may_be_kept(column.kind):
        problems.append(f"{where}: a direct identifier ({column.kind.name}) would stand in the output")
        return None
    take = reduction_of(policy, dataset, table.name, column.name)
    return Step(column, transform, output, citation(column.kind), rungs=rungs, take=take)


def _may_be_kept(kind: Kind) -> bool:
    """Whether a direct identifier may ever stay: encounter and claim keys in a Limited Data Set, 164.514(e)(2)."""
    return kind.limited is None


def citation(kind: Kind) -> str:
    """Return the paragraph that names this kind, or the reason that none does."""
    if kind.safe_harbor is not None:
        return f"45 CFR 164.514(b)(2)(i)({kind.safe_harbor})"
    return f"{kind.role}, not listed in 164.514(b)(2)(i)"
