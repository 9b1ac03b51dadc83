"""What a policy with a ceiling on known codes (`limits.codes`) asks of the plan, so that the ceiling holds.

The attack that is held to the ceiling knows the released codes as sets: of the patient, or of each visit. Hence:

- what the policy lists is mapped wherever it is released, and nothing is mapped that it does not list;
- no other codes are released, and nothing that is read from codes, unless the policy names the column itself under
  `columns`: its signer then answers for it. So it is with notes, which say codes in words;
- nothing beside mapped codes tells their order or which is the principal one: with these two codes of a visit identify
  41 of 100 patients where the set identifies 9 (docs/adr/0017). Columns of codes side by side are written as a set
  (deid.known_codes.code_sets); then all of a series must be there, and nothing that goes by the number of one.

The ceiling is the policy's own promise, so a broken one breaks every basis that the policy may claim.
"""

from __future__ import annotations

from collections.abc import Iterator

from deid.documents.policy import Basis
from deid.kinds import Group, Kind, Value
from deid.known_codes.code_sets import numbered, series, sets_of
from deid.known_codes.dated_steps import dated_steps, tied_steps
from deid.legal.expert import PARAGRAPH
from deid.legal.judgment import Finding
from deid.planning.plan import Plan, Step, TablePlan
from deid.transforms.map_codes import MapCodes

_EVERY_BASIS = frozenset(Basis)
# They tell where and how somebody was seen, in a few values that many share, and not what was found or done.
_OF_THE_SETTING = frozenset(
    {
        "icd_version",
        "place_of_service",
        "admission_type",
        "encounter_class",
        "discharge_status",
        "visit_flag",
        "em_level",
    }
)  # fmt: skip
_TELLING_CODES = frozenset({"comorbidity", "comorbidity_score", "lab_value", "code_description"})
_OF_ORDER = {
    "sequence_number": "the order of codes",
    "present_on_admission": "which codes were there before the visit",
}
_OF_USE = {
    "principal": "the principal one",
    "admitting": "the admitting one",
    "reason": "the reason for the visit",
    "external": "an external cause",
}


def findings(plan: Plan) -> Iterator[Finding]:
    """Yield a finding for everything by which a ceiling on known codes, if there is one, would not hold."""
    limits = plan.policy.limits.codes
    listed = limits.kinds if limits is not None else ()
    for table in plan.tables:
        for step in table.written:
            subject = f"{table.table.name}.{step.column.name}"
            kind, is_mapped = step.column.kind.name, isinstance(step.transform, MapCodes)
            if is_mapped and kind not in listed:
                yield _broken(subject, f"map_codes needs a ceiling: name {kind} among limits.codes.kinds")
            elif is_mapped and (step.take is not None or kind in plan.policy.limits.quasi_identifiers):
                yield _broken(
                    subject, f"limits.codes counts {kind}, and so does the vector of quasi-identifiers: count it once"
                )
            elif kind in listed and not is_mapped:
                yield _broken(subject, f"limits.codes counts {kind}, so its rule is map_codes, or drop")
    if limits is None or not any(isinstance(s.transform, MapCodes) for t in plan.tables for s in t.written):
        return
    for table in plan.tables:
        yield from _uncounted(table, plan)
        yield from _ordered(table, plan)
        yield from _alone(table, plan)


def tells_codes(kind: Kind) -> bool:
    """Whether values of a kind tell what was found or done, so that they belong under a ceiling on known codes."""
    is_code = kind.group is Group.CODE and kind.name not in _OF_ORDER
    return (is_code or kind.value is Value.NOTE or kind.name in _TELLING_CODES) and kind.name not in _OF_THE_SETTING


def _uncounted(table: TablePlan, plan: Plan) -> Iterator[Finding]:
    for step in table.written:
        subject = f"{table.table.name}.{step.column.name}"
        if tells_codes(step.column.kind) and not isinstance(step.transform, MapCodes):
            if subject in plan.policy.columns:
                continue
            yield _broken(
                subject,
                f"limits.codes does not count {step.column.kind.name}, and it tells what the map hides: count it, drop "
                f"it, or let the policy name {subject} under `columns` and answer for it",
            )


def _ordered(table: TablePlan, plan: Plan) -> Iterator[Finding]:
    mapped = [step for step in table.written if isinstance(step.transform, MapCodes)]
    if not mapped:
        return
    in_sets = [step for steps in sets_of(table) for step in steps]
    for step in table.written:
        subject = f"{table.table.name}.{step.column.name}"
        told = _OF_ORDER.get(step.column.kind.name)
        if told is not None:
            yield _broken(subject, f"it tells {told}, which a ceiling on known codes does not cover; leave it out")
        elif step in mapped and step not in in_sets and step.column.use not in (None, "procedure"):
            yield _broken(
                subject,
                f"as a column of its own it tells which code is {_OF_USE.get(step.column.use or '', 'it')}, which the "
                "ceiling does not cover; leave it out: where the source repeats it among the other codes, nothing is "
                "lost",
            )
    yield from _parts(table, mapped, plan)
    yield from _by_number(table, in_sets, plan)


def _alone(table: TablePlan, plan: Plan) -> Iterator[Finding]:
    """Yield a finding for codes or dates without their patient: what was released could not be attacked again."""
    mapped = any(isinstance(step.transform, MapCodes) for step in table.written)
    own = any(s.column.kind.name == "patient_id" and s.transform.name == "pseudonymize" for s in table.written)
    if not mapped and not own and dated_steps(plan, table):
        yield _broken(
            f"request.tables.{table.table.name}",
            "limits.codes.known_dates counts dates by patient, as they are released; ask for the patient's key in this "
            "table, or leave its dates out",
        )
    elif not mapped and not own and table.table.name in tied_steps(plan):
        yield _broken(
            f"request.tables.{table.table.name}",
            "its numbers of visits tie its dates to mapped codes of another table, and what was released can be "
            "attacked again by patient only; ask for the patient's key in this table, or leave the numbers or the "
            "dates out",
        )
    if mapped and not own:
        yield _broken(
            f"request.tables.{table.table.name}",
            "mapped codes leave beside their patient's pseudonym only, so that the attack can be made again on what "
            "was released; ask for the patient's key in this table",
        )


def _parts(table: TablePlan, mapped: list[Step], plan: Plan) -> Iterator[Finding]:
    """Yield a finding for some columns of a series alone: that a code stands among the first tells its rank."""
    asked = {step.column.name for step in mapped}
    for columns in series(table.table.columns):
        names = [column.name for column in columns]
        left_out = [name for name in names if name not in asked]
        own = [name for name in names if name in asked and not _answered_for(table, name, plan)]
        if own and left_out:
            yield _broken(
                f"request.tables.{table.table.name}",
                f"{own[0]} without {left_out[0]} tells which codes come first, which the ceiling does not cover; ask "
                f"for all {len(names)} columns of {names[0]} to {names[-1]}: their codes leave as a set",
            )


def _by_number(table: TablePlan, in_sets: list[Step], plan: Plan) -> Iterator[Finding]:
    """Yield a finding for what goes with a code by the number of its column, which a set takes from it.

    It would tell of the place a code had, and a reader would lay it beside another code.
    """
    numbers = {numbered(step.column)[1] for step in in_sets} - {None}
    together = {column.name for columns in series(table.table.columns) for column in columns}
    for step in table.written:
        name = step.column.name
        beside = name in together and numbered(step.column)[1] in numbers
        if beside and not isinstance(step.transform, MapCodes) and not _answered_for(table, name, plan):
            yield _broken(
                f"{table.table.name}.{name}",
                "it goes with a code by the number of its column, and the codes of a row leave as a set, in which the "
                "number means nothing; leave it out, and ask for dates and amounts of the whole row instead",
            )


def _answered_for(table: TablePlan, column: str, plan: Plan) -> bool:
    return f"{table.table.name}.{column}" in plan.policy.columns


def _broken(subject: str, text: str) -> Finding:
    return Finding(PARAGRAPH, subject, text, _EVERY_BASIS)
