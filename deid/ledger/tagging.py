"""The tags by which a series knows its patients, gathered while the population is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from deid.keys.prf import BatchCmac
from deid.ledger import tags_of
from deid.observing.rows import TypedRows
from deid.patients.tags import U64
from deid.planning.plan import Plan
from deid.schema import Table


@dataclass(slots=True)
class Tags:
    """Observes the population and keeps the tag of each patient: 16 bytes a patient."""

    plan: Plan
    cmac: BatchCmac
    tags: U64 = field(default_factory=lambda: np.zeros((0, 2), np.uint64), repr=False)

    def columns(self, table: Table) -> Sequence[str]:
        """The patient key of the population table."""
        return [table.patient] if table.name == self.plan.dataset.population and table.patient else []

    def see(self, rows: TypedRows) -> None:
        """Keep the tags of a batch."""
        good = np.flatnonzero(rows.patient >= 0)
        patient = rows.patient[good]
        size = int(patient.max(initial=-1)) + 1
        if size > len(self.tags):
            grown = np.zeros((max(1024, size + size // 8), 2), np.uint64)
            grown[: len(self.tags)] = self.tags
            self.tags = grown
        self.tags[patient] = tags_of(self.cmac, rows.values[self.columns(rows.table)[0]].take(pa.array(good)))
