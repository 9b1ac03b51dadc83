"""Inpatient stays: which visits are such, and which of them were followed by another within 30 days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import scattered
from deid.cells.days import NO_DAY
from deid.codes.visit_flags import INPATIENT_CLASSES
from deid.observing.noting import Noting
from deid.observing.rows import TypedRows
from deid.observing.selection import days_of
from deid.patients.positions import Tagger
from deid.planning.plan import Plan
from deid.schema import Table
from deid.sealing.sealed import SealedMap, SealedRows
from deid.visits.columns import end_of_visit, start_of_visit

Numbers = npt.NDArray[Any]
INPATIENT = pa.array(sorted(INPATIENT_CLASSES))
READMISSION_DAYS = 30


@dataclass(slots=True)
class Stays(Noting):
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

    def note(self, rows: TypedRows) -> pa.RecordBatch:
        """Return patient, first and last day of inpatient stays."""
        start, end, klass = (rows.values[name] for name in self.columns(rows.table))
        inpatient = is_inpatient(klass) & (rows.patient >= 0)
        patient = pa.array(rows.patient[inpatient])
        return pa.record_batch(
            [patient, pa.array(days_of(start)[inpatient]), pa.array(days_of(end)[inpatient])],
            names=["patient", "start", "end"],
        )

    def take(self, note: pa.RecordBatch) -> None:
        """Keep stays."""
        self.rows.add(scattered(note.column("patient").to_numpy()), note)

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
