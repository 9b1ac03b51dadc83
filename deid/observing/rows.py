"""Read typed rows of a source, each with its patient's position and whether it is bad.

A bad row cannot be parsed, has no patient, names a patient whom the population table does not know, or is a second
population row for one patient, unless the description says that the first one counts. Bad rows are counted by reason; a
reason names the column and never a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.text_cells import Parsed
from deid.cells.values import parse
from deid.engine.ahead import ahead
from deid.kinds import KINDS
from deid.patients.positions import Patients, Positions, Tagger
from deid.schema import Column, DatasetDescription, Table
from deid.sealing.sealed import SealedMap
from deid.sources import Source
from deid.sources.splits import Split

Flags = npt.NDArray[np.bool_]
# Rows that are no part of what is read: a further one of the population for a patient whose first row counts, and one
# whose link leads to nobody where the description says that such rows are about others, or to a row outside the period.
LEFT_OUT = -2


@dataclass(frozen=True, slots=True)
class TypedRows:
    """One batch: typed columns by name, and per row the patient's position (-1 for a bad row) and badness.

    `raw` is the batch as read, for quarantine. The repr holds no cell.
    """

    table: Table
    raw: pa.RecordBatch = field(repr=False)
    values: Mapping[str, pa.Array] = field(repr=False)
    patient: Positions = field(repr=False)
    bad: Flags = field(repr=False)

    def __len__(self) -> int:
        return int(self.raw.num_rows)

    def without(self, rows: Flags) -> TypedRows:
        """Return the batch without these rows."""
        if not rows.any():
            return self
        kept = pa.array(np.flatnonzero(~rows))
        values = {name: cells.take(kept) for name, cells in self.values.items()}
        return TypedRows(self.table, self.raw.take(kept), values, self.patient[~rows], self.bad[~rows])


@dataclass(frozen=True, slots=True)
class LinkMap:
    """From the keys of a linking table to patients' positions."""

    tagger: Tagger
    positions: SealedMap

    def find(self, keys: pa.Array) -> Positions:
        """Return positions, -1 where the key is unknown."""
        _, payload = self.positions.find(self.tagger.tags(keys))
        found = payload.column(0).fill_null(-1).to_numpy(zero_copy_only=False)
        return np.asarray(found, dtype=np.int32)


class Screen(Protocol):
    """What is left out of a run before anything sees it; see deid.choices."""

    def columns(self, table: Table) -> Sequence[str]:
        """Return the columns that must be read of a table to screen it, beside the patient key."""
        ...

    def begin(self, table: Table) -> None:
        """Take note that a table is read, once more or for the first time."""
        ...

    def drops(self, table: Table, values: Mapping[str, pa.Array], keys: pa.Array) -> Flags:
        """Return which rows are left out, bool (n,); `keys` are their patient or linking keys."""
        ...


class Rows:
    """The one way a run reads its source. Rows that `screen` drops are none: no count or fault tells of them.

    `is_ahead`: whether batches are read and parsed in a thread of their own, ahead of what is done with them.
    """

    def __init__(
        self,
        source: Source,
        dataset: DatasetDescription,
        patients: Patients,
        screen: Screen | None = None,
        *,
        is_ahead: bool = False,
    ) -> None:
        self._is_ahead = is_ahead
        self._screen = screen
        self._source = source
        self._dataset = dataset
        self._patients = patients
        self.links: dict[str, LinkMap] = {}
        # Columns that every reading of a table takes in, so that the same rows are bad in each.
        self.also: dict[str, tuple[str, ...]] = {}
        self.reasons: dict[str, Counter[str]] = {}

    def read(
        self, table: Table, columns: Sequence[str], splits: Sequence[Split] = (), *, met: int = 0
    ) -> Iterator[TypedRows]:
        """Yield typed batches of `columns`; `reasons[table]` holds the bad rows' reasons after the last one.

        `splits`: the parts of the table that are read, all of it by default. `met`: how many patients the parts of the
        population before them hold; whose row stands there has a further one here.
        """
        reasons = self.reasons[table.name] = Counter()
        is_population = table.name == self._dataset.population
        key = table.patient if table.patient is not None else table.link.on  # type: ignore[union-attr]
        seen: Flags = np.ones(met, bool)
        screening = self._screen.columns(table) if self._screen is not None else ()
        names = list(dict.fromkeys([key, *columns, *self.also.get(table.name, ()), *screening]))
        described = [self._described(table, name) for name in names]
        if self._screen is not None:
            self._screen.begin(table)
        parses = (
            _parsed(batch, described)
            for split in splits or (None,)
            for batch in self._source.read(table.name, names, split)
        )
        for batch, cells_of in ahead(parses, is_apart=self._is_ahead):
            raw, parsed = self._screened(table, key, batch, cells_of, described)
            values: dict[str, pa.Array] = {}
            bad: Flags = np.zeros(raw.num_rows, bool)
            for column, (cells, unparsed) in zip(described, parsed, strict=True):
                values[column.name] = cells
                if unparsed.any():
                    reasons[f"{column.name} is not a valid {column.kind.value}"] += int(unparsed.sum())
                    bad |= unparsed
            if is_population:
                patient, seen = self._population(table, values[key], bad, seen, reasons)
            else:
                patient = self._linked(table, values[key], bad, reasons)
            rows = TypedRows(table, raw, values, patient, bad)
            yield rows.without(patient == LEFT_OUT)

    def _screened(
        self, table: Table, key: str, raw: pa.RecordBatch, parsed: list[Parsed], described: Sequence[Column]
    ) -> tuple[pa.RecordBatch, list[Parsed]]:
        """Return a batch without the rows that are left out, and its cells as parsed."""
        if self._screen is None:
            return raw, parsed
        values = {column.name: cells for column, (cells, _) in zip(described, parsed, strict=True)}
        kept = ~self._screen.drops(table, values, values[key])
        if kept.all():
            return raw, parsed
        taken = pa.array(np.flatnonzero(kept))
        return raw.take(taken), [(cells.take(taken), unparsed[kept]) for cells, unparsed in parsed]

    def _described(self, table: Table, name: str) -> Column:
        column = table.column(name)
        # A linking key need not be described as anything else than what it is: an identifier, read as text.
        return column if column is not None else Column(name, KINDS["unique_id"])

    def _population(
        self, table: Table, ids: pa.Array, bad: Flags, seen: Flags, reasons: Counter[str]
    ) -> tuple[Positions, Flags]:
        """Place the patients of a population batch; `seen` holds which positions this pass has met.

        A further row for a patient is bad, or LEFT_OUT where the description says that the first one counts.
        """
        _note_nulls(ids, bad, reasons)
        good = np.flatnonzero(~bad)
        patient = np.full(len(ids), -1, np.int32)
        if len(good):
            patient[good] = self._patients.admit(ids.take(pa.array(good)))
        seen = np.append(seen, np.zeros(max(0, len(self._patients) - len(seen)), bool))
        first = np.zeros(len(ids), bool)
        first[good[np.unique(patient[good], return_index=True)[1]]] = True
        again = ~bad & ~first
        again[good] |= seen[patient[good]]
        seen[patient[first & ~again]] = True
        if table.repeats == "first":
            patient[again] = LEFT_OUT
        elif again.any():
            reasons["a second row for one patient"] += int(again.sum())
            bad |= again
        patient[bad] = -1
        return patient, seen

    def _linked(self, table: Table, keys: pa.Array, bad: Flags, reasons: Counter[str]) -> Positions:
        _note_nulls(keys, bad, reasons)
        patient = self._patients.find(keys) if table.link is None else self.links[table.name].find(keys)
        orphans = (patient == -1) & ~bad
        if table.link is not None and table.link.others == "leave_out":
            return np.where(bad, -1, np.where(orphans, LEFT_OUT, patient)).astype(np.int32)
        if orphans.any():
            reasons["no such patient in the population table"] += int(orphans.sum())
            bad |= orphans
        patient = patient.copy()
        patient[bad] = -1
        return patient


def _parsed(raw: pa.RecordBatch, described: Sequence[Column]) -> tuple[pa.RecordBatch, list[Parsed]]:
    return raw, [parse(column, cells) for column, cells in zip(described, raw.columns, strict=True)]


def _note_nulls(ids: pa.Array, bad: Flags, reasons: Counter[str]) -> None:
    missing = ids.is_null().to_numpy(zero_copy_only=False) & ~bad
    if missing.any():
        reasons["the patient key is empty"] += int(missing.sum())
        bad |= missing
