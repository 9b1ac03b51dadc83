"""Verification of what was really written: staged files are read back from disk and held against the plan.

What is checked: every digest; every column against its step's output domain; row counts; that every patient of every
table is one whom the population released; k, counted again on the released vectors; that no number is of two patients;
that released text holds none of its patient's own identifiers; that the envelope holds exactly one stanza for each
recipient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import plain, validity
from deid.cells.domains import Between
from deid.checks.code_check import CodeCheck
from deid.checks.further_check import FurtherCheck
from deid.checks.note_check import NoteCheck
from deid.checks.number_check import NumberCheck
from deid.checks.vector_check import VectorCheck
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
from deid.transforms.generalize_date import GeneralizeDate

Progress = Callable[[str, int], None]
See = Callable[[TablePlan, pa.RecordBatch], None]


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
    check = _Check(plan, decision, series)
    population = plan.dataset.population
    for planned in sorted(plan.tables, key=lambda planned: planned.table.name != population):
        name = planned.table.name
        expected = sum(file.rows for file in written[name])
        found = 0
        progress(f"verifying {name}", 0)
        for batch in ahead(read_back(folder, written[name], keys), is_apart=is_ahead):
            check.batch(planned, batch)
            see(planned, batch)
            found += batch.num_rows
            progress(f"verifying {name}", batch.num_rows)
        if found != expected:
            raise VerificationError(f"{name} has {found:,} rows on disk; {expected:,} were written", hint=DEFECT)
    return check.finish()


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What was measured on the release: the attack with known codes, and what further knowledge comes to.

    `mapped`: what was decided of codes with the figures of that attack, None where none are mapped. `sensitive`: how
    much the classes tell of sensitive kinds.
    """

    mapped: Mapped | None
    further: FurtherRisk | None
    sensitive: tuple[Reached, ...] = ()


class _Check:
    """Holds what must be remembered between batches: released pseudonyms, and counts of quasi-identifier vectors."""

    def __init__(self, plan: Plan, decision: Decision, series: SeriesRun | None) -> None:
        self._plan, self._decision = plan, decision
        self._series = SeriesCheck(plan, decision, series) if series is not None else None
        self._needs_patients = plan.policy.limits.k is not None or plan.request.cohort is not None
        self._released: TagIndex | None = None
        self._asked: pa.Array | None = None
        self._proven: dict[tuple[str, str], pa.Array] = {}
        self._vectors = VectorCheck(plan, decision)
        self._codes = CodeCheck(plan, decision)
        self._further = FurtherCheck(plan, decision)
        self._numbers = NumberCheck(plan)
        self._given = GivenPseudonyms(decision.patients)
        self._notes = NoteCheck(plan, decision, self._given)

    def batch(self, planned: TablePlan, batch: pa.RecordBatch) -> None:
        """Check one batch of a table."""
        for step, values in zip(planned.written, batch.columns, strict=True):
            self._in_domain(planned, step, values)
            self._closed_at_90(planned, step, values)
        key = patient_pseudonym(planned)
        if key is not None and self._needs_patients:
            self._patients(planned, batch.column(key.column.name))
        if planned.table.name == self._plan.dataset.population:
            is_told = key is not None and (self._series is not None or self._vectors.needs_positions)
            own = self._given.positions(batch.column(key.column.name)) if is_told and key is not None else None
            self._vectors.population(batch, own)
            if self._series is not None:
                self._series.population(batch, own)
        elif self._vectors.reduces(planned):
            self._vectors.visits(planned, batch, self._released_position(planned, batch, key))
        if self._codes.checks(planned) and key is not None:
            self._codes.batch(planned, batch, self._given.positions(batch.column(key.column.name)))
        self._own_numbers(planned, batch, key)
        if self._further.is_needed:
            people = pseudonym_tags(batch.column(key.column.name)) if key is not None else None
            self._further.batch(planned, batch, people)
        if self._notes.is_needed:
            self._notes.batch(planned, batch, key)

    def _in_domain(self, planned: TablePlan, step: Step, values: pa.Array) -> None:
        """Check a column against its step's domain; of a dictionary every entry, once while batches bring the same.

        An entry that no row points to is read by a recipient all the same, so it must lie in the domain too.
        """
        if step.output is None:
            raise AssertionError("a dropped column was written")
        place, entries = (planned.table.name, step.column.name), values
        if isinstance(values, pa.DictionaryArray):
            entries = values.dictionary
            if place in self._proven and entries.equals(self._proven[place]):
                return
        outside = step.output.domain.violations(entries)
        if outside:
            raise VerificationError(
                f"{outside:,} values of {planned.table.name}.{step.column.name} lie outside what {step.transform.name} "
                f"may write ({step.output.domain.describe()})",
                hint=DEFECT,
            )
        if entries is not values:
            self._proven[place] = entries

    def finish(self) -> ReadBack:
        """Check what only the whole tells: the classes of released patients, what is known by codes and by more."""
        sensitive = self._vectors.finish()
        mapped = self._codes.finish()
        if self._series is not None:
            self._series.finish()
        return ReadBack(mapped, self._further.finish(), sensitive)

    def _closed_at_90(self, planned: TablePlan, step: Step, values: pa.Array) -> None:
        """Check that no birth year stands in the output that tells an age over 89, 164.514(b)(2)(i)(C)."""
        closes = isinstance(step.transform, GeneralizeDate) and step.transform.floor_age is not None
        if closes and step.column.kind.name == "birth_date" and pa.types.is_integer(values.type):
            width = step.transform.width  # type: ignore[attr-defined]
            floor = (self._plan.reference_date.year - 90) // width * width
            below = Between(low=floor).violations(values)
            if below:
                raise VerificationError(
                    f"{below:,} values of {planned.table.name}.{step.column.name} tell an age over 89", hint=DEFECT
                )

    def _patients(self, planned: TablePlan, pseudonyms: pa.Array) -> None:
        if planned.table.name == self._plan.dataset.population:
            self._released = TagIndex() if self._released is None else self._released
            _, is_new = self._released.add(pseudonym_tags(pseudonyms))
            if not is_new.all():
                raise VerificationError(
                    f"{int((~is_new).sum()):,} patients stand twice in {planned.table.name}", hint=DEFECT
                )
        elif self._released is not None and not self._are_released(pseudonyms, self._released):
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

    def _own_numbers(self, planned: TablePlan, batch: pa.RecordBatch, key: Step | None) -> None:
        is_population = planned.table.name == self._plan.dataset.population
        for step in self._numbers.steps(planned):
            # A table of no patients at all tells none apart: where its numbers stand beside patients, they are checked.
            if key is None and not is_population:
                continue
            own = self._given.positions(batch.column(key.column.name)) if key is not None else None
            cells = plain(batch.column(step.column.name))
            has = validity(cells)
            self._numbers.add(planned, step, pseudonym_tags(cells.drop_null()), own[has] if own is not None else None)

    def _released_position(self, planned: TablePlan, batch: pa.RecordBatch, key: Step | None) -> npt.NDArray[np.int32]:
        """Return the place of each row's patient among the released ones, in the order of the population."""
        if key is None or self._released is None:
            raise VerificationError(
                f"the rows of {planned.table.name} cannot be laid beside their patients",
                hint="release the patient's pseudonym in both tables",
            )
        return self._released.find(pseudonym_tags(batch.column(key.column.name)))


def check_envelope(stanzas: int, recipients: int) -> None:
    """Raise VerificationError unless the envelope holds exactly one stanza for each recipient."""
    if stanzas != recipients:
        raise VerificationError(f"the envelope holds {stanzas} stanzas for {recipients} recipients", hint=DEFECT)
