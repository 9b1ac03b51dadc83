"""k counted again on what was really written, over every released column of the vector.

Of the run only what each class shows is asked: every class must be shown by as many released patients as it holds, and
nothing else may be shown by anybody. So no column of the vector is finer than its class, and no class smaller than k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import plain
from deid.disclosure.leaves import VectorIndex, codes_of, distinct, vector_texts
from deid.disclosure.sensitive import Reached, broken, classes_tell, reached
from deid.errors import DEFECT, VerificationError
from deid.observing.controls import Place
from deid.observing.decision import Decision
from deid.patients.positions import Tagger
from deid.patients.tags import TagIndex
from deid.planning.plan import Plan, TablePlan
from deid.release.small_counts import shown

Numbers = npt.NDArray[np.int32]
_UNSEEN = np.int32(-1)


@dataclass(frozen=True, slots=True)
class ValueNote:
    """What rows show of their patients in columns of the vector: tags of distinct values, and each row's among them."""

    patient: Numbers = field(repr=False)
    values: Mapping[Place, tuple[npt.NDArray[np.uint64], Numbers]] = field(repr=False)


class VectorCheck:
    """What every released patient shows of the vector: 4 bytes a patient for each of its columns."""

    def __init__(self, plan: Plan, decision: Decision) -> None:
        self._plan, self._decision = plan, decision
        vectors = decision.controls.vectors
        self._expected = dict(vectors.columns) if vectors is not None else {}
        self._tagger = Tagger.fresh()
        self._values = {place: TagIndex() for place in self._expected}
        self._shown: dict[Place, list[Numbers]] = {place: [] for place in self._own}
        self._reduced: dict[Place, Numbers] = {}
        self._positions: list[Numbers] = []
        self._patients = 0

    @property
    def _own(self) -> list[Place]:
        return [place for place in self._expected if place[0] == self._plan.dataset.population]

    @property
    def needs_positions(self) -> bool:
        """Whether released patients must be told by the run's own positions, to know what is sensitive of them."""
        return bool(self._decision.held)

    def population(self, batch: pa.RecordBatch, position: Numbers | None) -> None:
        """Note what the rows of the population show; each is a patient, numbered as they come.

        `position`: the run's positions of these patients, int32, told by their pseudonyms; None where none is needed.
        """
        self._patients += batch.num_rows
        if self.needs_positions:
            if position is None:
                raise VerificationError("classes cannot be checked to be diverse without pseudonyms", hint=DEFECT)
            self._positions.append(position)
        for place in self._own:
            self._shown[place].append(self._number(place, batch.column(place[1])))

    def reduces(self, planned: TablePlan) -> bool:
        """Whether rows of a table must show one value of their patient."""
        return any(place[0] == planned.table.name for place in self._expected if place not in self._shown)

    def note(self, planned: TablePlan, batch: pa.RecordBatch, patient: Numbers) -> ValueNote:
        """Return what rows of another table show of their patients; `patient` int32, as the population came."""
        places = [place for place in self._expected if place[0] == planned.table.name and place not in self._shown]
        return ValueNote(patient, {place: self._tagged(batch.column(place[1])) for place in places})

    def take(self, note: ValueNote) -> None:
        """Check that rows of another table show one value of the patient; raise VerificationError."""
        patient = note.patient
        for place, (tags, at) in note.values.items():
            numbers = self._values[place].add(tags)[0][at]
            known = self._reduced.setdefault(place, np.full(self._patients, _UNSEEN, np.int32))
            fresh = known[patient] == _UNSEEN
            known[patient[fresh]] = numbers[fresh]
            flips = len(np.unique(patient[known[patient] != numbers]))
            if flips:
                raise VerificationError(
                    f"{'.'.join(place)} shows more than one value of {shown(flips)} patients", hint=DEFECT
                )

    def finish(self) -> tuple[Reached, ...]:
        """Check the classes that the release as a whole shows: their sizes, k, and the share that was withheld.

        Returns how much they tell of sensitive kinds.
        """
        limits = self._plan.policy.limits
        if limits.k is None:
            return ()
        released = [self._of_patients(place) for place in self._expected]
        decided = [self._number(place, cells) for place, cells in self._expected.items()]
        sizes = self._sizes(released, decided)
        diverse = self._diverse(released)
        small = int(((sizes > 0) & (sizes < limits.k)).sum())
        if small:
            raise VerificationError(
                f"{small:,} classes of released patients are smaller than k = {limits.k}", hint=DEFECT
            )
        withheld = self._decision.suppressed_patients
        if not self._decision.is_continued and withheld > limits.suppression * (withheld + self._patients) + 1e-9:
            raise VerificationError(
                f"{shown(withheld)} patients were withheld, more than the policy's share of {limits.suppression:g}",
                hint=DEFECT,
            )
        return diverse

    def _diverse(self, released: Sequence[Numbers]) -> tuple[Reached, ...]:
        """Check that no released class tells more of a sensitive kind than the policy lets it."""
        if not self._decision.held:
            return ()
        numbers = VectorIndex(len(released)).add(released) if released else np.zeros(self._patients, np.int32)
        klass = np.full(len(self._decision.patients), -1, np.int32)
        klass[np.concatenate([np.zeros(0, np.int32), *self._positions])] = numbers
        found = tuple(classes_tell(klass, self._decision.held))
        for rule, limit, classes in broken(found):
            raise VerificationError(
                f"{classes:,} classes of released patients break {limit} = {getattr(rule, limit)} of {rule.kind}",
                hint=DEFECT,
            )
        return reached(found)

    def _sizes(self, released: Sequence[Numbers], decided: Sequence[Numbers]) -> npt.NDArray[np.int64]:
        """Return the number of released patients in each class; raise where they are not those that were decided."""
        if not released:
            return np.array([self._patients], np.int64)
        index = VectorIndex(len(released))
        classes = index.add(decided)
        found = index.add(released)
        klass = self._decision.patients.klass[: len(self._decision.patients)]
        if len(np.unique(classes)) != len(classes) or len(index) != len(classes):
            raise VerificationError("released patients show quasi-identifiers that no class has", hint=DEFECT)
        sizes = np.bincount(found, minlength=len(classes))
        wanted = np.bincount(klass[self._decision.patients.selected], minlength=len(classes))
        if not np.array_equal(sizes, wanted):
            raise VerificationError("released patients show the quasi-identifiers of other classes", hint=DEFECT)
        return sizes

    def _of_patients(self, place: Place) -> Numbers:
        """Return the number of what each patient shows; one without a row in the table shows an empty cell."""
        if place in self._shown:
            return np.concatenate([np.zeros(0, np.int32), *self._shown[place]])
        known = self._reduced.get(place, np.full(self._patients, _UNSEEN, np.int32))
        return np.where(known == _UNSEEN, self._number(place, pa.nulls(1, pa.string()))[0], known).astype(np.int32)

    def _number(self, place: Place, cells: pa.Array) -> Numbers:
        tags, at = self._tagged(cells)
        return np.asarray(self._values[place].add(tags)[0][at], np.int32)

    def _tagged(self, cells: pa.Array) -> tuple[npt.NDArray[np.uint64], Numbers]:
        """Return tags of the distinct cells, and which of them each cell is."""
        cells = plain(cells)
        first, at = distinct([codes_of(cells)], len(cells))
        return self._tagger.tags(vector_texts([cells.take(pa.array(first))], len(first))), at.astype(np.int32)
