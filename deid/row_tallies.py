"""What is counted of the rows of a release while they are written, and what takes identifiers out of their notes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from deid.keys.prf import BatchCmac
from deid.ledger.joins import Prints
from deid.notes.redactor import Redactor
from deid.observing.decision import Decision
from deid.observing.rows import TypedRows
from deid.patients.note_owners import replacement_of
from deid.patients.own_identifiers import identifiers_of
from deid.patients.positions import Positions
from deid.pipeline import Transformed
from deid.planning.plan import Plan, TablePlan
from deid.quality.judge import Judge
from deid.release.empties import EmptyCells
from deid.reports.source_side import SourceSide
from deid.transforms.redact_note import RedactNote


@dataclass(slots=True)
class RowTallies:
    """Everything that takes note of the batches of one table; `prints` only in a series."""

    judge: Judge
    source_side: SourceSide
    prints: Prints | None
    empties: EmptyCells = field(default_factory=EmptyCells)

    def see(self, planned: TablePlan, decision: Decision, rows: TypedRows, done: Transformed) -> None:
        """Take note of a batch and of the rows that were made of it."""
        patient = rows.patient[done.kept]
        if self.prints is not None:
            self.prints.see(planned, done.batch, patient)
        self.judge.see(rows, done.kept)
        self.source_side.see(planned, decision, rows, done)
        self.empties.see(done.batch, patient, done.malformed)


@dataclass(slots=True)
class Redaction:
    """Takes identifiers out of the notes of a run; `withheld` counts those that could not be made safe.

    `surrogates`: the PRF of surrogates, of this release alone, so that no two can be joined by them.
    """

    plan: Plan
    decision: Decision
    redactor: Redactor
    surrogates: BatchCmac
    withheld: int = 0

    def __call__(self, notes: pa.Array, patient: Positions, rule: RedactNote) -> pa.Array:
        """Return the notes of these patients under a rule, null where they are withheld."""
        known = identifiers_of(self.decision, patient)
        replacement = replacement_of(self.plan, self.decision, patient, rule, self.surrogates)
        result = self.redactor.redact(notes, known, replacement)
        self.withheld += result.withheld
        return result.texts
