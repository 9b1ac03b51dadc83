"""Verification of what was really written: staged files are read back from disk and held against the plan.

What is checked: every digest; every column against its step's output domain; row counts; that every patient of every
table is one whom the population released; k, counted again on the released vectors; that no number is of two patients;
that released text holds none of its patient's own identifiers; that the envelope holds exactly one stanza for each
recipient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import plain, validity
from deid.checks.cell_check import CellCheck
from deid.checks.code_check import CodeCheck, ItemNote
from deid.checks.further_check import FurtherCheck, FurtherNote
from deid.checks.note_check import NoteCheck
from deid.checks.number_check import NumberCheck
from deid.checks.vector_check import ValueNote, VectorCheck
from deid.disclosure.further import FurtherRisk
from deid.disclosure.sensitive import Reached
from deid.engine.ahead import ahead
from deid.errors import DEFECT, VerificationError
from deid.known_codes.code_decision import Mapped
from deid.ledger.checking import SeriesCheck
from deid.ledger.run import SeriesRun
from deid.observing.decision import Decision
from deid.patients.released import GivenPseudonyms, patient_pseudonym, pseudonym_tags
from deid.patients.tags import TagIndex
from deid.planning.plan import Plan, Step, TablePlan
from deid.sinks.encrypted_parquet import WrittenFile
from deid.sinks.read_back import read_back
from deid.sinks.release_keys import ReleaseKeys

Progress = Callable[[str, int], None]
See = Callable[[TablePlan, pa.RecordBatch], None]
OwnNumbers = tuple[Step, npt.NDArray[np.uint64], npt.NDArray[np.int32] | None]


def verify_staged(
    plan: Plan,
    decision: Decision,
    folder: Path,
    written: Mapping[str, Sequence[WrittenFile]],
    keys: ReleaseKeys,
    progress: Progress,
    series: SeriesRun | None = None,
    see: See = lambda _planned, _batch: None,
    *,
    is_ahead: bool = False,
) -> ReadBack:
    """Read every staged file back and raise VerificationError at the first promise that does not hold.

    Returns what was measured on what was read back; DisclosureError where it is over the ceiling of the policy.
    `see` is shown each batch that was found good, the population's first. `is_ahead`: whether files are decrypted in a
    thread of their own, ahead of what is checked.
    """
    checks = Verification(plan, decision, series)
    for planned in population_first(plan):
        batches = ahead(read_back(folder, written[planned.table.name], keys), is_apart=is_ahead)
        verify_table(checks, planned, batches, written[planned.table.name], progress, see)
    return checks.finish()


def population_first(plan: Plan) -> list[TablePlan]:
    """Return the tables of a plan in the order in which they are verified: only the population tells who is there."""
    return sorted(plan.tables, key=lambda planned: planned.table.name != plan.dataset.population)


def verify_table(
    checks: Verification,
    planned: TablePlan,
    batches: Iterable[pa.RecordBatch],
    written: Sequence[WrittenFile],
    progress: Progress,
    see: See,
) -> None:
    """Check the batches of one table as they were read back; raise VerificationError."""
    name, found = planned.table.name, 0
    progress(f"verifying {name}", 0)
    for batch in batches:
        checks.batch(planned, batch)
        see(planned, batch)
        found += batch.num_rows
        progress(f"verifying {name}", batch.num_rows)
    require_rows(name, written, found)


def require_rows(table: str, written: Sequence[WrittenFile], found: int) -> None:
    """Raise VerificationError unless as many rows of a table were read back as were written."""
    expected = sum(file.rows for file in written)
    if found != expected:
        raise VerificationError(f"{table} has {found:,} rows on disk; {expected:,} were written", hint=DEFECT)


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What was measured on the release: the attack with known codes, and what further knowledge comes to.

    `mapped`: what was decided of codes with the figures of that attack, None where none are mapped. `sensitive`: how
    much the classes tell of sensitive kinds.
    """

    mapped: Mapped | None
    further: FurtherRisk | None
    sensitive: tuple[Reached, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckNote:
    """What is remembered of a batch of another table than the population; each as its check notes it."""

    vectors: ValueNote | None = field(default=None, repr=False)
    codes: ItemNote | None = field(default=None, repr=False)
    numbers: list[OwnNumbers] = field(default_factory=list, repr=False)
    further: FurtherNote | None = field(default=None, repr=False)


class Verification:
    """Holds what must be remembered between batches: released pseudonyms, and counts of quasi-identifier vectors.

    Batches of the population come first, in one process. Those of other tables may then be noted by copies of this
    object elsewhere (`note`), and what they noted is taken here (`take`) in the order of tables and files.
    """

    def __init__(self, plan: Plan, decision: Decision, series: SeriesRun | None) -> None:
        self._plan, self._decision = plan, decision
        self._series = SeriesCheck(plan, decision, series) if series is not None else None
        self._needs_patients = plan.policy.limits.k is not None or plan.request.cohort is not None
        self._released: TagIndex | None = None
        self._asked: pa.Array | None = None
        self._cells = CellCheck(plan)
        self._vectors = VectorCheck(plan, decision)
        self._codes = CodeCheck(plan, decision)
        self._further = FurtherCheck(plan, decision)
        self._numbers = NumberCheck(plan)
        self._given = GivenPseudonyms(decision.patients)
        self._notes = NoteCheck(plan, decision, self._given)

    def batch(self, planned: TablePlan, batch: pa.RecordBatch) -> None:
        """Check one batch of a table; raise VerificationError."""
        note = self.note(planned, batch)
        if planned.table.name == self._plan.dataset.population:
            self._population(planned, batch)
        self.take(planned, note)

    def note(self, planned: TablePlan, batch: pa.RecordBatch) -> CheckNote:
        """Check what one batch tells by itself, and return what must be remembered of it; raise VerificationError."""
        self._cells.batch(planned, batch)
        key = patient_pseudonym(planned)
        pseudonyms = batch.column(key.column.name) if key is not None else None
        is_population = planned.table.name == self._plan.dataset.population
        if pseudonyms is not None and self._needs_patients and not is_population:
            self._require_released(planned, pseudonyms)
        if self._notes.is_needed:
            self._notes.batch(planned, batch, key)
        vectors = codes = further = None
        if not is_population and self._vectors.reduces(planned):
            vectors = self._vectors.note(planned, batch, self._released_position(planned, pseudonyms))
        if self._codes.checks(planned) and pseudonyms is not None:
            codes = self._codes.note(planned, batch, self._given.positions(pseudonyms))
        if self._further.is_needed:
            people = pseudonym_tags(pseudonyms) if pseudonyms is not None else None
            further = self._further.note(planned, batch, people)
        return CheckNote(vectors, codes, self._own_numbers(planned, batch, pseudonyms), further)

    def take(self, planned: TablePlan, note: CheckNote) -> None:
        """Remember what was noted of a batch of a table; raise VerificationError or DisclosureError."""
        if note.vectors is not None:
            self._vectors.take(note.vectors)
        if note.codes is not None:
            self._codes.take(note.codes)
        for step, tags, own in note.numbers:
            self._numbers.add(planned, step, tags, own)
        if note.further is not None:
            self._further.take(note.further)

    def for_tasks(self) -> Verification:
        """Return a copy that notes, without what only the whole is held against: it can be pickled."""
        held = copy(self)
        held._series = None  # noqa: SLF001 - its own
        return held

    def _population(self, planned: TablePlan, batch: pa.RecordBatch) -> None:
        """Take note of who is released, and what they show."""
        key = patient_pseudonym(planned)
        pseudonyms = batch.column(key.column.name) if key is not None else None
        if pseudonyms is not None and self._needs_patients:
            self._released = TagIndex() if self._released is None else self._released
            _, is_new = self._released.add(pseudonym_tags(pseudonyms))
            if not is_new.all():
                raise VerificationError(
                    f"{int((~is_new).sum()):,} patients stand twice in {planned.table.name}", hint=DEFECT
                )
        is_told = self._series is not None or self._vectors.needs_positions
        own = self._given.positions(pseudonyms) if is_told and pseudonyms is not None else None
        self._vectors.population(batch, own)
        if self._series is not None:
            self._series.population(batch, own)

    def finish(self) -> ReadBack:
        """Check what only the whole tells: the classes of released patients, what is known by codes and by more."""
        sensitive = self._vectors.finish()
        mapped = self._codes.finish()
        if self._series is not None:
            self._series.finish()
        return ReadBack(mapped, self._further.finish(), sensitive)

    def _require_released(self, planned: TablePlan, pseudonyms: pa.Array) -> None:
        if self._released is not None and not self._are_released(pseudonyms, self._released):
            raise VerificationError(f"{planned.table.name} holds rows of patients who were not released", hint=DEFECT)

    def _are_released(self, pseudonyms: pa.Array, released: TagIndex) -> bool:
        """Whether all are; of a dictionary every entry is asked, once for all batches that bring the same one.

        A recipient reads the entries that no row points to as well, so they must be released patients too.
        """
        if pseudonyms.null_count:
            raise VerificationError("a released row has no patient pseudonym", hint=DEFECT)
        entries = pseudonyms
        if isinstance(pseudonyms, pa.DictionaryArray):
            entries = pseudonyms.dictionary
            if self._asked is not None and entries.equals(self._asked):
                return True
        self._asked = entries
        return bool((released.find(pseudonym_tags(entries)) >= 0).all())

    def _own_numbers(self, planned: TablePlan, batch: pa.RecordBatch, pseudonyms: pa.Array | None) -> list[OwnNumbers]:
        """Return tags of a table's own numbers, by step, and whose they are; None where rows are patients in order."""
        is_population = planned.table.name == self._plan.dataset.population
        found: list[OwnNumbers] = []
        for step in self._numbers.steps(planned):
            # A table of no patients at all tells none apart: where its numbers stand beside patients, they are checked.
            if pseudonyms is None and not is_population:
                continue
            own = self._given.positions(pseudonyms) if pseudonyms is not None else None
            cells = plain(batch.column(step.column.name))
            has = validity(cells)
            found.append((step, pseudonym_tags(cells.drop_null()), own[has] if own is not None else None))
        return found

    def _released_position(self, planned: TablePlan, pseudonyms: pa.Array | None) -> npt.NDArray[np.int32]:
        """Return the place of each row's patient among the released ones, in the order of the population."""
        if pseudonyms is None or self._released is None:
            raise VerificationError(
                f"the rows of {planned.table.name} cannot be laid beside their patients",
                hint="release the patient's pseudonym in both tables",
            )
        return self._released.find(pseudonym_tags(pseudonyms))


def check_envelope(stanzas: int, recipients: int) -> None:
    """Raise VerificationError unless the envelope holds exactly one stanza for each recipient."""
    if stanzas != recipients:
        raise VerificationError(f"the envelope holds {stanzas} stanzas for {recipients} recipients", hint=DEFECT)
