"""What the report says of the release, gathered from the decrypted output while it is read back.

Memory: what distinct values and codes take; where withheld patients are compared with the released ones, or a column is
reduced, 12 bytes a patient, 4 for each reduced column, and 17 to 21 to tell patients by their pseudonyms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import validity
from deid.observing.controls import CodeMap
from deid.patients.released import patient_pseudonym, pseudonym_tags
from deid.patients.tags import TagIndex
from deid.planning.plan import Plan, Step, TablePlan
from deid.reports.by_patient import FewState, OfPatients, counted, grown
from deid.reports.code_levels import Told, map_of, told
from deid.reports.item_levels import ItemLevels, Levels
from deid.reports.source_side import Place, SourceSide, code_places
from deid.reports.tallies import (
    Counts,
    Numbers,
    Tallied,
    TalliedState,
    Values,
    ValuesState,
    VectorState,
    VectorTally,
)


@dataclass(frozen=True, slots=True)
class ReleaseState:
    """What was noted of some batches. `people`: tags of the patients of whom anything was, uint64 (n,).

    Whatever is told of patients is told by their places among these.
    """

    released: int
    values: tuple[ValuesState, ...]
    vectors: VectorState
    codes: Mapping[Place, TalliedState]
    levels: Mapping[Place, Mapping[str, FewState]]
    people: npt.NDArray[np.uint64] = field(repr=False)
    vector: OfPatients
    visits: OfPatients
    mentions: OfPatients
    reduced: Mapping[Place, tuple[ValuesState, OfPatients]]


class ReleaseSide:
    """Takes note of released rows, batch by batch, the population first.

    `source`: the other side, complete; `maps`: the code maps by code system.
    """

    def __init__(self, plan: Plan, source: SourceSide, maps: Mapping[str, CodeMap]) -> None:
        self._plan, self._source, self._maps = plan, source, maps
        self._levels: dict[Place, ItemLevels] = {}
        self._told: dict[Place, Told] = {}
        self._steps, self._values = source.steps, source.values
        self.vectors = VectorTally(len(source.steps), 1)
        self.codes: dict[Place, Tallied] = {}
        self.released = 0
        # Who is who matters only where withheld patients are weighed against these, or a class is of several tables.
        is_reduced = any(step.take is not None for planned in plan.tables for step in planned.written)
        self._tells_people = source.weighs_lost or is_reduced
        self._people = TagIndex()
        self._told_of = 0  # how many of them were met elsewhere
        self._before: tuple[pa.Array, Numbers] | None = None  # batches mostly bring the pseudonyms of the one before
        self._vector: Numbers = np.zeros(0, np.int32)
        self._visits: Numbers = np.zeros(0, np.int32)
        self._mentions: Numbers = np.zeros(0, np.int32)
        self._reduced: dict[Place, tuple[Values, Numbers]] = {}

    def see(self, planned: TablePlan, batch: pa.RecordBatch) -> None:
        """Take note of a batch as it was read back."""
        is_population = planned.table.name == self._plan.dataset.population
        key = patient_pseudonym(planned)
        pseudonyms = batch.column(key.column.name) if key is not None else None
        patient = None
        if pseudonyms is not None and self._tells_people:
            patient = self._patients(pseudonyms, add=is_population)
        if is_population:
            self._meet(batch, patient)
        if patient is not None:
            if planned.table.name == self._plan.dataset.encounters:
                self._visits = counted(self._visits, patient, self._room)
            self._reduce(planned, batch, patient)
        for place, steps in code_places(planned).items():
            for step in steps:
                cells = batch.column(step.column.name)
                coded = self.codes.setdefault(place, Tallied(1)).add(cells)
                if patient is not None:
                    self._mentions = counted(self._mentions, patient[validity(cells)], self._room)
                if pseudonyms is not None:
                    self._level(place, step).add(coded, pseudonyms)

    def people(self) -> npt.NDArray[np.uint64]:
        """Return tags of the patients met so far, uint64 (n,), by which parts of other tables know them."""
        return self._people.tags

    def know(self, people: npt.NDArray[np.uint64]) -> None:
        """Take the patients whom the parts of the population told of, before any other table is seen."""
        self._people.add(people)
        self._told_of = len(self._people)

    def state(self) -> ReleaseState:
        """Return what was noted so far, of patients who were met elsewhere only what was noted here."""
        size = len(self._people)
        own = {place: (values, grown(numbers, size, 0)[:size]) for place, (values, numbers) in self._reduced.items()}
        vector, visits, mentions = self.patients()
        noted = (vector >= 0) | (visits > 0) | (mentions > 0)
        noted[self._told_of :] = True
        for _, numbers in own.values():
            noted |= numbers > 0
        return ReleaseState(
            released=self.released,
            values=tuple(values.state() for values in self._values),
            vectors=self.vectors.state(),
            codes={place: tallied.state() for place, tallied in self.codes.items()},
            levels={place: levels.state() for place, levels in self._levels.items()},
            people=self._people.tags[noted],
            vector=OfPatients.where(vector[noted], -1),
            visits=OfPatients.where(visits[noted], 0),
            mentions=OfPatients.where(mentions[noted], 0),
            reduced={place: (v.state(), OfPatients.where(numbers[noted], 0)) for place, (v, numbers) in own.items()},
        )

    def merge(self, state: ReleaseState) -> None:
        """Take what an object of the same plan and maps, and with an equal source side, noted of other batches."""
        self.released += state.released
        numbers = [values.merge(there) for values, there in zip(self._values, state.values, strict=True)]
        vectors = self.vectors.merge(state.vectors, numbers)
        for place, tallied in state.codes.items():
            self.codes.setdefault(place, Tallied(1)).merge(tallied)
        for place, levels in state.levels.items():
            planned = self._plan.table(place[0])
            steps = code_places(planned)[place] if planned is not None else []
            self._level(place, steps[0]).merge(levels)
        self._merge_people(state, vectors)

    def _merge_people(self, state: ReleaseState, vectors: Numbers) -> None:
        here = self._people.add(state.people)[0]
        size = len(self._people)
        if len(state.vector.positions):
            self._vector = grown(self._vector, size, -1)
            self._vector[here[state.vector.positions]] = vectors[state.vector.numbers]
        self._visits = state.visits.at(here).added_to(self._visits, size)
        self._mentions = state.mentions.at(here).added_to(self._mentions, size)
        for place, (there, of) in state.reduced.items():
            values, numbers = self._reduced.get(place, (Values(), np.zeros(0, np.int32)))
            renumbered = values.merge(there)
            numbers = grown(numbers, size, 0)
            numbers[here[of.positions]] = renumbered[of.numbers]
            self._reduced[place] = (values, numbers)

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

    def told(self, place: Place, step: Step) -> Told:
        """Return how the source's distinct codes of a column are told."""
        if place not in self._told:
            codes = self._source.codes[place].values.texts[1:] if place in self._source.codes else ()
            self._told[place] = told(
                step, pa.array([text or "" for text in codes], pa.string()), map_of(step, self._maps)
            )
        return self._told[place]

    def levels(self, place: Place) -> Levels | None:
        """Return the levels at which codes are told; None where rows cannot be told by patient."""
        return self._levels[place].found() if place in self._levels else None

    def patients(self) -> tuple[Numbers, Numbers, Numbers]:
        """Return vector, visits and mentions of every released patient, int32 (n,) each."""
        size = len(self._people)
        vector = grown(self._vector, size, -1)[:size]
        return vector, grown(self._visits, size, 0)[:size], grown(self._mentions, size, 0)[:size]

    @property
    def _room(self) -> int:
        return max(1, len(self._people))  # all rows are of one, where the population is not released

    def _patients(self, pseudonyms: pa.Array, *, add: bool) -> Numbers:
        if add:
            return self._people.add(pseudonym_tags(pseudonyms))[0]
        if not isinstance(pseudonyms, pa.DictionaryArray):
            return self._found(pseudonyms)
        if self._before is None or not pseudonyms.dictionary.equals(self._before[0]):
            self._before = (pseudonyms.dictionary, self._found(pseudonyms.dictionary))
        return np.asarray(self._before[1].take(pseudonyms.indices.to_numpy()), np.int32)

    def _found(self, pseudonyms: pa.Array) -> Numbers:
        # Verified elsewhere: whoever is in a table was released.
        return np.asarray(np.maximum(self._people.find(pseudonym_tags(pseudonyms)), 0), np.int32)

    def _level(self, place: Place, step: Step) -> ItemLevels:
        if place not in self._levels:
            self._levels[place] = ItemLevels(self.told(place, step).level_of_items(), self.codes[place])
        return self._levels[place]

    def _meet(self, batch: pa.RecordBatch, patient: Numbers | None) -> None:
        numbers = [
            values.of(batch.column(step.column.name)) for step, values in zip(self._steps, self._values, strict=True)
        ]
        self.released += batch.num_rows
        vector = self.vectors.add(numbers, 0 if numbers else np.zeros(batch.num_rows, np.int64))
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
