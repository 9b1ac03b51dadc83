"""What must be seen of a source before a row can be written: one observer for each thing that is decided.

An observer names the columns it needs of each table and takes note of typed rows; `observe` runs them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.buffers import runs, scattered
from deid.codes.visit_flags import INPATIENT_CLASSES
from deid.cohort import Predicate
from deid.crosswalk import Crosswalk
from deid.days import NO_DAY
from deid.decision import Decision, Pseudonyms, RowSelection, matched
from deid.kinds import Value
from deid.notes.known import SEARCHED_KINDS, KnownIdentifiers
from deid.patients import Patients, Tagger
from deid.plan import Plan
from deid.prf import BatchCmac, offsets
from deid.rows import LEFT_OUT, LinkMap, TypedRows
from deid.schema import Column, DatasetDescription, Table
from deid.sealed import RECORD, SealedMap, SealedRows
from deid.selection import carriers, days_of, end_of_visit, start_of_visit
from deid.transforms.pseudonymize import Pseudonymize
from deid.transforms.shift_date import ShiftDate

INPATIENT = pa.array(sorted(INPATIENT_CLASSES))
READMISSION_DAYS = 30
Numbers = npt.NDArray[Any]
UNIT = "\x1f"
ROW_MET = np.uint32(1 << 31)
_SEARCHED_ANYWHERE = frozenset(
    {
        "person_name", "relative_name", "provider_name", "employer_name", "facility_name", "street_address", "city",
        "county", "zip_code", "birth_place", "phone", "fax", "email", "url", "ssn", "mrn", "member_id",
        "account_number", "license_number", "vehicle_id", "device_id", "death_date", "facility_place", "facility_phone",
    }
)  # fmt: skip
_OF_VISITS = frozenset({"admit_date", "discharge_date", "service_date", "record_date", "encounter_id", "claim_id"})


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


@dataclass(slots=True)
class Links:
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

    def see(self, rows: TypedRows) -> None:
        """Keep key and position; LEFT_OUT for a row outside of the period."""
        keys = rows.values[self.columns(rows.table)[0]]
        good = np.flatnonzero(~rows.bad & _known(keys))
        keys = keys.take(pa.array(good))
        patient = rows.patient
        if self.within is not None:
            inside = matched(self.within, rows.table, rows.values, np.full(len(rows), NO_DAY, np.int32))
            patient = np.where(inside, patient, LEFT_OUT).astype(np.int32)
        payload = pa.record_batch([pa.array(patient[good])], names=["patient"])
        self.map.positions.add(self.map.tagger.tags(keys), payload)


@dataclass(slots=True)
class CohortPatients:
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

    def see(self, rows: TypedRows) -> None:
        """Set one bit for each predicate met."""
        birth = _birth_days(self.patients, rows)
        counts = rows.patient >= 0
        if self.until is not None and carriers(rows.table, self.until):
            counts &= matched(self.until, rows.table, rows.values, birth)
        for bit, predicate in enumerate(self.predicates):
            if carriers(rows.table, predicate):
                hit = matched(predicate, rows.table, rows.values, birth) & counts
                np.bitwise_or.at(self.patients.met, rows.patient[hit], np.uint32(1 << bit))


@dataclass(slots=True)
class CohortRows:
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

    def see(self, rows: TypedRows) -> None:
        """Note the encounters' keys, and whether they match."""
        kept = self.selection.keeps(rows.table, rows.values, _birth_days(self.patients, rows)) & (rows.patient >= 0)
        self.patients.met[rows.patient[kept]] |= ROW_MET
        if self.selection.encounters is not None and rows.table.name == self.selection.carrier:
            ids = rows.values[encounter_key(rows.table)[0].name]
            # A cohort's encounters are few; without one all are noted, to tell those left out from those unknown here.
            chosen = np.flatnonzero((kept if self.selection.predicates else rows.patient >= 0) & _known(ids))
            tags = self.selection.tagger.visit_tags(ids.take(pa.array(chosen)), rows.patient[chosen])
            self.selection.encounters.add(tags, pa.record_batch([pa.array(kept[chosen])], names=["kept"]))


@dataclass(slots=True)
class RandomCodes:
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

    def see(self, rows: TypedRows) -> None:
        """Hand the identifiers over."""
        for name in self.columns(rows.table):
            column = rows.table.column(name)
            if column is not None:
                distinct, _ = runs(rows.values[name])
                self.crosswalk.observe(self.pseudonyms.domain_of(column.kind.name), distinct)

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
class Identifiers:
    """Keeps each patient's own identifiers, sealed, for the redaction of notes and the check of what was released.

    The population tells most of them. Other tables tell who the relatives, the guarantor and those who treat the
    patient are, and what the patient was called before or after the record that counts as the population's.
    """

    plan: Plan
    into: SealedMap

    def columns(self, table: Table) -> Sequence[str]:
        """Every column whose kind is searched for in the notes of its patient."""
        return identifying_columns(self.plan.dataset, table)

    def see(self, rows: TypedRows) -> None:
        """Keep each identifier of each patient as one text, kind and value; what the row before told is passed over."""
        good = np.flatnonzero(rows.patient >= 0)
        patient = rows.patient[good]
        for name in self.columns(rows.table):
            column = rows.table.column(name)
            if column is None:
                continue
            text = rows.values[name].take(pa.array(good)).cast(pa.string())
            text = pc.replace_substring(pc.fill_null(text, ""), RECORD, " ")  # no cell may cut the packing
            told = pc.not_equal(text, "").to_numpy(zero_copy_only=False)
            same = pc.equal(text[1:], text[:-1]).to_numpy(zero_copy_only=False) & (patient[1:] == patient[:-1])
            chosen = np.flatnonzero(told & ~np.append(False, same)[: len(told)])
            packed = pc.binary_join_element_wise(column.kind.name, text.take(pa.array(chosen)), UNIT)
            self.into.add(scattered(patient[chosen]), pa.record_batch([packed], names=["identifiers"]))


def unpack_identifiers(packed: str | None) -> list[tuple[str, str]]:
    """Return the (kind, value) pairs that `Identifiers` packed, empty values left out."""
    pairs = [part.split(UNIT, 1) for part in (packed or "").split(RECORD) if UNIT in part]
    return [(kind, value) for kind, value in pairs if value]


def identifiers_of(decision: Decision, patient: Numbers) -> list[KnownIdentifiers]:
    """Return, for each position, the patient's own identifiers that were observed; one object for all rows of one."""
    if decision.identifiers is None:
        raise AssertionError("the patients' identifiers were asked for, but not observed")
    distinct, numbers = np.unique(patient, return_inverse=True)
    _, packed = decision.identifiers.find(scattered(distinct))
    on = decision.reference_date  # whoever is 90 while the release is in use, as in the tables
    known = [KnownIdentifiers(unpack_identifiers(text), on=on) for text in packed.column(0).to_pylist()]
    return [known[number] for number in numbers.tolist()]


def identifying_columns(dataset: DatasetDescription, table: Table) -> list[str]:
    """Return the columns whose values are searched for in the notes of their patient.

    Of other tables than the population what names people and places or numbers people; of encounters, deaths and notes
    the days and numbers of visits too. Days and codes of lines and orders stand in every row of the largest tables,
    and in notes hardly ever without the visit's. Not where columns may be absent from the file: none is asked for then
    that the request does not need.
    """
    if table.name == dataset.population:
        return [column.name for column in table.columns if column.kind.name in SEARCHED_KINDS]
    if table.optional_columns:
        return []
    holds_notes = any(column.kind.value is Value.NOTE for column in table.columns)
    kinds = _SEARCHED_ANYWHERE | (_OF_VISITS if table.name == dataset.encounters or holds_notes else frozenset())
    return [column.name for column in table.columns if column.kind.name in kinds]


@dataclass(slots=True)
class Stays:
    """Collects inpatient stays, to tell afterwards which were followed by another within 30 days."""

    plan: Plan
    rows: SealedRows
    tagger: Tagger

    def columns(self, table: Table) -> Sequence[str]:
        """First and last day, and the class of encounter."""
        if table.name != self.plan.dataset.encounters:
            return []
        needed = [start_of_visit(table), end_of_visit(table), next(table.of_kind("encounter_class"), None)]
        return [column.name for column in needed if column is not None]

    def see(self, rows: TypedRows) -> None:
        """Keep patient, first and last day of inpatient stays."""
        start, end, klass = (rows.values[name] for name in self.columns(rows.table))
        inpatient = is_inpatient(klass) & (rows.patient >= 0)
        patient = pa.array(rows.patient[inpatient])
        payload = pa.record_batch(
            [patient, pa.array(days_of(start)[inpatient]), pa.array(days_of(end)[inpatient])],
            names=["patient", "start", "end"],
        )
        self.rows.add(scattered(rows.patient[inpatient]), payload)

    def followed(self, into: SealedMap) -> None:
        """Write (patient, first day, last day) -> followed by another stay, for every stay."""
        for part in self.rows.partitions():
            patient, start, end = (part.column(n).to_numpy().astype(np.int64) for n in ("patient", "start", "end"))
            order = np.lexsort((start, patient))
            # Days are counted from NO_DAY here, so that those before 1970 stay with their patient.
            first = patient * (1 << 32) - NO_DAY
            keys = (first + start)[order]
            after = np.searchsorted(keys, first + end, side="right")
            next_key = np.append(keys, -1)[after]
            soon = (after < len(keys)) & (next_key <= first + end + READMISSION_DAYS)
            followed = soon & (next_key // (1 << 32) == patient) & (start != NO_DAY) & (end != NO_DAY)
            into.add(
                stay_tags(self.tagger, patient, start, end), pa.record_batch([pa.array(followed)], names=["followed"])
            )


def is_inpatient(klass: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which encounter classes are inpatient: the words of FHIR's ActCode and of plain tables, in any case."""
    if isinstance(klass, pa.DictionaryArray):
        inner = is_inpatient(klass.dictionary)
        return np.asarray(np.append(inner, np.False_)[klass.indices.fill_null(-1).to_numpy(zero_copy_only=False)], bool)
    hit = pc.is_in(pc.utf8_upper(klass), value_set=INPATIENT)
    return np.asarray(pc.fill_null(hit, False).to_numpy(zero_copy_only=False))


def stay_tags(tagger: Tagger, patient: Numbers, start: Numbers, end: Numbers) -> npt.NDArray[np.uint64]:
    """Return a tag for each (patient, first day, last day)."""
    packed = np.ascontiguousarray(np.stack([patient, start, end], axis=1).astype("<i8"))
    binary = pa.Array.from_buffers(pa.binary(24), len(packed), [None, pa.py_buffer(packed)])
    return tagger.tags(binary.cast(pa.binary()))


def encounter_key(table: Table, kind: str | None = None) -> list[Column]:
    """Return the table's encounter key in a list of at most one; a claim key stands in where there is none.

    With a `kind`, only a key of that kind: an encounter's number is looked for among encounters, never among claims.
    """
    if kind is not None:
        return list(table.of_kind(kind))[:1]
    return list(table.of_kind("encounter_id"))[:1] or list(table.of_kind("claim_id"))[:1]


def _known(keys: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which keys are there; empty ones stand for nothing and join nothing."""
    return np.asarray(keys.is_valid().to_numpy(zero_copy_only=False), bool)


def _birth_days(patients: Patients, rows: TypedRows) -> npt.NDArray[np.int32]:
    if not len(patients.birth_day):
        return np.full(len(rows), NO_DAY, np.int32)
    return np.where(rows.patient >= 0, patients.birth_day[np.maximum(rows.patient, 0)], NO_DAY)


def _is_random(transform: object) -> bool:
    return isinstance(transform, Pseudonymize) and transform.method == "random"
