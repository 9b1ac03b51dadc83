"""Which columns disclosure control may choose the rule of, and among which rules.

A ladder is what a policy lists for a kind under `limits.recoding`, from the finest rule to the coarsest. It serves the
columns whose values count in a patient's vector: those of the population table, and those reduced to one value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deid.documents.limits import Take
from deid.documents.policy import Policy
from deid.errors import PlanError
from deid.kinds import KINDS, Role, Value
from deid.observing.controls import Rule
from deid.schema import Column, DatasetDescription, Table
from deid.transforms import Transform
from deid.transforms.drop import Drop
from deid.transforms.pseudonymize import Pseudonymize
from deid.transforms.redact_note import RedactNote
from deid.transforms.shift_date import ShiftDate
from deid.visits.columns import start_of_visit
from deid.visits.derive import DERIVED

# What a ladder cannot hold: these do not put several values into one, so that no rung could be coarser than another.
_NO_RUNGS = (ShiftDate, Pseudonymize, RedactNote)


def ladder_of(policy: Policy, dataset: DatasetDescription, table: str, column: Column) -> tuple[Transform, ...]:
    """Return the rules among which one is chosen for a column, () where none is; its own rule stands above a ladder."""
    counts = table == dataset.population or reduction_of(policy, dataset, table, column.name) is not None
    if not counts or f"{table}.{column.name}" in policy.columns:
        return ()
    return policy.limits.recoding.get(column.kind.name, ())


def rungs_of(column: Column, ladder: Sequence[Transform]) -> tuple[Rule, ...]:
    """Return every rung with its output; raise PlanError naming the rung that cannot serve the column."""
    rungs: list[Rule] = []
    for number, transform in enumerate(ladder, 1):
        where = f"limits.recoding.{column.kind.name}, rung {number} ({transform.name})"
        if isinstance(transform, _NO_RUNGS):
            raise PlanError(f"{where} coarsens nothing", hint="a rung generalizes, keeps or drops")
        if isinstance(transform, Drop) and number < len(ladder):
            raise PlanError(f"{where} is followed by others", hint="`drop` is the coarsest: write it last")
        try:
            rungs.append((transform, transform.output(column)))
        except PlanError as error:
            raise PlanError(f"{where}: {error.message}", hint=error.hint) from None
    return tuple(rungs)


def reduction_of(policy: Policy, dataset: DatasetDescription, table: str, column: str) -> Take | None:
    """Return which of a patient's values a column of another table is reduced to, or None.

    A derived measure may be named alone: it stands in the encounters table, whatever that is called.
    """
    reduced = policy.limits.reduced
    own = reduced.get(f"{table}.{column}")
    is_measure = table == dataset.encounters and column in DERIVED
    return reduced.get(column) if own is None and is_measure else own


def reductions_that_cannot_be(policy: Policy, dataset: DatasetDescription) -> Iterator[str]:
    """Yield what is wrong with the columns that the policy reduces, as far as the description tells."""
    for name, take in policy.limits.reduced.items():
        where = f"limits.reduced.{name}"
        table_name, _, column_name = name.rpartition(".")
        if not table_name:
            if column_name not in DERIVED:
                yield f"{where}: names neither table and column, nor a derived measure"
            continue
        table = dataset.table(table_name)
        column = _column(dataset, table, column_name)
        if table is None or column is None:
            yield f"{where}: dataset {dataset.name} describes no such column, so it would not be counted"
        elif table.name == dataset.population:
            yield f"{where}: a patient has one row in {table.name}; name its kind among limits.quasi_identifiers"
        elif column.kind.role is Role.DIRECT or column.kind.value is Value.NOTE:
            yield f"{where}: {column.kind.name} has no value that could stand for a patient"
        elif take in (Take.FIRST, Take.LAST) and start_of_visit(table) is None:
            yield f"{where}: {take} needs a day of a visit in {table.name}; take most, least or greatest"


def _column(dataset: DatasetDescription, table: Table | None, name: str) -> Column | None:
    if table is None:
        return None
    is_measure = table.name == dataset.encounters and name in DERIVED
    return table.column(name) or (Column(name, KINDS[DERIVED[name].kind]) if is_measure else None)


def rule_in_text(told: Transform, ladder: Sequence[Transform], chosen: Sequence[Transform]) -> Transform:
    """Return by which rule notes tell a kind whose columns were recoded: the coarsest of its rules.

    `told`: the policy's own rule for the kind. One that is not on the ladder cannot be held against it: then nothing.
    """
    if told not in ladder or any(rule not in ladder for rule in chosen):
        return Drop()
    return max((told, *chosen), key=list(ladder).index)
