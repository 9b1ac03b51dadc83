"""What must be seen of a source before a row can be written: one observer for each thing that is decided.

An observer names the columns it needs of each table and takes note of typed rows; `observe` runs them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import runs, validity
from deid.cells.days import NO_DAY
from deid.crosswalks.crosswalk import Crosswalk, distinct_enough
from deid.crosswalks.frozen import FrozenCrosswalk
from deid.documents.cohort import Predicate
from deid.keys.prf import BatchCmac, offsets
from deid.observing.decision import OFFSETS, Decision, Pseudonyms, RowSelection, matched
from deid.observing.noting import Noting
from deid.observing.rows import LEFT_OUT, LinkMap, TypedRows
from deid.observing.selection import carriers, days_of
from deid.patients.positions import Patients, Positions
from deid.planning.plan import Plan
from deid.schema import Table
from deid.sealing.sealed import SealedRows
from deid.transforms.pseudonymize import Pseudonymize
from deid.transforms.shift_date import ShiftDate
from deid.visits.columns import encounter_key

ROW_MET = np.uint32(1 << 31)


class Observer(Protocol):
    """Something that must see certain columns before it can decide."""

    def columns(self, table: Table) -> Sequence[str]:
        """Return the columns it needs of `table`, none if it does not care."""
        ...

    def see(self, rows: TypedRows) -> None:
        """Take note of the good rows of one batch."""
        ...


@dataclass(slots=True)
class BirthDays:
    """Remembers birth days and who is 90 or older."""

    plan: Plan
    decision: Decision

    def columns(self, table: Table) -> Sequence[str]:
        """The birth date in the population table."""
        is_population = table.name == self.plan.dataset.population
        return [c.name for c in list(table.of_kind("birth_date"))[:1]] if is_population else []

    def see(self, rows: TypedRows) -> None:
        """Keep the birth day of each patient."""
        good = rows.patient >= 0
        self.decision.mark_aged(rows.patient[good], days_of(rows.values[self.columns(rows.table)[0]])[good])


@dataclass(frozen=True, slots=True)
class Tagged:
    """Rows to be kept under their tags: uint64 (n,), and n rows."""

    tags: npt.NDArray[np.uint64] = field(repr=False)
    rows: pa.RecordBatch = field(repr=False)


@dataclass(slots=True)
class Links(Noting):
    """Remembers which patient each key of a linking table belongs to.

    `within`: the period outside of which a row of the linking table takes those linked to it along, or None.
    """

    target: Table
    source: Table
    map: LinkMap
    within: Predicate | None

    def columns(self, table: Table) -> Sequence[str]:
        """The key, in the table that is linked through, and the days of its rows where they decide."""
        if table.name != self.target.name or self.source.link is None:
            return []
        days = carriers(table, self.within) if self.within is not None else ()
        return [self.source.link.key, *(day.name for day in days)]

    def note(self, rows: TypedRows) -> Tagged:
        """Return keys and positions; LEFT_OUT for a row outside of the period."""
        keys = rows.values[self.columns(rows.table)[0]]
        good = np.flatnonzero(~rows.bad & validity(keys))  # an empty key stands for nothing and joins nothing
        keys = keys.take(pa.array(good))
        patient = rows.patient
        if self.within is not None:
            inside = matched(self.within, rows.table, rows.values, np.full(len(rows), NO_DAY, np.int32))
            patient = np.where(inside, patient, LEFT_OUT).astype(np.int32)
        return Tagged(self.map.tagger.tags(keys), pa.record_batch([pa.array(patient[good])], names=["patient"]))

    def take(self, note: Tagged) -> None:
        """Keep key and position."""
        self.map.positions.add(note.tags, note.rows)


@dataclass(slots=True)
class CohortPatients(Noting):
    """Notes which predicates of the cohort each patient meets, on any row of any table.

    `until` bounds the dates of rows that count, or is None: what may not leave must not choose either.
    """

    predicates: tuple[Predicate, ...]
    patients: Patients
    until: Predicate | None

    def columns(self, table: Table) -> Sequence[str]:
        """Every column that carries a predicate, and the dates by which rows count."""
        carried = [column.name for predicate in self.predicates for column in carriers(table, predicate)]
        if carried and self.until is not None:
            carried += [column.name for column in carriers(table, self.until)]
        return carried

    def note(self, rows: TypedRows) -> dict[int, Positions]:
        """Return who meets each predicate that a row of theirs met, by its number."""
        birth = _birth_days(self.patients, rows)
        counts = rows.patient >= 0
        if self.until is not None and carriers(rows.table, self.until):
            counts &= matched(self.until, rows.table, rows.values, birth)
        return {
            bit: np.unique(rows.patient[matched(predicate, rows.table, rows.values, birth) & counts])
            for bit, predicate in enumerate(self.predicates)
            if carriers(rows.table, predicate)
        }

    def take(self, note: dict[int, Positions]) -> None:
        """Set one bit for each predicate met."""
        for bit, patient in note.items():
            self.patients.met[patient] |= np.uint32(1 << bit)


@dataclass(slots=True)
class CohortRows(Noting):
    """Selects patients with a matching row, and the encounters of such rows."""

    selection: RowSelection
    patients: Patients

    def columns(self, table: Table) -> Sequence[str]:
        """Every column that carries a predicate, and in the carrier table the encounter key."""
        is_carrier = table.name == self.selection.carrier
        if not is_carrier and not self.selection.stands_alone(table):
            return []
        carried = [c.name for predicate in self.selection.evaluated(table) for c in carriers(table, predicate)]
        return carried + ([column.name for column in encounter_key(table)] if is_carrier else [])

    def note(self, rows: TypedRows) -> tuple[Positions, Tagged | None]:
        """Return who has a matching row, and the encounters' keys and whether they match."""
        kept = self.selection.keeps(rows.table, rows.values, _birth_days(self.patients, rows)) & (rows.patient >= 0)
        patient = np.unique(rows.patient[kept])
        if self.selection.encounters is None or rows.table.name != self.selection.carrier:
            return patient, None
        ids = rows.values[encounter_key(rows.table)[0].name]
        # A cohort's encounters are few; without one all are noted, to tell those left out from those unknown here.
        chosen = np.flatnonzero((kept if self.selection.predicates else rows.patient >= 0) & validity(ids))
        tags = self.selection.tagger.visit_tags(ids.take(pa.array(chosen)), rows.patient[chosen])
        return patient, Tagged(tags, pa.record_batch([pa.array(kept[chosen])], names=["kept"]))

    def take(self, note: tuple[Positions, Tagged | None]) -> None:
        """Select the patients, and keep the encounters."""
        patient, visits = note
        self.patients.met[patient] |= ROW_MET
        if visits is not None and self.selection.encounters is not None:
            self.selection.encounters.add(visits.tags, visits.rows)


@dataclass(slots=True)
class RandomCodes(Noting):
    """Shows the crosswalk every identifier that will need a random pseudonym."""

    plan: Plan
    pseudonyms: Pseudonyms
    crosswalk: Crosswalk

    def columns(self, table: Table) -> Sequence[str]:
        """Every column with a random pseudonym; patients' own keys only where the population names them all."""
        planned = self.plan.table(table.name)
        names = [s.column.name for s in planned.written if _is_random(s.transform)] if planned else []
        names = [name for name in names if name != table.patient]
        if table.name == self.plan.dataset.population and self._patients_are_random() and table.patient:
            names.append(table.patient)
        return names

    def note(self, rows: TypedRows) -> list[tuple[str, npt.NDArray[np.uint8]]]:
        """Return the crosswalk's tags of the identifiers, uint8 (n, 16), by domain; no identifier is kept."""
        found = []
        for name in self.columns(rows.table):
            column = rows.table.column(name)
            if column is not None:
                distinct, _ = runs(rows.values[name])
                domain = self.pseudonyms.domain_of(column.kind.name)
                found.append((domain, self.crosswalk.tags(domain, distinct_enough(distinct))))
        return found

    def take(self, note: list[tuple[str, npt.NDArray[np.uint8]]]) -> None:
        """Show the tags to the crosswalk."""
        for domain, tags in note:
            self.crosswalk.observe_tags(domain, tags)

    def _patients_are_random(self) -> bool:
        return any(
            s.column.name == t.table.patient and _is_random(s.transform) for t in self.plan.tables for s in t.steps
        )


@dataclass(slots=True)
class Offsets:
    """Gives each patient one date offset, from a PRF of the source identifier under a key of series and party."""

    plan: Plan
    decision: Decision
    cmac: BatchCmac
    shift: ShiftDate

    def columns(self, table: Table) -> Sequence[str]:
        """The patient key of the population table."""
        return [table.patient] if table.name == self.plan.dataset.population and table.patient else []

    def see(self, rows: TypedRows) -> None:
        """Keep the offset of each patient, int16 days."""
        good = np.flatnonzero(rows.patient >= 0)
        digests = self.cmac.digest(rows.values[self.columns(rows.table)[0]].take(pa.array(good)))
        days = offsets(digests, max_days=self.shift.max_days, multiple_of=self.shift.multiple_of)
        self.decision.patients.offset[rows.patient[good]] = days.astype(np.int16)


@dataclass(slots=True)
class RandomOffsets:
    """Gives each patient one date offset out of the crosswalk, once that is frozen; until then it keeps their tags."""

    plan: Plan
    decision: Decision
    crosswalk: Crosswalk
    shift: ShiftDate
    seen: SealedRows

    def columns(self, table: Table) -> Sequence[str]:
        """The patient key of the population table."""
        return [table.patient] if table.name == self.plan.dataset.population and table.patient else []

    def see(self, rows: TypedRows) -> None:
        """Show the crosswalk the patients, and note who has which tag."""
        good = np.flatnonzero(rows.patient >= 0)
        ids = rows.values[self.columns(rows.table)[0]].take(pa.array(good))
        domain = self.decision.pseudonyms.domain_of(OFFSETS)
        self.crosswalk.observe(domain, ids)
        positions = pa.record_batch([pa.array(rows.patient[good])], names=["patient"])
        self.seen.add(self.crosswalk.tags(domain, ids), positions)

    def settle(self, codes: FrozenCrosswalk) -> None:
        """Keep the offset of each patient, int16 days: the drawn bits, brought into range as those of a PRF are."""
        domain, shift = self.decision.pseudonyms.domain_of(OFFSETS), self.shift
        self.seen.freeze()
        for table in self.seen.partitions():
            tags = np.stack([table["tag"].to_numpy(), table["tag_low"].to_numpy()], axis=1)
            drawn = codes.surrogates(domain, tags)
            days = offsets(drawn, max_days=shift.max_days, multiple_of=shift.multiple_of)
            self.decision.patients.offset[table["patient"].to_numpy()] = days.astype(np.int16)


def _birth_days(patients: Patients, rows: TypedRows) -> npt.NDArray[np.int32]:
    if not len(patients.birth_day):
        return np.full(len(rows), NO_DAY, np.int32)
    return np.where(rows.patient >= 0, patients.birth_day[np.maximum(rows.patient, 0)], NO_DAY)


def _is_random(transform: object) -> bool:
    return isinstance(transform, Pseudonymize) and transform.method == "random"
