"""Remove identifiers from free text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from deid.buffers import plain
from deid.domains import Anything
from deid.errors import PlanError
from deid.kinds import Value
from deid.schema import Column
from deid.transforms.base import Context, Output


@dataclass(frozen=True, slots=True)
class RedactNote:
    """Write the note with identifiers removed: the patient's own from the record, then what detectors find.

    Contract:
    - accepts: note kinds;
    - output: string; nulls stay null; a note that cannot be redacted becomes null, it is never written as it was;
    - key: none for what is removed; dates in notes move with the patient's offset;
    - linkable by its wording to whoever has read the note; not reversible;
    - source: 45 CFR 164.514(b)(1): redacted text cannot be proven clean, so it always needs an expert.
    """

    name: ClassVar[str] = "redact_note"
    primary: ClassVar[str | None] = None

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the person with a key: never."""
        return False

    def output(self, column: Column) -> Output:
        """Return redacted text; raise PlanError for a kind that is no note."""
        if column.kind.value is not Value.NOTE:
            raise PlanError(
                f"redact_note cannot serve kind {column.kind.name}", hint="describe the column as a note, or drop it"
            )
        return Output(pa.string(), Anything(), "free text with identifiers removed")

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return the redacted notes, row by row: the same text means other identifiers for another patient."""
        return context.redact(plain(values))
