"""What a policy that promises k asks of the plan, so that the promise holds for everything that is released.

k is counted once, over the vectors that the population table delivers and the columns that are reduced to one value of
the patient (`disclosure.k_anonymity`). Hence:

- the population table is delivered, with something that is counted;
- whatever else it delivers is counted as well, or sensitive and held diverse: any column tells patients apart;
- no other table repeats what belongs to the patient, where a row would tell what the class hides, unless it is reduced;
- no other table has a flag that nobody knows the meaning of, which may be the same in all rows of a patient, unless the
  policy names its column under `columns`: its signer then answers for it;
- no age stands beside dates of visits, though both be coarse: together they tell a birth date that nobody counted;
- no other table is of the dead, or of those alive in some year, where having a row tells it.

Over several releases of a request k is joint: the ledger holds newcomers and leavers (docs/formats/ledger.md).

The promise is the policy's own, so a broken one breaks every basis that the policy may claim.
Codes and dates of visits stay outside the vector: k on demographics does not make them safe; the expert weighs them.
So do comorbidities and flags, which are read from codes and stand beside them: to refuse what a code shows where the
code itself may stand would protect nothing (docs/adr/0012).
"""

from __future__ import annotations

from collections.abc import Iterator

from deid.documents.policy import Basis
from deid.errors import PlanError
from deid.kinds import Group, Kind, Value
from deid.legal.expert import PARAGRAPH
from deid.legal.judgment import Finding
from deid.planning.plan import Plan, Step, TablePlan
from deid.planning.sensitive_columns import sensitive_steps
from deid.transforms.redact_note import RedactNote
from deid.visits.columns import start_of_visit

_EVERY_BASIS = frozenset(Basis)
_OF_THE_PATIENT = frozenset({Group.PERSON, Group.PLACE})
# Code 20 of discharge_status tells a death; a status by month tells who joined or died when.
_OF_THE_PATIENT_TOO = frozenset({"birth_date", "death_date", "age", "part_of_year", "discharge_status"})


def is_of_the_patient(kind: Kind) -> bool:
    """Whether a value of `kind` belongs to the patient rather than to one visit, whatever table it stands in."""
    return kind.group in _OF_THE_PATIENT or kind.name in _OF_THE_PATIENT_TOO


def findings(plan: Plan) -> Iterator[Finding]:
    """Yield a finding for everything by which k, if the policy promises one, would not hold for the whole release."""
    if plan.policy.limits.k is None:
        return
    yield from _population(plan)
    yield from _ages_beside_dates(plan)
    yield from _sensitive(plan)
    for table in plan.tables:
        if table.table.name != plan.dataset.population:
            yield from _repeated(table, plan)
            yield from _flags(table, plan)
            yield from _of_the_dead(table, plan)


def _population(plan: Plan) -> Iterator[Finding]:
    limits, name = plan.policy.limits, plan.dataset.population
    population = plan.table(name)
    written = population.written if population is not None else ()
    asked = [s for s in (population.steps if population is not None else ()) if s.rungs or s.output is not None]
    if not any(step.column.kind.name in limits.quasi_identifiers for step in asked):
        counted = ", ".join(limits.quasi_identifiers) or "(limits.quasi_identifiers lists none)"
        yield _broken(
            f"request.tables.{name}",
            f"k = {limits.k} is counted on the released population, and nothing that is counted is released; "
            f"ask for {name} with at least one column of kind {counted}",
        )
    for step in written:
        kind = step.column.kind.name
        is_held = kind in limits.quasi_identifiers or any(sensitive.kind == kind for sensitive in limits.sensitive)
        if not is_held and not _is_own_number(step):
            yield _broken(
                f"{name}.{step.column.name}",
                f"k = {limits.k} does not count {kind}, so patients may be told apart by it: count it among "
                "limits.quasi_identifiers, or leave it out",
            )


def _sensitive(plan: Plan) -> Iterator[Finding]:
    """Yield a finding where classes cannot be held diverse, or not be checked to be so on what was released."""
    try:
        held = list(sensitive_steps(plan))
    except PlanError as error:
        yield _broken("limits.sensitive", f"{error.message}; {error.hint}")
        return
    population = plan.table(plan.dataset.population)
    is_named = population is not None and any(s.column.name == population.table.patient for s in population.written)
    if held and not is_named:
        yield _broken(
            f"request.tables.{plan.dataset.population}",
            "classes that are held diverse are checked on what was released; ask for the patient's pseudonym",
        )


def _is_own_number(step: Step) -> bool:
    """Whether the column is a pseudonym that means nothing beside others.

    One of a provider or facility is shared by patients, and sorts them like the value that it stands for.
    """
    return step.transform.name == "pseudonymize" and step.column.kind.group is not Group.PROVIDER


def _repeated(table: TablePlan, plan: Plan) -> Iterator[Finding]:
    for step in table.written:
        kind = step.column.kind
        if is_of_the_patient(kind) and step.transform.name != "pseudonymize" and step.take is None:
            yield _broken(
                f"{table.table.name}.{step.column.name}",
                f"k = {plan.policy.limits.k} is counted on {plan.dataset.population}, and {kind.name} belongs to the "
                f"patient too: ask for it in {plan.dataset.population}, if the policy counts it there, leave it "
                "out, or let the policy reduce it to one value of the patient (limits.reduced)",
            )


def _flags(table: TablePlan, plan: Plan) -> Iterator[Finding]:
    """Yield a finding for a flag outside the vector: a kind of any meaning, so it may well be the patient's own."""
    for step in table.written:
        subject = f"{table.table.name}.{step.column.name}"
        if step.column.kind.name == "indicator" and step.take is None and subject not in plan.policy.columns:
            yield _broken(
                subject,
                f"a flag may be the same in all rows of a patient, which k = {plan.policy.limits.k} does not count, or "
                "mark the principal one of codes: leave it out, let the policy reduce it to one value of the patient "
                f"(limits.reduced), or let it name {subject} under `columns` and answer for it",
            )


def _ages_beside_dates(plan: Plan) -> Iterator[Finding]:
    """Yield a finding for an age at a visit whose time stands beside it.

    In one class, who is from 40 to 59 at a visit of 2005 and who is so at one of 2020 were born fifteen years apart: a
    target's own birth date rules most of the class out, though every band was counted.
    """
    dates = [f"{t.table.name}.{s.column.name}" for t in plan.tables for s in t.written if _tells_time(plan, t, s)]
    if not dates:
        return
    for table in plan.tables:
        for step in table.written:
            if step.column.kind.name == "age" and step.take is not None:
                yield _broken(
                    f"{table.table.name}.{step.column.name}",
                    f"an age beside the time of visits ({', '.join(dates[:3])}) tells a birth date finer than what is "
                    "counted; leave out the ages, or the dates, or reduce the dates to one value of the patient too",
                )


def _tells_time(plan: Plan, table: TablePlan, step: Step) -> bool:
    """Whether a column tells when a visit was, and is not part of the vector."""
    kind = step.column.kind
    if isinstance(step.transform, RedactNote):
        return step.transform.dates != "tag"
    in_vector = step.take is not None or table.table.name == plan.dataset.population
    return not in_vector and (kind.value is Value.DATE or kind.name in ("year", "part_of_year"))


def _of_the_dead(table: TablePlan, plan: Plan) -> Iterator[Finding]:
    """Yield a finding for a table of deaths: a row there, or in a summary of the living none, tells one uncounted."""
    if any(table.table.of_kind("death_date")) and start_of_visit(table.table) is None:
        yield _broken(
            f"request.tables.{table.table.name}",
            f"k = {plan.policy.limits.k} is counted on {plan.dataset.population}, and whoever has a row in "
            f"{table.table.name}, or has none, may be told to be dead by that alone; leave the table out",
        )


def _broken(subject: str, text: str) -> Finding:
    return Finding(PARAGRAPH, subject, text, _EVERY_BASIS)
