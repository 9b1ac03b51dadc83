"""What the report says of the release, gathered from the decrypted output while it is read back.

Memory: 12 bytes a patient, 4 for each reduced column, and 17 to 21 to tell patients by their pseudonyms.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.controls import CodeMap
from deid.plan import Plan, Step, TablePlan
from deid.reports.code_levels import NOT_KNOWN, map_of, told
from deid.reports.source_side import Place, SourceSide, code_places
from deid.reports.tallies import Counts, Few, Numbers, Tallied, Values, VectorTally, grown
from deid.tags import TagIndex
from deid.verification import patient_pseudonym, pseudonym_tags

Levels = Mapping[str, tuple[int, Few]]  # of each level its mentions, and who is behind them


class ReleaseSide:
    """Takes note of released rows, batch by batch, the population first.

    `source`: the other side, complete; `maps`: the code maps by code system.
    """

    def __init__(self, plan: Plan, source: SourceSide, maps: Mapping[str, CodeMap]) -> None:
        self._plan, self._source, self._maps = plan, source, maps
        self._levels: dict[Place, _ItemLevels] = {}
        self._steps, self._values = source.steps, source.values
        self.vectors = VectorTally(len(source.steps), 1)
        self.codes: dict[Place, Tallied] = {}
        self.released = 0
        self._people = TagIndex()
        self._vector: Numbers = np.zeros(0, np.int32)
        self._visits: Numbers = np.zeros(0, np.int32)
        self._mentions: Numbers = np.zeros(0, np.int32)
        self._reduced: dict[Place, tuple[Values, Numbers]] = {}

    def see(self, planned: TablePlan, batch: pa.RecordBatch) -> None:
        """Take note of a batch as it was read back."""
        is_population = planned.table.name == self._plan.dataset.population
        key = patient_pseudonym(planned)
        patient = self._patients(batch.column(key.column.name), add=is_population) if key is not None else None
        if is_population:
            self._meet(batch, patient)
        if patient is not None and planned.table.name == self._plan.dataset.encounters:
            self._visits = _counted(self._visits, patient, len(self._people))
        if patient is not None:
            self._reduce(planned, batch, patient)
        for place, steps in code_places(planned).items():
            for step in steps:
                cells = batch.column(step.column.name)
                self.codes.setdefault(place, Tallied(1)).add(cells)
                if patient is not None:
                    filled = cells.is_valid().to_numpy(zero_copy_only=False)
                    self._mentions = _counted(self._mentions, patient[filled], len(self._people))
                    self._level(place, step).add(cells, patient)

    @property
    def knows_patients(self) -> bool:
        """Whether the population table releases the patients' pseudonyms, so that rows can be told by patient."""
        return len(self._people) == self.released > 0

    def sizes(self) -> Counts:
        """Return how many patients each class has, int64 (classes,); empty where no column is counted."""
        if not self._steps and not self._reduced:
            return np.zeros(0, np.int64)
        if not self._reduced or not self.knows_patients:
            counts = self.vectors.counts[:, 0]
            return counts[counts > 0]
        size = len(self._people)
        columns = [grown(self._vector, size, -1)[:size]]
        columns += [grown(numbers, size, 0)[:size] for _, numbers in self._reduced.values()]
        return np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)[1].astype(np.int64)

    def reduced(self) -> Mapping[Place, tuple[Values, Counts]]:
        """Return the reduced columns: their values, and patients of each by number."""
        size = len(self._people)
        return {
            place: (values, np.bincount(grown(numbers, size, 0)[:size], minlength=len(values)))
            for place, (values, numbers) in self._reduced.items()
        }

    def step_of(self, place: Place) -> Step:
        """Return the step of a released column."""
        table = self._plan.table(place[0])
        return next(step for step in (table.written if table is not None else ()) if step.column.name == place[1])

    def levels(self, place: Place) -> Levels | None:
        """Return the levels at which codes are told; None where rows cannot be told by patient."""
        return self._levels[place].found if place in self._levels else None

    def patients(self) -> tuple[Numbers, Numbers, Numbers]:
        """Return vector, visits and mentions of every released patient, int32 (n,) each."""
        size = len(self._people)
        vector = grown(self._vector, size, -1)[:size]
        return vector, grown(self._visits, size, 0)[:size], grown(self._mentions, size, 0)[:size]

    def _patients(self, pseudonyms: pa.Array, *, add: bool) -> Numbers:
        tags = pseudonym_tags(pseudonyms)
        found = self._people.add(tags)[0] if add else self._people.find(tags)
        return np.asarray(np.maximum(found, 0), np.int32)  # verified elsewhere: whoever is in a table was released

    def _level(self, place: Place, step: Step) -> _ItemLevels:
        if place not in self._levels:
            codes = self._source.codes[place].values.texts[1:] if place in self._source.codes else ()
            code = told(step, pa.array([text or "" for text in codes], pa.string()), map_of(step, self._maps))
            self._levels[place] = _ItemLevels(code.level_of_items())
        return self._levels[place]

    def _meet(self, batch: pa.RecordBatch, patient: Numbers | None) -> None:
        numbers = [
            values.of(batch.column(step.column.name)) for step, values in zip(self._steps, self._values, strict=True)
        ]
        self.released += batch.num_rows
        vector = self.vectors.add(numbers, np.zeros(batch.num_rows, np.int64))
        if patient is not None:
            self._vector = grown(self._vector, len(self._people), -1)
            self._vector[patient] = vector

    def _reduce(self, planned: TablePlan, batch: pa.RecordBatch, patient: Numbers) -> None:
        """Keep one value a patient of the reduced columns; that all rows show the same is verified elsewhere."""
        for step in planned.written:
            if step.take is not None:
                place = (planned.table.name, step.column.name)
                values, numbers = self._reduced.get(place, (Values(), np.zeros(0, np.int32)))
                numbers = grown(numbers, len(self._people), 0)
                numbers[patient] = values.of(batch.column(step.column.name))
                self._reduced[place] = (values, numbers)


class _ItemLevels:
    """Counts released items by their level."""

    def __init__(self, level_of: Mapping[str | None, str]) -> None:
        self.found: dict[str, tuple[int, Few]] = {}
        self._level_of = level_of
        self._before: tuple[pa.Array, list[str], npt.NDArray[np.int64]] | None = None

    def add(self, cells: pa.Array, patient: Numbers) -> None:
        """Count a batch."""
        coded = cells if isinstance(cells, pa.DictionaryArray) else cells.dictionary_encode()
        if self._before is None or not coded.dictionary.equals(self._before[0]):
            self._before = (coded.dictionary, *self._placed(coded.dictionary))
        _, names, numbers = self._before
        place = {name: number for number, name in enumerate(names)}
        of_row = numbers[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        for name in names:
            mine = of_row == place[name]
            rows, few = self.found.get(name, (0, Few()))
            few.add(patient[mine])
            self.found[name] = (rows + int(mine.sum()), few)

    def _placed(self, items: pa.Array) -> tuple[list[str], npt.NDArray[np.int64]]:
        """Return the levels of some items, sorted, and the place of each item's among them, -1 last for a null."""
        levels = [self._level_of.get(item, NOT_KNOWN) for item in items.to_pylist()]
        names = sorted(set(levels))
        place = {name: number for number, name in enumerate(names)}
        return names, np.array([*(place[level] for level in levels), -1], np.int64)


def _counted(counts: Numbers, patient: Numbers, size: int) -> Numbers:
    counts = grown(counts, max(1, size), 0)  # all rows are of one, where the population is not released
    distinct, rows = np.unique(patient, return_counts=True)
    counts[distinct] += rows.astype(np.int32)
    return counts
