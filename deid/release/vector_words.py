"""What a release says of the recoding of its quasi-identifiers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deid.documents.limits import Take
from deid.observing.decision import Decision
from deid.planning.plan import Plan, Step
from deid.release.manifest import RecodedEntry, Suppression
from deid.release.small_counts import shown
from deid.transforms.words import rule_text

_TAKEN = {
    Take.FIRST: "that of the first visit",
    Take.LAST: "that of the last visit",
    Take.MOST: "the one in most rows",
    Take.LEAST: "the least",
    Take.GREATEST: "the greatest",
}


def suppression(plan: Plan, decision: Decision) -> Suppression:
    """Return what disclosure control did to a resolved plan's patients; no count of one to ten is shown."""
    patients, vectors = decision.patients, decision.controls.vectors
    told = Suppression(
        patients_released=shown(int(patients.selected.sum())),
        # Month by month the count of those held and withheld would tell who is new.
        patients_suppressed=None if decision.is_continued else shown(decision.suppressed_patients),
        k=plan.policy.limits.k,
    )
    if vectors is None:
        return told
    sizes = np.bincount(patients.klass[: len(patients)][patients.selected])
    sizes = sizes[sizes > 0]
    return Suppression(
        patients_released=told.patients_released,
        patients_suppressed=told.patients_suppressed,
        k=told.k,
        recoded={c.name: RecodedEntry(c.rungs[c.level], c.level + 1, len(c.rungs)) for c in vectors.chosen},
        reduced={
            f"{table.table.name}.{step.column.name}": step.take.value
            for table in plan.tables
            for step in table.written
            if step.take is not None
        },
        loss=round(vectors.loss, 4),
        classes=len(sizes),
        smallest=shown(int(sizes.min())) if len(sizes) else None,
    )


def recoding_lines(plan: Plan) -> Iterator[str]:
    """Yield, for the codebook, a line for each rule that was chosen."""
    for (table, column), rungs in plan.ladders.items():
        planned = plan.table(table)
        step = next(s for s in planned.steps if s.column.name == column) if planned is not None else None
        if step is not None:
            level = [rule for rule, _ in rungs].index(step.transform) + 1
            yield f"- `{table}.{column}` is recoded by rule {level} of {len(rungs)}: {rule_text(step.transform)}"


def taken_words(step: Step) -> str:
    """Return, for the codebook, which value of the patient all rows show; nothing for a column that is not reduced."""
    return f"; one value of the patient, {_TAKEN[step.take]}, as the patient's class shows it" if step.take else ""
