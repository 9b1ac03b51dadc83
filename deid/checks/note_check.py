"""Released texts searched for the identifiers of their own patients, on what was really written."""

from __future__ import annotations

import pyarrow as pa

from deid.errors import DEFECT, VerificationError
from deid.observing.decision import Decision
from deid.patients.note_owners import checks_of
from deid.patients.own_identifiers import identifiers_of
from deid.patients.released import GivenPseudonyms
from deid.planning.plan import Plan, Step, TablePlan
from deid.transforms.redact_note import RedactNote


class NoteCheck:
    """Holds no text of a release to contain an identifier that the run knows of the text's patient."""

    def __init__(self, plan: Plan, decision: Decision, given: GivenPseudonyms) -> None:
        self._plan, self._decision, self._given = plan, decision, given
        self.is_needed = bool(plan.steps_of(RedactNote))

    def batch(self, planned: TablePlan, batch: pa.RecordBatch, key: Step | None) -> None:
        """Search the texts of a batch; `key` is the step that releases the patient's pseudonym, if any."""
        from deid.notes import leaks  # noqa: PLC0415 - heavy, and only where notes are released

        steps = [step for step in planned.written if isinstance(step.transform, RedactNote)]
        if not steps:
            return
        if key is None:
            raise VerificationError(
                f"the notes of {planned.table.name} cannot be checked against their patients",
                hint="release the patient's pseudonym beside the notes",
            )
        position = self._given.positions(batch.column(key.column.name))
        known = identifiers_of(self._decision, position)
        for step in steps:
            notes = batch.column(step.column.name).to_pylist()
            allowed = checks_of(self._plan, step.transform, known)  # type: ignore[arg-type]
            held = sum(1 for note, own in zip(notes, allowed, strict=True) if note and leaks(note, own))
            if held:
                raise VerificationError(
                    f"{held:,} texts of {planned.table.name}.{step.column.name} hold identifiers of their own patient",
                    hint=DEFECT,
                )
