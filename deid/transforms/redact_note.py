"""Remove identifiers from free text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from deid.cells.buffers import plain
from deid.cells.domains import Anything
from deid.errors import PlanError
from deid.kinds import Value
from deid.schema import Column
from deid.transforms.base import Context, Output
from deid.transforms.options import choice

REPLACE = ("tags", "surrogates")
DATES = ("tag", "shift", "year", "quarter", "month", "week")


@dataclass(frozen=True, slots=True)
class RedactNote:
    """Write the note with identifiers replaced: the patient's own from the record, then what detectors find.

    Contract:
    - accepts: note kinds;
    - output: string; nulls stay null; a note that cannot be redacted becomes null, it is never written as it was;
    - `replace`: `tags` such as [PERSON_NAME], or `surrogates`: invented names, places and numbers of the same form, the
      same for one patient in all notes of a release;
    - `dates`: `tag`; `shift`, by the patient's offset, as the policy's shift_date does; or `year`, `quarter`, `month`,
      `week`, no finer than the policy's rule for that kind of date. What cannot be said so in a text is a tag;
    - ages over 89 and ZIP codes go by the policy's rules for `age` and `zip_code`: `90+`, three digits, else replaced;
    - key: surrogates come from a PRF of the patient under a key of this release; offsets from that of the tables;
    - linkable by its wording to whoever has read the note; not reversible;
    - source: 45 CFR 164.514(b)(1): redacted text cannot be proven clean, so it always needs an expert.
    """

    replace: str = "tags"
    dates: str = "tag"
    name: ClassVar[str] = "redact_note"
    primary: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        choice("replace", self.replace, REPLACE)
        choice("dates", self.dates, DATES)

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the person with a key: where surrogates or shifted dates stand in it."""
        return self.replace == "surrogates" or self.dates == "shift"

    def output(self, column: Column) -> Output:
        """Return redacted text; raise PlanError for a kind that is no note."""
        if column.kind.value is not Value.NOTE:
            raise PlanError(
                f"redact_note cannot serve kind {column.kind.name}", hint="describe the column as a note, or drop it"
            )
        return Output(pa.string(), Anything(), self._meaning())

    def _meaning(self) -> str:
        found = "removed" if self.replace == "tags" else "replaced by invented ones"
        dates = {"tag": "", "shift": "; dates shifted by the patient's own offset"}
        return f"free text with identifiers {found}{dates.get(self.dates, f'; dates cut to the {self.dates}')}"

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return the redacted notes, row by row: the same text means other identifiers for another patient."""
        return context.redact(plain(values))
