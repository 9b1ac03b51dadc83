"""Code groups of a request: which columns hold their codes, and which rows belong to which group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from deid.cells.days import NO_DAY
from deid.codes import system_of
from deid.documents.cohort import Predicate
from deid.errors import PlanError
from deid.observing.selection import matches
from deid.schema import Column, DatasetDescription, Table
from deid.tables.people import Numbers
from deid.tables.tabulation import CODES, Tabulation
from deid.visits.columns import encounter_key, start_of_visit

ALL = ""  # the group of all visits, number 0


@dataclass(slots=True)
class CodeGroups:
    """Groups by number: those that a request names, or one for each code of a level, numbered as they are met."""

    asked: Tabulation
    dataset: DatasetDescription
    labels: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.labels = [ALL, *self.asked.groups]

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of codes that are counted."""
        if CODES not in self.asked.dimensions:
            return frozenset()
        named = {kind for group in self.asked.groups.values() for kind in group}
        return frozenset(named | ({self.asked.level[0]} if self.asked.level else set()))

    def columns(self, table: Table) -> list[str]:
        """Return the columns of a table whose codes are counted: those that a day or a visit stands beside."""
        is_dated = start_of_visit(table) is not None or bool(encounter_key(table))
        return [c.name for c in table.of_kind(*self.kinds)] if is_dated and self.kinds else []

    def of(self, column: Column, values: pa.Array) -> Iterator[tuple[Numbers, Numbers]]:
        """Yield rows and their group, for each group that any row is of; raise PlanError for a level there is not."""
        if self.asked.level is not None:
            yield self._of_level(column, values, self.asked.level[1])
            return
        kind, nobody = column.kind.name, np.full(len(values), NO_DAY, np.int32)
        for number, kinds in enumerate(self.asked.groups.values(), 1):
            if kind in kinds:
                first = next(c for t in self.dataset.tables for c in t.of_kind(kind))
                at = np.flatnonzero(matches(Predicate(kind, codes=kinds[kind]), first, values, nobody))
                yield at, np.full(len(at), number, np.int32)

    def _of_level(self, column: Column, values: pa.Array, level: str) -> tuple[Numbers, Numbers]:
        system = system_of(column.kind.name, column.use)
        if system is None:
            raise PlanError(
                f"{column.kind.name} has no code system, so no levels", hint="write groups of codes instead"
            )
        try:
            rolled = system.roll_up(values, level)
        except KeyError:
            levels = ", ".join(known.name for known in system.levels)
            raise PlanError(f"{system.title} has no such level", hint=f"choose among {levels}") from None
        encoded = rolled if isinstance(rolled, pa.DictionaryArray) else rolled.dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        known = {label: number for number, label in enumerate(self.labels)}
        for label in texts:
            if label and label not in known:
                known[label] = len(self.labels)
                self.labels.append(label)
        lookup = np.array([known[text] if text else -1 for text in texts] + [-1], np.int32)
        group = lookup[encoded.indices.fill_null(len(lookup) - 1).to_numpy(zero_copy_only=False)]
        at = np.flatnonzero(group >= 0)
        return at, group[at]
