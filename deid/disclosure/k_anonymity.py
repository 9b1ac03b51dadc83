"""Patient-level k-anonymity under a recoding fixed in the policy.

The unit is the patient: each has one vector of released quasi-identifiers, taken from the population table after its
transforms, and is withheld with all rows where fewer than k patients share it (Sweeney 2002; ISO/IEC 20889, 8.3).
Nulls count as a value of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.decision import Decision
from deid.errors import DisclosureError
from deid.patients import SELECTED, Tagger
from deid.pipeline import context_for
from deid.plan import Plan, Step
from deid.rows import TypedRows
from deid.schema import Table
from deid.tags import TagIndex

SEPARATOR = "\x1f"
NULL = "-"


def quasi_identifier_steps(plan: Plan) -> tuple[Step, ...]:
    """Return the steps of the population table that make up a patient's vector."""
    planned = plan.table(plan.dataset.population)
    wanted = plan.policy.limits.quasi_identifiers
    return tuple(s for s in planned.written if s.column.kind.name in wanted) if planned else ()


@dataclass(slots=True)
class Classes:
    """Observes the population and remembers each patient's class."""

    plan: Plan
    decision: Decision
    tagger: Tagger = field(default_factory=Tagger.fresh)
    index: TagIndex = field(default_factory=TagIndex)

    def columns(self, table: Table) -> Sequence[str]:
        """Every column that the population's transform reads, so that the same rows are good here and there."""
        if table.name != self.plan.dataset.population:
            return []
        planned = self.plan.table(table.name)
        return [step.column.name for step in planned.written] if planned else []

    def see(self, rows: TypedRows) -> None:
        """Give each patient the class of the transformed vector."""
        good = np.flatnonzero(rows.patient >= 0)
        patient = rows.patient[good]
        context = context_for(self.plan, self.decision, patient, lambda notes, _: notes)
        cells = [
            step.transform.apply(step.column, rows.values[step.column.name].take(pa.array(good)), context)
            for step in quasi_identifier_steps(self.plan)
        ]
        classes, _ = self.index.add(self.tagger.tags(vector_texts(cells, len(good))))
        self.decision.patients.klass[patient] = classes


def vector_texts(columns: Sequence[pa.Array], rows: int) -> pa.Array:
    """Return one text for each row that is equal exactly where all columns are equal, nulls included."""
    if not columns:
        return pa.array([""] * rows, pa.string())
    texts = []
    for column in columns:
        text = _plain(column).cast(pa.string())
        # Each text stands behind its length, so that no cell can hold what looks like the next one.
        texts += [pc.fill_null(pc.binary_length(text).cast(pa.string()), NULL), pc.fill_null(text, "")]
    return pc.binary_join_element_wise(*texts, SEPARATOR)


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column


def suppress(plan: Plan, decision: Decision) -> int:
    """Withhold the patients in classes smaller than k; return how many.

    Raises DisclosureError where more than the policy's share would be withheld, or nobody would remain.
    """
    limits = plan.policy.limits
    patients = decision.patients
    size = len(patients)
    selected = patients.selected
    total = int(selected.sum())
    if limits.k is None or total == 0:
        return 0
    classes = patients.klass[:size]
    counts = np.bincount(classes[selected], minlength=int(classes.max()) + 1)
    small = selected & (counts[np.maximum(patients.klass[:size], 0)] < limits.k)
    withheld = int(small.sum())
    if withheld == total:
        raise DisclosureError(
            f"no class of patients reaches k = {limits.k} under the recoding of policy {plan.policy.name}",
            hint="coarsen the rules of the quasi-identifiers, or ask for a larger cohort",
        )
    if withheld > limits.suppression * total:
        raise DisclosureError(
            f"k = {limits.k} would withhold {100 * withheld / total:.1f} % of the patients; "
            f"the policy allows {100 * limits.suppression:g} %",
            hint="coarsen the rules of the quasi-identifiers, or raise limits.suppression and sign the policy again",
        )
    patients.flags[:size][small] &= ~SELECTED
    return withheld
