"""A patient's own identifiers: gathered from the tables, sealed, and looked up for the redaction and check of notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import scattered
from deid.kinds import Value
from deid.notes.known import SEARCHED_KINDS, KnownIdentifiers
from deid.observing.decision import Decision
from deid.observing.noting import Noting
from deid.observing.rows import TypedRows
from deid.patients.positions import Positions
from deid.planning.plan import Plan
from deid.schema import DatasetDescription, Table
from deid.sealing.sealed import RECORD, SealedMap

UNIT = "\x1f"
_SEARCHED_ANYWHERE = frozenset(
    {
        "person_name", "relative_name", "provider_name", "employer_name", "facility_name", "street_address", "city",
        "county", "zip_code", "birth_place", "phone", "fax", "email", "url", "ssn", "mrn", "member_id",
        "account_number", "license_number", "vehicle_id", "device_id", "death_date", "facility_place", "facility_phone",
    }
)  # fmt: skip
_OF_VISITS = frozenset({"admit_date", "discharge_date", "service_date", "record_date", "encounter_id", "claim_id"})


@dataclass(slots=True)
class Identifiers(Noting):
    """Keeps each patient's own identifiers, sealed, for the redaction of notes and the check of what was released.

    The population tells most of them. Other tables tell who the relatives, the guarantor and those who treat the
    patient are, and what the patient was called before or after the record that counts as the population's.
    """

    plan: Plan
    into: SealedMap

    def columns(self, table: Table) -> Sequence[str]:
        """Every column whose kind is searched for in the notes of its patient."""
        return identifying_columns(self.plan.dataset, table)

    def note(self, rows: TypedRows) -> list[tuple[Positions, pa.Array]]:
        """Return each patient's identifiers as texts, kind and value; what the row before told is passed over."""
        found = []
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
            found.append((patient[chosen], packed))
        return found

    def take(self, note: list[tuple[Positions, pa.Array]]) -> None:
        """Keep identifiers of patients."""
        for patient, packed in note:
            self.into.add(scattered(patient), pa.record_batch([packed], names=["identifiers"]))


def unpack_identifiers(packed: str | None) -> list[tuple[str, str]]:
    """Return the (kind, value) pairs that `Identifiers` packed, empty values left out."""
    pairs = [part.split(UNIT, 1) for part in (packed or "").split(RECORD) if UNIT in part]
    return [(kind, value) for kind, value in pairs if value]


def identifiers_of(decision: Decision, patient: Positions) -> list[KnownIdentifiers]:
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
